//! The JSON Schema of a kind.

use crate::registry::Registration;

use super::core_settings::common_settings;

/// The JSON Schema of a kind's entry: its own settings and the common ones.
pub fn schema(registration: &Registration) -> serde_json::Value {
    let mut generator = schemars::SchemaGenerator::default();
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for field in (registration.fields)().into_iter().chain(common_settings(registration.role)) {
        let mut schema = (field.schema)(&mut generator);
        schema.insert("description".to_owned(), field.doc.into());
        match field.default {
            Some(default) => drop(schema.insert("default".to_owned(), default.into())),
            None => required.push(field.name),
        }
        properties.insert(field.name.to_owned(), schema.into());
    }
    serde_json::json!({
        "title": registration.kind,
        "description": registration.doc,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
        "$defs": generator.take_definitions(false),
    })
}
