//! When to try again: the policy and its delays, as pure functions.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Dur;

/// How often and when a job is tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// How many times to try again after the first attempt.
    pub retries: u32,
    /// How long to wait before each new attempt.
    pub backoff: Backoff,
}

/// Five retries: 1 s, 2 s, 4 s, … with half of each delay drawn at random.
impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy { retries: 5, backoff: Backoff::default() }
    }
}

/// How long to wait before an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Backoff {
    /// Always the same: `fixed("10ms")`.
    Fixed(Dur),
    /// Grows by `step` each time: `linear(initial: "1s", step: "5s", max: "1m")`.
    Linear {
        /// Before the first retry.
        initial: Dur,
        /// Added each time.
        step: Dur,
        /// The longest delay.
        #[serde(default = "longest")]
        max: Dur,
        /// The share of each delay that is drawn at random, 0 to 1.
        #[serde(default)]
        jitter: Jitter,
    },
    /// Multiplied each time: `exponential(initial: "1s", factor: 2, max: "10m", jitter: 0.5)`.
    Exponential {
        /// Before the first retry.
        initial: Dur,
        /// What each delay is multiplied by to get the next.
        #[serde(default = "two")]
        factor: f64,
        /// The longest delay.
        #[serde(default = "longest")]
        max: Dur,
        /// The share of each delay that is drawn at random, 0 to 1.
        #[serde(default)]
        jitter: Jitter,
    },
}

fn longest() -> Dur {
    Backoff::LONGEST
}

fn two() -> f64 {
    2.0
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff::Exponential { initial: Dur::secs(1), factor: 2.0, max: longest(), jitter: Jitter(0.5) }
    }
}

/// The share of a delay that is drawn at random: 0 keeps it as it is, 1 draws all of it.
///
/// Without it, jobs that failed together come back together.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
#[schemars(with = "f64", extend("minimum" = 0, "maximum" = 1))]
pub struct Jitter(f64);

impl TryFrom<f64> for Jitter {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&share) {
            Ok(Jitter(share))
        } else {
            Err(format!("a jitter of {share} is out of range; 0 to 1 is allowed"))
        }
    }
}

impl From<Jitter> for f64 {
    fn from(jitter: Jitter) -> f64 {
        jitter.0
    }
}

impl Backoff {
    /// The longest delay, unless `max` says otherwise.
    pub(crate) const LONGEST: Dur = Dur::secs(600);

    /// Whether `max` cuts even the first delay.
    pub(crate) fn starts_beyond_its_longest(&self) -> bool {
        match self {
            Backoff::Fixed(_) => false,
            Backoff::Linear { initial, max, .. } | Backoff::Exponential { initial, max, .. } => initial > max,
        }
    }

    /// The delay before retry number `retry` (from 1), with `random` in `0.0..1.0` to draw the jitter from.
    ///
    /// Never longer than `max`, never negative, for any number.
    pub fn delay(&self, retry: u32, random: f64) -> Duration {
        let steps = f64::from(retry.saturating_sub(1));
        let (seconds, max, jitter) = match self {
            Backoff::Fixed(delay) => return delay.get(),
            Backoff::Linear { initial, step, max, jitter } => (initial.get().as_secs_f64() + step.get().as_secs_f64() * steps, max, jitter),
            Backoff::Exponential { initial, factor, max, jitter } => (initial.get().as_secs_f64() * factor.powf(steps), max, jitter),
        };
        let longest = max.get().as_secs_f64();
        let capped = if seconds.is_finite() { seconds.clamp(0.0, longest) } else { longest };
        let jittered = capped * (1.0 - jitter.0 * random.clamp(0.0, 1.0));
        Duration::try_from_secs_f64(jittered).unwrap_or(max.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(backoff: &Backoff, random: f64) -> Vec<String> {
        (1..=5).map(|retry| Dur(backoff.delay(retry, random)).to_string()).collect()
    }

    #[test]
    fn each_back_off_grows_as_its_name_says() {
        let fixed = Backoff::Fixed(Dur::millis(10));
        let linear = Backoff::Linear { initial: Dur::secs(1), step: Dur::secs(5), max: Dur::secs(12), jitter: Jitter(0.0) };
        let exponential = Backoff::Exponential { initial: Dur::secs(1), factor: 3.0, max: Dur::secs(30), jitter: Jitter(0.0) };
        assert_eq!(delays(&fixed, 0.9), ["10ms"; 5]);
        assert_eq!(delays(&linear, 0.9), ["1s", "6s", "11s", "12s", "12s"]);
        assert_eq!(delays(&exponential, 0.9), ["1s", "3s", "9s", "27s", "30s"]);
    }

    #[test]
    fn jitter_takes_away_at_most_its_share() {
        let half = Backoff::Exponential { initial: Dur::secs(8), factor: 1.0, max: Dur::secs(60), jitter: Jitter(0.5) };
        assert_eq!(half.delay(1, 0.0), Duration::from_secs(8));
        assert_eq!(half.delay(1, 0.5), Duration::from_secs(6));
        assert!(half.delay(1, 0.999) > Duration::from_secs(4));
    }

    #[test]
    fn no_number_of_retries_overflows() {
        let wild = Backoff::Exponential { initial: Dur::secs(1), factor: 1e300, max: Dur::secs(60), jitter: Jitter(0.0) };
        assert_eq!(wild.delay(u32::MAX, 0.0), Duration::from_secs(60));
        let linear = Backoff::Linear { initial: Dur::secs(u64::MAX), step: Dur::secs(u64::MAX), max: Dur::secs(60), jitter: Jitter(0.0) };
        assert_eq!(linear.delay(u32::MAX, 0.0), Duration::from_secs(60));
        let shrinking = Backoff::Exponential { initial: Dur::secs(1), factor: -2.0, max: Dur::secs(60), jitter: Jitter(0.0) };
        assert_eq!(shrinking.delay(2, 0.0), Duration::ZERO);
    }
}
