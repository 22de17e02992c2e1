//! apalis with its SQLite storage, which looks for jobs at intervals; its own set-up turns `synchronous` off.

use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_sqlite::{Config, SqlitePool, SqliteStorage};
use serde::{Deserialize, Serialize};

#[path = "../driver.rs"]
mod driver;
use driver::Mode;

/// How often it looks for jobs: more often makes latencies shorter and an idle process busier.
const INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Params {
    sent: f64,
    text: String,
}

fn params(sent: f64) -> Params {
    Params { sent, text: driver::text() }
}

async fn noop(params: Params) -> Result<(), BoxDynError> {
    driver::began(params.sent);
    Ok(())
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mode = Mode::parse(&words).expect("enqueue N | work SLOTS N | lat SLOTS N | feed RATE SECS");
    let folder = std::env::var("PEER_DIR").unwrap_or_else(|_| ".".to_owned());
    let pool = SqlitePool::connect(&format!("sqlite://{folder}/apalis.db?mode=rwc")).await.expect("the file can be opened");
    SqliteStorage::setup(&pool).await.expect("the tables can be made");
    let slots = if let Mode::Work { slots, .. } | Mode::Latency { slots, .. } = mode { slots } else { 1 };
    let config = Config::default().queue("jobs").batch_size(slots);
    let mut storage: SqliteStorage<Params> = SqliteStorage::new(&pool).with_config(config);
    let began = Instant::now();
    match mode {
        Mode::Enqueue { jobs } => {
            let all: Vec<Params> = (0..jobs).map(|_| params(0.0)).collect();
            let began = Instant::now();
            for bulk in all.chunks(driver::BULK) {
                storage.push_bulk(bulk.to_vec()).await.expect("jobs are accepted");
            }
            driver::tell_sent(jobs, began);
        }
        Mode::Feed { rate, jobs } => {
            for job in 0..jobs {
                tokio::time::sleep(driver::pause_before(job, rate, began)).await;
                storage.push(params(driver::now())).await.expect("jobs are accepted");
            }
            driver::tell_sent(jobs, began);
        }
        Mode::Work { jobs, .. } | Mode::Latency { jobs, .. } => {
            let worker = WorkerBuilder::new("jobs")
                .backend(storage.poll_with_interval(INTERVAL))
                .concurrency(slots)
                .parallelize(tokio::spawn)
                .build(noop);
            tokio::spawn(worker.run());
            driver::ready();
            tokio::task::spawn_blocking(move || driver::wait_for(jobs)).await.expect("it waits");
            driver::tell_seen("");
        }
        Mode::Both { .. } => panic!("a file needs no `both`"),
    }
    std::process::exit(0);
}
