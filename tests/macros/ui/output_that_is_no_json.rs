use goworker::{anyhow, worker};

pub struct Thumbnail;

/// Resizes a picture.
#[worker]
async fn resize() -> anyhow::Result<Thumbnail> {
    Ok(Thumbnail)
}

/// Measures a picture.
#[worker]
fn measure() -> Thumbnail {
    Thumbnail
}

fn main() {}
