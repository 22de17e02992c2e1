//! `completions`: what a shell needs to complete commands and options.

use clap::CommandFactory;
use clap_complete::Shell;

use super::fault::Fault;
use super::{Cli, terminal};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  goworker completions bash > ~/.local/share/bash-completion/completions/goworker
  goworker completions zsh  > ~/.zfunc/_goworker
  goworker completions fish > ~/.config/fish/completions/goworker.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn execute(self) -> Result<(), Fault> {
        // Generated in memory first: clap_complete panics where a pipe breaks.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "goworker", &mut script);
        terminal::print(&String::from_utf8_lossy(&script))
    }
}
