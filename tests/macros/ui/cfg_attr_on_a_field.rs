use goworker::{Context, Job, Output, WorkResult, Worker, worker};

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// JPEG quality.
    #[cfg_attr(unix, config(default = 85))]
    quality: u8,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
