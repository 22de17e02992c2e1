//! The life of one job, in its simplest form.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::job::Job;
use crate::outcome::{Attempt, Failure, Output, Settlement};
use crate::provider::{Settled, Token};
use crate::queue::{Change, State};
use crate::units::Dur;

/// By how many milliseconds of waiting a step of priority is outweighed.
const STEP: i64 = 60_000;

/// A job, and all that has happened to it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) job: Arc<Job>,
    /// Grows from job to job as they are accepted.
    pub(super) number: u64,
    pub(super) enqueued_at: Timestamp,
    /// When it became, or becomes, ready to be started.
    pub(super) due: Timestamp,
    pub(super) place: Place,
    /// All attempts that were charged, but one that succeeded.
    pub(super) attempts: Vec<Attempt>,
    pub(super) crashes: u32,
    /// The processes that died on it, and when that was noticed.
    pub(super) deaths: Vec<(usize, Timestamp)>,
    pub(super) output: Output,
    pub(super) cancel_asked: bool,
    /// Whether its order among equals is not told: it was given another place, or came together with others.
    pub(super) moved: bool,
    /// Attempts before this one count no longer: a person has asked for the job again.
    counted_from: usize,
    expires_at: Option<Timestamp>,
    /// What it died of.
    died_of: Option<Failure>,
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    Scheduled {
        retrying: bool,
    },
    /// Behind the holder of its key.
    Following,
    Ready,
    Running {
        token: Token,
        handle: u64,
    },
    Ended {
        state: State,
        at: Timestamp,
    },
}

impl Known {
    pub(super) fn accepted(job: Arc<Job>, number: u64, now: Timestamp) -> Self {
        let due = job.run_at.or_else(|| job.delay.map(|delay| now.after(delay.get()))).unwrap_or(now).max(now);
        let place = if due > now { Place::Scheduled { retrying: false } } else { Place::Ready };
        Known {
            number,
            enqueued_at: now,
            due,
            place,
            attempts: Vec::new(),
            crashes: 0,
            deaths: Vec::new(),
            output: Output::none(),
            cancel_asked: false,
            moved: false,
            counted_from: 0,
            expires_at: job.expires_at,
            died_of: None,
            job,
        }
    }

    pub(super) fn state(&self) -> State {
        match self.place {
            Place::Scheduled { .. } | Place::Following => State::Scheduled,
            Place::Ready => State::Ready,
            Place::Running { .. } => State::Running,
            Place::Ended { state, .. } => state,
        }
    }

    /// The smaller, the earlier it is handed out.
    pub(super) fn score(&self) -> i64 {
        self.due.as_millis() - i64::from(self.job.priority) * STEP
    }

    /// The failed attempts that count.
    pub(super) fn counted(&self) -> &[Attempt] {
        &self.attempts[self.counted_from..]
    }

    pub(super) fn failure(&self) -> Option<&Failure> {
        self.died_of.as_ref().or_else(|| self.attempts.last().and_then(|attempt| attempt.failure.as_ref()))
    }

    /// Waits for a time, which may have come.
    pub(super) fn wait_until(&mut self, due: Timestamp, now: Timestamp) {
        self.due = due;
        self.place = if due > now { Place::Scheduled { retrying: false } } else { Place::Ready };
    }

    fn end(&mut self, state: State, now: Timestamp) {
        self.place = Place::Ended { state, at: now };
    }

    /// Does what time alone brings about for one that waits.
    pub(super) fn pass(&mut self, now: Timestamp) {
        if matches!(self.place, Place::Scheduled { .. }) && self.due <= now {
            self.place = Place::Ready;
        }
        if matches!(self.place, Place::Scheduled { .. } | Place::Following | Place::Ready) && self.expires_at.is_some_and(|at| at < now) {
            self.end(State::Expired, now);
        }
    }

    /// Back to the place that it had before it was handed out.
    pub(super) fn put_back(&mut self, now: Timestamp) {
        if self.cancel_asked { self.end(State::Cancelled, now) } else { self.place = Place::Ready }
    }

    /// A process died on it.
    pub(super) fn crash(&mut self, process: usize, now: Timestamp) {
        self.crashes += 1;
        self.deaths.push((process, now));
    }

    fn wait(&mut self, after: Duration, now: Timestamp) {
        if self.cancel_asked {
            return self.end(State::Cancelled, now);
        }
        (self.due, self.moved) = (now.after(after), true);
        self.place = if self.due > now { Place::Scheduled { retrying: true } } else { Place::Ready };
    }

    pub(super) fn settle(&mut self, settled: &Settled, now: Timestamp) {
        match &settled.settlement {
            Settlement::Done { output } => {
                self.output = output.clone();
                self.end(State::Done, now);
            }
            Settlement::Retry { after, charged } => {
                self.attempts.extend(settled.attempt.clone().filter(|_| *charged));
                self.wait(*after, now);
            }
            Settlement::Dead { failure, .. } => {
                self.attempts.extend(settled.attempt.clone());
                self.died_of = Some(failure.clone());
                self.end(State::Dead, now);
            }
            Settlement::Cancelled => self.end(State::Cancelled, now),
            Settlement::Release => self.put_back(now),
        }
    }

    pub(super) fn cancel(&mut self, now: Timestamp) -> Change {
        match self.place {
            Place::Ended { state, .. } => Change::Refused(state),
            Place::Running { .. } => {
                self.cancel_asked = true;
                Change::Requested
            }
            Place::Scheduled { .. } | Place::Following | Place::Ready => {
                self.end(State::Cancelled, now);
                Change::Changed
            }
        }
    }

    pub(super) fn retry(&mut self, now: Timestamp) -> Change {
        if !self.state().is_final() {
            return Change::Refused(self.state());
        }
        self.counted_from = self.attempts.len();
        (self.crashes, self.cancel_asked, self.expires_at, self.died_of) = (0, false, None, None);
        (self.output, self.place, self.due, self.moved) = (Output::none(), Place::Ready, now, true);
        Change::Changed
    }
}

/// An attempt, as a manager tells it.
pub(super) fn attempt(number: usize, failure: Option<Failure>, started_at: Timestamp) -> Attempt {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    Attempt { number, started_at, duration: Dur::millis(1), failure, log: vec![] }
}
