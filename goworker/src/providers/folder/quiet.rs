//! Whether a file is still being written: it is complete when nothing has changed it for a while. Pure.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use goworker::Timestamp;
use tokio::time::Instant;

use super::directory::Stamp;

/// Tells for how long files have been quiet.
///
/// The time of the last change tells it at once, so that a file that was finished elsewhere and renamed into place need
/// not wait. But a clock may be wrong (a file server's, or a copied time in the future): a file that was seen unchanged
/// for long enough is complete as well, whatever its times say.
#[derive(Debug)]
pub(super) struct Quiet {
    enough: Duration,
    seen: HashMap<OsString, (Stamp, Instant)>,
}

impl Quiet {
    pub(super) fn new(enough: Duration) -> Self {
        Quiet { enough, seen: HashMap::new() }
    }

    /// How long the file still has to be quiet until it is complete; `None` if it is.
    pub(super) fn wait(&mut self, name: &OsStr, stamp: &Stamp, now: Timestamp, instant: Instant) -> Option<Duration> {
        let since_change = i128::from(now.as_millis()) - stamp.modified / 1_000_000;
        let by_times = u64::try_from(since_change).map_or(self.enough, |quiet| self.enough.saturating_sub(Duration::from_millis(quiet)));
        let wait =
            if by_times.is_zero() { by_times } else { by_times.min(self.enough.saturating_sub(self.unchanged(name, stamp, instant))) };
        if wait.is_zero() {
            self.seen.remove(name);
            return None;
        }
        Some(wait)
    }

    /// Forgets files that are not there any more.
    pub(super) fn keep_only(&mut self, is_there: impl Fn(&OsStr) -> bool) {
        self.seen.retain(|name, _| is_there(name));
    }

    /// For how long the file was seen as it is now.
    fn unchanged(&mut self, name: &OsStr, stamp: &Stamp, instant: Instant) -> Duration {
        match self.seen.get(name) {
            Some((seen, since)) if seen.same_content(stamp) => instant.duration_since(*since),
            _ => {
                self.seen.insert(name.to_owned(), (*stamp, instant));
                Duration::ZERO
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn stamp(modified_millis: i128) -> Stamp {
        Stamp { device: 1, inode: 1, size: 1, modified: modified_millis * 1_000_000, changed: 0 }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_file_changed_long_ago_is_complete_at_once() {
        let mut quiet = Quiet::new(SECOND);
        assert_eq!(quiet.wait(OsStr::new("a"), &stamp(5_000), at(6_000), Instant::now()), None);
    }

    #[test]
    fn a_fresh_file_waits_for_what_is_left() {
        let mut quiet = Quiet::new(SECOND);
        assert_eq!(quiet.wait(OsStr::new("a"), &stamp(5_000), at(5_300), Instant::now()), Some(Duration::from_millis(700)));
    }

    #[test]
    fn a_time_in_the_future_is_not_waited_for() {
        let (mut quiet, start) = (Quiet::new(SECOND), Instant::now());
        let mut wait = |modified, seconds| quiet.wait(OsStr::new("a"), &stamp(modified), at(5_000), start + SECOND.mul_f64(seconds));
        assert_eq!(wait(9_000_000, 0.0), Some(SECOND));
        assert_eq!(wait(9_000_000, 0.6), Some(Duration::from_millis(400)));
        assert_eq!(wait(9_000_001, 0.9), Some(SECOND), "it was changed");
        assert_eq!(wait(9_000_001, 1.9), None);
    }
}
