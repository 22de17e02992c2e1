use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(
    /// JPEG quality.
    quality: u8,
) {
    drop(quality);
}

fn main() {}
