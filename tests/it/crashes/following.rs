//! Jobs that follow others, with kills at random moments: one at a time, none is lost, and the last one runs.

use std::time::Duration;

use fastrand::Rng;
use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::redis_server::RedisServer;
use serde_json::json;

use super::fleet::{self, Fleet};
use crate::BINARY;

/// How many jobs come in, one after the other.
const JOBS: usize = 60;
/// After so many one is struck.
const STRIKES: usize = 12;

fn run_through_kills(sandbox: &Sandbox, processes: usize, server: Option<&mut RedisServer>) {
    let seed = std::env::var("GOWORKER_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("seed {seed}");
    let mut random = Rng::with_seed(seed);
    let mut fleet = Fleet::start(sandbox, processes, server);
    for n in 0..JOBS {
        let name = ["fail", "fail once", "succeed"][random.usize(0..8).min(2)];
        let job = json!({ "id": format!("job-{n}"), "type": "ledger", "name": name, "unique": { "key": "k", "mode": "keep_last" } });
        while !fleet::try_to_enqueue(sandbox, std::slice::from_ref(&job)) {}
        std::thread::sleep(Duration::from_millis(random.u64(0..80)));
        if n % STRIKES == STRIKES / 2 {
            fleet.strike(&mut random);
        }
    }
    let has_ended = |state: &str| matches!(state, "done" | "dead" | "cancelled");
    wait_until("all have ended", Duration::from_secs(60), || fleet::states(sandbox).keys().all(|state| has_ended(state)));
    let blows = fleet.terminate();

    let records = fleet::records(sandbox);
    for n in 0..JOBS {
        assert!(records.contains_key(&format!("job-{n}")), "job-{n} is lost");
    }
    let last = &records[&format!("job-{}", JOBS - 1)];
    assert!(last["state"] != "cancelled", "nothing came after the last: {last}");
    let runs = fleet::runs(sandbox);
    let mut spans: Vec<(i64, i64, &str)> = Vec::new();
    for (id, run) in runs.iter().filter(|(id, _)| !id.ends_with(":attic")).flat_map(|(id, runs)| runs.iter().map(move |run| (id, run))) {
        let end = run.end.or_else(|| blows.deaths.get(&run.pid).copied()).expect("a run ends, or its process does");
        spans.push((run.start, end, id));
    }
    spans.sort_unstable();
    for pair in spans.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "seed {seed}: {} began at {} while {} ran until {}", pair[1].2, pair[1].0, pair[0].2, pair[0].1);
    }
    let ran = runs.keys().filter(|id| !id.ends_with(":attic")).count();
    println!("{ran} of {JOBS} jobs ran, in {} runs; {} deaths", spans.len(), blows.deaths.len());
    assert!((2..JOBS).contains(&ran), "{ran} of {JOBS} jobs ran");
}

#[test]
fn follow_ups_run_one_after_the_other_whatever_is_killed_in_sqlite() {
    let sandbox = fleet::sandbox(BINARY, &fleet::config(&fleet::sqlite("5s"), 100, 1_000, 4));
    run_through_kills(&sandbox, 2, None);
}

#[test]
fn follow_ups_run_one_after_the_other_whatever_is_killed_on_redis() {
    let mut server = fleet::server();
    let sandbox = fleet::sandbox(BINARY, &fleet::config(&fleet::redis(&server, "5s"), 100, 1_000, 4));
    run_through_kills(&sandbox, 2, Some(&mut server));
}
