//! What the drivers in Rust have in common: how they are called, what they measure, and how they tell it.
//!
//! ```text
//! enqueue N        puts N jobs into the queue, in bulk
//! work SLOTS N     runs N jobs that are there, and tells when the first one began and the last one ended
//! lat SLOTS N      runs N jobs that come one by one, and tells how long each waited
//! feed RATE SECS   sends RATE jobs a second
//! both SLOTS N     `enqueue` and `work` in one process, for a queue that lives in it
//! ```
//!
//! Each prints `READY` when it takes jobs, and `RESULT` with JSON in the end. Who runs jobs stays for a moment after that, so
//! that its CPU time can be read. A queue that only one process can use is fed by its own `lat`, from the end of its input on.

#![allow(dead_code, reason = "each driver uses what its system needs")]

use std::io::{Read, Write};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How many jobs a call for many of them enqueues.
pub(crate) const BULK: usize = 1_000;
/// How many jobs a second `lat` sends itself.
pub(crate) const RATE: f64 = 100.0;
/// After so long without a job nothing more is waited for.
const STANDSTILL: Duration = Duration::from_secs(10);
/// How long a process stays after its result.
const STAY: Duration = Duration::from_secs(1);

/// What a driver is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Enqueue { jobs: usize },
    Work { slots: usize, jobs: usize },
    Latency { slots: usize, jobs: usize },
    Feed { rate: f64, jobs: usize },
    Both { slots: usize, jobs: usize },
}

impl Mode {
    /// The words that say it; `None` if they say nothing.
    pub(crate) fn parse(words: &[String]) -> Option<Self> {
        let number = |at: usize| words.get(at)?.parse::<f64>().ok();
        let count = |at: usize| Some(number(at)? as usize);
        Some(match words.first()?.as_str() {
            "enqueue" => Mode::Enqueue { jobs: count(1)? },
            "work" => Mode::Work { slots: count(1)?, jobs: count(2)? },
            "lat" => Mode::Latency { slots: count(1)?, jobs: count(2)? },
            "feed" => Mode::Feed { rate: number(1)?, jobs: (number(1)? * number(2)?).round() as usize },
            "both" => Mode::Both { slots: count(1)?, jobs: count(2)? },
            _ => return None,
        })
    }
}

/// What was seen of the jobs that ran.
struct Seen {
    jobs: usize,
    first: f64,
    last: f64,
    /// How long jobs waited that tell when they were sent, in milliseconds.
    waits: Vec<f64>,
}

static SEEN: Mutex<Seen> = Mutex::new(Seen { jobs: 0, first: 0.0, last: 0.0, waits: Vec::new() });

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The text that each job carries, so that it has a usual size.
pub(crate) fn text() -> String {
    "x".repeat(60)
}

/// A job began, that was sent at this time, or at one that does not matter (0).
pub(crate) fn began(sent: f64) {
    let now = now();
    let Ok(mut seen) = SEEN.lock() else { return };
    if seen.jobs == 0 {
        seen.first = now;
    }
    seen.jobs += 1;
    seen.last = now;
    if sent > 0.0 {
        seen.waits.push((now - sent) * 1_000.0);
    }
}

/// A job that took some time ended.
pub(crate) fn ended() {
    let now = now();
    SEEN.lock().into_iter().for_each(|mut seen| seen.last = now);
}

/// How many jobs have begun.
pub(crate) fn seen() -> usize {
    SEEN.lock().map_or(0, |seen| seen.jobs)
}

/// From now on jobs are taken.
pub(crate) fn ready() {
    tell("READY");
}

/// A system has given up: the process ends at once, whatever waits in it.
pub(crate) fn fail(why: impl std::fmt::Debug) -> ! {
    eprintln!("the worker has ended: {why:?}");
    std::process::exit(1)
}

/// Waits until so many jobs have begun, or until none has for long after the first.
pub(crate) fn wait_for(jobs: usize) {
    let mut last = (0, Instant::now());
    while seen() < jobs && (seen() == 0 || last.1.elapsed() < STANDSTILL) {
        if seen() != last.0 {
            last = (seen(), Instant::now());
        }
        sleep(Duration::from_millis(50));
    }
}

/// Waits until nobody has more to say: whoever started this process wants jobs to be sent.
pub(crate) fn end_of_input() {
    // What comes does not matter, nor how it ends.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// How long until this job of a row at a steady rate is to be sent.
pub(crate) fn pause_before(job: usize, rate: f64, start: Instant) -> Duration {
    Duration::from_secs_f64(job as f64 / rate).saturating_sub(start.elapsed())
}

/// The result of `enqueue` and of `feed`.
pub(crate) fn tell_sent(jobs: usize, since: Instant) {
    tell(&format!("RESULT {{\"n\":{jobs},\"secs\":{:.6}}}", since.elapsed().as_secs_f64()));
}

/// The result of `work` and `lat`, as far as jobs could be seen; `more` are fields that the driver knows besides.
pub(crate) fn tell_seen(more: &str) {
    let Ok(mut seen) = SEEN.lock() else { return };
    let (jobs, first, last) = (seen.jobs, seen.first, seen.last);
    tell_ran(jobs, first, last, &format!("{more}{}", quantiles(&mut seen.waits)));
}

/// The same, of jobs of which the driver knows otherwise when they ran.
pub(crate) fn tell_ran(jobs: usize, first: f64, last: f64, more: &str) {
    tell(&format!("RESULT {{\"n\":{jobs},\"first\":{first:.6},\"last\":{last:.6}{more}}}"));
    sleep(STAY);
}

fn quantiles(waits: &mut [f64]) -> String {
    waits.sort_by(f64::total_cmp);
    let value = |share: f64| waits.get(((share * waits.len() as f64) as usize).min(waits.len().saturating_sub(1)));
    let field = |(name, share)| Some(format!(",\"{name}\":{:.4}", value(share)?));
    [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)].into_iter().filter_map(field).collect()
}

fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever does not listen any more has ended the comparison.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
