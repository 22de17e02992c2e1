//! Which processes died on a job is told. What a process of the suite does is not to hold its lease.

use std::time::Duration;

use super::cases;
use super::subject::{dead, id, jobs};
use super::trial::{SHORT, Trial, Verdict, claim, expect};
use crate::outcome::Settlement;
use crate::process::Death;
use crate::queue::{Filter, MAX_DEATHS};

cases![
    a_process_that_lost_its_lease_is_told_with_the_job,
    deaths_stay_listed_when_a_job_is_retried_and_go_with_it,
    only_the_last_deaths_are_kept,
    a_release_is_no_death,
];

async fn a_process_that_lost_its_lease_is_told_with_the_job(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a", "b"])).await?;
    let before = trial.now();
    let batch = queue.take_exactly(&["a", "b"]).await?;
    queue.settle_all(&[queue.settled(&batch, 1, dead("no"))]).await?;
    expect("deaths on a running job", queue.record("a").await?.deaths, [])?;
    let _held = queue.await_jobs(1).await?;
    let deaths = queue.record("a").await?.deaths;
    let [Death { at, process }] = deaths.as_slice() else { return expect("how many deaths are told", deaths.len(), 1) };
    expect("the number of the process", process.pid, std::process::id())?;
    claim("its host and nonce are told", !process.host.is_empty() && !process.nonce.is_empty())?;
    let noticed = trial.is_between(Some(*at), before.after(SHORT), trial.now());
    claim(&format!("the death was noticed after the lease, which was given at {before}; it says {at}"), noticed)?;
    expect("deaths on a job that was settled", queue.record("b").await?.deaths, [])?;
    let listed = queue.list(&Filter::default()).await?;
    claim("a list does not tell them", listed.iter().all(|record| record.deaths.is_empty()))
}

async fn deaths_stay_listed_when_a_job_is_retried_and_go_with_it(mut trial: Trial) -> Verdict {
    let queue = trial.open_with_short_leases().await?;
    queue.accept(jobs(&["a"])).await?;
    let _lost = queue.take_exactly(&["a"]).await?;
    let batch = queue.await_jobs(1).await?;
    queue.settle_all(&[queue.settled(&batch, 0, dead("no"))]).await?;
    queue.retry(&[id("a")]).await?;
    let record = queue.record("a").await?;
    expect("crashes counted and deaths told", (record.crashes, record.deaths.len()), (0, 1))?;
    queue.delete(&[id("a")]).await?;
    queue.accept(jobs(&["a"])).await?;
    expect("deaths on another job of that id", queue.record("a").await?.deaths, [])
}

async fn only_the_last_deaths_are_kept(mut trial: Trial) -> Verdict {
    trial.setup.lease = Duration::from_millis(5);
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let mut first = None;
    loop {
        let crashes = queue.await_jobs(1).await?.deliveries[0].crashes;
        let deaths = queue.record("a").await?.deaths;
        first = first.or(deaths.first().map(|death| death.at));
        if crashes > u32::try_from(MAX_DEATHS).unwrap_or(u32::MAX) {
            expect("deaths that are kept", deaths.len(), MAX_DEATHS)?;
            claim("they are in order", deaths.is_sorted_by_key(|death| death.at))?;
            return claim("the first ones are forgotten", deaths.first().map(|death| death.at) > first);
        }
    }
}

async fn a_release_is_no_death(trial: Trial) -> Verdict {
    let queue = trial.open().await?;
    queue.accept(jobs(&["a"])).await?;
    let batch = queue.take_exactly(&["a"]).await?;
    queue.settle_all(&[queue.settled(&batch, 0, Settlement::Release)]).await?;
    expect("deaths", queue.record("a").await?.deaths, [])
}
