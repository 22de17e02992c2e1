//! Numbers about a queue, and what of it is paused.

use std::collections::BTreeSet;

use super::State;
use crate::clock::Timestamp;

/// How many jobs a queue has, of each type in each state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Only the combinations that occur, in order.
    pub counts: Vec<Count>,
    /// When the oldest ready job became ready.
    pub oldest_ready: Option<Timestamp>,
    /// What is not handed out for now.
    pub paused: Paused,
}

/// What of a queue is paused. Jobs of a type are, if the type is or the whole queue is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paused {
    /// The whole queue.
    pub queue: bool,
    /// Types that are paused by themselves.
    pub types: BTreeSet<String>,
}

impl Paused {
    /// Whether jobs of this type are not handed out.
    pub fn holds(&self, job_type: &str) -> bool {
        self.queue || self.types.contains(job_type)
    }

    /// Whether these jobs wait because of it. Those that run go on.
    pub fn keeps_back(&self, count: &Count) -> bool {
        matches!(count.state, State::Scheduled | State::Ready) && self.holds(&count.job_type)
    }

    /// Whether nothing is paused.
    pub fn is_empty(&self) -> bool {
        !self.queue && self.types.is_empty()
    }

    /// Notes a pause of this type, or of the whole queue.
    pub fn pause(&mut self, job_type: Option<&str>) {
        match job_type {
            Some(job_type) => _ = self.types.insert(job_type.to_owned()),
            None => self.queue = true,
        }
    }

    /// Notes the end of such a pause.
    pub fn resume(&mut self, job_type: Option<&str>) {
        match job_type {
            Some(job_type) => _ = self.types.remove(job_type),
            None => self.queue = false,
        }
    }
}

/// So many jobs of a type are in a state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// The type.
    pub job_type: String,
    /// The state.
    pub state: State,
    /// For `scheduled` jobs: whether they wait for another attempt, not for a time their producer chose.
    pub retrying: bool,
    /// How many.
    pub jobs: u64,
}
