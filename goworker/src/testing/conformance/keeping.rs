//! What `keep` promises: what has ended stays listed as long as was declared, and then goes, oldest first.

use std::time::Duration;

use super::cases;
use super::subject::{Subject, dead, done, job};
use super::trial::{Trial, Verdict, expect};
use crate::outcome::Settlement;
use crate::provider::{Bound, Cursor};
use crate::queue::{Filter, State};

cases![
    done_jobs_over_the_count_go_oldest_first,
    dead_jobs_over_the_count_go_oldest_first,
    done_jobs_over_the_age_go,
    dead_jobs_over_the_age_go,
    the_id_of_a_job_that_went_is_free,
    a_cursor_outlives_jobs_that_went,
];

const FOR_LONG: Duration = Duration::from_secs(3_600);
const BRIEFLY: Duration = Duration::from_millis(200);

async fn done_jobs_over_the_count_go_oldest_first(mut trial: Trial) -> Verdict {
    trial.setup.keep.done = Bound { age: FOR_LONG, count: 3 };
    let queue = trial.open().await?;
    queue.run_one("dead", dead("no")).await?;
    for name in ["a", "b", "c", "d", "e"] {
        queue.run_one(name, if name == "d" { Settlement::Cancelled } else { done() }).await?;
    }
    await_listed(&queue, &["e", "d", "c", "dead"]).await
}

async fn dead_jobs_over_the_count_go_oldest_first(mut trial: Trial) -> Verdict {
    trial.setup.keep.dead = Bound { age: FOR_LONG, count: 2 };
    let queue = trial.open().await?;
    queue.run_one("done", done()).await?;
    for name in ["a", "b", "c", "d"] {
        queue.run_one(name, dead("no")).await?;
    }
    await_listed(&queue, &["d", "c", "done"]).await
}

async fn done_jobs_over_the_age_go(mut trial: Trial) -> Verdict {
    trial.setup.keep.done = Bound { age: BRIEFLY, count: 100 };
    let queue = trial.open().await?;
    queue.run_one("dead", dead("no")).await?;
    queue.run_one("done", done()).await?;
    queue.run_one("cancelled", Settlement::Cancelled).await?;
    await_listed(&queue, &["dead"]).await
}

async fn dead_jobs_over_the_age_go(mut trial: Trial) -> Verdict {
    trial.setup.keep.dead = Bound { age: BRIEFLY, count: 100 };
    let queue = trial.open().await?;
    queue.run_one("dead", dead("no")).await?;
    queue.run_one("done", done()).await?;
    await_listed(&queue, &["done"]).await
}

async fn the_id_of_a_job_that_went_is_free(mut trial: Trial) -> Verdict {
    trial.setup.keep.done = Bound { age: FOR_LONG, count: 1 };
    let queue = trial.open().await?;
    queue.run_one("a", done()).await?;
    queue.run_one("b", done()).await?;
    await_listed(&queue, &["b"]).await?;
    queue.run_one("a", done()).await?;
    await_listed(&queue, &["a"]).await
}

async fn a_cursor_outlives_jobs_that_went(mut trial: Trial) -> Verdict {
    trial.setup.keep.done = Bound { age: FOR_LONG, count: 1 };
    let queue = trial.open().await?;
    let cursor = Cursor { name: "c".into(), from: None, to: "1".into() };
    queue.enqueue(&[job("a").into()], Some(&cursor)).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, done())]).await?;
    queue.run_one("b", done()).await?;
    await_listed(&queue, &["b"]).await?;
    expect("the cursor", queue.cursor("c").await?.as_deref(), Some("1"))
}

/// Waits until exactly these are listed, newest first, and the statistics agree.
async fn await_listed(queue: &Subject, ids: &[&str]) -> Verdict {
    let listed = async || Ok(queue.listed(Filter::default()).await? == ids);
    queue.eventually(&format!("only {ids:?} are listed"), listed).await?;
    let counted: u64 = queue.stats().await?.counts.iter().filter(|count| State::is_final(count.state)).map(|count| count.jobs).sum();
    expect("jobs in the statistics", usize::try_from(counted).ok(), Some(ids.len()))
}
