//! The configuration of a command: the same checks for all of them.

use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::terminal;
use crate::client::{OpenError, url};
use crate::config::Config;
use crate::registry::Registry;

/// The file that most commands begin with.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArg {
    /// The RON file that describes providers and workers
    #[arg(value_name = "CONFIG", value_hint = clap::ValueHint::FilePath)]
    pub(super) config: PathBuf,
}

impl ConfigArg {
    /// Reads and checks the file; warnings are told.
    pub(super) fn load(&self, registry: &Registry) -> Result<Config, Fault> {
        load(&self.config, registry)
    }
}

/// What the commands about queues begin with.
#[derive(Debug, clap::Args)]
pub(super) struct QueuesArg {
    /// The RON file that describes the queues, or the URL of one: `redis://HOST/0?queue=jobs`, `sqlite:jobs.db`
    #[arg(value_name = "CONFIG", value_hint = clap::ValueHint::FilePath)]
    config: PathBuf,
}

impl QueuesArg {
    /// See [`load_queues`].
    pub(super) fn load(&self, registry: &Registry) -> Result<Config, Fault> {
        load_queues(&self.config, registry)
    }
}

/// Reads and checks the file, or what a URL is short for; warnings are told.
pub(super) fn load_queues(path: &Path, registry: &Registry) -> Result<Config, Fault> {
    match path.to_str().filter(|text| url::is_url(text)) {
        None => load(path, registry),
        Some(text) => url::config(text, registry).map_err(|error| match error {
            OpenError::Config(error) => Fault::Config(error),
            error => Fault::Usage(error.to_string()),
        }),
    }
}

/// Reads and checks the file; warnings are told.
pub(super) fn load(path: &Path, registry: &Registry) -> Result<Config, Fault> {
    let loaded = Config::load(path, registry).map_err(Fault::Config)?;
    terminal::diagnostics(&loaded.warnings);
    Ok(loaded.config)
}
