//! Pausing and resuming, as a person does it beside a daemon.

use std::time::Duration;

use goworker::State;
use goworker::testing::Pipeline;
use goworker_tests::daemon::{Sandbox, wait_until};

use crate::BINARY;
use crate::command_line::text;

const CONFIG: &str = r#"(
    providers: { "jobs": sqlite(path: "jobs.db") },
    workers: { "work": file(path: "work.jsonl"), "other": file(path: "other.jsonl") },
)"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", CONFIG);
    sandbox
}

/// What a command prints, which must succeed.
fn told<const N: usize>(sandbox: &Sandbox, arguments: [&str; N]) -> String {
    let output = sandbox.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn enqueue(sandbox: &Sandbox, job_type: &str) {
    told(sandbox, ["enqueue", "jobs.ron", "--type", job_type, "--name", "n"]);
}

#[test]
fn a_paused_type_is_reported_and_not_waited_for() {
    let sandbox = sandbox();
    // Before the first job, and so before the file is there.
    assert_eq!(told(&sandbox, ["queue", "pause", "jobs.ron", "--type", "work"]), "paused in `jobs`: jobs of type `work`\n");
    enqueue(&sandbox, "work");
    enqueue(&sandbox, "other");
    let summary = told(&sandbox, ["run", "jobs.ron", "--until-idle"]);
    assert!(summary.starts_with("1 done") && summary.contains("1 job of type `work` left in `jobs`: paused"), "{summary}");
    let stats = told(&sandbox, ["queue", "stats", "jobs.ron"]);
    assert_eq!(stats, "jobs\tother\tdone\t1\t-\njobs\twork\tready\t1\tpaused\n");
    assert_eq!(told(&sandbox, ["stats", "jobs.ron"]), stats);
    assert_eq!(told(&sandbox, ["queue", "resume", "jobs.ron", "--type", "work"]), "nothing is paused in `jobs`\n");
    assert!(told(&sandbox, ["run", "jobs.ron", "--until-idle"]).starts_with("1 done"));
}

#[test]
fn a_daemon_is_paused_and_resumed_from_outside() {
    let sandbox = sandbox();
    let daemon = sandbox.start(["run", "jobs.ron"]);
    let lines = |file: &str| sandbox.read(file).lines().count();
    enqueue(&sandbox, "work");
    wait_until("the daemon runs the first job", Duration::from_secs(20), || lines("work.jsonl") == 1);
    let paused = told(&sandbox, ["queue", "pause", "jobs.ron", "--format", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&paused).unwrap()["paused"], true, "{paused}");
    enqueue(&sandbox, "work");
    enqueue(&sandbox, "other");
    told(&sandbox, ["queue", "pause", "jobs.ron", "--type", "work"]);
    told(&sandbox, ["queue", "resume", "jobs.ron"]);
    wait_until("the daemon runs what is not paused", Duration::from_secs(20), || lines("other.jsonl") == 1);
    assert_eq!(lines("work.jsonl"), 1, "{}", daemon.talk());
    told(&sandbox, ["queue", "resume", "jobs.ron", "--type", "work"]);
    wait_until("the daemon runs the rest", Duration::from_secs(20), || lines("work.jsonl") == 2);
}

#[test]
fn a_type_that_no_worker_runs_can_be_paused_with_a_warning() {
    let output = sandbox().run(["queue", "pause", "jobs.ron", "--type", "wrok"]);
    assert!(output.status.success());
    let told = text(&output.stderr);
    assert!(told.contains("no worker of jobs.ron runs jobs of type `wrok`; did you mean `work`?"), "{told}");
}

#[test]
fn which_of_several_queues_is_meant_has_to_be_said() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "two.ron",
        r#"(providers: { "a": sqlite(path: "a.db"), "b": sqlite(path: "b.db") }, workers: { "work": file(path: "work.jsonl") })"#,
    );
    let output = sandbox.run(["queue", "pause", "two.ron"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("`--queue`"), "{}", text(&output.stderr));
    assert_eq!(told(&sandbox, ["queue", "pause", "two.ron", "--queue", "b"]), "`b` is paused\n");
}

#[test]
fn a_retry_that_is_paused_waits_and_is_done_after() {
    let mut pipeline = Pipeline::new(
        r#"(
            providers: { "jobs": memory() },
            workers: { "scripted": scripted() },
            retry: (retries: 3, backoff: fixed("10s")),
        )"#,
    );
    let id = pipeline.feed(r#"{"type":"scripted","name":"fail twice"}"#);
    pipeline.run_for(Duration::from_secs(5));
    let client = pipeline.client();
    pipeline.block_on(client.pause(Some("scripted"))).unwrap();
    pipeline.run_for(Duration::from_secs(60));
    pipeline.run();
    assert_eq!(pipeline.job(&id).state, State::Ready);
    pipeline.block_on(client.resume(Some("scripted"))).unwrap();
    pipeline.wait(&id, State::Done);
}

#[test]
fn a_run_until_idle_ends_beside_a_paused_queue_and_tells_what_it_left() {
    let mut pipeline = Pipeline::new(r#"(providers: { "jobs": memory() }, workers: { "scripted": scripted() })"#);
    let id = pipeline.feed(r#"{"type":"scripted","name":"ok"}"#);
    pipeline.block_on(pipeline.queue("jobs").pause(None)).unwrap();
    let summary = pipeline.run_until_idle();
    let left: Vec<(&str, u64)> = summary.paused.iter().map(|waiting| (waiting.job_type.as_str(), waiting.jobs)).collect();
    assert_eq!(left, [("scripted", 1)]);
    assert_eq!(pipeline.job(&id).state, State::Ready);
}
