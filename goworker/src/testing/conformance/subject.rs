//! The queue under test, short ways to use it, and what cases are made of.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::trial::{Fault, PATIENCE, Verdict, broken, claim, expect};
use crate::clock::Clock;
use crate::job::{Job, JobId};
use crate::outcome::{Attempt, Cause, Failure, Output, Settlement};
use crate::plugin::QueueHandle;
use crate::provider::{Batch, Delivery, Demand, Settled};
use crate::queue::{Enqueued, Filter, JobRecord, State};
use crate::units::Dur;

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
    pub(super) fn new(queue: QueueHandle, clock: Clock) -> Self {
        Subject { queue, clock }
    }

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
        self.run_stored(id, settlement).await
    }

    /// Runs one that is stored, and next.
    pub(super) async fn run_stored(&self, id: &str, settlement: Settlement) -> Verdict {
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
