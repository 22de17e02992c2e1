//! A worker and its slots: how many jobs may be asked for, and how many of them may start.

use std::sync::Arc;
use std::time::Duration;

use crate::plugin::WorkerHandle;
use crate::retry::RetryPolicy;
use crate::worker::Services;

/// A worker with its slots.
#[derive(Debug)]
pub(in super::super) struct Pool {
    pub(in super::super) job_type: Arc<str>,
    pub(in super::super) worker: WorkerHandle,
    pub(in super::super) timeout: Option<Duration>,
    pub(in super::super) retry: RetryPolicy,
    pub(in super::super) poison: u32,
    pub(in super::super) services: Arc<Services>,
    pub(in super::super) slots: Slots,
}

/// The slots of a worker.
#[derive(Debug)]
pub(in super::super) struct Slots {
    /// How many there are.
    pub(in super::super) total: usize,
    /// Jobs that have one.
    pub(super) running: usize,
    /// Jobs that fetches under way ask for.
    pub(super) asked: usize,
    /// Jobs that are here and wait for one.
    pub(super) ahead: usize,
    /// How long a job usually has one, in seconds.
    usual: f64,
}

/// For how long jobs wait here that are taken ahead: as many are taken as will have started by then. So the next job is
/// there when one ends, and a call that brings jobs brings enough of them to be worth it.
const AHEAD: Duration = Duration::from_millis(2);

/// The most jobs that one fetch asks for, and that are taken ahead. More make whoever waits for the answer idle: from about here on it is
/// also more than the 64 KiB that Redis sends before it goes on with the next call.
const MOST: usize = 200;

impl Slots {
    pub(in super::super) fn new(total: usize) -> Self {
        Slots { total, running: 0, asked: 0, ahead: 0, usual: Slots::UNKNOWN }
    }

    /// Nothing is taken ahead until some hundred jobs have shown that they are short.
    const UNKNOWN: f64 = 1.0;

    /// Whether one is free for a job that was asked for.
    pub(super) fn has_one(&self) -> bool {
        self.running < self.total
    }

    /// How many no job has, and no fetch is to fill.
    pub(super) fn free(&self) -> usize {
        self.total.saturating_sub(self.running + self.asked)
    }

    /// How many jobs may be asked for.
    pub(super) fn room(&self) -> usize {
        (self.total + self.lead()).saturating_sub(self.running + self.asked + self.ahead)
    }

    /// The most jobs in one fetch: half of what may be here, so that a queue hands out jobs for one half while those of the other
    /// run. Where that would be few, a call would cost more than it brings.
    pub(super) fn wave(&self) -> usize {
        const WORTH_A_CALL: usize = 16;
        (self.total + self.lead()).div_ceil(2).clamp(WORTH_A_CALL, MOST)
    }

    /// How many jobs are taken ahead.
    fn lead(&self) -> usize {
        let soon = self.total as f64 * AHEAD.as_secs_f64() / self.usual;
        (soon as usize).min(MOST)
    }

    /// Notes for how long a job has had one.
    pub(super) fn note(&mut self, took: Duration) {
        /// How much of what is usual one job tells.
        const SHARE: f64 = 1.0 / 32.0;
        self.usual += (took.as_secs_f64() - self.usual) * SHARE;
    }

    /// Notes that jobs had to wait for one for long, whatever was usual until then.
    pub(super) fn note_late(&mut self) {
        self.usual = Slots::UNKNOWN;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(total: usize, usual: Duration) -> Slots {
        let mut slots = Slots::new(total);
        (0..1_000).for_each(|_| slots.note(usual));
        slots
    }

    #[test]
    fn nothing_is_taken_ahead_before_it_is_known_how_long_jobs_take() {
        assert_eq!(Slots::new(100).room(), 100);
        assert_eq!(Slots::new(1).room(), 1);
    }

    #[test]
    fn as_many_are_taken_ahead_as_will_start_soon() {
        assert_eq!(slots(10, Duration::from_millis(1)).room(), 29);
        assert_eq!(slots(1_000, Duration::from_millis(200)).room(), 1_009);
        assert_eq!(slots(10, Duration::from_millis(200)).room(), 10);
        assert_eq!(slots(100, Duration::ZERO).room(), 300);
    }

    #[test]
    fn what_is_here_and_what_is_asked_for_take_room() {
        let mut slots = slots(100, Duration::ZERO);
        (slots.running, slots.asked, slots.ahead) = (100, 50, 50);
        assert_eq!((slots.room(), slots.free(), slots.has_one()), (100, 0, false));
    }

    #[test]
    fn after_jobs_had_to_wait_nothing_is_taken_ahead() {
        let mut slots = slots(100, Duration::ZERO);
        slots.note_late();
        assert_eq!(slots.room(), 100);
    }
}
