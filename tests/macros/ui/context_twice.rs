use goworker::{Context, Job, worker};

/// Resizes a picture.
#[worker]
async fn resize(first: &Job, one: &Context, second: &Job, two: &Context) {
    drop((first, one, second, two));
}

fn main() {}
