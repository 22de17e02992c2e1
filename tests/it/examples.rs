//! The examples, each run as its readers would run it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::mail_server::MailServer;
use serde_json::{Value, json};

use crate::BINARY;
use crate::command_line::{repository, text};

/// The binary of an example. All are built at once, by the cargo that runs the tests, and with tests: so nothing but the
/// binaries is left to build after `cargo test --workspace`.
fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = PathBuf::from(BINARY).parent().unwrap().to_owned();
        let release = folder.ends_with("release").then_some("--release");
        let build = Command::new(env!("CARGO"))
            .args(["build", "-q", "--locked", "--workspace", "--bins", "--tests"])
            .args(release)
            .current_dir(repository())
            .output();
        let build = build.unwrap();
        assert!(build.status.success(), "{}", text(&build.stderr));
        folder
    });
    folder.join(name)
}

/// A copy of an example's files, to run its binary in.
fn example(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(binary(name));
    let folder = repository().join("examples").join(name);
    for part in ["", "samples", "scripts"] {
        let Ok(entries) = std::fs::read_dir(folder.join(part)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            sandbox.write(path.strip_prefix(&folder).unwrap().to_str().unwrap(), &std::fs::read_to_string(&path).unwrap());
        }
    }
    sandbox
}

#[test]
fn own_worker_copies_files() {
    let example = example("own-worker");
    let run = example.run(["backup.ron", "--until-idle"]);
    let talk = text(&run.stderr);
    // Two of the samples are made to fail.
    assert_eq!(run.status.code(), Some(1), "{talk}");
    assert!(text(&run.stdout).starts_with("1 done, 2 dead"), "{}", text(&run.stdout));
    assert_eq!(example.read("copies/hosts"), std::fs::read_to_string("/etc/hosts").unwrap());
    assert!(talk.contains("params.files: unknown field") && talk.contains("`/no/such/file` cannot be read"), "{talk}");
    let described = text(&example.run(["describe", "backup"]).stdout);
    assert!(described.contains("The folder that the copies go into"), "{described}");
}

#[test]
fn function_workers_reverse_and_count() {
    let example = example("function-workers");
    let run = example.run(["texts.ron", "--until-idle"]);
    let talk = text(&run.stderr);
    // One of the samples is made to fail.
    assert!(text(&run.stdout).starts_with("2 done, 1 dead"), "{}{talk}", text(&run.stdout));
    assert!(talk.contains("missing.txt cannot be read: No such file"), "{talk}");
    let done = example.run(["jobs", "texts.ron", "--state", "done", "--format", "json"]);
    let done: Value = serde_json::from_slice(&done.stdout).unwrap();
    let outputs: Vec<&Value> = done["jobs"].as_array().unwrap().iter().map(|job| &job["output"]).collect();
    assert!(outputs.contains(&&json!("reward")), "{outputs:?}");
    let lines = example.read("texts.ron").lines().count();
    assert!(outputs.iter().any(|output| output["lines"] == json!(lines)), "{outputs:?}");
}

#[test]
fn own_provider_loses_no_mail_and_brings_none_twice_though_connections_break() {
    let server = MailServer::start(["dear all", "buy milk\nand bread", "unsubscribe"]);
    let example = example("own-provider").variable("MAILBOX", server.address());
    let run = example.run(["mail.ron", "--until-idle"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let archive = example.read("archive.jsonl");
    let mut mails: Vec<Value> = archive.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["job"].take()).collect();
    mails.sort_by_key(|job| job["id"].to_string());
    let mails: Vec<_> = mails.iter().map(|job| (job["id"].as_str().unwrap(), job["params"].as_str().unwrap())).collect();
    assert_eq!(mails, [("mail-1", "dear all"), ("mail-2", "buy milk\nand bread"), ("mail-3", "unsubscribe")]);
    // The first connection broke before an answer, the second after a mail was deleted and before that was answered.
    insta::assert_snapshot!(server.log());
}

#[test]
fn embedded_runs_jobs_until_it_is_interrupted() {
    let example = example("embedded");
    let mut application = example.start([""; 0]);
    assert_eq!(application.wait_for_line("the total is "), "52.00 EUR; Ctrl-C stops");
    application.signal("INT");
    let (code, _) = application.wait(Duration::from_secs(10));
    assert_eq!((code, application.wait_for_line("1 ").as_str()), (Some(0), "jobs done"), "{}", application.talk());
}

/// What a server answers to a request: the status, and the JSON.
fn ask(address: &str, head: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}")))
}

#[test]
fn web_answers_with_what_a_daemon_has_done() {
    let example = example("web").variable("ADDRESS", "127.0.0.1:0");
    let web = example.start(["app.ron"]);
    let address = web.wait_for_line("listening on http://");
    let get = |path: &Value| ask(&address, &format!("GET {}", path.as_str().unwrap()), "");
    // However busy the machine is.
    let quote = |order: &str| {
        let (mut status, mut answer) = ask(&address, "POST /quotes", order);
        wait_until("a job is done", Duration::from_secs(30), || {
            if status == 202 {
                (status, answer) = get(&answer["ask_again"]);
            }
            status != 202
        });
        (status, answer)
    };

    // Nobody runs jobs yet.
    let (status, later) = ask(&address, "POST /quotes", r#"{"pieces": 2}"#);
    assert_eq!(status, 202, "{later}");
    assert_eq!(get(&later["ask_again"]).0, 202);

    let daemons = Sandbox::new(BINARY);
    let daemon = daemons.start([example.path("app.ron")]);
    wait_until("the daemon runs the job", Duration::from_secs(30), || get(&later["ask_again"]).0 != 202);
    assert_eq!(get(&later["ask_again"]), (200, json!({ "price": 19 })), "{}", daemon.talk());
    assert_eq!(quote(r#"{"pieces": 3}"#), (200, json!({ "price": 28.5 })));
    let (status, refused) = quote(r#"{"pieces": 0}"#);
    assert_eq!((status, refused["error"].as_str().unwrap().ends_with("nothing is ordered")), (422, true), "{refused}");
    assert_eq!(ask(&address, "GET /quotes/nobody", "").0, 404);
}
