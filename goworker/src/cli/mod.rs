//! The command line. A binary with plugins of its own is three lines: link the plugins, call [`main`]; or say which there
//! are, and call [`main_with`].
//!
//! Each command is a file: its arguments, what it does, and how it shows what it found. Rendering is pure and apart
//! from reading and writing. Data goes to stdout, everything else to stderr.

mod arguments;
mod check;
mod completions;
mod cron;
mod describe;
mod enqueue;
mod escape;
mod fault;
mod identity;
mod import;
mod jobs;
mod list;
mod load;
mod log;
mod new;
mod queue;
mod queues;
mod ron_text;
mod run;
mod table;
mod terminal;
mod when;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::registry::Registry;
use fault::Fault;

/// Runs the command that the process' arguments name, and answers how the process should end.
///
/// 0: done. 1: jobs failed, or were not found. 2: the command line is wrong. 69: a store or a port could not be had.
/// 78: the configuration is wrong.
pub fn main() -> ExitCode {
    main_with(&Registry::linked())
}

/// The same with the kinds of this registry, and no others.
pub fn main_with(registry: &Registry) -> ExitCode {
    match parse(std::env::args_os().collect()).and_then(|cli| cli.execute(registry)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fault.report(),
    }
}

fn parse(arguments: Vec<std::ffi::OsString>) -> Result<Cli, Fault> {
    let command = Cli::command();
    let arguments = arguments::with_implied_run(arguments, &command, |word| Path::new(word).exists())?;
    // clap's own errors, `--help` and `--version` among them, know how to print themselves and how to exit.
    let matches = command.try_get_matches_from(arguments).map_err(Fault::Clap)?;
    Cli::from_arg_matches(&matches).map_err(Fault::Clap)
}

const USAGE: &str = "\
goworker [OPTIONS] <CONFIG>
       goworker [OPTIONS] <COMMAND>";

const EXAMPLES: &str = "\
Examples:
  goworker new config > config.ron                   a configuration to start from
  goworker import config.json -o config.ron          take over the configuration of GoWorker
  goworker config.ron                                run until stopped
  goworker run config.ron --until-idle               run what is there, then end
  goworker check config.ron                          show all mistakes, start nothing
  goworker enqueue config.ron --type lua --name greet --params '{\"who\":\"world\"}'
  goworker jobs config.ron --state dead              what has failed for good
  goworker queue pause config.ron --type lua         start no more jobs of this type for now
  goworker cron config.ron                           when scheduled jobs run next
  goworker describe sqlite                           what can be set, with an example

Exit codes: 0 done, 1 jobs failed or were not found, 2 wrong usage, 69 a store or port could not be had, 78 wrong configuration.";

/// Runs background jobs that are described in one RON file.
///
/// `goworker CONFIG` is short for `goworker run CONFIG`.
#[derive(Debug, Parser)]
#[command(name = "goworker", version, after_help = EXAMPLES, arg_required_else_help = true, override_usage = USAGE)]
struct Cli {
    #[command(flatten)]
    log: log::LogOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    List(list::ListArgs),
    Describe(describe::DescribeArgs),
    New(new::NewArgs),
    Import(import::ImportArgs),
    Enqueue(enqueue::EnqueueArgs),
    Jobs(jobs::JobsArgs),
    Queue(queue::QueueArgs),
    Cron(cron::CronArgs),
    /// Short for `goworker queue stats`
    #[command(hide = true)]
    Stats(queue::stats::StatsArgs),
    Completions(completions::CompletionsArgs),
}

/// How a command prints what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Cli {
    fn execute(self, registry: &Registry) -> Result<(), Fault> {
        log::start(&self.log, if matches!(self.command, Command::Run(_)) { "info" } else { "warn" })?;
        match self.command {
            Command::Run(args) => args.execute(registry),
            Command::Check(args) => args.execute(registry),
            Command::List(args) => args.execute(registry),
            Command::Describe(args) => args.execute(registry),
            Command::New(args) => args.execute(registry),
            Command::Import(args) => args.execute(),
            Command::Enqueue(args) => args.execute(registry),
            Command::Jobs(args) => args.execute(registry),
            Command::Queue(args) => args.execute(registry),
            Command::Cron(args) => args.execute(registry),
            Command::Stats(args) => args.execute(registry),
            Command::Completions(args) => args.execute(),
        }
    }
}

#[cfg(test)]
mod tests;
