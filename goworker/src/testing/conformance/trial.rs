//! What a case works with: a fresh store, the queue on it, and short ways to use it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::{Capabilities, Time};
use crate::clock::{Clock, Random, Timestamp};
use crate::job::{Job, JobId};
use crate::outcome::{Attempt, Cause, Failure, Output, Settlement};
use crate::plugin::{AnyQueue, QueueHandle};
use crate::provider::{Batch, Delivery, Demand, ProviderError, Settled, Setup};
use crate::queue::{Enqueued, Filter, JobRecord, State};
use crate::testing::folder::Folder;
use crate::units::Dur;

/// Makes a queue, not yet started, on the store that the setup names.
pub(super) type Make = dyn Fn(&Setup) -> AnyQueue + Send + Sync;

/// How a case ends.
pub(super) type Verdict = Result<(), Fault>;

/// Why a case does not hold.
#[derive(Debug)]
pub(super) enum Fault {
    /// The queue does something else.
    Broken(String),
    /// The case takes time that cannot be passed here.
    CannotTell,
}

impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        Fault::Broken(format!("the queue answered an error: {error}"))
    }
}

/// Fails the case unless `got` is what was `wanted`.
pub(super) fn expect<T: PartialEq<U> + fmt::Debug, U: fmt::Debug>(what: &str, got: T, wanted: U) -> Verdict {
    if got == wanted { Ok(()) } else { broken(format!("{what}: expected {wanted:?}, got {got:?}")) }
}

/// Fails the case unless the claim is true.
pub(super) fn claim(what: &str, holds: bool) -> Verdict {
    if holds { Ok(()) } else { broken(format!("expected: {what}")) }
}

pub(super) fn broken<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Broken(what.into()))
}

/// How long a case waits for what must come. Far more than it takes, as machines may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How late a queue may be that needs no polling.
pub(super) const PROMPT: Duration = Duration::from_millis(700);
/// A lease that is meant to be lost, and long enough to settle in time what was just taken, on a busy disk too.
pub(super) const SHORT: Duration = Duration::from_millis(500);

/// One case's fresh store.
pub(super) struct Trial {
    make: Arc<Make>,
    capabilities: Capabilities,
    /// What the next [`open`](Trial::open) is given.
    pub(super) setup: Setup,
    _folder: Folder,
}

impl Trial {
    pub(super) fn new(capabilities: Capabilities, make: Arc<Make>) -> Result<Self, Fault> {
        let folder = Folder::new().map_err(|error| Fault::Broken(format!("no folder for the case: {error}")))?;
        let mut setup = Setup::new(folder.name(), folder.path());
        setup.clock = Clock::starting_at(Clock::system().now());
        setup.random = Random::seeded(1);
        Ok(Trial { make, capabilities, setup, _folder: folder })
    }

    /// A queue on the store; on the same store if it is called again.
    pub(super) async fn open(&self) -> Result<Subject, Fault> {
        let queue = (self.make)(&self.setup).start(&self.setup).await;
        let queue = queue.map_err(|error| Fault::Broken(format!("the queue does not start: {error:#}")))?;
        Ok(Subject { queue, clock: self.setup.clock.clone() })
    }

    /// A queue whose leases are over soon.
    pub(super) async fn open_with_short_leases(&mut self) -> Result<Subject, Fault> {
        self.setup.lease = SHORT;
        self.open().await
    }

    /// The queue after that time. No job may be running.
    pub(super) async fn later(&mut self, queue: Subject, by: Duration) -> Result<Subject, Fault> {
        match self.capabilities.time {
            Time::Paused => {
                tokio::time::sleep(by).await;
                Ok(queue)
            }
            Time::Setup if self.capabilities.durable => {
                queue.shut().await?;
                self.setup.clock = Clock::starting_at(self.now().after(by));
                self.open().await
            }
            Time::Setup | Time::Store => Err(Fault::CannotTell),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.setup.clock.now()
    }
}

/// The queue under test.
pub(super) struct Subject {
    queue: QueueHandle,
    clock: Clock,
}

impl Deref for Subject {
    type Target = QueueHandle;

    fn deref(&self) -> &QueueHandle {
        &self.queue
    }
}

impl Subject {
    /// Enqueues jobs that are new.
    pub(super) async fn accept(&self, jobs: impl IntoIterator<Item = Job>) -> Verdict {
        let jobs: Vec<Arc<Job>> = jobs.into_iter().map(Arc::new).collect();
        let answers = self.enqueue(&jobs, None).await?;
        expect("enqueueing new jobs", answers, vec![Enqueued::Created; jobs.len()])
    }

    /// What is there now of the usual type.
    pub(super) async fn take(&self, slots: usize) -> Result<Batch, Fault> {
        Ok(self.fetch(&work(slots)).await?)
    }

    /// What is there now, which must be these jobs in this order.
    pub(super) async fn take_exactly(&self, ids: &[&str]) -> Result<Batch, Fault> {
        let batch = self.take(ids.len()).await?;
        expect("the jobs that a fetch brought", names(&batch), ids)?;
        Ok(batch)
    }

    /// Nothing is there now.
    pub(super) async fn take_nothing(&self) -> Verdict {
        expect("the jobs that a fetch brought", names(&self.take(10).await?), [""; 0])
    }

    /// Waits for the next jobs as a manager does.
    pub(super) async fn await_jobs(&self, slots: usize) -> Result<Batch, Fault> {
        let demand = work(slots);
        let wait = async {
            loop {
                let batch = self.fetch(&demand).await?;
                if !batch.deliveries.is_empty() {
                    return Ok(batch);
                }
                self.ready(&demand).await;
            }
        };
        let missing = || Fault::Broken(format!("expected jobs to become ready; none did within {PATIENCE:?}"));
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| Err(missing()))
    }

    /// Waits until these jobs, and no others, have been handed out, in whatever batches; answers their batches.
    pub(super) async fn await_all(&self, ids: &[&str]) -> Result<Vec<Batch>, Fault> {
        let mut batches = Vec::new();
        let mut got: Vec<String> = Vec::new();
        while got.len() < ids.len() {
            let batch = self.await_jobs(ids.len() - got.len()).await?;
            got.extend(names(&batch));
            batches.push(batch);
        }
        got.sort();
        let mut wanted = ids.to_vec();
        wanted.sort_unstable();
        expect("the jobs that were handed out", got, wanted)?;
        Ok(batches)
    }

    /// Settles what must not be refused.
    pub(super) async fn settle_all(&self, settlements: &[Settled]) -> Verdict {
        expect("settlements that were refused", self.settle(settlements).await?, [0; 0])
    }

    /// Enqueues one job, takes it and settles it.
    pub(super) async fn run_one(&self, id: &str, settlement: Settlement) -> Verdict {
        self.accept([job(id)]).await?;
        let batch = self.take_exactly(&[id]).await?;
        self.settle_all(&[self.settled(&batch, 0, settlement)]).await
    }

    /// The settlement of one delivery, with the attempt that a manager would tell.
    pub(super) fn settled(&self, batch: &Batch, position: usize, settlement: Settlement) -> Settled {
        let Delivery { job, handle, attempts, .. } = &batch.deliveries[position];
        let failure = match &settlement {
            Settlement::Done { .. } => Some(None),
            // One that is not charged is not to be counted, whatever else is told of it.
            Settlement::Retry { .. } => Some(Some(failure("again"))),
            Settlement::Dead { failure, .. } => Some(Some(failure.clone())),
            Settlement::Cancelled | Settlement::Release => None,
        };
        let attempt = failure.map(|failure| Attempt {
            number: u32::try_from(attempts.len()).unwrap_or(u32::MAX) + 1,
            started_at: self.clock.now(),
            duration: Dur::millis(3),
            failure,
            log: vec![format!("info  {}", job.id)],
        });
        Settled { token: batch.lease.token, handle: *handle, job: Arc::clone(job), attempt, settlement }
    }

    /// A job that must be there.
    pub(super) async fn record(&self, name: &str) -> Result<JobRecord, Fault> {
        match self.get(&id(name)).await? {
            Some(record) => Ok(record),
            None => broken(format!("expected the job `{name}` to be there; it is not")),
        }
    }

    /// A job must be in a state.
    pub(super) async fn expect_state(&self, name: &str, state: State) -> Verdict {
        expect(&format!("the state of `{name}`"), self.record(name).await?.state, state)
    }

    /// A job must come into a state, by time alone.
    pub(super) async fn await_state(&self, name: &str, state: State) -> Verdict {
        let holds = async || Ok(self.get(&id(name)).await?.is_some_and(|record| record.state == state));
        self.eventually(&format!("`{name}` becomes {state}"), holds).await
    }

    /// Something must come true, while an idle manager goes on fetching.
    pub(super) async fn eventually(&self, what: &str, mut holds: impl AsyncFnMut() -> Result<bool, Fault>) -> Verdict {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds().await? {
            claim(what, tokio::time::Instant::now() < deadline)?;
            let nobodys = Demand::ByType(vec![("nobody's".into(), 1)]);
            expect("the jobs of a type that nobody enqueued", names(&self.fetch(&nobodys).await?), [""; 0])?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The ids of the jobs that a filter selects, as listed.
    pub(super) async fn listed(&self, filter: Filter) -> Result<Vec<String>, Fault> {
        Ok(self.list(&filter).await?.iter().map(|record| record.job.id.to_string()).collect())
    }

    /// Closes the queue in an orderly way.
    pub(super) async fn shut(self) -> Verdict {
        self.queue.close().await.map_err(|error| Fault::Broken(format!("the queue does not close: {error:#}")))
    }
}

/// The type of most jobs here.
pub(super) const WORK: &str = "work";

pub(super) fn id(name: &str) -> JobId {
    name.parse().expect("the suite's ids are well-formed")
}

pub(super) fn job(name: &str) -> Job {
    Job::new(id(name), WORK)
}

/// Jobs with these ids.
pub(super) fn jobs(names: &[&str]) -> Vec<Job> {
    names.iter().map(|name| job(name)).collect()
}

/// A demand for the usual type.
pub(super) fn work(slots: usize) -> Demand {
    Demand::ByType(vec![(WORK.into(), slots)])
}

pub(super) fn names(batch: &Batch) -> Vec<String> {
    batch.deliveries.iter().map(|delivery| delivery.job.id.to_string()).collect()
}

pub(super) fn done() -> Settlement {
    Settlement::Done { output: Output::none() }
}

pub(super) fn output(text: &str) -> Output {
    Output::from_json(text.to_owned()).expect("the suite's outputs are JSON")
}

pub(super) fn retry(after: Duration) -> Settlement {
    Settlement::Retry { after, charged: true }
}

pub(super) fn dead(message: &str) -> Settlement {
    Settlement::Dead { failure: failure(message), handlers: vec![] }
}

pub(super) fn failure(message: &str) -> Failure {
    Failure { exit_code: Some(7), ..Failure::new(Cause::Error, message) }
}
