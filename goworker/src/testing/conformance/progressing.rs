//! How far a running job is, is shown as long as it runs.

use std::time::Duration;

use super::cases;
use super::subject::{Subject, WORK, done, id, jobs, retry};
use super::trial::{Trial, Verdict, expect};
use crate::outcome::Settlement;
use crate::progress::{Progress, Progressed};
use crate::provider::Batch;
use crate::queue::Filter;

cases![
    the_last_progress_of_a_running_job_is_shown,
    progress_goes_with_the_run,
    progress_of_a_run_that_is_over_changes_nothing,
    progress_of_a_lost_lease_changes_nothing,
];

fn told(batch: &Batch, position: usize, fraction: f64, message: &str) -> Progressed {
    let handle = batch.deliveries[position].handle;
    Progressed { token: batch.lease.token, handle, progress: Progress::new(fraction, message) }
}

async fn expect_progress(queue: &Subject, name: &str, fraction: Option<f64>) -> Verdict {
    expect(&format!("how far `{name}` is"), queue.record(name).await?.progress.map(|progress| progress.fraction), fraction)
}

async fn the_last_progress_of_a_running_job_is_shown(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    expect_progress(&queue, "a", None).await?;
    queue.note_progress(&[]).await?;
    queue.note_progress(&[told(&batch, 0, 0.25, "a quarter"), told(&batch, 1, 0.125, "")]).await?;
    queue.note_progress(&[told(&batch, 0, 0.5, "half \"done\"\n")]).await?;
    expect("as shown alone", queue.record("a").await?.progress, Some(Progress::new(0.5, "half \"done\"\n")))?;
    let listed = queue.list(&Filter { job_type: Some(WORK.to_owned()), ..Filter::default() }).await?;
    let fractions: Vec<Option<f64>> = listed.iter().map(|record| record.progress.as_ref().map(|progress| progress.fraction)).collect();
    expect("as listed, newest first", fractions, [Some(0.125), Some(0.5)])
}

async fn progress_goes_with_the_run(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b", "c"])).await?;
    let batch = queue.take_exactly(&["a", "b", "c"]).await?;
    queue.note_progress(&[told(&batch, 0, 0.1, ""), told(&batch, 1, 0.2, ""), told(&batch, 2, 0.3, "")]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::ZERO)), queue.settled(&batch, 1, done())]).await?;
    expect_progress(&queue, "a", None).await?;
    expect_progress(&queue, "b", None).await?;
    let again = queue.take_exactly(&["a"]).await?;
    expect_progress(&queue, "a", None).await?;
    queue.note_progress(&[told(&again, 0, 0.7, "")]).await?;
    queue.settle_all(&[queue.settled(&batch, 2, Settlement::Release)]).await?;
    expect_progress(&queue, "a", Some(0.7)).await?;
    expect_progress(&queue, "c", None).await
}

async fn progress_of_a_run_that_is_over_changes_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let batch = queue.take_exactly(&["a", "b"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, retry(Duration::ZERO))]).await?;
    queue.note_progress(&[told(&batch, 0, 0.5, "")]).await?;
    queue.take_exactly(&["a"]).await?.deliveries.clear();
    queue.note_progress(&[told(&batch, 0, 0.5, "")]).await?;
    expect_progress(&queue, "a", None).await?;
    queue.settle_all(&[queue.settled(&batch, 1, done())]).await?;
    queue.note_progress(&[told(&batch, 1, 0.5, "")]).await?;
    expect_progress(&queue, "b", None).await?;
    queue.delete(&[id("b")]).await.map(|_| ())?;
    Ok(queue.note_progress(&[told(&batch, 1, 0.5, "")]).await?)
}

async fn progress_of_a_lost_lease_changes_nothing(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a"])).await?;
    let lost = queue.take_exactly(&["a"]).await?;
    queue.note_progress(&[told(&lost, 0, 0.5, "")]).await?;
    let batch = queue.await_jobs(1).await?;
    queue.note_progress(&[told(&lost, 0, 0.6, "")]).await?;
    expect_progress(&queue, "a", None).await?;
    queue.note_progress(&[told(&batch, 0, 0.1, "")]).await?;
    expect_progress(&queue, "a", Some(0.1)).await
}
