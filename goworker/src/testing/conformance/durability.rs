//! What a durable queue promises: it is opened again, after an orderly end or a crash, and everything is there.

use std::time::Duration;

use super::announcing::info;
use super::cases;
use super::following::{expect_follows, following};
use super::rating::LONG;
use super::subject::{WORK, dead, done, failure, id, job, jobs, names, output, retry};
use super::trial::{Fault, PROMPT, SHORT, Trial, Verdict, claim, expect};
use super::uniqueness::{expect_held, unique};
use crate::job::Job;
use crate::outcome::Settlement;
use crate::process::{Process, ProcessInfo};
use crate::provider::Cursor;
use crate::queue::{Filter, JobRecord, Paused, State};
use crate::rate::Rate;
use crate::units::Dur;

cases![
    everything_survives_a_close,
    everything_accepted_survives_a_crash,
    running_jobs_of_a_crashed_holder_come_again_with_one_crash_more,
    crashes_add_up_over_restarts,
    each_process_that_died_on_a_job_is_told_after_a_restart,
    processes_are_told_of_each_other_until_they_close,
    the_process_that_died_on_a_job_is_the_one_that_was_listed,
    two_processes_work_on_the_same_jobs,
    a_close_releases_running_jobs_and_counts_nothing,
    tokens_grow_across_a_restart,
    a_settlement_from_before_a_restart_is_refused,
    keys_are_held_over_a_crash_and_free_when_their_job_has_ended,
    two_processes_see_one_holder_of_a_key,
    a_pause_survives_a_crash_and_a_close,
    a_pause_holds_in_all_processes_and_each_hears_of_its_end,
    all_processes_together_keep_to_a_rate,
    a_follow_up_outlives_the_process_of_its_holder,
];

async fn a_follow_up_outlives_the_process_of_its_holder(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept([following("a")]).await?;
    let _held = queue.take_exactly(&["a"]).await?;
    queue.accept([following("b")]).await?;
    drop(queue);
    let queue = trial.open().await?;
    expect_follows(&queue, "b", "a").await?;
    let batch = queue.await_jobs(2).await?;
    expect("what came again", names(&batch), ["a"])?;
    expect_follows(&queue, "b", "a").await?;
    // The other process hears of it.
    let other = trial.open().await?;
    let settle = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        queue.settle_all(&[queue.settled(&batch, 0, done())]).await
    };
    let (came, settled) = tokio::join!(other.await_jobs(1), settle);
    settled?;
    expect("what came then", names(&came?), ["b"])
}

async fn all_processes_together_keep_to_a_rate(mut trial: Trial) -> Verdict {
    trial.setup.rate = Some(Rate::per(3, LONG));
    let (one, other) = (trial.open().await?, trial.open().await?);
    one.accept(jobs(&["a", "b", "c", "d", "e", "f", "g"])).await?;
    let _held = one.take_exactly(&["a", "b"]).await?;
    expect("what is left for the other process", names(&other.take(5).await?), ["c"])?;
    one.take_nothing().await?;
    // Each goes by what it was told, and by what all have started.
    trial.setup.rate = Some(Rate::per(5, LONG));
    let third = trial.open().await?;
    expect("what is left for one with a higher rate", names(&third.take(5).await?), ["d", "e"])?;
    drop(third);
    let fourth = trial.open().await?;
    fourth.take_nothing().await
}

async fn everything_survives_a_close(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let cursor = Cursor { name: "c".into(), from: None, to: "1".into() };
    queue.enqueue(&[job("done").into()], Some(&cursor)).await?;
    let batch = queue.take_exactly(&["done"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, Settlement::Done { output: output("[1]") })]).await?;
    queue.run_one("dead", dead("no")).await?;
    queue.run_one("cancelled", Settlement::Cancelled).await?;
    queue.run_one("retrying", retry(Duration::from_secs(3_600))).await?;
    queue.accept([Job { delay: Some(Dur::secs(3_600)), ..job("scheduled") }, job("b"), Job { priority: 1, ..job("a") }]).await?;
    let before = everything(queue.list(&Filter::default()).await?);
    let statistics = queue.stats().await?;
    queue.shut().await?;

    let queue = trial.open().await?;
    expect("the jobs", everything(queue.list(&Filter::default()).await?), before)?;
    expect("the statistics", queue.stats().await?, statistics)?;
    expect("the cursor", queue.cursor("c").await?.as_deref(), Some("1"))?;
    let record = queue.record("retrying").await?;
    expect("attempts counted and listed", (record.attempt, record.attempts.len()), (1, 1))?;
    expect("its failure", record.failure, Some(failure("again")))?;
    expect("output of the done job", queue.record("done").await?.output.json(), Some("[1]"))?;
    queue.take_exactly(&["a", "b"]).await.map(|_| ())
}

/// What of a record must be the same after a restart.
fn everything(records: Vec<JobRecord>) -> Vec<impl PartialEq + std::fmt::Debug> {
    let one = |r: JobRecord| (r.job, r.state, (r.attempt, r.crashes), r.enqueued_at, (r.due_at, r.ended_at), r.output, r.failure);
    records.into_iter().map(one).collect()
}

async fn everything_accepted_survives_a_crash(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let cursor = Cursor { name: "c".into(), from: None, to: "1".into() };
    queue.enqueue(&[job("a").into()], Some(&cursor)).await?;
    queue.accept(jobs(&["b", "c"])).await?;
    drop(queue);
    let queue = trial.open().await?;
    expect("the cursor", queue.cursor("c").await?.as_deref(), Some("1"))?;
    queue.take_exactly(&["a", "b", "c"]).await.map(|_| ())
}

async fn running_jobs_of_a_crashed_holder_come_again_with_one_crash_more(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a", "b", "c"])).await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    queue.settle_all(&[queue.settled(&batch, 1, done())]).await?;
    drop(queue);

    let queue = trial.open().await?;
    queue.expect_state("b", State::Done).await?;
    let batches = queue.await_all(&["a", "c"]).await?;
    for delivery in batches.iter().flat_map(|batch| &batch.deliveries) {
        let crashes = u32::from(delivery.job.id == id("a"));
        expect(&format!("attempts and crashes of `{}`", delivery.job.id), (delivery.attempts.len(), delivery.crashes), (0, crashes))?;
    }
    Ok(())
}

async fn crashes_add_up_over_restarts(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a"])).await?;
    let _lost = queue.take_exactly(&["a"]).await?;
    drop(queue);
    for crashes in 1..=3 {
        let queue = trial.open().await?;
        let batch = queue.await_jobs(1).await?;
        expect("crashes as delivered", batch.deliveries[0].crashes, crashes)?;
        expect("crashes in the record", queue.record("a").await?.crashes, crashes)?;
    }
    Ok(())
}

async fn each_process_that_died_on_a_job_is_told_after_a_restart(mut trial: Trial) -> Verdict {
    trial.setup.lease = SHORT;
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let _lost = queue.take_exactly(&["a"]).await?;
    drop(queue);
    let queue = trial.open().await?;
    for _ in 0..2 {
        let _lost = queue.await_jobs(1).await?;
    }
    drop(queue);
    let queue = trial.open().await?;
    let _held = queue.await_jobs(1).await?;
    let deaths = queue.record("a").await?.deaths;
    let same: Vec<bool> = deaths.windows(2).map(|pair| pair[0].process == pair[1].process).collect();
    expect("whether each death is of the process before", same, [false, true])?;
    queue.shut().await?;
    let queue = trial.open().await?;
    expect("deaths after a close, which is none", queue.record("a").await?.deaths, deaths)
}

async fn processes_are_told_of_each_other_until_they_close(trial: Trial) -> Verdict {
    let (one, two, looking) = (trial.open().await?, trial.open().await?, trial.open().await?);
    one.announce(&info(&[(WORK, 1)])).await?;
    tokio::time::sleep(Duration::from_millis(5)).await;
    two.announce(&info(&[(WORK, 2)])).await?;
    let listed = looking.processes().await?;
    let told: Vec<(&ProcessInfo, bool)> = listed.iter().map(|record| (&record.info, record.gone)).collect();
    expect("what each tells, and whether it is gone", told, [(&info(&[(WORK, 1)]), false), (&info(&[(WORK, 2)]), false)])?;
    claim("they are different ones", listed[0].process != listed[1].process)?;
    one.shut().await?;
    let left: Vec<ProcessInfo> = looking.processes().await?.into_iter().map(|record| record.info).collect();
    expect("what is left when one has closed", left, [info(&[(WORK, 2)])])
}

async fn the_process_that_died_on_a_job_is_the_one_that_was_listed(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.announce(&info(&[(WORK, 1)])).await?;
    queue.accept(jobs(&["a"])).await?;
    let _lost = queue.take_exactly(&["a"]).await?;
    drop(queue);
    let queue = trial.open().await?;
    let _held = queue.await_jobs(1).await?;
    let record = queue.record("a").await?;
    let died: Vec<&Process> = record.deaths.iter().map(|death| &death.process).collect();
    let listed = queue.processes().await?;
    expect("the process that died on the job", died, listed.iter().map(|record| &record.process).collect::<Vec<_>>())
}

async fn two_processes_work_on_the_same_jobs(trial: Trial) -> Verdict {
    let (one, two) = (trial.open().await?, trial.open().await?);
    one.accept(jobs(&["a", "b"])).await?;
    let first = two.take_exactly(&["a"]).await?;
    let second = one.take_exactly(&["b"]).await?;
    claim("the token of the later fetch is larger", second.lease.token > first.lease.token)?;
    two.settle_all(&[two.settled(&first, 0, done())]).await?;
    one.expect_state("a", State::Done).await?;
    // A lease stands as long as its holder does, whoever else comes and goes.
    two.shut().await?;
    one.expect_state("b", State::Running).await?;
    one.settle_all(&[one.settled(&second, 0, done())]).await
}

async fn a_close_releases_running_jobs_and_counts_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let _held = queue.take_exactly(&["a"]).await?;
    queue.shut().await?;
    let queue = trial.open().await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    expect("attempts and crashes", (batch.deliveries[0].attempts.len(), batch.deliveries[0].crashes), (0, 0))
}

async fn tokens_grow_across_a_restart(trial: Trial) -> Verdict {
    let mut last = None;
    for name in ["a", "b", "c"] {
        let queue = trial.open().await?;
        queue.accept(jobs(&[name])).await?;
        let batch = queue.take_exactly(&[name]).await?;
        claim("a token is larger than all before", Some(batch.lease.token) > last)?;
        last = Some(batch.lease.token);
        queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
        queue.delete(&[id(name)]).await?;
        queue.shut().await?;
    }
    Ok(())
}

async fn a_settlement_from_before_a_restart_is_refused(mut trial: Trial) -> Verdict {
    trial.setup.lease = SHORT;
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    let late = queue.settled(&batch, 0, done());
    drop(queue);
    let queue = trial.open().await?;
    let batch = queue.await_jobs(1).await?;
    expect("the late settlement is refused", queue.settle(&[late]).await?, [0])?;
    queue.settle_all(&[queue.settled(&batch, 0, dead("no"))]).await?;
    queue.expect_state("a", State::Dead).await
}

async fn keys_are_held_over_a_crash_and_free_when_their_job_has_ended(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept([unique("a")]).await?;
    let _lost = queue.take_exactly(&["a"]).await?;
    drop(queue);
    let queue = trial.open().await?;
    expect_held(&queue, unique("b"), "a").await?;
    let batch = queue.await_jobs(1).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    drop(queue);
    let queue = trial.open().await?;
    queue.accept([unique("b")]).await
}

async fn two_processes_see_one_holder_of_a_key(trial: Trial) -> Verdict {
    let (one, two) = (trial.open().await?, trial.open().await?);
    one.accept([unique("a")]).await?;
    expect_held(&two, unique("b"), "a").await?;
    one.cancel(&[id("a")]).await?;
    two.accept([unique("b")]).await?;
    expect_held(&one, unique("c"), "b").await
}

async fn a_pause_survives_a_crash_and_a_close(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    queue.pause(Some(WORK)).await?;
    queue.pause(None).await?;
    drop(queue);
    let queue = trial.open().await?;
    queue.take_nothing().await?;
    queue.resume(None).await?;
    queue.shut().await?;
    let queue = trial.open().await?;
    expect("what is paused", queue.stats().await?.paused, Paused { queue: false, types: [WORK.to_owned()].into() })?;
    queue.take_nothing().await?;
    queue.resume(Some(WORK)).await?;
    drop(queue);
    trial.open().await?.take_exactly(&["a"]).await.map(|_| ())
}

async fn a_pause_holds_in_all_processes_and_each_hears_of_its_end(trial: Trial) -> Verdict {
    let (one, two) = (trial.open().await?, trial.open().await?);
    one.pause(Some(WORK)).await?;
    two.accept(jobs(&["a"])).await?;
    two.take_nothing().await?;
    let resume = async {
        // So that the wait is under way.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let before = tokio::time::Instant::now();
        one.resume(Some(WORK)).await?;
        Ok::<_, Fault>(before)
    };
    let (batch, resumed) = tokio::join!(two.await_jobs(1), resume);
    expect("what came", names(&batch?), ["a"])?;
    claim(&format!("it comes within {PROMPT:?} of the end of the pause"), resumed?.elapsed() < PROMPT)
}
