//! Who waits for something to happen in the file, and whether it has.

use std::collections::HashSet;

use rusqlite::Result;
use tokio::sync::oneshot;

use crate::queue::Paused;

use super::place::{by_seq, locate};
use super::store::Store;

/// What someone waits for.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Ready jobs of these types; of any if `None`.
    Jobs(Option<Vec<String>>),
    /// The end of the job with this number.
    End(i64),
}

/// Someone who waits, and has been told when something is due.
pub(super) struct Waiting {
    pub(super) wanted: Wanted,
    pub(super) due: Option<i64>,
    /// Dropped to wake them.
    pub(super) wake: oneshot::Sender<()>,
}

impl Waiting {
    pub(super) fn is_for_jobs(&self) -> bool {
        matches!(self.wanted, Wanted::Jobs(_))
    }
}

/// What those who wait can hope for.
pub(super) enum Outlook {
    /// It may have happened.
    Now,
    /// Nothing before something is due.
    Later { due: Option<i64> },
}

impl Outlook {
    /// Whether someone who was told to wait until `told` has nothing to hear. At that time they look by themselves.
    pub(super) fn is_known(&self, told: Option<i64>) -> bool {
        match self {
            Outlook::Now => false,
            Outlook::Later { due } => due.is_none_or(|due| told.is_some_and(|told| told <= due)),
        }
    }
}

/// What the transactions since the last look have brought about.
#[derive(Debug, Default)]
pub(super) struct Stirred {
    /// Types of which a job may have become ready, or may earlier than was known.
    types: HashSet<String>,
    all_types: bool,
    /// Jobs that have ended, or are forgotten.
    pub(super) ended: Vec<i64>,
}

impl Stirred {
    pub(super) fn add_type(&mut self, job_type: &str) {
        if !self.types.contains(job_type) {
            self.types.insert(job_type.to_owned());
        }
    }

    pub(super) fn add_all_types(&mut self) {
        self.all_types = true;
    }

    /// Leaves out what is paused: nobody has to look for it.
    pub(super) fn forget_paused(&mut self, paused: &Paused) {
        self.all_types &= !paused.queue;
        self.types.retain(|job_type| !paused.holds(job_type));
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.all_types && self.types.is_empty() && self.ended.is_empty()
    }

    /// Whether it concerns someone.
    pub(super) fn touches(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Jobs(_) if self.all_types => true,
            Wanted::Jobs(None) => !self.types.is_empty(),
            Wanted::Jobs(Some(types)) => types.iter().any(|name| self.types.contains(name)),
            Wanted::End(seq) => self.ended.contains(seq),
        }
    }
}

impl Store {
    /// Looks for what is wanted, at the time of the store.
    pub(super) fn outlook(&mut self, wanted: &Wanted) -> Result<Outlook> {
        match wanted {
            Wanted::Jobs(types) => {
                let opens_at = self.opens_at()?;
                if (opens_at.is_none() && self.has_ready(types.as_deref())?) || self.needs_recovery()? {
                    return Ok(Outlook::Now);
                }
                if opens_at.is_some() {
                    return Ok(Outlook::Later { due: opens_at });
                }
                self.next_instant().map(|due| Outlook::Later { due })
            }
            Wanted::End(seq) => match by_seq(self.conn(), *seq)? {
                Some(job) if !locate(self.conn(), &job)?.state().is_final() => Ok(Outlook::Later { due: None }),
                _ => Ok(Outlook::Now),
            },
        }
    }
}
