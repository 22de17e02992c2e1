//! `jobs`: looks at the jobs of queues and changes them, also while a daemon runs.

mod change;
mod list;
mod record;
mod show;

use std::collections::BTreeSet;

use clap::{CommandFactory, Subcommand};

use super::fault::Fault;
use crate::job::JobId;
use crate::registry::Registry;

const USAGE: &str = "\
goworker jobs [OPTIONS] <CONFIG>
       goworker jobs <show|retry|cancel|delete> [OPTIONS] <CONFIG> <ID>...";

/// List the jobs of queues, or show, retry, cancel and delete them
#[derive(Debug, clap::Args)]
#[command(
    subcommand_negates_reqs = true,
    override_usage = USAGE,
    after_help = "\
Examples:
  goworker jobs config.ron                            the newest jobs of all queues
  goworker jobs config.ron --state dead --type lua    what has failed for good
  goworker jobs config.ron --format json | jq '.jobs[] | select(.attempt > 3)'
  goworker jobs show config.ron 0193571e-8c5e-7cc1-9d5a-3f1b4fa2b1c0
  goworker jobs retry config.ron --state dead

In a pipe: one job a line, newest first, columns separated by tabs, nothing shortened: id, type, name, state, queue, attempt, time of the state, error."
)]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    command: Option<JobsCommand>,
    #[command(flatten)]
    list: Option<list::ListJobs>,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    Show(show::ShowJobs),
    /// Make jobs that have ended ready again, with all their attempts before them
    Retry(change::ChangeJobs),
    /// Cancel jobs: those that wait at once, those that run as soon as their worker hears of it
    Cancel(change::ChangeJobs),
    /// Forget jobs that do not run
    Delete(change::ChangeJobs),
}

/// The ids, each once.
fn distinct(ids: &[JobId]) -> Vec<JobId> {
    let mut seen = BTreeSet::new();
    ids.iter().filter(|id| seen.insert(*id)).cloned().collect()
}

impl JobsArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        match (self.command, self.list) {
            (Some(_), Some(_)) => {
                let message = "the options of a list do not go with `show`, `retry`, `cancel` or `delete`; give the file after the command";
                Err(Fault::Clap(super::Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message)))
            }
            (Some(JobsCommand::Show(show)), None) => show.execute(registry),
            (Some(JobsCommand::Retry(change)), None) => change.execute(change::Verb::Retry, registry),
            (Some(JobsCommand::Cancel(change)), None) => change.execute(change::Verb::Cancel, registry),
            (Some(JobsCommand::Delete(change)), None) => change.execute(change::Verb::Delete, registry),
            (None, Some(list)) => list.execute(registry),
            (None, None) => Err(Fault::Usage("which configuration? write `goworker jobs CONFIG`".into())),
        }
    }
}
