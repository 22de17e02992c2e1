//! The manager, through configurations with a memory queue and workers that do as they are told.

use std::time::Duration;

use goworker::{Cause, JobId, State};
use goworker_tests::pipeline::{EPOCH, Pipeline};

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

#[tokio::test(start_paused = true)]
async fn a_job_runs_and_its_output_is_kept() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"ok","params":{"n":9007199254740993}}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Done).await;
    assert_eq!(record.output.json(), Some(r#"{"n":9007199254740993}"#));
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_is_tried_again_after_its_delay() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(&job("fail twice")).await;
    pipeline.start();
    pipeline.wait(&id, State::Done).await;
    let record = pipeline.queue.get(&id).await.unwrap().unwrap();
    let starts: Vec<u128> = record.attempts.iter().map(|attempt| attempt.started_at.since(EPOCH).as_secs().into()).collect();
    assert_eq!(starts, [0, 10], "two failed attempts, ten seconds apart");
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_retries_are_exhausted_is_dead_and_goes_to_its_handler() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(&job("fail")).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Dead).await;
    assert_eq!(record.attempts.len(), 3);
    let handler: JobId = "fail:attic".parse().unwrap();
    let handled = pipeline.wait(&handler, State::Done).await;
    let failed: serde_json::Value = handled.job.params().unwrap();
    assert_eq!(failed["failed"]["job"]["id"], "fail");
    assert_eq!(failed["failed"]["error"]["message"], "failed as told");
    assert_eq!(failed["failed"]["attempts"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_job_only() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let bad = pipeline.enqueue(r#"{"id":"bad","type":"scripted","name":"panic","retries":0}"#).await;
    let good = pipeline.enqueue(&job("ok")).await;
    pipeline.start();
    pipeline.wait(&good, State::Done).await;
    let record = pipeline.wait(&bad, State::Dead).await;
    let failure = record.failure.unwrap();
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::Panic, "panicked: panicked as told"));
}

#[tokio::test(start_paused = true)]
async fn a_retry_holds_no_slot() {
    let mut pipeline = Pipeline::new(&PLAIN.replace("concurrency: 4", "concurrency: 1")).await;
    let failing = pipeline.enqueue(&job("fail twice")).await;
    let other = pipeline.enqueue(&job("ok")).await;
    pipeline.start();
    let done = pipeline.wait(&other, State::Done).await;
    assert!(done.ended_at.unwrap().since(EPOCH) < Duration::from_secs(1), "it did not wait for the other's retry");
    pipeline.wait(&failing, State::Done).await;
}

#[tokio::test(start_paused = true)]
async fn a_busy_worker_does_not_block_jobs_of_other_types() {
    let mut pipeline = Pipeline::new(&PLAIN.replace("concurrency: 4", "concurrency: 1")).await;
    for n in 0..5 {
        pipeline.enqueue(&format!(r#"{{"id":"slow{n}","type":"scripted","name":"sleep","params":3600000}}"#)).await;
    }
    let other = pipeline.enqueue(r#"{"id":"other","type":"attic","name":"ok"}"#).await;
    pipeline.start();
    let done = pipeline.wait(&other, State::Done).await;
    assert!(done.ended_at.unwrap().since(EPOCH) < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_takes_too_long_is_told_to_stop_and_tried_again() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"stop when told","timeout":"3s","retries":0}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Dead).await;
    let failure = record.failure.unwrap();
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::Timeout, "timed out after 3s"));
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_job_deaf_to_its_time_out_is_dropped_five_seconds_later() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"never stop","timeout":"3s","retries":0}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Dead).await;
    assert_eq!(record.failure.unwrap().cause, Cause::Timeout);
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_after_the_stop_still_counts() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"finish when told to stop","timeout":"3s"}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Done).await;
    assert_eq!(record.output.json(), Some(r#""finished""#));
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_cancelled_at_the_next_renewal() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(&job("stop when told")).await;
    pipeline.start();
    pipeline.wait(&id, State::Running).await;
    pipeline.queue.cancel(std::slice::from_ref(&id)).await.unwrap();
    let record = pipeline.wait(&id, State::Cancelled).await;
    assert!(record.ended_at.unwrap().since(EPOCH) <= Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn a_long_job_keeps_its_lease() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"sleep","params":7200000}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Done).await;
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 7_200);
    assert_eq!((record.crashes, record.attempt), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_snooze_costs_no_attempt() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"snooze once","retries":0}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Done).await;
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_worker_may_say_when_to_try_again() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"retry after","params":2500,"retries":1}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Dead).await;
    assert_eq!(record.ended_at.unwrap().since(EPOCH).as_millis(), 2_500);
}

#[tokio::test(start_paused = true)]
async fn params_that_do_not_fit_fail_at_once() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"bad params","params":[1,"two"]}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Dead).await;
    assert_eq!(record.attempts.len(), 1);
    assert_eq!(record.failure.unwrap().message, "params[1]: invalid type: string \"two\", expected u8");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_keeps_the_last_lines_of_its_log() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(r#"{"type":"scripted","name":"log","retries":0}"#).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Dead).await;
    let log = &record.attempts[0].log;
    assert_eq!((log.len(), log[0].as_str(), log[49].as_str()), (50, "info  line 11", "info  line 60"));
}

#[tokio::test(start_paused = true)]
async fn an_output_beyond_the_limit_is_not_kept() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(&job("long output")).await;
    pipeline.start();
    assert_eq!(pipeline.wait(&id, State::Done).await.output.json(), None);
}

#[tokio::test(start_paused = true)]
async fn a_job_may_enqueue_another() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let id = pipeline.enqueue(&job("enqueue")).await;
    pipeline.start();
    let record = pipeline.wait(&id, State::Done).await;
    let next: String = serde_json::from_str(record.output.json().unwrap()).unwrap();
    pipeline.wait(&next.parse().unwrap(), State::Done).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_stop_lets_jobs_finish_and_starts_no_more() {
    let mut pipeline = Pipeline::new(&PLAIN.replace("concurrency: 4", "concurrency: 1")).await;
    let running = pipeline.enqueue(r#"{"id":"a","type":"scripted","name":"sleep","params":20000}"#).await;
    let waiting = pipeline.enqueue(r#"{"id":"b","type":"scripted","name":"ok"}"#).await;
    pipeline.start();
    pipeline.wait(&running, State::Running).await;
    let queue = pipeline.queue.clone();
    pipeline.stop.request();
    let summary = pipeline.end().await;
    assert_eq!(summary.elapsed.get().as_secs(), 20);
    assert_eq!(queue.get(&running).await.unwrap().unwrap().state, State::Done);
    assert_eq!(queue.get(&waiting).await.unwrap().unwrap().state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn what_runs_on_after_the_grace_time_is_given_back_without_an_attempt() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let deaf = pipeline.enqueue(r#"{"id":"deaf","type":"scripted","name":"never stop"}"#).await;
    let polite = pipeline.enqueue(r#"{"id":"polite","type":"scripted","name":"stop when told"}"#).await;
    pipeline.start();
    pipeline.wait(&deaf, State::Running).await;
    let queue = pipeline.queue.clone();
    pipeline.stop.request();
    let summary = pipeline.end().await;
    assert!(summary.elapsed.get() < Duration::from_secs(31), "{:?}", summary.elapsed);
    for id in [deaf, polite] {
        let record = queue.get(&id).await.unwrap().unwrap();
        assert_eq!((record.state, record.attempt, record.crashes), (State::Ready, 0, 0), "{id}");
    }
    assert_eq!(summary.stats.total().released, 2);
}

#[tokio::test(start_paused = true)]
async fn the_second_stop_gives_everything_back_at_once() {
    let mut pipeline = Pipeline::new(PLAIN).await;
    let deaf = pipeline.enqueue(&job("never stop")).await;
    pipeline.start();
    pipeline.wait(&deaf, State::Running).await;
    let queue = pipeline.queue.clone();
    pipeline.stop.request();
    pipeline.stop.request();
    let summary = pipeline.end().await;
    assert!(summary.elapsed.get() < Duration::from_secs(1));
    assert_eq!(queue.get(&deaf).await.unwrap().unwrap().state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_run_until_idle_waits_for_retries_but_not_for_delayed_or_unknown_jobs() {
    let pipeline = Pipeline::until_idle(PLAIN).await;
    let retried = pipeline.enqueue(&job("fail twice")).await;
    let delayed = pipeline.enqueue(r#"{"id":"delayed","type":"scripted","name":"ok","delay":"2h"}"#).await;
    let unknown = pipeline.enqueue(r#"{"id":"unknown","type":"nobody","name":"ok"}"#).await;
    let queue = pipeline.queue.clone();
    let summary = pipeline.end().await;
    assert_eq!(queue.get(&retried).await.unwrap().unwrap().state, State::Done);
    assert_eq!(queue.get(&delayed).await.unwrap().unwrap().state, State::Scheduled);
    assert_eq!(queue.get(&unknown).await.unwrap().unwrap().state, State::Ready);
    assert_eq!(summary.elapsed.get().as_secs(), 20);
    assert_eq!(summary.unknown.iter().map(|waiting| (waiting.job_type.as_str(), waiting.jobs)).collect::<Vec<_>>(), [("nobody", 1)]);
    assert_eq!(summary.delayed.iter().map(|waiting| waiting.jobs).sum::<u64>(), 1);
}

#[tokio::test(start_paused = true)]
async fn statistics_count_by_provider_type_and_outcome() {
    let pipeline = Pipeline::until_idle(PLAIN).await;
    for name in ["ok", "fail", "panic", "fail for good", "fail twice"] {
        pipeline.enqueue(&job(name)).await;
    }
    let summary = pipeline.end().await;
    insta::assert_json_snapshot!(summary.stats);
}
