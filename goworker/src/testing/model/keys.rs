//! Who holds a key of unique jobs, and who waits for that one's end, in its simplest form.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::known::{Known, Place};
use super::reference::Reference;
use crate::clock::Timestamp;
use crate::job::{Job, JobId, UniqueMode};
use crate::queue::{Enqueued, State};

/// All keys that were ever taken.
pub(super) type Keys = BTreeMap<String, Taken>;

/// A key that was taken.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    /// By this job, last.
    holder: JobId,
    /// Until when that holds it although it has ended.
    until: Option<Timestamp>,
    /// Until when another one's window lasted as it took the key: nobody who takes its place starts before.
    after: Option<Timestamp>,
    /// The job that waits for its end.
    follower: Option<JobId>,
}

impl Reference {
    /// Takes in a new job, unless another one's key is in the way.
    pub(super) fn let_in(&mut self, mut known: Known) -> Enqueued {
        let job = Arc::clone(&known.job);
        let Some((taken, state)) = self.taken(&job).map(|(taken, holder)| (taken.clone(), holder.state())) else {
            self.jobs.insert(job.id.clone(), known);
            self.hold(&job, self.now(), None);
            return Enqueued::Created;
        };
        let waits = matches!(state, State::Scheduled | State::Ready);
        let keeps_last = job.unique_mode() == UniqueMode::KeepLast;
        let replaced = match taken.follower {
            Some(follower) if keeps_last => Some(follower),
            _ if waits && job.unique_mode() != UniqueMode::Reject => Some(taken.holder.clone()),
            _ if keeps_last => None,
            _ => return Enqueued::Held(taken.holder),
        };
        let now = self.now();
        if let Some(other) = replaced.as_ref().and_then(|other| self.jobs.get_mut(other)) {
            other.cancel(now);
        }
        let follows = keeps_last && !state.is_final() && replaced.as_ref() != Some(&taken.holder);
        let after = if state.is_final() { taken.until } else { taken.after };
        if follows {
            known.place = Place::Following;
            self.keys.entry(job.unique_key().unwrap_or_default()).and_modify(|taken| taken.follower = Some(job.id.clone()));
        } else {
            known.wait_until(known.due.max(after.unwrap_or(known.due)), self.now());
            self.hold(&job, self.now(), after);
        }
        self.jobs.insert(job.id.clone(), known);
        replaced.map_or(Enqueued::Created, Enqueued::Replaced)
    }

    /// Which other job holds the key of a job. Nothing is forgotten during a walk, so it is known.
    pub(super) fn holder(&self, job: &Job) -> Option<&Known> {
        self.taken(job).map(|(_, holder)| holder)
    }

    fn taken(&self, job: &Job) -> Option<(&Taken, &Known)> {
        let taken = self.keys.get(&job.unique_key()?).filter(|taken| taken.holder != job.id)?;
        let lasts = taken.until.is_some_and(|until| self.now() < until);
        let holder = self.jobs.get(&taken.holder).filter(|holder| lasts || !holder.state().is_final())?;
        Some((taken, holder))
    }

    /// The job whose end another one waits for.
    pub(super) fn leader(&self, known: &Known) -> Option<&JobId> {
        let key = known.job.unique_key().filter(|_| known.place == Place::Following)?;
        self.keys.get(&key).map(|taken| &taken.holder)
    }

    /// Gives the key to a job. Who waited for the end of the one before goes on to wait for that of this one.
    pub(super) fn hold(&mut self, job: &Job, accepted_at: Timestamp, after: Option<Timestamp>) {
        if let Some(key) = job.unique_key() {
            let follower = self.keys.get(&key).and_then(|taken| taken.follower.clone());
            let until = job.unique_until(accepted_at).max(after);
            self.keys.insert(key, Taken { holder: job.id.clone(), until, after, follower });
        }
    }

    /// A job that is deleted has no key any more, and no window.
    pub(super) fn free_key(&mut self, id: &JobId) {
        for taken in self.keys.values_mut().filter(|taken| taken.holder == *id) {
            (taken.until, taken.after) = (None, None);
        }
    }

    /// Jobs whose holder has ended take the key.
    pub(super) fn pass_keys_on(&mut self) {
        let now = self.now();
        for key in self.keys.keys().cloned().collect::<Vec<_>>() {
            let taken = &self.keys[&key];
            let (holder, until) = (self.jobs.get(&taken.holder), taken.until.filter(|until| *until > now));
            let has_ended = holder.is_none_or(|holder| holder.state().is_final());
            let follower = taken.follower.clone();
            let waits = |id: &JobId| self.jobs.get(id).is_some_and(|known| known.place == Place::Following);
            let next = follower.clone().filter(waits);
            if follower.is_some() && (has_ended || next.is_none()) {
                self.keys.entry(key).and_modify(|taken| taken.follower = None);
            }
            if let Some(known) = next.filter(|_| has_ended).and_then(|id| self.jobs.get_mut(&id)) {
                known.moved = true;
                known.wait_until(known.due.max(until.unwrap_or(now)).max(now), now);
                let (job, accepted_at) = (Arc::clone(&known.job), known.enqueued_at);
                self.hold(&job, accepted_at, until);
            }
        }
        let jobs = &self.jobs;
        self.keys.retain(|_, taken| jobs.contains_key(&taken.holder));
    }
}
