//! `check`: what `run` would say about a configuration, without starting anything.

use serde::Serialize;

use super::fault::Fault;
use super::load::ConfigArg;
use super::{Format, terminal};
use crate::config::{Config, LoadError, Source};
use crate::registry::Registry;
use crate::settings::{Diagnostic, Report};

/// Show all mistakes of a configuration, and start nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 78 if there is a mistake; warnings alone end with 0.")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// `json` prints the findings to stdout, for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl CheckArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let loaded = Config::load(&self.config.config, registry);
        match (loaded, self.format) {
            (Ok(loaded), Format::Json) => print_json(&loaded.warnings),
            (Ok(loaded), Format::Text) => {
                terminal::diagnostics(&loaded.warnings);
                terminal::print(&verdict(&loaded.config))
            }
            (Err(LoadError::Wrong(report)), Format::Json) => {
                print_json(&report)?;
                Err(Fault::ConfigTold)
            }
            (Err(error), _) => Err(Fault::Config(error)),
        }
    }
}

fn print_json(report: &Report) -> Result<(), Fault> {
    #[derive(Serialize)]
    struct Findings<'a> {
        errors: usize,
        warnings: usize,
        diagnostics: &'a [Diagnostic],
    }
    let findings = Findings { errors: report.errors(), warnings: report.warnings(), diagnostics: report.diagnostics() };
    terminal::print_json(&terminal::json(&findings))
}

fn verdict(config: &Config) -> String {
    let queues = config.providers.iter().filter(|entry| matches!(entry.source, Source::Queue(_))).count();
    let counts = [(config.providers.len() - queues, "source"), (queues, "queue"), (config.workers.len(), "worker")];
    let counts: Vec<String> = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what)).collect();
    format!("{}: valid ({})\n", config.path.display(), counts.join(", "))
}

/// `1 queue`, `2 queues`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
