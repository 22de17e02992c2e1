//! `memory`: a queue that lives as long as its process. For tests, for trying out, and for jobs that may be lost.
//!
//! This file is the plugin: it reads the clock, takes the lock, wakes who waits. What a job may do is in [`store`].

mod accept;
mod change;
mod entry;
mod places;
mod read;
mod store;
#[cfg(test)]
mod tests;
mod unique;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use goworker::{
    Batch, Change, Clock, Cursor, Demand, Enqueued, Filter, Job, JobId, JobRecord, Process, ProcessInfo, ProcessRecord, Progressed,
    Provider, ProviderError, Queue, QueueStats, Renewal, Settled, Setup, Timestamp, Token, provider,
};
use tokio::sync::Notify;

use self::store::Store;

/// Keeps jobs in memory: fast, and gone when the process ends.
#[provider(queue, since = "0.1.0")]
#[derive(Debug, Default)]
pub(super) struct Memory {
    #[state]
    shared: Shared,
}

/// The jobs, and what is needed to get at them.
#[derive(Debug)]
struct Shared {
    clock: Clock,
    /// Never held across an `await`, and no code of others runs under it.
    store: Mutex<Store>,
    /// Told whenever jobs became ready, or may become ready earlier than was known.
    changed: Notify,
}

impl Shared {
    fn new(setup: &Setup) -> Self {
        let store = Store::new(Process::new(&setup.random), setup);
        Shared { clock: setup.clock.clone(), store: Mutex::new(store), changed: Notify::new() }
    }

    /// The store, brought up to the present, and the present.
    fn now(&self) -> (MutexGuard<'_, Store>, Timestamp) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        store.advance(now);
        (store, now)
    }
}

impl Default for Shared {
    fn default() -> Self {
        Shared::new(&Setup::new("memory", "."))
    }
}

impl Provider for Memory {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        self.shared = Shared::new(setup);
        Ok(())
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let (mut store, now) = self.shared.now();
        Ok(store.fetch(demand, now))
    }

    async fn ready(&self, demand: &Demand) {
        loop {
            // From here on no change is missed: the future is told of those that come before it is first polled, too.
            let changed = self.shared.changed.notified();
            let next = {
                let (mut store, now) = self.shared.now();
                if store.has_ready(demand, now) {
                    return;
                }
                store.next_event(now).map(|at| at.since(now))
            };
            match next {
                Some(wait) => {
                    // Either way there is something to look at.
                    let _ = tokio::time::timeout(wait, changed).await;
                }
                None => changed.await,
            }
        }
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let (refused, waiting) = {
            let (mut store, now) = self.shared.now();
            store.settle(settlements, now)
        };
        if waiting {
            self.shared.changed.notify_waiters();
        }
        Ok(refused)
    }

    async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
        let (mut store, now) = self.shared.now();
        Ok(store.renew(leases, now))
    }

    fn selects_by_type(&self) -> bool {
        true
    }

    fn keeps_retries(&self) -> bool {
        true
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.shared.now().0.withdraw();
        Ok(())
    }
}

impl Queue for Memory {
    async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, ProviderError> {
        let answers = {
            let (mut store, now) = self.shared.now();
            store.enqueue(jobs, cursor, now)?
        };
        self.shared.changed.notify_waiters();
        Ok(answers)
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        Ok(self.shared.now().0.cursor(name))
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ProviderError> {
        Ok(self.shared.now().0.list(filter))
    }

    async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        Ok(self.shared.now().0.get(id))
    }

    async fn wait(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        loop {
            let (ended, expires_in) = {
                let (mut store, now) = self.shared.now();
                let Some((ended, expires_at)) = store.watch(id) else { return Ok(store.get(id)) };
                (ended, expires_at.filter(|at| *at >= now).map(|at| at.since(now)))
            };
            match expires_in {
                Some(wait) => {
                    // Either way there is something to look at. The millisecond is the first one that is too late.
                    let _ = tokio::time::timeout(wait + Duration::from_millis(1), ended).await;
                }
                // Dropped unsent: that is the notice.
                None => drop(ended.await),
            }
        }
    }

    async fn cancel(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        let (mut store, now) = self.shared.now();
        let changes = ids.iter().map(|id| store.cancel(id, now)).collect();
        drop(store);
        // Others may take its key.
        self.shared.changed.notify_waiters();
        Ok(changes)
    }

    async fn retry(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        let changes = {
            let (mut store, now) = self.shared.now();
            ids.iter().map(|id| store.retry(id, now)).collect()
        };
        self.shared.changed.notify_waiters();
        Ok(changes)
    }

    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        let (mut store, now) = self.shared.now();
        let changes = ids.iter().map(|id| store.delete(id, now)).collect();
        drop(store);
        self.shared.changed.notify_waiters();
        Ok(changes)
    }

    async fn note_progress(&self, told: &[Progressed]) -> Result<(), ProviderError> {
        let (mut store, _) = self.shared.now();
        told.iter().for_each(|told| store.note_progress(told));
        Ok(())
    }

    async fn pause(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.shared.now().0.lanes.paused.pause(job_type);
        Ok(())
    }

    async fn resume(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.shared.now().0.lanes.paused.resume(job_type);
        self.shared.changed.notify_waiters();
        Ok(())
    }

    async fn stats(&self) -> Result<QueueStats, ProviderError> {
        Ok(self.shared.now().0.stats())
    }

    async fn announce(&self, info: &ProcessInfo) -> Result<(), ProviderError> {
        let (mut store, now) = self.shared.now();
        store.announce(info, now);
        Ok(())
    }

    async fn processes(&self) -> Result<Vec<ProcessRecord>, ProviderError> {
        let (store, now) = self.shared.now();
        Ok(store.processes(now))
    }

    fn is_durable(&self) -> bool {
        false
    }
}
