//! How many jobs have started, in its simplest form: each by itself.

use std::ops::RangeInclusive;
use std::time::Duration;

use proptest::prelude::Strategy;

use crate::clock::Timestamp;
use crate::rate::Rate;

/// Rates that are met in a walk.
pub(super) fn rate() -> impl Strategy<Value = Rate> {
    (1..=12u32, 2..=10u64).prop_map(|(jobs, tenths)| Rate::per(jobs, Duration::from_millis(tenths * 50)))
}

/// All starts that still count.
#[derive(Debug, Clone)]
pub(super) struct Starts {
    pub(super) rate: Option<Rate>,
    started: Vec<Start>,
}

/// When a job started.
#[derive(Debug, Clone, Copy)]
struct Start {
    at: Timestamp,
    /// The same, or earlier: it counts no longer than if it had been now, since the clock was set back.
    earliest: Timestamp,
}

impl Starts {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Starts { rate, started: Vec::new() }
    }

    pub(super) fn pass(&mut self, now: Timestamp) {
        self.started.iter_mut().for_each(|start| start.earliest = start.earliest.min(now));
    }

    pub(super) fn note(&mut self, jobs: usize, now: Timestamp) {
        self.started.extend(std::iter::repeat_n(Start { at: now, earliest: now }, jobs));
    }

    /// How many jobs may start: at least, and at most. Those that started together may count a moment longer.
    pub(super) fn allowed(&self, now: Timestamp) -> RangeInclusive<usize> {
        let Some(rate) = self.rate else { return usize::MAX..=usize::MAX };
        let counts = |at: Timestamp, time: Duration| at > now.before(time);
        let longest = rate.window() + rate.grain();
        let surely = self.started.iter().filter(|start| counts(start.earliest, rate.window())).count();
        let perhaps = self.started.iter().filter(|start| counts(start.at, longest)).count();
        rate.jobs().saturating_sub(perhaps)..=rate.jobs().saturating_sub(surely)
    }
}
