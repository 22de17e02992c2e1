//! What a call promises that is dropped on its way: it was done as a whole, or not at all.

use std::sync::Arc;

use super::cases;
use super::subject::{Subject, failure, id, job, jobs, names, work};
use super::trial::{Fault, Trial, Verdict, claim, expect};
use crate::outcome::Settlement;
use crate::provider::Cursor;
use crate::queue::{Change, Filter, State};
use crate::testing::model::cut_off;

cases![
    an_enqueue_that_is_cut_off_stored_all_or_nothing,
    a_death_that_is_cut_off_came_with_its_handler_jobs_or_not_at_all,
    a_fetch_that_is_cut_off_loses_nothing,
];

/// After so many polls a call is dropped, in one trial after the other. One that has an answer by then is not cut off.
const POLLS: std::ops::RangeInclusive<u8> = 1..=6;

async fn an_enqueue_that_is_cut_off_stored_all_or_nothing(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    for polls in POLLS {
        let call = ["a", "b", "c"].map(|name| Arc::new(job(&format!("{name}{polls}"))));
        let cursor = Cursor { name: format!("c{polls}"), from: None, to: "1".into() };
        let answer = cut_off(queue.enqueue(&call, Some(&cursor)), Some(polls)).await.transpose()?;
        settle_down(&queue).await?;
        let mut stored = 0;
        for job in &call {
            stored += usize::from(queue.get(&job.id).await?.is_some());
        }
        let moved = queue.cursor(&cursor.name).await?.is_some();
        let whole = stored == if moved { call.len() } else { 0 };
        claim(&format!("all jobs and the cursor, or nothing, after {polls} polls; {stored} jobs came, the cursor moved: {moved}"), whole)?;
        claim("what was confirmed is there", answer.is_none() || moved)?;
    }
    Ok(())
}

async fn a_death_that_is_cut_off_came_with_its_handler_jobs_or_not_at_all(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    for polls in POLLS {
        let (name, handlers) = (format!("j{polls}"), [format!("j{polls}:a"), format!("j{polls}:b")]);
        queue.accept([job(&name)]).await?;
        let batch = queue.take_exactly(&[&name]).await?;
        let death = Settlement::Dead { failure: failure("no"), handlers: handlers.iter().map(|name| Arc::new(job(name))).collect() };
        let settled = [queue.settled(&batch, 0, death)];
        cut_off(queue.settle(&settled), Some(polls)).await.transpose()?;
        settle_down(&queue).await?;
        let dead = queue.record(&name).await?.state == State::Dead;
        for handler in &handlers {
            let there = queue.get(&id(handler)).await?.is_some();
            expect(&format!("whether `{handler}` is there, after {polls} polls, as its job is dead: {dead}"), there, dead)?;
        }
        if !dead {
            queue.settle_all(&settled).await?;
        }
        queue.await_all(&handlers.each_ref().map(String::as_str)).await?;
    }
    Ok(())
}

async fn a_fetch_that_is_cut_off_loses_nothing(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    let all = ["a", "b", "c"];
    queue.accept(jobs(&all)).await?;
    for polls in POLLS {
        if let Some(answer) = cut_off(queue.fetch(&work(1)), Some(polls)).await {
            expect("the jobs of a fetch", names(&answer?).len(), 1)?;
            break;
        }
        settle_down(&queue).await?;
        expect("the jobs stored", queue.listed(Filter::default()).await?.len(), all.len())?;
    }
    queue.await_all(&all).await.map(|_| ())
}

/// What was asked for before is done when this returns, if it is done at all.
async fn settle_down(queue: &Subject) -> Result<(), Fault> {
    expect("what cancelling nobody answers", queue.cancel(&[id("nobody")]).await?, [Change::Absent])
}
