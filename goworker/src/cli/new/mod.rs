//! `new`: something to start from. A configuration is printed; a crate is written into a folder of its own.

mod config;
mod template;

use clap::Subcommand;

use super::fault::Fault;
use crate::registry::Registry;

/// Write a configuration, or a crate with a plugin, to start from
#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Config(config::NewConfig),
    /// Write a crate with a worker: its own binary, a configuration and a test
    Worker(template::NewCrate),
    /// Write a crate with a provider: its own binary, a configuration and a test
    Provider(template::NewCrate),
}

impl NewArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        match self.what {
            What::Config(args) => args.execute(registry),
            What::Worker(args) => args.execute(&template::WORKER, registry),
            What::Provider(args) => args.execute(&template::PROVIDER, registry),
        }
    }
}
