use goworker::units::{Dur, Size};
use goworker::{Context, Job, Output, WorkResult, Worker, worker};

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// How long to wait before it.
    #[config(default = "s")]
    pause: Dur,
    /// How much memory it may take.
    #[config(default = "64MB")]
    memory: Size,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
