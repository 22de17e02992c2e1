//! Steps made concrete: jobs, settlements.

use std::sync::Arc;
use std::time::Duration;

use super::known::attempt;
use super::step::{Draft, Ending, How, LEASE, TYPES};
use crate::clock::Timestamp;
use crate::job::{Job, JobId, Unique};
use crate::outcome::{Cause, Failure, Output, Settlement};
use crate::provider::{Batch, Settled};
use crate::units::Dur;

/// Stands for a time that does not come.
const FAR: Duration = Duration::from_secs(3_600);

/// How steps are meant.
#[derive(Debug)]
pub(super) struct Script {
    /// The store has a clock of its own, so nothing becomes due during a walk, and no lease ends.
    own_clock: bool,
    made: usize,
}

impl Script {
    pub(super) fn new(own_clock: bool) -> Self {
        Script { own_clock, made: 0 }
    }

    /// Whether the instants that a queue shows are known.
    pub(super) fn instants(&self) -> bool {
        !self.own_clock
    }

    pub(super) fn lease(&self) -> Duration {
        if self.own_clock { FAR } else { LEASE }
    }

    fn wait(&self, millis: u64) -> Duration {
        if self.own_clock && millis > 0 { FAR } else { Duration::from_millis(millis) }
    }

    pub(super) fn id(number: u8) -> JobId {
        well_formed(&format!("j{number}"))
    }

    pub(super) fn job(&self, draft: &Draft, now: Timestamp) -> Job {
        let mut job = Job::new(Script::id(draft.id), TYPES[draft.job_type]);
        job.priority = draft.priority;
        job.delay = draft.delay.map(|millis| Dur(self.wait(millis)));
        job.unique = draft.unique.as_ref().map(|key| Unique {
            key: key.number.map(|number| format!("k{number}")),
            window: key.window.map(|millis| Dur(self.wait(millis))),
            mode: key.mode,
        });
        job.expires_at = draft.expires.filter(|_| !self.own_clock).map(|millis| now.after(self.wait(millis)));
        job
    }

    /// So many jobs that were never there.
    pub(super) fn bulk(&mut self, count: usize) -> Vec<Arc<Job>> {
        let first = self.made;
        self.made += count;
        (first..self.made).map(|number| Arc::new(Job::new(well_formed(&format!("b{number}")), TYPES[1]))).collect()
    }

    /// The settlement of a delivery, if there is one.
    pub(super) fn settled(&self, ending: &Ending, past: &[Batch], now: Timestamp) -> Option<Settled> {
        let batch = past.iter().rev().nth(ending.back % past.len().max(1))?;
        let delivery = batch.deliveries.get(ending.position % batch.deliveries.len().max(1))?;
        let settlement = match &ending.how {
            How::Done => Settlement::Done { output: Output::from(serde_json::json!(delivery.job.id)) },
            How::Retry { after, charged } => Settlement::Retry { after: self.wait(*after), charged: *charged },
            How::Dead { handlers, .. } => Settlement::Dead { failure: failure("dead"), handlers: handler_jobs(&delivery.job, *handlers) },
            How::Cancelled => Settlement::Cancelled,
            How::Release => Settlement::Release,
        };
        // As a manager tells it.
        let told = match &ending.how {
            How::Done | How::Cancelled | How::Retry { charged: false, .. } => Some(None),
            How::Retry { charged: true, .. } | How::Dead { tried: true, .. } => Some(Some(failure("failed"))),
            How::Release | How::Dead { tried: false, .. } => None,
        };
        let attempt = told.map(|failure| attempt(delivery.attempts.len() + 1, failure, now));
        Some(Settled { token: batch.lease.token, handle: delivery.handle, job: Arc::clone(&delivery.job), attempt, settlement })
    }

    /// All of a batch is done.
    pub(super) fn all_done(&self, batch: &Batch, now: Timestamp) -> Vec<Settled> {
        let done = |position| self.settled(&Ending { back: 0, position, how: How::Done }, std::slice::from_ref(batch), now);
        (0..batch.deliveries.len()).filter_map(done).collect()
    }
}

fn handler_jobs(job: &Job, count: u8) -> Vec<Arc<Job>> {
    // A handler's own job has no handlers.
    let count = if job.id.as_str().contains(':') { 0 } else { count };
    (0..count).map(|number| Arc::new(Job::new(job.id.child(&format!("h{number}")), TYPES[1]))).collect()
}

fn failure(message: &str) -> Failure {
    Failure::new(Cause::Error, message)
}

fn well_formed(id: &str) -> JobId {
    id.parse().expect("the model's ids are well-formed")
}
