//! Jobs that go into a queue.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use goworker::client::{ClientError, WaitError};
use goworker::listener::Refusal;
use goworker::{Change, Clock, Enqueued, Job, JobId, ProviderError, Setup, Starts, Target};

use super::counter::{Ended, Taken, Ticket};
use super::key::Key;
use super::request::Order;

/// When a client may try again after the queue could not be reached.
const AWAY: Duration = Duration::from_secs(5);

pub(super) struct Stored {
    target: Target,
    /// What was taken in lately, if that is limited.
    starts: Option<Mutex<Starts>>,
    clock: Clock,
}

impl Stored {
    pub(super) fn new(target: Target, setup: &Setup) -> Self {
        Stored { target, starts: setup.rate.map(|rate| Mutex::new(Starts::new(rate))), clock: setup.clock.clone() }
    }

    pub(super) async fn submit(&self, order: &Order) -> Result<Taken, Refusal> {
        if let Some(key) = &order.key {
            self.check_number(key, order).await?;
        }
        self.start(order.jobs.len())?;
        let answers = self.target.enqueue(&order.jobs).await.map_err(|error| away(&error))?;
        let followed = |(job, answer): (&Arc<Job>, &Enqueued)| match answer {
            Enqueued::Held(holder) => Ticket::Stored(holder.clone()),
            _ => Ticket::Stored(job.id.clone()),
        };
        let tickets = order.jobs.iter().zip(&answers).map(followed).collect();
        Ok(Taken { answers, tickets })
    }

    /// Whether a key that is known stood for as many jobs. Of those that there were, the queue sees itself whether they are others.
    async fn check_number(&self, key: &Key, order: &Order) -> Result<(), Refusal> {
        let is_of_key = |position: usize| order.jobs.get(position - 1).is_none_or(|job| job.id == key.id(position));
        let number = order.jobs.len();
        let known = |position: usize| async move {
            let id = key.id(position);
            self.target.queue().get(&id).await.map(|record| record.is_some()).map_err(|error| trouble(&error))
        };
        if is_of_key(1) && is_of_key(number) && known(1).await? && (!known(number).await? || known(number + 1).await?) {
            let message = "the `Idempotency-Key` was used for another number of jobs";
            return Err(Refusal::new(StatusCode::CONFLICT, message));
        }
        Ok(())
    }

    /// Notes that jobs are taken in, if the rate allows it.
    fn start(&self, jobs: usize) -> Result<(), Refusal> {
        let Some(starts) = &self.starts else { return Ok(()) };
        let mut starts = starts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if jobs <= starts.allowed(now) {
            starts.note(jobs, now);
            return Ok(());
        }
        match starts.next() {
            Some(next) => {
                let message = "the rate at which jobs are taken in is used up";
                Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(next.since(now)))
            }
            None => Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("{jobs} jobs are more than the rate ever allows at once"))),
        }
    }

    pub(super) async fn wait(&self, id: &JobId, at_most: Duration) -> Option<Ended> {
        match self.target.queue().wait(id, at_most).await {
            Ok(output) => Some(Ended::Done(output)),
            Err(WaitError::Dead { failure, .. }) => Some(Ended::Dead(failure)),
            Err(WaitError::Cancelled(_)) => Some(Ended::Cancelled),
            Err(WaitError::Expired(_)) => Some(Ended::Expired),
            Err(WaitError::Absent(_)) => Some(Ended::Unknown),
            Err(WaitError::TimedOut { .. }) => None,
            // The job is stored, whatever cannot be asked now.
            Err(error) => {
                tracing::warn!("a request is held no longer: {error}");
                None
            }
        }
    }

    pub(super) async fn look(&self, id: &JobId) -> Result<Option<String>, Refusal> {
        let queue = self.target.queue();
        let record = queue.get(id).await.map_err(|error| trouble(&error))?;
        Ok(record.map(|record| record.to_json(queue.name())))
    }

    pub(super) async fn cancel(&self, id: &JobId) -> Result<Change, Refusal> {
        self.target.queue().cancel(id).await.map_err(|error| trouble(&error))
    }
}

/// The queue did not do its part.
fn trouble(error: &ClientError) -> Refusal {
    match error {
        ClientError::Store { error, .. } => away(error),
        error => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The words for the client say nothing of where the store is; the log does.
fn away(error: &ProviderError) -> Refusal {
    tracing::warn!("a request is refused: {error}");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the queue cannot accept jobs now").retry_after(AWAY)
}
