//! The numbers in the text format of Prometheus. The engine has them all; a library's registry would be a second place for them.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use crate::manager::numbers::Numbers;
use crate::manager::stats::{Tally, UNKNOWN};

/// All of them. Labels are names of the configuration, so there are not more than it has.
pub(super) fn text(numbers: &Numbers) -> String {
    let mut page = Page::default();
    page.family("goworker_info", "gauge", "The version that runs.");
    page.sample("goworker_info", &[("version", &env!("CARGO_PKG_VERSION"))], 1);
    page.family("goworker_uptime_seconds", "gauge", "For how long this process runs.");
    page.sample("goworker_uptime_seconds", &[], numbers.uptime.as_secs_f64());
    attempts(&mut page, numbers);
    workers(&mut page, numbers);
    providers(&mut page, numbers);
    page.0
}

fn attempts(page: &mut Page, numbers: &Numbers) {
    let tallies = || {
        let by_provider = numbers.stats.by_provider.iter();
        by_provider.flat_map(|(provider, types)| types.iter().map(move |(job_type, tally)| (provider, job_type, tally)))
    };
    type Of = fn(&Tally) -> u64;
    let counters: [(&str, &str, Of); 4] = [
        ("goworker_attempts_started_total", "Attempts that were started.", |tally| tally.started),
        ("goworker_attempts_timed_out_total", "Attempts that took longer than they may.", |tally| tally.timed_out),
        ("goworker_attempts_panicked_total", "Attempts that panicked.", |tally| tally.panicked),
        ("goworker_stale_results_total", "Results that were refused because the lease was lost.", |tally| tally.stale),
    ];
    for (name, help, of) in counters {
        page.family(name, "counter", help);
        for (provider, job_type, tally) in tallies() {
            page.sample(name, &[("provider", provider), ("type", job_type)], of(tally));
        }
    }
    let name = "goworker_settlements_total";
    page.family(name, "counter", "What became of jobs that were handed out.");
    for (provider, job_type, tally) in tallies() {
        let settlements = [
            ("done", tally.done),
            ("retried", tally.retried),
            ("snoozed", tally.snoozed),
            ("dead", tally.dead),
            ("cancelled", tally.cancelled),
            ("released", tally.released),
        ];
        for (settlement, count) in settlements {
            page.sample(name, &[("provider", provider), ("type", job_type), ("settlement", &settlement)], count);
        }
    }
}

fn workers(page: &mut Page, numbers: &Numbers) {
    page.family("goworker_slots", "gauge", "How many jobs a worker runs at once.");
    for worker in &numbers.workers {
        page.sample("goworker_slots", &[("type", &worker.job_type)], worker.slots);
    }
    page.family("goworker_slots_busy", "gauge", "Slots that a job has.");
    for worker in &numbers.workers {
        page.sample("goworker_slots_busy", &[("type", &worker.job_type)], worker.busy);
    }
    page.family("goworker_slots_stuck", "gauge", "Slots of jobs that did not stop when their time was up.");
    page.sample("goworker_slots_stuck", &[], numbers.stats.stuck);
    let name = "goworker_attempt_duration_seconds";
    page.family(name, "histogram", "How long attempts took.");
    for worker in &numbers.workers {
        let job_type: &dyn Display = &worker.job_type;
        for (bound, count) in worker.durations.cumulated() {
            page.sample(&format!("{name}_bucket"), &[("type", job_type), ("le", &bound.as_secs_f64())], count);
        }
        page.sample(&format!("{name}_bucket"), &[("type", job_type), ("le", &"+Inf")], worker.durations.count());
        page.sample(&format!("{name}_sum"), &[("type", job_type)], worker.durations.sum.as_secs_f64());
        page.sample(&format!("{name}_count"), &[("type", job_type)], worker.durations.count());
    }
}

fn providers(page: &mut Page, numbers: &Numbers) {
    page.family("goworker_provider_up", "gauge", "Whether the last call of a provider was answered.");
    for provider in &numbers.providers {
        page.sample("goworker_provider_up", &[("provider", &provider.name)], u8::from(provider.away.is_none()));
    }
    page.family("goworker_linked_jobs_total", "counter", "Jobs that were put into a queue, by the provider that they came from.");
    for (provider, jobs) in &numbers.stats.linked {
        page.sample("goworker_linked_jobs_total", &[("provider", provider)], jobs);
    }
    page.family("goworker_spilled_jobs_total", "counter", "Jobs that were moved out of a queue which was short of room.");
    for (queue, jobs) in &numbers.stats.spilled {
        page.sample("goworker_spilled_jobs_total", &[("queue", queue)], jobs);
    }
    let queues = || numbers.providers.iter().filter_map(|provider| Some((&provider.name, provider.stored.as_ref()?)));
    page.family(
        "goworker_queue_jobs",
        "gauge",
        "Jobs in a queue, by type and state, at the last look, which is half a minute ago at most.",
    );
    for (queue, stored) in queues() {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for count in &stored.counts {
            let is_known = numbers.workers.iter().any(|worker| *worker.job_type == *count.job_type);
            *counts.entry((if is_known { &count.job_type } else { UNKNOWN }, count.state.as_str())).or_default() += count.jobs;
        }
        for ((job_type, state), jobs) in counts {
            page.sample("goworker_queue_jobs", &[("queue", queue), ("type", &job_type), ("state", &state)], jobs);
        }
    }
    page.family("goworker_queue_oldest_ready_seconds", "gauge", "For how long the oldest ready job waits; 0 if there is none.");
    for provider in numbers.providers.iter().filter(|provider| provider.stored.is_some()) {
        let waits = provider.oldest_ready.unwrap_or_default().as_secs_f64();
        page.sample("goworker_queue_oldest_ready_seconds", &[("queue", &provider.name)], waits);
    }
    page.family("goworker_queue_paused", "gauge", "Whether a whole queue is paused.");
    for (queue, stored) in queues() {
        page.sample("goworker_queue_paused", &[("queue", queue)], u8::from(stored.paused.queue));
    }
}

/// A page of metrics. Writing to a string cannot fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        let label = |(name, value): &(&str, &dyn Display)| format!("{name}=\"{}\"", escaped(&value.to_string()));
        let labels: Vec<String> = labels.iter().map(label).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::manager::numbers::{ProviderNumbers, WorkerNumbers};
    use crate::queue::{Count, QueueStats, State};

    #[test]
    fn a_page_has_every_number_and_no_name_from_outside() {
        let count = |job_type: &str, state, jobs| Count { job_type: job_type.into(), state, retrying: false, jobs };
        let counts = vec![count("lua", State::Ready, 3), count("evil\"\n", State::Ready, 1), count("other", State::Ready, 2)];
        let mut worker = WorkerNumbers { job_type: "lua".into(), slots: 4, busy: 1, quiet: Duration::ZERO, durations: Default::default() };
        worker.durations.note(Duration::from_millis(1_200));
        let provider = ProviderNumbers {
            name: "jobs".into(),
            away: None,
            rest: Duration::ZERO,
            stored: Some(QueueStats { counts, ..QueueStats::default() }),
            oldest_ready: Some(Duration::from_millis(1_500)),
            waiting: Vec::new(),
        };
        let mut numbers =
            Numbers { uptime: Duration::from_secs(10), workers: vec![worker], providers: vec![provider], ..Numbers::default() };
        let tally = Tally { started: 2, done: 1, ..Tally::default() };
        numbers.stats.by_provider.entry("jobs".into()).or_default().insert("lua".into(), tally);
        numbers.stats.linked.insert("api".into(), 6);
        insta::assert_snapshot!(text(&numbers));
        text(&Numbers::default());
    }
}
