//! `queue pause`, `queue resume`: which jobs are not started for now.

use serde::Serialize;

use crate::cli::fault::Fault;
use crate::cli::load::QueuesArg;
use crate::cli::queues::{self, Absent, Choice};
use crate::cli::terminal;
use crate::cli::{Format, escape};
use crate::client::OpenQueue;
use crate::config::Config;
use crate::queue::Paused;
use crate::registry::Registry;
use crate::settings::did_you_mean;

/// What to pause or resume.
#[derive(Debug, clap::Args)]
#[command(after_help = "Prints what is paused in the queue afterwards.")]
pub(super) struct PauseArgs {
    #[command(flatten)]
    config: QueuesArg,
    /// The queue; not needed if there is only one
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Only jobs of this type
    #[arg(long = "type", value_name = "TYPE")]
    job_type: Option<String>,
    /// `json` for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Pause,
    Resume,
}

impl PauseArgs {
    pub(super) fn execute(self, verb: Verb, registry: &Registry) -> Result<(), Fault> {
        let config = self.config.load(registry)?;
        let job_type = self.job_type.as_deref();
        if let Some(warning) = job_type.and_then(|job_type| unknown(&config, job_type)) {
            terminal::warning(&warning);
        }
        let choice = self.queue.as_deref().map_or(Choice::Only { option: "--queue" }, Choice::Named);
        let absent = if verb == Verb::Pause { Absent::IsMade } else { Absent::IsEmpty };
        let states = queues::with(config, choice, absent, async |queues| change(verb, queues, job_type).await)?;
        let text: String = states
            .iter()
            .map(|(queue, paused)| match self.format {
                Format::Text => told(queue, paused) + "\n",
                Format::Json => json(queue, paused),
            })
            .collect();
        terminal::print(&text)
    }
}

/// Changes the chosen queues; answers what is paused in each afterwards.
async fn change(verb: Verb, queues: &[OpenQueue], job_type: Option<&str>) -> Result<Vec<(String, Paused)>, Fault> {
    let mut states = Vec::with_capacity(queues.len());
    for queue in queues {
        match verb {
            Verb::Pause => queue.pause(job_type).await?,
            Verb::Resume => queue.resume(job_type).await?,
        }
        states.push((queue.name().to_owned(), queue.stats().await?.paused));
    }
    Ok(states)
}

/// What there is to say about a type that the configuration does not run. Another one may.
fn unknown(config: &Config, job_type: &str) -> Option<String> {
    let mut workers = config.workers.iter().map(|entry| entry.name.as_str());
    if workers.clone().any(|worker| worker == job_type) {
        return None;
    }
    let hint = did_you_mean(job_type, &mut workers).map(|hint| format!("; {hint}")).unwrap_or_default();
    Some(format!("no worker of {} runs jobs of type `{}`{hint}", config.path.display(), escape::line(job_type)))
}

/// What is paused in a queue, in one line.
pub(super) fn told(queue: &str, paused: &Paused) -> String {
    let types: Vec<String> = paused.types.iter().map(|job_type| format!("`{}`", escape::line(job_type))).collect();
    match (paused.queue, types.is_empty()) {
        (false, true) => format!("nothing is paused in `{queue}`"),
        (false, false) => format!("paused in `{queue}`: jobs of type {}", types.join(", ")),
        (true, true) => format!("`{queue}` is paused"),
        (true, false) => format!("`{queue}` is paused; by themselves, so are jobs of type {}", types.join(", ")),
    }
}

fn json(queue: &str, paused: &Paused) -> String {
    #[derive(Serialize)]
    struct Queue<'a> {
        queue: &'a str,
        paused: bool,
        paused_types: Vec<&'a str>,
    }
    terminal::json(&Queue { queue, paused: paused.queue, paused_types: paused.types.iter().map(String::as_str).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_paused_is_told_in_one_line() {
        let paused = |queue, types: &[&str]| Paused { queue, types: types.iter().map(|&name| name.to_owned()).collect() };
        let all = [paused(false, &[]), paused(false, &["lua"]), paused(true, &[]), paused(true, &["cli", "lua"])];
        let lines = all.map(|paused| format!("{}\n{}", told("jobs", &paused), json("jobs", &paused)));
        insta::assert_snapshot!(lines.join("\n"));
    }
}
