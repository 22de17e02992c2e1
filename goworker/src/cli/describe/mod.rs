//! `describe KIND`: what a provider or worker is, what can be set, and an entry to start from.

mod markdown;
mod part;
mod setting;
mod text;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use super::fault::Fault;
use super::identity::Identity;
use super::terminal;
use crate::config::{common_settings, config_schema, schema};
use crate::registry::{Registration, Registry, Role};
use crate::settings::{Field, did_you_mean};
use part::{Definitions, Part, parts};
pub(super) use setting::Setting;

/// Describe a kind of provider or worker: its settings, their types and defaults, an example
#[derive(Debug, clap::Args)]
#[command(after_help = "\
`goworker list` shows all kinds. Plugins of other crates are described too, if they are in the binary.

A configuration in JSON, as the schemas describe it: \"jobs\": sqlite(path: \"x\") is \"jobs\": {\"sqlite\": {\"path\": \"x\"}}.")]
pub(super) struct DescribeArgs {
    /// The kind, as in the configuration
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    kind: Option<String>,
    /// All kinds, and the settings of the file
    #[arg(long)]
    all: bool,
    /// `json` for programs, `json-schema` (draft 2020-12) for validators
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How a kind is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
    JsonSchema,
}

impl DescribeArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let found = match &self.kind {
            Some(kind) => find(registry, kind).map_err(Fault::Failed)?,
            None => registry.providers().chain(registry.workers()).collect(),
        };
        let kinds: Vec<Kind<'_>> = found.iter().map(|kind| Kind::of(kind)).collect();
        let joined = |render: fn(&Kind<'_>) -> String| kinds.iter().map(render).collect::<Vec<_>>().join("\n");
        match self.format {
            Format::Text => terminal::print(&joined(text::text)),
            Format::Markdown if self.all => terminal::print(&markdown::reference(&kinds)),
            Format::Markdown => terminal::print(&joined(markdown::markdown)),
            Format::Json => terminal::print_json(&json(&kinds)),
            Format::JsonSchema if self.all => terminal::print_json(&terminal::json(&config_schema(registry))),
            Format::JsonSchema => terminal::print_json(&terminal::json(&schema(&found))),
        }
    }
}

/// A provider and a worker may share a name: both are meant then.
pub(super) fn find<'a>(registry: &'a Registry, kind: &str) -> Result<Vec<&'a Registration>, String> {
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

/// A kind as it is described.
#[derive(Debug, Serialize)]
struct Kind<'a> {
    #[serde(flatten)]
    identity: Identity<'a>,
    settings: Vec<Setting>,
    common_settings: Vec<Setting>,
    /// The schema of its jobs' params.
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Value>,
    #[serde(skip)]
    params_parts: Vec<Part>,
    example: String,
}

impl<'a> Kind<'a> {
    fn of(kind: &'a Registration) -> Self {
        let own = settings(&(kind.fields)());
        let params = (kind.params)().map(schemars::Schema::to_value);
        Kind {
            identity: Identity::from(kind),
            example: example(kind, &own),
            settings: own,
            common_settings: settings(&common_settings(kind.role)),
            params_parts: params.as_ref().map(params_parts).unwrap_or_default(),
            params,
        }
    }

    /// Its crate, and what to expect of it.
    fn origin(&self) -> String {
        let Identity { crate_name, version, since, stability, .. } = &self.identity;
        let since = since.map(|since| format!(", since {since}")).unwrap_or_default();
        format!("{crate_name} {version}, {stability}{since}")
    }
}

fn params_parts(schema: &Value) -> Vec<Part> {
    let definitions = schema["$defs"].as_object().cloned().unwrap_or_default();
    parts(schema, &Definitions(definitions))
}

pub(super) fn settings(fields: &[Field]) -> Vec<Setting> {
    fields.iter().map(Setting::of).collect()
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

fn json(kinds: &[Kind<'_>]) -> String {
    #[derive(Serialize)]
    struct Kinds<'a> {
        kinds: &'a [Kind<'a>],
    }
    terminal::json(&Kinds { kinds })
}

#[cfg(test)]
pub(super) mod tests;
