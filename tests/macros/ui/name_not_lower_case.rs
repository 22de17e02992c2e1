use goworker::{Context, Job, Output, WorkResult, Worker, worker};

/// Resizes a picture.
#[worker(name = "Re-size")]
pub struct Resize;

/// Measures a picture.
#[worker]
pub struct Größe;

/// Turns a picture.
#[worker(name = 90)]
pub struct Turn;

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
