//! The numbers with the fields that GoWorker had, for those who read them, and better ones beside them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::manager::numbers::Numbers;
use crate::manager::stats::{Stats, Tally};

/// How many jobs there were at an earlier look: the pace is told since then.
#[derive(Debug, Default)]
pub(super) struct Pace {
    before: Look,
    last: Look,
}

#[derive(Debug, Clone, Default)]
struct Look {
    at: Duration,
    by_type: BTreeMap<String, u64>,
    by_provider: BTreeMap<String, u64>,
}

/// The shortest time that a pace is told of. Without it, two who look at the same time would see nothing.
const SHORTEST: Duration = Duration::from_secs(10);

/// Durations are in nanoseconds, times in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Report<'a> {
    uptime: u64,
    job_per_second_cumulative: f64,
    job_per_second_by_type: BTreeMap<String, f64>,
    job_persecond_by_provider: BTreeMap<String, f64>,
    total_job: u64,
    total_job_by_type: BTreeMap<String, u64>,
    total_job_by_provider: BTreeMap<String, u64>,
    total_average: f64,
    total_average_by_type: BTreeMap<String, f64>,
    total_average_by_provider: BTreeMap<String, f64>,
    average_duration: u64,
    average_duration_by_type: BTreeMap<String, u64>,
    average_duration_by_provider: BTreeMap<String, u64>,
    total_duration_by_type: BTreeMap<String, u64>,
    total_duration_by_provider: BTreeMap<String, u64>,
    channel_stats: BTreeMap<String, ChannelStats>,
    /// What GoWorker did not have.
    stats: &'a Stats,
    queues: BTreeMap<&'a str, BTreeMap<&'a str, BTreeMap<&'static str, u64>>>,
}

/// In GoWorker's own spelling.
#[derive(Debug, Serialize)]
struct ChannelStats {
    capasity: u64,
    queue: u64,
}

/// The report, and the look that it is.
pub(super) fn report<'a>(numbers: &'a Numbers, pace: &mut Pace) -> Report<'a> {
    let types: BTreeMap<String, Tally> =
        numbers.stats.by_type().into_iter().map(|(job_type, tally)| (job_type.to_owned(), tally)).collect();
    let providers: BTreeMap<String, Tally> =
        numbers.stats.by_provider.iter().map(|(name, types)| (name.clone(), sum(types.values()))).collect();
    let total = numbers.stats.total();
    let now = Look { at: numbers.uptime, by_type: each(&types, ended), by_provider: each(&providers, ended) };
    let since = pace.since(&now).clone();
    let took = now.at.saturating_sub(since.at);
    let lately = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
        let gained =
            |(name, count): (&String, &u64)| (name.clone(), per_second(count - before.get(name).copied().unwrap_or(0).min(*count), took));
        now.iter().map(gained).collect::<BTreeMap<String, f64>>()
    };
    let by_type = lately(&now.by_type, &since.by_type);
    Report {
        uptime: numbers.uptime.as_secs(),
        job_per_second_cumulative: by_type.values().fold(0.0, |sum, pace| sum + pace),
        job_per_second_by_type: by_type,
        job_persecond_by_provider: lately(&now.by_provider, &since.by_provider),
        total_job: ended(&total),
        total_average: per_second(ended(&total), numbers.uptime),
        total_average_by_type: each(&types, |tally| per_second(ended(tally), numbers.uptime)),
        total_average_by_provider: each(&providers, |tally| per_second(ended(tally), numbers.uptime)),
        average_duration: average(&total),
        average_duration_by_type: each(&types, average),
        average_duration_by_provider: each(&providers, average),
        total_duration_by_type: each(&types, busy),
        total_duration_by_provider: each(&providers, busy),
        total_job_by_type: now.by_type,
        total_job_by_provider: now.by_provider,
        channel_stats: channels(numbers),
        stats: &numbers.stats,
        queues: queues(numbers),
    }
}

impl Pace {
    /// The look to compare this one with, ten seconds earlier at least, if there is one.
    fn since(&mut self, now: &Look) -> &Look {
        if now.at.saturating_sub(self.last.at) >= SHORTEST {
            self.before = std::mem::replace(&mut self.last, now.clone());
        }
        &self.before
    }
}

fn each<T>(tallies: &BTreeMap<String, Tally>, of: impl Fn(&Tally) -> T) -> BTreeMap<String, T> {
    tallies.iter().map(|(name, tally)| (name.clone(), of(tally))).collect()
}

fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Tally {
    let mut sum = Tally::default();
    tallies.for_each(|tally| sum.add(tally));
    sum
}

/// Attempts that have ended. GoWorker counted each as a job.
fn ended(tally: &Tally) -> u64 {
    tally.done + tally.retried + tally.snoozed + tally.dead + tally.cancelled + tally.released
}

fn busy(tally: &Tally) -> u64 {
    u64::try_from(tally.busy.get().as_nanos()).unwrap_or(u64::MAX)
}

fn average(tally: &Tally) -> u64 {
    busy(tally).checked_div(ended(tally)).unwrap_or(0)
}

#[allow(clippy::cast_precision_loss, reason = "nobody counts to 2 to the 53")]
fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

/// What waits for workers, and how many of them have a job.
fn channels(numbers: &Numbers) -> BTreeMap<String, ChannelStats> {
    let stored = numbers.providers.iter().filter_map(|provider| provider.stored.as_ref());
    let ready =
        stored.flat_map(|stored| &stored.counts).filter(|count| count.state == crate::queue::State::Ready).map(|count| count.jobs).sum();
    let slots: u64 = numbers.workers.iter().map(|worker| worker.slots as u64).sum();
    let workers = numbers
        .workers
        .iter()
        .map(|worker| (format!("worker_{}", worker.job_type), ChannelStats { capasity: worker.slots as u64, queue: worker.busy as u64 }));
    std::iter::once(("job_channel".to_owned(), ChannelStats { capasity: slots, queue: ready })).chain(workers).collect()
}

fn queues(numbers: &Numbers) -> BTreeMap<&str, BTreeMap<&str, BTreeMap<&'static str, u64>>> {
    let mut queues: BTreeMap<&str, BTreeMap<&str, BTreeMap<&'static str, u64>>> = BTreeMap::new();
    for provider in &numbers.providers {
        let Some(stored) = &provider.stored else { continue };
        let queue = queues.entry(&provider.name).or_default();
        for count in &stored.counts {
            *queue.entry(&count.job_type).or_default().entry(count.state.as_str()).or_default() += count.jobs;
        }
    }
    queues
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Dur;

    fn numbers(seconds: u64, done: u64) -> Numbers {
        let mut numbers = Numbers { uptime: Duration::from_secs(seconds), ..Numbers::default() };
        let tally = Tally { started: done, done, busy: Dur::millis(done * 20), ..Tally::default() };
        numbers.stats.by_provider.entry("jobs".into()).or_default().insert("lua".into(), tally);
        numbers
    }

    #[test]
    fn at_the_start_nothing_is_divided_by_zero() {
        for numbers in [Numbers::default(), numbers(0, 0), numbers(0, 5)] {
            let report = serde_json::to_value(report(&numbers, &mut Pace::default())).unwrap();
            assert_eq!((&report["total_average"], &report["job_per_second_cumulative"]), (&0.0.into(), &0.0.into()));
            assert!(!report.to_string().contains("null"), "{report}");
        }
    }

    #[test]
    fn the_pace_is_that_of_the_last_ten_seconds_whoever_looks() {
        let mut pace = Pace::default();
        let per_second = |pace: &mut Pace, seconds, done| report(&numbers(seconds, done), pace).job_per_second_by_type["lua"];
        assert_eq!(per_second(&mut pace, 10, 100), 10.0);
        assert_eq!(per_second(&mut pace, 20, 300), 20.0);
        // Another one looks at the same time.
        assert_eq!(per_second(&mut pace, 20, 300), 20.0);
        assert_eq!(per_second(&mut pace, 40, 300), 0.0);
        let whole = numbers(40, 300);
        let whole = report(&whole, &mut pace);
        assert_eq!((whole.total_job, whole.average_duration, whole.total_average), (300, 20_000_000, 7.5));
    }
}
