use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(path: String, quality: u8) {
    drop((path, quality));
}

fn main() {}
