//! How many jobs may start in a stretch of time: the setting, and the count by which it is kept.

use std::collections::VecDeque;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::units::Dur;

/// In any stretch of time of this length, no more than so many jobs start: `per(200, "1s")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written", into = "Written")]
#[schemars(with = "Written")]
pub struct Rate {
    jobs: u32,
    window: Dur,
}

impl Rate {
    /// So many jobs in any stretch of that length. At least one job, in 100 ms to a day.
    pub fn per(jobs: u32, window: Duration) -> Self {
        let window = Dur(window.clamp(Rate::SHORTEST.get(), Rate::LONGEST.get()));
        Rate { jobs: jobs.clamp(1, Rate::MOST), window }
    }

    const MOST: u32 = 1_000_000;
    const SHORTEST: Dur = Dur::millis(100);
    const LONGEST: Dur = Dur::secs(86_400);

    /// How many jobs.
    pub fn jobs(self) -> usize {
        self.jobs.try_into().unwrap_or(usize::MAX)
    }

    /// In what time.
    pub fn window(self) -> Duration {
        self.window.get()
    }

    /// What starts within this time counts as if it had started together, at the latest of its instants: so a count is
    /// short, and its bound holds all the same.
    pub fn grain(self) -> Duration {
        self.window() / 100
    }
}

/// As it stands in a config.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", expecting = "jobs and a time, such as `per(200, \"1s\")`")]
enum Written {
    /// So many jobs in any stretch of that length: `per(200, "1s")`.
    Per(Jobs, Length),
}

impl From<Written> for Rate {
    fn from(Written::Per(Jobs(jobs), Length(window)): Written) -> Self {
        Rate { jobs, window }
    }
}

impl From<Rate> for Written {
    fn from(Rate { jobs, window }: Rate) -> Self {
        Written::Per(Jobs(jobs), Length(window))
    }
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
#[schemars(with = "u32", extend("minimum" = 1, "maximum" = Rate::MOST))]
struct Jobs(u32);

impl TryFrom<u32> for Jobs {
    type Error = String;

    fn try_from(jobs: u32) -> Result<Self, String> {
        match jobs {
            0 => Err("with a rate of 0 jobs nothing would ever start; 1 to 1000000 are allowed".to_owned()),
            1..=Rate::MOST => Ok(Jobs(jobs)),
            _ => Err(format!("a rate of {jobs} jobs is out of range; 1 to {} are allowed", Rate::MOST)),
        }
    }
}

impl From<Jobs> for u32 {
    fn from(jobs: Jobs) -> u32 {
        jobs.0
    }
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Dur", into = "Dur")]
#[schemars(with = "Dur")]
struct Length(Dur);

impl TryFrom<Dur> for Length {
    type Error = String;

    fn try_from(length: Dur) -> Result<Self, String> {
        if (Rate::SHORTEST..=Rate::LONGEST).contains(&length) {
            Ok(Length(length))
        } else {
            Err(format!("a rate in {length} is out of range; {} to {} are allowed", Rate::SHORTEST, Rate::LONGEST))
        }
    }
}

impl From<Length> for Dur {
    fn from(length: Length) -> Dur {
        length.0
    }
}

/// What has started lately, as far as it counts for a [`Rate`]. It has a hundred entries or so, however many jobs start.
#[derive(Debug, Clone)]
pub struct Starts {
    rate: Rate,
    /// Oldest first.
    lately: VecDeque<Together>,
}

/// Jobs that count as started together.
#[derive(Debug, Clone, Copy)]
struct Together {
    first: Timestamp,
    last: Timestamp,
    jobs: usize,
}

impl Starts {
    /// Nothing has started yet.
    pub fn new(rate: Rate) -> Self {
        Starts { rate, lately: VecDeque::new() }
    }

    /// How many more jobs may start now.
    pub fn allowed(&mut self, now: Timestamp) -> usize {
        // If the clock was set back, nothing counts longer than it would have.
        for together in &mut self.lately {
            (together.first, together.last) = (together.first.min(now), together.last.min(now));
        }
        while self.lately.front().is_some_and(|oldest| now.since(oldest.last) >= self.rate.window()) {
            self.lately.pop_front();
        }
        self.rate.jobs().saturating_sub(self.lately.iter().map(|together| together.jobs).sum())
    }

    /// When more jobs may start than at the last look: the oldest that count do so no longer.
    pub fn next(&self) -> Option<Timestamp> {
        self.lately.front().map(|oldest| oldest.last.after(self.rate.window()))
    }

    /// Notes that so many jobs start now.
    pub fn note(&mut self, jobs: usize, now: Timestamp) {
        match self.lately.back_mut().filter(|newest| now.since(newest.first) < self.rate.grain()) {
            Some(newest) => (newest.last, newest.jobs) = (now, newest.jobs + jobs),
            None if jobs > 0 => self.lately.push_back(Together { first: now, last: now, jobs }),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn no_stretch_has_more_starts_than_the_rate_says() {
        let mut starts = Starts::new(Rate::per(50, Duration::from_secs(1)));
        let mut started = Vec::new();
        // Uneven steps, and demands that are sometimes small.
        for step in 0..5_000_i64 {
            let now = at(step * 3 + step % 7);
            let jobs = starts.allowed(now).min(usize::try_from(step % 4).unwrap());
            starts.note(jobs, now);
            started.extend(std::iter::repeat_n(now, jobs));
        }
        for stretch in started.windows(51) {
            assert!(stretch[50].since(stretch[0]) >= Duration::from_secs(1), "{stretch:?}");
        }
        let seconds = 15;
        assert!(started.len() >= 50 * seconds * 98 / 100, "{} starts in {seconds} s", started.len());
        assert!(starts.lately.len() <= 102, "{}", starts.lately.len());
    }

    #[test]
    fn what_started_together_counts_for_as_long_as_the_window_is() {
        let mut starts = Starts::new(Rate::per(2, Duration::from_secs(1)));
        assert_eq!((starts.allowed(at(0)), starts.next()), (2, None));
        starts.note(2, at(0));
        assert_eq!((starts.allowed(at(999)), starts.next()), (0, Some(at(1_000))));
        assert_eq!((starts.allowed(at(1_000)), starts.next()), (2, None));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_from_starting_for_long() {
        let mut starts = Starts::new(Rate::per(1, Duration::from_secs(1)));
        starts.note(1, at(1_000_000));
        assert_eq!((starts.allowed(at(500)), starts.next()), (0, Some(at(1_500))));
        assert_eq!(starts.allowed(at(1_500)), 1);
    }
}
