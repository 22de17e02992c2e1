//! What the mode `keep_last` of `unique` promises: one more run after the current one, and no more than one.

use std::sync::Arc;
use std::time::Duration;

use super::cases;
use super::subject::{Subject, WORK, dead, done, id, job, names, retry, work};
use super::trial::{Fault, PATIENCE, PROMPT, Trial, Verdict, claim, expect};
use super::uniqueness::{WINDOW, expect_held, unique, windowed, with};
use crate::job::{Job, Unique, UniqueMode};
use crate::outcome::Settlement;
use crate::provider::Demand;
use crate::queue::{Change, Count, Enqueued, Filter, State};
use crate::units::Dur;

cases![
    one_that_follows_takes_the_place_of_one_that_waits,
    one_that_follows_waits_until_the_holder_has_ended,
    a_follow_up_takes_the_key_however_the_holder_ends,
    a_follow_up_waits_on_while_the_holder_is_tried_again,
    of_several_follow_ups_the_last_stands,
    of_several_follow_ups_in_one_call_the_last_stands,
    a_follow_up_keeps_its_own_time,
    a_follow_up_waits_for_the_window_of_the_holder,
    one_that_comes_while_only_a_window_lasts_is_due_when_it_is_over,
    one_that_takes_the_place_of_another_waits_for_the_same_window,
    a_follow_up_of_one_that_is_deleted_waits_for_no_window,
    a_follow_up_is_cancelled_deleted_and_expires_like_any_that_waits,
    who_waits_for_jobs_is_called_for_a_follow_up,
    a_holder_that_is_replaced_leaves_its_follow_up_to_the_next,
    a_retry_by_hand_is_refused_while_a_follow_up_holds_the_key,
    a_follow_up_is_listed_and_counted_as_scheduled,
    a_follow_up_of_another_type_may_be_paused,
];

pub(super) fn following(name: &str) -> Job {
    with(name, Unique { key: Some("k".into()), mode: UniqueMode::KeepLast, ..Unique::default() })
}

/// What enqueueing a job must answer.
async fn expect_answer(queue: &Subject, job: Job, answer: Enqueued) -> Verdict {
    let what = format!("enqueueing `{}`", job.id);
    expect(&what, queue.enqueue(&[Arc::new(job)], None).await?, [answer])
}

/// A job must wait for the end of another one.
pub(super) async fn expect_follows(queue: &Subject, name: &str, leader: &str) -> Verdict {
    let record = queue.record(name).await?;
    let shown = (record.state, record.due_at, record.follows);
    expect(&format!("state, time and leader of `{name}`"), shown, (State::Scheduled, None, Some(id(leader))))
}

async fn one_that_follows_takes_the_place_of_one_that_waits(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([unique("a")]).await?;
    expect_answer(&queue, following("b"), Enqueued::Replaced(id("a"))).await?;
    queue.expect_state("a", State::Cancelled).await?;
    expect_held(&queue, unique("c"), "b").await?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn one_that_follows_waits_until_the_holder_has_ended(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    expect_follows(&queue, "b", "a").await?;
    queue.take_nothing().await?;
    expect_held(&queue, unique("c"), "a").await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    let record = queue.record("b").await?;
    expect("state and leader of the follow-up then", (record.state, record.follows), (State::Ready, None))?;
    expect_held(&queue, unique("c"), "b").await?;
    queue.run_stored("b", done()).await?;
    queue.accept([unique("c")]).await
}

async fn a_follow_up_takes_the_key_however_the_holder_ends(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let ends = [done(), dead("no"), Settlement::Cancelled, Settlement::Release, retry(Duration::ZERO), retry(Duration::from_secs(3_600))];
    for (number, end) in ends.into_iter().enumerate() {
        let (holder, next) = (format!("a{number}"), format!("b{number}"));
        queue.accept([following(&holder)]).await?;
        let batch = queue.take_exactly(&[&holder]).await?;
        queue.accept([following(&next)]).await?;
        // It may also be cancelled while it runs, or while it waits again.
        if matches!(end, Settlement::Release) {
            expect("cancelling the holder", queue.cancel(&[id(&holder)]).await?, [Change::Requested])?;
        }
        let waits = matches!(end, Settlement::Retry { .. });
        queue.settle_all(&[queue.settled(&batch, 0, end)]).await?;
        if waits {
            expect_follows(&queue, &next, &holder).await?;
            expect("cancelling the holder", queue.cancel(&[id(&holder)]).await?, [Change::Changed])?;
        }
        expect_held(&queue, unique("other"), &next).await?;
        queue.run_stored(&next, done()).await?;
    }
    Ok(())
}

async fn a_follow_up_waits_on_while_the_holder_is_tried_again(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept([following("a")]).await?;
    for end in [Some(retry(Duration::ZERO)), Some(Settlement::Release), None] {
        let batch = queue.await_jobs(1).await?;
        expect("what came", names(&batch), ["a"])?;
        match end {
            Some(end) => {
                expect_answer(
                    &queue,
                    following("b"),
                    if batch.deliveries[0].attempts.is_empty() { Enqueued::Created } else { Enqueued::Exists },
                )
                .await?;
                queue.settle_all(&[queue.settled(&batch, 0, end)]).await?;
            }
            // The lease is lost.
            None => queue.await_state("a", State::Ready).await?,
        }
        expect_follows(&queue, "b", "a").await?;
    }
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn of_several_follow_ups_the_last_stands(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    expect_answer(&queue, following("c"), Enqueued::Replaced(id("b"))).await?;
    queue.expect_state("b", State::Cancelled).await?;
    expect_answer(&queue, following("b"), Enqueued::Exists).await?;
    // Also if the holder waits to be tried again: it is the newest that is to be done after it.
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::ZERO))]).await?;
    expect_answer(&queue, following("d"), Enqueued::Replaced(id("c"))).await?;
    expect_follows(&queue, "d", "a").await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    let _held = queue.take_exactly(&["d"]).await?;
    queue.take_nothing().await
}

async fn of_several_follow_ups_in_one_call_the_last_stands(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    let call = ["b", "c", "d"].map(|name| Arc::new(following(name)));
    let answers = [Enqueued::Created, Enqueued::Replaced(id("b")), Enqueued::Replaced(id("c"))];
    expect("three jobs with one key", queue.enqueue(&call, None).await?, answers)?;
    expect_follows(&queue, "d", "a").await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    let _held = queue.take_exactly(&["d"]).await?;
    queue.take_nothing().await
}

async fn a_follow_up_keeps_its_own_time(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    let run_at = trial.now().after(WINDOW);
    queue.accept([Job { delay: Some(Dur(WINDOW)), ..following("b") }]).await?;
    expect_follows(&queue, "b", "a").await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    let record = queue.record("b").await?;
    expect("state, time and leader", (record.state, record.due_at, record.follows), (State::Scheduled, Some(run_at), None))?;
    let delayed = |count: &Count| (count.state == State::Scheduled).then_some(count.retrying);
    let counts = queue.stats().await?.counts;
    expect("whether it waits for another attempt", counts.iter().filter_map(delayed).collect::<Vec<_>>(), [false])?;
    expect_held(&queue, unique("c"), "b").await?;
    trial.later(WINDOW)?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn a_follow_up_waits_for_the_window_of_the_holder(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    let over = trial.now().after(WINDOW);
    queue.accept([windowed("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    let record = queue.record("b").await?;
    expect("state, time and leader", (record.state, record.due_at, record.follows), (State::Scheduled, Some(over), None))?;
    // It holds the key, and the window lasts even if it is cancelled.
    expect_held(&queue, unique("c"), "b").await?;
    queue.cancel(&[id("b")]).await?;
    expect_held(&queue, unique("c"), "b").await?;
    trial.later(WINDOW)?;
    queue.accept([unique("c")]).await
}

async fn one_that_comes_while_only_a_window_lasts_is_due_when_it_is_over(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    let over = trial.now().after(WINDOW);
    queue.accept([windowed("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.accept([following("b")]).await?;
    let record = queue.record("b").await?;
    expect("state, time and leader", (record.state, record.due_at, record.follows), (State::Scheduled, Some(over), None))?;
    queue.expect_state("a", State::Done).await?;
    trial.later(WINDOW - Duration::from_millis(1))?;
    queue.take_nothing().await?;
    trial.later(Duration::from_millis(1))?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn one_that_takes_the_place_of_another_waits_for_the_same_window(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    let over = trial.now().after(WINDOW);
    queue.accept([windowed("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.accept([Job { delay: Some(Dur(2 * WINDOW)), ..following("b") }]).await?;
    expect_answer(&queue, following("c"), Enqueued::Replaced(id("b"))).await?;
    expect("when it is due", queue.record("c").await?.due_at, Some(over))?;
    let replacing = with("d", Unique { key: Some("k".into()), mode: UniqueMode::Replace, ..Unique::default() });
    expect_answer(&queue, replacing, Enqueued::Replaced(id("c"))).await?;
    expect("when that is due which replaced it", queue.record("d").await?.due_at, Some(over))
}

async fn a_follow_up_of_one_that_is_deleted_waits_for_no_window(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([windowed("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::from_secs(3_600)))]).await?;
    expect("what deleting answers", queue.delete(&[id("a")]).await?, [Change::Changed])?;
    expect_held(&queue, unique("c"), "b").await?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn a_follow_up_is_cancelled_deleted_and_expires_like_any_that_waits(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    expect("what retrying answers", queue.retry(&[id("b")]).await?, [Change::Refused(State::Scheduled)])?;
    expect("what cancelling answers", queue.cancel(&[id("b")]).await?, [Change::Changed])?;
    queue.expect_state("b", State::Cancelled).await?;
    queue.accept([following("c")]).await?;
    expect("what deleting answers", queue.delete(&[id("c")]).await?, [Change::Changed])?;
    expect("the job that was deleted", queue.get(&id("c")).await?.map(|record| record.state), None)?;
    let expires_at = Some(trial.now().after(Duration::from_millis(100)));
    queue.accept([Job { expires_at, ..following("d") }]).await?;
    queue.await_state("d", State::Expired).await?;
    queue.accept([following("e")]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    let _held = queue.take_exactly(&["e"]).await?;
    queue.take_nothing().await
}

async fn who_waits_for_jobs_is_called_for_a_follow_up(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    // What was told before may still be heard of.
    for _ in 0..3 {
        let _ = tokio::time::timeout(Duration::from_millis(100), queue.ready(&work(1))).await;
    }
    let settle = async {
        // So that the wait is under way.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let before = tokio::time::Instant::now();
        queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
        Ok::<_, Fault>(before)
    };
    let demand = work(1);
    let (called, settled) = tokio::join!(tokio::time::timeout(PATIENCE, queue.ready(&demand)), settle);
    let after = settled?.elapsed();
    claim(&format!("it is called within {PROMPT:?} of the holder's end, which took {after:?}"), called.is_ok() && after < PROMPT)?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn a_holder_that_is_replaced_leaves_its_follow_up_to_the_next(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::from_secs(3_600)))]).await?;
    let replacing = with("c", Unique { key: Some("k".into()), mode: UniqueMode::Replace, ..Unique::default() });
    expect_answer(&queue, replacing, Enqueued::Replaced(id("a"))).await?;
    expect_follows(&queue, "b", "c").await?;
    let batch = queue.take_exactly(&["c"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn a_retry_by_hand_is_refused_while_a_follow_up_holds_the_key(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, dead("no"))]).await?;
    expect("what retrying answers", queue.retry(&[id("a")]).await?, [Change::Held(id("b"))])?;
    queue.run_stored("b", done()).await?;
    expect("what retrying answers then", queue.retry(&[id("a")]).await?, [Change::Changed])
}

async fn a_follow_up_is_listed_and_counted_as_scheduled(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let _held = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    let scheduled = Filter { states: vec![State::Scheduled], ..Filter::default() };
    expect("the scheduled jobs", queue.listed(scheduled).await?, ["b"])?;
    let count = |state| Count { job_type: WORK.into(), state, retrying: false, jobs: 1 };
    expect("the counts", queue.stats().await?.counts, [count(State::Scheduled), count(State::Running)])
}

async fn a_follow_up_of_another_type_may_be_paused(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([following("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.accept([Job { job_type: "other".into(), ..following("b") }]).await?;
    queue.pause(Some("other")).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.expect_state("b", State::Ready).await?;
    let other = Demand::ByType(vec![("other".into(), 1)]);
    expect("what a fetch brought", queue.fetch(&other).await?.deliveries.len(), 0)?;
    queue.accept([job("x")]).await?;
    queue.resume(Some("other")).await?;
    expect("what a fetch brought then", names(&queue.fetch(&other).await?), ["b"])
}
