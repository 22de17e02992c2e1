//! The leases of processes that have crashed: a queue may end them at once, or when their time is over. The model
//! learns what it did from what it shows and answers.

use std::sync::Arc;

use super::known::{Known, Place};
use super::reference::{Reference, Wish};
use crate::job::{Job, JobId, UniqueMode};
use crate::provider::{Settled, Token};
use crate::queue::{Change, Enqueued, JobRecord, State};

impl Reference {
    /// A process is killed: what it holds is taken up by others, at once or when its leases are over.
    pub(super) fn crash(&mut self, holder: usize) {
        self.leases.values_mut().filter(|lease| lease.holder == holder).for_each(|lease| lease.orphaned = true);
    }

    /// The lease of a job that runs in a process that has crashed.
    pub(super) fn orphaned(&self, known: &Known) -> Option<Token> {
        let Place::Running { token, .. } = known.place else { return None };
        self.leases.get(&token).filter(|lease| lease.orphaned).map(|_| token)
    }

    /// All leases of processes that have crashed.
    pub(super) fn orphans(&self) -> Vec<Token> {
        self.leases.iter().filter(|(_, lease)| lease.orphaned).map(|(token, _)| *token).collect()
    }

    /// Learns from what is shown.
    pub(super) fn tell_shown(&mut self, records: &[JobRecord]) {
        for record in records {
            let Some(known) = self.jobs.get(&record.job.id) else { continue };
            let taken_up = record.state != State::Running || record.crashes != known.crashes;
            if let Some(token) = self.orphaned(known).filter(|_| taken_up) {
                self.lose(token);
            }
        }
    }

    /// Learns from settlements that were refused.
    pub(super) fn tell_refused(&mut self, settlements: &[Settled], refused: &[usize]) {
        for (position, settled) in settlements.iter().enumerate() {
            // The first settlement of a delivery tells; another is refused in any case.
            let same = |earlier: &Settled| (earlier.token, earlier.handle) == (settled.token, settled.handle);
            let is_first = !settlements[..position].iter().any(same);
            let orphaned = self.holds(settled).cloned().and_then(|known| self.orphaned(&known));
            if let Some(token) = orphaned.filter(|_| is_first && refused.contains(&position)) {
                self.lose(token);
            }
        }
    }

    /// Learns from jobs that were accepted although the holder of their key ran when last seen.
    pub(super) fn tell_enqueued(&mut self, jobs: &[Arc<Job>], answers: &[Enqueued]) {
        for (job, answer) in jobs.iter().zip(answers).filter(|(_, answer)| answer.is_new()) {
            // One that may follow is accepted while the holder runs, too; unless it has replaced just that one.
            let holder = self.holder(job).map(|holder| &holder.job.id);
            if job.unique_mode() != UniqueMode::KeepLast || matches!((answer, holder), (Enqueued::Replaced(other), Some(id)) if other == id)
            {
                self.tell_free(job);
            }
        }
    }

    /// The key of a job was had: whoever held it in a process that has crashed was taken up.
    fn tell_free(&mut self, job: &Job) {
        if let Some(token) = self.holder(job).and_then(|holder| self.orphaned(holder)) {
            self.lose(token);
        }
    }

    /// Learns from what a person was answered.
    pub(super) fn tell_changes(&mut self, wish: Wish, ids: &[JobId], changes: &[Change]) {
        for (id, change) in ids.iter().zip(changes) {
            let retried = self.jobs.get(id).filter(|_| matches!(wish, Wish::Retry) && *change == Change::Changed);
            if let Some(job) = retried.map(|known| Arc::clone(&known.job)) {
                self.tell_free(&job);
            }
            let Some(token) = self.jobs.get(id).and_then(|known| self.orphaned(known)) else { continue };
            let stands = match wish {
                Wish::Cancel => Change::Requested,
                Wish::Retry | Wish::Delete => Change::Refused(State::Running),
            };
            if *change != stands {
                self.lose(token);
            }
        }
    }
}
