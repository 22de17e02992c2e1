//! A setting in the words of the configuration: Rust's types are not the user's.

use schemars::SchemaGenerator;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::settings::Field;

/// A setting as `describe` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Setting {
    /// Its name in the config.
    pub(super) name: &'static str,
    /// Its type, in words.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The value if it is left out, as RON; absent if it has to be given.
    pub(super) default: Option<String>,
    /// The values allowed.
    pub(super) range: Option<&'static str>,
    /// What it is for.
    pub(super) doc: &'static str,
    /// A value, as RON, for those that have to be given.
    #[serde(skip)]
    pub(super) example: String,
}

impl Setting {
    /// A field, as users see it.
    pub(super) fn of(field: &Field) -> Self {
        let mut generator = SchemaGenerator::default();
        let schema = (field.schema)(&mut generator).to_value();
        let definitions = generator.take_definitions(true);
        let (kind, example) = from_schema(named(&schema, &definitions)).unwrap_or_else(|| in_words(&field.rust_type.replace(' ', "")));
        Setting { name: field.name, kind, default: field.default.clone(), range: field.range, doc: field.doc.trim(), example }
    }
}

/// The schema behind a reference, and behind an `Option`.
fn named<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    let inner = schema["anyOf"].as_array().and_then(|any| any.iter().find(|schema| schema["type"] != "null")).unwrap_or(schema);
    let name = inner["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| definitions.get(name)).unwrap_or(inner)
}

/// What only the schema tells: the variants of an enum, `fixed(..) | none`, and the fields of a struct, `(done, dead)`.
fn from_schema(schema: &Value) -> Option<(String, String)> {
    let variants = variants(schema);
    if let Some(first) = variants.first() {
        return Some((variants.join(" | "), first.clone()));
    }
    let fields: Vec<&str> = schema["properties"].as_object()?.keys().map(String::as_str).collect();
    Some((format!("({})", fields.join(", ")), "(..)".to_owned()))
}

fn variants(schema: &Value) -> Vec<String> {
    let strings =
        |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect() };
    let plain = strings(&schema["enum"]);
    if !plain.is_empty() {
        return plain;
    }
    let variant = |variant: &Value| match (variant["const"].as_str(), strings(&variant["enum"])) {
        (Some(name), _) => vec![name.to_owned()],
        (None, names) if !names.is_empty() => names,
        (None, _) => strings(&variant["required"]).into_iter().map(|name| format!("{name}(..)")).collect(),
    };
    schema["oneOf"].as_array().into_iter().flatten().flat_map(variant).collect()
}

/// A Rust type in the words of the configuration, and a value of it.
fn in_words(rust_type: &str) -> (String, String) {
    let name = rust_type.split('<').next().unwrap_or(rust_type).rsplit("::").next().unwrap_or(rust_type);
    let inner = rust_type.split_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or_default();
    let word = |kind: &str, example: &str| (kind.to_owned(), example.to_owned());
    match name {
        "Option" | "Box" | "Arc" => in_words(inner),
        "Vec" | "BTreeSet" | "HashSet" => {
            let (kind, example) = in_words(inner);
            (format!("list of {kind}"), format!("[{example}]"))
        }
        "BTreeMap" | "HashMap" => {
            let (kind, example) = in_words(inner.split_once(',').map_or(inner, |(_, value)| value));
            (format!("map of names to {kind}"), format!("{{\"name\": {example}}}"))
        }
        "String" | "str" => word("text", "\"..\""),
        "PathBuf" | "Path" => word("path", "\"path\""),
        "Dur" => word("duration", "\"30s\""),
        "Size" => word("size", "\"64MiB\""),
        "Secret" => word("secret text", "secret(env(\"NAME\"))"),
        "bool" => word("true or false", "true"),
        "f32" | "f64" => word("number", "1.0"),
        name if name.trim_start_matches(['i', 'u']).chars().all(|c| c.is_ascii_digit()) || name == "usize" => word("integer", "1"),
        name => word(name, "(..)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_types_become_words() {
        let words = |rust_type| in_words(rust_type).0;
        assert_eq!(words("Option<Vec<std::path::PathBuf>>"), "list of path");
        assert_eq!(words("BTreeMap<String,Dur>"), "map of names to duration");
        assert_eq!(words("u16"), "integer");
        assert_eq!(words("my::Thing"), "Thing");
        assert_eq!(in_words("Vec<String>").1, "[\"..\"]");
    }
}
