//! effectum, which keeps its jobs in an SQLite file. Only the process that enqueues a job wakes for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use effectum::{Job, JobRunner, Queue, RunningJob, Worker};
use serde::{Deserialize, Serialize};

#[path = "../driver.rs"]
mod driver;
use driver::Mode;

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    sent: f64,
    text: String,
}

fn job(sent: f64) -> Job {
    Job::builder("noop").json_payload(&Params { sent, text: driver::text() }).expect("it is JSON").build()
}

async fn noop(job: RunningJob, _: Arc<()>) -> Result<(), effectum::Error> {
    driver::began(job.json_payload::<Params>()?.sent);
    Ok(())
}

async fn queue() -> Queue {
    let folder = std::env::var("PEER_DIR").unwrap_or_else(|_| ".".to_owned());
    Queue::new(&Path::new(&folder).join("effectum.db")).await.expect("the file can be opened")
}

async fn enqueue(jobs: usize) {
    let queue = queue().await;
    let mut all: Vec<Job> = (0..jobs).map(|_| job(0.0)).collect();
    let began = Instant::now();
    while !all.is_empty() {
        let bulk = all.split_off(all.len().saturating_sub(driver::BULK));
        queue.add_jobs(bulk).await.expect("jobs are accepted");
    }
    driver::tell_sent(jobs, began);
}

async fn work(slots: usize, jobs: usize, feeds: bool) {
    let queue = queue().await;
    let runner = JobRunner::builder("noop", noop).build();
    let slots = slots.try_into().expect("so many slots are possible");
    let _worker = Worker::builder(&queue, Arc::new(())).max_concurrency(slots).jobs([runner]).build().await.expect("it starts");
    driver::ready();
    if feeds {
        tokio::task::spawn_blocking(driver::end_of_input).await.expect("it waits");
        let began = Instant::now();
        for number in 0..jobs {
            tokio::time::sleep(driver::pause_before(number, driver::RATE, began)).await;
            queue.add_job(job(driver::now())).await.expect("jobs are accepted");
        }
    }
    tokio::task::spawn_blocking(move || driver::wait_for(jobs)).await.expect("it waits");
    driver::tell_seen("");
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Mode::parse(&words).expect("enqueue N | work SLOTS N | lat SLOTS N") {
        Mode::Enqueue { jobs } => enqueue(jobs).await,
        Mode::Work { slots, jobs } => work(slots, jobs, false).await,
        Mode::Latency { slots, jobs } => work(slots, jobs, true).await,
        Mode::Feed { .. } | Mode::Both { .. } => panic!("`lat` feeds itself, and a file needs no `both`"),
    }
    // Its threads do not end by themselves.
    std::process::exit(0);
}
