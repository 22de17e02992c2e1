//! One measurement: a system with nothing in it, then jobs that wait, or jobs that come one by one.

use std::time::Duration;

use anyhow::{Context, Result};
use goworker_tests::redis_server::RedisServer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::process::{Process, Usage, usage};
use crate::setup::{Ready, target};
use crate::systems::{Store, System};

/// How many jobs a second come one by one, and of how many the latency is taken.
const RATE: u64 = 100;
const FED: u64 = 1_000;
/// How long a driver that has started is left alone, and how long it is watched doing nothing.
const REST: Duration = Duration::from_millis(1_500);
const IDLE: Duration = Duration::from_secs(2);

/// What is measured in turns.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) system: System,
    pub(crate) driver: Ready,
    pub(crate) slots: usize,
    pub(crate) jobs: u64,
    /// How long a driver may take for anything.
    pub(crate) timeout: Duration,
}

/// Jobs that waited, and were run.
#[derive(Debug, Clone)]
pub(crate) struct Drain {
    /// Jobs a second.
    pub(crate) enqueued: f64,
    pub(crate) drained: f64,
    pub(crate) ran: u64,
    /// Microseconds of CPU time for each job.
    pub(crate) cpu: f64,
    pub(crate) server_cpu: Option<f64>,
    /// Resident memory at its peak, in MB.
    pub(crate) peak: f64,
}

/// Jobs that came one by one.
#[derive(Debug, Clone)]
pub(crate) struct Latency {
    /// From just before the enqueue to the start of the job, in milliseconds.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) ran: u64,
    pub(crate) wanted: u64,
    /// While no job was there: CPU time of the process and of the server, in percent of a core, and resident memory in MB.
    pub(crate) idle_cpu: f64,
    pub(crate) idle_memory: f64,
}

/// A folder and a server for one measurement. Both are gone after it.
struct Stage {
    folder: TempDir,
    server: Option<RedisServer>,
}

impl Stage {
    fn set(subject: &Subject) -> Result<Self> {
        // Not in the system's folder for temporary files, which may be in memory, where a sync costs nothing.
        let folder = TempDir::new_in(target()?).context("a folder for files")?;
        let options = match subject.driver.module.as_deref() {
            Some(module) => RedisServer::options().directive(["loadmodule", &module.to_string_lossy()]),
            None => RedisServer::options(),
        };
        let server = subject.system.store.is_redis().then(|| options.start());
        Ok(Stage { folder, server })
    }

    fn start(&self, subject: &Subject, mode: &str, x: u64, y: f64) -> Result<Process> {
        let mut command = subject.driver.command();
        command.args([mode, &x.to_string(), &y.to_string()]).env("PEER_DIR", self.folder.path());
        if let Some(server) = &self.server {
            command.env("PEER_REDIS_PORT", server.port().to_string());
        }
        Process::start(command, self.folder.path(), subject.timeout)
    }

    fn server(&self) -> Result<Option<Usage>> {
        self.server.as_ref().map(|server| usage(server.pid())).transpose()
    }
}

/// Enqueues jobs, and then runs them.
pub(crate) async fn drain(subject: &Subject) -> Result<Drain> {
    let (stage, jobs, slots) = (Stage::set(subject)?, subject.jobs, subject.slots as u64);
    let mut before = stage.server()?;
    let (mut worker, sent) = if subject.system.store == Store::Process {
        (stage.start(subject, "both", slots, jobs as f64)?, None)
    } else {
        let sent = stage.start(subject, "enqueue", jobs, 0.0)?.result().await.context("enqueue")?;
        before = stage.server()?;
        (stage.start(subject, "work", slots, jobs as f64)?, Some(sent))
    };
    let result = worker.result().await.context("work")?;
    let (used, after) = (worker.usage()?, stage.server()?);
    let number = |value: &Value, name: &str| value[name].as_f64().with_context(|| format!("a result without `{name}`: {value}"));
    let ran = number(&result, "n")?;
    let of_each = |seconds: f64| seconds / ran.max(1.0) * 1e6;
    Ok(Drain {
        enqueued: jobs as f64 / number(sent.as_ref().unwrap_or(&result), "secs")?,
        drained: ran / (number(&result, "last")? - number(&result, "first")?).max(1e-6),
        ran: ran as u64,
        cpu: of_each(used.cpu),
        server_cpu: before.zip(after).map(|(before, after)| of_each(after.cpu - before.cpu)),
        peak: used.peak,
    })
}

/// Watches a system that has nothing to do, and then lets jobs come one by one.
pub(crate) async fn latency(subject: &Subject) -> Result<Latency> {
    let (stage, jobs) = (Stage::set(subject)?, subject.jobs.min(FED));
    let mut worker = stage.start(subject, "lat", subject.slots as u64, jobs as f64)?;
    worker.ready().await.context("lat")?;
    sleep(REST).await;
    let cpu = || -> Result<f64> { Ok(worker.usage()?.cpu + stage.server()?.unwrap_or_default().cpu) };
    let (idle, before) = (worker.usage()?, cpu()?);
    sleep(IDLE).await;
    let idle_cpu = (cpu()? - before) / IDLE.as_secs_f64() * 100.0;
    worker.end_input();
    if !subject.system.store.feeds_itself() {
        stage.start(subject, "feed", RATE, jobs as f64 / RATE as f64)?.result().await.context("feed")?;
    }
    let result = worker.result().await.context("lat")?;
    let wait = |name: &str| result[name].as_f64();
    let ran = result["n"].as_u64().unwrap_or(0);
    Ok(Latency { p50: wait("p50"), p99: wait("p99"), ran, wanted: jobs, idle_cpu, idle_memory: idle.resident })
}
