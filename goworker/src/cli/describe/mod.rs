//! `describe KIND`: what a provider or worker is, what can be set, and an entry to start from.

mod setting;

use serde::Serialize;

use super::Format;
use super::fault::Fault;
use super::terminal::{self, BOLD, DIM};
use crate::config::common_settings;
use crate::registry::{Registration, Registry, Role};
use crate::settings::{Field, did_you_mean};
use setting::Setting;

/// Describe a kind of provider or worker: its settings, their types and defaults, an example
#[derive(Debug, clap::Args)]
#[command(after_help = "`goworker list` shows all kinds. Plugins of other crates are described too, if they are in the binary.")]
pub(super) struct DescribeArgs {
    /// The kind, as in the configuration
    kind: String,
    /// `json` for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl DescribeArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let found = find(registry, &self.kind).map_err(Fault::Failed)?;
        match self.format {
            Format::Text => {
                let texts: Vec<String> = found.into_iter().map(text).collect();
                terminal::print(&texts.join("\n"))
            }
            Format::Json => terminal::print_json(&json(&found)),
        }
    }
}

/// A provider and a worker may share a name: both are meant then.
fn find<'a>(registry: &'a Registry, kind: &str) -> Result<Vec<&'a Registration>, String> {
    let found: Vec<&Registration> = registry.provider(kind).into_iter().chain(registry.worker(kind)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names = registry.providers().chain(registry.workers()).map(|known| known.kind);
    let hint = did_you_mean(kind, names).unwrap_or_else(|| "`goworker list` shows all kinds".to_owned());
    let kind = super::escape::line(kind);
    Err(format!(
        "this binary has no provider or worker `{kind}`; {hint}\nIf it is a plugin: is its crate in the binary? Its main file has to say `goworker::plugins![its_crate];`"
    ))
}

fn settings(fields: &[Field]) -> Vec<Setting> {
    fields.iter().map(Setting::of).collect()
}

fn text(kind: &Registration) -> String {
    let Registration { kind: name, role, origin, .. } = kind;
    let own = settings(&(kind.fields)());
    let mut text = format!("{BOLD}{name}{BOLD:#}  {role}  {DIM}{} {}{DIM:#}\n", origin.crate_name, origin.crate_version);
    text += &indented(kind.doc, 0);
    text += &section("Settings", &own);
    text += &section(&format!("Settings of every {role}"), &settings(&common_settings(*role)));
    text += &format!("\n{BOLD}Example{BOLD:#}\n{}", indented(&example(kind, &own), 2));
    text
}

fn section(title: &str, settings: &[Setting]) -> String {
    if settings.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{BOLD}{title}{BOLD:#}\n");
    for setting in settings {
        let facts: Vec<String> = [
            Some(setting.kind.clone()),
            setting.range.map(|range| format!("in {range}")),
            Some(match setting.default.as_deref() {
                None => "required".to_owned(),
                // The macros cannot print the default of a type, and leave a remark in brackets.
                Some(default) if default == "None" || default.starts_with("(the ") => "optional".to_owned(),
                Some(default) => format!("default {default}"),
            }),
        ]
        .into_iter()
        .flatten()
        .collect();
        text += &format!("  {BOLD}{}{BOLD:#}  {DIM}{}{DIM:#}\n{}", setting.name, facts.join(", "), indented(setting.doc, 6));
    }
    text
}

fn indented(text: &str, by: usize) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{:by$}{line}\n", "") };
    text.trim().lines().map(|text| line(text.trim_end())).collect()
}

/// An entry with what has to be given.
fn example(kind: &Registration, settings: &[Setting]) -> String {
    let part = if kind.role.is_provider() { "providers" } else { "workers" };
    let required: Vec<String> = settings
        .iter()
        .filter(|setting| setting.default.is_none())
        .map(|setting| format!("{}: {}", setting.name, setting.example))
        .collect();
    let name = if kind.role == Role::Queue { "jobs" } else { kind.kind };
    format!("{part}: {{\n    \"{name}\": {}({}),\n}},", kind.kind, required.join(", "))
}

fn json(kinds: &[&Registration]) -> String {
    #[derive(Serialize)]
    struct Kinds<'a> {
        kinds: Vec<Kind<'a>>,
    }
    #[derive(Serialize)]
    struct Kind<'a> {
        kind: &'a str,
        role: String,
        doc: &'a str,
        #[serde(rename = "crate")]
        crate_name: &'a str,
        version: &'a str,
        settings: Vec<Setting>,
        common_settings: Vec<Setting>,
        example: String,
    }
    let kinds = kinds.iter().map(|kind| {
        let own = settings(&(kind.fields)());
        Kind {
            kind: kind.kind,
            role: kind.role.to_string(),
            doc: kind.doc.trim(),
            crate_name: kind.origin.crate_name,
            version: kind.origin.crate_version,
            example: example(kind, &own),
            settings: own,
            common_settings: settings(&common_settings(kind.role)),
        }
    });
    terminal::json(&Kinds { kinds: kinds.collect() })
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::registry::{Origin, Stability};
    use crate::retry::Backoff;
    use crate::settings::Field;
    use crate::units::{Dur, Size};

    const ORIGIN: Origin = Origin { crate_name: "thumbnails", crate_version: "1.2.0", file: "src/lib.rs", line: 7 };

    fn fields() -> Vec<Field> {
        vec![
            Field::new::<PathBuf>("output", "PathBuf", "Folder that receives the result."),
            Field::new::<Vec<String>>("allow", "Vec < String >", "What may be run.\n\nNothing else is."),
            Field::new::<u8>("quality", "u8", "JPEG quality, 1 to 100.").or("85").within("1..=100"),
            Field::new::<Option<Size>>("memory", "Option<Size>", "The most that it may use.").or("None"),
            Field::new::<Dur>("every", "Dur", "How often to look.").or("\"5s\""),
            Field::new::<Backoff>("pace", "goworker::Backoff", "How to slow down.").or("fixed(\"1s\")"),
        ]
    }

    pub(in crate::cli) fn registry() -> Registry {
        let kind = |kind, role, doc, fields| Registration {
            kind,
            role,
            doc,
            origin: ORIGIN,
            since: None,
            stability: Stability::Stable,
            fields,
            params: || None,
            build: |_| None,
        };
        Registry::empty()
            .with(kind("resize", Role::Worker, "Resizes a picture. Keeps its shape.\n\nFor every format.", fields))
            .with(kind("http", Role::Provider, "Takes jobs by HTTP.", Vec::new))
            .with(kind("http", Role::Worker, "Sends a job by HTTP.", Vec::new))
            .with(kind("sqlite", Role::Queue, "Stores jobs in a file.", Vec::new))
    }

    fn described(kind: &str) -> String {
        let registry = registry();
        let texts: Vec<String> = find(&registry, kind).unwrap().into_iter().map(text).collect();
        anstream::adapter::strip_str(&texts.join("\n")).to_string()
    }

    #[test]
    fn a_kind_is_described_with_all_its_settings() {
        insta::assert_snapshot!(described("resize"));
    }

    #[test]
    fn a_name_of_two_kinds_shows_both() {
        insta::assert_snapshot!(described("http"));
    }

    #[test]
    fn a_queue_has_more_common_settings_than_a_source() {
        insta::assert_snapshot!(described("sqlite"));
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let registry = registry();
        insta::assert_snapshot!(json(&find(&registry, "resize").unwrap()));
    }

    #[test]
    fn an_unknown_kind_is_explained() {
        let registry = registry();
        let errors = ["resiez", "kafka"].map(|kind| find(&registry, kind).unwrap_err());
        insta::assert_snapshot!(errors.join("\n"));
    }
}
