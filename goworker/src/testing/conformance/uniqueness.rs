//! What `unique` promises: of the jobs with one key, one is there at a time.

use std::sync::Arc;
use std::time::Duration;

use super::cases;
use super::subject::{Subject, dead, done, id, job, jobs, retry};
use super::trial::{Trial, Verdict, claim, expect};
use crate::job::{Job, Params, Unique};
use crate::outcome::Settlement;
use crate::provider::Bound;
use crate::queue::{Change, Enqueued, Filter, State};
use crate::units::Dur;

cases![
    a_key_is_held_until_its_job_has_ended,
    a_key_is_free_however_its_job_has_ended,
    a_key_is_held_while_its_job_waits_for_another_attempt,
    a_key_is_the_same_whatever_the_type,
    without_a_key_type_name_and_params_are_the_key,
    of_two_jobs_with_a_key_in_one_call_the_first_is_created,
    an_id_that_is_known_comes_before_its_key,
    a_key_that_is_held_refuses_one_job_alone,
    a_key_is_free_when_its_job_is_deleted,
    deleting_one_that_held_a_key_before_frees_nothing,
    a_window_outlives_its_job,
    a_key_is_free_once_its_window_is_over,
    a_window_outlives_the_record_of_its_job,
    a_job_that_goes_on_holds_its_key_beyond_the_window,
    a_window_ends_with_a_deletion,
    a_job_that_expires_frees_its_key,
    a_retry_by_hand_takes_the_key_anew,
    a_retry_by_hand_is_refused_while_another_job_holds_the_key,
    of_two_retries_by_hand_with_one_key_one_is_done,
];

pub(super) const WINDOW: Duration = Duration::from_secs(600);

/// A job with the key `k`.
pub(super) fn unique(name: &str) -> Job {
    with(name, Unique { key: Some("k".into()), ..Unique::default() })
}

pub(super) fn with(name: &str, unique: Unique) -> Job {
    Job { unique: Some(unique), ..job(name) }
}

pub(super) fn windowed(name: &str) -> Job {
    with(name, Unique { key: Some("k".into()), window: Some(Dur(WINDOW)), ..Unique::default() })
}

/// Enqueueing the job must create nothing, because `holder` holds its key.
pub(super) async fn expect_held(queue: &Subject, job: Job, holder: &str) -> Verdict {
    let what = format!("enqueueing `{}`, whose key `{holder}` holds", job.id);
    expect(&what, queue.enqueue(&[Arc::new(job)], None).await?, [Enqueued::Held(id(holder))])
}

async fn a_key_is_held_until_its_job_has_ended(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([Job { delay: Some(Dur::secs(3_600)), ..unique("scheduled") }]).await?;
    expect_held(&queue, unique("b"), "scheduled").await?;
    queue.cancel(&[id("scheduled")]).await?;
    queue.accept([unique("a")]).await?;
    expect_held(&queue, unique("b"), "a").await?;
    let batch = queue.take_exactly(&["a"]).await?;
    expect_held(&queue, unique("b"), "a").await?;
    queue.settle_all(&[queue.settled(&batch, 0, Settlement::Release)]).await?;
    expect_held(&queue, unique("b"), "a").await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    expect("the jobs stored", queue.listed(Filter::default()).await?, ["a", "scheduled"])?;
    queue.accept([unique("b")]).await?;
    expect_held(&queue, unique("c"), "b").await?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn a_key_is_free_however_its_job_has_ended(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    for (name, end) in [("a", done()), ("b", dead("no")), ("c", Settlement::Cancelled)] {
        queue.accept([unique(name)]).await?;
        let batch = queue.take_exactly(&[name]).await?;
        queue.settle_all(&[queue.settled(&batch, 0, end)]).await?;
    }
    queue.accept([unique("d")]).await
}

async fn a_key_is_held_while_its_job_waits_for_another_attempt(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::from_secs(3_600)))]).await?;
    expect_held(&queue, unique("b"), "a").await?;
    queue.expect_state("a", State::Scheduled).await
}

async fn a_key_is_the_same_whatever_the_type(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    let other = Job { job_type: "other".into(), name: "n".into(), params: Params::of(&7).unwrap_or_default(), ..unique("b") };
    expect_held(&queue, other, "a").await?;
    queue.accept([with("c", Unique { key: Some("K".into()), ..Unique::default() })]).await
}

async fn without_a_key_type_name_and_params_are_the_key(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let plain = |name| with(name, Unique::default());
    queue.accept([plain("a")]).await?;
    expect_held(&queue, Job { priority: 3, ..plain("b") }, "a").await?;
    queue.accept([Job { name: "n".into(), ..plain("c") }, Job { job_type: "other".into(), ..plain("d") }]).await?;
    queue.accept([Job { params: Params::of(&7).unwrap_or_default(), ..plain("e") }]).await?;
    // One that does not ask for it is not looked at.
    queue.accept([job("f")]).await
}

async fn of_two_jobs_with_a_key_in_one_call_the_first_is_created(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let call = [Arc::new(unique("a")), Arc::new(unique("b"))];
    expect("two jobs with one key", queue.enqueue(&call, None).await?, [Enqueued::Created, Enqueued::Held(id("a"))])?;
    expect("the jobs stored", queue.listed(Filter::default()).await?, ["a"])
}

async fn an_id_that_is_known_comes_before_its_key(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    let calls = [Arc::new(unique("a")), Arc::new(Job { priority: 1, ..unique("a") })];
    expect("the same job, and another with its id", queue.enqueue(&calls, None).await?, [Enqueued::Exists, Enqueued::Conflict])?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.accept([unique("b")]).await?;
    expect("the first one again", queue.enqueue(&calls[..1], None).await?, [Enqueued::Exists])
}

async fn a_key_that_is_held_refuses_one_job_alone(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    let call = [Arc::new(job("x")), Arc::new(unique("b")), Arc::new(job("y"))];
    let answers = [Enqueued::Created, Enqueued::Held(id("a")), Enqueued::Created];
    expect("three jobs, one with a key", queue.enqueue(&call, None).await?, answers)?;
    queue.take_exactly(&["a", "x", "y"]).await.map(|_| ())
}

async fn a_key_is_free_when_its_job_is_deleted(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    queue.delete(&[id("a")]).await?;
    queue.accept([unique("b")]).await?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn deleting_one_that_held_a_key_before_frees_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    queue.cancel(&[id("a")]).await?;
    queue.accept([unique("b")]).await?;
    queue.delete(&[id("a")]).await?;
    expect_held(&queue, unique("c"), "b").await
}

async fn a_window_outlives_its_job(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    queue.accept([windowed("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    trial.later(WINDOW - Duration::from_millis(1))?;
    expect_held(&queue, unique("b"), "a").await?;
    trial.later(Duration::from_millis(1))?;
    queue.accept([windowed("b")]).await?;
    expect_held(&queue, unique("c"), "b").await
}

async fn a_key_is_free_once_its_window_is_over(trial: Trial) -> Verdict {
    const BRIEF: Duration = Duration::from_millis(400);
    let queue = trial.open().await?;
    let since = trial.now();
    queue.accept([with("a", Unique { key: Some("k".into()), window: Some(Dur(BRIEF)), ..Unique::default() })]).await?;
    queue.cancel(&[id("a")]).await?;
    let next = [Arc::new(unique("b"))];
    let created = async || Ok(queue.enqueue(&next, None).await? == [Enqueued::Created]);
    queue.eventually("a job with the key is created", created).await?;
    claim("the key was held for as long as the window", trial.has_passed(BRIEF, since))
}

async fn a_window_outlives_the_record_of_its_job(mut trial: Trial) -> Verdict {
    trial.setup.keep.done = Bound { age: Duration::from_secs(60), count: 100 };
    trial.stop_clock()?;
    let queue = trial.open().await?;
    queue.accept([windowed("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    trial.later(WINDOW - Duration::from_millis(1))?;
    queue.eventually("the job goes", async || Ok(queue.get(&id("a")).await?.is_none())).await?;
    expect_held(&queue, unique("b"), "a").await?;
    // It was forgotten: as any other it comes too early.
    expect_held(&queue, windowed("a"), "a").await?;
    trial.later(Duration::from_millis(1))?;
    queue.accept([unique("b")]).await
}

async fn a_job_that_goes_on_holds_its_key_beyond_the_window(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    queue.accept([windowed("a")]).await?;
    trial.later(WINDOW * 2)?;
    expect_held(&queue, unique("b"), "a").await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.accept([unique("b")]).await
}

async fn a_window_ends_with_a_deletion(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([windowed("a")]).await?;
    queue.cancel(&[id("a")]).await?;
    expect_held(&queue, unique("b"), "a").await?;
    queue.delete(&[id("a")]).await?;
    queue.accept([unique("b")]).await
}

async fn a_job_that_expires_frees_its_key(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    let ttl = Duration::from_secs(1);
    queue.accept([Job { expires_at: Some(trial.now().after(ttl)), ..unique("a") }]).await?;
    trial.later(ttl)?;
    expect_held(&queue, unique("b"), "a").await?;
    trial.later(Duration::from_millis(1))?;
    queue.accept([unique("b")]).await?;
    queue.expect_state("a", State::Expired).await
}

async fn a_retry_by_hand_takes_the_key_anew(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    for job in [unique("a"), windowed("b")] {
        let name = job.id.to_string();
        queue.accept([job]).await?;
        queue.cancel(&[id(&name)]).await?;
        // Its own window is no obstacle.
        expect("what retrying answers", queue.retry(&[id(&name)]).await?, [Change::Changed])?;
        expect_held(&queue, unique("c"), &name).await?;
        queue.cancel(&[id(&name)]).await?;
    }
    Ok(())
}

async fn a_retry_by_hand_is_refused_while_another_job_holds_the_key(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, dead("no"))]).await?;
    queue.accept([unique("b")]).await?;
    queue.accept(jobs(&["x"])).await?;
    queue.cancel(&[id("x")]).await?;
    let answers = [Change::Held(id("b")), Change::Changed];
    expect("what retrying answers", queue.retry(&[id("a"), id("x")]).await?, answers)?;
    queue.expect_state("a", State::Dead).await?;
    let batch = queue.take_exactly(&["b", "x"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    expect("what retrying answers then", queue.retry(&[id("a")]).await?, [Change::Changed])?;
    expect("what retrying the other answers", queue.retry(&[id("b")]).await?, [Change::Held(id("a"))])
}

async fn of_two_retries_by_hand_with_one_key_one_is_done(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    for name in ["a", "b"] {
        queue.accept([unique(name)]).await?;
        queue.cancel(&[id(name)]).await?;
    }
    let answers = [Change::Changed, Change::Held(id("a"))];
    expect("what retrying answers", queue.retry(&[id("a"), id("b")]).await?, answers)
}
