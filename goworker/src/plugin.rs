//! Plugins behind one type, whatever their struct: the traits with boxed futures, kept out of authors' sight.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use crate::job::{Job, JobId};
use crate::outcome::WorkResult;
use crate::process::{ProcessInfo, ProcessRecord};
use crate::progress::Progressed;
use crate::provider::{Batch, Cursor, Demand, Provider, ProviderError, Renewal, Settled, Setup, Token};
use crate::queue::{Change, Enqueued, Filter, JobRecord, Queue, QueueStats};
use crate::remark::Remark;
use crate::schedule::Schedule;
use crate::spill::Move;
use crate::worker::{Context, Worker};

/// What a factory builds: a plugin with its settings, not yet started.
pub enum Plugin {
    /// A source of jobs.
    Provider(AnyProvider),
    /// A store of jobs.
    Queue(AnyQueue),
    /// A runner of jobs.
    Worker(AnyWorker),
}

impl Plugin {
    /// Wraps a provider.
    pub fn provider(provider: impl Provider) -> Self {
        Plugin::Provider(AnyProvider::from(provider))
    }

    /// Wraps a queue.
    pub fn queue(queue: impl Queue) -> Self {
        Plugin::Queue(AnyQueue::from(queue))
    }

    /// Wraps a worker.
    pub fn worker(worker: impl Worker) -> Self {
        Plugin::Worker(AnyWorker::from(worker))
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A plugin's settings may hold secrets: its role is all that is shown.
        f.write_str(match self {
            Plugin::Provider(_) => "Plugin::Provider",
            Plugin::Queue(_) => "Plugin::Queue",
            Plugin::Worker(_) => "Plugin::Worker",
        })
    }
}

macro_rules! any {
    ($(#[$doc:meta])* $any:ident($dyn:ident) starts as $handle:ident: $($handle_doc:literal)*) => {
        $(#[$doc])*
        pub struct $any(pub(crate) Box<dyn $dyn>);

        impl $any {
            /// Starts the plugin.
            ///
            /// # Errors
            /// Those of its `init`.
            pub async fn start(mut self, setup: &Setup) -> anyhow::Result<$handle> {
                self.0.init_boxed(setup).await?;
                Ok($handle(Arc::from(self.0)))
            }
        }

        impl fmt::Debug for $any {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($any))
            }
        }

        $(#[doc = $handle_doc])*
        #[derive(Clone)]
        pub struct $handle(pub(crate) Arc<dyn $dyn>);

        impl fmt::Debug for $handle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($handle))
            }
        }
    };
}

any!(/** A provider of any struct. */ AnyProvider(DynProvider) starts as ProviderHandle: "A started provider. Clones share it.");
any!(/** A queue of any struct. */ AnyQueue(DynQueue) starts as QueueHandle: "A started queue. Clones share it.");
any!(/** A worker of any struct. */ AnyWorker(DynWorker) starts as WorkerHandle: "A started worker. Clones share it.");

impl<P: Provider> From<P> for AnyProvider {
    fn from(provider: P) -> Self {
        AnyProvider(Box::new(provider))
    }
}

impl<W: Worker> From<W> for AnyWorker {
    fn from(worker: W) -> Self {
        AnyWorker(Box::new(worker))
    }
}

impl<Q: Queue> From<Q> for AnyQueue {
    fn from(queue: Q) -> Self {
        AnyQueue(Box::new(queue))
    }
}

impl AnyProvider {
    /// See [`Provider::remarks`]. Known before the provider is started.
    pub fn remarks(&self, into: Option<&str>) -> Vec<Remark> {
        self.0.said(into)
    }

    /// See [`Provider::schedule`]. Known before the provider is started.
    pub fn schedule(&self) -> Option<Schedule> {
        self.0.due()
    }
}

impl AnyWorker {
    /// See [`Worker::remarks`]. Known before the worker is started.
    pub fn remarks(&self) -> Vec<Remark> {
        self.0.said()
    }
}

impl AnyQueue {
    /// See [`Provider::remarks`]. Known before the queue is started.
    pub fn remarks(&self) -> Vec<Remark> {
        self.0.said(None)
    }

    /// See [`Queue::is_durable`]. Known before the queue is started.
    pub fn is_durable(&self) -> bool {
        self.0.durable()
    }

    /// See [`Queue::spills_into`]. Known before the queue is started.
    pub fn spills_into(&self) -> Option<&str> {
        self.0.spills()
    }
}

pub(crate) trait DynProvider: Send + Sync {
    fn init_boxed<'a>(&'a mut self, setup: &'a Setup) -> BoxFuture<'a, anyhow::Result<()>>;
    fn fetch_boxed<'a>(&'a self, demand: &'a Demand) -> BoxFuture<'a, Result<Batch, ProviderError>>;
    fn ready_boxed<'a>(&'a self, demand: &'a Demand) -> BoxFuture<'a, ()>;
    fn settle_boxed<'a>(&'a self, settlements: &'a [Settled]) -> BoxFuture<'a, Result<Vec<usize>, ProviderError>>;
    fn renew_boxed<'a>(&'a self, leases: &'a [Token]) -> BoxFuture<'a, Result<Renewal, ProviderError>>;
    fn close_boxed(&self) -> BoxFuture<'_, anyhow::Result<()>>;
    fn selects(&self) -> bool;
    fn schedules(&self) -> bool;
    fn finite(&self) -> bool;
    fn due(&self) -> Option<Schedule>;
    fn said(&self, into: Option<&str>) -> Vec<Remark>;
    fn cursor_of(&self) -> Option<&str>;
    fn stands(&self, at: Option<&str>) -> anyhow::Result<()>;
}

impl<P: Provider> DynProvider for P {
    fn init_boxed<'a>(&'a mut self, setup: &'a Setup) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(self.init(setup))
    }
    fn fetch_boxed<'a>(&'a self, demand: &'a Demand) -> BoxFuture<'a, Result<Batch, ProviderError>> {
        Box::pin(self.fetch(demand))
    }
    fn ready_boxed<'a>(&'a self, demand: &'a Demand) -> BoxFuture<'a, ()> {
        Box::pin(self.ready(demand))
    }
    fn settle_boxed<'a>(&'a self, settlements: &'a [Settled]) -> BoxFuture<'a, Result<Vec<usize>, ProviderError>> {
        Box::pin(self.settle(settlements))
    }
    fn renew_boxed<'a>(&'a self, leases: &'a [Token]) -> BoxFuture<'a, Result<Renewal, ProviderError>> {
        Box::pin(self.renew(leases))
    }
    fn close_boxed(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.close())
    }
    fn selects(&self) -> bool {
        self.selects_by_type()
    }
    fn schedules(&self) -> bool {
        self.keeps_retries()
    }
    fn finite(&self) -> bool {
        self.is_finite()
    }
    fn due(&self) -> Option<Schedule> {
        self.schedule()
    }
    fn said(&self, into: Option<&str>) -> Vec<Remark> {
        self.remarks(into)
    }
    fn cursor_of(&self) -> Option<&str> {
        self.cursor_name()
    }
    fn stands(&self, at: Option<&str>) -> anyhow::Result<()> {
        self.cursor_stands(at)
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ProviderError>>;

pub(crate) trait DynQueue: DynProvider {
    fn enqueue_boxed<'a>(&'a self, jobs: &'a [Arc<Job>], cursor: Option<&'a Cursor>) -> Answer<'a, Vec<Enqueued>>;
    fn cursor_boxed<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>>;
    fn list_boxed<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Vec<JobRecord>>;
    fn get_boxed<'a>(&'a self, id: &'a JobId) -> Answer<'a, Option<JobRecord>>;
    fn wait_boxed<'a>(&'a self, id: &'a JobId) -> Answer<'a, Option<JobRecord>>;
    fn cancel_boxed<'a>(&'a self, ids: &'a [JobId]) -> Answer<'a, Vec<Change>>;
    fn retry_boxed<'a>(&'a self, ids: &'a [JobId]) -> Answer<'a, Vec<Change>>;
    fn delete_boxed<'a>(&'a self, ids: &'a [JobId]) -> Answer<'a, Vec<Change>>;
    fn note_progress_boxed<'a>(&'a self, told: &'a [Progressed]) -> Answer<'a, ()>;
    fn pause_boxed<'a>(&'a self, job_type: Option<&'a str>) -> Answer<'a, ()>;
    fn resume_boxed<'a>(&'a self, job_type: Option<&'a str>) -> Answer<'a, ()>;
    fn stats_boxed(&self) -> Answer<'_, QueueStats>;
    fn announce_boxed<'a>(&'a self, info: &'a ProcessInfo) -> Answer<'a, ()>;
    fn processes_boxed(&self) -> Answer<'_, Vec<ProcessRecord>>;
    fn spills(&self) -> Option<&str>;
    fn take_move_boxed<'a>(&'a self, target: &'a str, types: &'a [Arc<str>]) -> Answer<'a, Option<Move>>;
    fn end_move_boxed<'a>(&'a self, target: &'a str, token: Token, moved: &'a [JobId], cancelled: &'a [JobId]) -> Answer<'a, Vec<JobId>>;
    fn durable(&self) -> bool;
    fn into_provider(self: Arc<Self>) -> Arc<dyn DynProvider>;
}

impl<Q: Queue> DynQueue for Q {
    fn enqueue_boxed<'a>(&'a self, jobs: &'a [Arc<Job>], cursor: Option<&'a Cursor>) -> Answer<'a, Vec<Enqueued>> {
        Box::pin(self.enqueue(jobs, cursor))
    }
    fn cursor_boxed<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(self.cursor(name))
    }
    fn list_boxed<'a>(&'a self, filter: &'a Filter) -> Answer<'a, Vec<JobRecord>> {
        Box::pin(self.list(filter))
    }
    fn get_boxed<'a>(&'a self, id: &'a JobId) -> Answer<'a, Option<JobRecord>> {
        Box::pin(self.get(id))
    }
    fn wait_boxed<'a>(&'a self, id: &'a JobId) -> Answer<'a, Option<JobRecord>> {
        Box::pin(self.wait(id))
    }
    fn cancel_boxed<'a>(&'a self, ids: &'a [JobId]) -> Answer<'a, Vec<Change>> {
        Box::pin(self.cancel(ids))
    }
    fn retry_boxed<'a>(&'a self, ids: &'a [JobId]) -> Answer<'a, Vec<Change>> {
        Box::pin(self.retry(ids))
    }
    fn delete_boxed<'a>(&'a self, ids: &'a [JobId]) -> Answer<'a, Vec<Change>> {
        Box::pin(self.delete(ids))
    }
    fn note_progress_boxed<'a>(&'a self, told: &'a [Progressed]) -> Answer<'a, ()> {
        Box::pin(self.note_progress(told))
    }
    fn pause_boxed<'a>(&'a self, job_type: Option<&'a str>) -> Answer<'a, ()> {
        Box::pin(self.pause(job_type))
    }
    fn resume_boxed<'a>(&'a self, job_type: Option<&'a str>) -> Answer<'a, ()> {
        Box::pin(self.resume(job_type))
    }
    fn stats_boxed(&self) -> Answer<'_, QueueStats> {
        Box::pin(self.stats())
    }
    fn announce_boxed<'a>(&'a self, info: &'a ProcessInfo) -> Answer<'a, ()> {
        Box::pin(self.announce(info))
    }
    fn processes_boxed(&self) -> Answer<'_, Vec<ProcessRecord>> {
        Box::pin(self.processes())
    }
    fn spills(&self) -> Option<&str> {
        self.spills_into()
    }
    fn take_move_boxed<'a>(&'a self, target: &'a str, types: &'a [Arc<str>]) -> Answer<'a, Option<Move>> {
        Box::pin(self.take_move(target, types))
    }
    fn end_move_boxed<'a>(&'a self, target: &'a str, token: Token, moved: &'a [JobId], cancelled: &'a [JobId]) -> Answer<'a, Vec<JobId>> {
        Box::pin(self.end_move(target, token, moved, cancelled))
    }
    fn durable(&self) -> bool {
        self.is_durable()
    }
    fn into_provider(self: Arc<Self>) -> Arc<dyn DynProvider> {
        self
    }
}

pub(crate) trait DynWorker: Send + Sync {
    fn init_boxed<'a>(&'a mut self, setup: &'a Setup) -> BoxFuture<'a, anyhow::Result<()>>;
    fn work_boxed<'a>(&'a self, job: &'a Job, ctx: &'a Context) -> BoxFuture<'a, WorkResult>;
    fn said(&self) -> Vec<Remark>;
    fn close_boxed(&self) -> BoxFuture<'_, anyhow::Result<()>>;
}

impl<W: Worker> DynWorker for W {
    fn init_boxed<'a>(&'a mut self, setup: &'a Setup) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(self.init(setup))
    }
    fn work_boxed<'a>(&'a self, job: &'a Job, ctx: &'a Context) -> BoxFuture<'a, WorkResult> {
        Box::pin(self.work(job, ctx))
    }
    fn said(&self) -> Vec<Remark> {
        self.remarks()
    }
    fn close_boxed(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(self.close())
    }
}

/// The contract of [`Provider`], by the same names: a queue is a provider too.
macro_rules! provides {
    ($($handle:ident)*) => {
        $(#[allow(clippy::missing_errors_doc, reason = "each is described at its trait method")]
        impl $handle {
            /// See [`Provider::fetch`].
            pub async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
                self.0.fetch_boxed(demand).await
            }
            /// See [`Provider::ready`].
            pub async fn ready(&self, demand: &Demand) {
                self.0.ready_boxed(demand).await;
            }
            /// See [`Provider::settle`].
            pub async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
                self.0.settle_boxed(settlements).await
            }
            /// See [`Provider::renew`].
            pub async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
                self.0.renew_boxed(leases).await
            }
            /// See [`Provider::close`].
            pub async fn close(&self) -> anyhow::Result<()> {
                self.0.close_boxed().await
            }
        })*
    };
}

provides!(ProviderHandle QueueHandle);

impl WorkerHandle {
    /// See [`Worker::work`].
    ///
    /// # Errors
    /// Those of the worker.
    pub async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        self.0.work_boxed(job, ctx).await
    }

    /// See [`Worker::close`].
    ///
    /// # Errors
    /// Those of the worker.
    pub async fn close(&self) -> anyhow::Result<()> {
        self.0.close_boxed().await
    }
}

/// The contract of [`Queue`], by the same names.
#[allow(clippy::missing_errors_doc, reason = "each is described at its trait method")]
impl QueueHandle {
    /// The queue seen as a provider.
    pub fn provider(&self) -> ProviderHandle {
        ProviderHandle(Arc::clone(&self.0).into_provider())
    }
    /// See [`Queue::enqueue`].
    pub async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, ProviderError> {
        self.0.enqueue_boxed(jobs, cursor).await
    }
    /// See [`Queue::cursor`].
    pub async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        self.0.cursor_boxed(name).await
    }
    /// See [`Queue::list`].
    pub async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ProviderError> {
        self.0.list_boxed(filter).await
    }
    /// See [`Queue::get`].
    pub async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        self.0.get_boxed(id).await
    }
    /// See [`Queue::wait`].
    pub async fn wait(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        self.0.wait_boxed(id).await
    }
    /// See [`Queue::cancel`].
    pub async fn cancel(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.0.cancel_boxed(ids).await
    }
    /// See [`Queue::retry`].
    pub async fn retry(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.0.retry_boxed(ids).await
    }
    /// See [`Queue::delete`].
    pub async fn delete(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.0.delete_boxed(ids).await
    }
    /// See [`Queue::note_progress`].
    pub async fn note_progress(&self, told: &[Progressed]) -> Result<(), ProviderError> {
        self.0.note_progress_boxed(told).await
    }
    /// See [`Queue::pause`].
    pub async fn pause(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.0.pause_boxed(job_type).await
    }
    /// See [`Queue::resume`].
    pub async fn resume(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.0.resume_boxed(job_type).await
    }
    /// See [`Queue::stats`].
    pub async fn stats(&self) -> Result<QueueStats, ProviderError> {
        self.0.stats_boxed().await
    }
    /// See [`Queue::announce`].
    pub async fn announce(&self, info: &ProcessInfo) -> Result<(), ProviderError> {
        self.0.announce_boxed(info).await
    }
    /// See [`Queue::processes`].
    pub async fn processes(&self) -> Result<Vec<ProcessRecord>, ProviderError> {
        self.0.processes_boxed().await
    }
    /// See [`Queue::spills_into`].
    pub fn spills_into(&self) -> Option<&str> {
        self.0.spills()
    }
    /// See [`Queue::take_move`].
    pub async fn take_move(&self, target: &str, types: &[Arc<str>]) -> Result<Option<Move>, ProviderError> {
        self.0.take_move_boxed(target, types).await
    }
    /// See [`Queue::end_move`].
    pub async fn end_move(&self, target: &str, token: Token, moved: &[JobId], cancelled: &[JobId]) -> Result<Vec<JobId>, ProviderError> {
        self.0.end_move_boxed(target, token, moved, cancelled).await
    }
    /// See [`Queue::is_durable`].
    pub fn is_durable(&self) -> bool {
        self.0.durable()
    }
}
