//! `sqlite` against the contract of queues, and what is special about it: a file that others can have too.

use super::*;
use goworker::testing::{Capabilities, Time, conformance, random_walk};

fn at(setup: &Setup) -> Sqlite {
    Sqlite::from(SqliteConfig { path: setup.base.join("jobs.db") })
}

#[tokio::test]
async fn sqlite_keeps_the_contract_of_a_queue() {
    conformance(Capabilities { durable: true, time: Time::Setup }, at).await;
}

#[tokio::test(start_paused = true)]
async fn sqlite_agrees_with_the_model_on_random_walks() {
    for seed in 0..4 {
        random_walk(seed, 300, at).await;
    }
}
