//! When something is due: cron expressions in a time zone, as pure functions of the time.
//!
//! ```
//! use goworker::{Schedule, Timestamp};
//!
//! let nightly = Schedule::new("0 3 * * *".parse()?, "Europe/Berlin".parse()?);
//! let evening: Timestamp = "2026-11-24T18:00:00Z".parse()?;
//! assert_eq!(nightly.after(evening), Some("2026-11-25T02:00:00Z".parse()?));
//! # Ok::<(), String>(())
//! ```
//!
//! **When clocks are changed**, the rule is that of ISC cron. A schedule that names times of day (`30 2 * * *`) keeps to one run for
//! each: a time that does not exist runs at the end of the gap, and one that comes twice runs the first time. A schedule whose
//! minute or hour (or second) begins with `*` goes by the time that passes: it runs whenever a clock shows such a time,
//! so nothing in the gap, and both times in what comes twice.

mod civil;
mod dst;
mod expression;
mod times;
mod zone;

use std::collections::VecDeque;
use std::iter::successors;
use std::time::Duration;

use crate::clock::Timestamp;

use expression::{Expression, Pattern};

pub use dst::Tick;
pub use times::Times;
pub use zone::Zone;

/// The times at which something is due, in the time zone for which they are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    times: Times,
    zone: Zone,
}

impl Schedule {
    /// These times, as clocks in that zone show them.
    pub fn new(times: Times, zone: Zone) -> Self {
        Schedule { times, zone }
    }

    /// The times.
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// The time zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first instant after `instant` at which it is due; `None` if there is none for three thousand years.
    pub fn after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.times.expressions().filter_map(|expression| self.next(expression, instant)).min()
    }

    /// Which of its expressions are never due: there is no such day.
    pub fn never_due(&self) -> impl Iterator<Item = &str> {
        let is_never = |expression: &&Expression| self.next(expression, Timestamp::default()).is_none();
        self.times.expressions().filter(is_never).map(|expression| expression.text.as_str())
    }

    /// The instants from after `instant` up to `until` at which it is due; of many, so many at most, the last ones.
    pub fn latest(&self, instant: Timestamp, until: Timestamp, at_most: usize) -> Vec<Timestamp> {
        // Looking further and further back finds the last ones at a cost that does not depend on how many there are.
        let mut back = Duration::from_secs(1);
        loop {
            let start = until.before(back).max(instant);
            let mut found = VecDeque::new();
            for due in successors(self.after(start), |due| self.after(*due)).take_while(|due| *due <= until) {
                if found.len() == at_most {
                    found.pop_front();
                }
                found.push_back(due);
            }
            if found.len() == at_most || start <= instant {
                return found.into();
            }
            back = back.saturating_mul(4);
        }
    }

    fn next(&self, expression: &Expression, instant: Timestamp) -> Option<Timestamp> {
        match &expression.pattern {
            Pattern::Every(millis) => {
                let passed = instant.as_millis().div_euclid(*millis);
                passed.checked_add(1)?.checked_mul(*millis).map(Timestamp::from_millis)
            }
            Pattern::TimeOfDay(cron) => dst::next_time_of_day(cron, self.zone.rules(), instant),
            Pattern::Reading(cron) => dst::next_reading(cron, self.zone.rules(), instant),
        }
    }
}
