//! How fast jobs go through: `cargo bench -p goworker-tests`, or with a number of jobs: `.. -- 200000`.
//!
//! All rows in one run, each the median of three; compare rows of one run only. `enqueue` is by calls of 1,000 jobs,
//! `drain` from the start of the manager to the last settlement, `start` the time from the return of an enqueue to the
//! start of the job when nothing else is there.

#![allow(clippy::unwrap_used, reason = "a benchmark that goes wrong may say so in any way")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use goworker::config::Config;
use goworker::manager::{Manager, Options, Stop};
use goworker::{Context, Ids, Job, Output, Registry, WorkResult, Worker, worker};
use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::redis_server::RedisServer;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// When jobs were started, for the latency.
static STARTS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

/// Notes when it starts.
#[worker]
#[derive(Debug)]
pub struct Stopwatch {}

impl Worker for Stopwatch {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        STARTS.lock().unwrap().push(Instant::now());
        Ok(Output::none())
    }
}

fn config(folder: &Path, queue: &str, concurrency: usize) -> Config {
    fs::create_dir_all(folder.join("scripts")).unwrap();
    fs::write(folder.join("scripts/noop.lua"), "return function() end").unwrap();
    let text = format!(
        r#"(
            providers: {{ "jobs": {queue} }},
            workers: {{ "noop": noop(concurrency: {concurrency}), "lua": lua(concurrency: {concurrency}), "stopwatch": stopwatch() }},
        )"#
    );
    Config::parse(&text, &folder.join("bench.ron"), &Registry::linked()).unwrap_or_else(|report| panic!("{}", report.render(false))).config
}

/// The runtimes of the daemon: one for the manager, one for job code.
fn runtimes() -> (Runtime, Runtime) {
    (Builder::new_current_thread().enable_all().build().unwrap(), Builder::new_multi_thread().enable_all().build().unwrap())
}

/// Jobs a second: enqueued in bulk, then drained.
fn drain(queue: &str, job_type: &str, jobs: usize, concurrency: usize) -> (f64, f64) {
    let folder = TempDir::new().unwrap();
    let (control, work) = runtimes();
    let config = config(folder.path(), queue, concurrency);
    let options = Options { until_idle: true, ..Options::new(work.handle().clone()) };
    let rates = control.block_on(async {
        let manager = Manager::start(config, options).await.unwrap();
        let (queue, ids) = (manager.queues()["jobs"].clone(), Ids::system());
        let all: Vec<_> = (0..jobs).map(|_| Arc::new(Job { name: "noop".to_owned(), ..Job::new(ids.next(), job_type) })).collect();
        let began = Instant::now();
        for chunk in all.chunks(1_000) {
            queue.enqueue(chunk, None).await.unwrap();
        }
        let enqueued = began.elapsed();
        let began = Instant::now();
        let summary = manager.run(&Stop::new()).await;
        assert_eq!(summary.stats.total().done, jobs as u64);
        (jobs as f64 / enqueued.as_secs_f64(), jobs as f64 / began.elapsed().as_secs_f64())
    });
    work.shutdown_background();
    rates
}

/// The times from the return of an enqueue to the start of the job, in order.
fn latencies(queue: &str, jobs: usize) -> Vec<Duration> {
    let folder = TempDir::new().unwrap();
    let (control, work) = runtimes();
    let config = config(folder.path(), queue, 10);
    let options = Options::new(work.handle().clone());
    STARTS.lock().unwrap().clear();
    let enqueued = control.block_on(async {
        let manager = Manager::start(config, options).await.unwrap();
        let (queue, ids, stop) = (manager.queues()["jobs"].clone(), Ids::system(), Stop::new());
        let producer = {
            let stop = stop.clone();
            work.spawn(async move {
                let mut enqueued = Vec::new();
                for _ in 0..jobs {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    queue.enqueue(&[Arc::new(Job::new(ids.next(), "stopwatch"))], None).await.unwrap();
                    enqueued.push(Instant::now());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
                stop.request();
                enqueued
            })
        };
        manager.run(&stop).await;
        producer.await.unwrap()
    });
    work.shutdown_background();
    let starts = STARTS.lock().unwrap();
    assert_eq!(starts.len(), jobs);
    let mut waits: Vec<_> =
        enqueued.iter().zip(starts.iter()).map(|(enqueued, started)| started.saturating_duration_since(*enqueued)).collect();
    waits.sort();
    waits
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The daemon as a process of its own: its resident memory in MiB when idle, and its peak when jobs went through.
fn daemon(jobs: usize) -> (u64, u64) {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_goworker-under-test"));
    sandbox.write("scripts/noop.lua", "return function() end");
    sandbox.write("d.ron", r#"(providers: { "jobs": sqlite(path: "d.db") }, workers: { "noop": noop(concurrency: 100), "lua": lua() })"#);
    let daemon = sandbox.start(["run", "d.ron", "--log-level", "warn"]);
    std::thread::sleep(Duration::from_secs(2));
    let idle = memory(daemon.pid(), "VmRSS");
    let lines: String = (0..jobs).map(|_| "{\"type\":\"noop\"}\n").collect();
    assert!(sandbox.run_with_input(["enqueue", "d.ron", "--file", "-"], &lines).status.success());
    wait_until("all jobs are done", Duration::from_secs(600), || {
        let stats = String::from_utf8_lossy(&sandbox.run(["queue", "stats", "d.ron", "--format", "json"]).stdout).into_owned();
        ["ready", "running"].iter().all(|state| !stats.contains(&format!("\"state\": \"{state}\"")))
    });
    (idle, memory(daemon.pid(), "VmHWM"))
}

/// Resident memory of a process in MiB; `VmRSS` now, `VmHWM` at its peak.
fn memory(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

/// What is measured: each time an empty queue, which on Redis needs a name of its own.
fn queues(server: &RedisServer) -> [String; 3] {
    static USED: AtomicU64 = AtomicU64::new(0);
    let name = USED.fetch_add(1, Ordering::Relaxed);
    let redis = format!(r#"redis(url: "{}", queue: "bench-{name}")"#, server.url());
    ["memory()".to_owned(), r#"sqlite(path: "bench.db")"#.to_owned(), redis]
}

fn main() {
    let jobs = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(100_000);
    let (idle, peak) = daemon(jobs);
    println!("{jobs} jobs; a daemon on sqlite has {idle} MiB resident when idle, {peak} MiB at its peak");
    println!("{:<8} {:<7} {:>6} {:>14} {:>14}", "queue", "worker", "slots", "enqueue/s", "drain jobs/s");
    let server = RedisServer::start();
    for queue in queues(&server) {
        for (worker, slots) in [("noop", 100), ("noop", 1_000), ("lua", 100)] {
            let (enqueue, drained): (Vec<_>, Vec<_>) = (0..3).map(|_| drain(&queue, worker, jobs, slots)).unzip();
            let name = queue.split('(').next().unwrap_or_default();
            println!("{name:<8} {worker:<7} {slots:>6} {:>14.0} {:>14.0}", median(enqueue), median(drained));
        }
    }
    for queue in queues(&server) {
        let waits = latencies(&queue, 300);
        println!("{:<8} start: p50 {:?}, p99 {:?}", queue.split('(').next().unwrap_or_default(), waits[150], waits[296]);
    }
}
