//! What a run tells of itself over HTTP, asked by `curl`, and read by a parser that is not ours.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use goworker_tests::daemon::{Daemon, Sandbox, wait_until};
use goworker_tests::http::curl;
use goworker_tests::redis_server::RedisServer;
use goworker_tests::tcp_proxy::{TcpProxy, Weather};
use serde_json::json;

use crate::command_line::text;
use crate::{BINARY, BROKEN};

/// A daemon with this queue, and where it tells of itself.
fn start(sandbox: &Sandbox, queue: &str) -> (Daemon, String) {
    let workers = r#""scripted": scripted(), "blocking": blocking(concurrency: 64)"#;
    let admin = r#"admin: (listen: "127.0.0.1:0")"#;
    sandbox
        .write("app.ron", &format!("(providers: {{ \"jobs\": {queue} }}, workers: {{ {workers} }}, {admin}, shutdown: (grace: \"1s\"))"));
    let daemon = sandbox.start(["--log", "json", "app.ron"]);
    let url = format!("http://{}", daemon.address("admin"));
    (daemon, url)
}

fn enqueue(sandbox: &Sandbox, arguments: &[&str]) {
    let output = sandbox.run([&["enqueue", "app.ron"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// The samples of a page of metrics, as Python's library for Prometheus reads them: `name{labels} value`, a line for each.
fn parsed(metrics: &str) -> Vec<String> {
    const READER: &str = "import sys\n\
        from prometheus_client.parser import text_string_to_metric_families as families\n\
        for family in families(sys.stdin.read()):\n\
        \x20   assert family.documentation and family.type != 'untyped', family\n\
        \x20   for s in family.samples: print(s.name, sorted(s.labels.items()), s.value)\n";
    let mut reader = Command::new("python3")
        .args(["-c", READER])
        .env("PATH", format!("/usr/bin:{}", std::env::var("PATH").unwrap()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "it cannot be read:\n{metrics}");
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn metrics_and_statistics_tell_what_was_done() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = start(&sandbox, r#"sqlite(path: "jobs.db")"#);
    // At the start there is nothing to divide by.
    let early = curl([&format!("{url}/manager/stats")]);
    assert_eq!((early.status, &early.json()["total_job"], &early.json()["average_duration"]), (200, &json!(0), &json!(0)));
    assert!(!early.body.contains("null"), "{}", early.body);
    parsed(&curl([&format!("{url}/metrics")]).body);

    (0..3).for_each(|_| enqueue(&sandbox, &["--type", "scripted", "--name", "ok", "--wait", "30s"]));
    enqueue(&sandbox, &["--type", "scripted", "--name", "fail for good"]);
    let stats = || curl([&format!("{url}/manager/stats")]).json();
    wait_until("all four are counted", Duration::from_secs(20), || stats()["total_job"] == 4);
    let stats = stats();
    let fields = [
        "uptime",
        "job_per_second_cumulative",
        "job_per_second_by_type",
        "job_persecond_by_provider",
        "total_job",
        "total_job_by_type",
        "total_job_by_provider",
        "total_average",
        "total_average_by_type",
        "total_average_by_provider",
        "channel_stats",
        "average_duration_by_type",
        "average_duration_by_provider",
        "average_duration",
        "total_duration_by_type",
        "total_duration_by_provider",
    ];
    assert_eq!(fields.map(|field| stats[field].is_null()), [false; 16], "{stats}");
    assert_eq!((&stats["total_job_by_type"]["scripted"], &stats["total_job_by_provider"]["jobs"]), (&json!(4), &json!(4)));
    assert_eq!(stats["channel_stats"]["worker_blocking"], json!({ "capasity": 64, "queue": 0 }));
    assert_eq!(stats["stats"]["by_provider"]["jobs"]["scripted"]["dead"], 1);
    let metrics = curl([&format!("{url}/metrics")]);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let samples = parsed(&metrics.body);
    for sample in [
        "goworker_attempts_started_total [('provider', 'jobs'), ('type', 'scripted')] 4.0",
        "goworker_settlements_total [('provider', 'jobs'), ('settlement', 'done'), ('type', 'scripted')] 3.0",
        "goworker_settlements_total [('provider', 'jobs'), ('settlement', 'dead'), ('type', 'scripted')] 1.0",
        "goworker_attempt_duration_seconds_count [('type', 'scripted')] 4.0",
        "goworker_attempt_duration_seconds_bucket [('le', '+Inf'), ('type', 'scripted')] 4.0",
        "goworker_slots [('type', 'blocking')] 64.0",
        "goworker_provider_up [('provider', 'jobs')] 1.0",
    ] {
        assert!(samples.iter().any(|known| known == sample), "no `{sample}` in {samples:#?}");
    }
}

#[test]
fn health_is_told_while_job_code_blocks_every_thread() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = start(&sandbox, r#"sqlite(path: "jobs.db")"#);
    (0..32).for_each(|_| enqueue(&sandbox, &["--type", "blocking", "--params", "20000"]));
    let busy = || curl([&format!("{url}/manager/stats")]).json()["channel_stats"]["worker_blocking"]["queue"] == 32;
    wait_until("all threads are blocked", Duration::from_secs(20), busy);
    for path in ["livez", "readyz", "healthz/consuming", "metrics"] {
        let reply = curl([&format!("{url}/{path}"), "--max-time", "5"]);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
}

#[test]
fn a_run_is_not_ready_while_its_queue_is_away_and_ready_when_it_is_back() {
    let redis = RedisServer::start();
    let proxy = TcpProxy::start(redis.port());
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, url) = start(&sandbox, &format!("redis(url: \"{}\")", redis.url_by(proxy.port())));
    let status = |path: &str| curl([&format!("{url}/{path}")]).status;
    wait_until("it is ready", Duration::from_secs(20), || status("readyz") == 200);
    proxy.set(Weather::Refuse);
    proxy.cut();
    wait_until("it is not ready", Duration::from_secs(60), || status("readyz") == 503);
    assert_eq!((status("livez"), status("healthz/consuming")), (200, 200), "a minute has not passed");
    let reasons = curl([&format!("{url}/readyz")]).json();
    assert!(reasons["reasons"][0].as_str().unwrap().starts_with("`jobs` is away for"), "{reasons}");
    proxy.set(Weather::Fair);
    wait_until("it is ready again", Duration::from_secs(60), || status("readyz") == 200);
}

/// It takes as long as nothing may have started, a minute, and the time until the queue is looked at.
#[test]
fn a_run_whose_queue_hands_out_nothing_does_not_consume_until_it_does_so_again() {
    let redis = RedisServer::start();
    let sandbox = Sandbox::new(BROKEN);
    sandbox.write("stalled", "");
    let queue = format!(r##"faulty(fault: "Stalls", queue: r#"redis(url: "{}")"#)"##, redis.url());
    let (daemon, url) = start(&sandbox, &queue);
    enqueue(&sandbox, &["--type", "scripted", "--name", "ok"]);
    let consuming = || curl([&format!("{url}/healthz/consuming")]);
    assert_eq!(consuming().status, 200, "it has just come");
    wait_until("it does not consume", Duration::from_secs(240), || consuming().status == 503);
    let reasons = consuming().json();
    let reason = reasons["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("`jobs` has jobs of type `scripted`, 20 of 20 slots are free, and none has started for "), "{reasons}");
    assert_eq!(["livez", "readyz"].map(|path| curl([&format!("{url}/{path}")]).status), [200; 2], "it is none of what they tell");
    std::fs::remove_file(sandbox.path("stalled")).unwrap();
    wait_until("it consumes", Duration::from_secs(60), || consuming().status == 200 && daemon.talk().contains("done in"));
}

#[test]
fn the_same_rules_hold_for_its_address() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "open.ron",
        r#"(providers: { "jobs": memory }, workers: { "scripted": scripted() }, admin: (listen: "0.0.0.0:9090", tokn: "s3cret"))"#,
    );
    sandbox.write("none.ron", r#"(providers: { "jobs": memory }, workers: { "scripted": scripted() }, admin: ())"#);
    let told = ["open.ron", "none.ron"].map(|file| text(&sandbox.run(["check", file]).stderr)).join("\n");
    insta::assert_snapshot!(told);
    let (daemon, url) = start(&sandbox, r#"sqlite(path: "jobs.db")"#);
    assert_eq!(curl([&format!("{url}/metrics"), "--header", "Host: evil.example"]).status, 421);
    assert_eq!((curl([&format!("{url}/metrics"), "--request", "POST"]).status, curl([&format!("{url}/x")]).status), (405, 404));
    // A port that is taken is told, and a run until idle needs none.
    let taken = sandbox.read("app.ron").replace("127.0.0.1:0", &daemon.address("admin"));
    sandbox.write("taken.ron", &taken);
    let second = sandbox.run(["run", "taken.ron"]);
    assert_eq!(second.status.code(), Some(69));
    assert!(text(&second.stderr).contains("listener `admin` (http) cannot start: cannot listen on 127.0.0.1:"), "{}", text(&second.stderr));
    assert_eq!(sandbox.run(["run", "taken.ron", "--until-idle"]).status.code(), Some(0));
}
