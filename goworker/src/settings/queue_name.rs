//! The name of a queue as a setting: it is checked against the queues of the configuration.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// The name of a queue of the same configuration. One that is none is a mistake of the configuration, told with its place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct QueueName(pub String);

/// The `format` by which its schema is known.
const FORMAT: &str = "queue";

impl JsonSchema for QueueName {
    fn schema_name() -> Cow<'static, str> {
        "QueueName".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": FORMAT, "examples": ["jobs"] })
    }
}

/// Whether a setting with this schema names a queue.
pub(crate) fn names_queue(schema: fn(&mut SchemaGenerator) -> Schema) -> bool {
    schema(&mut SchemaGenerator::default()).get("format").is_some_and(|format| format == FORMAT)
}
