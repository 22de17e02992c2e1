use goworker::{Context, Job, Output, WorkResult, Worker, worker};

use goworker::units::Dur;

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// JPEG quality.
    #[config(default = "high")]
    quality: u8,
    /// How long to wait before it.
    #[config(default = "30 parsecs")]
    pause: Dur,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
