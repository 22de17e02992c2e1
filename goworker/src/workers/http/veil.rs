//! What must not be read in an error: the secrets of a request, which a server may repeat in its answer.

use reqwest::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use url::Url;

use super::headers::{IDEMPOTENCY_KEY, JOB_ATTEMPT, TRACEPARENT};
use super::params::Request;

/// Shorter ones are in any text, and keep no secret.
const SHORTEST: usize = 4;
/// The same for a part of a path, which is a word more often than a secret.
const SHORTEST_PART: usize = 16;

/// The secrets of a request.
pub(super) struct Veil(Vec<String>);

impl Veil {
    pub(super) fn over(request: &Request) -> Self {
        let plain = [ACCEPT, CONTENT_TYPE, USER_AGENT, IDEMPOTENCY_KEY, JOB_ATTEMPT, TRACEPARENT];
        let values = request.headers.iter().filter(|(name, _)| !plain.contains(name));
        let values = values.filter_map(|(_, value)| std::str::from_utf8(value.as_bytes()).ok());
        // `Bearer TOKEN`: the token by itself, too.
        let mut secrets: Vec<String> = values.flat_map(|value| value.split(' ').chain([value])).map(str::to_owned).collect();
        let Request { url, .. } = request;
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        secrets.extend([url.username(), url.password().unwrap_or_default(), url.query().unwrap_or_default()].map(decoded));
        secrets.retain(|secret| secret.len() >= SHORTEST);
        let parts = url.path_segments().into_iter().flatten();
        secrets.extend(parts.map(decoded).filter(|part| part.len() >= SHORTEST_PART));
        // One that holds another goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Veil(secrets)
    }

    /// The text with `***` for each secret.
    pub(super) fn cover(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What may be shown of a URL: where it leads. A path is a secret as often as not, as those of chat services are.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
