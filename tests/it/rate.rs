//! No more jobs start than a rate allows, whoever counts them.

use std::time::Duration;

use goworker::testing::{EPOCH, Pipeline, Trace};
use goworker_tests::daemon::{Daemon, Sandbox, wait_until};
use goworker_tests::http::curl;
use goworker_tests::redis_server::RedisServer;

use crate::BINARY;
use crate::command_line::text;

/// When jobs have started, in ms, in order.
fn starts(sandbox: &Sandbox) -> Vec<i64> {
    let ledger = sandbox.read("ledger.txt");
    let starts = ledger.lines().filter_map(|line| line.strip_prefix("start ")).filter_map(|line| line.rsplit(' ').next()?.parse().ok());
    let mut starts: Vec<i64> = starts.collect();
    starts.sort_unstable();
    starts
}

/// The shortest time in which so many jobs have started.
fn shortest(starts: &[i64], jobs: usize) -> i64 {
    starts.windows(jobs).map(|stretch| stretch[jobs - 1] - stretch[0]).min().unwrap_or(i64::MAX)
}

fn config(provider: &str) -> String {
    config_with(provider, 1, 100)
}

fn config_with(provider: &str, millis: u64, slots: usize) -> String {
    format!(r#"(providers: {{ {provider} }}, workers: {{ "ledger": ledger(path: "ledger.txt", millis: {millis}, concurrency: {slots}) }})"#)
}

fn jobs(count: usize) -> String {
    (0..count).map(|number| format!("{{\"id\":\"j{number}\",\"type\":\"ledger\"}}\n")).collect()
}

#[test]
fn two_processes_on_one_redis_start_no_more_than_the_rate_allows_together() {
    const JOBS: usize = 220;
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config_with(&format!(r#""jobs": redis(url: "{}", rate: per(50, "1s"))"#, server.url()), 300, 30));
    sandbox.write("ledger.txt", "");
    let both = [sandbox.start(["run", "jobs.ron"]), sandbox.start(["run", "jobs.ron"])];
    // Neither could run all by itself, and both wait.
    let waiting = || server.cli(&["CLIENT", "LIST"]).lines().filter(|line| line.contains("cmd=blpop")).count();
    wait_until("both wait for jobs", Duration::from_secs(20), || waiting() == 2);
    let enqueued = sandbox.run_with_input(["enqueue", "jobs.ron", "--file", "-"], &jobs(JOBS));
    assert!(enqueued.status.success(), "{}", text(&enqueued.stderr));
    wait_until("all have started", Duration::from_secs(40), || starts(&sandbox).len() == JOBS);
    let starts = starts(&sandbox);
    // A job starts a moment after the server has handed it out, which is what is counted.
    assert!(shortest(&starts, 51) > 850, "51 jobs have started in {} ms", shortest(&starts, 51));
    let whole = starts[JOBS - 1] - starts[0];
    assert!((3_900..8_000).contains(&whole), "{JOBS} jobs at 50 a second took {whole} ms");
    let pids: std::collections::BTreeSet<String> =
        sandbox.read("ledger.txt").lines().filter_map(|line| line.split(' ').nth(2).map(str::to_owned)).collect();
    assert_eq!(pids.len(), 2, "both processes have run jobs");
    drop(both);
}

#[test]
fn a_run_until_idle_waits_for_what_the_rate_holds_back() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(r#""jobs": sqlite(path: "jobs.db", rate: per(2, "500ms"))"#));
    sandbox.run_with_input(["enqueue", "jobs.ron", "--file", "-"], &jobs(5));
    let run = sandbox.run(["run", "jobs.ron", "--until-idle"]);
    assert!(text(&run.stdout).starts_with("5 done"), "{}", text(&run.stdout));
    assert!(shortest(&starts(&sandbox), 3) > 400, "{:?}", starts(&sandbox));
}

#[test]
fn a_rate_spreads_jobs_over_time() {
    let mut pipeline = Pipeline::new(
        r#"(providers: { "jobs": memory(rate: per(2, "10s")) }, workers: { "scripted": scripted() }, retry: (retries: 1, backoff: fixed("1s")))"#,
    );
    let ids: Vec<_> = (0..5).map(|number| pipeline.feed(&format!(r#"{{"id":"j{number}","type":"scripted","name":"ok"}}"#))).collect();
    pipeline.run_until_idle();
    let ended: Vec<u64> = ids.iter().map(|id| pipeline.job(id).ended_at.unwrap().since(EPOCH).as_secs()).collect();
    assert_eq!(ended, [0, 0, 10, 10, 20]);
}

/// When five jobs have started that a source brings, which may be in files, or in lines of a text.
fn run_source(providers: &str) -> Vec<i64> {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(providers));
    sandbox.write("lines.txt", "j0\nj1\nj2\nj3\nj4\n");
    for number in 0..5 {
        sandbox.write(&format!("inbox/{number}.json"), r#"{"type":"ledger"}"#);
    }
    let run = sandbox.run(["run", "jobs.ron", "--until-idle"]);
    assert!(text(&run.stdout).starts_with("5 done"), "{}{}", text(&run.stdout), text(&run.stderr));
    starts(&sandbox)
}

#[test]
fn jobs_of_a_source_without_a_store_are_asked_for_as_the_rate_allows() {
    for source in [r#"folder(path: "inbox", rate: per(2, "700ms"))"#, r#"lines(path: "lines.txt", rate: per(2, "700ms"))"#] {
        let starts = run_source(&format!(r#""source": {source}"#));
        assert!(shortest(&starts, 3) > 600, "{source}: {starts:?}");
    }
}

#[test]
fn a_source_puts_jobs_into_its_queue_as_the_rate_allows() {
    for source in ["folder(path: \"inbox\"", "lines(path: \"lines.txt\""] {
        let starts = run_source(&format!(r#""source": {source}, rate: per(2, "700ms"), into: "jobs"), "jobs": memory()"#));
        assert!(shortest(&starts, 3) > 500, "{source}: {starts:?}");
    }
}

#[test]
fn jobs_of_a_redis_list_start_as_the_rate_allows() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(&format!(r#""jobs": redis(url: "{}", list: "job_list", rate: per(2, "700ms"))"#, server.url())));
    (0..5).for_each(|_| _ = server.cli(&["LPUSH", "job_list", r#"{"name":"x","type":"ledger"}"#]));
    let run = sandbox.run(["run", "jobs.ron", "--until-idle"]);
    assert!(text(&run.stdout).starts_with("5 done"), "{}{}", text(&run.stdout), text(&run.stderr));
    assert!(shortest(&starts(&sandbox), 3) > 500, "{:?}", starts(&sandbox));
}

/// A daemon that takes jobs over HTTP, and where.
fn over_http(sandbox: &Sandbox, settings: &str) -> (Daemon, String) {
    sandbox.write("jobs.ron", &config(&format!(r#""jobs": memory(), "api": http(listen: "127.0.0.1:0", {settings})"#)));
    let daemon = sandbox.start(["--log", "json", "jobs.ron"]);
    let url = format!("http://{}/jobs", daemon.address("api"));
    (daemon, url)
}

#[test]
fn requests_without_a_store_are_held_until_the_rate_has_let_their_jobs_start() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = over_http(&sandbox, r#"rate: per(2, "700ms")"#);
    let five = format!("[{}]", [r#"{"type":"ledger"}"#; 5].join(","));
    assert_eq!(curl([&url, "--data", &five]).status, 200);
    assert!(shortest(&starts(&sandbox), 3) > 600, "{:?}", starts(&sandbox));
}

#[test]
fn requests_beyond_the_rate_at_which_a_queue_takes_them_in_are_refused() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = over_http(&sandbox, r#"into: "jobs", rate: per(2, "1h")"#);
    let send = |jobs: usize| curl([&url, "--data", &format!("[{}]", vec![r#"{"type":"ledger"}"#; jobs].join(","))]);
    assert_eq!(send(1).status, 202);
    let refused = send(2);
    assert_eq!(refused.status, 429, "{refused:?}");
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&after), "{refused:?}");
    assert_eq!([send(1).status, send(1).status], [202, 429], "what was refused is not counted");
}

/// A schedule under virtual time whose jobs fail once.
fn timeline(queue: &str, into: &str) -> Trace {
    let mut pipeline = Pipeline::new(&format!(
        r#"(providers: {{ {queue}"often": cron(schedule: "@every 1m", {into}rate: per(1, "10m"), misfire: all(max: 100),
            job: (type: "scripted", name: "ok")) }}, workers: {{ "scripted": scripted() }}, retry: (retries: 1, backoff: fixed("1s")))"#
    ));
    pipeline.fault("fail scripted once");
    pipeline.run_for(Duration::from_secs(3_000))
}

#[test]
fn a_schedule_brings_jobs_as_the_rate_allows_also_those_that_are_tried_again() {
    insta::assert_snapshot!("directly", timeline("", ""));
    insta::assert_snapshot!("into_a_queue", timeline(r#""jobs": memory(), "#, r#"into: "jobs", "#));
}
