//! `jobs show`: everything about some jobs.

use std::fmt::Write;

use super::distinct;
use super::record::{Found, whole_json};
use crate::cli::fault::Fault;
use crate::cli::load::QueuesArg;
use crate::cli::queues::{self, Absent, Choice};
use crate::cli::terminal::{self, BOLD, DIM, RED};
use crate::cli::{Format, escape, when};
use crate::client::OpenQueue;
use crate::clock::{Clock, Timestamp};
use crate::job::{Job, JobId};
use crate::outcome::{Attempt, Failure};
use crate::process::Death;
use crate::registry::Registry;

/// Show everything about jobs: arguments, output, each failed attempt with its error and last log lines, and which processes died on them
#[derive(Debug, clap::Args)]
pub(super) struct ShowJobs {
    #[command(flatten)]
    config: QueuesArg,
    /// Their ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<JobId>,
    /// Only this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// `json` for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl ShowJobs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let config = self.config.load(registry)?;
        let choice = Choice::named_or_all(self.queue.as_deref());
        let (found, missing) = queues::with(config, choice, Absent::IsEmpty, async |queues| find(queues, &self.ids).await)?;
        match self.format {
            Format::Json => terminal::print_json(&whole_json(&found))?,
            Format::Text => terminal::print(&render(&found, Clock::system().now()))?,
        }
        for id in &missing {
            terminal::error(&format!("there is no job `{id}`"));
        }
        if missing.is_empty() { Ok(()) } else { Err(Fault::Told) }
    }
}

/// The jobs of these ids, in every queue that has them, and the ids that none has.
async fn find(queues: &[OpenQueue], ids: &[JobId]) -> Result<(Vec<Found>, Vec<JobId>), Fault> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for id in distinct(ids) {
        let before = found.len();
        for queue in queues {
            let record = queue.get(&id).await?;
            found.extend(record.map(|record| Found { queue: queue.name().to_owned(), record }));
        }
        if found.len() == before {
            missing.push(id);
        }
    }
    Ok((found, missing))
}

fn render(found: &[Found], now: Timestamp) -> String {
    let jobs: Vec<String> = found.iter().map(|found| job(found, now)).collect();
    jobs.join("\n")
}

fn job(found: &Found, now: Timestamp) -> String {
    let record = &found.record;
    let job = &record.job;
    let mut text = format!("{BOLD}{}{BOLD:#}\n", job.id);
    let instant = |instant: Timestamp| format!("{instant} ({})", when::relative(instant, now));
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {DIM}{name:<12}{DIM:#} {}", escape::line(&value));
        }
    };
    line("type", Some(job.job_type.clone()));
    line("name", Some(job.name.clone()));
    line("state", Some(record.state.to_string()));
    line("queue", Some(found.queue.clone()));
    line("attempts", Some(attempts_told(record.attempt, job.retries)));
    line("crashes", (record.crashes > 0).then(|| record.crashes.to_string()));
    for Death { at, process } in &record.deaths {
        line("death", Some(format!("{}, process {} on {}, {}", instant(*at), process.pid, process.host, process.nonce)));
    }
    line("priority", (job.priority != 0).then(|| job.priority.to_string()));
    line("timeout", job.timeout.map(|timeout| timeout.to_string()));
    line("unique", job.unique_key().map(|key| unique_told(key, job)));
    line("tags", Some(job.tags.join(", ")));
    line("enqueued", Some(instant(record.enqueued_at)));
    line("due", record.due_at.map(instant));
    line("waits for", record.follows.as_ref().map(|id| format!("the end of {id}, which holds its key")));
    line("leased until", record.leased_until.map(instant));
    line(
        "progress",
        record.progress.as_ref().map(|progress| format!("{}% {}", progress.percent(), progress.message).trim_end().to_owned()),
    );
    line("expires", job.expires_at.map(instant));
    line("ended", record.ended_at.map(instant));
    line("params", Some(job.params.get().to_owned()));
    line("meta", (!job.meta.is_empty()).then(|| serde_json::Value::from(job.meta.clone()).to_string()));
    line("output", record.output.json().map(str::to_owned));
    if record.attempts.is_empty() {
        text.push_str(&record.failure.as_ref().map(|failure| indented("error", failure)).unwrap_or_default());
    }
    record.attempts.iter().for_each(|attempt| text.push_str(&told(attempt)));
    text
}

/// The key as queues store it, and how long it is held.
fn unique_told(key: String, job: &Job) -> String {
    match job.unique.as_ref().and_then(|unique| unique.window) {
        Some(window) => format!("{key} (held for {window} at least)"),
        None => key,
    }
}

fn attempts_told(attempts: u32, retries: Option<u32>) -> String {
    match retries {
        Some(retries) => format!("{attempts} of {}", u64::from(retries) + 1),
        None => attempts.to_string(),
    }
}

fn told(attempt: &Attempt) -> String {
    let took = when::took(attempt.duration.get());
    let mut text = format!("  {BOLD}attempt {}{BOLD:#}    {DIM}{}, took {took}{DIM:#}\n", attempt.number, attempt.started_at);
    text.push_str(&attempt.failure.as_ref().map(|failure| indented(cause(failure), failure)).unwrap_or_default());
    for line in &attempt.log {
        for line in escape::lines(line) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {DIM}|{DIM:#} {line}");
        }
    }
    text
}

fn cause(failure: &Failure) -> &'static str {
    use crate::outcome::Cause;
    match failure.cause {
        Cause::Error => "error",
        Cause::Panic => "panic",
        Cause::Timeout => "timeout",
        Cause::Poison => "poison",
        Cause::NoWorker => "no worker",
    }
}

/// A failure under its attempt; the lines of its message keep their order.
fn indented(label: &str, failure: &Failure) -> String {
    let code = failure.exit_code.map(|code| format!(" (exit code {code})")).unwrap_or_default();
    let mut text = format!("    {RED}{label}{code}:{RED:#}");
    for (index, line) in escape::lines(&failure.message).enumerate() {
        text.push_str(if index == 0 { " " } else { "\n      " });
        text.push_str(&line);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::jobs::record::tests::{at, dead, done, running, scheduled};

    #[test]
    fn everything_about_a_job_is_shown() {
        let text = render(&[done(), dead(), scheduled(), running()], at("12:03:00"));
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }
}
