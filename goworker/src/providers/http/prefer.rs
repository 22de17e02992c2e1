//! `Prefer`: whether a client wants to wait, and how long (RFC 7240).

use std::time::Duration;

use axum::http::HeaderMap;

/// The longest time that a request is held.
const LONGEST: Duration = Duration::from_secs(600);

/// What a client prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefer {
    /// The answer at once: `respond-async`.
    AtOnce,
    /// To wait so long for the result: `wait=10`.
    Wait(Duration),
}

impl Prefer {
    /// What the headers say, if they do. Preferences that are not known, or make no sense, are no mistake.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
        let mut preferences = lines.flat_map(|line| line.split([',', ';'])).map(str::trim);
        let mut at_once = false;
        let wait = preferences.find_map(|preference| {
            at_once |= preference.eq_ignore_ascii_case("respond-async");
            let (name, value) = preference.split_once('=')?;
            let seconds = value.trim().trim_matches('"').parse().ok();
            seconds.filter(|_| name.trim().eq_ignore_ascii_case("wait")).map(Duration::from_secs)
        });
        match wait {
            Some(wait) => Some(Prefer::Wait(wait.min(LONGEST))),
            None => at_once.then_some(Prefer::AtOnce),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_seconds_and_bounded() {
        let of = |lines: &[&str]| {
            let headers = lines.iter().map(|line| (axum::http::HeaderName::from_static("prefer"), line.parse().unwrap()));
            Prefer::of(&headers.collect())
        };
        let wait = |seconds| Some(Prefer::Wait(Duration::from_secs(seconds)));
        assert_eq!(
            [of(&["wait=10"]), of(&["WAIT = \"10\""]), of(&["respond-async, wait=10"]), of(&["handling=lenient", "wait=10"])],
            [wait(10); 4]
        );
        assert_eq!([of(&["wait=0"]), of(&["wait=86400"])], [wait(0), wait(600)]);
        assert_eq!(of(&["respond-async"]), Some(Prefer::AtOnce));
        assert_eq!([of(&[]), of(&["wait"]), of(&["wait=soon"]), of(&["wait=-1"]), of(&["waiting=10"])], [None; 5]);
    }
}
