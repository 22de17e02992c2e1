//! goworker as one of several job systems that are measured side by side: the same work, one process after the other.
//!
//! ```text
//! peer QUEUE WORKER enqueue N        puts N jobs into the queue, by calls of 1,000
//! peer QUEUE WORKER work SLOTS N     runs N jobs, and tells when the first and the last one began
//! peer QUEUE WORKER lat SLOTS N      runs N jobs that `feed` sends, and tells how long each waited
//! peer QUEUE WORKER feed RATE SECS   sends RATE jobs a second
//! ```
//!
//! QUEUE is `redis` (the port is in `PEER_REDIS_PORT`) or `sqlite` (the folder is in `PEER_DIR`); WORKER is `noop`, a native worker, or
//! `lua`, a script that does nothing. Prints `READY` when it takes jobs, and `RESULT` with JSON in the end.

#![allow(clippy::unwrap_used, reason = "a benchmark that goes wrong may say so in any way")]

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use goworker::config::Config;
use goworker::manager::{Manager, Options, Stop};
use goworker::{Client, Context, Ids, Job, Output, Params, Registry, WorkResult, Worker, worker};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

static COUNT: AtomicU64 = AtomicU64::new(0);
static FIRST: Mutex<f64> = Mutex::new(0.0);
static LAST: Mutex<f64> = Mutex::new(0.0);
static WAITS: Mutex<Vec<f64>> = Mutex::new(Vec::new());

/// Notes when it runs, and how long its job waited if that tells when it was sent.
#[worker]
#[derive(Debug)]
pub struct Measured {}

impl Worker for Measured {
    async fn work(&self, job: &Job, _: &Context) -> WorkResult {
        let began = now();
        let sent = job.params::<serde_json::Value>()?["sent"].as_f64().unwrap_or(0.0);
        if COUNT.fetch_add(1, Ordering::Relaxed) == 0 {
            *FIRST.lock().unwrap() = began;
        }
        *LAST.lock().unwrap() = began;
        if sent > 0.0 {
            WAITS.lock().unwrap().push((began - sent) * 1_000.0);
        }
        Ok(Output::none())
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The configuration, in the folder that the runner gives.
fn config(queue: &str, slots: usize) -> (PathBuf, String) {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let folder = PathBuf::from(variable("PEER_DIR", "."));
    fs::create_dir_all(folder.join("scripts")).unwrap();
    fs::write(folder.join("scripts/noop.lua"), "return function() end").unwrap();
    let entry = match queue {
        "redis" => format!("redis(url: \"redis://127.0.0.1:{}\")", variable("PEER_REDIS_PORT", "6379")),
        "sqlite" => "sqlite(path: \"peer.db\")".to_owned(),
        other => panic!("`{other}` is no queue that is measured; there are `redis` and `sqlite`"),
    };
    let text = format!(
        "(providers: {{ \"jobs\": {entry} }}, workers: {{ \"noop\": measured(concurrency: {slots}), \"lua\": lua(concurrency: {slots}) }})"
    );
    (folder.join("peer.ron"), text)
}

fn job(ids: &Ids, job_type: &str, sent: f64) -> Job {
    let params = Params::of(&json!({ "sent": sent, "text": "x".repeat(60) })).unwrap();
    Job { name: "noop".to_owned(), params, ..Job::new(ids.next(), job_type) }
}

/// The runtimes of the daemon: one for the manager, one for job code.
fn runtimes() -> (Runtime, Runtime) {
    (Builder::new_current_thread().enable_all().build().unwrap(), Builder::new_multi_thread().enable_all().build().unwrap())
}

async fn client(queue: &str) -> Client {
    let (path, text) = config(queue, 1);
    fs::write(&path, text).unwrap();
    Client::open(&path).await.unwrap()
}

fn enqueue(queue: &str, job_type: &str, jobs: usize) {
    let (control, _work) = runtimes();
    control.block_on(async {
        let client = client(queue).await;
        let all: Vec<Job> = (0..jobs).map(|_| job(&Ids::system(), job_type, 0.0)).collect();
        let began = Instant::now();
        client.enqueue_all(all).await.unwrap();
        println!("RESULT {{\"n\":{jobs},\"secs\":{:.6}}}", began.elapsed().as_secs_f64());
    });
}

fn feed(queue: &str, job_type: &str, rate: f64, seconds: f64) {
    let (control, _work) = runtimes();
    control.block_on(async {
        let (client, ids) = (client(queue).await, Ids::system());
        let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        let jobs = (rate * seconds) as usize;
        for _ in 0..jobs {
            tick.tick().await;
            client.enqueue(job(&ids, job_type, now())).await.unwrap();
        }
        println!("RESULT {{\"n\":{jobs},\"secs\":{seconds}}}");
    });
}

/// Runs jobs until there were as many as are wanted.
fn work(queue: &str, job_type: &str, slots: usize, jobs: u64, until_idle: bool) {
    let (control, work) = runtimes();
    let (path, text) = config(queue, slots);
    let config = Config::parse(&text, &path, &Registry::linked()).unwrap_or_else(|report| panic!("{}", report.render(false))).config;
    let options = Options { until_idle, ..Options::new(work.handle().clone()) };
    let (began, ended) = control.block_on(async {
        let manager = Manager::start(config, options).await.unwrap();
        println!("READY");
        let (stop, began) = (Stop::new(), now());
        let watch = {
            let stop = stop.clone();
            work.spawn(async move {
                while COUNT.load(Ordering::Relaxed) < jobs {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                stop.request();
            })
        };
        manager.run(&stop).await;
        watch.abort();
        (began, now())
    });
    work.shutdown_background();
    // Scripts cannot tell when they ran: of them the whole run counts.
    let is_native = job_type == "noop";
    let ran = if is_native { COUNT.load(Ordering::Relaxed) } else { jobs };
    let (first, last) = if is_native { (*FIRST.lock().unwrap(), *LAST.lock().unwrap()) } else { (began, ended) };
    let mut waits = WAITS.lock().unwrap().clone();
    waits.sort_by(f64::total_cmp);
    let quantile = |share: f64| waits.get(((share * waits.len() as f64) as usize).min(waits.len().saturating_sub(1)));
    let told: Vec<String> = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)]
        .iter()
        .filter_map(|(name, share)| Some(format!(",\"{name}\":{:.4}", quantile(*share)?)))
        .collect();
    println!("RESULT {{\"n\":{ran},\"first\":{first:.6},\"last\":{last:.6}{}}}", told.concat());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [queue, job_type, mode, x, rest @ ..] = arguments.as_slice() else {
        panic!("peer QUEUE WORKER enqueue N | work SLOTS N | lat SLOTS N | feed RATE SECS");
    };
    let y = rest.first().map(String::as_str).unwrap_or_default();
    match mode.as_str() {
        "enqueue" => enqueue(queue, job_type, x.parse().unwrap()),
        "work" => work(queue, job_type, x.parse().unwrap(), y.parse().unwrap(), true),
        "lat" => work(queue, job_type, x.parse().unwrap(), y.parse().unwrap(), false),
        "feed" => feed(queue, job_type, x.parse().unwrap(), y.parse().unwrap()),
        other => panic!("`{other}` is no mode"),
    }
}
