//! The JSON Schema of a kind, and of a whole config, draft 2020-12. It describes a config as serde writes it in JSON:
//! `"jobs": sqlite(path: "goworker.db")` as `"jobs": {"sqlite": {"path": "goworker.db"}}`.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::registry::{Registration, Registry, Stability};
use crate::settings::{Field, to_json};

use super::core_settings::{common_settings, top_level};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schema of the settings of these kinds, with the common ones: of one, or of all that share a name.
pub fn schema(kinds: &[&Registration]) -> Value {
    let mut generator = SchemaGenerator::default();
    let mut schemas: Vec<Map<String, Value>> = kinds.iter().map(|kind| entry(kind, &mut generator)).collect();
    let schema = match schemas.as_mut_slice() {
        [one] => std::mem::take(one),
        several => Map::from_iter([("anyOf".to_owned(), several.iter_mut().map(std::mem::take).collect())]),
    };
    whole(schema, &mut generator)
}

/// The schema of a config, with these kinds.
pub fn config_schema(registry: &Registry) -> Value {
    let mut generator = SchemaGenerator::default();
    let providers = section("Where jobs come from, by name.", registry.providers(), &mut generator);
    let workers = section("What runs them. The name is the job type.", registry.workers(), &mut generator);
    let mut schema = object("A configuration of goworker", &top_level(), &mut generator);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("providers".to_owned(), providers);
        properties.insert("workers".to_owned(), workers);
    }
    schema.insert("required".to_owned(), json!(["providers"]));
    whole(schema, &mut generator)
}

fn whole(schema: Map<String, Value>, generator: &mut SchemaGenerator) -> Value {
    let mut whole = Map::from_iter([("$schema".to_owned(), DRAFT.into())]);
    whole.extend(schema);
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        whole.insert("$defs".to_owned(), definitions.into());
    }
    whole.into()
}

/// The entries of `providers` or `workers`.
fn section<'a>(doc: &str, kinds: impl Iterator<Item = &'a Registration>, generator: &mut SchemaGenerator) -> Value {
    let mut forms = Vec::new();
    for kind in kinds {
        let settings = entry(kind, generator);
        if settings["required"].as_array().is_none_or(Vec::is_empty) {
            forms.push(json!({ "const": kind.kind }));
        }
        forms.push(json!({
            "type": "object", "properties": { kind.kind: settings }, "required": [kind.kind], "additionalProperties": false,
        }));
    }
    json!({
        "description": doc,
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z0-9_.-]{1,64}$" },
        "additionalProperties": { "anyOf": forms },
    })
}

fn entry(kind: &Registration, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let fields: Vec<Field> = (kind.fields)().into_iter().chain(common_settings(kind.role)).collect();
    let mut schema = object(kind.kind, &fields, generator);
    schema.insert("description".to_owned(), kind.doc.trim().into());
    if kind.stability == Stability::Deprecated {
        schema.insert("deprecated".to_owned(), true.into());
    }
    schema
}

fn object(title: &str, fields: &[Field], generator: &mut SchemaGenerator) -> Map<String, Value> {
    let properties: Map<String, Value> = fields.iter().map(|field| (field.name.to_owned(), property(field, generator))).collect();
    let required: Vec<&str> = fields.iter().filter(|field| field.default.is_none()).map(|field| field.name).collect();
    let schema = json!({
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

fn property(field: &Field, generator: &mut SchemaGenerator) -> Value {
    let mut schema = (field.schema)(generator);
    let mut doc = field.doc.trim().to_owned();
    match field.range.map(|range| (range, limits(range))) {
        Some((_, Some(limits))) => limits.into_iter().for_each(|(keyword, bound)| drop(schema.insert(keyword.to_owned(), bound))),
        // Schemas know the order of numbers only.
        Some((range, None)) => doc += &format!(" Allowed: `{range}`."),
        None => {}
    }
    schema.insert("description".to_owned(), doc.into());
    // What the default depends on other settings is in its words only.
    if let Some(default) = field.default.as_deref().and_then(to_json) {
        schema.insert("default".to_owned(), default);
    }
    if let Some(example) = field.example.and_then(to_json) {
        schema.insert("examples".to_owned(), json!([example]));
    }
    schema.into()
}

/// `1..=100` in the keywords of a schema; `None` if its bounds are no numbers.
fn limits(range: &str) -> Option<Vec<(&'static str, Value)>> {
    let (start, end) = range.split_once("..")?;
    let (end, keyword) = match end.strip_prefix('=') {
        Some(end) => (end, "maximum"),
        None => (end, "exclusiveMaximum"),
    };
    let bound = |keyword, bound: &str| match bound.trim() {
        "" => Some(None),
        bound => serde_json::from_str(&bound.replace('_', "")).ok().filter(Value::is_number).map(|bound| Some((keyword, bound))),
    };
    Some([bound("minimum", start)?, bound(keyword, end)?].into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_limits() {
        let json = |range| limits(range).map(|limits| Value::Object(limits.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()));
        assert_eq!(json("1..=100"), Some(json!({ "minimum": 1, "maximum": 100 })));
        assert_eq!(json("-1.5..1_000"), Some(json!({ "minimum": -1.5, "exclusiveMaximum": 1000 })));
        assert_eq!(json("..=5"), Some(json!({ "maximum": 5 })));
        assert_eq!(json("\"1s\".."), None);
    }
}
