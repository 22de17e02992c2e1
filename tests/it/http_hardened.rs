//! Clients that are slow, rude or hostile cost nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use goworker_tests::daemon::{Daemon, Sandbox};
use goworker_tests::http::{curl, raw};
use tokio::io::AsyncWriteExt;

use crate::BINARY;

fn start(sandbox: &Sandbox, settings: &str) -> (Daemon, String) {
    let providers = format!(r#""jobs": memory(), "api": http(listen: "127.0.0.1:0", into: "jobs", {settings})"#);
    sandbox.write("app.ron", &format!("(providers: {{ {providers} }}, workers: {{ \"scripted\": scripted() }})"));
    let daemon = sandbox.start(["--log", "json", "app.ron"]);
    let address = daemon.address("api");
    (daemon, address)
}

/// The head of a request, with these lines and what follows.
fn head(first: &str, lines: &[&str], rest: &str) -> String {
    format!("{first}\r\n{}\r\n{rest}", lines.iter().map(|line| format!("{line}\r\n")).collect::<String>())
}

#[test]
fn malformed_requests_are_refused() {
    let sandbox = Sandbox::new(BINARY);
    let (mut daemon, address) = start(&sandbox, "");
    let post = |lines: &[&str], rest: &str| head("POST /jobs HTTP/1.1", &[&["Host: localhost"], lines].concat(), rest);
    let job = r#"{"type":"scripted","name":"ok"}"#;
    let length = format!("Content-Length: {}", job.len());
    let requests = [
        ("no HTTP at all", "hello\r\n\r\n".to_owned()),
        ("TLS to a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}\x03\x03".to_owned()),
        ("HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("an unknown version", head("POST /jobs HTTP/3.7", &["Host: localhost", &length], job)),
        ("no version", head("GET /jobs", &["Host: localhost"], "")),
        ("a space in the path", head("GET /jobs /x HTTP/1.1", &["Host: localhost"], "")),
        ("a NUL in the path", head("GET /jobs\0 HTTP/1.1", &["Host: localhost"], "")),
        ("no host", head("POST /jobs HTTP/1.1", &[&length], job)),
        ("two hosts", post(&["Host: localhost", &length], job)),
        ("a host that is none", head("POST /jobs HTTP/1.1", &["Host: local host", &length], job)),
        ("a host from elsewhere", head("POST /jobs HTTP/1.1", &["Host: evil.example", &length], job)),
        ("a whole URL from elsewhere", head("POST http://evil.example/jobs HTTP/1.1", &["Host: localhost", &length], job)),
        ("a page of another site", post(&["Origin: http://evil.example", &length], job)),
        ("two lengths", post(&[&length, "Content-Length: 3"], job)),
        ("a length that is none", post(&["Content-Length: ten"], job)),
        ("a negative length", post(&["Content-Length: -1"], job)),
        ("a length with a plus", post(&["Content-Length: +31"], job)),
        ("a length beyond all bounds", post(&["Content-Length: 99999999999999999999"], job)),
        ("a length that is too long", post(&["Content-Length: 1048577"], job)),
        ("an unknown transfer encoding", post(&["Transfer-Encoding: gzip"], job)),
        ("chunked, but not in the end", post(&["Transfer-Encoding: chunked, gzip"], job)),
        ("chunked in HTTP/1.0", head("POST /jobs HTTP/1.0", &["Host: localhost", "Transfer-Encoding: chunked"], "0\r\n\r\n")),
        ("a chunk without a size", post(&["Transfer-Encoding: chunked"], "hello\r\n")),
        ("a chunk beyond all bounds", post(&["Transfer-Encoding: chunked"], "fffffffffffffffff\r\n")),
        ("a space before a colon", post(&["Content-Length : 31"], job)),
        ("a folded header", post(&["X-Long: one\r\n two", &length], job)),
        ("a header without a colon", post(&["nonsense", &length], job)),
        ("a NUL in a header", post(&["X: a\0b", &length], job)),
        ("a bare line feed before the name", post(&["\rX: a", &length], job)),
        ("a head that is too long", post(&[&format!("X: {}", "x".repeat(100_000))], "")),
        ("too many headers", post(&["X: x"; 500], "")),
        ("a compressed body", post(&["Content-Encoding: gzip", &length], job)),
        ("a tunnel", head("CONNECT localhost:80 HTTP/1.1", &["Host: localhost"], "")),
        ("another method", head("BREW /jobs HTTP/1.1", &["Host: localhost"], "")),
        ("text that is no UTF-8, and no job", post(&["Content-Length: 4"], "\u{fffd}x")),
        // Its length does not count, so what follows its last chunk is no request: the connection is closed.
        (
            "a length and chunks",
            post(&["Content-Length: 3", "Transfer-Encoding: chunked"], "0\r\n\r\nGET /jobs/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ),
    ];
    let answers: Vec<String> = requests
        .iter()
        .map(|(what, request)| {
            let answer = raw(&address, request.as_bytes());
            let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.lines().next()).collect();
            let told = if statuses.is_empty() { "closed".to_owned() } else { statuses.join(" + ") };
            assert!(statuses.len() <= 1 && !told.starts_with('2') && !told.starts_with('5'), "{what}: {answer}");
            format!("{what}: {told}")
        })
        .collect();
    insta::assert_snapshot!(answers.join("\n"));
    assert!(daemon.is_running());
    assert_eq!(curl([&format!("http://{address}/jobs"), "--data", job]).status, 202);
    // Only this last one has come in.
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(20));
    assert!(daemon.output().contains("1 job taken in from `api`"), "{}", daemon.output());
}

#[test]
fn bodies_that_are_huge_or_never_end_are_refused() {
    let sandbox = Sandbox::new(BINARY);
    let (_daemon, address) = start(&sandbox, r#"limit: "1MiB", patience: "1s""#);
    // Refused by its head: not one byte of the body is needed.
    assert!(
        raw(&address, head("POST /jobs HTTP/1.1", &["Host: localhost", "Content-Length: 10000000000"], "").as_bytes())
            .starts_with("HTTP/1.1 413")
    );
    // Without a length it is refused once it is too long.
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(head("POST /jobs HTTP/1.1", &["Host: localhost", "Transfer-Encoding: chunked"], "").as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let sent = (0..1_000).take_while(|_| stream.write_all(chunk.as_bytes()).is_ok()).count();
    assert!(sent < 1_000, "all of 64 MiB were taken");
    // One that comes too slowly, and a head that does.
    let began = Instant::now();
    let slow = raw_until_closed(&address, &head("POST /jobs HTTP/1.1", &["Host: localhost", "Content-Length: 100"], "{"));
    assert!(slow.starts_with("HTTP/1.1 408"), "{slow}");
    let half = raw_until_closed(&address, "POST /jobs HTTP/1.1\r\nHost: loc");
    assert_eq!(half, "");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

/// Sends text, and reads until the server closes.
fn raw_until_closed(address: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// How many clients drip their heads.
const SLOW: usize = 2_000;

#[test]
fn two_thousand_slow_clients_cost_a_good_one_nothing() {
    allow_open_files(SLOW as u64 + 1_000);
    let sandbox = Sandbox::new(BINARY);
    let (mut daemon, address) = start(&sandbox, "");
    // The first requests pay for what is done once.
    percentile_99(&address, 50);
    let usual = percentile_99(&address, 500);
    let drips = std::thread::spawn({
        let address = address.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                (0..SLOW).for_each(|_| drop(tokio::spawn(drip(address.clone()))));
                tokio::time::sleep(Duration::from_secs(8)).await;
            });
        }
    });
    std::thread::sleep(Duration::from_secs(3));
    let beside = percentile_99(&address, 500);
    drips.join().unwrap();
    println!("p99 of a good client: {usual:.1?} alone, {beside:.1?} beside {SLOW} that drip their heads");
    // The bound is wide, for machines with other work to do.
    assert!(beside < usual * 10 + Duration::from_millis(200), "{usual:?} alone, {beside:?} beside slow clients");
    assert!(daemon.is_running());
}

/// Sends the head of a request, a byte at a time, and begins anew when it is shut out.
async fn drip(address: String) {
    loop {
        let Ok(mut stream) = tokio::net::TcpStream::connect(&address).await else { break };
        for byte in head("POST /jobs HTTP/1.1", &["Host: localhost", "X-Slow: very very very slow"], "").bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// How long all but one in a hundred requests take at most, each over a connection of its own.
fn percentile_99(address: &str, requests: usize) -> Duration {
    let body = r#"{"type":"scripted","name":"ok"}"#;
    let lines = ["Host: localhost", "Connection: close", &format!("Content-Length: {}", body.len())];
    let request = head("POST /jobs HTTP/1.1", &lines, body);
    let mut took = Vec::with_capacity(requests);
    for _ in 0..requests {
        let began = Instant::now();
        let answer = raw_until_closed(address, &request);
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        took.push(began.elapsed());
    }
    took.sort();
    took[took.len() * 99 / 100]
}

/// Raises the number of files that this process, and those it starts, may have open.
fn allow_open_files(files: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < files) {
        let current = maximum.map_or(files, |maximum| maximum.min(files));
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).unwrap();
    }
}
