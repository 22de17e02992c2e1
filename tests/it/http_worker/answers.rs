//! What becomes of a job by its answer.

use std::io::Write;
use std::net::Shutdown;

use flate2::Compression;
use flate2::write::GzEncoder;
use goworker::State;
use goworker_tests::http_server::{HttpServer, answer};
use serde_json::json;

use super::{output, pipeline, reason, run};

/// A server whose answer has the status that the path names.
fn by_status() -> HttpServer {
    HttpServer::start(|request| answer(&request.line.split('/').nth(1).unwrap().replace('_', " "), &[], "because"))
}

#[test]
fn the_status_decides() {
    let server = by_status();
    let mut pipeline = pipeline(&server, "");
    let mut told = Vec::new();
    for status in [
        "200_OK",
        "201_Created",
        "202_Accepted",
        "204_No",
        "299_Fine",
        "300_Many",
        "302_Found",
        "304_Same",
        "400_Bad",
        "401_Who",
        "403_No",
        "404_Where",
        "408_Slow",
        "409_Conflict",
        "410_Gone",
        "418_Teapot",
        "422_What",
        "425_Early",
        "429_Many",
        "500_Oops",
        "501_No",
        "502_Bad",
        "503_Busy",
        "504_Slow",
        "599_Odd",
    ] {
        let record = run(&mut pipeline, json!({ "url": server.url(&format!("/{status}")) }));
        told.push(format!("{} {} after {}", &status[..3], record.state, record.attempts.len().max(record.attempt as usize)));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_a_server_says_of_a_refusal_is_told_in_one_short_line() {
    let server = HttpServer::start(|request| match &*request.line {
        "GET /page" => answer("404 Not Found", &["Content-Type: text/html; charset=utf-8"], "<html>not found</html>"),
        "GET /bytes" => answer("404 Not Found", &[], b"\xff\xfe"),
        "GET /long" => answer("404 Not Found", &[], "ü".repeat(5_000)),
        _ => answer("404 Not Found", &["Content-Type: application/json"], "{\n  \"error\": \"no\u{1b}[31m such order\"\n}\n"),
    });
    let mut pipeline = pipeline(&server, "");
    let mut told = |path: &str| {
        let record = run(&mut pipeline, json!({ "url": server.url(path) }));
        reason(&record).rsplit_once("Not Found").unwrap().1.to_owned()
    };
    assert_eq!([told("/page"), told("/bytes")], ["", ""]);
    assert_eq!(told("/long"), format!(": {}…", "ü".repeat(300)));
    assert_eq!(told("/json"), r#": { "error": "no [31m such order" }"#);
}

#[test]
fn a_job_says_which_statuses_it_expects() {
    let server = by_status();
    let mut pipeline = pipeline(&server, "");
    let tries = [
        (json!(404), "404_Where", State::Done),
        (json!([200, 204]), "204_No", State::Done),
        (json!([200, 204]), "201_Created", State::Dead),
        (json!("5xx"), "503_Busy", State::Done),
        (json!(["2xx", 409]), "409_Conflict", State::Done),
        (json!("302"), "302_Found", State::Done),
        (json!(200), "404_Where", State::Dead),
    ];
    for (expect, status, state) in tries {
        let record = run(&mut pipeline, json!({ "url": server.url(&format!("/{status}")), "expect": expect }));
        assert_eq!(record.state, state, "{expect} {status}");
    }
}

#[test]
fn a_server_says_when_to_come_again() {
    let server = HttpServer::start(|request| {
        let wait = match request.header("job-attempt") {
            "1" => "Retry-After: 120",
            // The clock of a pipeline begins with this year.
            "2" => "Retry-After: Thu, 01 Jan 2026 00:05:00 GMT",
            "3" => "Retry-After: 999999999",
            "4" => "Retry-After: 0",
            _ => return answer("200 OK", &[], ""),
        };
        answer("429 Too Many Requests", &[wait], "")
    });
    let mut pipeline = pipeline(&server, "");
    pipeline.feed(&json!({ "type": "http", "params": { "url": server.url("/") }, "retries": 9, "capture_output": false }).to_string());
    insta::assert_snapshot!(pipeline.run().to_string().replace(&server.address(), "SERVER"));
}

#[test]
fn an_answer_is_kept_as_what_it_is() {
    let server = HttpServer::start(|request| {
        let body: &[u8] = match &*request.line {
            "GET /json" => return answer("200 OK", &["Content-Type: Application/JSON; charset=utf-8"], "{ \"n\": 9007199254740993 }\n"),
            "GET /problem" => return answer("200 OK", &["Content-Type: application/problem+json"], "[1,2]"),
            "GET /broken" => return answer("200 OK", &["Content-Type: application/json"], "{\"n\":"),
            "GET /text" => "grüße\n".as_bytes(),
            "GET /bytes" => b"\x89PNG\xff",
            _ => return answer("201 Created", &["Location: /orders/17", "X-Request-Id: 5", "X-Request-Id: 6", "X-Other: 7"], ""),
        };
        answer("200 OK", &["Content-Type: text/plain"], body)
    });
    let mut pipeline = pipeline(&server, r#"keep_headers: ["X-Request-Id"]"#);
    let mut kept = Vec::new();
    for path in ["json", "problem", "broken", "text", "bytes", "empty"] {
        let record = run(&mut pipeline, json!({ "url": server.url(&format!("/{path}")) }));
        output(&record);
        kept.push(record.output.json().unwrap().to_owned());
    }
    insta::assert_snapshot!(kept.join("\n"));
    pipeline
        .feed(&json!({ "id": "unasked", "type": "http", "params": { "url": server.url("/json") }, "capture_output": false }).to_string());
    pipeline.run();
    assert_eq!(pipeline.job(&"unasked".parse().unwrap()).output.json(), None);
}

/// 64 MiB of zeros in some kilobytes, as the first chunk of a stream without end.
fn bomb() -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    (0..64).for_each(|_| gzip.write_all(&[0; 1 << 20]).unwrap());
    gzip.flush().unwrap();
    gzip.get_ref().clone()
}

#[test]
fn an_answer_without_end_is_cut_at_the_limit_compressed_or_not() {
    let bomb = bomb();
    let server = HttpServer::start_raw(move |request, stream| {
        let (encoding, piece) = match &*request.line {
            "GET /bomb" => ("Content-Encoding: gzip\r\n", &bomb[..]),
            _ => ("", &[b'a'; 5000][..]),
        };
        write!(stream, "HTTP/1.1 200 OK\r\n{encoding}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            write!(stream, "{:x}\r\n", piece.len())?;
            stream.write_all(piece)?;
            stream.write_all(b"\r\n")?;
        }
    });
    let mut pipeline = pipeline(&server, r#"response_limit: "10KiB""#);
    for (path, byte) in [("/bomb", "\0"), ("/plain", "a")] {
        let record = run(&mut pipeline, json!({ "url": server.url(path) }));
        let output = output(&record);
        assert_eq!((output["truncated"].clone(), output["body"].as_str().unwrap()), (json!(true), &*byte.repeat(10 << 10)));
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_connection_that_breaks_is_tried_again() {
    let server = HttpServer::start_raw(|request, stream| {
        let broken: &[u8] = match &*request.line {
            _ if request.header("job-attempt") == "2" => return stream.write_all(&answer("200 OK", &[], "whole")),
            "GET /nothing" => b"",
            "GET /head" => b"HTTP/1.1 200",
            "GET /garbage" => b"SSH-2.0-OpenSSH\r\n\r\n",
            "GET /chunk" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
            "GET /gzip" => b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        };
        stream.write_all(broken)?;
        stream.shutdown(Shutdown::Both)
    });
    let mut pipeline = pipeline(&server, "");
    for path in ["/nothing", "/head", "/garbage", "/chunk", "/gzip", "/body"] {
        let record = run(&mut pipeline, json!({ "url": server.url(path) }));
        assert_eq!((output(&record)["body"].clone(), record.attempt), (json!("whole"), 2), "{path}");
    }
}

#[test]
fn headers_without_end_are_refused() {
    let server = HttpServer::start_raw(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        (0..100_000).try_for_each(|n| write!(stream, "X-{n}: {n}\r\n"))?;
        stream.write_all(b"\r\n")
    });
    let record = run(&mut pipeline(&server, ""), json!({ "url": server.url("/") }));
    assert_eq!(record.attempts.len(), 2, "{}", reason(&record));
}

#[test]
fn nobody_there_is_tried_again() {
    let server = HttpServer::start(|_| Vec::new());
    // Someone had this port a moment ago, and nobody has it now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut pipeline = super::with_settings(&format!(r#"allow_private: ["{free}", "{}"]"#, server.address()));
    let record = run(&mut pipeline, json!({ "url": format!("http://{free}/secret/path?token=hush") }));
    let reason = reason(&record).replace(&free.to_string(), "SERVER");
    assert_eq!(record.attempts.len(), 2, "{reason}");
    insta::assert_snapshot!(reason, @"GET http://SERVER: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)");
}
