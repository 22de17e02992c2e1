//! Schedules as timelines, under virtual time.

use std::time::Duration;

use goworker::testing::Pipeline;

const DAY: Duration = Duration::from_secs(86_400);

/// A pipeline that begins at midnight of New Year 2026, in UTC.
fn pipeline(entry: &str, into: &str) -> Pipeline {
    let queue = if into.is_empty() { "" } else { r#""jobs": memory(keep: (done: (count: 0))), "# };
    let text = format!(
        r#"(providers: {{ {queue}"nightly": cron({entry}, {into}job: (type: "lua", name: "report", params: {{ "of": "{{date}}" }})) }},
        workers: {{ "lua": lua() }}, retry: (retries: 1, backoff: fixed("30m")))"#
    );
    let mut pipeline = Pipeline::new(&text);
    pipeline.stand_in("lua", |job, _| Ok(serde_json::from_str::<serde_json::Value>(job.params.get()).unwrap()["of"].clone().into()));
    pipeline
}

#[test]
fn each_time_brings_one_job_also_when_the_manager_crashes() {
    let mut pipeline = pipeline(r#"schedule: ["0 3 * * *", "0 15 * * SAT"], timezone: "Europe/Berlin""#, r#"into: "jobs", "#);
    pipeline.fault("crash the manager in lua/report");
    insta::assert_snapshot!(pipeline.run_for(3 * DAY));
}

#[test]
fn what_is_jittered_starts_later_by_the_same_time_in_each_run() {
    let timeline =
        || pipeline(r#"schedule: "@every 1h", jitter: "30m""#, r#"into: "jobs", "#).run_for(Duration::from_secs(5 * 3_600)).to_string();
    assert_eq!(timeline(), timeline());
    insta::assert_snapshot!(timeline());
}

#[test]
fn a_time_is_skipped_while_the_job_of_an_earlier_one_has_not_ended() {
    for into in [r#"into: "jobs", "#, ""] {
        let mut pipeline = pipeline(r#"schedule: "@every 10m", overlap: skip"#, into);
        pipeline.fault("fail lua once");
        insta::assert_snapshot!(pipeline.run_for(Duration::from_secs(3_700)));
    }
}

#[test]
fn without_a_queue_jobs_run_directly_each_at_its_own_time() {
    insta::assert_snapshot!(pipeline(r#"schedule: "@every 1h", jitter: "30m""#, "").run_for(Duration::from_secs(5 * 3_600)));
}

#[test]
fn a_run_that_ends_when_idle_does_not_begin_a_schedule() {
    let mut pipeline = pipeline(r#"schedule: "@every 1s""#, r#"into: "jobs", "#);
    let summary = pipeline.run_until_idle();
    assert!(summary.stats.linked.is_empty(), "{:?}", summary.stats);
}
