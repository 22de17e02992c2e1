//! What is sent.

use goworker_tests::http_server::{HttpServer, Request, answer};
use serde_json::json;

use super::{output, pipeline, reason, run, with_settings};

fn server() -> HttpServer {
    HttpServer::start(|_| answer("200 OK", &[], ""))
}

/// The request without what differs from run to run.
fn shown(request: &Request, server: &HttpServer) -> String {
    let id = request.header("idempotency-key").to_owned();
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}\n").replace(&id, "ID"));
    let text = format!("{}\n{}\n{}\n", request.line, headers.collect::<String>(), request.body);
    text.replace(&server.address(), "SERVER").replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn params_in_all_shapes_that_goworker_took_are_sent() {
    let server = server();
    let mut pipeline = pipeline(&server, "");
    let jobs = [
        r#"{"url": "URL/plain"}"#,
        r#"{"url": "URL/old?a=1", "method": "get", "url_params": {"n": 9007199254740993, "x": 1.50, "on": true, "text": "a b&c=d/ü", "list": [1, "two"], "none": null}}"#,
        r#"{"url": "URL/old", "UrlParams": {"q": "as GoWorker had it"}, "method": ""}"#,
        r#"{"url": "URL/json", "method": "PUT", "headers": {"X-Number": 12345678901234567890, "X-Text": "ü", "X-On": false, "X-List": ["a", "b"]}, "body": { "n": 9007199254740993,  "f": 1.0 }}"#,
        r#"{"url": "URL/text", "headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": "a=1&b=2"}"#,
        r#"{"url": "URL/list", "headers": null, "url_params": null, "body": [1, null]}"#,
        r#"{"url": "URL/nothing", "method": "DELETE", "body": null}"#,
        r#"{"url": "URL/get", "method": "GET", "body": {"even": "so"}}"#,
    ];
    for params in jobs {
        let job = format!(r#"{{"type": "http", "params": {}}}"#, params.replace("URL", &server.url("")));
        let id = pipeline.feed(&job);
        pipeline.run();
        output(&pipeline.job(&id));
    }
    let seen: Vec<String> = server.requests().iter().map(|request| shown(request, &server)).collect();
    insta::assert_snapshot!(seen.join("---\n"));
}

#[test]
fn each_attempt_has_the_same_key_and_its_own_number() {
    let server = HttpServer::start(|request| match request.header("job-attempt") {
        "1" => answer("503 Service Unavailable", &[], "busy"),
        _ => answer("200 OK", &[], ""),
    });
    let mut pipeline = pipeline(&server, "");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let params = json!({ "url": server.url("/") });
    pipeline.feed(&json!({ "id": "order-17", "type": "http", "traceparent": trace, "params": params }).to_string());
    insta::assert_snapshot!(pipeline.run().to_string().replace(&server.address(), "SERVER"));
    let seen: Vec<(String, String, String)> = server
        .requests()
        .iter()
        .map(|request| ["idempotency-key", "job-attempt", "traceparent"].map(|name| request.header(name).to_owned()).into())
        .collect();
    let expected = |attempt: &str| ("order-17".to_owned(), attempt.to_owned(), trace.to_owned());
    assert_eq!(seen, [expected("1"), expected("2")]);
}

#[test]
fn a_job_sets_headers_over_those_of_the_configuration() {
    let server = server();
    let mut pipeline = pipeline(&server, r#"headers: {"Authorization": "Bearer one", "X-Team": "a", "Idempotency-Key": "always"}"#);
    run(&mut pipeline, json!({ "url": server.url("/"), "headers": { "authorization": "Bearer two", "X-TEAM": null } }));
    let seen = server.requests().remove(0);
    let told = ["authorization", "x-team", "idempotency-key"].map(|name| seen.header(name).to_owned());
    assert_eq!(told, ["Bearer two", "", "always"]);
    assert_eq!(seen.headers.iter().filter(|(name, _)| name == "authorization").count(), 1);
}

#[test]
fn a_job_without_a_url_goes_to_that_of_the_worker() {
    let server = server();
    let mut pipeline = pipeline(&server, &format!(r#"url: "{}""#, server.url("/hook?token=1")));
    pipeline.feed(r#"{"type": "http"}"#);
    run(&mut pipeline, json!({ "body": {"text": "hello"}, "url_params": {"a": 1} }));
    let lines: Vec<String> = server.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(lines, ["GET /hook?token=1", "POST /hook?token=1&a=1"]);
}

#[test]
fn headers_of_a_worker_with_a_url_are_for_that_server_only() {
    let (own, other) = (server(), server());
    let settings = format!(
        r#"url: "{}", headers: {{"X-Api-Key": "hush"}}, allow_private: ["{}", "{}"]"#,
        own.url("/hook"),
        own.address(),
        other.address()
    );
    let mut pipeline = with_settings(&settings);
    for url in [json!(null), json!(own.url("/else")), json!(other.url("/"))] {
        output(&run(&mut pipeline, json!({ "url": url })));
    }
    assert!(own.requests().iter().all(|request| request.header("x-api-key") == "hush") && own.requests().len() == 2);
    assert_eq!(other.requests()[0].header("x-api-key"), "");
}

#[test]
fn params_that_make_no_request_fail_at_once_and_name_the_place() {
    let server = server();
    let url = server.url("/");
    let tries = [
        json!(null),
        json!([]),
        json!({ "url": "no url at all, token=hush" }),
        json!({ "url": "ftp://hush@example.com/" }),
        json!({ "url": "file:///etc/passwd" }),
        json!({ "url": "http://" }),
        json!({ "url": 7 }),
        json!({ "url": url, "methud": "GET" }),
        json!({ "url": url, "method": "GET /" }),
        json!({ "url": url, "method": "connect" }),
        json!({ "url": url, "headers": "Authorization: hush" }),
        json!({ "url": url, "headers": { "X-A": {} } }),
        json!({ "url": url, "headers": { "X A": "hush" } }),
        json!({ "url": url, "headers": { "X-A": "hush\r\nHost: evil" } }),
        json!({ "url": url, "headers": { "X-A": ["ok", "hush\0"] } }),
        json!({ "url": url, "headers": { "Host": "evil" } }),
        json!({ "url": url, "headers": { "content-LENGTH": "3" } }),
        json!({ "url": url, "headers": { "Transfer-Encoding": "chunked" } }),
        json!({ "url": url, "url_params": { "a": { "b": 1 } } }),
        json!({ "url": url, "expect": "ok" }),
        json!({ "url": url, "expect": [] }),
        json!({ "url": url, "timeout": 5 }),
    ];
    let mut pipeline = pipeline(&server, "");
    let mut reasons = Vec::new();
    for params in tries {
        let record = run(&mut pipeline, params);
        assert_eq!(record.attempts.len(), 1);
        reasons.push(reason(&record).to_owned());
    }
    let reasons = reasons.join("\n");
    assert!(!reasons.contains("hush"), "{reasons}");
    assert_eq!(server.connections(), 0);
    insta::assert_snapshot!(reasons);
}
