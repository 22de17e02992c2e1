//! What a run has done: counts by provider, by type and by outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::outcome::Settlement;
use crate::units::Dur;

/// What types are called that no worker of the configuration runs: there may be any number of them.
pub(super) const UNKNOWN: &str = "(unknown)";

/// What became of the deliveries of one provider and one type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Attempts that were started.
    pub started: u64,
    /// Jobs that succeeded.
    pub done: u64,
    /// Attempts that failed and will be tried again.
    pub retried: u64,
    /// Jobs put off by their worker.
    pub snoozed: u64,
    /// Jobs that failed for good.
    pub dead: u64,
    /// Jobs that were cancelled.
    pub cancelled: u64,
    /// Jobs given back unfinished.
    pub released: u64,
    /// Results that came too late: the lease was lost, so the store refused them.
    pub stale: u64,
    /// Attempts that took longer than they may.
    pub timed_out: u64,
    /// Attempts that panicked.
    pub panicked: u64,
    /// The time that all attempts took together.
    pub busy: Dur,
}

impl Tally {
    pub(super) fn count(&mut self, settlement: &Settlement) {
        match settlement {
            Settlement::Done { .. } => self.done += 1,
            Settlement::Retry { charged: true, .. } => self.retried += 1,
            Settlement::Retry { charged: false, .. } => self.snoozed += 1,
            Settlement::Dead { .. } => self.dead += 1,
            Settlement::Cancelled => self.cancelled += 1,
            Settlement::Release => self.released += 1,
        }
    }

    pub(super) fn busy(&mut self, duration: Duration) {
        self.busy = Dur(self.busy.get().saturating_add(duration));
    }

    pub(super) fn add(&mut self, other: &Tally) {
        self.started += other.started;
        self.done += other.done;
        self.retried += other.retried;
        self.snoozed += other.snoozed;
        self.dead += other.dead;
        self.cancelled += other.cancelled;
        self.released += other.released;
        self.stale += other.stale;
        self.timed_out += other.timed_out;
        self.panicked += other.panicked;
        self.busy(other.busy.get());
    }
}

/// Counts of a run. They only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// By provider, then by type.
    pub by_provider: BTreeMap<String, BTreeMap<String, Tally>>,
    /// Jobs that links put into queues, by the provider they came from.
    pub linked: BTreeMap<String, u64>,
    /// Jobs that were moved out of queues which were short of room, by queue.
    pub spilled: BTreeMap<String, u64>,
    /// Slots that are held by jobs which did not stop when their time was up.
    pub stuck: u64,
}

impl Stats {
    /// All types of all providers together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.by_provider.values().flat_map(BTreeMap::values).for_each(|tally| total.add(tally));
        total
    }

    /// Each type, over all providers.
    pub fn by_type(&self) -> BTreeMap<&str, Tally> {
        let mut types: BTreeMap<&str, Tally> = BTreeMap::new();
        for (job_type, tally) in self.by_provider.values().flatten() {
            types.entry(job_type).or_default().add(tally);
        }
        types
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What it did.
    pub stats: Stats,
    /// How long it took.
    pub elapsed: Dur,
    /// Jobs that wait for a type which no worker here runs: queue, type, number.
    pub unknown: Vec<Waiting>,
    /// Jobs that wait for a time that their producer chose.
    pub delayed: Vec<Waiting>,
    /// Jobs that are ready or await a retry, and are paused.
    pub paused: Vec<Waiting>,
    /// Why the run had to end, if it was not asked to.
    pub fatal: Option<String>,
}

/// Jobs of one type that were left waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The queue they are in.
    pub queue: String,
    /// Their type.
    #[serde(rename = "type")]
    pub job_type: String,
    /// How many.
    pub jobs: u64,
}
