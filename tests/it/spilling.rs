//! Waiting jobs that move from Redis to a queue on disk when memory is short.

use std::collections::BTreeMap;
use std::time::Duration;

use goworker::Client;
use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::http::curl;
use goworker_tests::redis_server::RedisServer;
use serde_json::{Value, json};

use crate::command_line::text;
use crate::{BINARY, BROKEN};

/// A queue that spills above 3 MiB, and the one that it spills into. Little is kept on Redis, so that what is done makes room.
pub(crate) fn config(url: &str, local: &str, millis: u64, slots: usize) -> String {
    format!(
        r#"(
    providers: {{
        "jobs": redis(url: "{url}", keep: (done: (count: 50)), spill: (above: "3MiB", into: "local")),
        "local": sqlite(path: "{local}", keep: (done: (count: 1000000))),
    }},
    workers: {{ "ledger": ledger(path: "ledger.txt", millis: {millis}, concurrency: {slots}) }},
    poison: 1000,
    shutdown: (grace: "5s"),
)"#
    )
}

/// The same for a process that is to die: what it runs takes for ever, and is soon given to others.
pub(crate) fn mortal(config: &str) -> String {
    let (millis, rest) = config.split_once("millis: ").unwrap();
    let (_, rest) = rest.split_once(',').unwrap();
    format!("{millis}millis: 60000,{rest}").replace("redis(url", r#"redis(lease: "1s", url"#)
}

/// Jobs of some size: 3,000 of them need about 6 MB.
pub(crate) fn jobs(first: usize, count: usize) -> Vec<Value> {
    (first..first + count).map(|n| json!({ "id": format!("job-{n:05}"), "type": "ledger", "params": "x".repeat(1_500) })).collect()
}

pub(crate) fn enqueue(sandbox: &Sandbox, jobs: &[Value]) {
    let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
    let output = sandbox.run_with_input(["enqueue", "jobs.ron", "--into", "jobs", "--file", "-"], &lines);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// How often each job was started, and how often it ended.
pub(crate) fn runs(sandbox: &Sandbox) -> BTreeMap<String, (usize, usize)> {
    let mut runs: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for line in sandbox.read("ledger.txt").lines() {
        let (what, rest) = line.split_once(' ').unwrap();
        let count = runs.entry(rest.split(' ').next().unwrap().to_owned()).or_default();
        if what == "start" { count.0 += 1 } else { count.1 += 1 }
    }
    runs
}

/// Every job has run once, and to its end.
pub(crate) fn assert_once(sandbox: &Sandbox, accepted: usize) {
    let runs = runs(sandbox);
    let odd: Vec<_> = runs.iter().filter(|(_, count)| **count != (1, 1)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(runs.len(), accepted);
}

/// How many jobs of a queue are in each state.
pub(crate) fn states(sandbox: &Sandbox, queue: &str) -> BTreeMap<String, u64> {
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
    assert!((1_500..2_900).contains(&moved), "no more than needed: {moved}");
    assert!(told.contains("it is short of room: waiting jobs move to `local`"), "{told}");
    assert!(told.contains(&format!("{moved} jobs have moved to `local` in")), "{told}");
    let summary = text(&output.stdout);
    assert!(summary.contains(&format!("{moved} jobs moved out of `jobs`, which was short of room")), "{summary}{told}");
    assert_eq!(server.cli(&["EXISTS", "{goworker:jobs}:moving"]), "0");
}

#[test]
fn two_machines_spill_to_stores_of_their_own_and_a_move_waits_for_its_own_machine() {
    let server = RedisServer::start();
    let (one, other) = (Sandbox::new(BROKEN), Sandbox::new(BINARY));
    let whole = config(&server.url(), "local.db", 1, 4)
        .replace("3MiB", "1KiB")
        .replace("ledger.txt", &one.path("ledger.txt").display().to_string());
    one.write("jobs.ron", &whole);
    other.write("jobs.ron", &whole);
    enqueue(&one, &jobs(0, 2_500));

    // The first one dies in the middle of a move.
    let sqlite = r#"sqlite(path: "local.db", keep: (done: (count: 1000000)))"#;
    let dies = format!(r###"faulty(fault: "DiesBeforeAccepting", queue: r##"{sqlite}"##)"###);
    one.write("broken.ron", &mortal(&whole).replace(sqlite, &dies));
    one.start(["run", "broken.ron", "--log-level", "error"]).wait(Duration::from_secs(20));
    let moving = server.cli(&["HLEN", "{goworker:jobs}:moving"]);
    assert_eq!(moving, "1");

    // The other one moves and runs the rest, and the open move is not its affair.
    let mut running = other.start(["run", "jobs.ron", "--log-level", "warn"]);
    wait_until("all that it can have is done", Duration::from_secs(60), || {
        let (left, moved) = (states(&one, "jobs"), states(&other, "local"));
        !left.contains_key("running") && left.get("ready") == Some(&1_000) && moved.keys().eq(["done"])
    });
    running.signal("TERM");
    running.wait(Duration::from_secs(10));

    let output = one.run(["run", "jobs.ron", "--until-idle", "--log-level", "warn"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(states(&one, "local")["done"], 1_000);
    let runs = runs(&one);
    assert_eq!(runs.len(), 2_500);
    assert!(runs.values().all(|(_, ended)| *ended == 1));
}

#[test]
fn two_processes_of_one_machine_spill_to_one_store() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(&server.url(), "local.db", 1, 4).replace("3MiB", "1KiB"));
    enqueue(&sandbox, &jobs(0, 4_000));
    let mut processes: Vec<_> = (0..2).map(|_| sandbox.start(["run", "jobs.ron", "--log-level", "warn"])).collect();
    wait_until("all are done", Duration::from_secs(120), || runs(&sandbox).values().filter(|(_, ended)| *ended == 1).count() == 4_000);
    for process in &mut processes {
        process.signal("TERM");
        assert_eq!(process.wait(Duration::from_secs(10)).0, Some(0), "{}", process.talk());
    }
    assert_once(&sandbox, 4_000);
    assert!(states(&sandbox, "local")["done"] >= 3_000);
}

#[tokio::test]
async fn who_waits_for_a_job_that_moves_hears_of_its_end() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(&server.url(), "local.db", 1, 1).replace("3MiB", "1KiB"));
    enqueue(&sandbox, &jobs(0, 3));
    let client = Client::open(sandbox.path("jobs.ron")).await.unwrap();
    let last = "job-00002".parse().unwrap();
    let wait = client.queue("jobs").unwrap().wait(&last, Duration::from_secs(30));
    let daemon = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    assert_eq!(wait.await.unwrap().json(), Some(daemon.pid().to_string().as_str()));
    assert!(states(&sandbox, "local")["done"] >= 1);
}

#[test]
fn a_queue_under_two_names_does_not_spill_into_itself() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    let local = r#"sqlite(path: "local.db", keep: (done: (count: 1000000)))"#;
    let same = format!(r#"redis(url: "{}", queue: "jobs")"#, server.url());
    sandbox.write("jobs.ron", &config(&server.url(), "local.db", 1, 1).replace("3MiB", "1KiB").replace(local, &same));
    enqueue(&sandbox, &jobs(0, 10));
    let mut daemon = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    wait_until("it tells", Duration::from_secs(20), || daemon.talk().contains("`jobs` and `local` are one and the same queue"));
    wait_until("all are done", Duration::from_secs(20), || runs(&sandbox).values().filter(|(_, ended)| *ended == 1).count() == 10);
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(10));
    assert_once(&sandbox, 10);
}

#[test]
fn a_job_whose_id_another_one_has_in_the_target_runs_from_redis() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(&server.url(), "local.db", 1, 1).replace("3MiB", "1KiB"));
    let other = r#"{"id":"job-00005","type":"ledger","name":"other"}"#;
    assert!(sandbox.run_with_input(["enqueue", "jobs.ron", "--into", "local", "--file", "-"], other).status.success());
    enqueue(&sandbox, &jobs(0, 10));
    let output = sandbox.run(["run", "jobs.ron", "--until-idle"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("job `job-00005` stays: `local` has another with its id"), "{}", text(&output.stderr));
    assert_eq!(runs(&sandbox)["job-00005"], (2, 2), "both of them");
    assert_eq!(runs(&sandbox).len(), 10);
}

#[test]
fn check_tells_where_jobs_cannot_move() {
    let sandbox = Sandbox::new(BINARY);
    let config = r#"(
    providers: {
        "a": redis(url: "redis://host", spill: (above: "2GiB", into: "locall")),
        "b": redis(url: "redis://host", spill: (above: "2GiB", into: "b")),
        "c": redis(url: "redis://host", spill: (above: "2GiB", into: "scratch")),
        "d": redis(url: "redis://host", spill: (above: "2GiB", into: "a")),
        "e": redis(url: "redis://host", spill: (above: "2GiB", into: "inbox")),
        "f": redis(url: "redis://host", spill: (above: 2, to: "local")),
        "g": sqlite(path: "g.db", spill: (above: "2GiB", into: "local")),
        "scratch": memory(),
        "local": sqlite(path: "local.db"),
        "inbox": folder(path: "inbox", into: "local"),
    },
    workers: { "work": file(path: "work.jsonl") },
)"#;
    sandbox.write("jobs.ron", config);
    let output = sandbox.run(["check", "jobs.ron"]);
    assert_eq!(output.status.code(), Some(78));
    insta::assert_snapshot!(text(&output.stderr));
}

#[test]
fn a_target_that_is_away_keeps_a_move_waiting_and_loses_nothing() {
    let server = RedisServer::start();
    let mut target = RedisServer::options().append_only().start();
    let sandbox = Sandbox::new(BINARY);
    let local = r#"sqlite(path: "local.db", keep: (done: (count: 1000000)))"#;
    let elsewhere = format!(r#"redis(url: "{}", keep: (done: (count: 1000000)))"#, target.url());
    sandbox.write("jobs.ron", &config(&server.url(), "local.db", 1, 4).replace(local, &elsewhere));
    let mut daemon = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    wait_until("it has made itself known", Duration::from_secs(20), || target.cli(&["HLEN", "{goworker:local}:cursor"]) == "1");
    target.kill();
    sandbox.write("source.ron", &sandbox.read("jobs.ron").replace(&elsewhere, local));
    let lines: String = jobs(0, 3_000).iter().map(|job| format!("{job}\n")).collect();
    assert!(sandbox.run_with_input(["enqueue", "source.ron", "--into", "jobs", "--file", "-"], &lines).status.success());
    wait_until("it tells", Duration::from_secs(30), || daemon.talk().contains("jobs cannot move to `local`, again in"));
    assert_eq!(server.cli(&["HLEN", "{goworker:jobs}:moving"]), "1");
    target.restart();
    wait_until("all are done", Duration::from_secs(60), || runs(&sandbox).values().filter(|(_, ended)| *ended == 1).count() == 3_000);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(Duration::from_secs(15)).0, Some(0), "{}", daemon.talk());
    assert_once(&sandbox, 3_000);
    assert!(states(&sandbox, "local")["done"] >= 1, "the move that was open went on");
}

#[test]
fn an_orderly_end_leaves_no_move_open() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(&server.url(), "local.db", 1, 4).replace("3MiB", "1KiB"));
    enqueue(&sandbox, &jobs(0, 8_000));
    let mut daemon = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    wait_until("jobs move", Duration::from_secs(20), || server.cli(&["EXISTS", "{goworker:jobs}:moved"]) == "1");
    daemon.signal("TERM");
    let (code, took) = daemon.wait(Duration::from_secs(15));
    assert_eq!(code, Some(0), "{}", daemon.talk());
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(server.cli(&["EXISTS", "{goworker:jobs}:moving"]), "0");
    let waiting = |queue| states(&sandbox, queue).get("ready").copied().unwrap_or_default();
    assert!(waiting("jobs") > 0 && waiting("local") > 0, "it ended in the middle");
}

#[test]
fn a_job_that_has_moved_is_looked_at_and_cancelled_over_http() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    let api = r#"providers: { "api": http(listen: "127.0.0.1:0", into: "jobs"),"#;
    sandbox.write("jobs.ron", &config(&server.url(), "local.db", 60_000, 1).replace("providers: {", api));
    enqueue(&sandbox, &jobs(0, 3_000));
    let daemon = sandbox.start(["--log", "json", "jobs.ron"]);
    let url = format!("http://{}/jobs", daemon.address("api"));
    let moved = || {
        let listed = sandbox.run(["jobs", "jobs.ron", "--queue", "local", "--state", "ready", "--limit", "1", "--format", "json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
        listed["jobs"][0]["id"].as_str().map(str::to_owned)
    };
    wait_until("jobs have moved", Duration::from_secs(60), || moved().is_some());
    let at = format!("{url}/{}", moved().unwrap());
    let found = curl([&at]);
    assert_eq!((found.status, &found.json()["state"]), (200, &json!("ready")), "{found:?}");
    let cancelled = curl([&at, "--request", "DELETE"]);
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!(curl([&at]).json()["state"], "cancelled");
    assert_eq!(curl([&format!("{url}/nobody")]).status, 404);
}
