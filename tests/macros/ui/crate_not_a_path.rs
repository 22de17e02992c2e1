use goworker::{Context, Job, Output, WorkResult, Worker, worker};

/// Resizes a picture.
#[worker(crate = "gw")]
pub struct Resize;

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
