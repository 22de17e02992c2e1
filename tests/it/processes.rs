//! Which processes run jobs of a queue, as a person sees it beside them.

use std::time::Duration;

use goworker::BEAT;
use goworker::testing::Pipeline;
use goworker_tests::daemon::{Daemon, Sandbox, wait_until};
use goworker_tests::redis_server::RedisServer;
use serde_json::{Value, json};

use crate::BINARY;

const PATIENCE: Duration = Duration::from_secs(20);

fn sandbox(entry: &str) -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    let config = |workers: &str| format!(r#"(providers: {{ "jobs": {entry} }}, workers: {{ {workers} }})"#);
    sandbox.write("one.ron", &config(r#""work": scripted(concurrency: 3), "other": scripted(concurrency: 1)"#));
    sandbox.write("two.ron", &config(r#""work": scripted(concurrency: 20)"#));
    sandbox
}

fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let output = sandbox.run(["queue", "stats", "one.ron", "--format", "json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    told["queues"][0]["processes"].as_array().unwrap().clone()
}

/// The processes, each with whether it is gone.
fn who(sandbox: &Sandbox) -> Vec<(u64, bool)> {
    listed(sandbox).iter().map(|process| (process["pid"].as_u64().unwrap(), process["gone"].as_bool().unwrap())).collect()
}

fn pid(daemon: &Daemon) -> u64 {
    daemon.pid().into()
}

/// Two processes are listed, one is killed; `is_noticed` brings about that this is seen. The other one ends as it should.
fn processes_are_listed_from_start_to_end(entry: &str, is_noticed: impl Fn(&Value)) {
    let sandbox = sandbox(entry);
    let mut one = sandbox.start(["run", "one.ron"]);
    wait_until("one is listed", PATIENCE, || who(&sandbox) == [(pid(&one), false)]);
    let mut two = sandbox.start(["run", "two.ron"]);
    wait_until("both are listed", PATIENCE, || who(&sandbox) == [(pid(&one), false), (pid(&two), false)]);
    let both = listed(&sandbox);
    let told: Vec<(&Value, &Value)> = both.iter().map(|process| (&process["version"], &process["slots"])).collect();
    let version = json!(env!("CARGO_PKG_VERSION"));
    assert_eq!(told, [(&version, &json!({ "work": 3, "other": 1 })), (&version, &json!({ "work": 20 }))]);

    one.kill();
    is_noticed(&both[0]);
    wait_until("the one that was killed is gone", PATIENCE, || who(&sandbox) == [(pid(&one), true), (pid(&two), false)]);
    two.signal("TERM");
    assert_eq!(two.wait(PATIENCE).0, Some(0), "{}", two.talk());
    assert_eq!(who(&sandbox), [(pid(&one), true)], "one that has closed is not listed");
}

#[test]
fn processes_on_a_file_are_listed_from_start_to_end() {
    processes_are_listed_from_start_to_end(r#"sqlite(path: "jobs.db")"#, |_| {});
}

#[test]
fn processes_on_a_file_are_gone_when_nobody_is_left_to_notice() {
    let sandbox = sandbox(r#"sqlite(path: "jobs.db")"#);
    let mut only = sandbox.start(["run", "one.ron"]);
    wait_until("it is listed", PATIENCE, || who(&sandbox) == [(pid(&only), false)]);
    only.kill();
    assert_eq!(who(&sandbox), [(pid(&only), true)]);
}

#[test]
fn processes_on_redis_are_listed_from_start_to_end() {
    let server = RedisServer::start();
    processes_are_listed_from_start_to_end(&format!(r#"redis(url: "{}")"#, server.url()), |killed| {
        // As if it had been silent for longer than three beats.
        let owner = ["host", "pid", "nonce"].map(|part| killed[part].to_string().trim_matches('"').to_owned()).join(":");
        let silent = format!("-{}", 3 * BEAT.as_millis() + 1_000);
        assert!(!server.cli(&["ZINCRBY", "{goworker:jobs}:seen", &silent, &owner]).is_empty());
        assert_eq!(server.cli(&["ZCARD", "{goworker:jobs}:seen"]), "2");
    });
    assert_eq!(server.cli(&["HLEN", "{goworker:jobs}:processes"]), "1");
}

#[test]
fn what_is_silent_for_an_hour_is_forgotten_by_the_next_beat() {
    let server = RedisServer::start();
    let sandbox = sandbox(&format!(r#"redis(url: "{}")"#, server.url()));
    server.cli(&["ZADD", "{goworker:jobs}:seen", "1", "host:1:nonce"]);
    server.cli(&["HSET", "{goworker:jobs}:processes", "host:1:nonce", r#"1 {"version":"0.0.1","slots":{}}"#]);
    assert!(who(&sandbox).is_empty());
    let daemon = sandbox.start(["run", "one.ron"]);
    wait_until("the new one is listed", PATIENCE, || who(&sandbox) == [(pid(&daemon), false)]);
    assert_eq!(server.cli(&["HKEYS", "{goworker:jobs}:processes"]).lines().count(), 1);
    assert_eq!(server.cli(&["ZCARD", "{goworker:jobs}:seen"]), "1");
}

#[test]
fn a_process_is_heard_of_as_long_as_it_runs() {
    let mut pipeline = Pipeline::new(r#"(providers: { "jobs": memory() }, workers: { "scripted": scripted(concurrency: 7) })"#);
    pipeline.run_for(Duration::from_secs(1));
    let first = pipeline.block_on(pipeline.queue("jobs").processes()).unwrap();
    assert_eq!(first[0].info.slots, [("scripted".to_owned(), 7)].into());
    pipeline.run_for(20 * BEAT);
    let later = pipeline.block_on(pipeline.queue("jobs").processes()).unwrap();
    assert!(!later[0].gone);
    let heard = (later[0].started_at, later[0].seen_at.since(first[0].seen_at));
    assert_eq!(heard, (first[0].started_at, 20 * BEAT));
}
