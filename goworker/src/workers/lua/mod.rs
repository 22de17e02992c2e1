//! The `lua` worker: a job's name is a script, `scripts/NAME.lua`, which runs sandboxed, with limits that it cannot catch.
//!
//! [`pool`] has the threads and their VMs, [`script`] finds and compiles scripts, [`watch`] stops them, [`host`] and
//! the prelude are their API, [`json`] carries values across, [`error`] says what went wrong.

mod error;
mod host;
mod integer;
mod json;
mod pool;
mod script;
mod watch;

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context as _;
use goworker::units::Size;
use goworker::{Context, Job, Output, Setup, WorkError, WorkResult, Worker, worker};
use tokio::sync::mpsc::channel;

use self::pool::{Event, Limits, Pool, Request, Why};
use self::watch::Stop;

/// How many log lines may wait to be taken from a job.
const LINES: usize = 256;
/// How long after its deadline a job that runs code of Lua's own, which nothing interrupts, is given up.
const PATIENCE: Duration = Duration::from_millis(100);

/// Runs Lua scripts: the job's name is the script.
#[worker]
#[derive(Debug)]
pub(crate) struct Lua {
    /// The folder of the scripts. The job `greet` runs `greet.lua` in it, `billing.close` runs `billing/close.lua`.
    #[config(default = "scripts")]
    scripts: PathBuf,
    /// How much memory the scripts of one thread may use together.
    #[config(default = "64MiB")]
    memory: Size,
    /// How many threads run scripts; one per core if left out, and never more than `concurrency`.
    threads: Option<usize>,
    #[state]
    pool: Option<Pool>,
}

impl Worker for Lua {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let cores = available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or(cores).clamp(1, setup.concurrency.max(1));
        let limits = Limits { folder: self.scripts.clone(), memory: self.memory, clock: setup.clock.clone() };
        self.pool = Some(Pool::start(threads, &limits)?);
        Ok(())
    }

    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        let pool = self.pool.as_ref().context("the worker is not started")?;
        let (events, mut heard) = channel(LINES);
        pool.send(Request {
            id: job.id.to_string(),
            name: job.name.clone(),
            attempt: ctx.attempt(),
            params: job.params.get().to_owned(),
            deadline: ctx.deadline().map(tokio::time::Instant::into_std),
            cancel: ctx.cancellation().clone(),
            events,
        });
        let too_late = async {
            match ctx.deadline() {
                Some(deadline) => tokio::time::sleep_until(deadline + PATIENCE).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(too_late);
        loop {
            let event = tokio::select! {
                event = heard.recv() => event,
                () = &mut too_late => return Err(self.stopped(Stop::Timeout)),
            };
            match event {
                Some(Event::Log(level, line)) => ctx.log(level, &line),
                Some(Event::Ended(Ok(Some(json)))) => return Ok(Output::from_json(json)?),
                Some(Event::Ended(Ok(None))) => return Ok(Output::none()),
                Some(Event::Ended(Err(Why::Fault(fault)))) => return Err(fault.into()),
                Some(Event::Ended(Err(Why::Stopped(stop)))) => return Err(self.stopped(stop)),
                None => return Err(WorkError::retry(anyhow::anyhow!("the thread that ran the script is gone"))),
            }
        }
    }
}

impl Lua {
    fn stopped(&self, stop: Stop) -> WorkError {
        WorkError::retry(match stop {
            Stop::Timeout => anyhow::anyhow!("timed out"),
            Stop::Cancelled => anyhow::anyhow!("cancelled"),
            Stop::Memory => anyhow::anyhow!("needs more memory than the limit of {}", self.memory),
        })
    }
}
