//! The queue behind a provider's `into`, for one that puts its jobs in by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::job::Job;
use crate::provider::{ProviderError, Target};
use crate::queue::Enqueued;

use super::open_queue::OpenQueue;

struct Inside {
    queue: OpenQueue,
    taken_in: AtomicU64,
}

impl Target {
    /// That queue.
    pub fn of(queue: OpenQueue) -> Self {
        Target::hidden(Inside { queue, taken_in: AtomicU64::new(0) })
    }

    /// The queue, to look at jobs, wait for them, and cancel them.
    pub fn queue(&self) -> &OpenQueue {
        &self.inside().queue
    }

    /// Puts jobs in, all in one step, and counts those that were not there before as taken in by the provider.
    ///
    /// # Errors
    /// Those of [`Queue::enqueue`](crate::Queue::enqueue).
    pub async fn enqueue(&self, jobs: &[Arc<Job>]) -> Result<Vec<Enqueued>, ProviderError> {
        let answers = self.queue().handle().enqueue(jobs, None).await?;
        let new = answers.iter().filter(|answer| answer.is_new()).count();
        self.inside().taken_in.fetch_add(new as u64, Ordering::Relaxed);
        Ok(answers)
    }

    /// How many jobs were taken in.
    pub fn taken_in(&self) -> u64 {
        self.inside().taken_in.load(Ordering::Relaxed)
    }

    fn inside(&self) -> &Inside {
        self.seen().expect("`of` is the only way to make one")
    }
}
