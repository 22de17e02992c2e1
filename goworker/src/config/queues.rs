//! The queues of a config alone, for a program that uses them beside the one that runs their jobs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::plugin::AnyQueue;
use crate::provider::Keep;
use crate::rate::Rate;
use crate::registry::Registry;
use crate::settings::{Report, process_variables};

use super::{Config, LoadError, ProviderEntry, Source, read_file, read_text};

/// The queues of a configuration, none of them opened yet.
#[derive(Debug)]
pub(crate) struct QueueConfig {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its folder: paths in the file are relative to it.
    pub(crate) base: PathBuf,
    /// In the order of the file.
    pub(crate) entries: Vec<QueueEntry>,
    /// The other providers: their names, and why they are no queues here.
    pub(crate) others: Vec<(String, String)>,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct QueueEntry {
    /// Its key.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) kind: &'static str,
    /// The queue.
    pub(crate) queue: AnyQueue,
    /// How many of its jobs may start in a stretch of time.
    pub(crate) rate: Option<Rate>,
    /// For how long its deliveries are leased.
    pub(crate) lease: Duration,
    /// How long it lists jobs that have ended.
    pub(crate) keep: Keep,
}

impl QueueConfig {
    /// Reads the queues of a file. Whatever else is in it may be wrong, or of kinds that this program does not have.
    ///
    /// # Errors
    /// When the file cannot be read, or with all mistakes in its queues.
    pub(crate) fn load(path: &Path, registry: &Registry) -> Result<Self, LoadError> {
        QueueConfig::parse(&read_file(path)?, path, registry).map_err(LoadError::Wrong)
    }

    /// Reads the queues of the text of a file that is said to be at `path`.
    ///
    /// # Errors
    /// All mistakes in its queues.
    pub(crate) fn parse(text: &str, path: &Path, registry: &Registry) -> Result<Self, Report> {
        let (config, _) = read_text(text, path, registry, process_variables, |draft| draft.read_queues())?;
        Ok(config)
    }
}

/// Those of a configuration that was read as a whole.
impl From<Config> for QueueConfig {
    fn from(config: Config) -> Self {
        let (queues, others): (Vec<_>, Vec<_>) = config.providers.into_iter().partition(|entry| matches!(entry.source, Source::Queue(_)));
        QueueConfig {
            path: config.path,
            base: config.base,
            entries: queues.into_iter().filter_map(QueueEntry::of).collect(),
            others: others.into_iter().map(|entry| (entry.name, stores_nothing(entry.kind))).collect(),
        }
    }
}

impl QueueEntry {
    pub(super) fn of(entry: ProviderEntry) -> Option<Self> {
        let ProviderEntry { name, kind, source, rate, lease, keep } = entry;
        match source {
            Source::Queue(queue) => Some(QueueEntry { name, kind, queue, rate, lease, keep }),
            Source::Link(..) | Source::Direct(_) => None,
        }
    }
}

/// Why a provider of this kind is no queue.
pub(super) fn stores_nothing(kind: &str) -> String {
    format!("it is a `{kind}`, which stores no jobs")
}
