//! What people may do with jobs: look, cancel, retry, delete, count.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cases;
use super::subject::{Subject, WORK, dead, done, failure, id, job, jobs, retry};
use super::trial::{Trial, Verdict, claim, expect};
use crate::job::Job;
use crate::outcome::Settlement;
use crate::queue::{Change, Count, Filter, State};
use crate::units::Dur;

cases![
    a_waiting_job_is_cancelled_at_once,
    a_job_that_has_ended_cannot_be_cancelled,
    a_dead_job_that_is_retried_counts_anew,
    a_job_retried_by_hand_queues_behind_those_that_waited_longer,
    only_jobs_that_have_ended_can_be_retried,
    a_deleted_job_is_forgotten,
    a_running_job_cannot_be_deleted,
    the_list_is_filtered_and_shows_the_newest_first,
    the_statistics_are_those_of_the_list,
    the_statistics_tell_since_when_the_oldest_job_is_ready,
];

/// Jobs named after the state that they are brought into: all but `expired`.
async fn one_in_each_state(queue: &Subject) -> Verdict {
    queue.run_one("done", done()).await?;
    queue.run_one("dead", dead("no")).await?;
    queue.run_one("cancelled", Settlement::Cancelled).await?;
    queue.run_one("retrying", retry(Duration::from_secs(3_600))).await?;
    queue.accept([job("running")]).await?;
    let _held = queue.take_exactly(&["running"]).await?;
    queue.accept([job("ready"), Job { delay: Some(Dur::secs(3_600)), ..job("scheduled") }]).await
}

async fn a_waiting_job_is_cancelled_at_once(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([job("a"), job("b"), Job { delay: Some(Dur::millis(100)), ..job("c") }]).await?;
    expect("what cancelling answers", queue.cancel(&[id("a"), id("c"), id("absent")]).await?, {
        [Change::Changed, Change::Changed, Change::Absent]
    })?;
    for name in ["a", "c"] {
        let record = queue.record(name).await?;
        expect(&format!("the state of `{name}`"), record.state, State::Cancelled)?;
        claim("it tells when it ended", record.ended_at.is_some())?;
    }
    let _held = queue.take_exactly(&["b"]).await?;
    tokio::time::sleep(Duration::from_millis(150)).await;
    queue.take_nothing().await
}

async fn a_job_that_has_ended_cannot_be_cancelled(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.run_one("a", done()).await?;
    queue.run_one("b", dead("no")).await?;
    expect("what cancelling answers", queue.cancel(&[id("a"), id("b")]).await?, {
        [Change::Refused(State::Done), Change::Refused(State::Dead)]
    })?;
    queue.expect_state("a", State::Done).await?;
    queue.expect_state("b", State::Dead).await
}

async fn a_dead_job_that_is_retried_counts_anew(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a"])).await?;
    let _lost = queue.take_exactly(&["a"]).await?;
    let batch = queue.await_jobs(1).await?;
    expect("crashes before it died", batch.deliveries[0].crashes, 1)?;
    queue.settle_all(&[queue.settled(&batch, 0, dead("first"))]).await?;
    expect("what retrying answers", queue.retry(&[id("a")]).await?, [Change::Changed])?;

    let record = queue.record("a").await?;
    expect("state, attempts and crashes", (record.state, record.attempt, record.crashes), (State::Ready, 0, 0))?;
    expect("attempts that stay listed", record.attempts.len(), 1)?;
    expect("when it ended", record.ended_at, None)?;
    let batch = queue.take_exactly(&["a"]).await?;
    let delivery = &batch.deliveries[0];
    expect("attempts and crashes delivered", (delivery.attempts.len(), delivery.crashes), (0, 0))?;
    expect("attempts from before, as delivered", delivery.earlier, 1)?;
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::ZERO))]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    expect("attempts delivered then", batch.deliveries[0].attempts.len(), 1)?;
    queue.settle_all(&[queue.settled(&batch, 0, dead("second"))]).await?;
    let record = queue.record("a").await?;
    expect("attempts counted and listed", (record.attempt, record.attempts.len()), (2, 3))?;
    expect("its failure", record.failure, Some(failure("second")))
}

async fn a_job_retried_by_hand_queues_behind_those_that_waited_longer(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.run_one("a", dead("no")).await?;
    queue.accept(jobs(&["b"])).await?;
    // So that the clock moves on, which counts in milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    queue.retry(&[id("a")]).await?;
    queue.take_exactly(&["b", "a"]).await.map(|_| ())
}

async fn only_jobs_that_have_ended_can_be_retried(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    one_in_each_state(&queue).await?;
    let ids = ["ready", "scheduled", "running", "absent", "done", "dead", "cancelled"].map(id);
    let refused = [State::Ready, State::Scheduled, State::Running].map(Change::Refused);
    let wanted: Vec<Change> = refused.into_iter().chain([Change::Absent, Change::Changed, Change::Changed, Change::Changed]).collect();
    expect("what retrying answers", queue.retry(&ids).await?, wanted)?;
    expect("no output is left of the first time", queue.record("done").await?.output.json(), None::<&str>)?;
    queue.await_all(&["ready", "done", "dead", "cancelled"]).await.map(|_| ())
}

async fn a_deleted_job_is_forgotten(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    one_in_each_state(&queue).await?;
    let names = ["ready", "scheduled", "retrying", "done", "dead", "cancelled"];
    expect("what deleting answers", queue.delete(&names.map(id)).await?, vec![Change::Changed; 6])?;
    expect("what deleting again answers", queue.delete(&names.map(id)).await?, vec![Change::Absent; 6])?;
    expect("the jobs left", queue.listed(Filter::default()).await?, ["running"])?;
    queue.take_nothing().await?;
    // Their ids are free.
    queue.accept([Job { name: "other".into(), ..job("done") }]).await?;
    queue.take_exactly(&["done"]).await.map(|_| ())
}

async fn a_running_job_cannot_be_deleted(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    expect("what deleting answers", queue.delete(&[id("a")]).await?, [Change::Refused(State::Running)])?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.expect_state("a", State::Done).await
}

async fn the_list_is_filtered_and_shows_the_newest_first(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    one_in_each_state(&queue).await?;
    queue.accept([Job { job_type: "other".into(), ..job("typed") }]).await?;
    let filter =
        |states: &[State], job_type: Option<&str>, limit| Filter { states: states.to_vec(), job_type: job_type.map(str::to_owned), limit };
    let newest_first = ["typed", "scheduled", "ready", "running", "retrying", "cancelled", "dead", "done"];
    expect("all", queue.listed(filter(&[], None, None)).await?, newest_first)?;
    expect("the newest two", queue.listed(filter(&[], None, Some(2))).await?, &newest_first[..2])?;
    expect("none", queue.listed(filter(&[], None, Some(0))).await?, [""; 0])?;
    expect("one state", queue.listed(filter(&[State::Scheduled], None, None)).await?, ["scheduled", "retrying"])?;
    expect("two states", queue.listed(filter(&[State::Dead, State::Ready], None, None)).await?, ["typed", "ready", "dead"])?;
    expect("one type", queue.listed(filter(&[], Some("other"), None)).await?, ["typed"])?;
    let all_three = filter(&[State::Ready, State::Done], Some(WORK), Some(1));
    expect("state, type and limit", queue.listed(all_three).await?, ["ready"])?;
    expect("an absent job", queue.get(&id("absent")).await?.map(|record| record.state), None)
}

async fn the_statistics_are_those_of_the_list(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    one_in_each_state(&queue).await?;
    queue.accept([Job { job_type: "other".into(), ..job("typed") }, job("ready2")]).await?;
    let mut counted: BTreeMap<(String, State, bool), u64> = BTreeMap::new();
    for record in queue.list(&Filter::default()).await? {
        let retrying = record.job.id == id("retrying");
        *counted.entry((record.job.job_type.clone(), record.state, retrying)).or_default() += 1;
    }
    let wanted: Vec<Count> =
        counted.into_iter().map(|((job_type, state, retrying), jobs)| Count { job_type, state, retrying, jobs }).collect();
    expect("the counts", queue.stats().await?.counts, wanted)
}

async fn the_statistics_tell_since_when_the_oldest_job_is_ready(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    expect("with nothing ready", queue.stats().await?.oldest_ready, None)?;
    let before = trial.now();
    queue.accept([Job { priority: -5, ..job("old") }]).await?;
    let after = trial.now();
    queue.accept([Job { priority: 5, ..job("new") }, Job { delay: Some(Dur::secs(60)), ..job("later") }]).await?;
    let oldest = queue.stats().await?.oldest_ready;
    claim(&format!("between {before} and {after}; it says {oldest:?}"), trial.is_between(oldest, before, after))
}
