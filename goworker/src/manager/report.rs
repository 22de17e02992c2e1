//! What a run says while it goes on: one event for each thing that happens to a job.

use std::time::Duration;

use crate::job::Job;
use crate::outcome::{Attempt, Settlement};
use crate::provider::Token;
use crate::queue::Paused;
use crate::units::Dur;

pub(super) fn started(job: &Job, attempt: u32) {
    tracing::debug!(target: "goworker::job", job_type = job.job_type, name = job.name, id = %job.id, attempt, "started");
}

pub(super) fn ended(job: &Job, attempt: &Attempt, settlement: &Settlement) {
    let Job { job_type, name, id, .. } = job;
    let Attempt { number, duration, .. } = attempt;
    let duration = rounded(duration.get());
    match (settlement, &attempt.failure) {
        (Settlement::Done { .. }, _) => {
            tracing::info!(target: "goworker::job", job_type, name, %id, attempt = number, "done in {duration}");
        }
        (Settlement::Retry { after, charged: true }, Some(failure)) => {
            let after = rounded(*after);
            tracing::warn!(target: "goworker::job", job_type, name, %id, attempt = number, "failed, again in {after}: {failure}");
        }
        (Settlement::Retry { after, .. }, _) => {
            let after = rounded(*after);
            tracing::info!(target: "goworker::job", job_type, name, %id, attempt = number, "snoozed for {after}");
        }
        (Settlement::Dead { failure, handlers }, _) => {
            let handlers = handed_to(handlers.len());
            tracing::error!(target: "goworker::job", job_type, name, %id, attempt = number, "dead{handlers}: {failure}");
        }
        (Settlement::Cancelled, _) => {
            tracing::info!(target: "goworker::job", job_type, name, %id, attempt = number, "cancelled after {duration}");
        }
        (Settlement::Release, _) => {
            tracing::warn!(target: "goworker::job", job_type, name, %id, attempt = number, "given back unfinished after {duration}");
        }
    }
}

/// A job that is dead without having been run.
pub(super) fn buried(job: &Job, settlement: &Settlement) {
    if let Settlement::Dead { failure, handlers } = settlement {
        let handlers = handed_to(handlers.len());
        tracing::error!(target: "goworker::job", job_type = job.job_type, name = job.name, id = %job.id, "dead{handlers}: {failure}");
    }
}

/// A result that came too late.
pub(super) fn stale(job: &Job) {
    tracing::warn!(
        target: "goworker::job", job_type = job.job_type, name = job.name, id = %job.id,
        "its lease was lost, so its result is refused; the job runs again"
    );
}

/// A job whose time was up goes on, because it blocks its thread.
pub(super) fn stuck(job: &Job) {
    tracing::error!(
        target: "goworker::job", job_type = job.job_type, name = job.name, id = %job.id,
        "does not stop: it keeps its slot until it returns"
    );
}

pub(super) fn lease_lost(provider: &str, token: Token) {
    tracing::warn!(target: "goworker::manager", provider, %token, "a lease is lost; its jobs stop here and run elsewhere");
}

pub(super) fn unknown_type(queue: &str, job_type: &str, jobs: u64) {
    let them = if jobs == 1 { "1 job waits".to_owned() } else { format!("{jobs} jobs wait") };
    tracing::warn!(target: "goworker::manager", queue, "{them} in `{queue}` for a worker `{job_type}`, which this configuration does not have");
}

pub(super) fn paused(queue: &str, paused: &Paused) {
    let types: Vec<String> = paused.types.iter().map(|job_type| format!("`{job_type}`")).collect();
    match (paused.queue, types.as_slice()) {
        (true, _) => {
            tracing::warn!(target: "goworker::manager", queue, "the queue is paused: none of its jobs is started until it is resumed")
        }
        (false, []) => tracing::info!(target: "goworker::manager", queue, "nothing is paused any more"),
        (false, types) => {
            tracing::warn!(target: "goworker::manager", queue, "paused: jobs of type {} are not started until they are resumed", types.join(", "));
        }
    }
}

pub(super) fn draining(running: usize, grace: Duration) {
    let grace = Dur(grace);
    match running {
        0 => tracing::info!(target: "goworker::manager", "stopping"),
        1 => tracing::info!(target: "goworker::manager", "stopping: 1 job may finish within {grace}; once more stops at once"),
        n => tracing::info!(target: "goworker::manager", "stopping: {n} jobs may finish within {grace}; once more stops at once"),
    }
}

fn handed_to(handlers: usize) -> &'static str {
    if handlers == 0 { "" } else { ", handed to its failure handlers" }
}

/// As much of a duration as a reader wants: `3ms`, `1.2s`, `5m 3s`.
fn rounded(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => format!("{}us", duration.as_micros()),
        1..1_000 => format!("{millis}ms"),
        1_000..60_000 => format!("{:.1}s", duration.as_secs_f64()),
        _ => Dur::secs(duration.as_secs()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_as_exactly_as_a_reader_wants() {
        let shown = [7, 3_000, 999_999, 1_234_000, 303_000_000].map(|micros| rounded(Duration::from_micros(micros)));
        assert_eq!(shown, ["7us", "3ms", "999ms", "1.2s", "5m 3s"]);
    }
}
