//! The jobs of a request: what its body says, with the ids that they are to have.

use std::sync::Arc;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use goworker::listener::Refusal;
use goworker::{Ids, Job, JobError, Layout, MAX_BULK};

use super::key::Key;

/// The jobs of a request.
#[derive(Debug)]
pub(super) struct Order {
    /// In the order of the text. There is at least one.
    pub(super) jobs: Vec<Arc<Job>>,
    /// Of each job, the fields that no job has; they are in `meta` now.
    pub(super) unknown: Vec<Vec<String>>,
    /// Whether it was one job that stood for itself, not a list of one.
    pub(super) is_one: bool,
    /// What their ids follow from.
    pub(super) key: Option<Key>,
}

impl Order {
    /// Reads a request. `provider` is whose it is.
    pub(super) fn parse(headers: &HeaderMap, body: &[u8], provider: &str, ids: &Ids) -> Result<Self, Refusal> {
        let layout = layout(headers)?;
        let key = Key::of(headers, provider)?;
        let parsed = Job::parse_text(body, layout, ids).map_err(|error| no_job(&error))?;
        if parsed.jobs.is_empty() {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "there is no job in it: the list is empty"));
        }
        if parsed.jobs.len() > MAX_BULK {
            let message = format!("{} jobs in one request; at most {MAX_BULK} are taken, which are stored as a whole", parsed.jobs.len());
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        let mut order = Order { jobs: Vec::new(), unknown: Vec::new(), is_one: parsed.is_one, key };
        for (position, (_, mut parsed)) in (1..).zip(parsed.jobs) {
            if let Some(key) = order.key.as_ref().filter(|_| parsed.id_made) {
                parsed.job.id = key.id(position);
            }
            order.jobs.push(Arc::new(parsed.job));
            order.unknown.push(parsed.unknown);
        }
        Ok(order)
    }
}

/// What the header says of the layout. Clients are not made to say more than they know: `curl -d` calls everything a form.
fn layout(headers: &HeaderMap) -> Result<Layout, Refusal> {
    let given = headers.get(CONTENT_TYPE).map(|given| String::from_utf8_lossy(given.as_bytes()).to_ascii_lowercase()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    match media_type {
        "application/jsonl" | "application/x-ndjson" | "application/ndjson" | "application/json-lines" | "application/x-jsonlines" => {
            Ok(Layout::Lines)
        }
        other if other.starts_with("multipart/") => {
            let message = format!(
                "`{other}` is no form for jobs; send one job or an array as `application/json`, or JSON Lines as `application/jsonl`"
            );
            Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
        _ => Ok(Layout::Json),
    }
}

fn no_job(error: &JobError) -> Refusal {
    let JobError { path, line, column, .. } = error;
    let refusal = Refusal::new(StatusCode::BAD_REQUEST, format!("line {line}, column {column}: {error}"));
    let refusal = if path.is_empty() { refusal } else { refusal.detail("path", path.as_str()) };
    refusal.detail("line", *line).detail("column", *column)
}
