//! What a run has done, for the one who started it.

use std::fmt::Write;

use crate::cli::table::Table;
use crate::cli::terminal::{BOLD, Reader};
use crate::cli::{escape, when};
use crate::manager::{Summary, Tally, Waiting};

/// A line about all jobs, a table by type, and what was left.
pub(super) fn text(summary: &Summary, reader: Reader) -> String {
    let total = summary.stats.total();
    let mut text = format!("{BOLD}{}{BOLD:#} in {}\n", headline(&total), when::took(summary.elapsed.get()));
    let types = summary.stats.by_type();
    if !types.is_empty() {
        let mut table = Table::new(["TYPE", "ATTEMPTS", "DONE", "RETRIED", "DEAD", "BUSY"]).numbers(1..=5);
        for (job_type, tally) in types {
            let counts = [tally.started, tally.done, tally.retried, tally.dead].map(|count| count.to_string());
            table.row([job_type.to_owned()].into_iter().chain(counts).chain([when::took(tally.busy.get())]));
        }
        // The summary is for people, wherever it goes: columns, not tabs.
        let width = if let Reader::Person { width } = reader { width } else { None };
        text += &table.render(Reader::Person { width });
    }
    for (provider, jobs) in &summary.stats.linked {
        line(&mut text, &format!("{} taken in from `{provider}`", counted(*jobs)));
    }
    for (queue, jobs) in summary.stats.spilled.iter().filter(|(_, jobs)| **jobs > 0) {
        line(&mut text, &format!("{} moved out of `{queue}`, which was short of room", counted(*jobs)));
    }
    for (count, what) in oddities(&total, summary.stats.stuck) {
        line(&mut text, &format!("{what}: {count}"));
    }
    for Waiting { queue, job_type, jobs } in &summary.unknown {
        line(&mut text, &format!("{} of type `{job_type}` left in `{queue}`: no worker here runs that type", counted(*jobs)));
    }
    for Waiting { queue, job_type, jobs } in &summary.paused {
        line(&mut text, &format!("{} of type `{job_type}` left in `{queue}`: paused", counted(*jobs)));
    }
    for Waiting { queue, job_type, jobs } in &summary.delayed {
        line(&mut text, &format!("{} of type `{job_type}` left in `{queue}` for a later time", counted(*jobs)));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}", escape::line(line));
}

fn headline(total: &Tally) -> String {
    let parts = [(total.done, "done"), (total.dead, "dead"), (total.cancelled, "cancelled"), (total.released, "given back")];
    let told: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if told.is_empty() { "no jobs".to_owned() } else { told.join(", ") }
}

/// What ought not to happen, if it did.
fn oddities(total: &Tally, stuck: u64) -> impl Iterator<Item = (u64, &'static str)> {
    let all = [
        (total.snoozed, "times a worker put its job off"),
        (total.timed_out, "attempts that took too long"),
        (total.panicked, "attempts that panicked"),
        (total.stale, "results refused because the lease was lost"),
        (stuck, "jobs that did not stop when their time was up"),
    ];
    all.into_iter().filter(|(count, _)| *count > 0)
}

/// `1 job`, `2 jobs`.
fn counted(jobs: u64) -> String {
    format!("{jobs} job{}", if jobs == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::Stats;
    use crate::units::Dur;

    #[test]
    fn a_summary_tells_what_was_done_and_what_was_left() {
        let mut stats = Stats::default();
        let jobs = stats.by_provider.entry("jobs".into()).or_default();
        jobs.insert(
            "lua".into(),
            Tally { started: 130, done: 117, retried: 10, dead: 3, timed_out: 2, busy: Dur::millis(4_200), ..Tally::default() },
        );
        jobs.insert("attic".into(), Tally { started: 3, done: 3, busy: Dur::millis(9), ..Tally::default() });
        stats.linked.insert("inbox".into(), 120);
        let waiting = |job_type: &str, jobs| Waiting { queue: "jobs".into(), job_type: job_type.into(), jobs };
        let summary = Summary {
            stats,
            elapsed: Dur::millis(3_210),
            unknown: vec![waiting("resise", 1)],
            delayed: vec![waiting("lua", 5)],
            paused: vec![waiting("attic", 2)],
            fatal: None,
        };
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&summary, Reader::Program)).to_string());
        assert_eq!(anstream::adapter::strip_str(&text(&Summary::default(), Reader::Program)).to_string(), "no jobs in 0s\n");
    }
}
