//! The application's worker.

use goworker::{Context, Job, WorkResult, Worker, worker};
use serde_json::json;

/// Adds up the items of an order.
#[worker]
#[derive(Debug)]
pub(crate) struct Total {
    /// What the prices are in.
    currency: String,
}

impl Worker for Total {
    async fn work(&self, job: &Job, _: &Context) -> WorkResult {
        let items: Vec<(f64, u32)> = job.params()?;
        let total: f64 = items.iter().map(|(price, pieces)| price * f64::from(*pieces)).sum();
        Ok(json!(format!("{total:.2} {}", self.currency)).into())
    }
}
