use super::*;
use crate::testing::{Capabilities, Time, conformance, random_walk};

#[tokio::test]
async fn sqlite_keeps_the_contract_of_a_queue() {
    let capabilities = Capabilities { durable: true, time: Time::Setup };
    conformance(capabilities, |setup| Sqlite::from(SqliteConfig { path: setup.base.join("jobs.db") })).await;
}

#[tokio::test(start_paused = true)]
async fn sqlite_agrees_with_the_model_on_random_walks() {
    for seed in 0..4 {
        random_walk(seed, 300, |setup| Sqlite::from(SqliteConfig { path: setup.base.join("jobs.db") })).await;
    }
}
