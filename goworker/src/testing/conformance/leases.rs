//! What leases promise: kept while renewed, lost in time, and the holder is told.

use std::time::Duration;

use super::cases;
use super::subject::{done, id, jobs, names, retry};
use super::trial::{PROMPT, SHORT, Trial, Verdict, claim, expect};
use crate::outcome::Settlement;
use crate::provider::{Renewal, Token};
use crate::queue::{Change, State};

cases![
    jobs_of_a_lost_lease_come_again_with_one_crash_more,
    only_what_is_left_of_a_batch_comes_again,
    a_renewed_lease_is_kept,
    renew_tells_which_leases_are_lost,
    renew_tells_which_jobs_shall_be_cancelled,
    a_job_that_shall_be_cancelled_does_not_run_again,
];

async fn jobs_of_a_lost_lease_come_again_with_one_crash_more(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a"])).await?;
    let before = trial.now();
    let first = queue.take_exactly(&["a"]).await?;
    let second = queue.await_jobs(1).await?;
    let waited = trial.now().since(before);
    claim(
        &format!("a lease of {SHORT:?} is lost after that time; it was after {waited:?}"),
        trial.has_passed(SHORT, before) && waited < SHORT + PROMPT,
    )?;
    expect("the jobs that came", names(&second), ["a"])?;
    expect("attempts and crashes", (second.deliveries[0].attempts.len(), second.deliveries[0].crashes), (0, 1))?;
    claim("the token has grown", second.lease.token > first.lease.token)?;
    let third = queue.await_jobs(1).await?;
    expect("crashes then", third.deliveries[0].crashes, 2)?;
    expect("crashes in the record", queue.record("a").await?.crashes, 2)
}

async fn only_what_is_left_of_a_batch_comes_again(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a", "b", "c"])).await?;
    let batch = queue.take_exactly(&["a", "b", "c"]).await?;
    queue.settle_all(&[queue.settled(&batch, 1, done())]).await?;
    queue.await_all(&["a", "c"]).await?;
    queue.expect_state("b", State::Done).await
}

async fn a_renewed_lease_is_kept(mut trial: Trial) -> Verdict {
    trial.setup.lease = Duration::from_millis(900);
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        expect("what a renewal in time tells", queue.renew(&[batch.lease.token]).await?, Renewal::default())?;
        queue.take_nothing().await?;
    }
    queue.settle_all(&[queue.settled(&batch, 1, done())]).await
}

async fn renew_tells_which_leases_are_lost(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a"])).await?;
    let lost = queue.take_exactly(&["a"]).await?.lease.token;
    let held = queue.await_jobs(1).await?.lease.token;
    let unknown = Token(held.0 + 1_000);
    let mut renewal = queue.renew(&[lost, held, unknown]).await?;
    renewal.lost.sort();
    expect("the leases that are lost", renewal.lost, [lost, unknown])
}

async fn renew_tells_which_jobs_shall_be_cancelled(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c"])).await?;
    let batch = queue.take_exactly(&["a", "b", "c"]).await?;
    expect("what cancelling running jobs answers", queue.cancel(&[id("b"), id("c")]).await?, [Change::Requested, Change::Requested])?;
    queue.expect_state("b", State::Running).await?;
    let mut renewal = queue.renew(&[batch.lease.token]).await?;
    renewal.cancelled.sort();
    expect("what the renewal tells", renewal, Renewal { lost: vec![], cancelled: vec![id("b"), id("c")] })?;
    // One holder stops; the other had finished before it was told.
    queue.settle_all(&[queue.settled(&batch, 1, Settlement::Cancelled), queue.settled(&batch, 2, done())]).await?;
    queue.expect_state("b", State::Cancelled).await?;
    queue.expect_state("c", State::Done).await
}

async fn a_job_that_shall_be_cancelled_does_not_run_again(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    let all = ["released", "retried", "lost"];
    queue.accept(jobs(&all)).await?;
    let batch = queue.take_exactly(&all).await?;
    queue.cancel(&all.map(id)).await?;
    let endings = [queue.settled(&batch, 0, Settlement::Release), queue.settled(&batch, 1, retry(Duration::ZERO))];
    // On a busy machine the lease may be over by now; that must lead to the same.
    queue.settle(&endings).await?;
    for name in all {
        queue.await_state(name, State::Cancelled).await?;
    }
    queue.take_nothing().await
}
