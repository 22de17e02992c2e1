use goworker::{Context, Job, Output, WorkResult, Worker, worker};

/// Resizes a picture.
#[worker]
pub struct Resize {
    /// How many pictures were done.
    #[config(default)]
    #[state]
    done: u64,
    #[state(5)]
    failed: u64,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
