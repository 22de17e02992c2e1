//! What `settle` promises: once, by the holder of the lease only, and in one step with all that follows.

use std::sync::Arc;
use std::time::Duration;

use super::cases;
use super::subject::{WORK, dead, done, failure, id, job, jobs, names, output, retry};
use super::trial::{SHORT, Trial, Verdict, claim, expect};
use crate::outcome::Settlement;
use crate::provider::{Settled, Token};
use crate::queue::{Count, Filter, State};

cases![
    a_done_job_keeps_its_output,
    a_delivery_is_settled_once,
    an_unknown_token_or_handle_is_refused,
    a_batch_may_be_settled_in_parts,
    refused_settlements_do_not_hold_up_the_others,
    a_late_settlement_of_a_lost_lease_changes_nothing,
    a_charged_retry_comes_again_after_its_delay_with_the_attempt,
    an_uncharged_retry_counts_nothing,
    an_uncharged_retry_waits_for_another_attempt,
    a_retry_without_delay_comes_again_behind_those_that_waited_longer,
    a_release_counts_nothing_and_returns_to_its_old_place,
    a_release_is_ready_even_if_the_clock_was_set_back,
    a_dead_job_is_kept_whole,
    a_job_may_die_without_an_attempt,
    handler_jobs_appear_with_the_death,
    a_death_told_again_doubles_no_handler_job,
    a_cancelled_job_is_not_handed_out_again,
];

async fn a_done_job_keeps_its_output(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let text = r#"{"n": 9007199254740993}"#;
    queue.run_one("a", Settlement::Done { output: output(text) }).await?;
    let record = queue.record("a").await?;
    expect("its state", record.state, State::Done)?;
    expect("its output", record.output.json(), Some(text))?;
    claim("it tells when it ended", record.ended_at.is_some_and(|at| at >= record.enqueued_at))?;
    expect("the attempts it took", record.attempt, 1)?;
    expect("no lease is left", record.leased_until, None)?;
    queue.take_nothing().await
}

async fn a_delivery_is_settled_once(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    let twice = [queue.settled(&batch, 0, done()), queue.settled(&batch, 0, dead("second"))];
    expect("the second settlement of a call is refused", queue.settle(&twice).await?, [1])?;
    let again = [queue.settled(&batch, 0, dead("third")), queue.settled(&batch, 1, done())];
    expect("a settlement in a later call is refused", queue.settle(&again).await?, [0])?;
    queue.expect_state("a", State::Done).await?;
    queue.expect_state("b", State::Done).await?;
    expect("all of them again", queue.settle(&again).await?, [0, 1])
}

async fn an_unknown_token_or_handle_is_refused(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    let right = queue.settled(&batch, 0, done());
    let token = Settled { token: Token(right.token.0 + 1_000), ..right.clone() };
    let handle = Settled { handle: right.handle + 1_000, ..right.clone() };
    expect("both are refused", queue.settle(&[token, handle]).await?, [0, 1])?;
    queue.expect_state("a", State::Running).await?;
    queue.settle_all(&[right]).await
}

async fn a_batch_may_be_settled_in_parts(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c", "d"])).await?;
    let batch = queue.take_exactly(&["a", "b", "c", "d"]).await?;
    queue.settle_all(&[queue.settled(&batch, 2, done())]).await?;
    for (name, state) in [("a", State::Running), ("b", State::Running), ("c", State::Done), ("d", State::Running)] {
        queue.expect_state(name, state).await?;
    }
    queue.settle_all(&[queue.settled(&batch, 3, dead("no")), queue.settled(&batch, 0, done())]).await?;
    queue.settle_all(&[queue.settled(&batch, 1, Settlement::Release)]).await?;
    for (name, state) in [("a", State::Done), ("b", State::Ready), ("c", State::Done), ("d", State::Dead)] {
        queue.expect_state(name, state).await?;
    }
    queue.take_exactly(&["b"]).await.map(|_| ())
}

async fn refused_settlements_do_not_hold_up_the_others(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c"])).await?;
    let first = queue.take_exactly(&["a", "b"]).await?;
    let second = queue.take_exactly(&["c"]).await?;
    queue.settle_all(&[queue.settled(&first, 0, done())]).await?;
    let mixed = [queue.settled(&second, 0, done()), queue.settled(&first, 0, done()), queue.settled(&first, 1, done())];
    expect("the settlements refused", queue.settle(&mixed).await?, [1])?;
    queue.expect_state("b", State::Done).await?;
    queue.expect_state("c", State::Done).await
}

/// The case for which tokens exist: a holder that was thought dead comes back.
async fn a_late_settlement_of_a_lost_lease_changes_nothing(mut trial: Trial) -> Verdict {
    // The new holder needs time for all that is looked at before it settles.
    trial.setup.lease = 2 * SHORT;
    let queue = trial.open().await?;
    let all = ["a", "b", "c", "d", "e"];
    queue.accept(jobs(&all)).await?;
    let lost = queue.take_exactly(&all).await?;
    let handler = Settlement::Dead { failure: failure("late"), handlers: vec![Arc::new(job("handler"))] };
    let endings =
        [Settlement::Done { output: output("\"late\"") }, retry(Duration::ZERO), handler, Settlement::Cancelled, Settlement::Release];
    let late: Vec<Settled> = (0..).zip(endings).map(|(position, ending)| queue.settled(&lost, position, ending)).collect();

    let running = queue.await_all(&all).await?;
    expect("late settlements refused while the new holder runs the jobs", queue.settle(&late).await?, [0, 1, 2, 3, 4])?;
    for name in all {
        let record = queue.record(name).await?;
        expect(&format!("attempts of `{name}` after the late settlement"), record.attempt, 0)?;
    }
    for batch in &running {
        let settlements: Vec<Settled> = (0..batch.deliveries.len())
            .map(|position| queue.settled(batch, position, Settlement::Done { output: output("\"in time\"") }))
            .collect();
        expect("settlements of the new holder refused", queue.settle(&settlements).await?, [0; 0])?;
    }
    expect("late settlements refused after the new holder settled", queue.settle(&late).await?, [0, 1, 2, 3, 4])?;
    for name in all {
        let record = queue.record(name).await?;
        expect(&format!("state and output of `{name}`"), (record.state, record.output.json()), (State::Done, Some("\"in time\"")))?;
    }
    expect("the late settlement's handler job", queue.get(&id("handler")).await?.map(|record| record.state), None)
}

async fn a_charged_retry_comes_again_after_its_delay_with_the_attempt(trial: Trial) -> Verdict {
    let delay = Duration::from_millis(300);
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let first = queue.take_exactly(&["a"]).await?;
    let settled = queue.settled(&first, 0, retry(delay));
    let before = trial.now();
    queue.settle_all(std::slice::from_ref(&settled)).await?;
    let after = trial.now();
    let record = queue.record("a").await?;
    if record.state == State::Scheduled {
        let in_time = trial.is_between(record.due_at, before.after(delay), after.after(delay));
        claim("it is due the delay after the settlement, on the store's clock", in_time)?;
    } else {
        claim("it is scheduled until its time", trial.has_passed(delay, before))?;
    }
    expect("the attempts charged", record.attempt, 1)?;
    expect("its failure", record.failure, Some(failure("again")))?;
    expect("the attempts listed", record.attempts.as_slice(), settled.attempt.as_slice())?;

    let second = queue.await_jobs(1).await?;
    claim("it comes not before its time", trial.has_passed(delay, before))?;
    expect("the attempts delivered", second.deliveries[0].attempts.as_slice(), settled.attempt.as_slice())?;
    let again = queue.settled(&second, 0, retry(Duration::ZERO));
    queue.settle_all(std::slice::from_ref(&again)).await?;
    let both: Vec<_> = settled.attempt.into_iter().chain(again.attempt).collect();
    let third = queue.await_jobs(1).await?;
    expect("the attempts delivered then", &third.deliveries[0].attempts, &both)?;
    expect("crashes", third.deliveries[0].crashes, 0)
}

async fn an_uncharged_retry_counts_nothing(trial: Trial) -> Verdict {
    let delay = Duration::from_millis(200);
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let first = queue.take_exactly(&["a"]).await?;
    let before = trial.now();
    queue.settle_all(&[queue.settled(&first, 0, Settlement::Retry { after: delay, charged: false })]).await?;
    let second = queue.await_jobs(1).await?;
    claim("it comes not before its time", trial.has_passed(delay, before))?;
    let delivery = &second.deliveries[0];
    expect("attempts and crashes", (delivery.attempts.len(), delivery.crashes), (0, 0))?;
    expect("attempts in the record", queue.record("a").await?.attempt, 0)
}

async fn an_uncharged_retry_waits_for_another_attempt(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.run_one("a", Settlement::Retry { after: Duration::from_secs(3_600), charged: false }).await?;
    let waits = Count { job_type: WORK.into(), state: State::Scheduled, retrying: true, jobs: 1 };
    expect("what it waits for, which is no time of its producer", queue.stats().await?.counts, [waits])
}

async fn a_retry_without_delay_comes_again_behind_those_that_waited_longer(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    // So that the clock moves on, which counts in milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::ZERO))]).await?;
    queue.take_exactly(&["b", "a"]).await.map(|_| ())
}

async fn a_release_counts_nothing_and_returns_to_its_old_place(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c"])).await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    let release = |position| queue.settled(&batch, position, Settlement::Release);
    queue.settle_all(&[release(1), release(0)]).await?;
    queue.expect_state("a", State::Ready).await?;
    let batch = queue.take_exactly(&["a", "b", "c"]).await?;
    let delivery = &batch.deliveries[0];
    expect("attempts and crashes", (delivery.attempts.len(), delivery.crashes), (0, 0))
}

async fn a_release_is_ready_even_if_the_clock_was_set_back(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    trial.setup.clock.shift(-5_000);
    queue.settle_all(&[queue.settled(&batch, 0, Settlement::Release)]).await?;
    queue.expect_state("a", State::Ready).await?;
    queue.take_exactly(&["a"]).await.map(|_| ())
}

async fn a_dead_job_is_kept_whole(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.run_one("a", retry(Duration::ZERO)).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    let settled = queue.settled(&batch, 0, dead("for good"));
    queue.settle_all(std::slice::from_ref(&settled)).await?;
    let record = queue.record("a").await?;
    expect("its state", record.state, State::Dead)?;
    expect("the job", &*record.job, &job("a"))?;
    expect("its failure", record.failure, Some(failure("for good")))?;
    expect("attempts counted and listed", (record.attempt, record.attempts.len()), (2, 2))?;
    expect("the last attempt", record.attempts.get(1), settled.attempt.as_ref())?;
    claim("it tells when it ended", record.ended_at.is_some())?;
    queue.take_nothing().await
}

/// As those do on which too many processes have died.
async fn a_job_may_die_without_an_attempt(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[Settled { attempt: None, ..queue.settled(&batch, 0, dead("poison")) }]).await?;
    let record = queue.record("a").await?;
    expect("state and attempts", (record.state, record.attempt, record.attempts.len()), (State::Dead, 0, 0))?;
    expect("its failure", record.failure, Some(failure("poison")))?;
    queue.retry(&[id("a")]).await?;
    expect("its failure when it lives again", queue.record("a").await?.failure, None)
}

async fn handler_jobs_appear_with_the_death(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let handlers = vec![Arc::new(job("a:h1")), Arc::new(job("a:h2"))];
    queue.run_one("a", Settlement::Dead { failure: failure("no"), handlers }).await?;
    queue.expect_state("a", State::Dead).await?;
    queue.take_exactly(&["a:h1", "a:h2"]).await.map(|_| ())
}

async fn a_death_told_again_doubles_no_handler_job(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let death = || Settlement::Dead { failure: failure("no"), handlers: vec![Arc::new(job("a:h"))] };
    let batch = queue.take_exactly(&["a"]).await?;
    let settled = queue.settled(&batch, 0, death());
    queue.settle_all(std::slice::from_ref(&settled)).await?;
    expect("the same death again", queue.settle(&[settled]).await?, [0])?;
    let handler = queue.take_exactly(&["a:h"]).await?;
    queue.settle_all(&[queue.settled(&handler, 0, done())]).await?;
    // The job dies again after a person retried it: its handler has had that id already.
    queue.retry(&[id("a")]).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, death())]).await?;
    expect("jobs stored", queue.listed(Filter::default()).await?.len(), 2)?;
    queue.take_nothing().await
}

async fn a_cancelled_job_is_not_handed_out_again(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.run_one("a", Settlement::Cancelled).await?;
    let record = queue.record("a").await?;
    expect("its state", record.state, State::Cancelled)?;
    claim("it tells when it ended", record.ended_at.is_some())?;
    expect("what comes next", names(&queue.take(1).await?), [""; 0])
}
