//! What people ask: lists, single jobs, numbers, and when a job ends.

use goworker::{Filter, JobId, JobRecord, ProcessInfo, ProcessRecord, QueueStats, Timestamp};
use tokio::sync::oneshot;

use super::entry::{Entry, Place};
use super::store::Store;

impl Store {
    pub(super) fn cursor(&self, name: &str) -> Option<String> {
        self.cursors.get(name).cloned()
    }

    pub(super) fn list(&self, filter: &Filter) -> Vec<JobRecord> {
        let wanted = |entry: &&Entry| {
            (filter.states.is_empty() || filter.states.contains(&entry.place.state()))
                && filter.job_type.as_ref().is_none_or(|job_type| *job_type == entry.job.job_type)
        };
        let mut found: Vec<&Entry> = self.entries.iter().map(|(_, entry)| entry).filter(wanted).collect();
        let newest_first = |entry: &&Entry| std::cmp::Reverse(entry.number);
        let limit = filter.limit.unwrap_or(usize::MAX);
        if limit < found.len() {
            found.select_nth_unstable_by_key(limit, newest_first);
            found.truncate(limit);
        }
        found.sort_unstable_by_key(newest_first);
        found.into_iter().map(|entry| self.record(entry)).collect()
    }

    pub(super) fn get(&self, id: &JobId) -> Option<JobRecord> {
        let entry = &self.entries[*self.ids.get(id)?];
        let (attempts, deaths) = entry.past.as_deref().map(|past| (past.attempts.clone(), past.deaths.clone())).unwrap_or_default();
        Some(JobRecord { attempts, deaths, ..self.record(entry) })
    }

    /// What is dropped when the job has ended or is forgotten, and when it expires; nothing if that is so already.
    pub(super) fn watch(&mut self, id: &JobId) -> Option<(oneshot::Receiver<()>, Option<Timestamp>)> {
        let &key = self.ids.get(id)?;
        let entry = &self.entries[key];
        if entry.place.state().is_final() {
            return None;
        }
        let (sender, ended) = oneshot::channel();
        let watchers = self.watched.entry(key).or_default();
        watchers.retain(|watcher| !watcher.is_closed());
        watchers.push(sender);
        Some((ended, entry.expires_at))
    }

    fn record(&self, entry: &Entry) -> JobRecord {
        let leased_until = match entry.place {
            Place::Running { token } => self.leases.until(token),
            _ => None,
        };
        JobRecord { follows: self.leader(entry).cloned(), ..entry.record(leased_until) }
    }

    pub(super) fn stats(&self) -> QueueStats {
        let oldest_ready = self.lanes.oldest_ready(|key| self.entries[key].due());
        QueueStats { counts: self.lanes.counts(), oldest_ready, paused: self.lanes.paused.clone() }
    }

    pub(super) fn processes(&self, now: Timestamp) -> Vec<ProcessRecord> {
        let record = |(info, since, seen): (ProcessInfo, _, _)| ProcessRecord::at(now, self.process.clone(), info, since, seen);
        self.announced.clone().and_then(record).into_iter().collect()
    }
}
