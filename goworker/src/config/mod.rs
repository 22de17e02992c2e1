//! A RON file, checked: every name looked up, every value parsed. Behind this nobody handles strings.
//!
//! Two passes: first the outline, in which each entry is raw text with its place; then each plugin reads its own
//! entry, field by field. So one run tells all mistakes. `check` and `run` are the same code.

mod core_settings;
mod draft;
mod handlers;
mod outline;
mod queues;
mod schema;
mod syntax;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::listener::Address;
use crate::outcome::FailureHandler;
use crate::plugin::{AnyProvider, AnyQueue, AnyWorker};
use crate::provider::Keep;
use crate::rate::Rate;
use crate::registry::Registry;
use crate::retry::RetryPolicy;
use crate::settings::{Diagnostic, Notes, Readable, Report, Secret, Severity, SourceText, Variables, extensions, process_variables};

use draft::Draft;

pub use core_settings::{common_settings, top_level};
pub(crate) use queues::{QueueConfig, QueueEntry};
pub use schema::{config_schema, schema};

/// A checked configuration: plugins built from their settings, none of them started yet.
#[derive(Debug)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// Its folder, `.` if it is the current one: paths in the file are relative to it.
    pub base: PathBuf,
    /// Where jobs come from, in the order of the file.
    pub providers: Vec<ProviderEntry>,
    /// What runs them, in the order of the file. The name is the job type.
    pub workers: Vec<WorkerEntry>,
    /// Who receives jobs whose retries are exhausted.
    pub failure_handlers: Vec<FailureHandler>,
    /// How long running jobs may go on after the first signal to stop.
    pub grace: Duration,
    /// A job on which this many processes have died is not run again, if it has no worker that says otherwise.
    pub poison: u32,
    /// Where a run tells of itself.
    pub admin: Option<AdminSettings>,
}

/// Where a run tells of itself over HTTP.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// The address to listen on.
    pub listen: Address,
    /// What clients have to send; needed for an address that others can reach.
    pub token: Option<Secret>,
}

/// One entry of `providers`.
#[derive(Debug)]
pub struct ProviderEntry {
    /// Its key.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it is.
    pub source: Source,
    /// How many of its jobs may start in a stretch of time.
    pub rate: Option<Rate>,
    /// For how long its deliveries are leased.
    pub lease: Duration,
    /// How long it lists jobs that have ended.
    pub keep: Keep,
}

/// A provider, by what is done with its jobs.
#[derive(Debug)]
pub enum Source {
    /// Stores jobs; they run from it.
    Queue(AnyQueue),
    /// Its jobs go into the queue of that name, and run from there.
    Link(AnyProvider, String),
    /// Its jobs run directly.
    Direct(AnyProvider),
}

/// One entry of `workers`.
#[derive(Debug)]
pub struct WorkerEntry {
    /// Its key: the job type that it runs.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// The worker.
    pub worker: AnyWorker,
    /// How many jobs it runs at once.
    pub concurrency: usize,
    /// The longest time an attempt may take.
    pub timeout: Option<Duration>,
    /// When its jobs are tried again.
    pub retry: RetryPolicy,
    /// A job of it on which this many processes have died is not run again.
    pub poison: u32,
}

/// A configuration without errors, and what deserves a warning.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The warnings; there are no errors among them.
    pub warnings: Report,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There are mistakes in it.
    #[error("{}", .0.render(false))]
    Wrong(Report),
}

impl Config {
    /// Reads and checks a file. Starts nothing and opens nothing but the file and the secrets that it names.
    ///
    /// # Errors
    /// When the file cannot be read, or with *all* mistakes in it.
    pub fn load(path: &Path, registry: &Registry) -> Result<Loaded, LoadError> {
        Config::parse(&read_file(path)?, path, registry).map_err(LoadError::Wrong)
    }

    /// Checks the text of a file that is said to be at `path`.
    ///
    /// # Errors
    /// All mistakes.
    pub fn parse(text: &str, path: &Path, registry: &Registry) -> Result<Loaded, Report> {
        Config::parse_with(text, path, registry, process_variables)
    }

    /// The same, with `env(..)` looked up elsewhere.
    fn parse_with(text: &str, path: &Path, registry: &Registry, variables: Variables) -> Result<Loaded, Report> {
        let (config, warnings) = read_text(text, path, registry, variables, |draft| draft.read())?;
        Ok(Loaded { config, warnings })
    }
}

fn read_file(path: &Path) -> Result<String, LoadError> {
    let unreadable = |error| LoadError::Unreadable { path: path.to_owned(), error };
    String::from_utf8(std::fs::read(path).map_err(unreadable)?).map_err(|error| unreadable(not_text(&error)))
}

/// What `read` makes of a text, and the warnings; or all mistakes.
fn read_text<T>(
    text: &str,
    path: &Path,
    registry: &Registry,
    variables: Variables,
    read: impl FnOnce(&Draft<'_>) -> T,
) -> Result<(T, Report), Report> {
    // Some editors on Windows begin files with a mark of their encoding.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let notes = Notes::default();
    let Some(readable) = syntax::readable(text, path, variables, &notes) else {
        return Err(Report::new(&SourceText::new(path, text, &Readable::new(text), variables), notes.take()));
    };
    let mut source = SourceText::new(path, text, &readable, variables);
    source.extensions |= extensions(&source).unwrap_or_default();
    let read = read(&Draft::new(&source, &notes, registry));
    let report = Report::new(&source, notes.take());
    match report.errors() {
        0 => Ok((read, report)),
        _ if is_json(text) => Err(Report::new(&source, vec![foreign(&source)])),
        _ => Err(report),
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// JSON is what other programs have, GoWorker of 2015 among them: one sentence tells more than all the mistakes.
fn foreign(source: &SourceText<'_>) -> Diagnostic {
    let help = format!("if it is GoWorker's, `goworker import {} -o config.ron` takes it over", source.name);
    Diagnostic::new(
        source,
        Severity::Error,
        "",
        0..1,
        "this is JSON; a configuration is RON: `(providers: {..}, workers: {..})`".to_owned(),
        Some(help),
    )
}

fn not_text(error: &std::string::FromUtf8Error) -> io::Error {
    let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
    io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
}

#[cfg(test)]
mod tests;
