//! `redis` on real servers.

use std::time::Duration;

use goworker::config::{Config, Source};
use goworker::testing::conformance::Suite;
use goworker::{AnyQueue, Registry};
use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::redis_server::RedisServer;

use crate::BINARY;
use crate::command_line::text;

/// The queue of an entry like this, not yet opened.
fn queue(entry: &str) -> AnyQueue {
    let text = format!("(providers: {{ \"jobs\": {entry} }}, workers: {{ \"work\": file(path: \"work.jsonl\") }})");
    let loaded = Config::parse(&text, "jobs.ron".as_ref(), &Registry::linked()).unwrap_or_else(|report| panic!("{report:?}"));
    match loaded.config.providers.into_iter().next().map(|provider| provider.source) {
        Some(Source::Queue(queue)) => queue,
        other => panic!("no queue: {other:?}"),
    }
}

#[test]
fn redis_keeps_the_contract_of_a_queue() {
    let server = RedisServer::start();
    let url = server.url();
    Suite::new(move |_| queue(&format!("redis(url: \"{url}\")"))).run();
}

/// A configuration with a list that is taken over, in a folder of its own.
fn with_list(server: &RedisServer) -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("scripts/greet.lua", "return function(job) return 'Hello, ' .. job.params.who end");
    sandbox.write(
        "c.ron",
        &format!(
            r#"(
                providers: {{ "jobs": redis(url: "{}", list: "job_list") }},
                workers: {{ "lua": lua(), "attic": file(path: "attic.jsonl") }},
                retry: (retries: 1, backoff: fixed("10ms")),
                failure_handlers: ["attic"],
            )"#,
            server.url()
        ),
    );
    sandbox
}

fn jobs(sandbox: &Sandbox) -> serde_json::Value {
    serde_json::from_slice(&sandbox.run(["jobs", "c.ron", "--format", "json"]).stdout).unwrap()
}

#[test]
fn goworker_json_that_anyone_pushes_runs_with_retries_to_a_failure_handler() {
    let server = RedisServer::start();
    let sandbox = with_list(&server);
    let _daemon = sandbox.start(["run", "c.ron"]);
    server.cli(&["LPUSH", "job_list", r#"{"name":"greet","type":"lua","params":{"who":"world"},"retries":3,"capture_output":true}"#]);
    server.cli(&["LPUSH", "job_list", r#"{"id":"fails","name":"greet","type":"lua","params":{}}"#]);
    wait_until("all have ended", Duration::from_secs(20), || {
        let jobs = jobs(&sandbox);
        let states: Vec<_> = jobs["jobs"].as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap().to_owned()).collect();
        states.len() == 3 && states.iter().all(|state| state == "done" || state == "dead")
    });
    let jobs = jobs(&sandbox);
    let of = |id: &str| jobs["jobs"].as_array().unwrap().iter().find(|job| job["id"] == id).unwrap().clone();
    assert_eq!((of("fails")["state"].as_str(), of("fails")["attempt"].as_u64()), (Some("dead"), Some(2)));
    assert_eq!(of("fails:attic")["state"], "done");
    assert!(jobs["jobs"].as_array().unwrap().iter().any(|job| job["output"] == "Hello, world"), "{jobs}");
    assert_eq!(server.cli(&["LLEN", "job_list"]), "0");
}

#[test]
fn what_is_pushed_and_is_no_job_is_a_dead_letter_with_every_byte() {
    let server = RedisServer::start();
    let sandbox = with_list(&server);
    for pushed in [
        "no JSON",
        r#"{"type":"lua","retries":-1}"#,
        r#"{"id":"a","type":"lua","name":"greet","params":{"who":"a"}}"#,
        r#"{"id":"a","type":"lua"}"#,
    ] {
        server.cli(&["LPUSH", "job_list", pushed]);
    }
    sandbox.run(["run", "c.ron", "--until-idle"]);
    let jobs = jobs(&sandbox);
    let mut dead: Vec<(String, String)> = jobs["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| job["state"] == "dead")
        .map(|job| (job["params"].to_string(), job["error"].to_string()))
        .collect();
    dead.sort();
    insta::assert_debug_snapshot!(dead);
    assert!(text(&sandbox.run(["queue", "stats", "c.ron"]).stdout).contains("not-a-job"));
}
