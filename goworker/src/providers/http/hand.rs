//! Jobs that nobody stores: they are held here until they have run, and their requests with them.
//!
//! A client that goes away takes nothing back: its job runs all the same, and counts as under way until it has.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use goworker::listener::Refusal;
use goworker::{Batch, Change, Clock, Delivery, Enqueued, Job, JobId, Lease, Settled, Settlement, Setup, State, Token};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::counter::{Ended, Pending, Taken, Ticket, Told};
use super::request::Order;

pub(super) struct Hand {
    state: Mutex<Jobs>,
    arrived: Notify,
    clock: Clock,
    stopping: CancellationToken,
}

#[derive(Default)]
struct Jobs {
    /// Those that wait for a slot.
    waiting: VecDeque<Arc<Held>>,
    /// Those that were handed out.
    running: HashMap<(Token, u64), Arc<Held>>,
    by_id: HashMap<JobId, Arc<Held>>,
    batches: u64,
}

/// A job in hand.
struct Held {
    job: Arc<Job>,
    ended: watch::Sender<Option<Ended>>,
    /// Whose request is under way. A job for a failure handler has none.
    _pending: Option<Pending>,
}

impl Held {
    fn new(job: Arc<Job>, pending: Option<Pending>) -> Arc<Self> {
        Arc::new(Held { job, ended: watch::Sender::new(None), _pending: pending })
    }
}

impl Hand {
    pub(super) fn new(setup: &Setup) -> Self {
        Hand { state: Mutex::default(), arrived: Notify::new(), clock: setup.clock.clone(), stopping: setup.stopping.clone() }
    }

    pub(super) fn submit(&self, order: &Order, pending: &Pending) -> Result<Taken, Refusal> {
        order.jobs.iter().enumerate().try_for_each(|(index, job)| check(job, if order.is_one { None } else { Some(index) }))?;
        let mut jobs = self.jobs();
        let mut answers = Vec::with_capacity(order.jobs.len());
        for (position, job) in order.jobs.iter().enumerate() {
            // The same id twice in one request is two of one job, too.
            let known = jobs.by_id.get(&job.id).map(|held| &held.job);
            let known = known.or_else(|| order.jobs[..position].iter().find(|other| other.id == job.id));
            answers.push(match known {
                None => Enqueued::Created,
                Some(other) if other == job => Enqueued::Exists,
                Some(_) => Enqueued::Conflict,
            });
        }
        if answers.contains(&Enqueued::Conflict) {
            return Ok(Taken { answers, tickets: Vec::new() });
        }
        for (job, _) in order.jobs.iter().zip(&answers).filter(|(_, answer)| answer.is_new()) {
            let held = Held::new(Arc::clone(job), Some(Arc::clone(pending)));
            jobs.by_id.insert(job.id.clone(), Arc::clone(&held));
            jobs.waiting.push_back(held);
        }
        let ticket = |job: &Arc<Job>| jobs.by_id.get(&job.id).map(|held| Ticket::Held(job.id.clone(), held.ended.subscribe()));
        let tickets = order.jobs.iter().filter_map(ticket).collect();
        drop(jobs);
        self.arrived.notify_one();
        Ok(Taken { answers, tickets })
    }

    /// Waits until a job has ended. What has not been handed out when this process stops never will be.
    pub(super) async fn ended(&self, told: &mut Told) {
        let stopped = async {
            self.stopping.cancelled().await;
            self.drop_waiting();
            pending::<()>().await;
        };
        tokio::select! {
            biased;
            _ = told.wait_for(Option::is_some) => {}
            () = stopped => {}
        }
    }

    /// What follows a job that is in hand.
    pub(super) fn ticket(&self, id: &JobId) -> Option<Ticket> {
        self.jobs().by_id.get(id).map(|held| Ticket::Held(id.clone(), held.ended.subscribe()))
    }

    fn drop_waiting(&self) {
        let mut jobs = self.jobs();
        for held in std::mem::take(&mut jobs.waiting) {
            jobs.end(&held, Ended::Dropped);
        }
    }

    /// Returns when there may be something to hand out.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(super) fn hand_out(&self, limit: usize) -> Batch {
        let now = self.clock.now();
        let mut jobs = self.jobs();
        let mut deliveries = Vec::new();
        let token = Token(jobs.batches);
        while deliveries.len() < limit {
            let Some(held) = jobs.waiting.pop_front() else { break };
            if held.job.expires_at.is_some_and(|expires| expires < now) {
                jobs.end(&held, Ended::Expired);
                continue;
            }
            let handle = deliveries.len() as u64;
            deliveries.push(Delivery::first(Arc::clone(&held.job), handle));
            jobs.running.insert((token, handle), held);
        }
        jobs.batches += 1;
        Batch { lease: Lease { token, duration: None }, deliveries, cursor: None }
    }

    pub(super) fn settle(&self, settlements: &[Settled]) -> Vec<usize> {
        let mut jobs = self.jobs();
        let mut refused = Vec::new();
        for (position, Settled { token, handle, settlement, .. }) in settlements.iter().enumerate() {
            let Some(held) = jobs.running.remove(&(*token, *handle)) else {
                refused.push(position);
                continue;
            };
            let ended = match settlement {
                Settlement::Done { output } => Ended::Done(output.clone()),
                Settlement::Dead { failure, handlers } => {
                    jobs.waiting.extend(handlers.iter().map(|job| Held::new(Arc::clone(job), None)));
                    Ended::Dead(failure.clone())
                }
                Settlement::Cancelled => Ended::Cancelled,
                Settlement::Release | Settlement::Retry { .. } if self.stopping.is_cancelled() => Ended::Dropped,
                Settlement::Release | Settlement::Retry { .. } => {
                    jobs.waiting.push_front(held);
                    continue;
                }
            };
            jobs.end(&held, ended);
        }
        drop(jobs);
        self.arrived.notify_one();
        refused
    }

    pub(super) fn look(&self, id: &JobId) -> Option<String> {
        let jobs = self.jobs();
        let held = jobs.by_id.get(id)?;
        let state = if jobs.waits(held) { State::Ready } else { State::Running };
        Some(json!({ "id": id, "state": state, "job": *held.job }).to_string())
    }

    /// Takes back a job that waits for a slot. There is no lease by which one that runs could be told.
    pub(super) fn cancel(&self, id: &JobId) -> Change {
        let mut jobs = self.jobs();
        let Some(held) = jobs.by_id.get(id).cloned() else { return Change::Absent };
        if !jobs.waits(&held) {
            return Change::Refused(State::Running);
        }
        jobs.waiting.retain(|other| !Arc::ptr_eq(other, &held));
        jobs.end(&held, Ended::Cancelled);
        Change::Changed
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Jobs {
    /// Tells everybody who waits for it.
    fn end(&mut self, held: &Held, ended: Ended) {
        self.by_id.remove(&held.job.id);
        held.ended.send_replace(Some(ended));
    }

    fn waits(&self, held: &Arc<Held>) -> bool {
        self.waiting.iter().any(|other| Arc::ptr_eq(other, held))
    }
}

/// A job that says what only a store can do is not taken, lest it be done otherwise.
fn check(job: &Job, index: Option<usize>) -> Result<(), Refusal> {
    let fields = [("run_at", job.run_at.is_some()), ("delay", job.delay.is_some()), ("unique", job.unique.is_some())];
    let Some((field, _)) = fields.into_iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
    let path = index.map_or_else(|| field.to_owned(), |index| format!("[{index}].{field}"));
    let message = format!("{path}: jobs are not stored here, so this cannot be kept; the configuration has to say `into`");
    Err(Refusal::new(StatusCode::BAD_REQUEST, message).detail("path", path))
}
