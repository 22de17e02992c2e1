//! `Idempotency-Key`: the ids of the jobs of a request follow from it, so a request that is sent again brings nothing twice.

use std::fmt::Write;

use axum::http::{HeaderMap, StatusCode};
use goworker::JobId;
use goworker::listener::Refusal;
use sha2::{Digest, Sha256};

/// What the ids of a request's jobs are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(String);

impl Key {
    /// The key that a request has, if it has one. Keys of different providers are different keys.
    pub(super) fn of(headers: &HeaderMap, provider: &str) -> Result<Option<Self>, Refusal> {
        let mut given = headers.get_all("idempotency-key").iter();
        let Some(key) = given.next() else { return Ok(None) };
        let key = key.to_str().ok().filter(|_| given.next().is_none()).map(str::trim);
        // The header is a string of structured fields: with quotes, which many clients leave out.
        let key = key.map(|key| key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key));
        match key {
            Some(key) if (1..=255).contains(&key.len()) => Ok(Some(Key(base(provider, key)))),
            _ => {
                let message = "`Idempotency-Key` has to be given once, with 1 to 255 characters of ASCII";
                Err(Refusal::new(StatusCode::BAD_REQUEST, message))
            }
        }
    }

    /// The id of the job at that position, from 1.
    pub(super) fn id(&self, position: usize) -> JobId {
        let id = if position == 1 { self.0.clone() } else { format!("{}:{position}", self.0) };
        id.parse().expect("a base has characters of ids only, and leaves room for a number")
    }
}

/// The key itself, if an id can hold it; otherwise its hash. No key has a `:`, which sets positions apart.
fn base(provider: &str, key: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let provider: String = provider.chars().take(32).collect();
    if key.len() <= 80 && key.chars().all(allowed) {
        return format!("{provider}:{key}");
    }
    let mut base = format!("{provider}:.");
    for byte in &Sha256::digest(key)[..16] {
        // Writing to a string cannot fail.
        let _ = write!(base, "{byte:02x}");
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(lines: &[&str]) -> Result<Option<Key>, Refusal> {
        let lines = lines.iter().map(|line| (axum::http::HeaderName::from_static("idempotency-key"), line.parse().unwrap()));
        Key::of(&lines.collect(), "api")
    }

    #[test]
    fn ids_follow_from_the_key_and_the_position() {
        let order = key(&["\"order-7\""]).unwrap().unwrap();
        assert_eq!([order.id(1).as_str(), order.id(2).as_str()], ["api:order-7", "api:order-7:2"]);
        assert_eq!(key(&["order-7"]), Ok(Some(order)));
        assert_eq!(key(&[]), Ok(None));
    }

    #[test]
    fn a_key_of_any_characters_makes_ids() {
        let id = |text: &str| key(&[text]).unwrap().unwrap().id(1_000);
        let keys = ["a:2", "a b", "/x?y=z", &"k".repeat(81), &"k".repeat(255), &".".repeat(80)];
        let ids: std::collections::BTreeSet<JobId> = keys.into_iter().map(id).collect();
        assert_eq!(ids.len(), keys.len());
        assert!(
            Key::of(
                &[(axum::http::HeaderName::from_static("idempotency-key"), "k".repeat(255).parse().unwrap())].into_iter().collect(),
                &"p".repeat(64)
            )
            .is_ok_and(|key| key.is_some_and(|key| key.id(1_000).as_str().len() <= JobId::MAX))
        );
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for lines in [&[""][..], &["\"\""], &["a", "b"], &[&"k".repeat(256)]] {
            assert_eq!(key(lines).unwrap_err().status(), StatusCode::BAD_REQUEST, "{lines:?}");
        }
    }
}
