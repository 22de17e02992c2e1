//! The heartbeat of the process: each queue is told, again and again, that it is there and what it runs.
//!
//! It says more than that the process lives: the loop that takes jobs and the way to the queue do, too.

use std::sync::Arc;

use crate::process::{BEAT, ProcessInfo};
use crate::provider::ProviderError;

use super::{Answer, Engine, Pool, Timer};

/// What there is to tell.
pub(super) fn info(pools: &[Pool]) -> ProcessInfo {
    let slots = pools.iter().map(|pool| (pool.job_type.to_string(), pool.slots.total)).collect();
    ProcessInfo { version: env!("CARGO_PKG_VERSION").to_owned(), slots }
}

impl Engine {
    pub(super) fn beat(&mut self, lane: usize) {
        if let Some(queue) = self.lanes[lane].queue.clone() {
            let info = Arc::clone(&self.info);
            self.call(lane, async move { Answer::Announced { result: queue.announce(&info).await } });
        }
    }

    pub(super) fn announced(&mut self, lane: usize, result: Result<(), ProviderError>) {
        if let Err(error) = result {
            // No job depends on it, and the fetches tell of an outage.
            tracing::debug!(target: "goworker::manager", provider = %self.lanes[lane].name, "this process is not announced: {error}");
        }
        self.set_timer(BEAT, Timer::Beat(lane));
    }
}
