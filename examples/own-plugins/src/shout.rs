//! A worker: a struct with its settings, and one method.

use goworker::{Context, Job, Output, WorkResult, Worker, worker};

/// Says its params loudly.
#[worker]
#[derive(Debug)]
pub(crate) struct Shout {
    /// How many exclamation marks follow.
    #[config(default = 1, range = 1..=10)]
    marks: usize,
}

impl Worker for Shout {
    async fn work(&self, job: &Job, _: &Context) -> WorkResult {
        // Params that are no text fail the job at once, with the JSON path.
        let text: String = job.params()?;
        Ok(Output::from(serde_json::json!(format!("{}{}", text.to_uppercase(), "!".repeat(self.marks)))))
    }
}
