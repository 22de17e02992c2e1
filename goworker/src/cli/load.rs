//! The configuration of a command: the same checks for all of them.

use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::terminal;
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

/// Reads and checks the file; warnings are told.
pub(super) fn load(path: &Path, registry: &Registry) -> Result<Config, Fault> {
    let loaded = Config::load(path, registry).map_err(Fault::Config)?;
    terminal::diagnostics(&loaded.warnings);
    Ok(loaded.config)
}
