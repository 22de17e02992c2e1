//! Jobs that come in over HTTP, sent by `curl` to the binary as it is.

use std::time::Duration;

use goworker_tests::daemon::{Daemon, Sandbox, wait_until};
use goworker_tests::http::{Reply, curl, try_curl};
use goworker_tests::redis_server::RedisServer;
use goworker_tests::tcp_proxy::{TcpProxy, Weather};
use serde_json::{Value, json};

use crate::BINARY;
use crate::command_line::text;

const WORKERS: &str =
    r#"workers: { "scripted": scripted(), "lua": lua(scripts: "."), "cli": cli(allow: ["/bin/echo"]) }, retry: (retries: 0)"#;

/// A daemon with a queue in a file and a provider `api` before it, and where that is.
fn stored(sandbox: &Sandbox, settings: &str) -> (Daemon, String) {
    start(sandbox, &format!(r#""jobs": sqlite(path: "jobs.db"), "api": http(listen: "127.0.0.1:0", into: "jobs", {settings})"#))
}

/// A daemon that stores nothing.
fn direct(sandbox: &Sandbox, settings: &str) -> (Daemon, String) {
    start(sandbox, &format!(r#""api": http(listen: "127.0.0.1:0", {settings})"#))
}

fn start(sandbox: &Sandbox, providers: &str) -> (Daemon, String) {
    sandbox.write("app.ron", &format!("(providers: {{ {providers} }}, {WORKERS}, shutdown: (grace: \"1s\"))"));
    sandbox.write("greet.lua", "return function(job) return { said = 'hello ' .. job.params.who } end");
    let daemon = sandbox.start(["--log", "json", "app.ron"]);
    let url = format!("http://{}/jobs", daemon.address("api"));
    (daemon, url)
}

fn job(name: &str, params: &Value) -> String {
    json!({ "type": "scripted", "name": name, "params": params }).to_string()
}

/// What the commands of the same machine say of all jobs.
fn jobs(sandbox: &Sandbox) -> Vec<Value> {
    let output = sandbox.run(["jobs", "app.ron", "--format", "json"]);
    let jobs: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    jobs["jobs"].as_array().unwrap().clone()
}

#[test]
fn a_held_request_answers_the_output_of_lua_and_of_a_command() {
    let [queued, at_once] = [(); 2].map(|()| Sandbox::new(BINARY));
    // GoWorker's own job, and its answer: the output as the body.
    let lua = r#"{"name":"greet","type":"lua","params":{"who":"world"},"retries":3,"capture_output":true}"#;
    let cli = r#"{"type":"cli","params":{"command":"/bin/echo","params":["hello", "shell"]},"capture_output":true}"#;
    for (_daemon, url) in [stored(&queued, r#"reply: when_done(timeout: "30s")"#), direct(&at_once, "")] {
        let reply = curl([&url, "--data", lua]);
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"said":"hello world"}"#), "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        let reply = curl([&url, "--data", cli]);
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello shell\n"));
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        // Who wants to tell text from numbers says so.
        let reply = curl([&url, "--data", cli, "--header", "Accept: application/json"]);
        assert_eq!((reply.status, reply.body.as_str()), (200, r#""hello shell\n""#));
        let reply = curl([&url, "--data", &job("fail", &Value::Null)]);
        assert_eq!((reply.status, &reply.json()["error"], &reply.json()["state"]), (502, &json!("failed as told"), &json!("dead")));
        let reply = curl([&url, "--data", &format!("[{}, {}]", job("ok", &json!(7)), job("fail", &Value::Null))]);
        assert_eq!(reply.status, 502);
        assert_eq!((&reply.json()["jobs"][0]["output"], &reply.json()["jobs"][1]["error"]), (&json!(7), &json!("failed as told")));
    }
}

#[test]
fn what_was_accepted_survives_a_kill() {
    let sandbox = Sandbox::new(BINARY);
    let (mut daemon, url) = stored(&sandbox, "");
    let reply = curl([&url, "--data", &job("sleep", &json!(60_000))]);
    daemon.kill();
    assert_eq!((reply.status, &reply.json()["answer"]), (202, &json!("created")));
    let place = reply.header("location").unwrap().to_owned();
    let (_daemon, url) = stored(&sandbox, "");
    let found = curl([&format!("{}{place}", url.trim_end_matches("/jobs"))]);
    assert_eq!((found.status, &found.json()["id"]), (200, &reply.json()["id"]));
    assert_eq!(jobs(&sandbox).len(), 1);
}

#[test]
fn a_client_says_how_long_it_waits_and_asks_later() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = stored(&sandbox, r#"reply: when_done(timeout: "30s")"#);
    let sent = |prefer: &str, name: &str, millis: u32| {
        curl([&url, "--header", &format!("Prefer: {prefer}"), "--data", &job(name, &json!(millis))])
    };
    let reply = sent("wait=1", "sleep", 3_000);
    assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("wait=1")));
    let at = format!("{url}/{}", reply.json()["id"].as_str().unwrap());
    assert_eq!(curl([&at]).json()["state"], "running");
    let ended = curl([&at, "--header", "Prefer: wait=30"]);
    assert_eq!((ended.status, &ended.json()["state"]), (200, &json!("done")));
    let reply = sent("respond-async", "sleep", 60_000);
    assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("respond-async")));
    let at = format!("{url}/{}", reply.json()["id"].as_str().unwrap());
    wait_until("it runs", Duration::from_secs(10), || curl([&at]).json()["state"] == "running");
    let cancelled = curl([&at, "--request", "DELETE"]);
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (202, &json!("running")));
    let reply = curl([&url, "--data", r#"{"type":"scripted","name":"ok","delay":"1h"}"#, "--header", "Prefer: respond-async"]);
    let at = format!("{url}/{}", reply.json()["id"].as_str().unwrap());
    assert_eq!(curl([&at, "--request", "DELETE"]).status, 200);
    let again = curl([&at, "--request", "DELETE"]);
    assert_eq!((again.status, again.json()["error"].as_str().unwrap().contains("it is cancelled")), (409, true));
    assert_eq!(curl([&format!("{url}/nobody"), "--request", "DELETE"]).status, 404);
}

#[test]
fn a_request_that_is_sent_again_brings_nothing_twice() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = stored(&sandbox, "");
    let sent = |key: &str, body: &str| {
        let reply = curl([&url, "--header", &format!("Idempotency-Key: {key}"), "--data", body]);
        (reply.status, reply.json())
    };
    let [one, two] = [1, 2].map(|n| job("ok", &json!(n)));
    let first = sent("order-7", &one);
    assert_eq!(first, (202, json!({ "id": "api:order-7", "answer": "created" })));
    assert_eq!(sent("\"order-7\"", &one), (202, json!({ "id": "api:order-7", "answer": "exists" })));
    assert_eq!(sent("order-7", &two).0, 409);
    assert_eq!(sent("order-7", &format!("[{one},{two}]")).0, 409);
    let both = format!("[{one},{two}]");
    assert_eq!((sent("night", &both).0, sent("night", &both).0), (202, 202));
    let others = [one.clone(), format!("[{one}]"), format!("[{one},{two},{one}]"), format!("[{two},{one}]")];
    assert_eq!(others.map(|other| sent("night", &other).0), [409; 4]);
    // A job's own id counts as well.
    let own = |n: u32| format!(r#"{{"type":"scripted","name":"ok","id":"mine","params":{n}}}"#);
    assert_eq!([own(1), own(1), own(2)].map(|job| curl([&url, "--data", &job]).status), [202, 202, 409]);
    assert_eq!(jobs(&sandbox).len(), 4);
}

#[test]
fn a_bad_job_is_named_and_nothing_of_its_request_is_accepted() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = stored(&sandbox, r#"limit: "64KiB""#);
    let good = job("ok", &Value::Null);
    let too_many = format!("[{}]", vec![r#"{"type":"x"}"#; 1_001].join(","));
    let bodies = [
        ("application/json", format!("[{good},\n  {{\"type\":\"scripted\",\"priority\":200}}]")),
        ("application/jsonl", format!("{good}\n\n{{\"name\":\"ok\"}}\n")),
        ("application/jsonl", format!("{good}\n{{\"type\":\"scripted\",\"tags\":[1]}}")),
        ("application/json", format!("{good}\n{good}")),
        ("application/json", format!("[{good},")),
        ("application/json", "[]".to_owned()),
        ("application/json", String::new()),
        ("application/json", too_many),
        ("multipart/form-data; boundary=x", good.clone()),
        ("application/json; charset=utf-8", r#"{"type":"scripted","id":"a b"}"#.to_owned()),
    ];
    let told = bodies.map(|(kind, body)| {
        let reply = curl([&url, "--header", &format!("Content-Type: {kind}"), "--data-binary", &body]);
        format!("{} {}", reply.status, reply.body)
    });
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(jobs(&sandbox), [] as [Value; 0]);
    let lines = format!("{good}\n{good}\n");
    let accepted = curl([&url, "--header", "Content-Type: application/x-ndjson", "--data-binary", &lines]);
    assert_eq!((accepted.status, jobs(&sandbox).len()), (202, 2));
    let odd = curl([&url, "--data", r#"{"type":"scripted","name":"ok","prioirty":5}"#]);
    assert_eq!((odd.status, &odd.json()["unknown_fields"]), (202, &json!(["prioirty"])));
}

#[test]
fn other_machines_need_a_token() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("open.ron", r#"(providers: { "api": http(listen: "0.0.0.0:8081") }, workers: { "lua": lua() })"#);
    sandbox.write("empty.ron", r#"(providers: { "api": http(listen: "127.0.0.1:0", token: "") }, workers: { "lua": lua() })"#);
    sandbox.write("odd.ron", r#"(providers: { "api": http(listen: ":8081", path: "jobs/", reply: accepted) }, workers: { "lua": lua() })"#);
    let checked = |file: &str| {
        let output = sandbox.run(["check", file]);
        format!("{:?}\n{}", output.status.code(), text(&output.stderr))
    };
    insta::assert_snapshot!(format!("{}\n{}", checked("open.ron"), checked("odd.ron")));
    assert_eq!(sandbox.run(["run", "open.ron"]).status.code(), Some(78));
    let empty = sandbox.run(["run", "empty.ron"]);
    assert!(text(&empty.stderr).contains("the `token` is empty, so everybody knows it"), "{}", text(&empty.stderr));

    let (daemon, url) =
        start(&sandbox.variable("API_TOKEN", "s3cret"), r#""api": http(listen: "0.0.0.0:0", token: secret(env("API_TOKEN")))"#);
    let url = url.replace("0.0.0.0", "127.0.0.1");
    let sent = |header: &str| curl([&url, "--data", &job("ok", &json!("seen")), "--header", header]).status;
    assert_eq!(["X: none", "Authorization: Bearer guess", "Authorization: Basic s3cret"].map(sent), [401; 3]);
    assert_eq!(sent("Authorization: Bearer s3cret"), 200);
    // Whoever has no token learns nothing, wherever he asks.
    let elsewhere = ["", "/x", "/../x", "/%2e%2e/x"].map(|rest| curl([&format!("{url}{rest}"), "--path-as-is"]).status);
    assert_eq!(elsewhere, [401; 4]);
    assert!(!daemon.talk().contains("s3cret"));
}

#[test]
fn what_cannot_be_stored_cannot_be_accepted_and_check_tells_where() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "app.ron",
        "(\n    providers: { \"api\": http(listen: \"127.0.0.1:0\", reply: accepted) },\n    workers: { \"lua\": lua() },\n)",
    );
    for command in ["check", "run"] {
        let output = sandbox.run([command, "app.ron"]);
        assert_eq!(output.status.code(), Some(78));
        insta::assert_snapshot!("accepted_without_a_queue", text(&output.stderr));
    }
}

#[test]
fn a_client_that_goes_away_does_not_lose_what_runs() {
    let sandbox = Sandbox::new(BINARY);
    let (daemon, url) = direct(&sandbox, "");
    let said = try_curl([&url, "--max-time", "0.5", "--data", &job("sleep", &json!(2_000))]);
    assert!(said.unwrap_err().contains("timed out"));
    wait_until("the job is done", Duration::from_secs(20), || daemon.talk().contains("done in"));
    // The wait may end before the job does: then it goes on as well, and whoever sends it again waits for the same one.
    let slow = json!({ "type": "scripted", "name": "sleep", "params": 2_000, "id": "slow" }).to_string();
    let sent = |wait: &str, body: &str| curl([&url, "--header", &format!("Prefer: wait={wait}"), "--data", body]);
    assert_eq!(sent("0", &slow).status, 202);
    assert_eq!(curl([&format!("{url}/slow")]).status, 200);
    assert_eq!(sent("30", &slow.replace("2000", "2001")).status, 409);
    assert_eq!(sent("30", &slow).status, 200);
    assert_eq!(curl([&format!("{url}/slow")]).status, 404);
    // What only a store can do is refused.
    assert_eq!(curl([&url, "--data", r#"{"type":"scripted","delay":"1s"}"#]).json()["path"], "delay");
}

#[test]
fn a_held_request_is_answered_when_goworker_stops() {
    let [queued, at_once] = [(); 2].map(|()| Sandbox::new(BINARY));
    let daemons = [(stored(&queued, ""), 202), (direct(&at_once, ""), 503)];
    for ((mut daemon, url), status) in daemons {
        let body = r#"{"type":"scripted","name":"sleep","params":60000,"id":"held"}"#;
        let at = format!("{url}/held");
        let held = std::thread::spawn(move || curl([&url, "--header", "Prefer: wait=60", "--data", body]));
        wait_until("it runs", Duration::from_secs(20), || curl([&at]).body.contains("running"));
        daemon.signal("TERM");
        let reply: Reply = held.join().unwrap();
        assert_eq!(reply.status, status, "{reply:?}");
        let (code, _) = daemon.wait(Duration::from_secs(20));
        assert_eq!(code, Some(0), "{}", daemon.talk());
    }
}

#[test]
fn a_queue_that_is_away_is_told_and_so_is_too_much() {
    let redis = RedisServer::start();
    let proxy = TcpProxy::start(redis.port());
    let sandbox = Sandbox::new(BINARY);
    let queue = redis.url_by(proxy.port());
    let (_daemon, url) =
        start(&sandbox, &format!(r#""jobs": redis(url: "{queue}"), "api": http(listen: "127.0.0.1:0", into: "jobs", max_pending: 1)"#));
    assert_eq!(curl([&url, "--data", &job("ok", &Value::Null)]).status, 202);
    proxy.set(Weather::BlackHole);
    proxy.cut();
    let waiting = {
        let url = url.clone();
        // It may come while the other one is under way.
        let sent = move || curl([&url, "--data", &job("ok", &Value::Null)]);
        std::thread::spawn(move || std::iter::repeat_with(sent).find(|reply| reply.status != 429).unwrap())
    };
    let mut beside = || try_curl([&url, "--max-time", "0.5", "--data", &job("ok", &Value::Null)]).ok();
    let too_much = std::iter::repeat_with(&mut beside).flatten().next().unwrap();
    assert_eq!((too_much.status, too_much.header("retry-after")), (429, Some("1")));
    let away = waiting.join().unwrap();
    assert_eq!((away.status, away.header("retry-after")), (503, Some("5")), "{away:?}");
    // When it is back, so are we.
    proxy.set(Weather::Fair);
    proxy.cut();
    wait_until("it is accepted", Duration::from_secs(60), || curl([&url, "--data", &job("ok", &Value::Null)]).status == 202);
}

#[test]
fn the_rate_of_a_provider_holds_for_what_comes_in() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = stored(&sandbox, r#"rate: per(3, "1h")"#);
    let [one, two, four] = [1, 2, 4].map(|n| format!("[{}]", vec![job("ok", &Value::Null); n].join(",")));
    let sent = |jobs: &String| curl([&url, "--data", jobs]);
    assert_eq!(sent(&four).status, 413);
    assert_eq!([&two, &two, &one, &one].map(|jobs| sent(jobs).status), [202, 429, 202, 429]);
    let seconds: u64 = sent(&one).header("retry-after").unwrap().parse().unwrap();
    assert!((3_000..=3_600).contains(&seconds), "{seconds}");
    assert_eq!(jobs(&sandbox).len(), 3);
}
