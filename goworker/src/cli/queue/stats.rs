//! `queue stats`: how many jobs there are of each type in each state, and which processes run them.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::pause;
use crate::cli::fault::Fault;
use crate::cli::load::QueuesArg;
use crate::cli::queues::{self, Absent, Choice};
use crate::cli::table::Table;
use crate::cli::terminal::{self, BOLD, Reader};
use crate::cli::{Format, escape, when};
use crate::client::OpenQueue;
use crate::clock::{Clock, Timestamp};
use crate::process::ProcessRecord;
use crate::queue::{Count, QueueStats, State};
use crate::registry::Registry;

/// Count the jobs of each queue, by type and state, and tell what is paused and which processes run them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "In a pipe: one count a line, columns separated by tabs: queue, type, state, jobs, and `paused` or `-`. Jobs that await another attempt have the state `retrying`. Processes are told to people and in JSON. One that ended without a close, or hangs, is gone, and stays listed for an hour."
)]
pub(in crate::cli) struct StatsArgs {
    #[command(flatten)]
    config: QueuesArg,
    /// Only this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// `json` for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl StatsArgs {
    pub(in crate::cli) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let config = self.config.load(registry)?;
        let workers: Vec<String> = config.workers.iter().map(|entry| entry.name.clone()).collect();
        let choice = Choice::named_or_all(self.queue.as_deref());
        let counted = queues::with(config, choice, Absent::IsEmpty, async |queues| count(queues, &workers).await)?;
        let now = Clock::system().now();
        match (self.format, Reader::of_stdout()) {
            (Format::Json, _) => terminal::print_json(&json(&counted)),
            (Format::Text, Reader::Program) => terminal::print(&lines(&counted)),
            (Format::Text, reader) => terminal::print(&tables(&counted, reader, now)),
        }
    }
}

/// The statistics of one queue.
#[derive(Debug)]
struct Counted {
    queue: String,
    kind: &'static str,
    stats: QueueStats,
    processes: Vec<ProcessRecord>,
    /// The types that no worker of the configuration runs.
    unknown: Vec<String>,
}

async fn count(queues: &[OpenQueue], workers: &[String]) -> Result<Vec<Counted>, Fault> {
    let mut counted = Vec::with_capacity(queues.len());
    for queue in queues {
        let stats = queue.stats().await?;
        let mut unknown: Vec<String> = stats
            .counts
            .iter()
            .filter(|count| !count.state.is_final() && !workers.contains(&count.job_type))
            .map(|count| count.job_type.clone())
            .collect();
        unknown.dedup();
        let processes = queue.processes().await?;
        counted.push(Counted { queue: queue.name().to_owned(), kind: queue.kind(), stats, processes, unknown });
    }
    Ok(counted)
}

/// The state, with jobs that await another attempt apart from those that wait for their time.
fn state(count: &Count) -> &'static str {
    if count.retrying { "retrying" } else { count.state.as_str() }
}

fn lines(counted: &[Counted]) -> String {
    let mut table = Table::new(["QUEUE", "TYPE", "STATE", "JOBS", "PAUSED"]);
    for Counted { queue, stats, .. } in counted {
        for count in &stats.counts {
            let paused = if stats.paused.keeps_back(count) { "paused" } else { "-" };
            table.row([queue.clone(), count.job_type.clone(), state(count).to_owned(), count.jobs.to_string(), paused.to_owned()]);
        }
    }
    table.render(Reader::Program)
}

const COLUMNS: [&str; 8] = ["scheduled", "retrying", "ready", "running", "done", "dead", "cancelled", "expired"];

fn tables(counted: &[Counted], reader: Reader, now: Timestamp) -> String {
    let tables: Vec<String> = counted.iter().map(|counted| table(counted, reader, now)).collect();
    tables.join("\n")
}

fn table(counted: &Counted, reader: Reader, now: Timestamp) -> String {
    let Counted { queue, kind, stats, processes, unknown } = counted;
    let mut text = format!("{BOLD}{queue}{BOLD:#} ({kind})");
    if let Some(since) = stats.oldest_ready {
        let _ = write!(text, ": the oldest ready job has waited {}", when::rough(now.since(since)));
    }
    text.push('\n');
    if !stats.paused.is_empty() {
        let _ = writeln!(text, "{}", pause::told(queue, &stats.paused));
    }
    text += &if stats.counts.is_empty() { "no jobs\n".to_owned() } else { jobs(&stats.counts, reader) };
    for job_type in unknown {
        let _ = writeln!(text, "no worker of this configuration runs jobs of type `{}`", escape::line(job_type));
    }
    if !processes.is_empty() {
        text += &self::processes(processes, reader, now);
    }
    if processes.iter().all(|process| process.gone) {
        text += "no process runs jobs of this queue now\n";
    }
    text
}

fn jobs(counts: &[Count], reader: Reader) -> String {
    let mut rows: BTreeMap<&str, [u64; COLUMNS.len()]> = BTreeMap::new();
    for count in counts {
        if let Some(column) = COLUMNS.iter().position(|name| *name == state(count)) {
            rows.entry(&count.job_type).or_default()[column] += count.jobs;
        }
    }
    let mut table =
        Table::new(["TYPE", "SCHEDULED", "RETRYING", "READY", "RUNNING", "DONE", "DEAD", "CANCELLED", "EXPIRED"]).numbers(1..=8);
    for (job_type, jobs) in rows {
        table.row([job_type.to_owned()].into_iter().chain(jobs.map(|jobs| jobs.to_string())));
    }
    table.render(reader)
}

fn processes(processes: &[ProcessRecord], reader: Reader, now: Timestamp) -> String {
    let mut table = Table::new(["PROCESS", "VERSION", "STARTED", "SEEN", "SLOTS"]);
    for ProcessRecord { process, info, started_at, seen_at, gone } in processes {
        let seen = format!("{}{}", when::relative(*seen_at, now), if *gone { ", gone" } else { "" });
        let slots: Vec<String> = info.slots.iter().map(|(job_type, slots)| format!("{slots} {job_type}")).collect();
        let process = format!("{} on {}", process.pid, process.host);
        table.row([process, info.version.clone(), when::relative(*started_at, now), seen, slots.join(", ")]);
    }
    table.render(reader)
}

fn json(counted: &[Counted]) -> String {
    #[derive(Serialize)]
    struct Queues<'a> {
        queues: Vec<Queue<'a>>,
    }
    #[derive(Serialize)]
    struct Queue<'a> {
        queue: &'a str,
        kind: &'a str,
        oldest_ready: Option<Timestamp>,
        unknown_types: &'a [String],
        paused: bool,
        paused_types: Vec<&'a str>,
        counts: Vec<Jobs<'a>>,
        processes: &'a [ProcessRecord],
    }
    #[derive(Serialize)]
    struct Jobs<'a> {
        #[serde(rename = "type")]
        job_type: &'a str,
        state: State,
        retrying: bool,
        jobs: u64,
    }
    fn queue(counted: &Counted) -> Queue<'_> {
        let Counted { queue, kind, stats, processes, unknown } = counted;
        let counts = stats.counts.iter().map(|count| {
            let Count { job_type, state, retrying, jobs } = count;
            Jobs { job_type, state: *state, retrying: *retrying, jobs: *jobs }
        });
        let paused_types = stats.paused.types.iter().map(String::as_str).collect();
        Queue {
            queue,
            kind,
            oldest_ready: stats.oldest_ready,
            unknown_types: unknown,
            paused: stats.paused.queue,
            paused_types,
            counts: counts.collect(),
            processes,
        }
    }
    terminal::json(&Queues { queues: counted.iter().map(queue).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{Process, ProcessInfo};
    use crate::queue::Paused;

    fn counted() -> Vec<Counted> {
        let count = |job_type: &str, state, retrying, jobs| Count { job_type: job_type.into(), state, retrying, jobs };
        let counts = vec![
            count("cli", State::Running, false, 2),
            count("lua", State::Scheduled, false, 1),
            count("lua", State::Scheduled, true, 4),
            count("lua", State::Ready, false, 1_200),
            count("lua", State::Done, false, 10_000),
            count("resise", State::Ready, false, 3),
        ];
        let oldest_ready = Some("2026-11-24T12:00:00Z".parse().unwrap());
        let paused = Paused { queue: false, types: ["lua".to_owned()].into() };
        let stats = QueueStats { counts, oldest_ready, paused };
        let at = |time: &str| format!("2026-11-24T{time}Z").parse().unwrap();
        let process = |pid, slots: &[(&str, usize)], seen: &str| {
            let slots = slots.iter().map(|(job_type, slots)| ((*job_type).to_owned(), *slots)).collect();
            let info = ProcessInfo { version: "0.1.0".into(), slots };
            let process = Process { host: "web\x1b[31m-1".into(), pid, nonce: "3ed9d3a0b1e9a2c4".into() };
            ProcessRecord::at(at("12:03:20"), process, info, at("12:00:00"), at(seen)).unwrap()
        };
        let processes = vec![process(812, &[("cli", 2)], "12:01:00"), process(4711, &[("cli", 2), ("lua", 20)], "12:03:16")];
        let jobs = Counted { queue: "jobs".into(), kind: "sqlite", stats, processes, unknown: vec!["resise".into()] };
        let stats = QueueStats { paused: Paused { queue: true, ..Paused::default() }, ..QueueStats::default() };
        let orders = Counted { queue: "orders".into(), kind: "sqlite", stats, processes: vec![], unknown: vec![] };
        vec![jobs, orders]
    }

    #[test]
    fn a_person_sees_a_table_for_each_queue() {
        let now = "2026-11-24T12:03:20Z".parse().unwrap();
        let text = tables(&counted(), Reader::Person { width: Some(100) }, now);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn programs_get_a_line_or_an_object_for_each_count() {
        insta::assert_snapshot!(lines(&counted()));
        insta::assert_snapshot!(json(&counted()));
    }
}
