//! The worker `enqueue`: jobs that make jobs.

use std::time::Duration;

use goworker::testing::{EPOCH, Pipeline};
use goworker::{Change, JobId, State};

const ONE_QUEUE: &str = r#"(providers: { "jobs": memory() }, workers: { "scripted": scripted(), "later": enqueue() })"#;
const TWO_QUEUES: &str = r#"(
    providers: { "jobs": memory(), "orders": memory() },
    workers: { "scripted": scripted(), "later": enqueue(queue: "orders") },
)"#;

fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

#[test]
fn a_job_is_put_into_the_queue_for_later() {
    let mut pipeline = Pipeline::new(ONE_QUEUE);
    let inner = r#"{"type":"scripted","name":"ok","params":{"n":9007199254740993,  "x":1.0}}"#;
    pipeline.feed(&format!(r#"{{"id":"a","type":"later","params":{{"job":{inner},"delay":"1h"}}}}"#));
    let parent = pipeline.wait(&id("a"), State::Done);
    assert_eq!(parent.output.json(), Some(r#"["a:1"]"#));
    let child = pipeline.wait(&id("a:1"), State::Done);
    assert_eq!(child.ended_at.unwrap().since(EPOCH).as_secs(), 3_600);
    assert_eq!(child.output.json(), Some(r#"{"n":9007199254740993,  "x":1.0}"#));
}

#[test]
fn what_a_job_says_itself_comes_first() {
    let mut pipeline = Pipeline::new(ONE_QUEUE);
    let jobs = r#"[{"id":"own","type":"scripted","name":"ok","delay":"10s"},{"type":"scripted","name":"ok"},
                   {"type":"scripted","name":"ok","run_at":"2026-01-01T00:02:00Z"}]"#;
    pipeline.feed(&format!(r#"{{"id":"a","type":"later","params":{{"jobs":{jobs},"run_at":"2026-01-01T00:01:00Z"}}}}"#));
    let mut times = Vec::new();
    for name in ["own", "a:2", "a:3"] {
        times.push(pipeline.wait(&id(name), State::Done).ended_at.unwrap().since(EPOCH).as_secs());
    }
    assert_eq!(times, [10, 60, 120]);
}

#[test]
fn goworkers_disk_jobs_go_on_as_they_are() {
    let mut pipeline = Pipeline::new(&ONE_QUEUE.replace("later", "disk"));
    let at = EPOCH.as_millis() / 1_000;
    for (name, field, seconds) in [("a", "exicution_time", at + 30), ("b", "execution_time", at - 30)] {
        let inner = r#"{"name":"ok","type":"scripted","params":null,"capture_output":true}"#;
        pipeline.feed(&format!(r#"{{"id":"{name}","type":"disk","params":{{"{field}":{seconds},"job":{inner}}}}}"#));
    }
    let mut waited = Vec::new();
    for name in ["a:1", "b:1"] {
        waited.push(pipeline.wait(&id(name), State::Done).ended_at.unwrap().since(EPOCH).as_secs());
    }
    assert_eq!(waited, [30, 0]);
}

#[test]
fn a_second_run_creates_nothing_twice() {
    let mut pipeline = Pipeline::new(ONE_QUEUE);
    let jobs = r#"[{"type":"scripted","name":"ok"},{"id":"own","type":"scripted","name":"ok"}]"#;
    pipeline.feed(&format!(r#"{{"id":"a","type":"later","params":{{"jobs":{jobs},"delay":"1m"}}}}"#));
    pipeline.wait(&id("a"), State::Done);
    let client = pipeline.client();
    assert_eq!(pipeline.block_on(client.retry(&id("a"))).unwrap(), Change::Changed);
    pipeline.run_for(Duration::from_secs(120));
    let mut jobs = pipeline.jobs();
    jobs.sort_by(|a, b| a.job.id.cmp(&b.job.id));
    let ended: Vec<_> = jobs.iter().map(|record| (record.job.id.as_str(), record.state, record.attempt)).collect();
    assert_eq!(ended, [("a", State::Done, 1), ("a:1", State::Done, 1), ("own", State::Done, 1)]);
}

#[test]
fn the_params_name_a_queue_before_the_setting_does() {
    let mut pipeline = Pipeline::new(TWO_QUEUES);
    pipeline.feed_into("jobs", r#"{"id":"a","type":"later","params":{"job":{"type":"scripted","name":"ok"}}}"#);
    pipeline.feed_into("jobs", r#"{"id":"b","type":"later","params":{"job":{"type":"scripted","name":"ok"},"queue":"jobs"}}"#);
    let client = pipeline.client();
    for (queue, child) in [("orders", "a:1"), ("jobs", "b:1")] {
        pipeline.wait(&id(&child[..1]), State::Done);
        pipeline.run_until(client.queue(queue).unwrap().wait(&id(child), Duration::from_secs(1))).unwrap();
    }
}

#[test]
fn what_cannot_be_enqueued_fails_at_once_and_is_told_by_its_path() {
    let mut pipeline = Pipeline::new(TWO_QUEUES);
    let params = [
        "null",
        "{}",
        r#"{"job":{"type":"x"},"jobs":[]}"#,
        r#"{"job":{"name":"no type"}}"#,
        r#"{"job":[{"type":"x"}]}"#,
        r#"{"jobs":[{"type":"x"},{"type":"x","priority":101}]}"#,
        r#"{"job":{"type":"x"},"delay":30}"#,
        r#"{"job":{"type":"x"},"delay":"30s","execution_time":1}"#,
        r#"{"job":{"type":"x"},"in":"30s"}"#,
        r#"{"job":{"type":"x"},"queue":"order"}"#,
        r#"{"job":{"id":"0","type":"x"},"queue":"jobs"}"#,
    ];
    for (number, params) in params.iter().enumerate() {
        pipeline.feed_into("jobs", &format!(r#"{{"id":"{number}","type":"later","params":{params}}}"#));
    }
    let mut told = Vec::new();
    for (number, params) in params.iter().enumerate() {
        let record = pipeline.wait(&id(&number.to_string()), State::Dead);
        assert_eq!(record.attempt, 1);
        told.push(format!("{params}\n    {}", record.failure.unwrap()));
    }
    insta::assert_snapshot!(told.join("\n"));
}
