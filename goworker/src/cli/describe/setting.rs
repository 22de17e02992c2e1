//! A setting in the words of the configuration: Rust's types are not the user's.

use schemars::SchemaGenerator;
use serde::Serialize;
use serde_json::Value;

use crate::registry::Role;
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
    /// A value, as RON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) example: Option<String>,
}

impl Setting {
    /// The setting of a plugin.
    pub(super) fn of(field: &Field) -> Self {
        let choices = choices(&(field.schema)(&mut SchemaGenerator::default()).to_value());
        let rust_type: String = field.rust_type.split_whitespace().collect();
        let (kind, example) = if choices.is_empty() { in_words(&rust_type) } else { (choices.join(" | "), choices[0].clone()) };
        let example = field.default.clone().unwrap_or(example);
        Setting {
            name: field.name,
            kind,
            default: field.default.clone(),
            range: field.range,
            doc: field.doc.trim(),
            example: Some(example),
        }
    }
}

/// The variants of an enum, as its schema lists them: `fixed(..)`, `none`.
fn choices(schema: &Value) -> Vec<String> {
    let strings =
        |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect() };
    let plain = strings(&schema["enum"]);
    if !plain.is_empty() {
        return plain;
    }
    let variants = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    let variant = |variant: &Value| match variant["const"].as_str() {
        Some(name) => vec![name.to_owned()],
        None => match strings(&variant["enum"]) {
            names if names.is_empty() => strings(&variant["required"]).into_iter().map(|name| format!("{name}(..)")).collect(),
            names => names,
        },
    };
    variants.iter().flat_map(variant).collect()
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

/// The settings that the program itself takes from every entry of that role.
pub(super) fn common(role: Role) -> Vec<Setting> {
    let setting = |name, kind: &str, default: &str, doc| Setting {
        name,
        kind: kind.to_owned(),
        default: Some(default.to_owned()),
        range: None,
        doc,
        example: None,
    };
    let lease = setting(
        "lease",
        "duration",
        "\"30s\"",
        "How long a job may be silent before it is given to another process. Renewed while it runs.",
    );
    match role {
        Role::Worker => vec![
            setting("concurrency", "integer", "20", "How many jobs it runs at once."),
            setting("timeout", "duration", "None", "The longest time one attempt may take."),
            setting("retry", "(retries, backoff)", "the file's `retry`", "How often and when its jobs are tried again."),
        ],
        Role::Provider => {
            vec![setting("into", "name of a queue", "None", "Put its jobs into that queue; without it they run directly."), lease]
        }
        Role::Queue => vec![
            lease,
            setting(
                "keep",
                "(done, dead)",
                "1 hour or 10000, 180 days or 100000",
                "How long, and how many, jobs that have ended stay listed.",
            ),
        ],
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
