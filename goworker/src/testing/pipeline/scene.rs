//! What all parts of a pipeline under test share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::fault::Faults;
use super::trace::Recorder;
use crate::job::JobId;
use crate::provider::Token;

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

    /// Notes from which queue a job was handed out.
    pub(super) fn lend(&self, queue: &str, token: Token, id: &JobId) {
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
