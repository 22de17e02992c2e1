//! Workers for tests.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use goworker::settings::Secret;
use goworker::{Clock, Context, Job, Output, WorkError, WorkResult, Worker, worker};

/// Does what the name of its job says; the params are its argument.
#[worker]
#[derive(Debug)]
pub struct Scripted {}

impl Worker for Scripted {
    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        match job.name.as_str() {
            "ok" => Ok(Output::from_json(job.params.get().to_owned())?),
            "fail" => Err(anyhow::anyhow!("failed as told"))?,
            "fail for good" => Err(WorkError::fail(anyhow::anyhow!("failed for good as told"))),
            "fail twice" if ctx.attempt() <= 2 => Err(anyhow::anyhow!("attempt {} failed as told", ctx.attempt()))?,
            "fail twice" => Ok(Output::none()),
            "retry after" => Err(WorkError::retry_after(anyhow::anyhow!("later"), millis(job)?)),
            "snooze once" if job_is_new(job, ctx) => Err(WorkError::snooze(Duration::from_secs(60))),
            "snooze once" => Ok(Output::none()),
            "panic" => panic!("panicked as told"),
            "bad params" => Ok(Output::of(&job.params::<Vec<u8>>()?)?),
            "sleep" => {
                tokio::time::sleep(millis(job)?).await;
                Ok(Output::none())
            }
            "progress" => {
                for tenth in 1..=100u8 {
                    ctx.progress(f64::from(tenth) / 100.0, &format!("step {tenth}"));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Ok(Output::none())
            }
            "stop when told" => {
                ctx.cancelled().await;
                Err(anyhow::anyhow!("stopped"))?
            }
            "finish when told to stop" => {
                ctx.cancelled().await;
                Ok(Output::from(serde_json::json!("finished")))
            }
            "never stop" => std::future::pending().await,
            "log" => {
                (1..=60).for_each(|line| ctx.log(goworker::Level::INFO, &format!("line {line}")));
                Err(anyhow::anyhow!("failed after logging"))?
            }
            "long output" => Ok(Output::from(serde_json::json!("x".repeat(2 << 20)))),
            "enqueue" => {
                let next = Job { name: "ok".to_owned(), ..Job::new(ctx.ids().next(), "scripted") };
                let id = ctx.enqueue(next, None).await?;
                Ok(Output::from(serde_json::json!(id)))
            }
            other => Err(WorkError::fail(anyhow::anyhow!("nobody told what `{other}` is"))),
        }
    }
}

fn millis(job: &Job) -> Result<Duration, WorkError> {
    Ok(Duration::from_millis(job.params::<u64>()?))
}

/// A snoozed job is not charged an attempt, so only its lease tells that it ran before.
fn job_is_new(_: &Job, ctx: &Context) -> bool {
    ctx.token().0 == 1
}

/// Notes the start and the end of each job in a file, with its process and the time, so that another process can check what
/// happened. Answers the number of its process. A job named `fail` fails for good, one named `fail once` on its first attempt.
#[worker]
#[derive(Debug)]
pub struct Ledger {
    /// The file.
    path: PathBuf,
    /// How long a job takes, in milliseconds.
    #[config(default = 5)]
    millis: u64,
}

impl Worker for Ledger {
    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        self.note("start", job)?;
        tokio::time::sleep(Duration::from_millis(self.millis)).await;
        let fails = job.name == "fail" || (job.name == "fail once" && ctx.attempt() == 1);
        self.note(if fails { "failed" } else { "end" }, job)?;
        match job.name.as_str() {
            "fail" => Err(WorkError::fail(anyhow::anyhow!("failed for good as told"))),
            _ if fails => Err(anyhow::anyhow!("failed once as told"))?,
            _ => Ok(Output::of(&std::process::id())?),
        }
    }
}

impl Ledger {
    /// One `write` to a file opened for appending is whole, whoever else writes and whenever the process dies.
    fn note(&self, what: &str, job: &Job) -> std::io::Result<()> {
        let line = format!("{what} {} {} {}\n", job.id, std::process::id(), Clock::system().now().as_millis());
        OpenOptions::new().append(true).create(true).open(&self.path)?.write_all(line.as_bytes())
    }
}

/// Blocks its thread, deaf to everything, for as long as the params say (milliseconds).
#[worker]
#[derive(Debug)]
pub struct Blocking {}

impl Worker for Blocking {
    async fn work(&self, job: &Job, _: &Context) -> WorkResult {
        std::thread::sleep(millis(job)?);
        Ok(Output::none())
    }
}

/// Does nothing, as fast as can be.
#[worker]
#[derive(Debug)]
pub struct Noop {}

impl Worker for Noop {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

/// Has a secret, and keeps it.
#[worker]
#[derive(Debug)]
pub struct Vault {
    /// The secret.
    token: Secret,
    /// A number.
    #[config(default = 1, range = 1..=9)]
    level: u8,
}

impl Worker for Vault {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::from(serde_json::json!({ "token": self.token.to_string(), "level": self.level })))
    }
}

/// Computes for as long as the params say (milliseconds).
#[worker]
#[derive(Debug)]
pub struct Burning {}

impl Worker for Burning {
    async fn work(&self, job: &Job, _: &Context) -> WorkResult {
        compute(millis(job)?);
        Ok(Output::none())
    }
}

/// Has a name of its own in a profile.
#[inline(never)]
fn compute(time: Duration) {
    let began = std::time::Instant::now();
    while began.elapsed() < time {
        (0..100_000_u64).for_each(|number| {
            std::hint::black_box(number);
        });
    }
}

/// Holds as many bytes as the params say, for three seconds.
#[worker]
#[derive(Debug)]
pub struct Hoarding {}

impl Worker for Hoarding {
    async fn work(&self, job: &Job, _: &Context) -> WorkResult {
        let hoard = hoard(job.params::<usize>()?);
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(Output::of(&std::hint::black_box(hoard).len())?)
    }
}

/// Has a name of its own in a profile.
#[inline(never)]
fn hoard(bytes: usize) -> Vec<Vec<u8>> {
    (0..bytes / 10_000).map(|_| vec![1; 10_000]).collect()
}
