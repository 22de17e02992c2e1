//! goworker as one of several job systems that are measured side by side: the same work, one process after the other.
//!
//! ```text
//! peer QUEUE WORKER enqueue N | work SLOTS N | lat SLOTS N | feed RATE SECS | both SLOTS N
//! ```
//!
//! `peers/driver.rs` tells what these do. QUEUE is `redis` (the port is in `PEER_REDIS_PORT`), `sqlite` (the folder is in
//! `PEER_DIR`) or `memory`, which has `both` and a `lat` that feeds itself. WORKER is
//!
//! ```text
//! noop              a native worker
//! lua               a script that does nothing; in `lat` it writes one line of log, whose time is when it began
//! sleep:LOW-HIGH    a native worker, and jobs of so many milliseconds, the same ones in each run
//! mixed             the same, 1 of 100 jobs taking 200 ms, and the others no time
//! ```
//!
//! `work` tells how many jobs were `waiting` besides, and as `n` how many were done.

#![allow(clippy::unwrap_used, reason = "a benchmark that goes wrong may say so in any way")]

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use goworker::config::Config;
use goworker::manager::{Manager, Options, Stop};
use goworker::{Client, Context, Ids, Job, Output, Params, QueueHandle, Registry, State, WorkResult, Worker, worker};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};

#[path = "peers/driver.rs"]
mod driver;
use driver::Mode;

const USAGE: &str =
    "peer memory|sqlite|redis noop|lua|sleep:LOW-HIGH|mixed enqueue N | work SLOTS N | lat SLOTS N | feed RATE SECS | both SLOTS N";
/// So that jobs take the same times in each run.
const SEED: u64 = 1;

/// Notes when its jobs begin, and lets them take the time that they are to take.
#[worker]
#[derive(Debug)]
pub struct Measured {}

impl Worker for Measured {
    async fn work(&self, job: &Job, _: &Context) -> WorkResult {
        let params = job.params::<serde_json::Value>()?;
        driver::began(params["sent"].as_f64().unwrap_or(0.0));
        if let Some(milliseconds) = params["sleep"].as_u64() {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            driver::ended();
        }
        Ok(Output::none())
    }
}

/// Hears when scripts begin: each logs when its job was sent.
struct Listener;

impl<S: tracing::Subscriber> Layer<S> for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: LayerContext<'_, S>) -> bool {
        metadata.target() == "goworker::job"
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        event.record(&mut Sent);
    }
}

struct Sent;

impl Visit for Sent {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // The manager tells of jobs, too.
        if field.name() == "message"
            && let Some(sent) = format!("{value:?}").strip_prefix("sent ")
        {
            driver::began(sent.parse().unwrap());
        }
    }
}

/// What runs the jobs, and how long they take.
#[derive(Debug, Clone, Copy)]
enum Load {
    Noop,
    Lua,
    Sleep { low: u64, high: u64 },
    Mixed,
}

impl Load {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "noop" => Load::Noop,
            "lua" => Load::Lua,
            "mixed" => Load::Mixed,
            _ => {
                let (low, high) = word.strip_prefix("sleep:")?.split_once('-')?;
                let (low, high) = (low.parse().ok()?, high.parse().ok()?);
                if low > high {
                    return None;
                }
                Load::Sleep { low, high }
            }
        })
    }

    /// For how many milliseconds the next job sleeps.
    fn sleep(self, random: &mut fastrand::Rng) -> Option<u64> {
        match self {
            Load::Noop | Load::Lua => None,
            Load::Sleep { low, high } => Some(random.u64(low..=high)),
            Load::Mixed => (random.u8(0..100) == 0).then_some(200),
        }
    }

    /// So many jobs that nobody waits for.
    fn jobs(self, jobs: usize) -> Vec<Job> {
        let (ids, mut random) = (Ids::system(), fastrand::Rng::with_seed(SEED));
        (0..jobs).map(|_| self.job(&ids, 0.0, self.sleep(&mut random))).collect()
    }

    fn job(self, ids: &Ids, sent: f64, sleep: Option<u64>) -> Job {
        let mut params = json!({ "sent": sent, "text": driver::text() });
        if let Some(milliseconds) = sleep {
            params["sleep"] = milliseconds.into();
        }
        let (job_type, name) = match self {
            Load::Lua if sent > 0.0 => ("lua", "timed"),
            Load::Lua => ("lua", "noop"),
            _ => ("noop", "noop"),
        };
        Job { name: name.to_owned(), params: Params::of(&params).unwrap(), ..Job::new(ids.next(), job_type) }
    }
}

/// The configuration, in the folder that the runner gives.
fn config(queue: &str, slots: usize) -> (PathBuf, String) {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let folder = PathBuf::from(variable("PEER_DIR", "."));
    fs::create_dir_all(folder.join("scripts")).unwrap();
    fs::write(folder.join("scripts/noop.lua"), "return function() end").unwrap();
    fs::write(folder.join("scripts/timed.lua"), "return function(job) log.info(\"sent \" .. job.params.sent) end").unwrap();
    let entry = match queue {
        "redis" => format!("redis(url: \"redis://127.0.0.1:{}\")", variable("PEER_REDIS_PORT", "6379")),
        "sqlite" => "sqlite(path: \"peer.db\")".to_owned(),
        "memory" => "memory()".to_owned(),
        other => panic!("`{other}` is no queue that is measured; {USAGE}"),
    };
    let text = format!(
        "(providers: {{ \"jobs\": {entry} }}, workers: {{ \"noop\": measured(concurrency: {slots}), \"lua\": lua(concurrency: {slots}) }})"
    );
    (folder.join("peer.ron"), text)
}

/// The runtimes of the daemon: one for the manager, one for job code.
fn runtimes() -> (Runtime, Runtime) {
    (Builder::new_current_thread().enable_all().build().unwrap(), Builder::new_multi_thread().enable_all().build().unwrap())
}

async fn client(queue: &str) -> Client {
    assert_ne!(queue, "memory", "a queue in memory has one process only; there are `both` and `lat`");
    let (path, text) = config(queue, 1);
    fs::write(&path, text).unwrap();
    Client::open(&path).await.unwrap()
}

async fn enqueue(queue: &str, load: Load, jobs: usize) {
    let client = client(queue).await;
    let all = load.jobs(jobs);
    let began = Instant::now();
    client.enqueue_all(all).await.unwrap();
    driver::tell_sent(jobs, began);
}

async fn feed(queue: &str, load: Load, rate: f64, jobs: usize) {
    let (client, ids, began) = (client(queue).await, Ids::system(), Instant::now());
    for number in 0..jobs {
        tokio::time::sleep(driver::pause_before(number, rate, began)).await;
        client.enqueue(load.job(&ids, driver::now(), None)).await.unwrap();
    }
    driver::tell_sent(jobs, began);
}

async fn feed_itself(queue: QueueHandle, load: Load, jobs: usize) {
    tokio::task::spawn_blocking(driver::end_of_input).await.unwrap();
    let (ids, began) = (Ids::system(), Instant::now());
    for number in 0..jobs {
        tokio::time::sleep(driver::pause_before(number, driver::RATE, began)).await;
        queue.enqueue(&[Arc::new(load.job(&ids, driver::now(), None))], None).await.unwrap();
    }
}

/// How long it took to put jobs into the queue of a manager that does not run yet.
async fn fill(queue: &QueueHandle, load: Load, jobs: usize) -> Duration {
    let all: Vec<_> = load.jobs(jobs).into_iter().map(Arc::new).collect();
    let began = Instant::now();
    for bulk in all.chunks(driver::BULK) {
        queue.enqueue(bulk, None).await.unwrap();
    }
    began.elapsed()
}

/// Runs jobs: those that are there, or in `lat` as many as are wanted.
fn work(queue: &str, load: Load, mode: Mode) {
    let (Mode::Work { slots, jobs } | Mode::Both { slots, jobs } | Mode::Latency { slots, jobs }) = mode else { unreachable!() };
    let (control, work) = runtimes();
    let until_idle = !matches!(mode, Mode::Latency { .. });
    if matches!(load, Load::Lua) && !until_idle {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Listener)).unwrap();
    }
    let (path, text) = config(queue, slots);
    let config = Config::parse(&text, &path, &Registry::linked()).unwrap_or_else(|report| panic!("{}", report.render(false))).config;
    let options = Options { until_idle, ..Options::new(work.handle().clone()) };
    let (mut more, stop) = (String::new(), Stop::new());
    let (began, summary) = control.block_on(async {
        let manager = Manager::start(config, options).await.unwrap();
        let handle = manager.queues()["jobs"].clone();
        if matches!(mode, Mode::Both { .. }) {
            more = format!(",\"secs\":{:.6}", fill(&handle, load, jobs).await.as_secs_f64());
        }
        let ready =
            handle.stats().await.unwrap().counts.iter().filter(|count| count.state == State::Ready).map(|count| count.jobs).sum::<u64>();
        more.push_str(&format!(",\"waiting\":{ready}"));
        driver::ready();
        if !until_idle {
            if queue == "memory" {
                work.spawn(feed_itself(handle, load, jobs));
            }
            let stop = stop.clone();
            // Nobody waits for this thread, so a panic elsewhere ends the process.
            std::thread::spawn(move || {
                driver::wait_for(jobs);
                stop.request();
            });
        }
        (driver::now(), manager.run(&stop).await)
    });
    let ended = driver::now();
    work.shutdown_background();
    let done = summary.stats.total().done as usize;
    let are_seen = !(until_idle && matches!(load, Load::Lua));
    assert!(!are_seen || done == driver::seen(), "{done} jobs were done, and {} were seen to begin", driver::seen());
    // A script that does nothing does not tell when it ran: of such jobs the whole run counts.
    if are_seen {
        driver::tell_seen(&more);
    } else {
        driver::tell_ran(done, began, ended, &more);
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [queue, load, rest @ ..] = words.as_slice() else { panic!("{USAGE}") };
    let load = Load::parse(load).unwrap_or_else(|| panic!("`{load}` is no worker; {USAGE}"));
    match Mode::parse(rest).unwrap_or_else(|| panic!("{USAGE}")) {
        Mode::Enqueue { jobs } => runtimes().0.block_on(enqueue(queue, load, jobs)),
        Mode::Feed { rate, jobs } => runtimes().0.block_on(feed(queue, load, rate, jobs)),
        mode => work(queue, load, mode),
    }
}
