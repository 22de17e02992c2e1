//! A provider that also stores jobs: the [`Queue`] trait, and the life of a job in it.
//!
//! ```text
//! scheduled ──due──▶ ready ──fetch──▶ running ──settle──▶ done | dead | cancelled
//!     ▲                ▲                 │
//!     └──── retry ─────┴── lease lost ───┘
//! ```

mod record_json;
mod stats;

use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::job::{Job, JobId};
use crate::outcome::{Attempt, Failure, Output};
use crate::process::{Death, ProcessInfo, ProcessRecord};
use crate::progress::{Progress, Progressed};
use crate::provider::{Cursor, Provider, ProviderError, Token};
use crate::spill::Move;

pub use self::stats::{Count, Paused, QueueStats};

/// The most jobs that one [`Queue::enqueue`] takes. A call is one atomic step, and a long step would keep leases
/// from being renewed; more jobs go in several calls.
pub const MAX_BULK: usize = 1_000;

/// The most [deaths](JobRecord::deaths) that are kept of a job: the last ones.
pub const MAX_DEATHS: usize = 20;

/// A provider that stores jobs. A struct becomes one by `#[provider(queue)]`.
///
/// A job that is [unique](Job::unique) holds its key from its acceptance until it has ended, and at least until its
/// [window](Job::unique_until) is over, even if `keep` has forgotten it by then. Deleting it by hand frees the key at
/// once. Who holds a key follows from what is stored: no end and no crash can leave one behind.
///
/// A job with the mode [`KeepLast`](crate::UniqueMode::KeepLast) whose key a running job holds is that one's follow-up: it is
/// [scheduled](State::Scheduled), for no time, and is not handed out. However the holder ends, the follow-up takes the key in the same
/// step, and is then ready, or scheduled for its own time or the end of the holder's window, if that is later. If the holder waits again,
/// the follow-up goes on waiting. A key has one follow-up at most.
///
/// With a [rate](crate::Setup::rate), a fetch hands out no more jobs than it allows, in all processes that use the store together: the
/// store counts, in the step that hands them out, by a rule like that of [`Starts`](crate::Starts). Each process goes by the rate that it was
/// given. If it allows fewer than are asked for, the first of all types come; if none, [`ready`](Provider::ready) waits until it allows more.
///
/// Every change of a job's state is a compare-and-set on (job, state, token), in one atomic step. The conformance
/// suite in [`testing`](crate::testing) (feature `testing`) runs the whole contract against any implementation.
///
/// None of these futures may leave a step half done when it is dropped; whether it was done is then unknown. Calls that
/// follow on the same queue come after it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is marked `#[provider(queue)]` but does not implement `Queue`",
    note = "write `impl Queue for {Self} {{ .. }}` next to it, or drop `queue` from the attribute"
)]
pub trait Queue: Provider {
    /// Accepts jobs, all or none: when it returns, they are stored as durably as the queue can.
    ///
    /// An id that exists creates nothing and answers [`Enqueued::Exists`]; with other content [`Enqueued::Conflict`]. A new
    /// job whose [key](Job::unique_key) another one holds creates nothing and answers [`Enqueued::Held`], unless its
    /// [mode](Job::unique_mode) says otherwise. With [`Replace`](crate::UniqueMode::Replace) a holder that waits is cancelled for it:
    /// [`Enqueued::Replaced`]. So it is with [`KeepLast`](crate::UniqueMode::KeepLast), but if there is a follow-up, that one is
    /// cancelled instead; and it is stored if the holder runs, as its follow-up, and if only a window lasts, for the time when that is over.
    /// At most [`MAX_BULK`] jobs. With a cursor, the step is done only if it stands where `from` says; there may be no jobs then.
    ///
    /// # Errors
    /// When nothing was stored: the store cannot accept, the cursor has moved, or there are too many jobs.
    fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> impl Future<Output = Result<Vec<Enqueued>, ProviderError>> + Send;

    /// Where a cursor stands.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn cursor(&self, name: &str) -> impl Future<Output = Result<Option<String>, ProviderError>> + Send;

    /// The jobs that `filter` selects, newest first, as they are at this moment: a lease that is over is lost.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn list(&self, filter: &Filter) -> impl Future<Output = Result<Vec<JobRecord>, ProviderError>> + Send;

    /// One job with all its attempts, and the processes that died on it.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, id: &JobId) -> impl Future<Output = Result<Option<JobRecord>, ProviderError>> + Send;

    /// Waits until the job has ended, and answers it; `None` if there is no such job, or no longer.
    ///
    /// May be dropped at any time. By default it looks again and again, after 10 ms at first, then each time after twice
    /// as long, up to a second. A queue that can tell when a job ends does better.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn wait(&self, id: &JobId) -> impl Future<Output = Result<Option<JobRecord>, ProviderError>> + Send {
        const FIRST: Duration = Duration::from_millis(10);
        const LAST: Duration = Duration::from_secs(1);
        async {
            let mut pause = FIRST;
            loop {
                match self.get(id).await? {
                    Some(record) if !record.state.is_final() => tokio::time::sleep(pause).await,
                    ended_or_absent => return Ok(ended_or_absent),
                }
                pause = (pause * 2).min(LAST);
            }
        }
    }

    /// Cancels jobs. One that waits is cancelled at once; a running one is told so at its next renewal.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn cancel(&self, ids: &[JobId]) -> impl Future<Output = Result<Vec<Change>, ProviderError>> + Send;

    /// Makes jobs that have ended ready again, with their attempts and crashes counted anew. `attempts` stay listed. One
    /// whose key another job holds by now stays as it is: [`Change::Held`].
    ///
    /// # Errors
    /// When the store cannot be written.
    fn retry(&self, ids: &[JobId]) -> impl Future<Output = Result<Vec<Change>, ProviderError>> + Send;

    /// Forgets jobs that do not run.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn delete(&self, ids: &[JobId]) -> impl Future<Output = Result<Vec<Change>, ProviderError>> + Send;

    /// Takes note of how far running jobs are: the last that was told is [shown](JobRecord::progress) as long as the job runs
    /// under that lease, and need not survive the process. Of one that does not run under it any more, nothing is noted.
    ///
    /// A manager calls it once a second at most, for all of its jobs together.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn note_progress(&self, told: &[Progressed]) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// Pauses the jobs of a type, or the whole queue if none is named, for all processes that use the store: nothing of it
    /// is handed out until it is [resumed](Queue::resume), and [`ready`](Provider::ready) does not return for it.
    ///
    /// Jobs are accepted as before; they become due and expire, and those that run go on. A pause lasts as long as
    /// jobs do: in a durable queue it outlives the process. What is paused already stays so.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn pause(&self, job_type: Option<&str>) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// Ends the pause of a type, or that of the whole queue if none is named, and no other: a type that was paused by
    /// itself stays so when the queue is resumed. Whoever waits for jobs is told.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn resume(&self, job_type: Option<&str>) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// How many jobs there are of each type and state, and what is paused.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn stats(&self) -> impl Future<Output = Result<QueueStats, ProviderError>> + Send;

    /// Notes that this process runs jobs of the queue, and what it tells of itself; what it told before is replaced. It is noted
    /// until the queue is [closed](Provider::close), and need not survive the process.
    ///
    /// A manager calls it when it starts, and then once a [`BEAT`](crate::BEAT).
    ///
    /// # Errors
    /// When the store cannot be written.
    fn announce(&self, info: &ProcessInfo) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// The processes that have announced themselves, in the order of their start, and whether they are
    /// [gone](ProcessRecord::gone) without a close. Those that were not [seen for long](ProcessRecord::LISTED) are left out.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn processes(&self) -> impl Future<Output = Result<Vec<ProcessRecord>, ProviderError>> + Send;

    /// The queue that waiting jobs are moved to when this one is short of room; `None` if they never are. It is known before the
    /// queue is started, and set as `spill: (into: "..")`, where a mistake in it is told.
    fn spills_into(&self) -> Option<&str> {
        None
    }

    /// Takes jobs of these types out of their places that are to be moved to the store `target`, if there is too little room; or
    /// answers the move to it that has not ended, whoever began it. `None` if there is nothing to move.
    ///
    /// Only jobs move that were never handed out, are not [unique](Job::unique) and not paused. Those of a move are handed out
    /// no more; they are still listed and counted as waiting, and cannot be deleted.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn take_move(&self, target: &str, types: &[Arc<str>]) -> impl Future<Output = Result<Option<Move>, ProviderError>> + Send {
        let _ = (target, types);
        async { Ok(None) }
    }

    /// Ends a move whose jobs the target has: those in `moved` are forgotten, but for their ids, which are known for as long as those
    /// of jobs that are done; all others stay for good. A move that has ended already changes nothing.
    ///
    /// Answers the jobs that someone asked to cancel, unless they are in `cancelled`. Then nothing has ended: they are to be
    /// cancelled in the target first.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn end_move(
        &self,
        target: &str,
        token: Token,
        moved: &[JobId],
        cancelled: &[JobId],
    ) -> impl Future<Output = Result<Vec<JobId>, ProviderError>> + Send {
        let _ = (target, token, moved, cancelled);
        async { Err(ProviderError::Unsupported("this queue moves no jobs".to_owned())) }
    }

    /// Whether jobs outlive the process. Then several processes may have the store open at once.
    fn is_durable(&self) -> bool;
}

/// What became of a job that was enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It is stored.
    Created,
    /// The same job was there already; nothing was created.
    Exists,
    /// Another job has its id; nothing was created.
    Conflict,
    /// This job holds its key; nothing was created.
    Held(JobId),
    /// It is stored. This job, which held its key or followed its holder, and waited, was cancelled for it.
    Replaced(JobId),
}

impl Enqueued {
    /// Whether a job was stored that was not there before.
    pub fn is_new(&self) -> bool {
        matches!(self, Enqueued::Created | Enqueued::Replaced(_))
    }
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for its time: delayed, or to be tried again.
    Scheduled,
    /// Waits for a slot.
    Ready,
    /// Handed out under a lease.
    Running,
    /// Has succeeded.
    Done,
    /// Has failed for good: a dead letter.
    Dead,
    /// Was cancelled.
    Cancelled,
    /// Was not started in time.
    Expired,
}

impl State {
    /// All states, in the order of a job's life.
    pub const ALL: [State; 7] =
        [State::Scheduled, State::Ready, State::Running, State::Done, State::Dead, State::Cancelled, State::Expired];

    /// The state's name: lower case, as everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Scheduled => "scheduled",
            State::Ready => "ready",
            State::Running => "running",
            State::Done => "done",
            State::Dead => "dead",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
        }
    }

    /// Whether the job's life is over, unless someone retries it.
    pub const fn is_final(self) -> bool {
        matches!(self, State::Done | State::Dead | State::Cancelled | State::Expired)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        State::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
            format!("`{text}` is not a state; there are {}", known.join(", "))
        })
    }
}

/// Which jobs to list. Absent conditions select all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only these states; all if empty.
    pub states: Vec<State>,
    /// Only this type.
    pub job_type: Option<String>,
    /// Not more than this many.
    pub limit: Option<usize>,
}

/// A job as a queue knows it.
#[derive(Debug, Clone)]
pub struct JobRecord {
    /// The job as it was accepted.
    pub job: Arc<Job>,
    /// Where it is in its life.
    pub state: State,
    /// How many attempts were charged so far.
    pub attempt: u32,
    /// How often a process died on it.
    pub crashes: u32,
    /// When it was accepted.
    pub enqueued_at: Timestamp,
    /// When it is due, if it is scheduled; not known of one that follows another.
    pub due_at: Option<Timestamp>,
    /// The job whose end it waits for, if it is its follow-up.
    pub follows: Option<JobId>,
    /// Until when its lease lasts, if it runs.
    pub leased_until: Option<Timestamp>,
    /// How far it is, if it runs and its worker has told.
    pub progress: Option<Progress>,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// What it returned, if that is kept.
    pub output: Output,
    /// Why it failed last, if it has: what it is dead of, or else the failure of its last attempt.
    pub failure: Option<Failure>,
    /// Its failed attempts; filled by [`Queue::get`] only.
    pub attempts: Vec<Attempt>,
    /// The processes that died on it, or lost its lease, in order; the last [`MAX_DEATHS`]. A retry by hand does not forget
    /// them. Filled by [`Queue::get`] only.
    pub deaths: Vec<Death>,
}

/// What became of a wish to cancel, retry or delete a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is so now.
    Changed,
    /// It runs, or is on its way to another store: whoever has it is told.
    Requested,
    /// Its state does not allow it.
    Refused(State),
    /// It is not to be run again now, because this job holds its key.
    Held(JobId),
    /// There is no such job.
    Absent,
}
