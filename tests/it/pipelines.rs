//! Whole pipelines under virtual time, shown as timelines.

use std::time::{Duration, Instant};

use goworker::testing::Pipeline;
use goworker::{Change, Registry, State};
use insta::{assert_json_snapshot, assert_snapshot};

const SHOP: &str = r#"(
    providers: { "jobs": sqlite(path: "never-opened.db") },
    workers: { "lua": lua(scripts: "../scripts", timeout: "30s"), "scripted": scripted(timeout: "1m"), "attic": scripted() },
    retry: (retries: 2, backoff: exponential(initial: "1m", jitter: 0.5)),
    failure_handlers: [(type: "attic", name: "ok")],
)"#;

const GREET: &str = r#"{"type": "lua", "name": "greet", "params": {"who": "you"}}"#;

#[test]
fn a_job_that_fails_is_tried_again_and_ends_in_the_attic() {
    let mut pipeline = Pipeline::new(SHOP);
    pipeline.feed(r#"{"type": "lua", "name": "charge", "params": {"amount": 9999}, "retries": 1}"#);
    pipeline.feed(GREET);
    pipeline.feed(r#"{"id": "later", "type": "scripted", "name": "ok", "delay": "2d"}"#);
    assert_snapshot!(pipeline.run());
    assert!(!std::path::Path::new("never-opened.db").exists());
}

#[test]
fn each_fault_has_its_timeline() {
    for fault in [
        "fail lua/greet twice",
        "fail for good lua",
        "panic",
        "time out scripted",
        "lose the lease of lua/greet",
        "crash the manager in lua",
    ] {
        let mut pipeline = Pipeline::new(SHOP);
        pipeline.fault(fault);
        pipeline.feed(GREET);
        pipeline.feed(r#"{"type": "scripted", "name": "sleep", "params": 5000}"#);
        assert_snapshot!(fault.replace([' ', '/'], "_"), pipeline.run(), fault);
    }
}

#[test]
fn a_trace_is_data_too() {
    let mut pipeline = Pipeline::new(SHOP);
    pipeline.fault("fail lua");
    pipeline.feed(GREET);
    assert_json_snapshot!(pipeline.run());
}

#[test]
fn what_is_done_by_hand_is_in_the_trace() {
    let mut pipeline = Pipeline::new(SHOP);
    let cancelled = pipeline.feed(r#"{"type": "scripted", "name": "stop when told"}"#);
    let dead = pipeline.feed(r#"{"type": "scripted", "name": "fail twice", "retries": 1}"#);
    let queue = pipeline.queue("jobs");
    pipeline.run_for(Duration::from_secs(1));
    assert_eq!(pipeline.block_on(queue.cancel(&[cancelled])).unwrap(), [Change::Requested]);
    pipeline.wait(&dead, State::Dead);
    assert_eq!(pipeline.block_on(queue.retry(&[dead])).unwrap(), [Change::Changed]);
    assert_snapshot!(pipeline.run());
}

#[test]
fn a_manager_that_crashes_is_replaced_however_it_runs() {
    let crashing = || {
        let mut pipeline = Pipeline::new(SHOP);
        pipeline.fault("crash the manager");
        let id = pipeline.feed(GREET);
        (pipeline, id)
    };
    let (mut pipeline, id) = crashing();
    pipeline.run_until_idle();
    assert_eq!(pipeline.job(&id).state, State::Done);
    let (mut pipeline, id) = crashing();
    pipeline.run_for(Duration::ZERO);
    pipeline.block_on(async { tokio::time::sleep(Duration::from_secs(1)).await });
    pipeline.shut_down(1);
    assert_eq!(pipeline.job(&id).state, State::Running, "its lease is not over");
    assert!(pipeline.trace().to_string().contains("manager  crashed"), "{}", pipeline.trace());
}

#[test]
fn a_job_that_expires_between_two_attempts_ends_the_run() {
    let mut pipeline = Pipeline::new(&SHOP.replace("exponential(initial: \"1m\", jitter: 0.5)", "fixed(\"1h\")"));
    pipeline.fault("fail scripted always");
    pipeline.feed(r#"{"id": "stale", "type": "scripted", "name": "ok", "expires_at": "2026-01-01T00:30:00Z"}"#);
    assert_snapshot!(pipeline.run());
}

#[test]
fn a_job_that_another_makes_at_once_has_an_id_of_its_own() {
    let mut pipeline = Pipeline::new(SHOP);
    pipeline.feed(r#"{"type": "scripted", "name": "enqueue"}"#);
    assert_snapshot!(pipeline.run());
}

#[test]
fn a_lost_lease_concerns_its_own_queue_only() {
    let mut pipeline = Pipeline::new(&SHOP.replace("providers: {", "providers: { \"others\": memory(),"));
    pipeline.fault("lose the lease of scripted/sleep");
    pipeline.feed_into("others", r#"{"id": "loses", "type": "scripted", "name": "sleep", "params": 50000}"#);
    pipeline.feed_into("jobs", r#"{"id": "keeps", "type": "scripted", "name": "sleep", "params": 50000}"#);
    assert_snapshot!(pipeline.run());
}

#[test]
fn a_dead_letter_that_dies_again_is_told_again() {
    let mut pipeline = Pipeline::new(SHOP);
    pipeline.fault("fail for good scripted twice");
    pipeline.fault("fail attic always");
    let id = pipeline.feed(r#"{"id": "letter", "type": "scripted", "name": "ok"}"#);
    pipeline.wait(&id, State::Dead);
    pipeline.block_on(pipeline.queue("jobs").retry(&[id])).unwrap();
    assert_snapshot!(pipeline.run());
}

#[test]
fn what_was_taken_ahead_goes_back_when_the_jobs_before_it_take_long() {
    let mut pipeline = Pipeline::new(r#"(providers: { "jobs": memory() }, workers: { "scripted": scripted(concurrency: 2) })"#);
    // So many that it is known how short they are.
    for _ in 0..600 {
        pipeline.feed(r#"{"type": "scripted", "name": "ok"}"#);
    }
    pipeline.run();
    for n in 1..=5 {
        pipeline.feed(&format!(r#"{{"id": "long-{n}", "type": "scripted", "name": "sleep", "params": 5000}}"#));
    }
    let trace = pipeline.run().to_string();
    let of_long_ones: Vec<&str> = trace.lines().filter(|line| line.contains("long-")).collect();
    assert_snapshot!(of_long_ones.join("\n"));
}

#[test]
fn a_type_of_which_there_was_nothing_starts_at_once_beside_one_of_which_there_is_plenty() {
    let mut pipeline = Pipeline::new(
        r#"(providers: { "jobs": memory() }, workers: { "scripted": scripted(concurrency: 2), "lua": lua(scripts: "../scripts") })"#,
    );
    for _ in 0..40 {
        pipeline.feed(r#"{"type": "scripted", "name": "sleep", "params": 700}"#);
    }
    pipeline.run_for(Duration::from_secs(3));
    pipeline.feed(r#"{"id": "guest", "type": "lua", "name": "greet", "params": {"who": "you"}}"#);
    let trace = pipeline.run_for(Duration::from_secs(1)).to_string();
    let of_the_guest: Vec<&str> = trace.lines().filter(|line| line.contains("guest")).collect();
    assert_snapshot!(of_the_guest.join("\n"));
}

#[test]
fn an_hour_takes_no_time() {
    let began = Instant::now();
    let mut pipeline = Pipeline::new(&SHOP.replace("exponential(initial: \"1m\", jitter: 0.5)", "fixed(\"1h\")"));
    pipeline.fault("fail lua always");
    pipeline.feed(GREET);
    let last = pipeline.run().events().last().unwrap().at;
    assert_eq!(Duration::from_millis(last), Duration::from_secs(2 * 3_600));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// `GOWORKER_RUNS` sets how many runs there are.
#[test]
fn every_run_gives_the_same_text() {
    let runs = std::env::var("GOWORKER_RUNS").ok().map_or(40, |runs| runs.parse().unwrap());
    let run = || {
        let mut pipeline = Pipeline::new(SHOP);
        for fault in ["fail lua/greet 3 times", "panic scripted", "lose the lease of lua", "crash the manager in scripted"] {
            pipeline.fault(fault);
        }
        for n in 0..8 {
            pipeline.feed(GREET);
            pipeline.feed(&format!(r#"{{"type": "scripted", "name": "sleep", "params": {}}}"#, n * 700));
            pipeline.feed(r#"{"type": "lua", "name": "charge", "params": {"amount": 9999}}"#);
        }
        pipeline.run().to_string()
    };
    let first = run();
    for _ in 1..runs {
        assert_eq!(run(), first);
    }
}

#[test]
#[should_panic(expected = "`explode` is not a fault; write")]
fn a_fault_that_nobody_knows_is_told() {
    Pipeline::new(SHOP).fault("explode");
}

#[test]
#[should_panic(expected = "did you mean `scripted`?")]
fn a_configuration_with_mistakes_fails_the_test() {
    Pipeline::new(&SHOP.replace("scripted()", "scriptd()"));
}

#[test]
#[should_panic(expected = "there is no worker kind `scripted`")]
fn a_pipeline_knows_the_kinds_of_its_registry_and_no_others() {
    let idle = r#"(providers: { "jobs": memory() }, workers: { "lua": lua() })"#;
    Pipeline::new_with(idle, Registry::builtin());
    Pipeline::new_with(SHOP, Registry::builtin());
}

#[test]
#[should_panic(expected = "there is no provider kind `sqlite`")]
fn a_pipeline_of_a_file_takes_a_registry_too() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), SHOP).unwrap();
    Pipeline::load_with(file.path(), Registry::empty());
}
