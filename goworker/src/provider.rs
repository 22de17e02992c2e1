//! Where jobs come from: the [`Provider`] trait and what passes through it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Random};
use crate::job::{Ids, Job, JobId};
use crate::outcome::{Attempt, Settlement};
use crate::rate::Rate;
use crate::remark::Remark;
use crate::schedule::Schedule;

/// A source of jobs: hands out deliveries and is told what became of them.
///
/// A struct becomes a provider by `#[provider]` and an `impl` of this trait; the manager does the rest.
/// One manager calls one provider from one task, but `settle`, `renew` and `ready` may run while a `fetch` is under way.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is marked `#[provider]` but does not implement `Provider`",
    note = "write `impl Provider for {Self} {{ async fn fetch(..) .. async fn settle(..) .. }}` next to it"
)]
pub trait Provider: Send + Sync + 'static {
    /// Opens what the provider needs: files, connections. Called once, before anything else.
    ///
    /// # Errors
    /// When it cannot be had; the program then does not start.
    fn init(&mut self, _setup: &Setup) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { Ok(()) }
    }

    /// Takes jobs that are there, up to what `demand` asks for.
    ///
    /// With nothing there, either answer an empty batch (then [`ready`](Provider::ready) is asked) or wait. What it asks for has a slot,
    /// or soon will: short jobs are taken a little ahead, and given back if they do not start within 50 ms. The
    /// manager never drops this future except when it stops for good, so jobs taken in it are not lost on the way.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`] is tried again, with a growing delay, for ever.
    fn fetch(&self, demand: &Demand) -> impl Future<Output = Result<Batch, ProviderError>> + Send;

    /// Returns when a [`fetch`](Provider::fetch) may bring something of `demand`. Called for what a fetch brought nothing of: for some types,
    /// if the provider [selects by type](Provider::selects_by_type), while those of which there is something are fetched.
    ///
    /// May be dropped at any time. By default it returns after a second, which makes the provider a poll.
    fn ready(&self, _demand: &Demand) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(Duration::from_secs(1))
    }

    /// Takes note of what became of deliveries; answers the positions of those it refuses, because their lease was
    /// lost or they were settled before. Refused ones must change nothing.
    ///
    /// Called with the same settlements again after an error, so it must bear repetition.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`] is tried again, with a growing delay, until the lease is over.
    fn settle(&self, settlements: &[Settled]) -> impl Future<Output = Result<Vec<usize>, ProviderError>> + Send;

    /// Extends leases; answers which are lost and which jobs shall be cancelled. Called three times per lease.
    ///
    /// Sources whose deliveries are held until settled keep the default, which keeps all.
    ///
    /// # Errors
    /// Tried again; a lease that cannot be renewed in time is treated as lost.
    fn renew(&self, _leases: &[Token]) -> impl Future<Output = Result<Renewal, ProviderError>> + Send {
        async { Ok(Renewal::default()) }
    }

    /// Whether `fetch` can pick jobs by type. One that cannot (a plain source) may hand out what nobody can run now.
    fn selects_by_type(&self) -> bool {
        false
    }

    /// Whether `settle` keeps retries itself. Otherwise the manager waits and runs the job again.
    fn keeps_retries(&self) -> bool {
        false
    }

    /// Whether there is an end to it: `--until-idle` does not start a provider that waits for the outside world.
    fn is_finite(&self) -> bool {
        true
    }

    /// When it brings jobs, if that follows from the time alone. Known before `init`: `goworker cron` shows it, and `check` warns
    /// of a schedule that is never due.
    fn schedule(&self) -> Option<Schedule> {
        None
    }

    /// What is to be said of its settings, which were each right by themselves; `into` is the queue that its jobs go into. Known before
    /// `init`: `check` tells it, with its place in the file, and nothing is started if there is an error among it.
    fn remarks(&self, _into: Option<&str>) -> Vec<Remark> {
        Vec::new()
    }

    /// The name of the [cursor](Cursor) by which it reads, if it does; known after `init`.
    fn cursor_name(&self) -> Option<&str> {
        None
    }

    /// Is told where its [cursor](Cursor) stands in the queue that its jobs go into; `None` if it was never set. Batches begin there
    /// from now on.
    ///
    /// Called before the first `fetch` if it has a [`cursor_name`](Provider::cursor_name), and whenever a batch was refused because its
    /// cursor had moved: another process was faster. What that batch brought was settled as a release then. Never called without `into`.
    ///
    /// # Errors
    /// When it cannot go on from there. It is told again, with a growing delay, for ever.
    fn cursor_stands(&self, _at: Option<&str>) -> anyhow::Result<()> {
        Ok(())
    }

    /// Closes what `init` opened. Called once, after the last settlement.
    ///
    /// # Errors
    /// Logged; nothing can be done about it any more.
    fn close(&self) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { Ok(()) }
    }
}

/// What a plugin is given when it starts.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The plugin's key in the configuration.
    pub name: String,
    /// The folder that paths in the configuration are relative to, `.` if it is the current one. Settings of type
    /// `PathBuf` are resolved already.
    pub base: PathBuf,
    /// How many jobs a worker runs at once.
    pub concurrency: usize,
    /// For how long a provider leases its deliveries.
    pub lease: Duration,
    /// How long a queue lists jobs that have ended.
    pub keep: Keep,
    /// How many jobs of a queue may start in a stretch of time, in all processes that use it; see [`Queue`](crate::Queue).
    pub rate: Option<Rate>,
    /// The queue that the provider's jobs go into, if it has `into`. A provider need not care: what it hands out goes there. One whose
    /// clients wait for an answer puts them in by itself, and hands out nothing.
    pub target: Option<Target>,
    /// Cancelled when the run is to end: nothing more is fetched then, though what runs may go on for a while.
    pub stopping: CancellationToken,
    /// Whether a store that is not there yet is made. If not, it counts as an empty one: whoever only looks leaves
    /// nothing behind.
    pub create: bool,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
}

impl Setup {
    /// A setup with the defaults, for an entry of that name and paths relative to `base`.
    pub fn new(name: impl Into<String>, base: impl AsRef<Path>) -> Self {
        Setup {
            name: name.into(),
            base: base.as_ref().to_owned(),
            concurrency: 20,
            lease: Duration::from_secs(30),
            keep: Keep::default(),
            rate: None,
            target: None,
            stopping: CancellationToken::new(),
            create: true,
            clock: Clock::system(),
            random: Random::system(),
        }
    }

    /// Ids for jobs that come without one.
    pub fn ids(&self) -> Ids {
        Ids::new(self.clock.clone(), self.random.clone())
    }
}

/// The queue that a provider's jobs go into. What can be done with it is told where [queues are opened](crate::client).
#[derive(Clone)]
pub struct Target(Arc<dyn Any + Send + Sync>);

impl Target {
    /// Hides what is made of providers, as queues are, from those who come before it in the order of modules.
    pub(crate) fn hidden(target: impl Any + Send + Sync) -> Self {
        Target(Arc::new(target))
    }

    pub(crate) fn seen<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target")
    }
}

/// How long, and how many at most, jobs that have ended stay listed. What is over goes, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Jobs that are done, cancelled or expired.
    pub done: Bound,
    /// Dead letters.
    pub dead: Bound,
}

impl Keep {
    /// Everything stays.
    pub const FOREVER: Keep = Keep { done: Bound::NONE, dead: Bound::NONE };
}

/// A bound in time and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Not longer than this.
    pub age: Duration,
    /// Not more than this.
    pub count: usize,
}

impl Bound {
    /// No bound.
    const NONE: Bound = Bound { age: Duration::MAX, count: usize::MAX };
}

/// Done: an hour or 10,000. Dead: 180 days or 100,000.
impl Default for Keep {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        Keep { done: Bound { age: HOUR, count: 10_000 }, dead: Bound { age: HOUR.saturating_mul(24 * 180), count: 100_000 } }
    }
}

/// What can be started now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// So many jobs of each of these types.
    ByType(Vec<(Arc<str>, usize)>),
    /// So many jobs, whatever their type.
    Any(usize),
}

impl Demand {
    /// How many jobs of the type can be started.
    pub fn of(&self, job_type: &str) -> usize {
        match self {
            Demand::ByType(types) => types.iter().find(|(name, _)| name.as_ref() == job_type).map_or(0, |(_, slots)| *slots),
            Demand::Any(slots) => *slots,
        }
    }

    /// How many jobs can be started in all.
    pub fn total(&self) -> usize {
        match self {
            Demand::ByType(types) => types.iter().map(|(_, slots)| slots).sum(),
            Demand::Any(slots) => *slots,
        }
    }
}

/// A fencing token: it grows with every fetch from a store, so an old one is known to be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to work on the deliveries of one fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    /// Names the lease in `settle` and `renew`.
    pub token: Token,
    /// For how long it is given, from the moment `fetch` was called. `None`: until settled.
    pub duration: Option<Duration>,
}

/// What one fetch brought: deliveries under one lease. Each must be settled, together or in parts.
#[derive(Debug, Clone, Default)]
#[must_use = "a delivery that is not settled is handed out again"]
pub struct Batch {
    /// The lease over all of them.
    pub lease: Lease,
    /// The jobs.
    pub deliveries: Vec<Delivery>,
    /// A mark to be moved in the queue's store in the step that enqueues the batch (see [`Cursor`]). It may come without jobs.
    pub cursor: Option<Cursor>,
}

impl Batch {
    /// Nothing.
    pub fn empty() -> Self {
        Batch::default()
    }

    /// Jobs that the provider holds until they are settled: no lease, the position as the handle.
    pub fn held(token: Token, jobs: impl IntoIterator<Item = Job>) -> Self {
        let deliveries = (0..).zip(jobs).map(|(handle, job)| Delivery::first(Arc::new(job), handle)).collect();
        Batch { lease: Lease { token, duration: None }, deliveries, cursor: None }
    }
}

/// A job that is handed out.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The job.
    pub job: Arc<Job>,
    /// The provider's own mark for it; it comes back in [`Settled`].
    pub handle: u64,
    /// The attempts that were charged so far, in order; after a retry by hand, those since then.
    pub attempts: Vec<Attempt>,
    /// How many attempts were charged before it was retried by hand: of what follows from this death, so that it is not taken for
    /// what followed from an earlier one.
    pub earlier: u32,
    /// How often a process died, or lost its lease, while it ran the job.
    pub crashes: u32,
}

impl Delivery {
    /// A job that was never tried.
    pub fn first(job: Arc<Job>, handle: u64) -> Self {
        Delivery { job, handle, attempts: Vec::new(), earlier: 0, crashes: 0 }
    }
}

/// What became of one delivery.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The lease it was handed out under.
    pub token: Token,
    /// The handle it was handed out with.
    pub handle: u64,
    /// The job.
    pub job: Arc<Job>,
    /// The attempt that ended; absent if the job was never started, or its end is no attempt (a release).
    pub attempt: Option<Attempt>,
    /// What to do now.
    pub settlement: Settlement,
}

/// The answer to [`Provider::renew`]. What is in neither list is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Leases that are lost: others may run their jobs already.
    pub lost: Vec<Token>,
    /// Jobs that someone asked to cancel.
    pub cancelled: Vec<JobId>,
}

/// A mark of how far a source has been read, kept in the queue's store and moved by compare-and-set.
///
/// It goes with the jobs of one [`Queue::enqueue`](crate::Queue::enqueue) in one atomic step. So a source that is
/// read again after a crash (a schedule, a log) brings nothing twice, even after the first jobs were purged. Where it stands is told by
/// [`Provider::cursor_stands`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Whose mark it is, such as `cron:nightly`.
    pub name: String,
    /// Where it stands; `None` if it was never set.
    pub from: Option<String>,
    /// Where it stands afterwards.
    pub to: String,
}

/// Why a provider could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The other side cannot be reached, or refuses for now: the call is repeated, with a growing delay.
    #[error("{0:#}")]
    Unavailable(anyhow::Error),
    /// It will not work however often it is tried: a damaged store, an oversized call.
    #[error("{0:#}")]
    Failed(anyhow::Error),
    /// The cursor was not where the caller believed; nothing was enqueued.
    #[error("the cursor `{name}` stands at {}", .at.as_deref().unwrap_or("nothing"))]
    CursorMoved {
        /// The cursor.
        name: String,
        /// Where it stands.
        at: Option<String>,
    },
    /// This provider has no such operation.
    #[error("{0}")]
    Unsupported(String),
}

impl ProviderError {
    /// An outage.
    pub fn unavailable(error: impl Into<anyhow::Error>) -> Self {
        ProviderError::Unavailable(error.into())
    }

    /// A fault that repetition does not mend.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        ProviderError::Failed(error.into())
    }
}
