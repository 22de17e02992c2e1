//! Redirects: off unless asked for, and each hop is judged.

use goworker_tests::http_server::{HttpServer, answer};
use serde_json::json;

use super::{output, pipeline, reason, run, with_settings};

/// A server that sends on: `/302/next` to `next`, with that status.
fn sends_on() -> HttpServer {
    HttpServer::start(|request| {
        let path = request.line.split(' ').nth(1).unwrap();
        match path.trim_start_matches('/').split_once("/to/") {
            Some((status, next)) => answer(&format!("{status} Elsewhere"), &[&format!("Location: {next}")], "moved"),
            None if path.starts_with("/loop") => answer("302 Found", &["Location: /loop/again"], ""),
            None => answer("200 OK", &[], request.line.clone()),
        }
    })
}

#[test]
fn none_is_followed_unless_told() {
    let server = sends_on();
    let record = run(&mut pipeline(&server, ""), json!({ "url": server.url("/302/to/http://elsewhere.test/secret") }));
    insta::assert_snapshot!(reason(&record).replace(&server.address(), "SERVER"), @"GET http://SERVER answered 302 Found, a redirect to http://elsewhere.test; `redirects` says how many are followed: moved");
    assert_eq!((record.attempts.len(), server.requests().len()), (1, 1));
}

#[test]
fn the_method_and_the_body_follow_as_they_do_in_browsers() {
    let server = sends_on();
    let mut pipeline = pipeline(&server, "redirects: 3");
    for (status, then) in [(301, "GET /end"), (302, "GET /end"), (303, "GET /end"), (307, "POST /end"), (308, "POST /end")] {
        let record = run(&mut pipeline, json!({ "url": server.url(&format!("/{status}/to//end")), "body": { "a": 1 } }));
        assert_eq!(output(&record)["body"], then);
        let last = server.requests().pop().unwrap();
        let is_post = then.starts_with("POST");
        assert_eq!((last.body.as_str(), last.header("content-type")), if is_post { ("{\"a\":1}", "application/json") } else { ("", "") });
    }
    let record = run(&mut pipeline, json!({ "url": server.url("/302/to//end"), "method": "PUT", "body": "x" }));
    assert_eq!(output(&record)["body"], "PUT /end");
}

#[test]
fn another_server_gets_no_headers_of_the_job_or_the_configuration() {
    let (one, other) = (sends_on(), sends_on());
    let settings =
        format!(r#"allow_private: ["{}", "{}"], redirects: 1, headers: {{"X-Api-Key": "hush"}}"#, one.address(), other.address());
    let mut pipeline = with_settings(&settings);
    let headers = json!({ "Authorization": "hush", "Cookie": "hush", "X-Job": "hush" });
    output(&run(&mut pipeline, json!({ "url": one.url("/307/to//end"), "headers": headers })));
    assert_eq!(one.requests()[1].header("x-api-key"), "hush", "the same server gets them again");
    let userinfo = one.url("/307/to/").replace("http://", "http://user:hush@");
    output(&run(
        &mut pipeline,
        json!({ "url": format!("{userinfo}{}", other.url("/end")), "headers": headers, "body": "b", "method": "POST" }),
    ));
    let seen = other.requests().remove(0);
    assert!(!format!("{seen:?}").contains("hush"), "{seen:?}");
    assert_eq!((seen.header("job-attempt"), &*seen.body), ("1", "b"));
}

#[test]
fn a_redirect_leads_nowhere_that_a_job_could_not_go() {
    let server = sends_on();
    let hidden = HttpServer::start(|_| answer("200 OK", &[], "secret"));
    let mut pipeline = pipeline(&server, "redirects: 20");
    let mut reasons = Vec::new();
    for next in [
        &*hidden.url("/"),
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://0x7f.1:1/",
        "http://[",
    ] {
        let record = run(&mut pipeline, json!({ "url": server.url(&format!("/302/to/{next}")) }));
        assert_eq!(record.attempts.len(), 1);
        reasons.push(reason(&record).replace(&server.address(), "SERVER").replace(&hidden.port().to_string(), "PORT"));
    }
    let record = run(&mut pipeline, json!({ "url": server.url("/loop") }));
    reasons.push(reason(&record).replace(&server.address(), "SERVER"));
    insta::assert_snapshot!(reasons.join("\n"));
    assert_eq!(hidden.connections(), 0);
    assert_eq!(server.requests().len(), 6 + 21);
}
