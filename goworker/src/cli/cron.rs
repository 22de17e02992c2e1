//! `cron`: when the schedules of a configuration are due next.

use serde::Serialize;

use super::fault::Fault;
use super::load::ConfigArg;
use super::table::Table;
use super::terminal::{self, Reader};
use super::{Format, when};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Source};
use crate::registry::Registry;
use crate::schedule::Schedule;

/// Show when the schedules of a configuration are due next
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each time is told in the schedule's time zone and in UTC, with what a change of the clocks has to do with it. In a pipe: one time a line, columns separated by tabs: entry, local time, time zone, UTC, how far it is, and the change of the clocks or `-`. Nothing is started, and no queue is asked. With `jitter` jobs start so much later."
)]
pub(super) struct CronArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// How many times of each entry
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
    /// From this instant on instead of now, such as 2026-10-24T00:00:00Z
    #[arg(long, value_name = "INSTANT")]
    from: Option<Timestamp>,
    /// `json` for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl CronArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let config = self.config.load(registry)?;
        let now = Clock::system().now();
        let entries = entries(&config, self.from.unwrap_or(now), self.count.into());
        match self.format {
            Format::Json => terminal::print_json(&terminal::json(&Entries { entries })),
            Format::Text if entries.is_empty() => {
                terminal::note(&format!("no provider of {} has a schedule", config.path.display()));
                Ok(())
            }
            Format::Text => terminal::print(&table(&entries, now).render(Reader::of_stdout())),
        }
    }
}

#[derive(Serialize)]
struct Entries {
    entries: Vec<Entry>,
}

/// A provider that has a schedule.
#[derive(Serialize)]
struct Entry {
    name: String,
    kind: &'static str,
    schedule: Vec<String>,
    timezone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    into: Option<String>,
    next: Vec<Next>,
}

#[derive(Serialize)]
struct Next {
    at: Timestamp,
    local: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_change: Option<String>,
}

fn entries(config: &Config, from: Timestamp, count: usize) -> Vec<Entry> {
    let scheduled = config.providers.iter().filter_map(|entry| {
        let (provider, into) = match &entry.source {
            Source::Link(provider, into) => (provider, Some(into.clone())),
            Source::Direct(provider) => (provider, None),
            Source::Queue(_) => return None,
        };
        let schedule = provider.schedule()?;
        Some(Entry {
            name: entry.name.clone(),
            kind: entry.kind,
            schedule: schedule.times().texts().map(str::to_owned).collect(),
            timezone: schedule.zone().name().to_owned(),
            into,
            next: next(&schedule, from, count),
        })
    });
    scheduled.collect()
}

fn next(schedule: &Schedule, from: Timestamp, count: usize) -> Vec<Next> {
    schedule.ticks(from).take(count).map(|tick| Next { at: tick.at, local: tick.local, clock_change: tick.change }).collect()
}

fn table(entries: &[Entry], now: Timestamp) -> Table {
    let mut table = Table::new(["ENTRY", "LOCAL TIME", "TIME ZONE", "UTC", "IN", "CLOCK CHANGE"]).whole(1).whole(3);
    for Entry { name, timezone, next, .. } in entries {
        if next.is_empty() {
            table.row([name, "never", timezone, "-", "-", "-"].map(str::to_owned));
        }
        for Next { at, local, clock_change } in next {
            let change = clock_change.as_deref().unwrap_or("-").to_owned();
            table.row([
                name.clone(),
                local.clone(),
                timezone.clone(),
                at.to_string().replace(".000Z", "Z"),
                when::relative(*at, now),
                change,
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = r#"(
    providers: {
        "jobs": memory(),
        "nightly": cron(schedule: "30 2 * * *", timezone: "Europe/Berlin", into: "jobs", job: (type: "lua", name: "report")),
        "often": cron(schedule: ["*/30 2 * * *", "@every 12h"], timezone: "Europe/Berlin", into: "jobs", job: (type: "lua", name: "look")),
        "never": cron(schedule: "0 0 30 2 *", into: "jobs", job: (type: "lua", name: "leap")),
    },
    workers: { "lua": lua() },
)"#;

    fn found(from: &str) -> Vec<Entry> {
        let loaded =
            Config::parse(CONFIG, Path::new("jobs.ron"), &Registry::builtin()).unwrap_or_else(|report| panic!("{}", report.render(false)));
        entries(&loaded.config, from.parse().unwrap(), 4)
    }

    #[test]
    fn the_next_times_are_told_with_what_clock_changes_do_to_them() {
        let tables = ["2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z"].map(|from| {
            let table = table(&found(from), from.parse().unwrap());
            let columns = table.render(Reader::Person { width: None });
            format!("{}\n{}", anstream::adapter::strip_str(&columns), table.render(Reader::Program))
        });
        insta::assert_snapshot!(tables.join("\n"));
    }

    #[test]
    fn the_next_times_have_a_json_form() {
        insta::assert_snapshot!(terminal::json(&Entries { entries: found("2026-03-29T00:00:00Z") }));
    }
}
