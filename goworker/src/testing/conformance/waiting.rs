//! Whoever waits for a job hears of its end.

use std::future::Future;
use std::time::Duration;

use super::cases;
use super::subject::{Subject, dead, done, failure, id, job, jobs, output, retry};
use super::trial::{Fault, PATIENCE, Trial, Verdict, broken, expect};
use crate::job::Job;
use crate::outcome::Settlement;
use crate::queue::{Change, JobRecord, State};

cases![
    waiting_for_a_job_answers_when_it_is_done,
    waiting_for_a_job_answers_why_it_is_dead,
    waiting_for_a_job_goes_on_while_it_is_retried,
    waiting_for_a_job_answers_that_it_was_cancelled,
    waiting_for_a_job_answers_that_it_has_expired,
    waiting_for_a_job_that_is_absent_or_deleted_answers_nothing,
    a_dropped_wait_costs_nobody_else_the_answer,
];

/// Waits for a job while something else happens.
async fn wait_while(queue: &Subject, name: &str, happens: impl Future<Output = Verdict>) -> Result<Option<JobRecord>, Fault> {
    let id = id(name);
    let wait = tokio::time::timeout(PATIENCE, queue.wait(&id));
    let later = async {
        // So that the wait is under way.
        tokio::time::sleep(Duration::from_millis(30)).await;
        happens.await
    };
    let (waited, happened) = tokio::join!(wait, later);
    happened?;
    match waited {
        Ok(answer) => Ok(answer?),
        Err(_) => broken(format!("waited {PATIENCE:?} for `{name}`, and heard nothing")),
    }
}

/// The end of a job that must be there.
async fn end_while(queue: &Subject, name: &str, happens: impl Future<Output = Verdict>) -> Result<JobRecord, Fault> {
    match wait_while(queue, name, happens).await? {
        Some(record) => Ok(record),
        None => broken(format!("waiting for `{name}` answered that there is no such job")),
    }
}

async fn nothing() -> Verdict {
    Ok(())
}

async fn waiting_for_a_job_answers_when_it_is_done(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    let settlement = Settlement::Done { output: output(r#"{"n":1}"#) };
    let ended = end_while(&queue, "a", async { queue.settle_all(&[queue.settled(&batch, 0, settlement)]).await }).await?;
    expect("state and output", (ended.state, ended.output.json()), (State::Done, Some(r#"{"n":1}"#)))?;
    queue.settle_all(&[queue.settled(&batch, 1, done())]).await?;
    expect("the end of one that had ended before", end_while(&queue, "b", nothing()).await?.state, State::Done)
}

async fn waiting_for_a_job_answers_why_it_is_dead(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    let ended = end_while(&queue, "a", async { queue.settle_all(&[queue.settled(&batch, 0, dead("no"))]).await }).await?;
    expect("state and failure", (ended.state, ended.failure), (State::Dead, Some(failure("no"))))?;
    expect("its attempts", ended.attempts.len(), 1)
}

async fn waiting_for_a_job_goes_on_while_it_is_retried(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let ended = end_while(&queue, "a", async {
        let batch = queue.take_exactly(&["a"]).await?;
        queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::from_millis(50)))]).await?;
        let batch = queue.await_jobs(1).await?;
        queue.settle_all(&[queue.settled(&batch, 0, done())]).await
    });
    let ended = ended.await?;
    expect("state and attempts", (ended.state, ended.attempt), (State::Done, 2))
}

async fn waiting_for_a_job_answers_that_it_was_cancelled(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let cancel = async { expect("what cancelling answers", queue.cancel(&[id("b")]).await?, [Change::Changed]) };
    expect("the end of one that waited", end_while(&queue, "b", cancel).await?.state, State::Cancelled)?;
    let batch = queue.take_exactly(&["a"]).await?;
    let settle = async { queue.settle_all(&[queue.settled(&batch, 0, Settlement::Cancelled)]).await };
    expect("the end of one that ran", end_while(&queue, "a", settle).await?.state, State::Cancelled)
}

async fn waiting_for_a_job_answers_that_it_has_expired(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    let expires_at = Some(trial.now().after(Duration::from_millis(200)));
    queue.accept([Job { expires_at, ..job("a") }]).await?;
    expect("its end", end_while(&queue, "a", nothing()).await?.state, State::Expired)
}

async fn waiting_for_a_job_that_is_absent_or_deleted_answers_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let none = |record: Option<JobRecord>| expect("what waiting answers", record.map(|record| record.state), None);
    none(wait_while(&queue, "absent", nothing()).await?)?;
    let delete = async { expect("what deleting answers", queue.delete(&[id("a")]).await?, [Change::Changed]) };
    none(wait_while(&queue, "a", delete).await?)
}

async fn a_dropped_wait_costs_nobody_else_the_answer(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    let ended = end_while(&queue, "a", async {
        let cut_short = tokio::time::timeout(Duration::from_millis(30), queue.wait(&id("a"))).await;
        expect("whether it was cut short", cut_short.is_err(), true)?;
        queue.settle_all(&[queue.settled(&batch, 0, done())]).await
    });
    expect("the end that the other heard of", ended.await?.state, State::Done)
}
