//! Sources that read by a cursor: after a restart, beside each other, and when they do not hear where it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use goworker_tests::daemon::{Sandbox, wait_until};
use goworker_tests::redis_server::RedisServer;

use crate::BINARY;

fn sandbox(queue: &str, deaf: bool) -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "jobs.ron",
        &format!(
            r#"(providers: {{ "jobs": {queue}, "log": lines(path: "log.txt", deaf: {deaf}, into: "jobs") }},
                workers: {{ "ledger": ledger(path: "ledger.txt", millis: 0) }})"#
        ),
    );
    sandbox
}

fn lines(n: usize) -> String {
    (0..n).map(|n| format!("line-{n}\n")).collect()
}

/// How often the job of each line has run.
fn runs(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for line in sandbox.read("ledger.txt").lines() {
        if let Some(id) = line.strip_prefix("end ").and_then(|rest| rest.split(' ').next()) {
            *runs.entry(id.to_owned()).or_default() += 1;
        }
    }
    runs
}

/// Jobs are forgotten as soon as they are done, so nobody but the cursor knows that they were there.
fn each_line_once(queue: &str) {
    let sandbox = sandbox(queue, false);
    sandbox.write("log.txt", &lines(100));
    let start = || sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    let mut processes = [start(), start(), start()];
    wait_until("all lines are done", Duration::from_secs(60), || runs(&sandbox).len() == 100);
    for process in &mut processes {
        process.signal("TERM");
        process.wait(Duration::from_secs(30));
    }
    sandbox.write("log.txt", &lines(120));
    let mut again = start();
    wait_until("the new lines are done", Duration::from_secs(60), || runs(&sandbox).len() == 120);
    again.signal("TERM");
    again.wait(Duration::from_secs(30));
    assert!(runs(&sandbox).values().all(|runs| *runs == 1), "{:?}", runs(&sandbox));
    let talk: Vec<String> = processes.iter().map(|process| process.talk()).collect();
    assert_eq!(talk, ["", "", ""], "a lost race is nothing to speak of");
}

#[test]
fn three_processes_and_a_restart_bring_each_line_once_in_sqlite() {
    each_line_once(r#"sqlite(path: "jobs.db", keep: (done: (count: 0)))"#);
}

#[test]
fn three_processes_and_a_restart_bring_each_line_once_on_redis() {
    let server = RedisServer::start();
    each_line_once(&format!(r#"redis(url: "{}", keep: (done: (count: 0)))"#, server.url()));
}

#[test]
fn a_source_that_does_not_hear_where_its_cursor_stands_is_told_of_and_asked_less_and_less_often() {
    let sandbox = sandbox(r#"sqlite(path: "jobs.db")"#, true);
    sandbox.write("log.txt", &lines(3));
    let mut first = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    wait_until("all lines are done", Duration::from_secs(60), || runs(&sandbox).len() == 3);
    first.kill();
    sandbox.write("log.txt", &lines(6));
    let second = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    wait_until("it is told of", Duration::from_secs(30), || {
        second.talk().contains("its batch does not begin where its cursor stands, at 3")
    });
    std::thread::sleep(Duration::from_secs(2));
    let told = second.talk().lines().count();
    assert!(told <= 8, "{told} lines in two seconds:\n{}", second.talk());
    assert_eq!(runs(&sandbox).len(), 3);
}
