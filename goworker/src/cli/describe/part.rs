//! What is inside of a value, told by its JSON Schema: the fields of a block, the variants of a choice.

use serde::Serialize;
use serde_json::{Map, Value};

/// A field, or a variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::cli) struct Part {
    /// Its name; a variant with brackets if something is in it.
    pub(super) name: String,
    /// Its type, and what holds if it is left out; nothing for a variant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) facts: String,
    /// What it is for.
    pub(super) doc: String,
    /// What is in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<Part>,
}

/// The schemas that others refer to.
pub(super) struct Definitions(pub(super) Map<String, Value>);

/// Types that refer to themselves are not followed for ever.
const DEEPEST: usize = 4;
/// What has a word of its own, and no inside.
const WORDS: [&str; 3] = ["duration", "size", "secret"];

/// Where a schema has an example of its own, as RON: of what is more than its required parts.
const RON_EXAMPLE: &str = "x-ron";

impl Definitions {
    /// The schema behind a reference, and behind an `Option`.
    pub(super) fn behind<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let inner = given(schema);
        name(inner).and_then(|name| self.0.get(name)).unwrap_or(inner)
    }
}

/// The schema of what is in an `Option`.
fn given(schema: &Value) -> &Value {
    let any = schema["anyOf"].as_array().filter(|any| any.iter().any(|schema| schema["type"] == "null"));
    any.and_then(|any| any.iter().find(|schema| schema["type"] != "null")).unwrap_or(schema)
}

/// The name of the schema that is referred to.
fn name(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// The parts of a value with this schema.
pub(super) fn parts(schema: &Value, definitions: &Definitions) -> Vec<Part> {
    parts_below(schema, definitions, DEEPEST)
}

fn parts_below(schema: &Value, definitions: &Definitions, depth: usize) -> Vec<Part> {
    if depth == 0 || name(given(schema)).is_some_and(|name| WORDS.contains(&name)) {
        return Vec::new();
    }
    let schema = definitions.behind(schema);
    let fields = schema["properties"].as_object().into_iter().flatten().map(|(name, field)| {
        let required = list(&schema["required"]).any(|required| required == name);
        Part { name: name.clone(), facts: facts(field, required, definitions), ..documented(field, definitions, depth) }
    });
    let variants = list(&schema["oneOf"]).filter_map(|variant| {
        let (name, content) = variant_of(variant)?;
        let (label, parts) = match content {
            Some(content) => {
                let parts = parts_below(content, definitions, depth - 1);
                let inside = if parts.is_empty() { words(content, definitions) } else { "..".to_owned() };
                (format!("{name}({inside})"), parts)
            }
            None => (name, Vec::new()),
        };
        Some(Part { name: label, facts: String::new(), doc: doc(variant), parts })
    });
    let elements = [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|inner| inner.is_object());
    let inner = elements.chain(list(&schema["anyOf"])).flat_map(|inner| parts_below(inner, definitions, depth - 1));
    fields.chain(variants).chain(inner).collect()
}

fn documented(schema: &Value, definitions: &Definitions, depth: usize) -> Part {
    Part { name: String::new(), facts: String::new(), doc: doc(schema), parts: parts_below(schema, definitions, depth - 1) }
}

fn doc(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().trim().to_owned()
}

/// The name of a variant, and the schema of what is in it.
fn variant_of(variant: &Value) -> Option<(String, Option<&Value>)> {
    if let Some(name) = variant["const"].as_str() {
        return Some((name.to_owned(), None));
    }
    let (name, content) = variant["properties"].as_object().filter(|fields| fields.len() == 1)?.iter().next()?;
    Some((name.clone(), Some(content)))
}

/// The variants of a choice, `fixed(..)` and `none`.
pub(super) fn variants(schema: &Value) -> Vec<String> {
    let plain = list(&schema["enum"]).filter_map(Value::as_str).map(str::to_owned);
    let choices = list(&schema["oneOf"]).flat_map(|variant| match variant_of(variant) {
        Some((name, Some(_))) => vec![format!("{name}(..)")],
        Some((name, None)) => vec![name],
        None => list(&variant["enum"]).filter_map(Value::as_str).map(str::to_owned).collect(),
    });
    plain.chain(choices).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn facts(schema: &Value, required: bool, definitions: &Definitions) -> String {
    let limits = limits(definitions.behind(schema)).map(|limits| format!(", in {limits}")).unwrap_or_default();
    let default = match &schema["default"] {
        Value::Null if required => "required".to_owned(),
        Value::Null => "optional".to_owned(),
        default => format!("default {default}"),
    };
    format!("{}{limits}, {default}", words(schema, definitions))
}

/// What a number is limited to, if that is not just the range of its type.
fn limits(schema: &Value) -> Option<String> {
    let (least, most) = (schema["minimum"].as_number(), schema["maximum"].as_number()?);
    let of_type = least.is_some_and(|least| least.as_u64() == Some(0)) && matches!(most.as_u64(), Some(255 | 65_535));
    (!of_type).then(|| format!("{}..={most}", least.map(ToString::to_string).unwrap_or_default()))
}

/// The type that a schema describes, in words.
pub(super) fn words(schema: &Value, definitions: &Definitions) -> String {
    let inner = given(schema);
    if let Some(word) = name(inner).filter(|name| WORDS.contains(name)) {
        return word.to_owned();
    }
    let schema = definitions.behind(inner);
    let variants = variants(schema);
    if !variants.is_empty() {
        return variants.join(" | ");
    }
    let one = |kind: &Value| kind.as_str().filter(|kind| *kind != "null").map(str::to_owned);
    let kind = one(&schema["type"]).or_else(|| list(&schema["type"]).find_map(one));
    match kind.as_deref() {
        Some("string") => "text".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("array") if schema["prefixItems"].is_array() => {
            list(&schema["prefixItems"]).map(|item| words(item, definitions)).collect::<Vec<_>>().join(", ")
        }
        Some("array") => format!("list of {}", words(&schema["items"], definitions)),
        Some("object") => match &schema["properties"] {
            Value::Object(fields) => format!("({})", fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
            _ => format!("map of names to {}", words(&schema["additionalProperties"], definitions)),
        },
        Some(kind) => kind.to_owned(),
        None => match list(&schema["anyOf"]).map(|any| words(any, definitions)).collect::<Vec<_>>() {
            any if any.is_empty() => "anything".to_owned(),
            any => any.join(" | "),
        },
    }
}

/// A value that a schema allows, as RON: the smallest that there is.
pub(super) fn example(schema: &Value, definitions: &Definitions) -> String {
    example_below(schema, definitions, DEEPEST)
}

fn example_below(schema: &Value, definitions: &Definitions, depth: usize) -> String {
    let below = |inner: &Value| if depth == 0 { "()".to_owned() } else { example_below(inner, definitions, depth - 1) };
    let schema = definitions.behind(schema);
    if let Some(example) = schema[RON_EXAMPLE].as_str() {
        return example.to_owned();
    }
    if let Some(name) = schema["enum"][0].as_str() {
        return name.to_owned();
    }
    if let Some(first) = schema["oneOf"].get(0).or_else(|| schema["anyOf"].get(0)) {
        return match variant_of(first) {
            Some((name, None)) => name,
            Some((name, Some(content))) => match below(content) {
                fields if content["properties"].is_object() => format!("{name}{fields}"),
                value => format!("{name}({value})"),
            },
            None => below(first),
        };
    }
    if schema["prefixItems"].is_array() {
        return format!("({})", list(&schema["prefixItems"]).map(below).collect::<Vec<_>>().join(", "));
    }
    match words(schema, definitions).as_str() {
        "text" => schema["examples"][0].as_str().map_or("\"..\"".to_owned(), |given| format!("{given:?}")),
        "integer" => schema["minimum"].as_number().map_or("1".to_owned(), ToString::to_string),
        "number" => "1.0".to_owned(),
        "true or false" => "true".to_owned(),
        kind if kind.starts_with("list of") => "[]".to_owned(),
        kind if kind.starts_with("map of") => "{}".to_owned(),
        _ => {
            let needed = list(&schema["required"]).filter_map(Value::as_str);
            let fields: Vec<String> = needed.map(|name| format!("{name}: {}", below(&schema["properties"][name]))).collect();
            format!("({})", fields.join(", "))
        }
    }
}
