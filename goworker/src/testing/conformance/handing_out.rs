//! What `fetch` and `ready` promise: what was asked for, in order, in time, and to one holder only.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use super::cases;
use super::subject::{Subject, dead, done, id, job, jobs, names, work};
use super::trial::{PATIENCE, PROMPT, Trial, Verdict, claim, expect};
use crate::job::Job;
use crate::outcome::Settlement;
use crate::provider::Demand;
use crate::queue::{Change, State};
use crate::units::Dur;

cases![
    a_fetch_brings_no_more_than_was_asked_of_each_type,
    a_demand_for_any_type_brings_all_types,
    a_fetch_that_asks_for_nothing_brings_nothing,
    concurrent_fetches_never_bring_the_same_job,
    higher_priority_comes_first,
    waiting_makes_up_for_priority,
    a_delayed_job_comes_at_its_time_and_not_before,
    a_job_with_a_start_time_comes_at_that_time,
    a_start_time_in_the_past_means_now,
    ready_returns_when_a_job_is_enqueued,
    ready_returns_when_a_job_is_released,
    ready_returns_when_a_job_is_retried_by_hand,
    ready_returns_for_a_job_that_came_after_the_fetch,
    an_expired_job_is_never_handed_out,
    at_the_instant_of_its_expiry_a_job_may_still_be_started,
    tokens_grow_with_every_fetch,
    a_delivery_tells_the_lease_and_a_clean_past,
];

fn of_type(name: &str, job_type: &str) -> Job {
    Job { job_type: job_type.into(), ..job(name) }
}

async fn a_fetch_brings_no_more_than_was_asked_of_each_type(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let all = ["a", "b", "c"].map(|t| (0..3).map(move |n| of_type(&format!("{t}{n}"), t)));
    queue.accept(all.into_iter().flatten()).await?;
    let demand = Demand::ByType(vec![("b".into(), 2), ("a".into(), 1), ("c".into(), 0), ("absent".into(), 5)]);
    let mut got = names(&queue.fetch(&demand).await?);
    got.sort();
    expect("one of type a and two of type b", got, ["a0", "b0", "b1"])?;
    let rest = Demand::ByType(vec![("a".into(), 9)]);
    expect("the rest of type a", names(&queue.fetch(&rest).await?), ["a1", "a2"])
}

async fn a_demand_for_any_type_brings_all_types(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept([of_type("1", "a"), of_type("2", "b"), of_type("3", "a")]).await?;
    expect("two of any type", names(&queue.fetch(&Demand::Any(2)).await?), ["1", "2"])?;
    expect("the rest of any type", names(&queue.fetch(&Demand::Any(9)).await?), ["3"])
}

async fn a_fetch_that_asks_for_nothing_brings_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    for demand in [work(0), Demand::Any(0), Demand::ByType(vec![])] {
        expect(&format!("the jobs for {demand:?}"), names(&queue.fetch(&demand).await?), [""; 0])?;
    }
    queue.expect_state("a", State::Ready).await
}

async fn concurrent_fetches_never_bring_the_same_job(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept((0..100).map(|n| job(&format!("j{n}")))).await?;
    let fetches = futures::future::try_join_all((0..12).map(|_| queue.take(9))).await?;
    let got: Vec<String> = fetches.iter().flat_map(names).collect();
    let different: HashSet<&String> = got.iter().collect();
    expect("jobs handed out, and different ones", (got.len(), different.len()), (100, 100))?;
    let tokens: HashSet<_> = fetches.iter().filter(|batch| !batch.deliveries.is_empty()).map(|batch| batch.lease.token).collect();
    expect("different tokens", tokens.len(), 12)
}

async fn higher_priority_comes_first(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let all = [("low", -100), ("zero", 0), ("top", 100), ("one", 1), ("zero2", 0), ("one2", 1)];
    queue.accept(all.map(|(name, priority)| Job { priority, ..job(name) })).await?;
    queue.take_exactly(&["top", "one", "one2", "zero", "zero2", "low"]).await.map(|_| ())
}

async fn waiting_makes_up_for_priority(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["old"])).await?;
    trial.later(Duration::from_secs(180))?;
    // A step of priority is worth a minute of waiting.
    queue.accept([Job { priority: 2, ..job("two") }, Job { priority: 5, ..job("five") }]).await?;
    queue.take_exactly(&["five", "old", "two"]).await.map(|_| ())
}

async fn a_delayed_job_comes_at_its_time_and_not_before(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let before = trial.now();
    queue.accept([Job { delay: Some(Dur::millis(400)), ..job("a") }, job("b")]).await?;
    let _held = queue.take_exactly(&["b"]).await?;
    let record = queue.record("a").await?;
    if trial.now().since(before) < Duration::from_millis(400) {
        expect("its state before its time", record.state, State::Scheduled)?;
        expect("when it is due", record.due_at, Some(record.enqueued_at.after(Duration::from_millis(400))))?;
    }
    let batch = queue.await_jobs(9).await?;
    let waited = trial.now().since(before);
    expect("the jobs that came", names(&batch), ["a"])?;
    claim(&format!("it waits 400 ms; it came after {waited:?}"), trial.has_passed(Duration::from_millis(400), before))?;
    claim(&format!("it comes when due; it came after {waited:?}"), waited < Duration::from_millis(400) + PROMPT)
}

async fn a_job_with_a_start_time_comes_at_that_time(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let before = trial.now();
    let at = before.after(Duration::from_millis(300));
    queue.accept([Job { run_at: Some(at), ..job("a") }]).await?;
    expect("the jobs that came", names(&queue.await_jobs(9).await?), ["a"])?;
    claim("it comes not before its time", trial.has_passed(Duration::from_millis(300), before))?;
    claim("it comes when due", trial.now().since(at) < PROMPT)
}

async fn a_start_time_in_the_past_means_now(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let past = crate::clock::Timestamp::from_millis(0);
    queue.accept([job("a"), Job { run_at: Some(past), ..job("b") }]).await?;
    // Nobody overtakes by an old date.
    queue.take_exactly(&["a", "b"]).await.map(|_| ())
}

async fn ready_returns_when_a_job_is_enqueued(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    wakes(&trial, &queue, queue.accept(jobs(&["a"]))).await
}

async fn ready_returns_when_a_job_is_released(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    wakes(&trial, &queue, async { queue.settle_all(&[queue.settled(&batch, 0, Settlement::Release)]).await }).await
}

async fn ready_returns_when_a_job_is_retried_by_hand(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.run_one("a", dead("no")).await?;
    wakes(&trial, &queue, async { expect("what retrying answers", queue.retry(&[id("a")]).await?, [Change::Changed]) }).await
}

/// What is done while somebody waits makes `a` ready, and whoever waits is told at once.
async fn wakes(trial: &Trial, queue: &Subject, action: impl Future<Output = Verdict>) -> Verdict {
    queue.take_nothing().await?;
    let demand = work(1);
    let waiting = async {
        let woken = tokio::time::timeout(PATIENCE, queue.ready(&demand)).await.is_ok();
        (woken, trial.now())
    };
    let acting = async {
        // So that it is waited for by now.
        tokio::time::sleep(Duration::from_millis(50)).await;
        action.await.map(|()| trial.now())
    };
    let ((woken, at), acted) = futures::join!(waiting, acting);
    let late = at.since(acted?);
    claim("`ready` returns", woken)?;
    claim(&format!("`ready` returns at once; it took {late:?}"), late < PROMPT)?;
    queue.await_all(&["a"]).await.map(|_| ())
}

async fn ready_returns_for_a_job_that_came_after_the_fetch(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.take_nothing().await?;
    queue.accept(jobs(&["a"])).await?;
    let enqueued = trial.now();
    let woken = tokio::time::timeout(PATIENCE, queue.ready(&work(1))).await.is_ok();
    claim("`ready` returns for what is there already", woken)?;
    claim("`ready` returns at once", trial.now().since(enqueued) < PROMPT)?;
    queue.take_exactly(&["a"]).await.map(|_| ())
}

async fn an_expired_job_is_never_handed_out(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let before = trial.now();
    let soon = before.after(Duration::from_millis(100));
    let late = before.after(Duration::from_secs(3_600));
    let jobs = [("a", soon, None), ("b", soon, Some(Dur::millis(200))), ("c", late, None)];
    queue.accept(jobs.map(|(name, expires_at, delay)| Job { expires_at: Some(expires_at), delay, ..job(name) })).await?;
    queue.await_state("a", State::Expired).await?;
    queue.await_state("b", State::Expired).await?;
    claim("it expires not before its time", trial.has_passed(Duration::from_millis(100), before))?;
    claim("an expired job tells when it ended", queue.record("a").await?.ended_at.is_some())?;
    let batch = queue.take(9).await?;
    expect("the jobs that a fetch brought", names(&batch), ["c"])
}

async fn at_the_instant_of_its_expiry_a_job_may_still_be_started(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    let at = trial.now().after(Duration::from_secs(1));
    queue.accept(["a", "b"].map(|name| Job { expires_at: Some(at), ..job(name) })).await?;
    trial.later(Duration::from_secs(1))?;
    queue.expect_state("a", State::Ready).await?;
    let _held = queue.take_exactly(&["a"]).await?;
    trial.later(Duration::from_millis(1))?;
    queue.expect_state("b", State::Expired).await?;
    queue.take_nothing().await
}

async fn tokens_grow_with_every_fetch(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c", "d"])).await?;
    let mut last = None;
    for _ in 0..4 {
        let batch = queue.take(1).await?;
        claim("a token is larger than all before", Some(batch.lease.token) > last)?;
        last = Some(batch.lease.token);
        queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    }
    Ok(())
}

async fn a_delivery_tells_the_lease_and_a_clean_past(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let before = trial.now();
    let batch = queue.take_exactly(&["a"]).await?;
    expect("the duration of the lease", batch.lease.duration, Some(trial.setup.lease))?;
    let delivery = &batch.deliveries[0];
    expect("attempts and crashes", (delivery.attempts.len(), delivery.crashes), (0, 0))?;
    let record = queue.record("a").await?;
    expect("its state", record.state, State::Running)?;
    let (earliest, latest) = (before.after(trial.setup.lease), trial.now().after(trial.setup.lease));
    claim("the record tells until when it is leased", trial.is_between(record.leased_until, earliest, latest))
}
