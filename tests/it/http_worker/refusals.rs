//! Addresses that a job must not reach, however they are spelled: each is tried on a server that hears of it.

use goworker::State;
use goworker_tests::http_server::{HttpServer, answer};
use serde_json::json;

use super::{reason, run, with_settings};

/// `PORT` is that of a server on 127.0.0.1 which must not be reached.
const SPELLINGS: [&str; 58] = [
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0x7F.0x0.0x0.0x1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.0.0.01:PORT/",
    "http://127.127.127.127:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0x0:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127。0。0。1:PORT/",
    "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://127.0.0.1\u{ff0e}:PORT/",
    "http:127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "http:///127.0.0.1:PORT/",
    "  http://127.0.0.1:PORT/",
    "ht\ntp://127.0.\t0.1:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "http://public.example@127.0.0.1:PORT/",
    "http://public.example:80@127.0.0.1:PORT/",
    "http://8.8.8.8%40@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@public.example/",
    "http://127.0.0.1:PORT?@public.example/",
    "http://127.0.0.1:PORT\\@public.example/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fd00:ec2::254]/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://local\u{00ad}host:PORT/",
    "http://\u{ff4c}ocalhost:PORT/",
    "http://any.localhost:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
];

#[test]
fn no_spelling_reaches_a_private_address() {
    let hidden = HttpServer::start(|_| answer("200 OK", &[], "secret"));
    // It may reach another port, which does not help.
    let mut pipeline = with_settings(r#"allow_private: ["127.0.0.1:1", "localhost:1"], redirects: 5"#);
    let mut told = Vec::new();
    for spelling in SPELLINGS {
        let record = run(&mut pipeline, json!({ "url": spelling.replace("PORT", &hidden.port().to_string()) }));
        let reason = reason(&record);
        assert!(reason.contains("`allow_private`"), "{spelling}: {reason}");
        assert_eq!(record.attempts.len(), 1, "{spelling}: trying again does not help");
        told.push(format!("{}  {}", spelling.escape_debug(), reason.split(';').next().unwrap()));
    }
    assert_eq!(hidden.connections(), 0);
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_the_configuration_names_is_reached_and_nothing_beside_it() {
    let (named, other) = (HttpServer::start(|_| answer("200 OK", &[], "")), HttpServer::start(|_| answer("200 OK", &[], "")));
    let port = named.port();
    for entry in ["127.0.0.1", "127.0.0.0/8", "127.0.0.1:PORT", "localhost", "localhost:PORT", "LOCALHOST.:PORT"] {
        let entry = entry.replace("PORT", &port.to_string());
        let mut pipeline = with_settings(&format!(r#"allow_private: ["{entry}"]"#));
        let host = if entry.starts_with("127") { "127.0.0.1" } else { "localhost" };
        let record = run(&mut pipeline, json!({ "url": format!("http://{host}:{port}/") }));
        assert_eq!(record.state, State::Done, "{entry}: {record:?}");
        let record = run(&mut pipeline, json!({ "url": format!("http://{host}:{}/", other.port()) }));
        assert_eq!(record.state == State::Done, !entry.contains(':'), "{entry}");
    }
    // An address that is allowed is so by any name.
    let mut pipeline = with_settings(r#"allow_private: ["127.0.0.0/8", "::1"]"#);
    assert_eq!(run(&mut pipeline, json!({ "url": format!("http://localhost:{port}/") })).state, State::Done);
    assert_eq!(other.connections(), 3);
}
