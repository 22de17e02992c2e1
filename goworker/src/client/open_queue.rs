//! One open queue, as an application sees it.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use crate::job::{Ids, Job, JobBuilder, JobId};
use crate::outcome::{Cause, Failure, Output};
use crate::plugin::QueueHandle;
use crate::process::ProcessRecord;
use crate::provider::ProviderError;
use crate::queue::{Change, Enqueued, Filter, JobRecord, MAX_BULK, QueueStats, State};

use super::error::{ClientError, WaitError};

/// An open queue.
#[derive(Debug, Clone)]
pub struct OpenQueue {
    name: String,
    kind: &'static str,
    handle: QueueHandle,
    ids: Ids,
    /// Where its jobs move when it is short of room.
    spill: Option<QueueHandle>,
}

impl OpenQueue {
    pub(crate) fn new(name: String, kind: &'static str, handle: QueueHandle, ids: Ids) -> Self {
        OpenQueue { name, kind, handle, ids, spill: None }
    }

    /// The same with a store in which jobs are looked for that are here no longer.
    pub(crate) fn spilling(self, spill: Option<QueueHandle>) -> Self {
        OpenQueue { spill, ..self }
    }

    /// Its key in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The queue itself, with all that its trait has.
    pub fn handle(&self) -> &QueueHandle {
        &self.handle
    }

    /// Puts a job into the queue; answers its id once it is stored, as durably as the queue can.
    ///
    /// The same job with the same id is stored once: enqueueing it again changes nothing, and answers its id. If it is to
    /// be unique and another job holds its key, nothing is stored, and the id of that job is answered.
    ///
    /// # Errors
    /// When the job is not one, the queue has another with its id, or the store cannot accept it. After an error of the
    /// store it may have been stored all the same; with an id of its own it can safely be enqueued again.
    pub async fn enqueue(&self, job: impl Into<JobBuilder>) -> Result<JobId, ClientError> {
        let job = Arc::new(job.into().build(&self.ids)?);
        self.accept_one(&job).await
    }

    /// Puts jobs into the queue, in order; answers their ids, as [`enqueue`](OpenQueue::enqueue) does, once all are stored. Each thousand is one step: stored as a
    /// whole or not at all. Two of them are under way at a time, so a thousand may come before another one whose connection was lost.
    ///
    /// # Errors
    /// When one of them is not a job (then none is stored; the path begins with its position), the queue has others with
    /// their ids (then the rest is stored), or the store cannot accept them (then some of them may be stored).
    pub async fn enqueue_all<J: Into<JobBuilder>>(&self, jobs: impl IntoIterator<Item = J>) -> Result<Vec<JobId>, ClientError> {
        let build = |(position, job): (usize, J)| {
            job.into().build(&self.ids).map(Arc::new).map_err(|error| error.under(&format!("jobs[{position}]")))
        };
        let jobs = jobs.into_iter().enumerate().map(build).collect::<Result<Vec<Arc<Job>>, _>>()?;
        let (mut ids, mut conflicts) = (Vec::with_capacity(jobs.len()), Vec::new());
        // While one call is under way the next is made up and sent: the program and the store both have something to do.
        let mut calls = stream::iter(jobs.chunks(MAX_BULK)).map(|chunk| self.accept(chunk)).buffered(2);
        while let Some(answers) = calls.try_next().await? {
            for answer in answers {
                match answer {
                    Ok(id) => ids.push(id),
                    Err(id) => conflicts.push(id),
                }
            }
        }
        if conflicts.is_empty() { Ok(ids) } else { Err(self.conflict(conflicts)) }
    }

    /// Stores one job; answers the id under which it is, or that of the job that holds its key.
    pub(crate) async fn accept_one(&self, job: &Arc<Job>) -> Result<JobId, ClientError> {
        let answer = self.accept(std::slice::from_ref(job)).await?.into_iter().next();
        answer.unwrap_or_else(|| Err(job.id.clone())).map_err(|id| self.conflict(vec![id]))
    }

    /// Stores what fits into one step of the queue; answers for each job the id under which it is, or the one that
    /// another has.
    async fn accept(&self, jobs: &[Arc<Job>]) -> Result<Vec<Result<JobId, JobId>>, ClientError> {
        let answers = self.handle.enqueue(jobs, None).await.map_err(self.store_error())?;
        let id = |(job, answer): (&Arc<Job>, Enqueued)| match answer {
            Enqueued::Created | Enqueued::Replaced(_) | Enqueued::Exists => Ok(job.id.clone()),
            Enqueued::Held(holder) => Ok(holder),
            Enqueued::Conflict => Err(job.id.clone()),
        };
        Ok(jobs.iter().zip(answers).map(id).collect())
    }

    /// Waits until the job has ended, but not longer than `at_most`; answers its output.
    ///
    /// Nothing is polled: a job that this process ends is told of at once, with `sqlite` one that another process ends
    /// within a few milliseconds (a second, where the system does not tell of changed files). Other kinds of queues may
    /// look now and then, after a second at the latest.
    ///
    /// # Errors
    /// When the job ended without output to give, and why; when it has not ended in time; when the queue cannot be asked.
    pub async fn wait(&self, id: &JobId, at_most: Duration) -> Result<Output, WaitError> {
        let found = match tokio::time::timeout(at_most, self.ended(id)).await {
            Ok(ended) => ended,
            // However short the wait was, one that has ended is answered.
            Err(_) => self.found(id).await,
        };
        let Some(record) = found.map_err(self.store_error())? else { return Err(WaitError::Absent(id.clone())) };
        match record.state {
            state if !state.is_final() => Err(WaitError::TimedOut { id: id.clone(), at_most: at_most.into() }),
            State::Done => Ok(record.output),
            State::Cancelled => Err(WaitError::Cancelled(id.clone())),
            State::Expired => Err(WaitError::Expired(id.clone())),
            _ => {
                let unsaid = || Failure::new(Cause::Error, format!("its queue calls it {}, and does not say why", record.state));
                Err(WaitError::Dead { id: id.clone(), failure: record.failure.unwrap_or_else(unsaid) })
            }
        }
    }

    /// Waits for the end of a job, here or where it has moved. It is there before it is gone here.
    async fn ended(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        match (self.handle.wait(id).await?, &self.spill) {
            (None, Some(spill)) => spill.wait(id).await,
            (ended, _) => Ok(ended),
        }
    }

    async fn found(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        match (self.handle.get(id).await?, &self.spill) {
            (None, Some(spill)) => spill.get(id).await,
            (found, _) => Ok(found),
        }
    }

    /// The job with all its attempts, if there is one of that id, here or where jobs move from here.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ClientError> {
        self.found(id).await.map_err(self.store_error())
    }

    /// The jobs that `filter` selects, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ClientError> {
        self.handle.list(filter).await.map_err(self.store_error())
    }

    /// Cancels a job: one that waits at once, one that runs as soon as its worker hears of it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn cancel(&self, id: &JobId) -> Result<Change, ClientError> {
        let ids = std::slice::from_ref(id);
        let here = self.handle.cancel(ids).await.map(only);
        let change = match self.moved(&here) {
            Some(spill) => spill.cancel(ids).await.map(only),
            None => here,
        };
        change.map_err(self.store_error())
    }

    /// Makes a job that has ended ready again.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn retry(&self, id: &JobId) -> Result<Change, ClientError> {
        let ids = std::slice::from_ref(id);
        let here = self.handle.retry(ids).await.map(only);
        let change = match self.moved(&here) {
            Some(spill) => spill.retry(ids).await.map(only),
            None => here,
        };
        change.map_err(self.store_error())
    }

    /// Forgets a job that does not run.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn delete(&self, id: &JobId) -> Result<Change, ClientError> {
        let ids = std::slice::from_ref(id);
        let here = self.handle.delete(ids).await.map(only);
        let change = match self.moved(&here) {
            Some(spill) => spill.delete(ids).await.map(only),
            None => here,
        };
        change.map_err(self.store_error())
    }

    /// Pauses the jobs of a type, or the whole queue: nothing of it is started anywhere until it is resumed. Those that run
    /// go on, and jobs are accepted as before.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn pause(&self, job_type: Option<&str>) -> Result<(), ClientError> {
        self.handle.pause(job_type).await.map_err(self.store_error())
    }

    /// Ends the pause of a type, or that of the whole queue, and no other.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn resume(&self, job_type: Option<&str>) -> Result<(), ClientError> {
        self.handle.resume(job_type).await.map_err(self.store_error())
    }

    /// How many jobs there are of each type and state, and what is paused.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stats(&self) -> Result<QueueStats, ClientError> {
        self.handle.stats().await.map_err(self.store_error())
    }

    /// The processes that run jobs of the queue, in the order of their start; for an hour also those that are gone without a close.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn processes(&self) -> Result<Vec<ProcessRecord>, ClientError> {
        self.handle.processes().await.map_err(self.store_error())
    }

    /// Where a job may be that is not here.
    fn moved(&self, here: &Result<Change, ProviderError>) -> Option<&QueueHandle> {
        self.spill.as_ref().filter(|_| matches!(here, Ok(Change::Absent)))
    }

    fn conflict(&self, ids: Vec<JobId>) -> ClientError {
        ClientError::Conflict { queue: self.name.clone(), ids }
    }

    fn store_error(&self) -> impl FnOnce(ProviderError) -> ClientError {
        |error| ClientError::Store { queue: self.name.clone(), error }
    }
}

/// The answer about one job.
fn only(changes: Vec<Change>) -> Change {
    changes.into_iter().next().unwrap_or(Change::Absent)
}
