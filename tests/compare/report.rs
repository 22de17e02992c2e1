//! What was measured, as a table, as Markdown and as JSON.

use std::fmt::Write;
use std::fs;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

use crate::measure::{self, Drain, Latency, Subject};

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Format {
    /// Columns, for a person
    Table,
    /// For a page of documentation
    Markdown,
    /// For a program
    Json,
}

/// What became of a subject in all turns.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) drains: Vec<Drain>,
    pub(crate) latencies: Vec<Latency>,
    /// Why it was measured no more.
    pub(crate) trouble: Option<String>,
}

impl Row {
    pub(crate) fn name(&self) -> String {
        format!("{}, {} slots, {} jobs", self.subject.system.name, self.subject.slots, grouped(self.subject.jobs as f64, 0))
    }

    /// Measures it once more.
    pub(crate) async fn measure(&mut self, with_latency: bool) -> Result<()> {
        let drain = measure::drain(&self.subject).await?;
        eprintln!("  {} jobs a second", grouped(drain.drained, 0));
        self.drains.push(drain);
        if with_latency {
            self.latencies.push(measure::latency(&self.subject).await?);
        }
        Ok(())
    }

    fn drain(&self, value: impl Fn(&Drain) -> Option<f64>) -> Vec<f64> {
        self.drains.iter().filter_map(value).collect()
    }

    fn latency(&self, value: impl Fn(&Latency) -> Option<f64>) -> Vec<f64> {
        self.latencies.iter().filter_map(value).collect()
    }

    /// What is wrong with it, loudly.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let drains = self.drains.iter().map(|drain| (drain.ran, self.subject.jobs));
        let counts = drains.chain(self.latencies.iter().map(|latency| (latency.ran, latency.wanted)));
        let wrong = counts.filter(|(ran, wanted)| ran != wanted).map(|(ran, wanted)| format!("RAN {ran} JOBS INSTEAD OF {wanted}"));
        wrong.chain(self.trouble.clone()).map(|complaint| format!("{}: {complaint}", self.name())).collect()
    }
}

/// A number of each row: its head, its name for programs, its digits after the point, and where it is from.
struct Column(&'static str, &'static str, usize, fn(&Row) -> Option<f64>);

const COLUMNS: [Column; 11] = [
    Column("enqueue/s", "enqueue_per_second", 0, |row| median(row.drain(|drain| Some(drain.enqueued)))),
    Column("drain/s", "drain_per_second", 0, |row| median(row.drain(|drain| Some(drain.drained)))),
    Column("min", "drain_min", 0, |row| row.drain(|drain| Some(drain.drained)).into_iter().reduce(f64::min)),
    Column("max", "drain_max", 0, |row| row.drain(|drain| Some(drain.drained)).into_iter().reduce(f64::max)),
    Column("p50 ms", "start_p50_ms", 2, |row| median(row.latency(|latency| latency.p50))),
    Column("p99 ms", "start_p99_ms", 2, |row| median(row.latency(|latency| latency.p99))),
    Column("idle CPU %", "idle_cpu_percent", 1, |row| median(row.latency(|latency| Some(latency.idle_cpu)))),
    Column("idle MB", "idle_mb", 1, |row| median(row.latency(|latency| Some(latency.idle_memory)))),
    Column("peak MB", "peak_mb", 1, |row| median(row.drain(|drain| Some(drain.peak)))),
    Column("CPU µs/job", "cpu_us_per_job", 1, |row| median(row.drain(|drain| Some(drain.cpu)))),
    Column("server µs/job", "server_cpu_us_per_job", 1, |row| median(row.drain(|drain| drain.server_cpu))),
];

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

/// All rows, and what was left out.
pub(crate) fn render(rows: &[Row], skipped: &[String], runs: usize, format: Format) -> String {
    if let Format::Json = format {
        let told: Vec<Value> = rows.iter().map(json_of).collect();
        return format!("{:#}\n", json!({ "measured": circumstances(runs), "rows": told, "skipped": skipped }));
    }
    let head = ["system", "slots", "jobs"].into_iter().chain(COLUMNS.iter().map(|column| column.0));
    let cells = rows.iter().map(|row| {
        let numbers = COLUMNS.iter().map(|column| (column.3)(row).map_or_else(|| "–".to_owned(), |value| grouped(value, column.2)));
        let Subject { system, slots, jobs, .. } = &row.subject;
        [system.name.to_owned(), grouped(*slots as f64, 0), grouped(*jobs as f64, 0)].into_iter().chain(numbers).collect()
    });
    let mut text = format!("{}\n\n{}\n", circumstances(runs), table(head, cells.collect(), format));
    let notes = rows.iter().flat_map(Row::complaints).chain(skipped.iter().map(|skipped| format!("left out: {skipped}")));
    for (number, note) in notes.enumerate() {
        let gap = if number == 0 { "\n" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{gap}* {note}");
    }
    text
}

/// A table whose first column is text, and whose others are numbers.
pub(crate) fn table<'a>(head: impl IntoIterator<Item = &'a str>, rows: Vec<Vec<String>>, format: Format) -> String {
    let mut table = Table::new();
    let is_page = matches!(format, Format::Markdown);
    table.load_style(if is_page { presets::ASCII_MARKDOWN } else { presets::NOTHING });
    table.set_header(head.into_iter().map(str::to_owned).collect::<Vec<_>>());
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        if !is_page {
            column.set_padding((0, 2));
        }
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn json_of(row: &Row) -> Value {
    let mut object = Map::new();
    object.insert("system".to_owned(), row.subject.system.name.into());
    object.insert("slots".to_owned(), row.subject.slots.into());
    object.insert("jobs".to_owned(), row.subject.jobs.into());
    object.insert("runs".to_owned(), row.drains.len().into());
    object.extend(COLUMNS.iter().map(|Column(_, name, _, value)| ((*name).to_owned(), json!(value(row)))));
    object.insert("complaints".to_owned(), json!(row.complaints()));
    object.into()
}

/// When and on what.
pub(crate) fn circumstances(runs: usize) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")).map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let now = goworker::Clock::system().now().to_string();
    let (date, turns) = (now.split('T').next().unwrap_or_default(), if runs == 1 { "one run" } else { "medians of runs in turns" });
    format!("{date}, {cores} cores ({model}), Linux {}; {turns} ({runs})", kernel.trim())
}

/// A number with its thousands apart.
pub(crate) fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let groups: Vec<&str> = whole.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    format!("{}{rest}", groups.join(","))
}
