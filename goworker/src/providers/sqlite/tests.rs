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

#[test]
fn processes_that_make_the_file_at_the_same_time_agree_on_it() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..4).map(|_| scope.spawn(|| open::open(&path).map(|_| ()))).collect();
            opened.into_iter().for_each(|opened| opened.join().unwrap().unwrap());
        });
    }
}
