use goworker::{Context, Job, Output, WorkResult, Worker, worker};

pub struct Picture;

/// Resizes a picture.
#[worker(params = Picture)]
pub struct Resize;

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
