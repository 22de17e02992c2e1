//! A queue that notes what happens in it. It outlives the manager, as a real one does.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::scene::{Scene, rounded};
use crate::clock::Timestamp;
use crate::job::{Job, JobId};
use crate::outcome::Settlement;
use crate::plugin::QueueHandle;
use crate::process::{ProcessInfo, ProcessRecord};
use crate::progress::Progressed;
use crate::provider::{Batch, Cursor, Demand, Provider, ProviderError, Renewal, Settled, Token};
use crate::queue::{Change, Enqueued, Filter, JobRecord, Queue, QueueStats};
use crate::units::Dur;

pub(super) struct WatchedQueue {
    pub(super) name: String,
    pub(super) queue: QueueHandle,
    pub(super) scene: Arc<Scene>,
}

impl Provider for WatchedQueue {
    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let batch = self.queue.fetch(demand).await?;
        self.scene.delivered(&self.name, &batch);
        Ok(batch)
    }

    async fn ready(&self, demand: &Demand) {
        self.queue.ready(demand).await;
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let there = self.handlers_there(settlements).await?;
        let refused = self.queue.settle(settlements).await?;
        for (index, settled) in settlements.iter().enumerate() {
            self.scene.ended(&self.name, settled);
            if refused.contains(&index) {
                self.scene.recorder.job(&self.name, "refused", &settled.job, "its lease was lost");
            } else {
                self.handed_on(settled, &there);
            }
        }
        self.scene.changed.notify_waiters();
        Ok(refused)
    }

    async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
        let (lost, kept): (Vec<Token>, Vec<Token>) = leases.iter().partition(|token| self.scene.is_lost(&self.name, **token));
        let mut renewal = self.queue.renew(&kept).await?;
        renewal.lost.extend(lost);
        for id in &renewal.cancelled {
            if let Some(record) = self.queue.get(id).await? {
                self.scene.recorder.job(&self.name, "to be cancelled", &record.job, "");
            }
        }
        if !renewal.lost.is_empty() {
            self.scene.recorder.event(&self.name, "lease lost");
        }
        Ok(renewal)
    }

    fn selects_by_type(&self) -> bool {
        true
    }

    fn keeps_retries(&self) -> bool {
        true
    }
}

impl Queue for WatchedQueue {
    async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, ProviderError> {
        let answers = self.queue.enqueue(jobs, cursor).await?;
        for (job, answer) in jobs.iter().zip(&answers) {
            match answer {
                Enqueued::Created => self.accepted(job),
                Enqueued::Replaced(other) => {
                    self.scene.recorder.job(&self.name, "replaces", job, format!("{other}, which is cancelled"));
                    self.accepted(job);
                }
                Enqueued::Exists => self.scene.recorder.job(&self.name, "there already", job, ""),
                Enqueued::Conflict => self.scene.recorder.job(&self.name, "refused", job, "another job has its id"),
                Enqueued::Held(holder) => self.scene.recorder.job(&self.name, "not needed", job, format!("{holder} holds its key")),
            }
        }
        self.scene.changed.notify_waiters();
        Ok(answers)
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        self.queue.cursor(name).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ProviderError> {
        self.queue.list(filter).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        self.queue.get(id).await
    }

    async fn wait(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        self.queue.wait(id).await
    }

    async fn cancel(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.changed("cancelled by hand", ids, self.queue.cancel(ids).await?).await
    }

    async fn retry(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.changed("retried by hand", ids, self.queue.retry(ids).await?).await
    }

    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.queue.delete(ids).await
    }

    async fn note_progress(&self, told: &[Progressed]) -> Result<(), ProviderError> {
        self.queue.note_progress(told).await
    }

    async fn pause(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.queue.pause(job_type).await?;
        self.scene.recorder.event(&self.name, &told("paused", job_type));
        Ok(())
    }

    async fn resume(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.queue.resume(job_type).await?;
        self.scene.recorder.event(&self.name, &told("resumed", job_type));
        self.scene.changed.notify_waiters();
        Ok(())
    }

    async fn stats(&self) -> Result<QueueStats, ProviderError> {
        self.queue.stats().await
    }

    async fn announce(&self, info: &ProcessInfo) -> Result<(), ProviderError> {
        self.queue.announce(info).await
    }

    async fn processes(&self) -> Result<Vec<ProcessRecord>, ProviderError> {
        self.queue.processes().await
    }

    fn is_durable(&self) -> bool {
        // As far as the pipeline can tell: it survives the crashes that there are here.
        true
    }
}

impl WatchedQueue {
    fn accepted(&self, job: &Job) {
        let until = |due: Timestamp| due.since(self.scene.recorder.now());
        let delay = job.delay.map(Dur::get).or(job.run_at.map(until)).filter(|delay| !delay.is_zero());
        let more = delay.map(|delay| format!("due in {}", rounded(delay))).unwrap_or_default();
        self.scene.recorder.job(&self.name, "accepted", job, more);
    }

    async fn changed(&self, what: &str, ids: &[JobId], changes: Vec<Change>) -> Result<Vec<Change>, ProviderError> {
        for (id, change) in ids.iter().zip(&changes) {
            if matches!(change, Change::Changed | Change::Requested)
                && let Some(record) = self.queue.get(id).await?
            {
                self.scene.recorder.job(&self.name, what, &record.job, "");
            }
        }
        self.scene.changed.notify_waiters();
        Ok(changes)
    }

    /// The failure handlers' jobs that are there already: of a job that dies again after a retry by hand.
    async fn handlers_there(&self, settlements: &[Settled]) -> Result<BTreeSet<JobId>, ProviderError> {
        let mut there = BTreeSet::new();
        for handler in settlements.iter().flat_map(|settled| handlers(&settled.settlement)) {
            if self.queue.get(&handler.id).await?.is_some() {
                there.insert(handler.id.clone());
            }
        }
        Ok(there)
    }

    /// Notes the failure handlers' jobs that come of a settlement.
    fn handed_on(&self, settled: &Settled, there: &BTreeSet<JobId>) {
        for handler in handlers(&settled.settlement) {
            match there.contains(&handler.id) {
                true => self.scene.recorder.job(&self.name, "there already", handler, ""),
                false => self.accepted(handler),
            }
        }
    }
}

fn told(change: &str, job_type: Option<&str>) -> String {
    job_type.map_or_else(|| change.to_owned(), |job_type| format!("{change} `{job_type}`"))
}

fn handlers(settlement: &Settlement) -> &[Arc<Job>] {
    match settlement {
        Settlement::Dead { handlers, .. } => handlers,
        _ => &[],
    }
}
