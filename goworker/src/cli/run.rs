//! `run`: the daemon. Checks the configuration, then hands it to the manager.

use super::fault::Fault;
use super::load::ConfigArg;

/// Run jobs until stopped, or until there is nothing left to do
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Stops at the first Ctrl-C or SIGTERM: nothing new is started, and running jobs have the time that `shutdown: (grace: ..)` gives them. The second one gives them back at once. Neither costs a job an attempt.")]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// End when all is done: sources are empty and no job is ready, running or awaiting a retry
    #[arg(long)]
    until_idle: bool,
}

impl RunArgs {
    pub(super) fn execute(self) -> Result<(), Fault> {
        let _config = self.config.load()?;
        let _ = self.until_idle;
        Ok(())
    }
}
