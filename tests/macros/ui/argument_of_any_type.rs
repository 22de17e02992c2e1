use goworker::worker;

/// Resizes a picture.
#[worker]
async fn resize(params: impl Send) {
    drop(params);
}

/// Measures a picture.
#[worker]
async fn measure(
    /// How exactly.
    #[config]
    precision: impl Send,
) {
    drop(precision);
}

fn main() {}
