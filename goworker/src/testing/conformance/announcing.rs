//! Which processes run jobs of a queue is told, and what each tells of itself.

use std::time::Duration;

use super::cases;
use super::subject::Subject;
use super::trial::{Fault, Trial, Verdict, broken, claim, expect};
use crate::process::{ProcessInfo, ProcessRecord};

cases![
    a_process_that_announces_itself_is_listed_with_what_it_tells,
    what_a_process_told_last_counts,
    a_process_that_is_silent_is_gone_until_it_is_heard_of_again,
    a_process_that_is_silent_for_long_is_not_listed,
];

/// What a process may tell of itself.
pub(super) fn info(slots: &[(&str, usize)]) -> ProcessInfo {
    let slots = slots.iter().map(|(job_type, slots)| ((*job_type).to_owned(), *slots)).collect();
    ProcessInfo { version: "1.2.3-\"x\"".to_owned(), slots }
}

/// The only process that is listed.
async fn only(queue: &Subject) -> Result<ProcessRecord, Fault> {
    let mut listed = queue.processes().await?;
    match (listed.pop(), listed.len()) {
        (Some(only), 0) => Ok(only),
        (last, _) => broken(format!("expected one process to be listed; got {listed:?}{last:?}")),
    }
}

async fn a_process_that_announces_itself_is_listed_with_what_it_tells(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.take_nothing().await?;
    expect("processes that have told nothing", queue.processes().await?, [])?;
    let before = trial.now();
    let told = info(&[("work", 3), ("a type \"of\" its own", 1_000)]);
    queue.announce(&told).await?;
    let after = trial.now();
    let listed = only(&queue).await?;
    expect("what it told", &listed.info, &told)?;
    expect("whether it is gone", listed.gone, false)?;
    expect("its number", listed.process.pid, std::process::id())?;
    claim("its host and nonce are told", !listed.process.host.is_empty() && !listed.process.nonce.is_empty())?;
    claim(
        &format!("it was seen between {before} and {after}, not {}", listed.seen_at),
        trial.is_between(Some(listed.seen_at), before, after),
    )?;
    claim(&format!("it did not begin after that, at {}", listed.started_at), listed.started_at <= listed.seen_at)
}

async fn what_a_process_told_last_counts(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.announce(&info(&[("work", 3)])).await?;
    let first = only(&queue).await?;
    tokio::time::sleep(Duration::from_millis(5)).await;
    queue.announce(&info(&[("work", 3)])).await?;
    let second = only(&queue).await?;
    claim("it was seen later", second.seen_at > first.seen_at)?;
    queue.announce(&info(&[("other", 1)])).await?;
    let third = only(&queue).await?;
    expect("what it told", &third.info, &info(&[("other", 1)]))?;
    expect("which one it is, and since when", (&third.process, third.started_at), (&first.process, first.started_at))
}

async fn a_process_that_is_silent_is_gone_until_it_is_heard_of_again(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    queue.announce(&info(&[])).await?;
    trial.later(ProcessRecord::SILENCE)?;
    expect("whether it is gone after the last moment of its time", only(&queue).await?.gone, false)?;
    trial.later(Duration::from_millis(1))?;
    expect("whether it is gone after that", only(&queue).await?.gone, true)?;
    queue.announce(&info(&[])).await?;
    expect("whether it is gone when it tells again", only(&queue).await?.gone, false)
}

async fn a_process_that_is_silent_for_long_is_not_listed(mut trial: Trial) -> Verdict {
    trial.stop_clock()?;
    let queue = trial.open().await?;
    queue.announce(&info(&[])).await?;
    trial.later(ProcessRecord::LISTED)?;
    expect("whether it is gone", only(&queue).await?.gone, true)?;
    trial.later(Duration::from_millis(1))?;
    expect("what is listed after that", queue.processes().await?, [])
}
