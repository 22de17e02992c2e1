//! Names that change their address while they are looked at: a resolver of the tests' own is in the system's place.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use goworker::{Ids, Outcome, Plugin};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::workers::context;

/// A server that answers with its own address and closes the connection; and how many have come.
fn server(ip: &'static str, port: u16) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((ip.parse::<IpAddr>().unwrap(), port)).unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let _request = stream.read(&mut [0; 4096]);
            let _gone = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{ip}", ip.len());
        }
    });
    (address, count)
}

/// Resolves any name to the next of these addresses, and notes the names.
fn rebinding(answers: &[&[&str]]) -> (Lookup, Arc<Mutex<Vec<String>>>) {
    let answers: Vec<Vec<SocketAddr>> =
        answers.iter().map(|set| set.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()).collect();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let names = Arc::clone(&asked);
    let lookup = move |name: String| {
        let mut names = names.lock().unwrap();
        let answer = answers[names.len().min(answers.len() - 1)].clone();
        names.push(name);
        async move { Ok(answer) }.boxed()
    };
    (Arc::new(lookup), asked)
}

async fn run(lookup: Lookup, allowed: &[String], urls: &[String]) -> Vec<Outcome> {
    let mut http = Http::from(HttpConfig {
        url: None,
        headers: None,
        allow_private: allowed.iter().map(|entry| entry.parse().unwrap()).collect(),
        redirects: 3,
        response_limit: Size(1 << 20),
        keep_headers: Vec::new(),
        proxy: None,
        ca: None,
    });
    http.lookup = Some(lookup);
    let Plugin::Worker(worker) = Plugin::worker(http) else { unreachable!() };
    let worker = worker.start(&Setup::new("http", Path::new("."))).await.unwrap();
    let mut outcomes = Vec::new();
    for url in urls {
        let text = json!({ "type": "http", "params": { "url": url } }).to_string();
        let job = Job::parse(text.as_bytes(), &Ids::system()).unwrap().job;
        outcomes.push(worker.work(&job, &context(&job, CancellationToken::new())).await.into());
    }
    outcomes
}

fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(failure) if failure.message.contains("is not a public address"))
}

#[tokio::test]
async fn a_name_is_resolved_once_for_each_connection_and_that_address_is_used() {
    let (hidden, came) = server("127.0.0.1", 0);
    let (allowed, _) = server("127.0.0.2", hidden.port());
    let (lookup, asked) = rebinding(&[&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.2"]]);
    let url = format!("http://rebinding.test:{}/", hidden.port());
    let outcomes = run(lookup, &[allowed.to_string()], &[url.clone(), url.clone(), url]).await;
    for (outcome, refused) in outcomes.iter().zip([false, true, false]) {
        assert_eq!((matches!(outcome, Outcome::Done(_)), is_refused(outcome)), (!refused, refused), "{outcome:?}");
    }
    assert_eq!(*asked.lock().unwrap(), ["rebinding.test"; 3]);
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn of_several_addresses_those_are_left_that_may_be_reached() {
    let (hidden, came) = server("127.0.0.1", 0);
    let (allowed, _) = server("127.0.0.2", hidden.port());
    let (lookup, _) = rebinding(&[&["127.0.0.1", "::1", "10.0.0.1", "127.0.0.2", "169.254.169.254"]]);
    let outcomes = run(lookup, &[allowed.to_string()], &[format!("http://mixed.test:{}/", hidden.port())]).await;
    let Outcome::Done(output) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(output.json().unwrap().contains("127.0.0.2"), "{output:?}");
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn names_in_all_spellings_are_refused_by_what_they_resolve_to() {
    let (hidden, came) = server("127.0.0.1", 0);
    let answers = [
        "127.0.0.1",
        "0.0.0.0",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "fe80::1",
        "fd00::1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ];
    let hosts =
        ["evil.test", "EVIL.test.", "evil。test", "b\u{fc}se.test", "127.0.0.1.nip.test", "user:password@evil.test", "localtest.me"];
    let answers: Vec<[&str; 1]> = answers.iter().map(|answer| [*answer]).collect();
    let sets: Vec<&[&str]> = answers.iter().map(|set| &set[..]).collect();
    let (lookup, asked) = rebinding(&sets);
    let urls: Vec<String> = (0..answers.len()).map(|n| format!("http://{}:{}/", hosts[n % hosts.len()], hidden.port())).collect();
    // A port that is named makes a client of its own, which has to refuse as well.
    let outcomes = run(lookup, &["127.0.0.3".to_owned(), format!("127.0.0.9:{}", hidden.port())], &urls).await;
    for ((outcome, answer), url) in outcomes.iter().zip(&answers).zip(&urls) {
        assert!(is_refused(outcome), "{url} as {answer:?}: {outcome:?}");
    }
    assert_eq!(asked.lock().unwrap().len(), answers.len());
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_tried_again() {
    let lookup: Lookup = Arc::new(|_| async { Err(std::io::Error::other("no resolver answers")) }.boxed());
    let outcomes = run(lookup, &[], &["http://any.test/".to_owned()]).await;
    let Outcome::Retry(failure, None) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(failure.message.contains("no resolver answers"), "{failure:?}");
    let (nothing, _) = rebinding(&[&[]]);
    assert!(matches!(run(nothing, &[], &["http://any.test/".to_owned()]).await[0], Outcome::Retry(..)));
}
