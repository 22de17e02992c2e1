//! The manager, through configurations with a memory queue and workers that do as they are told.

use std::time::Duration;

use goworker::testing::{EPOCH, Pipeline};
use goworker::{Cause, JobId, State};

const PLAIN: &str = r#"(
    providers: { "jobs": memory() },
    workers: { "scripted": scripted(concurrency: 4), "attic": scripted() },
    retry: (retries: 2, backoff: fixed("10s")),
    failure_handlers: [(type: "attic", name: "ok")],
    shutdown: (grace: "30s"),
)"#;

fn job(name: &str) -> String {
    format!(r#"{{"id":"{}","type":"scripted","name":"{name}"}}"#, name.replace(' ', "-"))
}

#[test]
fn a_job_runs_and_its_output_is_kept() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"ok","params":{"n":9007199254740993}}"#);
    let record = pipeline.wait(&id, State::Done);
    assert_eq!(record.output.json(), Some(r#"{"n":9007199254740993}"#));
}

#[test]
fn a_failed_job_is_tried_again_after_its_delay() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(&job("fail twice"));
    pipeline.wait(&id, State::Done);
    let record = pipeline.job(&id);
    let starts: Vec<u128> = record.attempts.iter().map(|attempt| attempt.started_at.since(EPOCH).as_secs().into()).collect();
    assert_eq!(starts, [0, 10], "two failed attempts, ten seconds apart");
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 20);
}

#[test]
fn a_job_whose_retries_are_exhausted_is_dead_and_goes_to_its_handler() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(&job("fail"));
    let record = pipeline.wait(&id, State::Dead);
    assert_eq!(record.attempts.len(), 3);
    let handler: JobId = "fail:attic".parse().unwrap();
    let handled = pipeline.wait(&handler, State::Done);
    let failed: serde_json::Value = handled.job.params().unwrap();
    assert_eq!(failed["failed"]["job"]["id"], "fail");
    assert_eq!(failed["failed"]["error"]["message"], "failed as told");
    assert_eq!(failed["failed"]["attempts"].as_array().unwrap().len(), 3);
}

#[test]
fn a_panic_costs_one_job_only() {
    let mut pipeline = Pipeline::new(PLAIN);
    let bad = pipeline.feed(r#"{"id":"bad","type":"scripted","name":"panic","retries":0}"#);
    let good = pipeline.feed(&job("ok"));
    pipeline.wait(&good, State::Done);
    let record = pipeline.wait(&bad, State::Dead);
    let failure = record.failure.unwrap();
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::Panic, "panicked: panicked as told"));
}

#[test]
fn a_worker_runs_so_many_jobs_at_once_and_no_more() {
    let mut pipeline = Pipeline::new(PLAIN);
    let sleep = |n| format!(r#"{{"id":"{n}","type":"scripted","name":"sleep","params":10000}}"#);
    let ids: Vec<JobId> = (0..9).map(|n| pipeline.feed(&sleep(n))).collect();
    let mut ends: Vec<u64> = ids.iter().map(|id| pipeline.wait(id, State::Done).ended_at.unwrap().since(EPOCH).as_secs()).collect();
    ends.sort_unstable();
    assert_eq!(ends, [10, 10, 10, 10, 20, 20, 20, 20, 30]);
}

#[test]
fn a_retry_holds_no_slot() {
    let mut pipeline = Pipeline::new(&PLAIN.replace("concurrency: 4", "concurrency: 1"));
    let failing = pipeline.feed(&job("fail twice"));
    let other = pipeline.feed(&job("ok"));
    let done = pipeline.wait(&other, State::Done);
    assert!(done.ended_at.unwrap().since(EPOCH) < Duration::from_secs(1), "it did not wait for the other's retry");
    pipeline.wait(&failing, State::Done);
}

#[test]
fn a_busy_worker_does_not_block_jobs_of_other_types() {
    let mut pipeline = Pipeline::new(&PLAIN.replace("concurrency: 4", "concurrency: 1"));
    for n in 0..5 {
        pipeline.feed(&format!(r#"{{"id":"slow{n}","type":"scripted","name":"sleep","params":3600000}}"#));
    }
    let other = pipeline.feed(r#"{"id":"other","type":"attic","name":"ok"}"#);
    let done = pipeline.wait(&other, State::Done);
    assert!(done.ended_at.unwrap().since(EPOCH) < Duration::from_secs(1));
}

#[test]
fn a_job_that_takes_too_long_is_told_to_stop_and_tried_again() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"stop when told","timeout":"3s","retries":0}"#);
    let record = pipeline.wait(&id, State::Dead);
    let failure = record.failure.unwrap();
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::Timeout, "timed out after 3s"));
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 3);
}

#[test]
fn a_job_deaf_to_its_time_out_is_dropped_five_seconds_later() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"never stop","timeout":"3s","retries":0}"#);
    let record = pipeline.wait(&id, State::Dead);
    assert_eq!(record.failure.unwrap().cause, Cause::Timeout);
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 8);
}

#[test]
fn a_result_that_comes_after_the_stop_still_counts() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"finish when told to stop","timeout":"3s"}"#);
    let record = pipeline.wait(&id, State::Done);
    assert_eq!(record.output.json(), Some(r#""finished""#));
}

#[test]
fn a_running_job_is_cancelled_at_the_next_renewal() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(&job("stop when told"));
    pipeline.wait(&id, State::Running);
    let queue = pipeline.queue("jobs");
    pipeline.block_on(queue.cancel(std::slice::from_ref(&id))).unwrap();
    let record = pipeline.wait(&id, State::Cancelled);
    assert!(record.ended_at.unwrap().since(EPOCH) <= Duration::from_secs(11));
}

#[test]
fn a_long_job_keeps_its_lease() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"sleep","params":7200000}"#);
    let record = pipeline.wait(&id, State::Done);
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 7_200);
    assert_eq!((record.crashes, record.attempt), (0, 1));
}

#[test]
fn a_snooze_costs_no_attempt() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"snooze once","retries":0}"#);
    let record = pipeline.wait(&id, State::Done);
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 60);
}

#[test]
fn a_worker_may_say_when_to_try_again() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"retry after","params":2500,"retries":1}"#);
    let record = pipeline.wait(&id, State::Dead);
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_millis(), 2_500);
}

#[test]
fn params_that_do_not_fit_fail_at_once() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"bad params","params":[1,"two"]}"#);
    let record = pipeline.wait(&id, State::Dead);
    assert_eq!(record.attempts.len(), 1);
    assert_eq!(record.failure.unwrap().message, "params[1]: invalid type: string \"two\", expected u8");
}

#[test]
fn an_attempt_keeps_the_last_lines_of_its_log() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(r#"{"type":"scripted","name":"log","retries":0}"#);
    let record = pipeline.wait(&id, State::Dead);
    let log = &record.attempts[0].log;
    assert_eq!((log.len(), log[0].as_str(), log[49].as_str()), (50, "info  line 11", "info  line 60"));
}

#[test]
fn an_output_beyond_the_limit_is_not_kept() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(&job("long output"));
    assert_eq!(pipeline.wait(&id, State::Done).output.json(), None);
}

#[test]
fn a_job_may_enqueue_another() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(&job("enqueue"));
    let record = pipeline.wait(&id, State::Done);
    let next: String = serde_json::from_str(record.output.json().unwrap()).unwrap();
    pipeline.wait(&next.parse().unwrap(), State::Done);
}

#[test]
fn the_first_stop_lets_jobs_finish_and_starts_no_more() {
    let mut pipeline = Pipeline::new(&PLAIN.replace("concurrency: 4", "concurrency: 1"));
    let running = pipeline.feed(r#"{"id":"a","type":"scripted","name":"sleep","params":20000}"#);
    let waiting = pipeline.feed(r#"{"id":"b","type":"scripted","name":"ok"}"#);
    pipeline.wait(&running, State::Running);
    let summary = pipeline.shut_down(1);
    assert_eq!(summary.elapsed.get().as_secs(), 20);
    assert_eq!(pipeline.job(&running).state, State::Done);
    assert_eq!(pipeline.job(&waiting).state, State::Ready);
}

#[test]
fn what_runs_on_after_the_grace_time_is_given_back_without_an_attempt() {
    let mut pipeline = Pipeline::new(PLAIN);
    let deaf = pipeline.feed(r#"{"id":"deaf","type":"scripted","name":"never stop"}"#);
    let polite = pipeline.feed(r#"{"id":"polite","type":"scripted","name":"stop when told"}"#);
    pipeline.wait(&deaf, State::Running);
    let summary = pipeline.shut_down(1);
    assert!(summary.elapsed.get() < Duration::from_secs(31), "{:?}", summary.elapsed);
    for id in [deaf, polite] {
        let record = pipeline.job(&id);
        assert_eq!((record.state, record.attempt, record.crashes), (State::Ready, 0, 0), "{id}");
    }
    assert_eq!(summary.stats.total().released, 2);
}

#[test]
fn the_second_stop_gives_everything_back_at_once() {
    let mut pipeline = Pipeline::new(PLAIN);
    let deaf = pipeline.feed(&job("never stop"));
    pipeline.wait(&deaf, State::Running);
    let summary = pipeline.shut_down(2);
    assert!(summary.elapsed.get() < Duration::from_secs(1));
    assert_eq!(pipeline.job(&deaf).state, State::Ready);
}

#[test]
fn a_run_until_idle_waits_for_retries_but_not_for_delayed_or_unknown_jobs() {
    let mut pipeline = Pipeline::new(PLAIN);
    let retried = pipeline.feed(&job("fail twice"));
    let delayed = pipeline.feed(r#"{"id":"delayed","type":"scripted","name":"ok","delay":"2h"}"#);
    let unknown = pipeline.feed(r#"{"id":"unknown","type":"nobody","name":"ok"}"#);
    let summary = pipeline.run_until_idle();
    assert_eq!(pipeline.job(&retried).state, State::Done);
    assert_eq!(pipeline.job(&delayed).state, State::Scheduled);
    assert_eq!(pipeline.job(&unknown).state, State::Ready);
    assert_eq!(summary.elapsed.get().as_secs(), 20);
    assert_eq!(summary.unknown.iter().map(|waiting| (waiting.job_type.as_str(), waiting.jobs)).collect::<Vec<_>>(), [("nobody", 1)]);
    assert_eq!(summary.delayed.iter().map(|waiting| waiting.jobs).sum::<u64>(), 1);
}

#[test]
fn statistics_count_by_provider_type_and_outcome() {
    let mut pipeline = Pipeline::new(PLAIN);
    for name in ["ok", "fail", "panic", "fail for good", "fail twice"] {
        pipeline.feed(&job(name));
    }
    let summary = pipeline.run_until_idle();
    insta::assert_json_snapshot!(summary.stats);
}

#[test]
fn a_worker_may_say_after_how_many_crashes_a_job_is_poison() {
    for (worker, crashes) in [("scripted()", 2), ("scripted(poison: 1)", 1)] {
        let config = format!(r#"(providers: {{ "jobs": memory() }}, workers: {{ "scripted": {worker} }}, poison: 2)"#);
        let mut pipeline = Pipeline::new(&config);
        pipeline.fault("crash the manager always");
        let id = pipeline.feed(&job("ok"));
        let record = pipeline.wait(&id, State::Dead);
        assert_eq!((record.crashes, record.failure.unwrap().cause), (crashes, Cause::Poison), "{config}");
    }
}

#[test]
fn how_far_a_job_is_can_be_seen_while_it_runs() {
    let mut pipeline = Pipeline::new(PLAIN);
    let id = pipeline.feed(&job("progress"));
    let mut seen = Vec::new();
    for _ in 0..20 {
        pipeline.run_for(Duration::from_millis(250));
        seen.extend(pipeline.job(&id).progress.map(|progress| progress.message));
    }
    seen.dedup();
    // It says so ten times a second, and is passed on once.
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen.last().unwrap().starts_with("step 4"), "{seen:?}");
    assert!(pipeline.wait(&id, State::Done).progress.is_none());
}
