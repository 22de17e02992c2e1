//! Three processes with one schedule, each killed again and again: every time that is due brings one job.
//!
//!     GOWORKER_TICKS=10000 ./tests/run cron::fleet -- --nocapture
//!
//! The number of times is 400 if absent; `GOWORKER_SEED` gives the same kills again, as far as time allows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use goworker::Timestamp;
use goworker_tests::daemon::{Daemon, Sandbox, wait_until};
use goworker_tests::redis_server::RedisServer;
use serde_json::Value;

use crate::BINARY;

/// The milliseconds from one time to the next.
const STEP: i64 = 10;

const PROCESSES: usize = 3;

/// What is done is forgotten at once: only the cursor knows then that it was there.
const FORGETFUL: &str = "keep: (done: (count: 0))";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

fn ticks() -> u64 {
    number("GOWORKER_TICKS").unwrap_or(400)
}

/// Those that follow the schedule, and one that runs its jobs and is not killed: what runs twice was there twice.
fn sandbox(queue: &str, misfire: &str) -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    let ticking = format!(
        r#"(providers: {{ "jobs": {queue}, "often": cron(schedule: "@every {STEP}ms", misfire: {misfire}, into: "jobs", job: (type: "ledger")) }}, workers: {{}})"#
    );
    sandbox.write("ticking.ron", &ticking);
    sandbox.write(
        "jobs.ron",
        &format!(r#"(providers: {{ "jobs": {queue} }}, workers: {{ "ledger": ledger(path: "ledger.txt", millis: 0) }})"#),
    );
    sandbox
}

fn start(sandbox: &Sandbox) -> Daemon {
    sandbox.start(["run", "ticking.ron", "--log-level", "warn"])
}

/// How often each time has brought a job that was run, in milliseconds since 1970.
fn runs(sandbox: &Sandbox) -> BTreeMap<i64, usize> {
    let mut runs = BTreeMap::new();
    for line in sandbox.read("ledger.txt").lines() {
        if let Some(id) = line.strip_prefix("start ").and_then(|rest| rest.split(' ').next()) {
            let tick: Timestamp = id.strip_prefix("cron:often:").expect("the id of a time").parse().unwrap();
            *runs.entry(tick.as_millis()).or_default() += 1;
        }
    }
    runs
}

fn waiting(sandbox: &Sandbox) -> u64 {
    let output = sandbox.run(["queue", "stats", "jobs.ron", "--format", "json"]);
    let stats: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = stats["queues"][0]["counts"].as_array().unwrap().iter();
    counts.filter(|count| matches!(count["state"].as_str(), Some("ready" | "running"))).map(|count| count["jobs"].as_u64().unwrap()).sum()
}

/// Follows the schedule until so many times have come, with kills; answers how often each has brought a job, and the number of kills.
fn followed(sandbox: &Sandbox, random: &mut Rng) -> (BTreeMap<i64, usize>, usize) {
    let mut runner = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    let mut processes: Vec<Daemon> = (0..PROCESSES).map(|_| start(sandbox)).collect();
    let mut kills = 0;
    let patience = Instant::now() + Duration::from_secs(120) + Duration::from_millis(ticks() * STEP as u64 * 5);
    loop {
        std::thread::sleep(Duration::from_millis(random.u64(50..600)));
        let ran = runs(sandbox);
        let passed = ran.keys().next_back().zip(ran.keys().next()).map_or(0, |(last, first)| (last - first) / STEP);
        if passed as u64 >= ticks() {
            break;
        }
        assert!(Instant::now() < patience, "only {passed} times have come: {}", processes[0].talk());
        // Now and then all of them are gone for a while.
        let one = random.usize(0..PROCESSES);
        let killed = if random.u8(0..4) == 0 { 0..PROCESSES } else { one..one + 1 };
        for process in &mut processes[killed.clone()] {
            assert!(process.is_running(), "it ended by itself: {}", process.talk());
            process.kill();
            kills += 1;
        }
        std::thread::sleep(Duration::from_millis(random.u64(0..200)));
        processes[killed].iter_mut().for_each(|process| *process = start(sandbox));
    }
    for process in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(Duration::from_secs(30)).0, Some(0), "{}", process.talk());
    }
    wait_until("all jobs have run", Duration::from_secs(60), || waiting(sandbox) == 0);
    runner.signal("TERM");
    runner.wait(Duration::from_secs(30));
    (runs(sandbox), kills)
}

/// No time twice, and none missing.
fn check(queue: &str) {
    let sandbox = sandbox(queue, "all(max: 65535)");
    let seed = number("GOWORKER_SEED").unwrap_or_else(|| Rng::new().u64(..));
    println!("seed {seed}");
    let (runs, kills) = followed(&sandbox, &mut Rng::with_seed(seed));
    let (first, last) = (*runs.keys().next().unwrap(), *runs.keys().next_back().unwrap());
    let missing = (first..=last).step_by(STEP as usize).filter(|tick| !runs.contains_key(tick)).count();
    let twice = runs.values().filter(|runs| **runs > 1).count();
    println!("{} times, {kills} kills: {missing} missing, {twice} twice", runs.len());
    assert_eq!((missing, twice), (0, 0));
    assert!(runs.keys().all(|tick| tick % STEP == 0));
}

#[test]
fn of_three_processes_that_are_killed_each_time_brings_one_job_in_sqlite() {
    check(&format!(r#"sqlite(path: "jobs.db", {FORGETFUL})"#));
}

#[test]
fn of_three_processes_that_are_killed_each_time_brings_one_job_on_redis() {
    let server = RedisServer::start();
    check(&format!(r#"redis(url: "{}", {FORGETFUL})"#, server.url()));
}

#[test]
fn times_that_were_missed_bring_one_job_in_all() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "jobs.ron",
        r#"(providers: { "jobs": sqlite(path: "jobs.db"), "often": cron(schedule: "@every 1s", into: "jobs", job: (type: "ledger")) },
            workers: { "ledger": ledger(path: "ledger.txt", millis: 0) })"#,
    );
    let mut before = sandbox.start(["run", "jobs.ron"]);
    wait_until("one job has run", Duration::from_secs(30), || !runs(&sandbox).is_empty());
    before.kill();
    let known = runs(&sandbox);
    std::thread::sleep(Duration::from_secs(4));
    let mut after = sandbox.start(["run", "jobs.ron"]);
    wait_until("jobs run again", Duration::from_secs(30), || runs(&sandbox).len() > known.len());
    after.kill();
    let (last, next) = (*known.keys().next_back().unwrap(), *runs(&sandbox).keys().nth(known.len()).unwrap());
    assert!(next - last >= 3_000, "what was missed brings one job, for the last time: {} ms later", next - last);
}
