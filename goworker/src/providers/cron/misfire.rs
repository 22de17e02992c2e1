//! Which of the times that are due bring a job: a pure function of the time.

use std::fmt;
use std::time::Duration;

use goworker::{Schedule, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of times that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Misfire {
    /// No job.
    Skip,
    /// One job, for the last of them.
    #[default]
    Once,
    /// A job for each.
    All {
        /// For so many at most, the last ones.
        max: Most,
    },
}

/// A number of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16", into = "u16")]
#[schemars(with = "u16", extend("minimum" = 1))]
pub(crate) struct Most(u16);

impl TryFrom<u16> for Most {
    type Error = String;

    fn try_from(most: u16) -> Result<Self, String> {
        if most == 0 { Err("no job at all is `skip`; 1 to 65535 are allowed".to_owned()) } else { Ok(Most(most)) }
    }
}

impl From<Most> for u16 {
    fn from(Most(most): Most) -> u16 {
        most
    }
}

impl fmt::Display for Misfire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfire::Skip => f.write_str("no jobs"),
            Misfire::Once => f.write_str("one job"),
            Misfire::All { max: Most(max) } => write!(f, "{max} jobs at most"),
        }
    }
}

/// A time is missed when it is so long ago.
const LATE: Duration = Duration::from_secs(60);

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// The times that bring a job, in order.
    pub(super) ticks: Vec<Timestamp>,
    /// Up to where the schedule is followed with that.
    pub(super) to: Timestamp,
    /// The first time that was missed, if any was.
    pub(super) missed: Option<Timestamp>,
}

/// What is due after `since`, at this moment: `limit` jobs at most. `None` if nothing is.
pub(super) fn due(schedule: &Schedule, misfire: Misfire, since: Timestamp, now: Timestamp, limit: usize) -> Option<Due> {
    let first = schedule.after(since).filter(|first| *first <= now && limit > 0)?;
    let wanted = match misfire {
        Misfire::All { max: Most(max) } => max.into(),
        Misfire::Once | Misfire::Skip => 1,
    };
    let mut ticks = schedule.latest(since, now, wanted);
    // What does not fit now is due the next time.
    ticks.truncate(limit);
    let to = *ticks.last()?;
    let is_missed = |tick: Timestamp| now.since(tick) > LATE;
    if misfire == Misfire::Skip && is_missed(to) {
        ticks.clear();
    }
    Some(Due { ticks, to, missed: Some(first).filter(|first| is_missed(*first)) })
}

#[cfg(test)]
mod tests {
    use goworker::Zone;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn hourly(since: i64, now: i64, misfire: Misfire, limit: usize) -> Option<(Vec<i64>, i64, bool)> {
        let schedule = Schedule::new("@hourly".parse().unwrap(), Zone::default());
        let due = due(&schedule, misfire, Timestamp::from_millis(since), Timestamp::from_millis(now), limit)?;
        let ticks = due.ticks.iter().map(|tick| tick.as_millis() / HOUR).collect();
        Some((ticks, due.to.as_millis() / HOUR, due.missed.is_some()))
    }

    fn all(max: u16) -> Misfire {
        Misfire::All { max: Most(max) }
    }

    #[test]
    fn what_is_due_on_time_brings_a_job_whatever_the_policy() {
        for misfire in [Misfire::Skip, Misfire::Once, all(3)] {
            assert_eq!(hourly(0, HOUR - 1, misfire, 9), None);
            assert_eq!(hourly(0, HOUR, misfire, 9), Some((vec![1], 1, false)));
            assert_eq!(hourly(0, HOUR + 60_000, misfire, 9), Some((vec![1], 1, false)));
        }
    }

    #[test]
    fn what_was_missed_brings_as_many_jobs_as_the_policy_says() {
        let now = 10 * HOUR + 60_001;
        assert_eq!(hourly(0, now, Misfire::Skip, 9), Some((vec![], 10, true)));
        assert_eq!(hourly(0, now, Misfire::Once, 9), Some((vec![10], 10, true)));
        assert_eq!(hourly(0, now, all(3), 9), Some((vec![8, 9, 10], 10, true)));
        assert_eq!(hourly(0, now, all(99), 99), Some(((1..=10).collect(), 10, true)));
    }

    #[test]
    fn a_time_is_not_missed_by_those_before_it() {
        let now = 10 * HOUR + 1_000;
        assert_eq!(hourly(0, now, Misfire::Skip, 9), Some((vec![10], 10, true)));
        assert_eq!(hourly(9 * HOUR, now, Misfire::Skip, 9), Some((vec![10], 10, false)));
    }

    #[test]
    fn what_does_not_fit_is_due_the_next_time() {
        let now = 10 * HOUR + 60_001;
        assert_eq!(hourly(0, now, all(5), 2), Some((vec![6, 7], 7, true)));
        assert_eq!(hourly(7 * HOUR, now, all(5), 2), Some((vec![8, 9], 9, true)));
        assert_eq!(hourly(9 * HOUR, now, all(5), 2), Some((vec![10], 10, true)));
        assert_eq!(hourly(10 * HOUR, now, all(5), 2), None);
        assert_eq!(hourly(0, now, all(5), 0), None);
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing_again() {
        assert_eq!(hourly(10 * HOUR, 5 * HOUR, all(9), 9), None);
        assert_eq!(hourly(10 * HOUR, 11 * HOUR, all(9), 9), Some((vec![11], 11, false)));
    }
}
