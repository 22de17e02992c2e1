//! goworker beside other job systems: the same work on each, in one run, in one table. `goworker/docs/compared.md` tells how.

mod limits;
mod measure;
mod process;
mod report;
mod setup;
mod systems;

use std::fs::{File, TryLockError};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use limits::Limits;
use measure::Subject;
use report::{Format, Row};

/// Measures goworker and other job systems: the same work on each, in turns, in one table
#[derive(Debug, Parser)]
#[command(
    name = "compare",
    after_help = "\
Examples:
  compare                                                   everything, which takes half an hour
  compare --only goworker-redis,chasquimq --slots 100,200   two systems, each at 100 and at 200 slots
  compare --only goworker-redis --jobs 10000,1000000 --no-latency
  compare --only goworker --worker sleep:1-200 --slots 10,100,1000 --jobs 20000 --no-latency
  compare --limits redis                                    what the machine gives to anybody

A system that cannot be had here is left out with a word. Ends with 1 if a row went wrong, and with 2 if nothing could be measured."
)]
struct Arguments {
    /// How often each row is measured; the table shows medians
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    runs: usize,
    /// Jobs of a drain; without it, as many as suit each system
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = at_least_one)]
    jobs: Vec<usize>,
    /// Slots of the process that runs the jobs
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "100", value_parser = at_least_one)]
    slots: Vec<usize>,
    /// Systems, or what their names begin with
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// What goworker's native rows run instead of nothing: sleep:LOW-HIGH (ms), or mixed (1 of 100 jobs takes 200 ms)
    #[arg(long, value_parser = worker)]
    worker: Option<&'static str>,
    /// Leave out what is measured with jobs that come one by one, and while nothing happens
    #[arg(long)]
    no_latency: bool,
    /// Seconds that a driver may take for one step
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Measure what the machine gives, instead of systems
    #[arg(long, value_enum, conflicts_with_all = ["only", "slots", "worker", "no_latency"])]
    limits: Option<Limits>,
    /// Take the drivers that were built before
    #[arg(long)]
    no_build: bool,
}

fn at_least_one(word: &str) -> Result<usize, String> {
    word.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a whole number is needed, 1 or more".to_owned())
}

fn worker(word: &str) -> Result<&'static str, String> {
    let bounds = word.strip_prefix("sleep:").and_then(|rest| rest.split_once('-'));
    let in_order = |(low, high): (&str, &str)| Some(low.parse::<u64>().ok()? <= high.parse().ok()?);
    if word == "mixed" || bounds.and_then(in_order) == Some(true) {
        // There is one of it in the life of this program.
        return Ok(Box::leak(word.to_owned().into_boxed_str()));
    }
    Err("there are `mixed` and `sleep:LOW-HIGH`, such as sleep:1-200".to_owned())
}

/// Measures all rows in turns, so that whatever else the machine does falls on all alike.
async fn compare(arguments: &Arguments) -> Result<(String, bool)> {
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    for system in systems::chosen(&arguments.only, arguments.worker)? {
        let usual = [system.jobs as usize];
        let jobs = if arguments.jobs.is_empty() { &usual[..] } else { &arguments.jobs };
        eprintln!("{}: getting ready", system.name);
        match setup::set_up(&system, !arguments.no_build).await {
            Ok(driver) => {
                rows.extend(jobs.iter().flat_map(|jobs| arguments.slots.iter().map(move |slots| (*jobs, *slots))).map(|(jobs, slots)| {
                    let subject = Subject {
                        system,
                        driver: driver.clone(),
                        slots,
                        jobs: jobs as u64,
                        timeout: Duration::from_secs(arguments.timeout),
                    };
                    Row { subject, drains: Vec::new(), latencies: Vec::new(), trouble: None }
                }))
            }
            Err(reason) => skipped.push(format!("{}: {reason:#}", system.name)),
        }
    }
    for reason in &skipped {
        eprintln!("left out: {reason}");
    }
    let _lock = lock().await?;
    for run in 1..=arguments.runs {
        for row in rows.iter_mut().filter(|row| row.trouble.is_none()) {
            eprintln!("run {run} of {}: {}", arguments.runs, row.name());
            if let Err(error) = row.measure(!arguments.no_latency).await {
                eprintln!("  {error:#}");
                row.trouble = Some(format!("{error:#}"));
            }
        }
    }
    let is_good = rows.iter().all(|row| row.complaints().is_empty());
    Ok((report::render(&rows, &skipped, arguments.runs, arguments.format), is_good))
}

/// Holds all others off: two comparisons at once would measure each other.
async fn lock() -> Result<File> {
    let path = std::env::temp_dir().join("goworker-compare.lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if told => tokio::time::sleep(Duration::from_millis(500)).await,
            Err(TryLockError::WouldBlock) => eprintln!("another comparison runs; waiting for its end"),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| path.display().to_string()),
        }
        told = true;
    }
}

/// The first signal that asks for an end.
async fn interrupted() -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

async fn measured(arguments: Arguments) -> Result<(String, bool)> {
    let Some(limits) = arguments.limits else { return compare(&arguments).await };
    let _lock = lock().await?;
    let jobs = arguments.jobs.first().copied().unwrap_or(200_000);
    let measuring = tokio::task::spawn_blocking(move || limits::measure(limits, arguments.runs, jobs, arguments.format));
    Ok((measuring.await.context("measuring the limits")??, true))
}

fn main() -> ExitCode {
    run(Arguments::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let ended = runtime.block_on(async {
        tokio::select! {
            measured = measured(arguments) => measured.map(Some),
            interrupted = interrupted() => interrupted.map(|()| None),
        }
    });
    // What is measured in a thread of its own is not waited for.
    runtime.shutdown_background();
    Ok(match ended? {
        Some((text, is_good)) => {
            print!("{text}");
            if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        None => ExitCode::from(130),
    })
}
