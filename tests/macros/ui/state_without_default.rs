use goworker::{Context, Job, Output, WorkResult, Worker, worker};

pub struct Connection;

/// Resizes a picture.
#[worker]
pub struct Resize {
    #[state]
    connection: Connection,
}

impl Worker for Resize {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

fn main() {}
