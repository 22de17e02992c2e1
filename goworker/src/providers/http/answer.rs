//! What clients are told.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use goworker::listener::Refusal;
use goworker::{Enqueued, Job, JobId, Output};
use serde::Serialize;
use serde_json::value::RawValue;

use super::counter::Ended;
use super::request::Order;
use super::url_path::UrlPath;

/// Whose result an answer is.
const JOB_ID: HeaderName = HeaderName::from_static("job-id");

/// What became of a job that was given in, in the words of `enqueue --format json`.
#[derive(Serialize)]
struct Receipt<'a> {
    id: &'a JobId,
    answer: &'static str,
    /// The job that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<&'a JobId>,
    /// The job that was cancelled for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<&'a JobId>,
    /// Fields that no job has. They were kept in `meta`.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unknown_fields: &'a [String],
}

fn receipts<'a>(order: &'a Order, answers: &'a [Enqueued]) -> Vec<Receipt<'a>> {
    let receipt = |((job, unknown_fields), answer): ((&'a Arc<Job>, &'a Vec<String>), &'a Enqueued)| {
        let (answer, held_by, replaces) = match answer {
            Enqueued::Created => ("created", None, None),
            Enqueued::Replaced(other) => ("created", None, Some(other)),
            Enqueued::Exists => ("exists", None, None),
            Enqueued::Conflict => ("conflict", None, None),
            Enqueued::Held(holder) => ("held", Some(holder), None),
        };
        Receipt { id: &job.id, answer, held_by, replaces, unknown_fields }
    };
    order.jobs.iter().zip(&order.unknown).zip(answers).map(receipt).collect()
}

/// 202: the jobs are there.
pub(super) fn accepted(order: &Order, answers: &[Enqueued], path: &UrlPath) -> Response {
    let receipts = receipts(order, answers);
    match receipts.as_slice() {
        [receipt] if order.is_one => {
            let mut response = json(StatusCode::ACCEPTED, receipt);
            let place = format!("{path}/{}", receipt.held_by.unwrap_or(receipt.id));
            response.headers_mut().extend(HeaderValue::from_str(&place).ok().map(|place| (LOCATION, place)));
            response
        }
        receipts => json(StatusCode::ACCEPTED, &Jobs { jobs: receipts }),
    }
}

/// 409: other jobs have the ids of some.
pub(super) fn conflict(order: &Order, answers: &[Enqueued], are_stored: bool) -> Response {
    let is_conflict = |(_, answer): &(&Arc<Job>, &Enqueued)| **answer == Enqueued::Conflict;
    let ids: Vec<String> = order.jobs.iter().zip(answers).filter(is_conflict).map(|(job, _)| format!("`{}`", job.id)).collect();
    let key = if order.key.is_some() { "; a key stands for the same jobs each time" } else { "" };
    let message = format!("another job has the id {}{key}", ids.join(", "));
    let rest = if answers.len() == ids.len() {
        ""
    } else if are_stored {
        "; the others are stored"
    } else {
        "; none was taken"
    };
    let refusal = Refusal::new(StatusCode::CONFLICT, format!("{message}{rest}"));
    if order.is_one || !are_stored {
        return refusal.into_response();
    }
    let receipts = serde_json::to_value(receipts(order, answers)).unwrap_or_default();
    refusal.detail("jobs", receipts).into_response()
}

/// The result of the one job of a request: its output as the body, text as it is.
pub(super) fn result(id: &JobId, ended: &Ended, headers: &HeaderMap) -> Response {
    let mut response = match ended {
        Ended::Done(output) => body(output, headers),
        ended => {
            let (status, outcome) = failed(id, ended);
            json(status, &outcome)
        }
    };
    response.headers_mut().extend(HeaderValue::from_str(id.as_str()).ok().map(|id| (JOB_ID, id)));
    response
}

fn body(output: &Output, headers: &HeaderMap) -> Response {
    let Some(text) = output.json() else { return StatusCode::OK.into_response() };
    let asks_for_json = |accept: &HeaderValue| accept.to_str().is_ok_and(|accept| accept.contains("application/json"));
    let wants_json = headers.get_all(ACCEPT).iter().any(asks_for_json);
    match output.parse::<String>() {
        Ok(text) if !wants_json => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
        _ => ([(CONTENT_TYPE, "application/json")], text.to_owned()).into_response(),
    }
}

/// How one of several jobs has ended, or one that has no result.
#[derive(Serialize)]
struct Outcome<'a> {
    id: &'a JobId,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
}

#[derive(Serialize)]
struct Jobs<'a, T> {
    jobs: &'a [T],
}

/// The results of the jobs of a request: 200 if all are done, 202 if some go on, 502 if some have none.
pub(super) fn results(results: &[(JobId, Option<Ended>)]) -> Response {
    let mut status = StatusCode::OK;
    let mut outcomes = Vec::with_capacity(results.len());
    for (id, ended) in results {
        let (of_one, outcome) = match ended {
            None => (StatusCode::ACCEPTED, Outcome { id, state: None, output: None, error: None, exit_code: None }),
            Some(Ended::Done(output)) => {
                let output = output.json().and_then(|json| serde_json::from_str(json).ok());
                (StatusCode::OK, Outcome { id, state: Some("done"), output, error: None, exit_code: None })
            }
            Some(ended) => failed(id, ended),
        };
        status = status.max(of_one);
        outcomes.push(outcome);
    }
    json(status, &Jobs { jobs: &outcomes })
}

fn failed<'a>(id: &'a JobId, ended: &'a Ended) -> (StatusCode, Outcome<'a>) {
    let (status, state, error) = match ended {
        Ended::Done(_) => (StatusCode::OK, Some("done"), None),
        Ended::Dead(failure) => (StatusCode::BAD_GATEWAY, Some("dead"), Some(failure.message.as_str())),
        Ended::Cancelled => (StatusCode::BAD_GATEWAY, Some("cancelled"), Some("it was cancelled")),
        Ended::Expired => (StatusCode::BAD_GATEWAY, Some("expired"), Some("it was not started in time")),
        Ended::Unknown => (StatusCode::BAD_GATEWAY, None, Some("nothing is known of it any more")),
        Ended::Dropped => (StatusCode::SERVICE_UNAVAILABLE, None, Some("it was given up unfinished, because goworker stops")),
    };
    let exit_code = if let Ended::Dead(failure) = ended { failure.exit_code } else { None };
    (status, Outcome { id, state, output: None, error, exit_code })
}

/// A response of JSON that was made elsewhere.
pub(super) fn json_text(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // What is told is made of strings, numbers and JSON: it always has a JSON form.
    let text = serde_json::to_string(body).unwrap_or_default();
    (status, json_text(text)).into_response()
}
