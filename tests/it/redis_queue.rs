//! `redis` on real servers.

use std::time::Duration;

use goworker::testing::conformance::Suite;
use goworker::{Client, Job};
use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::queues::queue;
use goworker_tests::redis_server::RedisServer;

use crate::BINARY;
use crate::command_line::text;

#[test]
fn redis_keeps_the_contract_of_a_queue() {
    let server = RedisServer::start();
    let url = server.url();
    Suite::new(move |setup| queue(&format!("redis(url: \"{url}\")"), setup)).run();
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

#[tokio::test]
async fn a_url_is_enough_for_a_client_to_find_a_queue() {
    let server = RedisServer::options().password("sesame").start();
    let url = server.url();
    let orders = Client::connect(&format!("{url}0?queue=orders")).await.unwrap();
    let id = orders.enqueue(Job::of("work")).await.unwrap();
    assert!(orders.get(&id).await.unwrap().is_some());
    let jobs = Client::connect(&url).await.unwrap();
    assert!(jobs.get(&id).await.unwrap().is_none(), "without a name it is the queue `jobs`");
    let configured = format!("(providers: {{ \"orders\": redis(url: \"{url}\") }}, workers: {{ \"work\": file(path: \"work.jsonl\") }})");
    let configured = Client::open_text(&configured, "jobs.ron").await.unwrap();
    assert!(configured.get(&id).await.unwrap().is_some(), "a daemon with an entry of that name has the same queue");
}

#[tokio::test]
async fn no_password_is_shown_of_a_url_that_cannot_be_used() {
    let server = RedisServer::options().password("sesame").start();
    for wrong in [
        "redis://:hunter2@127.0.0.1:x/",
        "redis://:hunter2@127.0.0.1/orders",
        "redis://:hunter2@127.0.0.1/0?qeue=orders",
        "redis+sentinel://:hunter2@127.0.0.1",
    ] {
        let error = Client::connect(wrong).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    let error = Client::connect(&server.url().replace("sesame", "hunter2")).await.unwrap_err();
    assert!(error.to_string().contains("refuses the login"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn check_tells_what_cannot_be_and_where() {
    let sandbox = Sandbox::new(BINARY);
    let config = r#"(
    providers: {
        "a": redis(url: "localhost:6379"),
        "b": redis(url: "redis://:hunter2@host/orders"),
        "c": redis(url: "redis://:hunter/2@host"),
        "d": redis(url: "redis+sentinel://one,two"),
        "e": redis(url: "redis://host/0?queue=orders"),
        "f": redis(url: "redis://host", queue: "", namespace: "{own}"),
        "g": redis(url: "redis://host", sentinel: "main"),
    },
    workers: { "work": file(path: "work.jsonl") },
)"#;
    sandbox.write("jobs.ron", config);
    let output = sandbox.run(["check", "jobs.ron"]);
    assert_eq!(output.status.code(), Some(78));
    let told = text(&output.stderr);
    assert!(!told.contains("hunter"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn a_new_config_with_redis_runs_jobs() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    let written = sandbox.run(["new", "config", "redis", "file"]);
    let config = text(&written.stdout);
    let (_, entry) = config.split_once("    providers: {\n").unwrap();
    insta::assert_snapshot!(entry.split_once("    },").unwrap().0);
    sandbox.write("jobs.ron", &config.replace("redis://127.0.0.1:6379", &server.url()));
    for command in [&["check", "jobs.ron"] as &[_], &["enqueue", "jobs.ron", "--type", "file"], &["run", "jobs.ron", "--until-idle"]] {
        let output = sandbox.run(command);
        assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    }
    assert_ne!(server.cli(&["DBSIZE"]), "0");
}

#[test]
fn commands_about_queues_take_a_url_instead_of_a_configuration() {
    let server = RedisServer::options().password("sesame").start();
    let sandbox = Sandbox::new(BINARY);
    let url = format!("{}0?queue=orders", server.url());
    let run = |arguments: &[&str]| {
        let output = sandbox.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        assert!(!text(&output.stderr).contains("warning"), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let id = run(&["enqueue", &url, "--type", "lua"]);
    assert!(run(&["jobs", &url]).starts_with(id.trim()));
    assert!(run(&["jobs", "show", &url, id.trim()]).contains("ready"));
    assert!(run(&["stats", &url]).contains("lua"));
    run(&["queue", "pause", &url]);
    run(&["jobs", "cancel", &url, id.trim()]);
    assert_eq!(server.cli(&["EXISTS", "{goworker:orders}:paused"]), "1");
    run(&["enqueue", "sqlite:jobs.db", "--type", "lua"]);
    assert!(sandbox.path("jobs.db").exists());

    for (wrong, code) in [("amqp://:hunter2@host", 2), ("redis://:hunter2@host:x", 78), ("redis://:hunter2@127.0.0.1:1", 69)] {
        let output = sandbox.run(["enqueue", wrong, "--type", "lua"]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
