//! Headers, as a configuration and jobs have them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goworker::settings::Secret;
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// By this a server knows a repetition: the id of the job, the same in all its attempts.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// 1 for the first attempt.
pub(super) const JOB_ATTEMPT: HeaderName = HeaderName::from_static("job-attempt");
/// W3C trace context, as the job has it.
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What belongs to the connection or follows from the URL and the body: another value would lead to another host, or let one request
/// be taken for two.
const OURS: [&str; 12] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-authorization",
    "proxy-connection",
    "job-attempt",
];

/// The name of a header that may be set.
pub(super) fn name(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| format!("`{}` is no name of a header", text.escape_debug()))?;
    if OURS.contains(&name.as_str()) {
        return Err(format!("`{text}` is set by goworker itself"));
    }
    Ok(name)
}

/// The value of a header. What is wrong with one is told without it.
pub(super) fn value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| "a header has no line breaks and no control characters".to_owned())
}

/// The login in a URL as a header, so that what holds for headers holds for it.
pub(super) fn login(url: &Url) -> Option<HeaderValue> {
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    if user.is_empty() && password.is_empty() {
        return None;
    }
    let login = BASE64_STANDARD.encode([&user[..], b":", &password].concat());
    HeaderValue::from_str(&format!("Basic {login}")).ok()
}

/// Headers of every request.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(try_from = "BTreeMap<String, Secret>")]
#[schemars(with = "BTreeMap<String, Secret>")]
pub(in crate::workers) struct Headers(pub(super) HeaderMap);

impl TryFrom<BTreeMap<String, Secret>> for Headers {
    type Error = String;

    fn try_from(given: BTreeMap<String, Secret>) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (key, text) in given {
            let mut value = value(text.expose()).map_err(|why| format!("`{}`: {why}", key.escape_debug()))?;
            value.set_sensitive(true);
            headers.insert(name(&key)?, value);
        }
        Ok(Headers(headers))
    }
}

/// A header of the answer that is kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(in crate::workers) struct Kept(pub(super) HeaderName);

impl TryFrom<String> for Kept {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        HeaderName::from_bytes(text.as_bytes()).map(Kept).map_err(|_| format!("`{}` is no name of a header", text.escape_debug()))
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}
