use goworker::{Context, Job, Output, WorkResult, Worker, worker};

pub struct Format;

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// The format.
    format: Format,
    /// JPEG quality.
    #[config(default = 85)]
    quality: u8,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
