//! The queues of a pipeline under test, by name. They outlive the managers.

use std::collections::BTreeMap;

use crate::client::{Client, OpenQueue};
use crate::job::{Ids, JobId};
use crate::plugin::QueueHandle;
use crate::queue::{Count, Filter, JobRecord, State};

#[derive(Clone, Default)]
pub(super) struct Queues(BTreeMap<String, QueueHandle>);

impl Queues {
    pub(super) fn insert(&mut self, name: String, queue: QueueHandle) {
        self.0.insert(name, queue);
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&QueueHandle> {
        self.0.get(name)
    }

    pub(super) fn client(&self, config: String, ids: &Ids) -> Client {
        let open = |(name, queue): (&String, &QueueHandle)| OpenQueue::new(name.clone(), "memory", queue.clone(), ids.clone());
        Client::of(config, self.0.iter().map(open).collect())
    }

    /// A job, in whatever queue it is.
    pub(super) async fn find(&self, id: &JobId) -> Option<JobRecord> {
        for queue in self.0.values() {
            if let Some(record) = queue.get(id).await.unwrap_or_else(|error| panic!("a queue cannot be read: {error}")) {
                return Some(record);
            }
        }
        None
    }

    /// All jobs, queue by queue, the oldest first.
    pub(super) async fn jobs(&self) -> Vec<JobRecord> {
        let mut jobs = Vec::new();
        for queue in self.0.values() {
            let listed = queue.list(&Filter::default()).await.unwrap_or_else(|error| panic!("a queue cannot be read: {error}"));
            jobs.extend(listed.into_iter().rev());
        }
        jobs
    }

    /// The jobs that have expired, each with the name of its queue, the oldest first.
    pub(super) async fn expired(&self) -> Vec<(String, JobRecord)> {
        let filter = Filter { states: vec![State::Expired], ..Filter::default() };
        let mut expired = Vec::new();
        for (name, queue) in &self.0 {
            let listed = queue.list(&filter).await.unwrap_or_else(|error| panic!("a queue cannot be read: {error}"));
            expired.extend(listed.into_iter().rev().map(|record| (name.clone(), record)));
        }
        expired
    }

    /// Whether no job of these types is left to do, but for those that are paused.
    pub(super) async fn are_idle(&self, types: &[String]) -> bool {
        for queue in self.0.values() {
            let stats = queue.stats().await.unwrap_or_else(|error| panic!("a queue cannot be read: {error}"));
            let is_left = |count: &Count| !count.state.is_final() && types.contains(&count.job_type) && !stats.paused.keeps_back(count);
            if stats.counts.iter().any(is_left) {
                return false;
            }
        }
        true
    }
}
