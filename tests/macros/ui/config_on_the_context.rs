use goworker::{Context, worker};

/// Resizes a picture.
#[worker]
async fn resize(
    /// What it runs in.
    #[config]
    ctx: &Context,
) {
    drop(ctx);
}

fn main() {}
