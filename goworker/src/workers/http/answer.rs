//! What is kept of an answer: its status, some headers, and its body up to a limit.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goworker::Output;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::timeout;

/// How much of the body of a refusal is told, and how long that may take to come.
const REASON: usize = 2 << 10;
const REASON_CHARS: usize = 300;
const REASON_TIME: Duration = Duration::from_secs(5);

/// The output of a job.
#[derive(Serialize)]
pub(super) struct Answer {
    status: u16,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
    /// A body that is neither JSON nor text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    /// Whether the body went on beyond the limit.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) truncated: bool,
}

/// The beginning of a body, and whether there was more.
struct Body {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// Reads an answer up to `limit` decoded bytes, beside `content-type` and `location` with these of its headers.
pub(super) async fn read(mut response: Response, limit: usize, kept: &[HeaderName]) -> Result<Answer, reqwest::Error> {
    let mut body = Body { bytes: Vec::new(), is_cut: false };
    body.fill(&mut response, limit).await?;
    let (status, headers) = (response.status().as_u16(), chosen(response.headers(), kept));
    let truncated = body.is_cut;
    let (body, body_base64) = match body.text() {
        Some("") => (None, None),
        Some(text) => (Some(json_of(text, !truncated && says_json(response.headers()))), None),
        None => (None, Some(BASE64_STANDARD.encode(&body.bytes))),
    };
    Ok(Answer { status, headers, body, body_base64, truncated })
}

impl Answer {
    pub(super) fn output(&self) -> Result<Output, serde_json::Error> {
        Output::of(self)
    }
}

/// What a server says of a request that it has refused: the beginning of its body in one line, if that is text. A page for browsers says no
/// more than the status, at length.
pub(super) async fn reason(mut response: Response) -> Option<String> {
    if essence(response.headers()).contains("html") {
        return None;
    }
    let mut body = Body { bytes: Vec::new(), is_cut: false };
    // What has come until then is told; that more is missing is nobody's loss.
    let _ = timeout(REASON_TIME, body.fill(&mut response, REASON)).await;
    let words: Vec<&str> = body.text()?.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(REASON_CHARS) {
        line.truncate(end);
        line.push('…');
    }
    (!line.is_empty()).then_some(line)
}

impl Body {
    /// Reads until there is no more, or too much.
    async fn fill(&mut self, response: &mut Response, limit: usize) -> Result<(), reqwest::Error> {
        while let Some(chunk) = response.chunk().await? {
            let room = limit - self.bytes.len();
            self.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                self.is_cut = true;
                break;
            }
        }
        Ok(())
    }

    /// The text, if it is some. A character that the limit cut through is left out.
    fn text(&self) -> Option<&str> {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Some(text),
            Err(error) if self.is_cut && error.error_len().is_none() => std::str::from_utf8(&self.bytes[..error.valid_up_to()]).ok(),
            Err(_) => None,
        }
    }
}

/// JSON as it is, if it is so called and is some that others can read; all else as text.
fn json_of(text: &str, is_json: bool) -> Box<RawValue> {
    let raw = || serde_json::from_str::<Value>(text).ok().and_then(|_| RawValue::from_string(text.trim().to_owned()).ok());
    let raw = if is_json { raw() } else { None };
    // A text always has a JSON form.
    raw.or_else(|| serde_json::value::to_raw_value(text).ok()).unwrap_or_else(|| RawValue::NULL.to_owned())
}

fn says_json(headers: &HeaderMap) -> bool {
    let essence = essence(headers);
    essence.ends_with("/json") || essence.ends_with("+json")
}

/// The `content-type` without its parameters.
fn essence(headers: &HeaderMap) -> String {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|value| value.split(';').next());
    essence.unwrap_or_default().trim().to_ascii_lowercase()
}

fn chosen(headers: &HeaderMap, kept: &[HeaderName]) -> BTreeMap<String, String> {
    let text = |name: &HeaderName| {
        let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        (!values.is_empty()).then(|| (name.as_str().to_owned(), values.join(", ")))
    };
    kept.iter().chain([&CONTENT_TYPE, &LOCATION]).filter_map(text).collect()
}
