//! What the scripts are told: jobs and settlements as arguments.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use goworker::{Demand, Job, Rate, Settled, Settlement};
use redis::Cmd;

/// Adds a job, as `intake.lua` reads it. One that must be found again among those that wait must not go to the list of its type.
pub(super) fn push_job(cmd: &mut Cmd, job: &Job, found_again: bool) {
    cmd.arg(job.id.as_str()).arg(&job.job_type).arg(options(job, found_again)).arg(job.to_json());
}

/// What is not as usual; nothing for most jobs.
fn options(job: &Job, always: bool) -> String {
    let mut options = String::new();
    if !always && job.priority == 0 && job.run_at.is_none() && job.delay.is_none() && job.expires_at.is_none() && job.unique.is_none() {
        return options;
    }
    // Writing to a string does not fail.
    let _ = write!(options, "{} ", job.priority);
    let _ = match (job.run_at, job.delay) {
        (Some(at), _) => write!(options, "@{}", at.as_millis()),
        (None, Some(delay)) => write!(options, "+{}", delay.get().as_millis()),
        (None, None) => write!(options, "-"),
    };
    let _ = match job.expires_at {
        Some(at) => write!(options, " {}", at.as_millis()),
        None => write!(options, " -"),
    };
    if let (Some(unique), Some(key)) = (&job.unique, job.unique_key()) {
        let _ = match unique.window {
            Some(window) => write!(options, " {} {} {key}", unique.mode.as_str(), window.get().as_millis()),
            None => write!(options, " {} - {key}", unique.mode.as_str()),
        };
    }
    options
}

/// Adds settlements, as `settle.lua` reads them. Answers the positions in the order in which the script counts them.
pub(super) fn push_settlements(cmd: &mut Cmd, settlements: &[Settled]) -> Vec<usize> {
    let mut order = Vec::with_capacity(settlements.len());
    let mut seen = HashSet::with_capacity(settlements.len());
    // Plain ends go in groups, one for each lease; the second of two for one delivery goes after them, to be refused.
    let (mut plain, mut others) = (Vec::new(), Vec::new());
    for (position, settled) in settlements.iter().enumerate() {
        let is_first = seen.insert((settled.token, settled.handle));
        let is_plain = matches!(&settled.settlement, Settlement::Done { output } if output.json().is_none());
        if is_first && is_plain { plain.push(position) } else { others.push(position) }
    }
    plain.sort_unstable_by_key(|&position| (settlements[position].token, settlements[position].handle));
    for group in plain.chunk_by(|&one, &next| settlements[one].token == settlements[next].token) {
        let runs = group.chunk_by(|&one, &next| settlements[one].handle + 1 == settlements[next].handle);
        cmd.arg("done").arg(settlements[group[0]].token.0).arg(runs.clone().count());
        for run in runs {
            cmd.arg(settlements[run[0]].handle).arg(settlements[run[run.len() - 1]].handle);
        }
    }
    order.append(&mut plain);
    for &position in &others {
        push_settlement(cmd, &settlements[position]);
    }
    order.append(&mut others);
    order
}

fn push_settlement(cmd: &mut Cmd, settled: &Settled) {
    let Settled { token, handle, attempt, settlement, .. } = settled;
    let attempt = || attempt.as_ref().map(json).unwrap_or_default();
    let mut begin = |ending: &str| {
        cmd.arg(ending).arg(token.0).arg(*handle);
    };
    match settlement {
        Settlement::Done { output } => match output.json() {
            None => {
                cmd.arg("done").arg(token.0).arg(1).arg(*handle).arg(*handle);
            }
            Some(output) => {
                begin("output");
                cmd.arg(output);
            }
        },
        Settlement::Retry { after, charged } => {
            begin("retry");
            cmd.arg(whole_millis(*after)).arg(u8::from(*charged)).arg(attempt());
        }
        Settlement::Dead { failure, handlers } => {
            begin("dead");
            cmd.arg(json(failure)).arg(attempt()).arg(handlers.len());
            for handler in handlers {
                push_job(cmd, handler, false);
            }
        }
        Settlement::Cancelled => begin("cancelled"),
        Settlement::Release => begin("release"),
    }
}

/// Adds how many jobs may start, and in how many ms; 0 and 0 if that is not limited.
pub(super) fn push_rate(cmd: &mut Cmd, rate: Option<Rate>) {
    let (jobs, window) = rate.map_or((0, 0), |rate| (rate.jobs(), millis(rate.window())));
    cmd.arg(jobs).arg(window);
}

/// Adds how many jobs are wanted, as `fetch.lua` reads it.
pub(super) fn push_demand(cmd: &mut Cmd, demand: &Demand) {
    match demand {
        Demand::Any(slots) => {
            cmd.arg(*slots);
        }
        Demand::ByType(types) => {
            cmd.arg(-1);
            for (job_type, slots) in types.iter().filter(|(_, slots)| *slots > 0) {
                cmd.arg(&**job_type).arg(*slots);
            }
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// In milliseconds, and never too early. Delays of millions of years end sooner.
fn whole_millis(delay: Duration) -> u64 {
    const MOST: u128 = 1 << 52;
    u64::try_from(delay.as_nanos().div_ceil(1_000_000).min(MOST)).unwrap_or_default()
}

/// Failures and attempts are strings and numbers: they always have a JSON form.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Adds jobs, and how many they are.
pub(super) fn push_jobs(cmd: &mut Cmd, jobs: &[Arc<Job>]) {
    cmd.arg(jobs.len());
    for job in jobs {
        push_job(cmd, job, false);
    }
}

/// What is paused or resumed, as the server holds it.
pub(super) fn pausable(job_type: Option<&str>) -> String {
    job_type.map_or_else(|| "queue".to_owned(), |job_type| format!("type {job_type}"))
}
