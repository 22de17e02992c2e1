//! Who holds which key of unique jobs, and who follows. Whether they still do follows from where they are: only a follow-up is told of an end.

use std::collections::{BTreeSet, HashMap};

use goworker::{JobId, State, Timestamp, UniqueMode};

use super::entry::{Entry, Key, NEVER, Place};
use super::store::Store;

/// The job that took a key last.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) id: JobId,
    /// `None` once it is forgotten, and only its window lasts.
    job: Option<Key>,
    /// Until when it holds the key although it has ended.
    until: Option<Timestamp>,
    /// When the window of the one before it was over: it was not to start before, nor is who takes its place.
    after: Option<Timestamp>,
    /// The job that waits for its end.
    follower: Option<Key>,
}

/// All holders, by their key.
#[derive(Debug, Default)]
pub(super) struct Keys {
    holders: HashMap<String, Holder>,
    /// Windows of those that are forgotten.
    left: BTreeSet<(Timestamp, String)>,
    /// How many follow-ups there are.
    followers: usize,
}

/// How a job with a key comes in.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    /// The job that is cancelled for it.
    pub(super) replaced: Option<Key>,
    /// It is not to start before.
    pub(super) after: Option<Timestamp>,
    /// It waits for the end of the holder.
    pub(super) follows: bool,
}

impl Store {
    /// How a new job with the key comes in. If it does not: the id of the holder.
    pub(super) fn entrance(&self, unique: &str, mode: UniqueMode, now: Timestamp) -> Result<Entrance, JobId> {
        let Some(holder) = self.holder(unique, None, now) else { return Ok(Entrance::default()) };
        let state = holder.job.map(|job| self.entries[job].place.state());
        let waits = matches!(state, Some(State::Scheduled | State::Ready));
        match mode {
            UniqueMode::KeepLast if holder.follower.is_some() => {
                Ok(Entrance { replaced: holder.follower, follows: true, ..Entrance::default() })
            }
            UniqueMode::Replace | UniqueMode::KeepLast if waits => {
                Ok(Entrance { replaced: holder.job, after: holder.after, follows: false })
            }
            UniqueMode::KeepLast if state == Some(State::Running) => Ok(Entrance { follows: true, ..Entrance::default() }),
            UniqueMode::KeepLast => Ok(Entrance { after: holder.until, ..Entrance::default() }),
            UniqueMode::Reject | UniqueMode::Replace => Err(holder.id.clone()),
        }
    }

    /// Which job holds the key now, unless it is `own`.
    pub(super) fn holder(&self, unique: &str, own: Option<Key>, now: Timestamp) -> Option<&Holder> {
        let holder = self.unique.holders.get(unique).filter(|holder| own.is_none() || holder.job != own)?;
        let lasts = holder.until.is_some_and(|until| now < until);
        let goes_on = holder.job.is_some_and(|job| !self.entries[job].place.state().is_final());
        (lasts || goes_on).then_some(holder)
    }

    /// The job whose end this one waits for.
    pub(super) fn leader(&self, entry: &Entry) -> Option<&JobId> {
        let follows = matches!(entry.place, Place::Scheduled { due: NEVER, .. });
        let unique = entry.job.unique_key().filter(|_| follows)?;
        self.unique.holders.get(&unique).map(|holder| &holder.id)
    }

    /// Gives the key to a job, which was not to start before `after`.
    pub(super) fn hold(&mut self, unique: String, key: Key, after: Option<Timestamp>, follower: Option<Key>) {
        let entry = &self.entries[key];
        let until = entry.job.unique_until(entry.enqueued_at).max(after);
        self.unique.followers += usize::from(follower.is_some());
        self.unique.holders.insert(unique, Holder { id: entry.job.id.clone(), job: Some(key), until, after, follower });
    }

    /// A job has ended: if it has a follow-up, that one takes the key.
    pub(super) fn pass_on(&mut self, ended: Key, now: Timestamp) {
        if !self.unique.any_follows() {
            return;
        }
        let Some(unique) = self.entries[ended].job.unique_key() else { return };
        let until = self.unique.holders.get(&unique).and_then(|holder| holder.until);
        if let Some(follower) = self.unique.part(&unique, ended) {
            self.take_over(unique, follower, until.filter(|until| *until > now), now);
        }
    }

    /// Gives the key to a job that has waited for it.
    pub(super) fn take_over(&mut self, unique: String, follower: Key, after: Option<Timestamp>, now: Timestamp) {
        let due = self.entries[follower].due().max(after.unwrap_or(now)).max(now);
        self.put_due(follower, due, now);
        self.hold(unique, follower, after, None);
    }
}

impl Keys {
    /// Whether there is a job that waits for the end of another one.
    pub(super) fn any_follows(&self) -> bool {
        self.followers > 0
    }

    /// Lets a job wait for the end of the holder.
    pub(super) fn follow(&mut self, unique: &str, job: Key) {
        if let Some(holder) = self.holders.get_mut(unique) {
            holder.follower = Some(job);
            self.followers += 1;
        }
    }

    /// Takes the follow-up from the holder.
    pub(super) fn take_follower(&mut self, unique: &str) -> Option<Key> {
        let follower = self.holders.get_mut(unique)?.follower.take();
        self.followers -= usize::from(follower.is_some());
        follower
    }

    /// Takes the follow-up from the holder, if either is this job; answers it if this job was the holder.
    fn part(&mut self, unique: &str, job: Key) -> Option<Key> {
        let holder = self.holders.get(unique).filter(|holder| holder.job == Some(job) || holder.follower == Some(job))?;
        let is_holder = holder.job == Some(job);
        self.take_follower(unique).filter(|_| is_holder)
    }

    /// Takes the key from a job, if it has it or waits for it; answers who waited for its end.
    pub(super) fn free(&mut self, unique: &str, job: Key) -> Option<Key> {
        let follower = self.part(unique, job);
        if self.holders.get(unique).is_some_and(|holder| holder.job == Some(job)) {
            self.holders.remove(unique);
        }
        follower
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
