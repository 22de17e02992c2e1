//! A RON file, checked: every name looked up, every value parsed. Behind this nobody handles strings.
//!
//! Two passes: first the outline, in which each entry is raw text with its place; then each plugin reads its own
//! entry, field by field. So one run tells all mistakes. `check` and `run` are the same code.

mod common;
mod handlers;
mod outline;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::outcome::FailureHandler;
use crate::plugin::{AnyProvider, AnyQueue, AnyWorker, Plugin};
use crate::provider::Keep;
use crate::registry::{Registry, Role};
use crate::retry::RetryPolicy;
use crate::settings::{Diagnostic, Notes, Reader, Report, Severity, SourceText, explain, extensions, suggest};
use crate::units::Dur;

use common::{ProviderSettings, WorkerSettings, read_retry};
use outline::{Entries, Entry, Section};

pub use common::{common_settings, schema};

/// A checked configuration: plugins built from their settings, none of them started yet.
#[derive(Debug)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// Its folder: paths in the file are relative to it.
    pub base: PathBuf,
    /// Where jobs come from, in the order of the file.
    pub providers: Vec<ProviderEntry>,
    /// What runs them, in the order of the file. The name is the job type.
    pub workers: Vec<WorkerEntry>,
    /// Who receives jobs whose retries are exhausted.
    pub failure_handlers: Vec<FailureHandler>,
    /// How long running jobs may go on after the first signal to stop.
    pub grace: Duration,
    /// A job on which this many processes have died is not run again.
    pub poison: u32,
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
        error: std::io::Error,
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
        let text = std::fs::read_to_string(path).map_err(|error| LoadError::Unreadable { path: path.to_owned(), error })?;
        Config::parse(&text, path, registry).map_err(LoadError::Wrong)
    }

    /// Checks the text of a file that is said to be at `path`.
    ///
    /// # Errors
    /// All mistakes.
    pub fn parse(text: &str, path: &Path, registry: &Registry) -> Result<Loaded, Report> {
        let mut source = SourceText::new(path, text);
        let notes = Notes::default();
        match extensions(&source) {
            Ok(extensions) => source.extensions |= extensions,
            Err(fault) => {
                let diagnostic = Diagnostic::new(&source, Severity::Error, "", fault.span, explain(&fault.error), None);
                return Err(Report::new(&source, vec![diagnostic]));
            }
        }
        let config = Draft { source: &source, notes: &notes, registry }.read();
        let report = Report::new(&source, notes.take());
        match config.filter(|_| report.errors() == 0) {
            Some(config) => Ok(Loaded { config, warnings: report }),
            None => Err(report),
        }
    }
}

/// A config while it is read.
struct Draft<'a> {
    source: &'a SourceText<'a>,
    notes: &'a Notes,
    registry: &'a Registry,
}

/// All fields of a config.
const TOP_LEVEL: [&str; 6] = ["providers", "workers", "retry", "failure_handlers", "shutdown", "poison"];

impl<'a> Draft<'a> {
    fn read(&self) -> Option<Config> {
        let mut top = Reader::new(self.source, Rc::clone(self.notes), String::new(), 0..1.min(self.source.text.len()), self.source.text);
        if top.is_broken() {
            return None;
        }
        for duplicate in self.registry.duplicates() {
            top.error("", 0..1, duplicate.to_string(), Some("rename one of them with `name = \"..\"` in its attribute".to_owned()));
        }
        let retry = read_retry(&mut top, &RetryPolicy::default());
        let poison = top.given("poison");
        let poison = top.within("poison", poison, 1..=1_000_000).unwrap_or(3);
        let mut shutdown = top.block("shutdown");
        let grace = shutdown.given::<Dur>("grace").map_or(Duration::from_secs(30), Dur::get);
        shutdown.finish(&["grace"]);

        let providers = Entries::read(self.source, &mut top, Section::Providers, self.registry);
        let workers = Entries::read(self.source, &mut top, Section::Workers, self.registry);
        let queues: Vec<&str> =
            providers.entries.iter().filter(|entry| entry.registration.role == Role::Queue).map(|entry| entry.name.as_str()).collect();
        let handlers = handlers::read_handlers(self.source, &mut top, &workers.names);
        let has_handlers = !handlers.is_empty();

        if providers.names.is_empty() {
            top.missing("providers");
        }
        if workers.names.is_empty() {
            top.warning(
                "workers",
                0..1,
                "there are no workers, so no job can run".to_owned(),
                Some("add `workers: { \"lua\": lua() }`, say".to_owned()),
            );
        }
        let entries = providers.entries.iter().filter_map(|entry| self.provider(entry, &providers, &queues, has_handlers)).collect();
        let worker_entries = workers.entries.iter().filter_map(|entry| self.worker(entry, &retry)).collect();
        top.finish(&TOP_LEVEL);
        Some(Config {
            path: PathBuf::from(&self.source.name),
            base: self.source.base.clone(),
            providers: entries,
            workers: worker_entries,
            failure_handlers: handlers,
            grace,
            poison,
        })
    }

    fn provider(&self, entry: &Entry<'a>, all: &Entries<'a>, queues: &[&str], has_handlers: bool) -> Option<ProviderEntry> {
        let mut reader = entry.reader(self.source, self.notes, Section::Providers);
        let common = ProviderSettings::read(&mut reader);
        let plugin = (entry.registration.build)(&mut reader);
        if entry.registration.role == Role::Queue {
            if common.into.is_some() {
                let message = format!("a `{}` keeps its jobs itself, so they cannot go into another queue", entry.kind);
                reader.error("into", reader.value_span("into"), message, Some("leave `into` out".to_owned()));
            }
        } else if let Some(into) = &common.into {
            self.check_into(&reader, into, all, queues);
        } else {
            self.check_direct(&reader, entry, queues, has_handlers);
        }
        finish(reader, entry);
        let source = match plugin? {
            Plugin::Queue(queue) => Source::Queue(queue),
            Plugin::Provider(provider) => match common.into {
                Some(into) => Source::Link(provider, into),
                None => Source::Direct(provider),
            },
            Plugin::Worker(_) => return None,
        };
        Some(ProviderEntry { name: entry.name.clone(), kind: entry.kind, source, lease: common.lease, keep: common.keep })
    }

    /// `into` has to name a queue.
    fn check_into(&self, reader: &Reader<'_>, into: &str, all: &Entries<'_>, queues: &[&str]) {
        if queues.contains(&into) {
            return;
        }
        let (message, help) = match all.entries.iter().find(|other| other.name == into) {
            Some(other) => (format!("`{into}` is a `{}`, which stores no jobs", other.kind), suggest("", "queues", queues)),
            // An entry that is wrong in itself may well be a queue.
            None if all.names.iter().any(|name| name == into) => return,
            None => (format!("there is no provider `{into}`"), suggest(into, "queues", queues)),
        };
        reader.error("into", reader.value_span("into"), message, Some(help));
    }

    /// A source without `into`: its jobs run directly, and only there.
    fn check_direct(&self, reader: &Reader<'_>, entry: &Entry<'_>, queues: &[&str], has_handlers: bool) {
        if has_handlers && queues.len() != 1 {
            let message = "its dead jobs cannot reach the failure handlers: there has to be one queue for them".to_owned();
            let help = if queues.is_empty() {
                "add a queue, such as `\"jobs\": sqlite(path: \"goworker.db\")`".to_owned()
            } else {
                format!("say `into: \"{}\"`, say", queues[0])
            };
            reader.error("into", entry.name_span.clone(), message, Some(help));
        } else if let Some(queue) = queues.first() {
            let message = format!("jobs of `{}` run directly: they are not stored, and their retries are lost in a crash", entry.name);
            reader.warning("into", entry.name_span.clone(), message, Some(format!("say `into: \"{queue}\"` to store them first")));
        }
    }

    fn worker(&self, entry: &Entry<'a>, retry: &RetryPolicy) -> Option<WorkerEntry> {
        let mut reader = entry.reader(self.source, self.notes, Section::Workers);
        let common = WorkerSettings::read(&mut reader, retry);
        let plugin = (entry.registration.build)(&mut reader);
        finish(reader, entry);
        let Plugin::Worker(worker) = plugin? else { return None };
        let WorkerSettings { concurrency, timeout, retry } = common;
        Some(WorkerEntry { name: entry.name.clone(), kind: entry.kind, worker, concurrency, timeout, retry })
    }
}

/// Notes the fields that neither the core nor the plugin knows.
fn finish(reader: Reader<'_>, entry: &Entry<'_>) {
    let known: Vec<&str> = (entry.registration.fields)()
        .iter()
        .map(|field| field.name)
        .chain(common_settings(entry.registration.role).iter().map(|field| field.name))
        .collect();
    reader.finish(&known);
}
