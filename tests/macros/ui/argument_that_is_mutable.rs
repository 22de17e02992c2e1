use goworker::{Context, Job, worker};

/// Resizes a picture.
#[worker]
async fn resize(job: &mut Job, ctx: &mut Context) {
    drop((job, ctx));
}

/// Measures a picture.
#[worker]
async fn measure(
    /// The unit.
    #[config]
    unit: &mut String,
) {
    unit.clear();
}

fn main() {}
