//! Unique jobs, by all the ways in which jobs come: the command line, files, an application, other jobs.

use std::time::Duration;

use goworker::testing::Pipeline;
use goworker::{Job, JobId, State, Unique, UniqueMode};
use goworker_tests::daemon::{Sandbox, wait_until};

use crate::BINARY;
use crate::command_line::text;

fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

#[test]
fn of_jobs_with_one_key_one_is_there_at_a_time() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "noop": noop() })"#);
    let enqueue = |more: &[&str]| {
        let output = sandbox.run([&["enqueue", "jobs.ron"], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let one = |id, more: &[&str]| enqueue(&[&["--type", "noop", "--id", id], more].concat());
    assert_eq!(one("a", &["--unique"]).0, "a\n");
    let (printed, told) = one("b", &["--unique"]);
    assert_eq!((printed.as_str(), told.as_str()), ("a\n", "held by a: that job in queue `jobs` has the same key; nothing was enqueued\n"));
    let (printed, _) = one("b", &["--unique", "--format", "json"]);
    assert_eq!(printed, "{\"id\":\"b\",\"answer\":\"held\",\"held_by\":\"a\"}\n");
    assert_eq!(one("c", &["--unique-key", "k", "--unique-window", "1h"]).0, "c\n");
    sandbox.write("more.jsonl", "{\"id\":\"d\",\"type\":\"noop\",\"unique\":{\"key\":\"k\"}}\n{\"id\":\"e\",\"type\":\"noop\"}\n");
    let (printed, told) = enqueue(&["--file", "more.jsonl"]);
    assert_eq!(printed, "c\ne\n");
    assert_eq!(told, "1 job enqueued into `jobs`, 1 job not needed: others hold the keys\n");
    assert!(text(&sandbox.run(["jobs", "show", "jobs.ron", "c"]).stdout).contains("unique       key:k (held for 1h at least)"));

    assert!(sandbox.run(["jobs.ron", "--until-idle"]).status.success());
    // The first has ended; the window of the other lasts.
    assert_eq!(one("b", &["--unique"]).0, "b\n");
    assert_eq!(one("d", &["--unique-key", "k"]).0, "c\n");
    let refused = sandbox.run(["jobs", "retry", "jobs.ron", "a"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(text(&refused.stderr), "error: job `a` is not to run beside `b`, which holds its key\n0 jobs ready again\n");
    assert!(sandbox.run(["jobs", "delete", "jobs.ron", "c"]).status.success());
    assert_eq!(one("d", &["--unique-key", "k"]).0, "d\n");
    let (printed, told) = one("f", &["--unique-key", "k", "--unique-mode", "replace"]);
    assert_eq!((printed.as_str(), told.as_str()), ("f\n", "replaces d, which waited and is cancelled now\n"));
    let wrong = sandbox.run(["enqueue", "jobs.ron", "--type", "noop", "--unique-key", ""]);
    assert_eq!((wrong.status.code(), text(&wrong.stderr).contains("`--unique-key` is empty")), (Some(2), true), "{}", text(&wrong.stderr));
}

#[test]
fn one_more_run_comes_after_the_current_one_and_no_more_than_one() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "jobs.ron",
        r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "ledger": ledger(path: "ledger.txt", millis: 1500) })"#,
    );
    sandbox.write("ledger.txt", "");
    let enqueue = |id: &str| {
        let key = ["--unique-key", "k", "--unique-mode", "keep_last"];
        let output = sandbox.run([&["enqueue", "jobs.ron", "--type", "ledger", "--id", id], &key[..]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert_eq!(enqueue("a"), "");
    let mut run = sandbox.start(["run", "jobs.ron", "--until-idle"]);
    wait_until("the first runs", Duration::from_secs(20), || sandbox.read("ledger.txt").contains("start a "));
    assert_eq!(enqueue("b"), "");
    assert_eq!(enqueue("c"), "replaces b, which waited and is cancelled now\n");
    let shown = text(&sandbox.run(["jobs", "show", "jobs.ron", "c"]).stdout);
    assert!(shown.contains("state        scheduled") && shown.contains("waits for    the end of a, which holds its key"), "{shown}");
    let listed: serde_json::Value = serde_json::from_slice(&sandbox.run(["jobs", "jobs.ron", "--format", "json"]).stdout).unwrap();
    assert_eq!((listed["jobs"][0]["id"].as_str(), listed["jobs"][0]["follows"].as_str()), (Some("c"), Some("a")), "{listed}");
    // It is waited for, as the one that runs is.
    assert_eq!(run.wait(Duration::from_secs(30)).0, Some(0), "{}", run.talk());
    let ledger = sandbox.read("ledger.txt");
    let steps: Vec<&str> = ledger.lines().map(|line| line.rsplitn(3, ' ').nth(2).unwrap()).collect();
    assert_eq!(steps, ["start a", "end a", "start c", "end c"]);
}

#[test]
fn a_file_of_jobs_whose_key_is_held_is_done_with() {
    let sandbox = Sandbox::new(BINARY);
    let line = |id| format!("{{\"id\":\"{id}\",\"type\":\"noop\",\"delay\":\"1h\",\"unique\":{{\"key\":\"k\"}}}}\n");
    sandbox.write("inbox/1.jsonl", &line("a"));
    sandbox.write("inbox/2.jsonl", &[line("b"), line("c")].concat());
    let config = r#"(
        providers: {
            "jobs": sqlite(path: "jobs.db"),
            "inbox": folder(path: "inbox", quiet: "10ms", after: move_to("done"), into: "jobs"),
        },
        workers: { "noop": noop() },
    )"#;
    sandbox.write("jobs.ron", config);
    let run = sandbox.run(["jobs.ron", "--until-idle"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("job `b` is not needed: `a` in `jobs` holds its key"), "{}", text(&run.stderr));
    let listed = text(&sandbox.run(["jobs", "jobs.ron"]).stdout);
    assert_eq!(listed.lines().filter(|line| line.contains("noop")).count(), 1, "{listed}");
    assert!(sandbox.path("done/1.jsonl").exists() && sandbox.path("done/2.jsonl").exists());
}

#[test]
fn a_key_is_held_over_a_kill_and_free_once_its_job_has_ended() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "scripted": scripted() })"#);
    let enqueue = |id: &str| {
        let output =
            sandbox.run(["enqueue", "jobs.ron", "--type", "scripted", "--name", "stop when told", "--id", id, "--unique-key", "k"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let mut daemon = sandbox.start(["jobs.ron"]);
    assert_eq!(enqueue("a"), "a\n");
    let runs = || text(&sandbox.run(["jobs", "jobs.ron"]).stdout).contains("running");
    wait_until("the job runs", Duration::from_secs(30), runs);
    assert_eq!(enqueue("b"), "a\n");
    daemon.kill();
    assert_eq!(enqueue("b"), "a\n");
    // Its process is gone, so it waits again, and can be cancelled at once.
    wait_until("the job waits again", Duration::from_secs(30), || !runs());
    assert!(sandbox.run(["jobs", "cancel", "jobs.ron", "a"]).status.success());
    assert_eq!(enqueue("b"), "b\n");
}

#[test]
fn jobs_and_applications_are_answered_the_holder_of_a_key() {
    let mut pipeline = Pipeline::new(r#"(providers: { "jobs": memory() }, workers: { "scripted": scripted(), "later": enqueue() })"#);
    let unique = |mode| Unique { key: Some("k".into()), mode, ..Unique::default() };
    let job = |id, mode| Job::of("scripted").name("ok").id(id).delay(Duration::from_secs(60)).unique(unique(mode));
    let client = pipeline.client();
    assert_eq!(pipeline.block_on(client.enqueue(job("a", UniqueMode::Reject))).unwrap(), id("a"));
    let all = [job("b", UniqueMode::Reject), job("c", UniqueMode::Replace), job("d", UniqueMode::Reject)];
    assert_eq!(pipeline.block_on(client.enqueue_all(all)).unwrap(), [id("a"), id("c"), id("c")]);
    assert_eq!(pipeline.feed(r#"{"id":"e","type":"scripted","unique":{"key":"k"}}"#), id("c"));
    pipeline.feed(r#"{"id":"parent","type":"later","params":{"job":{"type":"scripted","unique":{"key":"k"}}}}"#);
    assert_eq!(pipeline.wait(&id("parent"), State::Done).output.json(), Some(r#"["c"]"#));
    assert_eq!(pipeline.job(&id("a")).state, State::Cancelled);
    insta::assert_snapshot!(pipeline.run());
}
