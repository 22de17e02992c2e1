//! `list`: which kinds of plugins this binary has.

use serde::Serialize;

use super::Format;
use super::fault::Fault;
use super::identity::Identity;
use super::table::Table;
use super::terminal::{self, Reader};
use crate::registry::{Registration, Registry};

/// List the kinds of providers and workers in this binary
#[derive(Debug, clap::Args)]
#[command(
    after_help = "In a pipe: one kind a line, columns separated by tabs: role, kind, what it is, crate, since which of its versions, stability."
)]
pub(super) struct ListArgs {
    /// `json` for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl ListArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        for duplicate in registry.duplicates() {
            terminal::warning(&duplicate.to_string());
        }
        match self.format {
            Format::Text => terminal::print(&table(registry).render(Reader::of_stdout())),
            Format::Json => terminal::print_json(&json(registry)),
        }
    }
}

fn kinds(registry: &Registry) -> impl Iterator<Item = &Registration> {
    registry.providers().chain(registry.workers())
}

fn table(registry: &Registry) -> Table {
    let mut table = Table::new(["ROLE", "KIND", "WHAT IT IS", "CRATE", "SINCE", "STABILITY"]).whole(0).whole(1);
    for kind in kinds(registry) {
        let Registration { role, kind, doc, origin, since, stability, .. } = kind;
        let origin = format!("{} {}", origin.crate_name, origin.crate_version);
        let since = since.unwrap_or("-").to_owned();
        table.row([role.to_string(), (*kind).to_owned(), summary(doc), origin, since, stability.to_string()]);
    }
    table
}

/// The first sentence of a doc comment, without its full stop.
fn summary(doc: &str) -> String {
    let paragraph = doc.trim().split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").unwrap_or(line.len());
    line[..end].trim_end_matches('.').to_owned()
}

fn json(registry: &Registry) -> String {
    #[derive(Serialize)]
    struct Kinds<'a> {
        kinds: Vec<Identity<'a>>,
    }
    terminal::json(&Kinds { kinds: kinds(registry).map(Identity::from).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::describe::tests::registry;

    #[test]
    fn kinds_are_listed_with_their_first_sentence() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&table(&registry()).render(Reader::Person { width: Some(90) })).to_string());
        insta::assert_snapshot!(json(&registry()));
    }

    #[test]
    fn a_summary_is_the_first_sentence() {
        assert_eq!(summary(" Runs scripts. They are\n sandboxed.\n\n More."), "Runs scripts");
        assert_eq!(summary("Stores jobs in\na file"), "Stores jobs in a file");
        assert_eq!(summary(""), "");
    }
}
