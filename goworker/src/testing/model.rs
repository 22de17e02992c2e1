//! A queue against a model of it: random steps, and after each the two must agree on every job.
//!
//! The model is the contract in its simplest form, a map from ids to states. It says nothing about order and batches,
//! which the conformance suite does; it finds the sequences of steps that nobody thought of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::job::{Job, JobId};
use crate::outcome::{Attempt, Cause, Failure, Output, Settlement};
use crate::plugin::{Plugin, QueueHandle};
use crate::provider::{Batch, Demand, Renewal, Settled, Setup, Token};
use crate::queue::{Change, Enqueued, Filter, Queue, State};
use crate::testing::folder::Folder;
use crate::units::Dur;

const LEASE: Duration = Duration::from_millis(200);
/// So few that steps meet.
const IDS: usize = 12;

/// Takes `steps` random steps with a queue, the same ones for the same seed. To be run under tokio's paused time.
///
/// # Panics
/// When the queue and the model differ; the message tells seed and step.
pub async fn random_walk<Q: Queue>(seed: u64, steps: usize, make: impl Fn(&Setup) -> Q) {
    let folder = Folder::new().expect("a folder for the walk");
    let mut setup = Setup::new(folder.name(), folder.path());
    setup.lease = LEASE;
    setup.clock = Clock::starting_at(Timestamp::from_millis(1_800_000_000_000));
    let queue = match Plugin::queue(make(&setup)) {
        Plugin::Queue(queue) => queue.start(&setup).await.expect("the queue starts"),
        other => unreachable!("{other:?} was made from a queue"),
    };
    let mut walk =
        Walk { queue, clock: setup.clock, random: fastrand::Rng::with_seed(seed), model: BTreeMap::new(), past: vec![], token: Token(0) };
    for step in 0..steps {
        let done = walk.step().await;
        let agreed = match done {
            Ok(()) => walk.compare().await,
            Err(difference) => Err(difference),
        };
        if let Err(difference) = agreed {
            panic!("seed {seed}, step {step}: {difference}");
        }
    }
}

/// What the model knows of a job.
#[derive(Debug, Clone)]
struct Known {
    state: Phase,
    attempts: usize,
    crashes: u32,
    cancel_asked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Waiting { due: Timestamp },
    Running { token: Token, until: Timestamp, old_due: Timestamp },
    Ended(State),
}

impl Known {
    fn new(due: Timestamp) -> Self {
        Known { state: Phase::Waiting { due }, attempts: 0, crashes: 0, cancel_asked: false }
    }

    fn state(&self, now: Timestamp) -> State {
        match self.state {
            Phase::Waiting { due } if due > now => State::Scheduled,
            Phase::Waiting { .. } => State::Ready,
            Phase::Running { .. } => State::Running,
            Phase::Ended(state) => state,
        }
    }

    fn wait(&mut self, due: Timestamp) {
        self.state = if self.cancel_asked { Phase::Ended(State::Cancelled) } else { Phase::Waiting { due } };
    }

    fn settle(&mut self, settlement: &Settlement, old_due: Timestamp, now: Timestamp) {
        match settlement {
            Settlement::Done { .. } => {
                self.attempts += 1;
                self.state = Phase::Ended(State::Done);
            }
            Settlement::Retry { after, charged } => {
                self.attempts += usize::from(*charged);
                self.wait(now.after(*after));
            }
            Settlement::Dead { .. } => {
                self.attempts += 1;
                self.state = Phase::Ended(State::Dead);
            }
            Settlement::Cancelled => self.state = Phase::Ended(State::Cancelled),
            Settlement::Release => self.wait(old_due),
        }
    }
}

/// A queue, the model, and all batches ever handed out, so that late settlements happen.
struct Walk {
    queue: QueueHandle,
    clock: Clock,
    random: fastrand::Rng,
    model: BTreeMap<JobId, Known>,
    past: Vec<Batch>,
    token: Token,
}

type Agreed = Result<(), String>;

fn same<T: PartialEq + std::fmt::Debug>(what: &str, queue: T, model: T) -> Agreed {
    if queue == model { Ok(()) } else { Err(format!("{what}: the queue says {queue:?}, the model {model:?}")) }
}

impl Walk {
    async fn step(&mut self) -> Agreed {
        match self.random.u8(..10) {
            0 | 1 => self.enqueue().await,
            2 | 3 => self.fetch().await,
            4..=6 => self.settle().await,
            7 => self.manage().await,
            8 => self.renew().await,
            _ => {
                tokio::time::sleep(Duration::from_millis(self.random.u64(1..150))).await;
                Ok(())
            }
        }
        .inspect(|()| self.pass_time())
    }

    /// What time alone brings about.
    fn pass_time(&mut self) {
        let now = self.clock.now();
        for known in self.model.values_mut() {
            if let Phase::Running { until, old_due, .. } = known.state
                && until <= now
            {
                known.crashes += 1;
                known.wait(old_due);
            }
        }
    }

    fn id(&mut self) -> JobId {
        format!("j{}", self.random.usize(..IDS)).parse().expect("a well-formed id")
    }

    async fn enqueue(&mut self) -> Agreed {
        self.pass_time();
        let now = self.clock.now();
        let mut job = Job::new(self.id(), "work");
        job.priority = self.random.i8(-100..=100);
        job.delay = self.random.bool().then(|| Dur::millis(self.random.u64(..300)));
        let known = self.model.contains_key(&job.id);
        let due = now.after(job.delay.map_or(Duration::ZERO, Dur::get));
        self.model.entry(job.id.clone()).or_insert(Known::new(due));
        let answers = self.queue.enqueue(&[Arc::new(job)], None).await.map_err(|error| error.to_string())?;
        same("created", answers == [Enqueued::Created], !known)
    }

    async fn fetch(&mut self) -> Agreed {
        self.pass_time();
        let (now, slots) = (self.clock.now(), self.random.usize(1..5));
        let batch = self.queue.fetch(&Demand::Any(slots)).await.map_err(|error| error.to_string())?;
        let ready = self.model.values().filter(|known| known.state(now) == State::Ready).count();
        same("jobs handed out", batch.deliveries.len(), slots.min(ready))?;
        if batch.deliveries.is_empty() {
            return Ok(());
        }
        same("the token has grown", batch.lease.token > self.token, true)?;
        self.token = batch.lease.token;
        for delivery in &batch.deliveries {
            let Some(known) = self.model.get_mut(&delivery.job.id) else { return Err(format!("unknown job {}", delivery.job.id)) };
            same("state of a job handed out", State::Ready, known.state(now))?;
            same("attempts and crashes", (delivery.attempts.len(), delivery.crashes), (known.attempts, known.crashes))?;
            let Phase::Waiting { due } = known.state else { return Err("a job that does not wait is ready".into()) };
            known.state = Phase::Running { token: self.token, until: now.after(LEASE), old_due: due };
        }
        self.past.push(batch);
        Ok(())
    }

    /// Settles one delivery of any batch that ever was, mostly of the latest.
    async fn settle(&mut self) -> Agreed {
        self.pass_time();
        let now = self.clock.now();
        let newest_first = self.random.usize(..5).min(self.random.usize(..5));
        let Some(batch) = self.past.len().checked_sub(newest_first + 1).map(|position| self.past[position].clone()) else { return Ok(()) };
        let delivery = &batch.deliveries[self.random.usize(..batch.deliveries.len())];
        let settled = self.settlement(batch.lease.token, delivery.handle, &delivery.job, delivery.attempts.len());
        let held = self.model.get_mut(&delivery.job.id).and_then(|known| match known.state {
            Phase::Running { token, old_due, .. } if token == batch.lease.token => Some((known, old_due)),
            _ => None,
        });
        let expected = if held.is_some() { vec![] } else { vec![0] };
        if let Some((known, old_due)) = held {
            known.settle(&settled.settlement, old_due, now);
        }
        let refused = self.queue.settle(&[settled]).await.map_err(|error| error.to_string())?;
        same("settlements refused", refused, expected)
    }

    fn settlement(&mut self, token: Token, handle: u64, job: &Arc<Job>, before: usize) -> Settled {
        let failure = Failure::new(Cause::Error, "no");
        let after = Duration::from_millis(self.random.u64(..300));
        let settlement = match self.random.u8(..6) {
            0 => Settlement::Done { output: Output::none() },
            1 => Settlement::Retry { after, charged: true },
            2 => Settlement::Retry { after, charged: false },
            3 => Settlement::Dead { failure: failure.clone(), handlers: vec![] },
            4 => Settlement::Cancelled,
            _ => Settlement::Release,
        };
        let failure = (!matches!(settlement, Settlement::Done { .. })).then_some(failure);
        let charged = matches!(settlement, Settlement::Done { .. } | Settlement::Retry { charged: true, .. } | Settlement::Dead { .. });
        let number = u32::try_from(before).unwrap_or(u32::MAX) + 1;
        let attempt = Attempt { number, started_at: self.clock.now(), duration: Dur::millis(1), failure, log: vec![] };
        Settled { token, handle, job: Arc::clone(job), attempt: charged.then_some(attempt), settlement }
    }

    /// A person cancels, retries or deletes a job.
    async fn manage(&mut self) -> Agreed {
        self.pass_time();
        let (now, id) = (self.clock.now(), self.id());
        let state = self.model.get(&id).map(|known| known.state(now));
        let wish = self.random.u8(..3);
        let expected = match (wish, state) {
            (_, None) => Change::Absent,
            (0, Some(State::Running)) => Change::Requested,
            (0, Some(state)) if state.is_final() => Change::Refused(state),
            (1, Some(state)) if !state.is_final() => Change::Refused(state),
            (2, Some(State::Running)) => Change::Refused(State::Running),
            _ => Change::Changed,
        };
        if let Some(known) = self.model.get_mut(&id) {
            match (wish, expected) {
                (0, Change::Requested) => known.cancel_asked = true,
                (0, Change::Changed) => known.state = Phase::Ended(State::Cancelled),
                (1, Change::Changed) => *known = Known::new(now),
                (2, Change::Changed) => {
                    self.model.remove(&id);
                }
                _ => {}
            }
        }
        let ids = [id];
        let answers = match wish {
            0 => self.queue.cancel(&ids).await,
            1 => self.queue.retry(&ids).await,
            _ => self.queue.delete(&ids).await,
        };
        same("what a person is answered", answers.map_err(|error| error.to_string())?, vec![expected])
    }

    async fn renew(&mut self) -> Agreed {
        self.pass_time();
        let now = self.clock.now();
        let Some(lease) = self.past.last().map(|batch| batch.lease.token) else { return Ok(()) };
        let mut expected = Renewal { lost: vec![lease], cancelled: vec![] };
        for (id, known) in &mut self.model {
            if let Phase::Running { token, until, .. } = &mut known.state
                && *token == lease
            {
                *until = now.after(LEASE);
                expected.lost.clear();
                expected.cancelled.extend(known.cancel_asked.then(|| id.clone()));
            }
        }
        let mut renewal = self.queue.renew(&[lease]).await.map_err(|error| error.to_string())?;
        renewal.cancelled.sort();
        same("what a renewal tells", renewal, expected)
    }

    /// Each job is in exactly one state, the one that the model says, and counted there.
    async fn compare(&mut self) -> Agreed {
        let now = self.clock.now();
        let records = self.queue.list(&Filter::default()).await.map_err(|error| error.to_string())?;
        same("jobs", records.len(), self.model.len())?;
        for record in &records {
            let id = &record.job.id;
            let Some(known) = self.model.get(id) else { return Err(format!("the queue has {id}, the model has not")) };
            same(&format!("state of {id}"), record.state, known.state(now))?;
            let counted = (usize::try_from(record.attempt).unwrap_or(usize::MAX), record.crashes);
            same(&format!("attempts and crashes of {id}"), counted, (known.attempts, known.crashes))?;
        }
        let counts = self.queue.stats().await.map_err(|error| error.to_string())?.counts;
        for state in State::ALL {
            let counted: u64 = counts.iter().filter(|count| count.state == state).map(|count| count.jobs).sum();
            same(&format!("how many are {state}"), counted, records.iter().filter(|record| record.state == state).map(|_| 1).sum())?;
        }
        Ok(())
    }
}
