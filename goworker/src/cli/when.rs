//! Instants and durations as people read them.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::units::Dur;

/// How far `instant` is from `now`: `3m ago`, `in 2h`, `now`.
pub(super) fn relative(instant: Timestamp, now: Timestamp) -> String {
    let (past, future) = (now.since(instant), instant.since(now));
    match (past.as_secs(), future.as_secs()) {
        (0, 0) => "now".to_owned(),
        (_, 0) => format!("{} ago", rough(past)),
        _ => format!("in {}", rough(future)),
    }
}

/// The duration in its largest unit: `7d`, `3m`, `45s`, `12ms`, `80us`.
pub(super) fn rough(duration: Duration) -> String {
    const SECOND: u128 = 1_000_000;
    const UNITS: [(u128, &str); 6] =
        [(86_400 * SECOND, "d"), (3_600 * SECOND, "h"), (60 * SECOND, "m"), (SECOND, "s"), (1_000, "ms"), (1, "us")];
    let micros = duration.as_micros();
    match UNITS.iter().find(|(size, _)| micros >= *size) {
        Some((size, unit)) => format!("{}{unit}", micros / size),
        None => "0s".to_owned(),
    }
}

/// How long something took, to two digits and more: `2h 3m 5s`, `12.5s`, `1.2s`, `12ms`.
pub(super) fn took(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 {
        rough(duration)
    } else if seconds < 59.95 {
        format!("{}s", (seconds * 10.0).round() / 10.0)
    } else {
        // Seconds are exact enough here.
        Dur::secs(seconds.round() as u64).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_in_their_largest_unit() {
        let now = Timestamp::from_millis(10_000_000_000);
        let told = |seconds: i64| relative(Timestamp::from_millis(10_000_000_000 + seconds * 1_000), now);
        assert_eq!(told(0), "now");
        assert_eq!(told(-59), "59s ago");
        assert_eq!(told(-60), "1m ago");
        assert_eq!(told(-7_199), "1h ago");
        assert_eq!(told(3 * 86_400), "in 3d");
        assert_eq!(rough(Duration::from_millis(12)), "12ms");
        assert_eq!(rough(Duration::from_nanos(80_900)), "80us");
        assert_eq!(rough(Duration::ZERO), "0s");
    }
    #[test]
    fn what_took_longer_than_its_largest_unit_tells_the_rest() {
        let told = |millis| took(Duration::from_millis(millis));
        assert_eq!([0, 12, 999, 1_000, 1_549, 59_940].map(told), ["0s", "12ms", "999ms", "1s", "1.5s", "59.9s"]);
        assert_eq!([59_950, 125_400, 7_385_000].map(told), ["1m", "2m 5s", "2h 3m 5s"]);
    }
}
