use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(params: &str) {
    drop(params);
}

fn main() {}
