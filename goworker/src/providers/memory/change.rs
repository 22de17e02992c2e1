//! What people ask for by hand: cancel, retry, delete; and what the process tells of itself.

use goworker::{Change, JobId, ProcessInfo, State, Timestamp};

use super::entry::Place;
use super::store::Store;

impl Store {
    pub(super) fn cancel(&mut self, id: &JobId, now: Timestamp) -> Change {
        let Some(&key) = self.ids.get(id) else { return Change::Absent };
        match self.entries[key].place {
            Place::Scheduled { .. } | Place::Ready => {
                self.end(key, State::Cancelled, now);
                Change::Changed
            }
            Place::Running { .. } => {
                self.entries[key].past().cancel_asked = true;
                Change::Requested
            }
            Place::Ended { state, .. } => Change::Refused(state),
        }
    }

    pub(super) fn retry(&mut self, id: &JobId, now: Timestamp) -> Change {
        let Some(&key) = self.ids.get(id) else { return Change::Absent };
        let state = self.entries[key].place.state();
        if !state.is_final() {
            return Change::Refused(state);
        }
        if let Some(unique) = self.entries[key].job.unique_key() {
            if let Some(holder) = self.holder(&unique, Some(key), now) {
                return Change::Held(holder.id.clone());
            }
            self.hold(unique, key, None, None);
        }
        self.entries[key].count_anew();
        self.put_anew(key, now);
        self.put(key, Place::Ready);
        Change::Changed
    }

    pub(super) fn delete(&mut self, id: &JobId, now: Timestamp) -> Change {
        let Some(&key) = self.ids.get(id) else { return Change::Absent };
        if self.entries[key].place.state() == State::Running {
            return Change::Refused(State::Running);
        }
        let unique = self.entries[key].job.unique_key();
        let follower = unique.as_deref().and_then(|unique| self.unique.free(unique, key));
        self.forget(key);
        if let Some((unique, follower)) = unique.zip(follower) {
            self.take_over(unique, follower, None, now);
        }
        Change::Changed
    }

    pub(super) fn announce(&mut self, info: &ProcessInfo, now: Timestamp) {
        let since = self.announced.as_ref().map_or(now, |(_, since, _)| *since);
        self.announced = Some((info.clone(), since, now));
    }

    pub(super) fn withdraw(&mut self) {
        self.announced = None;
    }
}
