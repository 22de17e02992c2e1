use goworker::{Context, Job, worker};

/// Resizes a picture.
#[worker]
async fn resize(job: Job, ctx: Context) {
    drop((job, ctx));
}

fn main() {}
