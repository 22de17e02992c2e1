//! Who holds which key of unique jobs. Whether they still do follows from where they are: nothing is done when a job ends.

use std::collections::{BTreeSet, HashMap};

use goworker::{JobId, Timestamp};

use super::entry::{Key, Place};
use super::store::Store;

/// The job that took a key last.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) id: JobId,
    /// `None` once it is forgotten, and only its window lasts.
    pub(super) job: Option<Key>,
    /// Until when it holds the key although it has ended.
    until: Option<Timestamp>,
}

/// All holders, by their key.
#[derive(Debug, Default)]
pub(super) struct Keys {
    holders: HashMap<String, Holder>,
    /// Windows of those that are forgotten.
    left: BTreeSet<(Timestamp, String)>,
}

impl Store {
    /// Which job holds the key now, unless it is `own`.
    pub(super) fn holder(&self, unique: &str, own: Option<Key>, now: Timestamp) -> Option<&Holder> {
        let holder = self.unique.holders.get(unique).filter(|holder| own.is_none() || holder.job != own)?;
        let lasts = holder.until.is_some_and(|until| now < until);
        let goes_on = holder.job.is_some_and(|job| !self.entries[job].place.state().is_final());
        (lasts || goes_on).then_some(holder)
    }

    /// Whether a job is there to be started.
    pub(super) fn waits(&self, key: Key) -> bool {
        matches!(self.entries[key].place, Place::Scheduled { .. } | Place::Ready)
    }

    /// Gives the key to a job.
    pub(super) fn hold(&mut self, unique: String, key: Key) {
        let entry = &self.entries[key];
        let holder = Holder { id: entry.job.id.clone(), job: Some(key), until: entry.job.unique_until(entry.enqueued_at) };
        self.unique.holders.insert(unique, holder);
    }
}

impl Keys {
    /// Takes the key from a job, if it has it.
    pub(super) fn free(&mut self, unique: &str, job: Key) {
        if self.holders.get(unique).is_some_and(|holder| holder.job == Some(job)) {
            self.holders.remove(unique);
        }
    }

    /// Forgets a job, if it has the key, but for its window.
    pub(super) fn forget(&mut self, unique: String, job: Key) {
        let Some(holder) = self.holders.get_mut(&unique).filter(|holder| holder.job == Some(job)) else { return };
        holder.job = None;
        match holder.until {
            Some(until) => drop(self.left.insert((until, unique))),
            None => drop(self.holders.remove(&unique)),
        }
    }

    /// Forgets windows that are over.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        while self.left.first().is_some_and(|(until, _)| *until <= now)
            && let Some((_, unique)) = self.left.pop_first()
        {
            self.holders.remove(&unique);
        }
    }
}
