//! The requests that are answered.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use goworker::listener::{Listener, Refusal, Served};
use goworker::{Change, Enqueued, Ids, JobId, Setup};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer;
use super::counter::{Counter, Ended, Pending, Taken, Ticket};
use super::prefer::Prefer;
use super::request::Order;
use super::url_path::UrlPath;

/// When a client may try again that was refused because this process stops, or has too much to do.
const SOON: Duration = Duration::from_secs(1);
/// Says which preference counted.
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What requests are answered with.
pub(super) struct Api {
    /// The provider's name.
    name: String,
    path: UrlPath,
    /// How long a request is held that says nothing about it.
    wait: Option<Duration>,
    pending: Arc<Semaphore>,
    counter: Arc<Counter>,
    ids: Ids,
    stopping: CancellationToken,
    /// Cancelled when there is no more time to wait for anything.
    closing: CancellationToken,
}

impl Api {
    pub(super) fn new(setup: &Setup, path: &UrlPath, wait: Option<Duration>, max_pending: usize, counter: Arc<Counter>) -> Self {
        Api {
            name: setup.name.clone(),
            path: path.clone(),
            wait: wait.or(counter.usual_wait()),
            pending: Arc::new(Semaphore::new(max_pending)),
            counter,
            ids: setup.ids(),
            stopping: setup.stopping.clone(),
            closing: CancellationToken::new(),
        }
    }

    /// Answers what comes to the listener.
    pub(super) fn serve(self, listener: Listener) -> Served {
        let path = self.path.to_string();
        let closing = self.closing.clone();
        let nothing = format!("there is nothing here; jobs go to POST {path}, and a job is at {path}/ID");
        let router = Router::new()
            .route(&path, post(submit))
            .route(&format!("{path}/{{id}}"), get(look).delete(cancel))
            .method_not_allowed_fallback(|| async { Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done here") })
            .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, nothing) })
            .with_state(Arc::new(self));
        listener.serve(router, closing)
    }

    /// Counts a request as under way.
    fn begin(&self) -> Result<Pending, Refusal> {
        if self.stopping.is_cancelled() {
            let message = "goworker stops, and takes no more jobs";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(SOON));
        }
        let permit = Arc::clone(&self.pending)
            .try_acquire_owned()
            .map_err(|_| Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many requests are under way").retry_after(SOON));
        permit.map(Arc::new)
    }

    /// Waits for the end of jobs, all together not longer than `at_most`.
    async fn wait(&self, tickets: Vec<Ticket>, at_most: Duration) -> Vec<(JobId, Option<Ended>)> {
        let until = Instant::now() + at_most;
        let mut results = Vec::with_capacity(tickets.len());
        for ticket in tickets {
            let id = ticket.id().clone();
            let left = until.saturating_duration_since(Instant::now());
            let ended = tokio::select! {
                biased;
                ended = self.counter.wait(ticket, left) => ended,
                () = self.closing.cancelled() => None,
            };
            results.push((id, ended));
        }
        results
    }
}

type Answered = Result<Response, Refusal>;

async fn submit(State(api): State<Arc<Api>>, headers: HeaderMap, body: Bytes) -> Answered {
    let pending = api.begin()?;
    let order = Order::parse(&headers, &body, &api.name, &api.ids)?;
    drop(body);
    let Taken { answers, tickets } = api.counter.submit(&order, &pending).await?;
    let is_stored = matches!(*api.counter, Counter::Stored(_));
    if answers.contains(&Enqueued::Conflict) {
        return Ok(answer::conflict(&order, &answers, is_stored));
    }
    let prefer = Prefer::of(&headers);
    let wait = match prefer {
        Some(Prefer::Wait(wait)) => Some(wait),
        // What nobody stores is waited for.
        Some(Prefer::AtOnce) if is_stored => None,
        _ => api.wait,
    };
    let mut response = match wait {
        None => answer::accepted(&order, &answers, &api.path),
        Some(wait) => {
            let results = api.wait(tickets, wait).await;
            match results.as_slice() {
                [(id, Some(ended))] if order.is_one => answer::result(id, ended, &headers),
                [(_, None)] if order.is_one => answer::accepted(&order, &answers, &api.path),
                results => answer::results(results),
            }
        }
    };
    applied(&mut response, prefer.filter(|prefer| *prefer != Prefer::AtOnce || wait.is_none()));
    Ok(response)
}

/// Tells which preference counted, and that a client which is to come again may.
fn applied(response: &mut Response, prefer: Option<Prefer>) {
    let applied = prefer.map(|prefer| match prefer {
        Prefer::AtOnce => "respond-async".to_owned(),
        Prefer::Wait(wait) => format!("wait={}", wait.as_secs()),
    });
    let headers = response.headers_mut();
    headers.extend(applied.and_then(|applied| HeaderValue::from_str(&applied).ok()).map(|applied| (PREFERENCE_APPLIED, applied)));
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, SOON.as_secs().into());
    }
}

async fn look(State(api): State<Arc<Api>>, Path(id): Path<String>, headers: HeaderMap) -> Answered {
    let id = job_id(&id)?;
    if let Some(Prefer::Wait(wait)) = Prefer::of(&headers) {
        let _pending = api.begin()?;
        // How it has ended is a part of what is known of it.
        let _results = api.wait(api.counter.ticket(&id).into_iter().collect(), wait).await;
    }
    let found = api.counter.look(&id).await?;
    found.map(answer::json_text).ok_or_else(|| api.absent(&id))
}

async fn cancel(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answered {
    let id = job_id(&id)?;
    let told = |status, state: &str| Ok(answer::json(status, &json!({ "id": id, "state": state })));
    match api.counter.cancel(&id).await? {
        Change::Changed => told(StatusCode::OK, "cancelled"),
        Change::Requested => told(StatusCode::ACCEPTED, "running"),
        Change::Refused(goworker::State::Running) => {
            Err(Refusal::new(StatusCode::CONFLICT, format!("job `{id}` runs, and cannot be reached, because it is not stored")))
        }
        Change::Refused(state) => Err(Refusal::new(StatusCode::CONFLICT, format!("job `{id}` has ended already: it is {state}"))),
        Change::Held(_) | Change::Absent => Err(api.absent(&id)),
    }
}

fn job_id(text: &str) -> Result<JobId, Refusal> {
    text.parse().map_err(|error: String| Refusal::new(StatusCode::BAD_REQUEST, error))
}

impl Api {
    fn absent(&self, id: &JobId) -> Refusal {
        let why = match *self.counter {
            Counter::Stored(_) => "",
            Counter::Hand(_) => "; jobs are not stored here, so one that has ended is forgotten",
        };
        Refusal::new(StatusCode::NOT_FOUND, format!("there is no job `{id}`{why}"))
    }
}
