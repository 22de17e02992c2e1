//! What the params of a script have to be: a small language of tables, as people write an example.
//!
//! `"integer"`, `"number"`, `"string"`, `"boolean"`, `"array"`, `"object"`, `"any"`, each with `?` if it may be absent or null; a table with
//! fields is an object that has them, and perhaps others; a table with one item is an array of such items.

use std::fmt;

use mlua::{Table, Value};

use super::integer::Integer;
use crate::spelling;

/// How deep schemas may be nested.
const DEPTH: usize = 32;
/// How much that is wrong is told.
const TOLD: usize = 10;

/// What a value has to be.
#[derive(Debug)]
pub(super) struct Schema {
    kind: Kind,
    optional: bool,
}

#[derive(Debug)]
enum Kind {
    Any,
    Integer,
    Number,
    String,
    Boolean,
    Array(Option<Box<Schema>>),
    Object(Vec<(String, Schema)>),
}

const NAMES: [&str; 7] = ["any", "integer", "number", "string", "boolean", "array", "object"];

impl Schema {
    /// Reads the schema that a script has at `path`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(super) fn read(value: &Value, path: &str) -> Result<Self, String> {
        Schema::read_at(value, path, 0)
    }

    fn read_at(value: &Value, path: &str, depth: usize) -> Result<Self, String> {
        match value {
            Value::String(name) => Schema::named(&name.to_string_lossy(), path),
            Value::Table(_) if depth == DEPTH => Err(format!("the schema at `{path}` is nested deeper than {DEPTH}")),
            Value::Table(table) if table.raw_len() > 0 => {
                let item: Value = table.raw_get(1).map_err(|error| error.to_string())?;
                if table.pairs::<Value, Value>().count() != 1 {
                    return Err(format!("the schema at `{path}` has several items; an array is written with one, as {{ \"string\" }}"));
                }
                let item = Schema::read_at(&item, &format!("{path}[]"), depth + 1)?;
                Ok(Schema { kind: Kind::Array(Some(Box::new(item))), optional: false })
            }
            Value::Table(table) => {
                let mut fields = Vec::new();
                for pair in table.pairs::<String, Value>() {
                    let (name, value) = pair.map_err(|_| format!("the schema at `{path}` has a field whose name is not text"))?;
                    let field = Schema::read_at(&value, &format!("{path}.{name}"), depth + 1)?;
                    fields.push((name, field));
                }
                fields.sort_by(|(a, _), (b, _)| a.cmp(b));
                Ok(Schema { kind: Kind::Object(fields), optional: false })
            }
            other => Err(format!("the schema at `{path}` has to be the name of a type, or a table, not a {}", other.type_name())),
        }
    }

    fn named(name: &str, path: &str) -> Result<Self, String> {
        let (plain, optional) = name.strip_suffix('?').map_or((name, false), |plain| (plain, true));
        let kind = match plain {
            "any" => Kind::Any,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "string" => Kind::String,
            "boolean" => Kind::Boolean,
            "array" => Kind::Array(None),
            "object" => Kind::Object(Vec::new()),
            _ => return Err(format!("the schema at `{path}`: `{plain}` is not a type; {}", spelling::suggest(plain, "types", &NAMES))),
        };
        Ok(Schema { kind, optional })
    }

    /// Notes what is wrong with `value`.
    pub(super) fn check(&self, value: &Value, path: &str, wrong: &mut Vec<String>) -> mlua::Result<()> {
        if wrong.len() >= TOLD || (self.optional && (value.is_nil() || value.is_null())) {
            return Ok(());
        }
        match (&self.kind, value) {
            (Kind::Any, value) if !value.is_nil() => {}
            (Kind::Integer, value) if is_integer(value) => {}
            (Kind::Number, value) if is_number(value) => {}
            (Kind::String, Value::String(_)) | (Kind::Boolean, Value::Boolean(_)) => {}
            (Kind::Array(item), Value::Table(table)) if is_array(table) => {
                let Some(item) = item else { return Ok(()) };
                for index in 1..=table.raw_len() {
                    item.check(&table.raw_get(index)?, &format!("{path}[{index}]"), wrong)?;
                }
            }
            (Kind::Object(fields), Value::Table(table)) if !is_array(table) => {
                for (name, field) in fields {
                    field.check(&table.raw_get(name.as_str())?, &format!("{path}.{name}"), wrong)?;
                }
            }
            (_, found) => wrong.push(format!("{path}: expected {self}, got {}", shown(found))),
        }
        Ok(())
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Any => "a value",
            Kind::Integer => "an integer",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Boolean => "a boolean",
            Kind::Array(_) => "an array",
            Kind::Object(_) => "an object",
        })
    }
}

fn is_integer(value: &Value) -> bool {
    match value {
        Value::Integer(_) => true,
        Value::Number(number) => number.fract() == 0.0,
        Value::UserData(data) => data.is::<Integer>(),
        _ => false,
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Number(_)) || is_integer(value)
}

/// Params come from JSON: an array has the mark of arrays.
fn is_array(table: &Table) -> bool {
    table.metatable().is_some()
}

/// How much of a text is shown.
const SHOWN: usize = 40;

fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "nothing".to_owned(),
        value if value.is_null() => "null".to_owned(),
        Value::String(text) => {
            let text = text.to_string_lossy();
            let cut: String = text.chars().take(SHOWN).collect();
            if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
        }
        Value::Table(table) if is_array(table) => "an array".to_owned(),
        Value::Table(_) => "an object".to_owned(),
        other => other.to_string().unwrap_or_else(|_| other.type_name().to_owned()),
    }
}
