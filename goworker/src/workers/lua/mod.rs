//! `lua`: runs scripts. A job's `name` is the script, a file in the scripts folder.
//!
//! This file is the worker: it hands a job to one of its threads and passes on what comes back. A script runs in a
//! sandboxed Luau VM ([`sandbox`]) on a thread of its own ([`pool`]), under limits that it cannot catch ([`watch`]).
//! What it finds there is in [`api`] and `prelude.luau`.

mod api;
mod error;
mod heap;
mod hint;
mod integer;
mod json;
mod pool;
mod sandbox;
mod script;
mod ticker;
mod watch;

#[cfg(test)]
mod tests;

use std::num::NonZero;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use goworker::units::{Dur, Size};
use goworker::{Context, Job, Setup, WorkError, WorkResult, Worker, worker};
use tokio::sync::mpsc;

use self::pool::{Event, Pool, Request};
use self::sandbox::Plan;

/// How long after its deadline, or its cancellation, a script may still answer for itself.
const GRACE: Duration = Duration::from_millis(50);
/// How many log lines of a job may be under way.
const LINES: usize = 1_024;

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
    /// How many threads run scripts. Default: one per core, not more than `concurrency`.
    threads: Option<usize>,
    #[state]
    pool: Pool,
}

impl Worker for Lua {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let plan = Plan {
            scripts: self.scripts.clone(),
            memory: usize::try_from(self.memory.bytes()).unwrap_or(usize::MAX),
            clock: setup.clock.clone(),
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = self.threads.unwrap_or_else(|| cores.min(setup.concurrency)).max(1);
        self.pool = Pool::start(threads, &plan)?;
        Ok(())
    }

    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        let (events, mut inbox) = mpsc::channel(LINES);
        let _under_way = ctx.foreign_work().await;
        let remaining = ctx.remaining();
        let limit = remaining.map(whole_millis);
        self.pool.submit(Request {
            id: job.id.to_string(),
            name: job.name.clone(),
            attempt: ctx.attempt(),
            params: job.params.get().to_owned(),
            // A thread of its own has only real time, whatever the time of the runtime is.
            deadline: remaining.and_then(|remaining| Instant::now().checked_add(remaining)),
            limit,
            cancel: ctx.cancellation().clone(),
            events,
        })?;
        let overdue = overdue(ctx, limit);
        tokio::pin!(overdue);
        loop {
            tokio::select! {
                biased;
                event = inbox.recv() => match event {
                    Some(Event::Log(level, message)) => ctx.log(level, &message),
                    Some(Event::Progress(fraction, message)) => ctx.progress(fraction, &message),
                    Some(Event::Done(result)) => return result,
                    None if ctx.is_cancelled() => return Err(error::cancelled()),
                    None => return Err(WorkError::retry(anyhow::anyhow!("the Lua engine failed; its thread goes on with other jobs"))),
                },
                error = &mut overdue => return Err(error),
            }
        }
    }
}

/// Returns when the script should have ended by itself and has not: it is in a long step that nothing interrupts, or
/// its thread is.
async fn overdue(ctx: &Context, limit: Option<Dur>) -> WorkError {
    let late = async {
        match ctx.deadline() {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    let error = tokio::select! {
        biased;
        () = late => error::timed_out(limit),
        () = ctx.cancelled() => error::cancelled(),
    };
    tokio::time::sleep(GRACE).await;
    error
}

/// The time that is left when a job begins is its limit, but for the microseconds that it took to get there.
fn whole_millis(remaining: Duration) -> Dur {
    Dur::millis(u64::try_from(remaining.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX))
}
