//! `enqueue`: puts the jobs that its params hold into a queue, now or later.
//!
//! GoWorker's worker `disk` did so with `{"exicution_time": 1428931812, "job": {..}}`; its producers go on as they are.

use futures::future::try_join_all;
use goworker::settings::QueueName;
use goworker::units::Dur;
use goworker::{Context, Job, JobError, JobId, Output, ProviderError, Timestamp, WorkError, WorkResult, Worker, worker};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Puts other jobs into a queue, now or later: `{"job": {"type": "lua", "name": "remind"}, "delay": "1h"}`.
#[worker(since = "0.1.0")]
pub(crate) struct Enqueue {
    /// The queue, unless the params name one; may be left out if there is only one.
    queue: Option<QueueName>,
}

/// The params.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the job to enqueue, as `{\"job\": {..}}`")]
struct Order {
    /// The job.
    job: Option<Box<RawValue>>,
    /// Or several of them.
    jobs: Option<Vec<Box<RawValue>>>,
    /// The queue that they go into.
    queue: Option<String>,
    /// When they may start, or how long after that they were accepted; what a job says itself comes first.
    run_at: Option<Timestamp>,
    delay: Option<Dur>,
    /// In seconds since 1970, as GoWorker has it, which spells it with an `x`.
    #[serde(alias = "exicution_time")]
    execution_time: Option<i64>,
}

impl Worker for Enqueue {
    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        let order: Order = job.params()?;
        let jobs = order.jobs(&job.id, ctx)?;
        let queue = order.queue.as_deref().or(self.queue.as_ref().map(|queue| queue.0.as_str()));
        // All at once, so that the store can accept them in one step. What was accepted before an error is there already
        // when they are tried again.
        let ids = try_join_all(jobs.into_iter().map(|job| ctx.enqueue(job, queue))).await.map_err(|error| match error {
            ProviderError::Unavailable(_) => WorkError::retry(error),
            // Trying again would not mend it.
            _ => WorkError::fail(error),
        })?;
        Ok(Output::of(&ids)?)
    }
}

/// When jobs may start that do not say so themselves: at most one of `run_at` and `delay`.
type Time = (Option<Timestamp>, Option<Dur>);

impl Order {
    fn jobs(&self, parent: &JobId, ctx: &Context) -> Result<Vec<Job>, JobError> {
        let time = self.time()?;
        match (&self.job, &self.jobs) {
            (Some(text), None) => Ok(vec![job(text, "params.job", &parent.child("1"), time, ctx)?]),
            (None, Some(texts)) => {
                let child = |index: usize| parent.child(&(index + 1).to_string());
                let numbered = texts.iter().enumerate();
                numbered.map(|(index, text)| job(text, &format!("params.jobs[{index}]"), &child(index), time, ctx)).collect()
            }
            (None, None) => Err(JobError::at("params.job", "missing; it is the job to enqueue, or give several as `jobs`")),
            (Some(_), Some(_)) => Err(JobError::at("params.jobs", "`job` is given too; only one of them can be meant")),
        }
    }

    fn time(&self) -> Result<Time, JobError> {
        match (self.run_at, self.delay, self.execution_time) {
            (run_at, None, None) => Ok((run_at, None)),
            (None, delay, None) => Ok((None, delay)),
            (None, None, Some(seconds)) => Ok((Some(Timestamp::from_millis(seconds.saturating_mul(1_000))), None)),
            _ => Err(JobError::at("params", "only one of `run_at`, `delay` and `execution_time` can be meant")),
        }
    }
}

/// A job as it is to be enqueued. An id of its own it keeps; else it gets one that is the same in every run.
fn job(text: &RawValue, path: &str, id: &JobId, time: Time, ctx: &Context) -> Result<Job, JobError> {
    let parsed = Job::parse(text.get().as_bytes(), ctx.ids()).map_err(|error| error.under(path))?;
    for field in &parsed.unknown {
        ctx.log(tracing::Level::WARN, &format!("{path}.{field}: unknown; it is kept in `meta`"));
    }
    let mut job = parsed.job;
    if parsed.id_made {
        job.id = id.clone();
    }
    if job.run_at.is_none() && job.delay.is_none() {
        (job.run_at, job.delay) = time;
    }
    Ok(job)
}
