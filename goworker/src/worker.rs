//! Who runs jobs: the [`Worker`] trait, and the [`Context`] a job runs in.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use crate::clock::{Clock, ForeignWork};
use crate::job::{Ids, Job, JobId};
use crate::outcome::WorkResult;
use crate::progress::Progress;
use crate::provider::{ProviderError, Setup, Token};
use crate::remark::Remark;

/// Runs jobs of one type.
///
/// A struct becomes a worker by `#[worker]` and an `impl` of this trait. One value serves all slots: `work` is called
/// from many tasks at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is marked `#[worker]` but does not implement `Worker`",
    note = "write `impl Worker for {Self} {{ async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {{ .. }} }}` next to it"
)]
pub trait Worker: Send + Sync + 'static {
    /// Opens what the worker needs. Called once, before the first job.
    ///
    /// # Errors
    /// When it cannot be had; the program then does not start.
    fn init(&mut self, _setup: &Setup) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { Ok(()) }
    }

    /// Does one job. At least once: a job may come again after a crash, so effects should bear repetition
    /// ([`Job::id`] names them).
    ///
    /// When the job is cancelled or its time is up, [`Context::cancelled`] returns first; five seconds later the
    /// future is dropped. Code that blocks its thread cannot be dropped: it keeps its slot until it returns.
    fn work(&self, job: &Job, ctx: &Context) -> impl Future<Output = WorkResult> + Send;

    /// What is to be said of its settings, which were each right by themselves. Known before `init`: `check` tells it, with its place
    /// in the file, and nothing is started if there is an error among it.
    fn remarks(&self) -> Vec<Remark> {
        Vec::new()
    }

    /// Closes what `init` opened. Called once, after the last job.
    ///
    /// # Errors
    /// Logged; nothing can be done about it any more.
    fn close(&self) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { Ok(()) }
    }
}

/// What a running job knows about its run, and may ask for.
pub struct Context {
    run: Run,
    services: Arc<Services>,
    log: Mutex<VecDeque<String>>,
    progress: Mutex<Option<Progress>>,
    /// Told when there is progress to be passed on.
    progressed: Arc<Notify>,
}

/// The facts of one run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The job.
    pub job: Arc<Job>,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The fencing token of its lease: it grows from run to run.
    pub token: Token,
    /// When the attempt has to be over.
    pub deadline: Option<Instant>,
    /// Cancelled when the job shall stop.
    pub cancel: CancellationToken,
}

/// Puts a job into the named queue, or the only one.
pub type Enqueue = Box<dyn Fn(Arc<Job>, Option<String>) -> BoxFuture<'static, Result<JobId, ProviderError>> + Send + Sync>;

/// What jobs may ask of the program around them. The same for all jobs of one worker.
pub struct Services {
    /// The worker's key in the configuration.
    pub worker: String,
    /// The time.
    pub clock: Clock,
    /// Ids for new jobs.
    pub ids: Ids,
    /// Puts a job into a queue: the named one, or the only one.
    pub enqueue: Enqueue,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// How many of its last lines an attempt keeps.
const LOG_LINES: usize = 50;
/// How many bytes of one line are kept.
const LOG_LINE_BYTES: usize = 2_000;

impl Context {
    /// A context for one run.
    pub fn new(run: Run, services: Arc<Services>) -> Self {
        Context::reporting(run, services, Arc::default())
    }

    /// A context that tells when there is progress to be passed on.
    pub(crate) fn reporting(run: Run, services: Arc<Services>, progressed: Arc<Notify>) -> Self {
        Context { run, services, log: Mutex::default(), progress: Mutex::default(), progressed }
    }

    /// 1 for the first attempt.
    pub fn attempt(&self) -> u32 {
        self.run.attempt
    }

    /// The fencing token of this run's lease: larger than that of any earlier run of the job.
    pub fn token(&self) -> Token {
        self.run.token
    }

    /// When the attempt has to be over, if it has a time-out.
    pub fn deadline(&self) -> Option<Instant> {
        self.run.deadline
    }

    /// How much of its time the attempt has left, if it has a time-out.
    pub fn remaining(&self) -> Option<Duration> {
        self.run.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Returns when the job shall stop: it was cancelled, its time is up, its lease is lost, or the program ends.
    pub async fn cancelled(&self) {
        self.run.cancel.cancelled().await;
    }

    /// Whether the job shall stop.
    pub fn is_cancelled(&self) -> bool {
        self.run.cancel.is_cancelled()
    }

    /// The token behind [`cancelled`](Context::cancelled), for code that takes one.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.run.cancel
    }

    /// Logs a line for the job: to the program's log, and to the job's attempt, which keeps the last 50.
    pub fn log(&self, level: Level, message: &str) {
        let Run { job, attempt, .. } = &self.run;
        let Job { job_type, name, id, .. } = job.as_ref();
        match level {
            Level::ERROR => tracing::error!(target: "goworker::job", job_type, name, %id, attempt, "{message}"),
            Level::WARN => tracing::warn!(target: "goworker::job", job_type, name, %id, attempt, "{message}"),
            Level::INFO => tracing::info!(target: "goworker::job", job_type, name, %id, attempt, "{message}"),
            Level::DEBUG => tracing::debug!(target: "goworker::job", job_type, name, %id, attempt, "{message}"),
            Level::TRACE => tracing::trace!(target: "goworker::job", job_type, name, %id, attempt, "{message}"),
        }
        self.note(format!("{:<5} {message}", level.as_str().to_lowercase()));
    }

    /// Keeps a line with the attempt, without logging it: the tail of a process' stderr, say.
    pub fn note(&self, mut line: String) {
        if line.len() > LOG_LINE_BYTES {
            let end = line.floor_char_boundary(LOG_LINE_BYTES);
            line.truncate(end);
            line.push('…');
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }

    /// Says how far the job is: `fraction` of 1, and a word about it. `goworker jobs` shows the last that was said as long as
    /// the job runs.
    ///
    /// It costs next to nothing, so say it as often as you like: the queue is told once a second at most. A job need not
    /// say anything to be known to be alive: its lease is renewed without it.
    pub fn progress(&self, fraction: f64, message: &str) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(Progress::new(fraction, message));
        self.progressed.notify_one();
    }

    /// What was said since the last time.
    pub(crate) fn take_progress(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a job into the named queue, or the only one; answers its id once it is accepted durably, or
    /// the id of the job that holds its key.
    ///
    /// # Errors
    /// When the queue is unknown, several are there and none is named, or it cannot accept.
    pub async fn enqueue(&self, job: Job, queue: Option<&str>) -> Result<JobId, ProviderError> {
        (self.services.enqueue)(Arc::new(job), queue.map(str::to_owned)).await
    }

    /// Begins to wait for something outside of the async runtime: a thread, a process, a server.
    ///
    /// In a test under virtual time ([`testing`](crate::testing)), the clock stands still until the answer is dropped,
    /// and such work is done one at a time. Otherwise this does nothing.
    ///
    /// ```no_run
    /// # async fn work(ctx: &goworker::Context) -> anyhow::Result<()> {
    /// let under_way = ctx.foreign_work().await;
    /// let status = tokio::process::Command::new("/usr/bin/true").status().await?;
    /// drop(under_way);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn foreign_work(&self) -> ForeignWork {
        self.services.clock.foreign_work().await
    }

    /// Ids for jobs to enqueue.
    pub fn ids(&self) -> &Ids {
        &self.services.ids
    }

    /// The lines kept so far; the manager takes them when the attempt ends.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("run", &self.run).field("worker", &self.services.worker).finish_non_exhaustive()
    }
}
