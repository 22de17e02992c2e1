//! What becomes of a job that has failed for good: its handlers, and a retry by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use goworker::testing::Pipeline;
use goworker_tests::daemon::Sandbox;
use goworker_tests::http_server::{HttpServer, answer};
use goworker_tests::redis_server::RedisServer;
use serde_json::{Value, json};

use crate::BINARY;
use crate::command_line::text;

#[test]
fn of_two_handlers_each_does_its_part_though_the_other_fails() {
    let mut pipeline = Pipeline::new(
        r#"(
            providers: { "jobs": memory() },
            workers: { "work": scripted(), "pager": scripted(retry: (retries: 1, backoff: fixed("1m"))), "attic": scripted() },
            retry: (retries: 0),
            failure_handlers: [(type: "pager", name: "fail"), (type: "attic", name: "ok")],
        )"#,
    );
    pipeline.feed(r#"{"id": "a", "type": "work", "name": "fail"}"#);
    insta::assert_snapshot!(pipeline.run());
    let states: Vec<String> = pipeline.jobs().iter().map(|record| format!("{} {}", record.job.id, record.state)).collect();
    assert_eq!(states, ["a dead", "a:pager dead", "a:attic done"]);
}

fn with_handlers(handlers: &str, server: &HttpServer, settings: &str) -> Pipeline {
    Pipeline::new(&format!(
        r#"(
            providers: {{ "jobs": memory() }},
            workers: {{ "work": scripted(), "http": http(allow_private: ["{}"], {settings}) }},
            retry: (retries: 1, backoff: fixed("1m")),
            failure_handlers: [{}],
        )"#,
        server.address(),
        handlers.replace("URL", &server.url("")),
    ))
}

#[test]
fn a_handler_posts_the_failed_job_with_no_more_than_a_url() {
    let busy = AtomicBool::new(true);
    let server = HttpServer::start(move |_| match busy.swap(false, Ordering::SeqCst) {
        true => answer("503 Service Unavailable", &[], ""),
        false => answer("204 No Content", &[], ""),
    });
    let mut pipeline = with_handlers(r#"(type: "http", name: "report", params: {"url": "URL/failed"})"#, &server, "");
    let job = r#"{"id": "order-17", "type": "work", "name": "fail for good", "params": {"big": 9007199254740993}}"#;
    pipeline.feed(job);
    insta::assert_snapshot!(pipeline.run().to_string().replace(&server.address(), "SERVER"));
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "it was tried again");
    for request in requests {
        let told = ["content-type", "idempotency-key"].map(|name| request.header(name).to_owned());
        assert_eq!((&*request.line, told), ("POST /failed", ["application/json".to_owned(), "order-17:http".to_owned()]));
        assert!(request.body.contains(r#""params":{"big": 9007199254740993}"#), "{}", request.body);
        let failed: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!((&failed["job"]["id"], &failed["error"]["message"]), (&json!("order-17"), &json!("failed for good as told")));
        assert_eq!(failed["attempts"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_handler_may_say_otherwise_or_nothing_at_all() {
    let server = HttpServer::start(|_| answer("200 OK", &[], ""));
    let handlers = r#"
        "http",
        (type: "http", name: "chat", params: {"url": "URL/chat", "body": {"text": "a job has failed"}}),
        (type: "http", name: "put", params: {"url": "URL/put", "method": "PUT", "headers": {"X-Team": "a"}}),
        (type: "http", name: "ping", params: {"url": "URL/ping", "method": "GET"}),
    "#;
    let mut pipeline = with_handlers(handlers, &server, &format!(r#"url: "{}""#, server.url("/pager")));
    pipeline.feed(r#"{"id": "a", "type": "work", "name": "fail for good"}"#);
    pipeline.run();
    let mut told: Vec<(String, String)> = server.requests().into_iter().map(|request| (request.line, request.body)).collect();
    told.sort();
    for (_, body) in &mut told {
        if serde_json::from_str::<Value>(body).is_ok_and(|failed| failed["job"]["id"] == "a") {
            *body = "the failed job".to_owned();
        }
    }
    let told: Vec<(&str, &str)> = told.iter().map(|(line, body)| (&**line, &**body)).collect();
    let chat = r#"{"text":"a job has failed"}"#;
    assert_eq!(told, [("GET /ping", ""), ("POST /chat", chat), ("POST /pager", "the failed job"), ("PUT /put", "the failed job")]);
}

/// A dead letter is retried by hand, dies again, is retried, and is done.
fn a_dead_letter_is_retried(provider: &str) {
    let works = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&works);
    let server = HttpServer::start(move |request| {
        let fine = request.line == "POST /failed" || mended.load(Ordering::SeqCst);
        if fine { answer("200 OK", &[], "") } else { answer("422 Unprocessable Content", &[], "no amount") }
    });
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "http.ron",
        &format!(
            r#"(
                providers: {{ "jobs": {provider} }},
                workers: {{ "http": http(allow_private: ["{}"]) }},
                failure_handlers: [(type: "http", name: "report", params: {{"url": "{}"}})],
            )"#,
            server.address(),
            server.url("/failed"),
        ),
    );
    let params = json!({ "url": server.url("/pay"), "method": "PUT" }).to_string();
    let enqueued = sandbox.run(["enqueue", "http.ron", "--type", "http", "--id", "letter", "--params", &params]);
    assert!(enqueued.status.success(), "{}", text(&enqueued.stderr));
    let run = || {
        let run = sandbox.run(["http.ron", "--until-idle"]);
        (run.status.code(), text(&run.stdout).split(" in ").next().unwrap().to_owned(), text(&run.stderr))
    };
    let retry = || {
        let retried = sandbox.run(["jobs", "retry", "http.ron", "letter"]);
        assert!(retried.status.success(), "{}", text(&retried.stderr));
    };
    let keys = || -> Vec<String> {
        let told = server.requests().into_iter().filter(|request| request.line == "POST /failed");
        told.map(|request| request.header("idempotency-key").to_owned()).collect()
    };
    for told in [&["letter:http"][..], &["letter:http", "letter:http:1"]] {
        let (code, summary, talk) = run();
        assert_eq!((code, &*summary), (Some(1), "1 done, 1 dead"), "{talk}");
        assert!(talk.contains("answered 422 Unprocessable Entity: no amount"), "{talk}");
        assert_eq!(keys(), told);
        retry();
    }
    works.store(true, Ordering::SeqCst);
    let (code, summary, talk) = run();
    assert_eq!((code, &*summary), (Some(0), "1 done"), "{talk}");
    let shown = sandbox.run(["jobs", "http.ron", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let letter = shown["jobs"].as_array().unwrap().iter().find(|job| job["id"] == "letter").unwrap().clone();
    assert_eq!((&letter["state"], &letter["output"]["status"]), (&json!("done"), &json!(200)), "{letter}");
    assert_eq!(keys().len(), 2);
}

#[test]
fn a_dead_letter_in_a_file_is_retried_by_hand_and_told_again_if_it_dies_again() {
    a_dead_letter_is_retried(r#"sqlite(path: "jobs.db")"#);
}

#[test]
fn a_dead_letter_on_redis_is_retried_by_hand_and_told_again_if_it_dies_again() {
    let server = RedisServer::start();
    a_dead_letter_is_retried(&format!(r#"redis(url: "{}")"#, server.url()));
}
