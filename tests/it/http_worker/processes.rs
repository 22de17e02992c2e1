//! The binary and its requests: time, signals, proxies, certificates.

use std::io::{self, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::http_server::{self, HttpServer, answer, never_answer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::BINARY;
use crate::command_line::text;

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration whose worker has these settings.
fn sandbox(settings: &str) -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    let config = r#"(
        providers: { "jobs": sqlite(path: "jobs.db") },
        workers: { "http": http(SETTINGS) },
        retry: (retries: 1, backoff: fixed("1ms")),
        shutdown: (grace: "20s"),
    )"#;
    sandbox.write("http.ron", &config.replace("SETTINGS", settings));
    sandbox
}

fn allow(server: &HttpServer) -> String {
    format!(r#"allow_private: ["{}"]"#, server.address())
}

fn enqueue(sandbox: &Sandbox, id: &str, params: Value) {
    let enqueued = sandbox.run(["enqueue", "http.ron", "--type", "http", "--id", id, "--params", &params.to_string()]);
    assert!(enqueued.status.success(), "{}", text(&enqueued.stderr));
}

fn job(sandbox: &Sandbox, id: &str) -> Value {
    let shown = sandbox.run(["jobs", "http.ron", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
    shown["jobs"].as_array().and_then(|jobs| jobs.iter().find(|job| job["id"] == id)).cloned().unwrap_or_default()
}

#[test]
fn a_server_that_is_too_slow_frees_the_slot_in_time() {
    let server = HttpServer::start_raw(|request, stream| {
        if request.line == "GET /hang" {
            return never_answer(stream);
        }
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
        loop {
            stream.write_all(b".")?;
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let sandbox = sandbox(&format!(r#"{}, timeout: "400ms""#, allow(&server)));
    enqueue(&sandbox, "hang", json!({ "url": server.url("/hang") }));
    enqueue(&sandbox, "drip", json!({ "url": server.url("/drip") }));
    enqueue(&sandbox, "short", json!({ "url": server.url("/hang"), "timeout": "100ms" }));
    let run = sandbox.run(["http.ron", "--until-idle"]);
    assert!(text(&run.stdout).starts_with("3 dead"), "{}", text(&run.stderr));
    let short = format!("GET http://{} was not answered within 100ms", server.address());
    for (id, error) in [("hang", "timed out after 400ms"), ("drip", "timed out after 400ms"), ("short", &*short)] {
        let job = job(&sandbox, id);
        assert_eq!((&job["attempt"], &job["error"]), (&json!(2), &json!(error)), "{job}");
    }
    wait_until("all connections are closed", PATIENCE, || server.broken() == 6);
}

#[test]
fn a_cancel_ends_the_request() {
    let server = HttpServer::start_raw(|_, stream| never_answer(stream));
    let sandbox = sandbox(&allow(&server));
    enqueue(&sandbox, "long", json!({ "url": server.url("/") }));
    let mut daemon = sandbox.start(["http.ron"]);
    wait_until("the request is there", PATIENCE, || server.requests().len() == 1);
    assert!(sandbox.run(["jobs", "cancel", "http.ron", "long"]).status.success());
    wait_until("the connection is closed", PATIENCE, || server.broken() == 1);
    wait_until("the job is cancelled", PATIENCE, || job(&sandbox, "long")["state"] == "cancelled");
    assert_eq!(server.requests().len(), 1);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(PATIENCE).0, Some(0), "{}", daemon.talk());
}

#[test]
fn a_request_is_finished_before_a_shutdown_and_repeated_with_its_key_after_a_kill() {
    let server = HttpServer::start_raw(|request, stream| {
        if request.header("x-first") == "yes" && request.line == "POST /slow" {
            std::thread::sleep(Duration::from_millis(500));
        }
        stream.write_all(&answer("200 OK", &[], ""))
    });
    let holding = HttpServer::start_raw(|_, stream| never_answer(stream));
    let sandbox = sandbox(&format!(r#"allow_private: ["{}", "{}"]"#, server.address(), holding.address()));
    enqueue(&sandbox, "slow", json!({ "url": server.url("/slow"), "headers": { "X-First": "yes" }, "body": 1 }));
    let mut daemon = sandbox.start(["http.ron"]);
    wait_until("the request is there", PATIENCE, || server.requests().len() == 1);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(PATIENCE).0, Some(0), "{}", daemon.talk());
    assert_eq!((job(&sandbox, "slow")["state"].clone(), server.requests().len()), (json!("done"), 1));

    enqueue(&sandbox, "killed", json!({ "url": holding.url("/"), "body": 1 }));
    let mut daemon = sandbox.start(["http.ron"]);
    wait_until("the request is there", PATIENCE, || holding.requests().len() == 1);
    daemon.kill();
    let mut daemon = sandbox.start(["http.ron"]);
    wait_until("the request is there again", PATIENCE, || holding.requests().len() == 2);
    daemon.kill();
    let keys: Vec<_> = holding
        .requests()
        .iter()
        .map(|request| (request.header("idempotency-key").to_owned(), request.header("job-attempt").to_owned()))
        .collect();
    assert_eq!(keys, [("killed".to_owned(), "1".to_owned()), ("killed".to_owned(), "1".to_owned())], "a crash is no attempt");
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    let (server, proxy) = (HttpServer::start(|_| answer("200 OK", &[], "")), HttpServer::start(|_| answer("200 OK", &[], "")));
    let mut sandbox = sandbox(&allow(&server));
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        sandbox = sandbox.variable(name, proxy.url("/"));
    }
    enqueue(&sandbox, "direct", json!({ "url": server.url("/") }));
    enqueue(&sandbox, "private", json!({ "url": "http://169.254.169.254/latest/meta-data/" }));
    let run = sandbox.run(["http.ron", "--until-idle"]);
    assert!(text(&run.stdout).starts_with("1 done, 1 dead"), "{}", text(&run.stderr));
    assert_eq!((server.requests().len(), proxy.connections()), (1, 0));
}

#[test]
fn a_proxy_of_the_configuration_gets_everything_but_private_addresses() {
    let proxy = HttpServer::start(|_| answer("200 OK", &[], ""));
    let url = proxy.url("").replace("http://", "http://user:sesame@");
    let sandbox = sandbox(r#"proxy: secret(env("PROXY")), headers: {"Authorization": "Bearer x"}"#).variable("PROXY", url);
    enqueue(&sandbox, "public", json!({ "url": "http://nowhere.invalid/path" }));
    for (n, url) in ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/"].into_iter().enumerate() {
        enqueue(&sandbox, &format!("private-{n}"), json!({ "url": url }));
    }
    enqueue(&sandbox, "proxy", json!({ "url": proxy.url("/") }));
    let run = sandbox.run(["http.ron", "--until-idle"]);
    assert!(text(&run.stdout).starts_with("1 done, 5 dead"), "{}{}", text(&run.stdout), text(&run.stderr));
    let requests = proxy.requests();
    let lines: Vec<&str> = requests.iter().map(|request| &*request.line).collect();
    assert_eq!(lines, ["GET http://nowhere.invalid/path"]);
    assert!(!requests[0].header("proxy-authorization").is_empty());
}

/// Whom a certificate is trusted for, and its text.
fn authority() -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).unwrap().pem();
    (Issuer::new(authority, key), pem)
}

/// A server with TLS for 127.0.0.1 that gives each connection this answer.
fn tls_server(certificate: &rcgen::Certificate, key: &KeyPair, answer: Vec<u8>) -> u16 {
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (config, answer) = (Arc::clone(&config), answer.clone());
            let serve = move || -> io::Result<()> {
                let connection = ServerConnection::new(config).map_err(io::Error::other)?;
                let mut stream = BufReader::new(StreamOwned::new(connection, stream));
                http_server::read(&mut stream)?;
                stream.get_mut().write_all(&answer)
            };
            // A client that trusts nobody breaks off.
            std::thread::spawn(move || drop(serve()));
        }
    });
    port
}

#[test]
fn a_server_is_trusted_by_its_certificate_only() {
    let (issuer, authority_pem) = authority();
    let certified = |expired: bool| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        if expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let certificate = params.signed_by(&key, &issuer).unwrap();
        tls_server(&certificate, &key, answer("200 OK", &[], "over TLS"))
    };
    let (good, expired) = (certified(false), certified(true));
    let trusting = sandbox(r#"allow_private: ["127.0.0.1"], ca: "ca.pem""#);
    trusting.write("ca.pem", &authority_pem);
    let strict = sandbox(r#"allow_private: ["127.0.0.1"]"#);
    for (sandbox, port, summary) in [(&trusting, good, "1 done"), (&trusting, expired, "1 dead"), (&strict, good, "1 dead")] {
        enqueue(sandbox, &format!("port-{port}"), json!({ "url": format!("https://127.0.0.1:{port}/hush") }));
        let run = sandbox.run(["http.ron", "--until-idle"]);
        assert!(text(&run.stdout).starts_with(summary), "{}{}", text(&run.stdout), text(&run.stderr));
        assert!(!text(&run.stderr).contains("hush"), "{}", text(&run.stderr));
    }
    let reason = job(&trusting, &format!("port-{expired}"))["error"].as_str().unwrap().to_owned();
    assert!(reason.contains("certificate"), "{reason}");
    assert_eq!(job(&trusting, &format!("port-{expired}"))["attempt"], 2, "it may be renewed meanwhile");
}

#[test]
fn a_redirect_from_tls_to_none_is_not_followed() {
    let plain = HttpServer::start(|_| answer("200 OK", &[], "in the open"));
    let (issuer, authority_pem) = authority();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let sends_on = answer("307 Temporary Redirect", &[&format!("Location: {}", plain.url("/hush"))], "");
    let port = tls_server(&certificate, &key, sends_on);
    let sandbox = sandbox(r#"allow_private: ["127.0.0.1"], ca: "ca.pem", redirects: 5"#);
    sandbox.write("ca.pem", &authority_pem);
    enqueue(&sandbox, "downgraded", json!({ "url": format!("https://127.0.0.1:{port}/"), "method": "POST", "body": "hush" }));
    let run = sandbox.run(["http.ron", "--until-idle"]);
    assert!(text(&run.stdout).starts_with("1 dead"), "{}{}", text(&run.stdout), text(&run.stderr));
    let dead = job(&sandbox, "downgraded");
    let reason = dead["error"].as_str().unwrap().replace(&port.to_string(), "TLS").replace(&plain.port().to_string(), "PLAIN");
    insta::assert_snapshot!(reason, @"https://127.0.0.1:TLS redirects to http://127.0.0.1:PLAIN, which is without TLS");
    assert_eq!((&dead["attempt"], plain.connections()), (&json!(1), 0), "trying again would not mend it");
}

#[test]
fn what_is_wrong_with_params_is_told_before_the_job_is_accepted() {
    let sandbox = sandbox(r#"url: "http://example.com""#);
    let refused = |params: Value| {
        let enqueued = sandbox.run(["enqueue", "http.ron", "--type", "http", "--params", &params.to_string()]);
        assert_eq!(enqueued.status.code(), Some(2), "{params}");
        text(&enqueued.stderr)
    };
    let wrong = [json!({ "url": 3, "bdoy": "hush", "timeout": 5 }), json!({ "expect": "ok" }), json!("http://example.com")];
    insta::assert_snapshot!(wrong.map(refused).join(""));
    for params in [
        json!(null),
        json!({ "UrlParams": { "a": 1, "b": [true, null, "x"] }, "headers": { "x": null, "n": u64::MAX } }),
        json!({ "body": [1], "expect": [200, "4xx", "409"], "timeout": "5s", "method": "post", "url": null }),
    ] {
        enqueue(&sandbox, &params.to_string().len().to_string(), params);
    }
}
