use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(
    /// Its size.
    #[config]
    (width, height): (u32, u32),
) {
    drop((width, height));
}

fn main() {}
