//! What was done, for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::step::TYPES;
use crate::clock::Timestamp;
use crate::job::{Job, UniqueMode};
use crate::outcome::Settlement;
use crate::provider::{Batch, Cursor, Demand, ProviderError, Renewal, Settled};
use crate::queue::{Change, Enqueued};

/// The steps that were taken, one a line.
#[derive(Debug)]
pub(super) struct Trace {
    epoch: Timestamp,
    lines: Vec<String>,
}

impl Trace {
    pub(super) fn since(epoch: Timestamp) -> Self {
        Trace { epoch, lines: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Adds a line: at what time, which process did what.
    pub(super) fn note(&mut self, now: Timestamp, process: usize, done: impl fmt::Display) {
        let seconds = Duration::as_secs_f64(&now.since(self.epoch));
        self.lines.push(format!("t+{seconds:.3}s  process {process} {done}"));
    }

    /// Adds a line about the world.
    pub(super) fn happened(&mut self, what: impl fmt::Display) {
        self.lines.push(what.to_string());
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (1..).zip(&self.lines).try_for_each(|(step, line)| write!(f, "\n{step:>4}  {line}"))
    }
}

pub(super) fn jobs(jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> String {
    let mut words: Vec<String> = jobs.iter().take(8).map(|job| one_job(job)).collect();
    if jobs.len() > words.len() {
        words.push(format!("and {} more", jobs.len() - words.len()));
    }
    words.extend(cursor.map(|Cursor { name, from, to }| format!("(cursor {name} from {} to {to})", from.as_deref().unwrap_or("nothing"))));
    words.join(", ")
}

fn one_job(job: &Job) -> String {
    let mut text = job.id.to_string();
    if job.job_type != TYPES[0] {
        text += &format!(" type {}", job.job_type);
    }
    if job.priority != 0 {
        text += &format!(" priority {}", job.priority);
    }
    if let Some(delay) = job.delay {
        text += &format!(" delayed by {delay}");
    }
    if let Some(expires) = job.expires_at {
        text += &format!(" expiring at {expires}");
    }
    if let (Some(unique), Some(key)) = (&job.unique, job.unique_key()) {
        let window = unique.window.map(|window| format!(" for {window}")).unwrap_or_default();
        let how = match job.unique_mode() {
            UniqueMode::Reject => "unique",
            UniqueMode::Replace => "replacing",
            UniqueMode::KeepLast => "following",
        };
        text += &format!(" {how} by {}{window}", key.get(..12).unwrap_or(&key));
    }
    text
}

pub(super) fn demand(demand: &Demand) -> String {
    match demand {
        Demand::Any(slots) => format!("{slots} of any type"),
        Demand::ByType(types) => types.iter().map(|(name, slots)| format!("{slots} of type {name}")).collect::<Vec<_>>().join(", "),
    }
}

pub(super) fn pausable(job_type: Option<&str>) -> String {
    job_type.map_or_else(|| "the queue".to_owned(), |job_type| format!("type {job_type}"))
}

pub(super) fn settlements(settled: &[Settled]) -> String {
    let words: Vec<String> =
        settled.iter().map(|settled| format!("{} of lease {} {}", settled.job.id, settled.token, ending(&settled.settlement))).collect();
    words.join(", ")
}

fn ending(settlement: &Settlement) -> String {
    match settlement {
        Settlement::Done { .. } => "done".into(),
        Settlement::Retry { after, charged: true } => format!("retry after {after:?}"),
        Settlement::Retry { after, charged: false } => format!("snoozed for {after:?}"),
        Settlement::Dead { handlers, .. } => format!("dead with {} handler jobs", handlers.len()),
        Settlement::Cancelled => "cancelled".into(),
        Settlement::Release => "released".into(),
    }
}

/// What a call answered; nothing, if it was cut off.
pub(super) fn answer<T: Answer>(answer: &Option<Result<T, ProviderError>>) -> String {
    match answer {
        None => "cut off".into(),
        Some(Err(error)) => format!("error: {error}"),
        Some(Ok(answer)) => answer.text(),
    }
}

/// What calls answer.
pub(super) trait Answer {
    fn text(&self) -> String;
}

impl Answer for Vec<Enqueued> {
    fn text(&self) -> String {
        let new = self.iter().filter(|answer| answer.is_new()).count();
        let of = |kind| self.iter().filter(|answer| **answer == kind).count();
        let told = |answer: &Enqueued| match answer {
            Enqueued::Held(id) => Some(format!(", key held by {id}")),
            Enqueued::Replaced(id) => Some(format!(", {id} replaced")),
            _ => None,
        };
        let held: String = self.iter().filter_map(told).collect();
        format!("{} created, {} existed, {} refused{held}", new, of(Enqueued::Exists), of(Enqueued::Conflict))
    }
}

impl Answer for Batch {
    fn text(&self) -> String {
        if self.deliveries.is_empty() {
            return "nothing".into();
        }
        let names: Vec<&str> = self.deliveries.iter().take(8).map(|delivery| delivery.job.id.as_str()).collect();
        format!("{} jobs under lease {}: {}", self.deliveries.len(), self.lease.token, names.join(" "))
    }
}

impl Answer for Vec<usize> {
    fn text(&self) -> String {
        if self.is_empty() { "none refused".into() } else { format!("refused {self:?}") }
    }
}

impl Answer for Renewal {
    fn text(&self) -> String {
        let lost = if self.lost.is_empty() { "kept" } else { "lost" };
        let asked: String = self.cancelled.iter().map(|id| format!(", {id} shall be cancelled")).collect();
        format!("{lost}{asked}")
    }
}

impl Answer for () {
    fn text(&self) -> String {
        "so it is".into()
    }
}

impl Answer for Vec<Change> {
    fn text(&self) -> String {
        format!("{self:?}")
    }
}
