use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(
    /// How long it may take.
    #[config]
    timeout: u64,
) {
    drop(timeout);
}

fn main() {}
