//! `queue`: counts the jobs of queues, and pauses and resumes them, also while a daemon runs.

mod pause;
pub(super) mod stats;

use clap::Subcommand;

use super::fault::Fault;
use crate::registry::Registry;

/// Count the jobs of queues, pause and resume them
#[derive(Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  goworker queue stats config.ron                 how many jobs there are, and what is paused
  goworker queue pause config.ron --type resize   start no more jobs of this type, anywhere
  goworker queue resume config.ron --type resize
  goworker queue pause config.ron --queue orders  the whole queue

`goworker stats` is short for `goworker queue stats`."
)]
pub(super) struct QueueArgs {
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Debug, Subcommand)]
enum QueueCommand {
    Stats(stats::StatsArgs),
    /// Start no more jobs of a queue, or of one type in it, in any process that uses it
    ///
    /// Jobs are accepted as before, and those that run go on. The pause lasts until it is resumed, over restarts too.
    Pause(pause::PauseArgs),
    /// Start the jobs of a queue, or of one type in it, again
    ///
    /// A type that was paused by itself stays so when the whole queue is resumed.
    Resume(pause::PauseArgs),
}

impl QueueArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        match self.command {
            QueueCommand::Stats(args) => args.execute(registry),
            QueueCommand::Pause(args) => args.execute(pause::Verb::Pause, registry),
            QueueCommand::Resume(args) => args.execute(pause::Verb::Resume, registry),
        }
    }
}
