//! A setting in the words of the configuration: Rust's types and JSON Schemas are not the user's.

use schemars::SchemaGenerator;
use serde::Serialize;
use serde_json::Value;

use super::part::{Definitions, Part, example, parts, variants, words};
use crate::settings::Field;

/// A setting as `describe` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli) struct Setting {
    /// Its name in the config.
    pub(in crate::cli) name: &'static str,
    /// Its type, in words.
    #[serde(rename = "type")]
    pub(in crate::cli) kind: String,
    /// The value if it is left out, as RON; absent if it has to be given.
    pub(in crate::cli) default: Option<String>,
    /// The values allowed.
    pub(in crate::cli) range: Option<&'static str>,
    /// What it is for.
    pub(in crate::cli) doc: &'static str,
    /// What is in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) parts: Vec<Part>,
    /// A value to start from, as RON.
    #[serde(skip)]
    pub(in crate::cli) example: String,
}

impl Setting {
    /// A field, as users see it.
    pub(in crate::cli) fn of(field: &Field) -> Self {
        let mut generator = SchemaGenerator::default();
        let schema = (field.schema)(&mut generator).to_value();
        let definitions = Definitions(generator.take_definitions(true));
        let (kind, value) = from_schema(&schema, &definitions)
            .or_else(|| in_words(&field.rust_type.replace(' ', "")))
            .unwrap_or_else(|| (words(&schema, &definitions), example(&schema, &definitions)));
        Setting {
            name: field.name,
            kind,
            default: field.default.clone(),
            range: field.range,
            doc: field.doc.trim(),
            parts: parts(&schema, &definitions),
            example: field.example.or(field.range.and_then(least)).map_or(value, str::to_owned),
        }
    }

    /// Its type, its range and its default, in a few words.
    pub(super) fn facts(&self) -> String {
        let range = self.range.map(|range| format!(", in {range}")).unwrap_or_default();
        let default = match self.default.as_deref() {
            None => "required".to_owned(),
            Some("None") => "optional".to_owned(),
            Some(default) => format!("default {default}"),
        };
        format!("{}{range}, {default}", self.kind)
    }
}

/// What only the schema tells: the variants of an enum, `fixed(..) | none`, and the fields of a struct, `(done, dead)`.
fn from_schema(schema: &Value, definitions: &Definitions) -> Option<(String, String)> {
    let inner = definitions.behind(schema);
    let has_parts = inner["properties"].is_object() || !variants(inner).is_empty();
    has_parts.then(|| (words(schema, definitions), example(schema, definitions)))
}

/// The first value of a range.
fn least(range: &'static str) -> Option<&'static str> {
    range.split_once("..").map(|(least, _)| least).filter(|least| !least.is_empty())
}

/// A Rust type that everybody knows in the words of the configuration, and a value of it.
fn in_words(rust_type: &str) -> Option<(String, String)> {
    let name = rust_type.split('<').next().unwrap_or(rust_type).rsplit("::").next().unwrap_or(rust_type);
    let inner = rust_type.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or_default();
    let (kind, example) = match name {
        "Option" | "Box" | "Arc" => return in_words(inner),
        "Vec" | "BTreeSet" | "HashSet" => {
            let (kind, example) = in_words(inner)?;
            return Some((format!("list of {kind}"), format!("[{example}]")));
        }
        "BTreeMap" | "HashMap" => {
            let (kind, example) = in_words(inner.split_once(',').map_or(inner, |(_, value)| value))?;
            return Some((format!("map of names to {kind}"), format!("{{\"name\": {example}}}")));
        }
        "String" | "str" => ("text", "\"..\""),
        "PathBuf" | "Path" => ("path", "\"path\""),
        "Dur" => ("duration", "\"30s\""),
        "Size" => ("size", "\"64MiB\""),
        "Secret" => ("secret text", "env(\"SECRET\", \"change me\")"),
        "bool" => ("true or false", "true"),
        "f32" | "f64" => ("number", "1.0"),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => ("integer", "1"),
        _ => return None,
    };
    Some((kind.to_owned(), example.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_types_become_words() {
        let words = |rust_type| in_words(rust_type).map(|(kind, _)| kind).unwrap_or_default();
        assert_eq!(words("Option<Vec<std::path::PathBuf>>"), "list of path");
        assert_eq!(words("BTreeMap<String,Dur>"), "map of names to duration");
        assert_eq!(words("u16"), "integer");
        assert_eq!(words("Vec<my::Thing>"), "");
        assert_eq!(in_words("Vec<String>").unwrap().1, "[\"..\"]");
    }
}
