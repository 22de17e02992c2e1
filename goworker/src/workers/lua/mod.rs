//! `lua`: runs scripts. A job's `name` is the script, a file in the scripts folder.
//!
//! This file is the worker: it hands a job to one of its threads, passes on what comes back, and does what the script asks
//! for ([`events`]). A script runs in a sandboxed Luau VM ([`sandbox`]) on a thread of its own ([`pool`]), in turns with
//! others ([`tasks`]), under limits that it cannot catch ([`watch`]). What it finds there is in [`api`] and `prelude/`.

mod api;
mod declared;
mod error;
mod events;
mod heap;
mod hint;
mod integer;
mod json;
mod pool;
mod sandbox;
mod schema;
mod script;
mod tasks;
mod ticker;
mod watch;

#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use goworker::units::{Dur, Size};
use goworker::{Context, ForeignWork, Job, Level, Setup, WorkError, WorkResult, Worker, worker};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use self::events::{Answer, Event, Reply};
use self::pool::{Pool, Request, Seat};
use self::sandbox::Plan;

/// How long after its deadline, or its cancellation, a script may still answer for itself.
const GRACE: Duration = Duration::from_millis(50);
/// How much of what a job says may be under way.
const UNDER_WAY: usize = 1_024;

/// Runs Lua scripts: the job's `name` is the script's, without `.lua`.
#[worker(since = "0.1.0")]
#[derive(Debug)]
pub(crate) struct Lua {
    /// Folder of the scripts.
    #[config(default = "scripts")]
    scripts: PathBuf,
    /// The most memory that one VM may use; scripts of one thread share a VM.
    #[config(default = "64MiB")]
    memory: Size,
    /// The most processor time that one attempt may use; what a script spends waiting does not count. Default: no limit
    /// but the `timeout`.
    cpu: Option<Dur>,
    /// How many threads run scripts. Default: one per core, not more than `concurrency`.
    threads: Option<usize>,
    #[state]
    pool: OnceLock<Pool>,
}

impl Worker for Lua {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let plan = Plan {
            scripts: self.scripts.clone(),
            memory: usize::try_from(self.memory.bytes()).unwrap_or(usize::MAX),
            cpu: self.cpu,
            clock: setup.clock.clone(),
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = self.threads.unwrap_or_else(|| cores.min(setup.concurrency)).max(1);
        self.pool = Pool::start(threads, plan)?.into();
        Ok(())
    }

    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        let pool = self.pool.get().ok_or_else(|| anyhow::anyhow!("the Lua worker was not started"))?;
        let (events, inbox) = mpsc::channel(UNDER_WAY);
        let under_way = ctx.foreign_work().await;
        let remaining = ctx.remaining();
        let limit = remaining.map(whole_millis);
        let seat = pool.submit(Request {
            id: job.id.to_string(),
            name: job.name.clone(),
            attempt: ctx.attempt(),
            params: job.params.get().to_owned(),
            deadline: real(ctx.deadline()),
            limit,
            now: pool.now(),
            cancel: ctx.cancellation().clone(),
            events,
        })?;
        Attendance {
            ctx,
            pool,
            began: tokio::time::Instant::now(),
            deadline: ctx.deadline(),
            limit,
            seat,
            inbox,
            under_way: Some(under_way),
            asked: FuturesUnordered::new(),
            answered: 0,
        }
        .finish()
        .await
    }
}

/// What came of something that was asked for, and who waits for it.
type Answered = (oneshot::Sender<Answer>, Reply);

/// One attempt, as seen from outside of its thread.
struct Attendance<'a> {
    ctx: &'a Context,
    pool: &'a Pool,
    began: tokio::time::Instant,
    /// When it has to be over, and how long it was given.
    deadline: Option<tokio::time::Instant>,
    limit: Option<Dur>,
    seat: Seat,
    inbox: mpsc::Receiver<Event>,
    /// Whether the script has something to do, rather than to wait for an answer.
    under_way: Option<ForeignWork>,
    asked: FuturesUnordered<BoxFuture<'a, Option<Answered>>>,
    answered: usize,
}

impl Attendance<'_> {
    /// Does what the script asks for, until it has ended or should have.
    async fn finish(mut self) -> WorkResult {
        let (ctx, lost) = (self.ctx, self.seat.lost().clone());
        let cancelled = ctx.cancelled();
        // Reset before each is looked at.
        let late = tokio::time::sleep(GRACE);
        let grace = tokio::time::sleep(GRACE);
        tokio::pin!(cancelled, late, grace);
        if let Some(deadline) = self.deadline {
            late.as_mut().reset(deadline);
        }
        let mut over = None;
        loop {
            tokio::select! {
                biased;
                event = self.inbox.recv() => match event {
                    Some(Event::Done(result)) => return result,
                    Some(Event::Limit(limit)) => {
                        self.limit(limit);
                        self.deadline.into_iter().for_each(|deadline| late.as_mut().reset(deadline));
                    }
                    Some(event) => self.hear(event),
                    None if ctx.is_cancelled() => return Err(error::cancelled()),
                    None => return Err(WorkError::retry(anyhow::anyhow!("the Lua engine failed; its thread goes on with other jobs"))),
                },
                Some(reply) = self.asked.next(), if !self.asked.is_empty() => self.answer(reply).await,
                // The deadline first: the manager cancels a job whose time is up.
                () = &mut late, if over.is_none() && self.deadline.is_some() => over = Some(self.over(&mut grace, error::timed_out(self.limit))?),
                () = &mut cancelled, if over.is_none() => over = Some(self.over(&mut grace, error::cancelled())?),
                // It is in a long step that nothing interrupts, or another job of its thread is.
                () = &mut grace, if over.is_some() => {
                    self.seat.overdue();
                    return Err(over.unwrap_or_else(error::cancelled));
                }
                () = lost.cancelled() => return Err(self.lost()),
            }
        }
    }

    /// The script has to end: at once if it waits, else it may answer for itself for a moment.
    fn over(&self, grace: &mut Pin<&mut Sleep>, error: WorkError) -> Result<WorkError, WorkError> {
        if self.under_way.is_none() {
            return Err(error);
        }
        grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
        Ok(error)
    }

    /// The script gives itself so long.
    fn limit(&mut self, limit: Dur) {
        let own = self.began.checked_add(limit.get());
        if let Some(own) = own.filter(|own| self.deadline.is_none_or(|deadline| *own < deadline)) {
            (self.deadline, self.limit) = (Some(own), Some(limit));
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Log(level, message) => self.ctx.log(level, &message),
            Event::Progress(fraction, message) => self.ctx.progress(fraction, &message),
            Event::Asked(ask, mut answer) => {
                let ctx = self.ctx;
                self.asked.push(Box::pin(async move {
                    tokio::select! {
                        reply = ask.perform(ctx) => Some((answer, reply)),
                        () = answer.closed() => None,
                    }
                }));
            }
            // Else it has not heard all yet, and goes on when it has.
            Event::Waits(heard) if heard == self.answered => self.under_way = None,
            Event::Waits(_) | Event::Limit(_) | Event::Done(_) => {}
        }
    }

    async fn answer(&mut self, reply: Option<Answered>) {
        let Some((answer, reply)) = reply else { return };
        if self.under_way.is_none() {
            self.under_way = Some(self.ctx.foreign_work().await);
        }
        // The script may have lost interest in the meantime.
        if answer.send(Answer { reply, deadline: real(self.deadline), now: self.pool.now() }).is_ok() {
            self.answered += 1;
        }
    }

    fn lost(&self) -> WorkError {
        if self.seat.is_to_blame() {
            return WorkError::retry(anyhow::anyhow!("the script was in a step that cannot be interrupted; its thread was abandoned"));
        }
        self.ctx.log(Level::WARN, "another script holds the thread of this one, which begins anew; that is no attempt");
        WorkError::snooze(Duration::ZERO)
    }
}

/// A deadline as a thread of its own sees it: that has only real time, whatever the time of the runtime is.
fn real(deadline: Option<tokio::time::Instant>) -> Option<Instant> {
    let left = deadline?.saturating_duration_since(tokio::time::Instant::now());
    Instant::now().checked_add(left)
}

/// The time that is left when a job begins is its limit, but for the microseconds that it took to get there.
fn whole_millis(remaining: Duration) -> Dur {
    Dur::millis(u64::try_from(remaining.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX))
}
