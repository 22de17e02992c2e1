//! What is paused is not handed out, and everything else goes on.

use std::time::Duration;

use super::cases;
use super::subject::{Subject, WORK, done, job, jobs, names, retry, work};
use super::trial::{Fault, PROMPT, Trial, Verdict, claim, expect};
use crate::job::Job;
use crate::provider::Demand;
use crate::queue::{Paused, State};
use crate::units::Dur;

cases![
    a_paused_type_is_not_handed_out_and_others_are,
    a_paused_queue_hands_out_nothing,
    jobs_are_accepted_become_due_and_expire_during_a_pause,
    jobs_that_run_go_on_during_a_pause,
    a_resumed_queue_leaves_paused_types_as_they_are,
    pausing_and_resuming_bear_repetition,
    nobody_is_called_for_what_is_paused,
    whoever_waits_is_called_when_it_is_resumed,
    whoever_waits_is_called_for_what_is_due_after_it_is_resumed,
    a_type_may_be_paused_before_its_first_job,
    the_statistics_tell_what_is_paused,
];

fn other(name: &str) -> Job {
    Job { job_type: "other".into(), ..job(name) }
}

/// What a fetch of any type brings.
async fn expect_any(queue: &Subject, ids: &[&str]) -> Verdict {
    let mut came = names(&queue.fetch(&Demand::Any(10)).await?);
    // In which order those of different types come is not told.
    came.sort();
    expect("what a fetch of any type brought", came, ids)
}

async fn a_paused_type_is_not_handed_out_and_others_are(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([job("a"), other("b"), job("c"), other("d")]).await?;
    queue.pause(Some(WORK)).await?;
    queue.take_nothing().await?;
    let both = Demand::ByType(vec![(WORK.into(), 5), ("other".into(), 1)]);
    expect("what a fetch of both types brought", names(&queue.fetch(&both).await?), ["b"])?;
    expect_any(&queue, &["d"]).await?;
    queue.resume(Some(WORK)).await?;
    queue.take_exactly(&["a", "c"]).await.map(|_| ())
}

async fn a_paused_queue_hands_out_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([job("a"), other("b")]).await?;
    queue.pause(None).await?;
    queue.take_nothing().await?;
    expect_any(&queue, &[]).await?;
    queue.expect_state("a", State::Ready).await?;
    queue.resume(None).await?;
    expect_any(&queue, &["a", "b"]).await
}

async fn jobs_are_accepted_become_due_and_expire_during_a_pause(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.pause(Some(WORK)).await?;
    let expires_at = Some(trial.now().after(Duration::from_millis(100)));
    queue.accept([job("a"), Job { delay: Some(Dur::millis(100)), ..job("late") }, Job { expires_at, ..job("short") }]).await?;
    queue.await_state("late", State::Ready).await?;
    queue.await_state("short", State::Expired).await?;
    queue.take_nothing().await?;
    queue.resume(Some(WORK)).await?;
    queue.take_exactly(&["a", "late"]).await.map(|_| ())
}

async fn jobs_that_run_go_on_during_a_pause(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    queue.pause(Some(WORK)).await?;
    queue.pause(None).await?;
    expect("leases that are lost", queue.renew(&[batch.lease.token]).await?.lost, [])?;
    queue.settle_all(&[queue.settled(&batch, 0, done()), queue.settled(&batch, 1, retry(Duration::ZERO))]).await?;
    queue.expect_state("a", State::Done).await?;
    queue.expect_state("b", State::Ready).await?;
    queue.take_nothing().await
}

async fn a_resumed_queue_leaves_paused_types_as_they_are(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([job("a"), other("b")]).await?;
    queue.pause(Some(WORK)).await?;
    queue.pause(None).await?;
    queue.resume(None).await?;
    queue.take_nothing().await?;
    expect_any(&queue, &["b"]).await?;
    queue.pause(None).await?;
    queue.resume(Some(WORK)).await?;
    queue.take_nothing().await?;
    queue.resume(None).await?;
    queue.take_exactly(&["a"]).await.map(|_| ())
}

async fn pausing_and_resuming_bear_repetition(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    for job_type in [Some(WORK), None] {
        queue.resume(job_type).await?;
        queue.pause(job_type).await?;
        queue.pause(job_type).await?;
        queue.take_nothing().await?;
        queue.resume(job_type).await?;
    }
    queue.take_exactly(&["a"]).await.map(|_| ())
}

async fn nobody_is_called_for_what_is_paused(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    queue.pause(Some(WORK)).await?;
    let demand = work(1);
    // What was told before the pause may still be heard of.
    for _ in 0..3 {
        queue.take_nothing().await?;
        let _ = tokio::time::timeout(Duration::from_millis(100), queue.ready(&demand)).await;
    }
    let called = async {
        tokio::join!(queue.ready(&demand), async {
            // So that the wait is under way.
            tokio::time::sleep(Duration::from_millis(30)).await;
            queue.accept(jobs(&["b", "c"])).await
        })
        .1
    };
    match tokio::time::timeout(Duration::from_millis(300), called).await {
        Err(_) => Ok(()),
        Ok(accepted) => accepted.and_then(|()| claim("nobody is called while the type is paused", false)),
    }
}

/// How long after the end of a pause the next jobs come to someone who waits.
async fn call_after_resuming(queue: &Subject, job_type: Option<&str>, id: &str) -> Result<Duration, Fault> {
    let resume = async {
        // So that the wait is under way.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let before = tokio::time::Instant::now();
        queue.resume(job_type).await?;
        Ok::<_, Fault>(before)
    };
    let (batch, resumed) = tokio::join!(queue.await_jobs(1), resume);
    expect("what came", names(&batch?), [id])?;
    Ok(resumed?.elapsed())
}

async fn whoever_waits_is_called_when_it_is_resumed(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    for (job_type, id) in [(Some(WORK), "a"), (None, "b")] {
        queue.pause(job_type).await?;
        queue.accept([job(id)]).await?;
        let after = call_after_resuming(&queue, job_type, id).await?;
        claim(&format!("it is called within {PROMPT:?} of the end of the pause, which took {after:?}"), after < PROMPT)?;
    }
    Ok(())
}

async fn whoever_waits_is_called_for_what_is_due_after_it_is_resumed(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.pause(None).await?;
    queue.accept([Job { delay: Some(Dur::millis(300)), ..job("a") }]).await?;
    let after = call_after_resuming(&queue, None, "a").await?;
    claim(&format!("it is called when the job is due, which took {after:?}"), after < PROMPT)
}

async fn a_type_may_be_paused_before_its_first_job(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.pause(Some(WORK)).await?;
    queue.accept([job("a"), other("b")]).await?;
    queue.take_nothing().await?;
    expect_any(&queue, &["b"]).await
}

async fn the_statistics_tell_what_is_paused(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    expect("at first", queue.stats().await?.paused, Paused::default())?;
    queue.accept([job("a")]).await?;
    queue.pause(Some("b c")).await?;
    queue.pause(Some(WORK)).await?;
    queue.pause(None).await?;
    let types = || [WORK.to_owned(), "b c".to_owned()].into();
    expect("after three pauses", queue.stats().await?.paused, Paused { queue: true, types: types() })?;
    queue.resume(None).await?;
    expect("after one end", queue.stats().await?.paused, Paused { queue: false, types: types() })
}
