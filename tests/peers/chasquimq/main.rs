//! ChasquiMQ, with its stream of events off. The server needs `XACKDEL`; `redis_compat.c` has it for older ones.

use std::time::Instant;

use bytes::Bytes;
use chasquimq::{Consumer, ConsumerConfig, Producer, ProducerConfig};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

#[path = "../driver.rs"]
mod driver;
use driver::Mode;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Params {
    sent: f64,
    text: String,
}

fn params(sent: f64) -> Params {
    Params { sent, text: driver::text() }
}

fn url() -> String {
    format!("redis://127.0.0.1:{}", std::env::var("PEER_REDIS_PORT").unwrap_or_else(|_| "6379".to_owned()))
}

async fn producer() -> Producer<Params> {
    let config = ProducerConfig { queue_name: "jobs".to_owned(), ..Default::default() };
    Producer::connect(&url(), config).await.expect("the server is there")
}

async fn enqueue(jobs: usize) {
    let producer = producer().await;
    let all: Vec<Params> = (0..jobs).map(|_| params(0.0)).collect();
    let began = Instant::now();
    for bulk in all.chunks(driver::BULK) {
        producer.add_bulk(bulk.to_vec()).await.expect("jobs are accepted");
    }
    driver::tell_sent(jobs, began);
}

async fn feed(rate: f64, jobs: usize) {
    let producer = producer().await;
    let began = Instant::now();
    for job in 0..jobs {
        tokio::time::sleep(driver::pause_before(job, rate, began)).await;
        producer.add(params(driver::now())).await.expect("jobs are accepted");
    }
    driver::tell_sent(jobs, began);
}

async fn work(slots: usize, jobs: usize) {
    let config = ConsumerConfig { queue_name: "jobs".to_owned(), concurrency: slots, events_enabled: false, ..Default::default() };
    let consumer = Consumer::<Params>::new(url(), config);
    let run = tokio::spawn(consumer.run(
        |job| async move {
            driver::began(job.payload.sent);
            Ok(Bytes::new())
        },
        CancellationToken::new(),
    ));
    tokio::spawn(async move { driver::fail(run.await) });
    driver::ready();
    tokio::task::spawn_blocking(move || driver::wait_for(jobs)).await.expect("it waits");
    driver::tell_seen("");
    std::process::exit(0);
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Mode::parse(&words).expect("enqueue N | work SLOTS N | lat SLOTS N | feed RATE SECS") {
        Mode::Enqueue { jobs } => enqueue(jobs).await,
        Mode::Feed { rate, jobs } => feed(rate, jobs).await,
        Mode::Work { slots, jobs } | Mode::Latency { slots, jobs } => work(slots, jobs).await,
        Mode::Both { .. } => panic!("the queue is on a server; there are `enqueue` and `work`"),
    }
}
