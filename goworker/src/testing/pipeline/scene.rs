//! What all parts of a pipeline under test share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::fault::Faults;
use super::trace::Recorder;
use crate::job::JobId;
use crate::outcome::{Attempt, Settlement};
use crate::provider::{Batch, Settled, Token};
use crate::units::Dur;

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) recorder: Recorder,
    pub(super) faults: Faults,
    /// Told when something has happened to a job.
    pub(super) changed: Notify,
    /// Told when the manager shall die.
    pub(super) crash: Notify,
    leases: Mutex<Leases>,
}

/// A lease: each queue counts its own tokens.
type Lease = (String, Token);

#[derive(Debug, Default)]
struct Leases {
    /// By the job and the token, which is all that a running job knows of its lease.
    of_jobs: BTreeMap<(JobId, Token), Lease>,
    /// Those that are renewed no more.
    lost: BTreeSet<Lease>,
}

impl Scene {
    pub(super) fn new(recorder: Recorder) -> Self {
        Scene { recorder, faults: Faults::default(), changed: Notify::new(), crash: Notify::new(), leases: Mutex::default() }
    }

    /// Notes what a provider has handed out.
    pub(super) fn delivered(&self, name: &str, batch: &Batch) {
        for delivery in &batch.deliveries {
            let crashes = match delivery.crashes {
                0 => String::new(),
                1 => "after a crash".to_owned(),
                n => format!("after {n} crashes"),
            };
            self.lend(name, batch.lease.token, &delivery.job.id);
            self.recorder.job(name, "delivered", &delivery.job, crashes);
        }
    }

    /// Notes the end of an attempt.
    pub(super) fn ended(&self, name: &str, Settled { job, attempt, settlement, .. }: &Settled) {
        let failure = attempt.as_ref().and_then(|attempt| attempt.failure.as_ref());
        let (who, what) = match attempt {
            Some(Attempt { number, .. }) => (job.job_type.as_str(), format!("attempt {number}")),
            None => (name, "settled".to_owned()),
        };
        let more = match (settlement, failure) {
            (Settlement::Done { output }, _) => format!("done {}", output.json().unwrap_or_default()),
            (Settlement::Retry { after, charged: true }, Some(failure)) => format!("again in {}: {failure}", rounded(*after)),
            (Settlement::Retry { after, .. }, _) => format!("snoozed for {}", rounded(*after)),
            (Settlement::Dead { failure, .. }, _) => format!("dead: {failure}"),
            (Settlement::Cancelled, _) => "cancelled".to_owned(),
            (Settlement::Release, _) => "given back".to_owned(),
        };
        self.recorder.job(who, what, job, more);
    }

    /// Notes from which queue a job was handed out.
    fn lend(&self, queue: &str, token: Token, id: &JobId) {
        self.leases().of_jobs.insert((id.clone(), token), (queue.to_owned(), token));
    }

    /// The lease of a running job is renewed no more.
    pub(super) fn lose(&self, token: Token, id: &JobId) {
        let mut leases = self.leases();
        if let Some(lease) = leases.of_jobs.get(&(id.clone(), token)).cloned() {
            leases.lost.insert(lease);
        }
    }

    pub(super) fn is_lost(&self, queue: &str, token: Token) -> bool {
        self.leases().lost.contains(&(queue.to_owned(), token))
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Jitter gives nanoseconds, which nobody wants to read.
pub(super) fn rounded(duration: Duration) -> Dur {
    Dur(Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}
