//! Waiting jobs that move from Redis to a queue on disk when memory is short.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::redis_server::RedisServer;
use serde_json::{Value, json};

use crate::BINARY;
use crate::command_line::text;

/// A queue that spills above 3 MiB, and the one that it spills into. Little is kept on Redis, so that what is done makes room.
fn config(url: &str, local: &str, millis: u64, slots: usize) -> String {
    format!(
        r#"(
    providers: {{
        "jobs": redis(url: "{url}", keep: (done: (count: 50)), spill: (above: "3MiB", into: "local")),
        "local": sqlite(path: "{local}", keep: (done: (count: 1000000))),
    }},
    workers: {{ "ledger": ledger(path: "ledger.txt", millis: {millis}, concurrency: {slots}) }},
    shutdown: (grace: "5s"),
)"#
    )
}

/// Jobs of some size: 3,000 of them need about 6 MB.
fn jobs(first: usize, count: usize) -> Vec<Value> {
    (first..first + count).map(|n| json!({ "id": format!("job-{n:05}"), "type": "ledger", "params": "x".repeat(1_500) })).collect()
}

fn enqueue(sandbox: &Sandbox, jobs: &[Value]) {
    let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
    let output = sandbox.run_with_input(["enqueue", "jobs.ron", "--into", "jobs", "--file", "-"], &lines);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// How often each job was started, and how often it ended.
fn runs(sandbox: &Sandbox) -> BTreeMap<String, (usize, usize)> {
    let mut runs: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for line in sandbox.read("ledger.txt").lines() {
        let (what, rest) = line.split_once(' ').unwrap();
        let count = runs.entry(rest.split(' ').next().unwrap().to_owned()).or_default();
        if what == "start" { count.0 += 1 } else { count.1 += 1 }
    }
    runs
}

/// Every job has run once, and to its end.
fn assert_once(sandbox: &Sandbox, accepted: usize) {
    let runs = runs(sandbox);
    let odd: Vec<_> = runs.iter().filter(|(_, count)| **count != (1, 1)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(runs.len(), accepted);
}

/// How many jobs of a queue are in each state.
fn states(sandbox: &Sandbox, queue: &str) -> BTreeMap<String, u64> {
    let output = sandbox.run(["queue", "stats", "jobs.ron", "--queue", queue, "--format", "json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stats: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = stats["queues"][0]["counts"].as_array().unwrap().clone();
    counts.iter().map(|count| (count["state"].as_str().unwrap().to_owned(), count["jobs"].as_u64().unwrap())).collect()
}

fn used_memory(server: &RedisServer) -> u64 {
    let info = server.cli(&["INFO", "memory"]);
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap()
}

#[test]
fn jobs_move_to_disk_while_memory_is_short_and_each_runs_once() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(&server.url(), "local.db", 2, 4));
    enqueue(&sandbox, &jobs(0, 3_000));
    assert!(used_memory(&server) > 5 << 20);

    let output = sandbox.run(["run", "jobs.ron", "--until-idle"]);
    let told = text(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_once(&sandbox, 3_000);
    assert!(used_memory(&server) < 3 << 20);
    let moved = states(&sandbox, "local")["done"];
    assert!(moved >= 1_000, "{moved}");
    assert!(told.contains("it is short of room: waiting jobs move to `local`"), "{told}");
    assert!(told.contains(&format!("{moved} jobs have moved to `local` in")), "{told}");
    assert!(told.contains(&format!("{moved} jobs moved out of `jobs`, which was short of room")), "{told}");
    assert_eq!(server.cli(&["EXISTS", "{goworker:jobs}:moving"]), "0");
}
