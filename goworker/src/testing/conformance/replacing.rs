//! What the mode `replace` of `unique` promises: the newest job with a key takes the place of one that waits.

use std::sync::Arc;
use std::time::Duration;

use super::cases;
use super::subject::{Subject, done, id, retry};
use super::trial::{PATIENCE, Trial, Verdict, broken, expect};
use super::uniqueness::{WINDOW, expect_held, unique, windowed, with};
use crate::job::{Job, Unique, UniqueMode};
use crate::queue::{Change, Enqueued, Filter, State};
use crate::units::Dur;

cases![
    one_that_replaces_takes_the_place_of_one_that_waits,
    of_several_that_replace_in_one_call_the_last_stands,
    one_that_replaces_is_not_created_while_the_holder_runs,
    one_that_replaces_is_not_created_while_only_a_window_lasts,
    a_window_begins_anew_with_one_that_replaces,
    who_waits_for_one_that_is_replaced_hears_of_its_end,
    a_retry_by_hand_replaces_nothing,
];

fn replacing(name: &str) -> Job {
    with(name, Unique { key: Some("k".into()), mode: UniqueMode::Replace, ..Unique::default() })
}

/// Enqueueing the job must cancel `other`.
async fn expect_replaced(queue: &Subject, job: Job, other: &str) -> Verdict {
    let what = format!("enqueueing `{}`, which replaces `{other}`", job.id);
    expect(&what, queue.enqueue(&[Arc::new(job)], None).await?, [Enqueued::Replaced(id(other))])?;
    queue.expect_state(other, State::Cancelled).await
}

async fn one_that_replaces_takes_the_place_of_one_that_waits(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("ready")]).await?;
    expect_replaced(&queue, Job { delay: Some(Dur::secs(3_600)), ..replacing("scheduled") }, "ready").await?;
    queue.take_nothing().await?;
    // Whether it replaces does not depend on how the other one came.
    expect_held(&queue, unique("b"), "scheduled").await?;
    expect_replaced(&queue, replacing("retrying"), "scheduled").await?;
    let batch = queue.take_exactly(&["retrying"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::from_secs(3_600)))]).await?;
    expect_replaced(&queue, replacing("last"), "retrying").await?;
    expect("the same job again", queue.enqueue(&[Arc::new(unique("ready"))], None).await?, [Enqueued::Exists])?;
    let _held = queue.take_exactly(&["last"]).await?;
    queue.take_nothing().await
}

async fn of_several_that_replace_in_one_call_the_last_stands(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let call = ["a", "b", "c"].map(|name| Arc::new(replacing(name)));
    let answers = [Enqueued::Created, Enqueued::Replaced(id("a")), Enqueued::Replaced(id("b"))];
    expect("three jobs with one key", queue.enqueue(&call, None).await?, answers)?;
    expect("the jobs stored", queue.listed(Filter::default()).await?, ["c", "b", "a"])?;
    let _held = queue.take_exactly(&["c"]).await?;
    queue.take_nothing().await
}

async fn one_that_replaces_is_not_created_while_the_holder_runs(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([replacing("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    expect_held(&queue, replacing("b"), "a").await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.accept([replacing("b")]).await
}

async fn one_that_replaces_is_not_created_while_only_a_window_lasts(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([windowed("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    expect_held(&queue, replacing("b"), "a").await?;
    queue.expect_state("a", State::Done).await
}

async fn a_window_begins_anew_with_one_that_replaces(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    let both = |name| with(name, Unique { key: Some("k".into()), window: Some(Dur(WINDOW)), mode: UniqueMode::Replace });
    queue.accept([both("a")]).await?;
    trial.later(WINDOW / 2)?;
    expect_replaced(&queue, both("b"), "a").await?;
    let batch = queue.take_exactly(&["b"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    trial.later(WINDOW - Duration::from_millis(1))?;
    expect_held(&queue, both("c"), "b").await?;
    trial.later(Duration::from_millis(1))?;
    queue.accept([both("c")]).await
}

async fn who_waits_for_one_that_is_replaced_hears_of_its_end(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    let ended = async {
        let a = id("a");
        tokio::time::timeout(PATIENCE, queue.wait(&a)).await
    };
    let (ended, replaced) = futures::join!(ended, expect_replaced(&queue, replacing("b"), "a"));
    replaced?;
    let state = match ended {
        Ok(record) => record?.map(|record| record.state),
        Err(_) => return broken("waiting for the replaced job does not end"),
    };
    expect("the state that who waited was told", state, Some(State::Cancelled))
}

async fn a_retry_by_hand_replaces_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([replacing("a")]).await?;
    queue.cancel(&[id("a")]).await?;
    queue.accept([replacing("b")]).await?;
    expect("what retrying answers", queue.retry(&[id("a")]).await?, [Change::Held(id("b"))])?;
    queue.expect_state("b", State::Ready).await
}
