//! Where jobs are given in and asked after: a queue, or the hands of this process.

use std::sync::Arc;
use std::time::Duration;

use goworker::listener::Refusal;
use goworker::{Change, Enqueued, Failure, JobId, Output};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;

use super::hand::Hand;
use super::request::Order;
use super::stored::Stored;

/// Who takes the jobs of a request.
pub(super) enum Counter {
    /// The queue behind `into`.
    Stored(Stored),
    /// Nobody stores them.
    Hand(Hand),
}

/// How a job has ended.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    Done(Output),
    Dead(Failure),
    Cancelled,
    Expired,
    /// It was given back because this process stops, and nobody keeps it.
    Dropped,
    /// Nobody knows any more.
    Unknown,
}

/// How many requests are under way; given back when a request, or what it leaves behind, is over.
pub(super) type Pending = Arc<OwnedSemaphorePermit>;

/// What a job in hand has come to.
pub(super) type Told = watch::Receiver<Option<Ended>>;

/// What became of the jobs of a request.
pub(super) struct Taken {
    /// Of each, in order.
    pub(super) answers: Vec<Enqueued>,
    /// What to wait for, for each; none if they were refused.
    pub(super) tickets: Vec<Ticket>,
}

/// A job that can be waited for.
pub(super) enum Ticket {
    Stored(JobId),
    Held(JobId, Told),
}

impl Ticket {
    pub(super) fn id(&self) -> &JobId {
        match self {
            Ticket::Stored(id) | Ticket::Held(id, _) => id,
        }
    }
}

impl Counter {
    /// Takes the jobs of a request, all or none.
    pub(super) async fn submit(&self, order: &Order, pending: &Pending) -> Result<Taken, Refusal> {
        match self {
            Counter::Stored(stored) => stored.submit(order).await,
            Counter::Hand(hand) => hand.submit(order, pending),
        }
    }

    /// What there is to wait for, for a job that was given in before.
    pub(super) fn ticket(&self, id: &JobId) -> Option<Ticket> {
        match self {
            Counter::Stored(_) => Some(Ticket::Stored(id.clone())),
            Counter::Hand(hand) => hand.ticket(id),
        }
    }

    /// Waits for the end of a job, not longer than `at_most`.
    pub(super) async fn wait(&self, ticket: Ticket, at_most: Duration) -> Option<Ended> {
        match (self, ticket) {
            (Counter::Stored(stored), Ticket::Stored(id)) => stored.wait(&id, at_most).await,
            (Counter::Hand(hand), Ticket::Held(_, mut told)) => {
                // Whether in time or not, the last word counts.
                let _in_time = timeout(at_most, hand.ended(&mut told)).await;
                let ended = told.borrow();
                ended.clone()
            }
            // Tickets are not passed on.
            (Counter::Stored(_), Ticket::Held(..)) | (Counter::Hand(_), Ticket::Stored(_)) => None,
        }
    }

    /// What is known of a job, as JSON.
    pub(super) async fn look(&self, id: &JobId) -> Result<Option<String>, Refusal> {
        match self {
            Counter::Stored(stored) => stored.look(id).await,
            Counter::Hand(hand) => Ok(hand.look(id)),
        }
    }

    pub(super) async fn cancel(&self, id: &JobId) -> Result<Change, Refusal> {
        match self {
            Counter::Stored(stored) => stored.cancel(id).await,
            Counter::Hand(hand) => Ok(hand.cancel(id)),
        }
    }

    /// How long a request is held if neither it nor the configuration says: what is not stored has to be waited for.
    pub(super) fn usual_wait(&self) -> Option<Duration> {
        match self {
            Counter::Stored(_) => None,
            Counter::Hand(_) => Some(Duration::from_secs(30)),
        }
    }
}
