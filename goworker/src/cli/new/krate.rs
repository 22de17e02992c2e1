//! placeholder
use crate::cli::fault::Fault;
#[derive(Debug, clap::Args)]
pub(super) struct NewCrate {
    name: String,
}
pub(super) struct Template;
pub(super) const WORKER: Template = Template;
pub(super) const PROVIDER: Template = Template;
impl NewCrate {
    pub(super) fn execute(self, _: &Template) -> Result<(), Fault> {
        Ok(())
    }
}
