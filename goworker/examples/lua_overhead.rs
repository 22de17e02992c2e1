//! What a job costs in a Lua worker over one in a native worker: no-op jobs, 64 at a time, without a queue.
//!
//!     cargo run --release --example lua_overhead

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use goworker::config::Config;
use goworker::{
    Context, Ids, Job, Output, Params, ProviderError, Registry, Run, Services, Setup, Token, WorkResult, Worker, WorkerHandle, worker,
};
use tokio_util::sync::CancellationToken;

/// Does nothing.
#[worker]
struct Noop {}

impl Worker for Noop {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(Output::none())
    }
}

const CONFIG: &str = r#"(providers: {"m": memory()}, workers: {"noop": noop(), "lua": lua(scripts: "scripts", threads: 1), "two": lua(scripts: "scripts", threads: 2)})"#;
const SCRIPTS: [(&str, &str); 4] = [
    ("noop", "return function(job) end"),
    ("echo", "return function(job) return job.params end"),
    ("fib", "local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end return fib(27)"),
    ("loop", "local n = 0 for i = 1, 3000000 do n = n + i end return n"),
];
const PARAMS: &str = r#"{"id":123456,"who":"world","tags":["a","b"],"big":9007199254740993,"ok":true}"#;
const AT_ONCE: usize = 64;

#[tokio::main(worker_threads = 1)]
async fn main() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("lua-overhead-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("scripts"))?;
    for (name, source) in SCRIPTS {
        std::fs::write(folder.join("scripts").join(name).with_extension("lua"), source)?;
    }
    let measured = measure(&folder).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(folder: &Path) -> anyhow::Result<()> {
    let loaded =
        Config::parse(CONFIG, &folder.join("bench.ron"), &Registry::linked()).map_err(|report| anyhow::anyhow!(report.render(false)))?;
    println!("{:<24}{:>14}", "", "µs a job");
    for entry in loaded.config.workers {
        let name = entry.name.clone();
        let worker = entry.worker.start(&Setup::new(&name, folder)).await?;
        for script in if name == "noop" { &["noop"][..] } else { &["noop", "echo"] } {
            let best = best(&worker, script, 200_000, AT_ONCE).await;
            println!("{:<24}{best:>14.2}", format!("{name} {script}"));
        }
        if name == "lua" {
            for script in ["fib", "loop"] {
                println!("{:<24}{:>14.0}", format!("{name} {script}"), best(&worker, script, 5, 1).await);
            }
        }
    }
    Ok(())
}

/// The best of five runs, in microseconds a job.
async fn best(worker: &WorkerHandle, script: &str, jobs: usize, at_once: usize) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        let lanes = (0..at_once).map(|_| tokio::spawn(lane(worker.clone(), script.to_owned(), jobs / at_once)));
        for lane in lanes.collect::<Vec<_>>() {
            lane.await.expect("a lane does not panic");
        }
        best = best.min(began.elapsed());
    }
    best.as_secs_f64() * 1e6 / jobs as f64
}

async fn lane(worker: WorkerHandle, script: String, jobs: usize) {
    let refuse = |_, _| Box::pin(async { Err(ProviderError::Unsupported("no queue here".to_owned())) }) as _;
    let services = Arc::new(Services { worker: "lua".to_owned(), ids: Ids::system(), enqueue: Box::new(refuse) });
    let mut job = Job::new("job-1".parse().expect("it is an id"), "lua");
    job.name.clone_from(&script);
    if script == "echo" {
        job.params = Params::from_json(PARAMS.to_owned()).expect("it is JSON");
    }
    for _ in 0..jobs {
        let deadline = Some(tokio::time::Instant::now() + Duration::from_secs(30));
        let run = Run { id: job.id.clone(), attempt: 1, token: Token(1), deadline, cancel: CancellationToken::new() };
        let ctx = Context::new(run, Arc::clone(&services));
        worker.work(&job, &ctx).await.expect("the script does not fail");
    }
}
