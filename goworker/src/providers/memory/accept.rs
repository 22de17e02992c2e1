//! How jobs come in: an id is taken once, a key by one job at a time.

use std::sync::Arc;

use goworker::{Cursor, Enqueued, Job, MAX_BULK, ProviderError, State, Timestamp};

use super::entry::{Entry, NEVER, Place, Rank};
use super::store::Store;
use super::unique::Entrance;

impl Store {
    pub(super) fn enqueue(&mut self, jobs: &[Arc<Job>], cursor: Option<&Cursor>, now: Timestamp) -> Result<Vec<Enqueued>, ProviderError> {
        if jobs.len() > MAX_BULK {
            let error = anyhow::anyhow!("{} jobs in one call; at most {MAX_BULK} are taken, so that a call stays short", jobs.len());
            return Err(ProviderError::Failed(error));
        }
        if let Some(Cursor { name, from, to }) = cursor {
            let at = self.cursors.get(name).cloned();
            if at != *from {
                return Err(ProviderError::CursorMoved { name: name.clone(), at });
            }
            self.cursors.insert(name.clone(), to.clone());
        }
        // Nothing can fail from here on, so all jobs are accepted or none.
        Ok(jobs.iter().map(|job| self.accept(job, now)).collect())
    }

    pub(super) fn accept(&mut self, job: &Arc<Job>, now: Timestamp) -> Enqueued {
        if let Some(&key) = self.ids.get(&job.id) {
            let stored = &self.entries[key].job;
            let same = Arc::ptr_eq(stored, job) || stored == job;
            return if same { Enqueued::Exists } else { Enqueued::Conflict };
        }
        let unique = job.unique_key();
        let Entrance { replaced, after, follows } = match unique.as_deref().map(|unique| self.entrance(unique, job.unique_mode(), now)) {
            None => Entrance::default(),
            Some(Ok(entrance)) => entrance,
            Some(Err(holder)) => return Enqueued::Held(holder),
        };
        let mut follower = unique.as_deref().and_then(|unique| self.unique.take_follower(unique));
        let answer = replaced.map_or(Enqueued::Created, |other| Enqueued::Replaced(self.entries[other].job.id.clone()));
        if let Some(other) = replaced {
            self.end(other, State::Cancelled, now);
            follower = follower.filter(|follower| *follower != other);
        }
        let ticket = self.ticket();
        let chosen = job.run_at.or_else(|| job.delay.map(|delay| now.after(delay.get()))).unwrap_or(now);
        let due = chosen.max(now).max(after.unwrap_or(now));
        let place = match (follows, due > now) {
            (true, _) => Place::Scheduled { due: NEVER, retrying: false },
            (false, true) => Place::Scheduled { due, retrying: false },
            (false, false) => Place::Ready,
        };
        let entry = Entry {
            job: Arc::clone(job),
            lane: self.lanes.admit(&job.job_type, job.priority),
            number: ticket,
            enqueued_at: now,
            expires_at: job.expires_at,
            rank: Rank::new(due, job.priority, ticket),
            place,
            output: goworker::Output::none(),
            past: None,
        };
        let key = self.entries.insert(entry);
        self.ids.insert(job.id.clone(), key);
        self.enter(key);
        match unique {
            Some(unique) if follows => self.unique.follow(&unique, key),
            Some(unique) => self.hold(unique, key, after, follower),
            None => {}
        }
        answer
    }
}
