use goworker::worker;

/// Resizes a picture.
#[worker(params = String)]
async fn resize(path: String) {
    drop(path);
}

fn main() {}
