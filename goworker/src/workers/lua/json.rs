//! JSON straight from text to Lua values and back, without a tree in between.
//!
//! Integers that a Lua number cannot hold exactly become [`Integer`] values; `[]` stays an array by its metatable;
//! `null` inside is `json.null`. What has no JSON form is refused with the path to it: `result.lines[3].cb`.

use std::cell::RefCell;
use std::ffi::c_void;
use std::fmt;

use mlua::{Lua, Table, Value};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::integer::Integer;

/// How deep arrays and objects may be nested, in both directions.
const DEPTH: usize = 128;

/// Reads and writes JSON for one VM.
#[derive(Debug, Clone)]
pub(super) struct Codec {
    /// The metatable that marks arrays.
    array: Table,
}

impl Codec {
    /// A codec for the VM.
    pub(super) fn new(lua: &Lua) -> mlua::Result<Self> {
        let array = lua.create_table()?;
        array.set_readonly(true);
        Ok(Codec { array })
    }

    /// The metatable that marks a table as an array.
    pub(super) fn array_mark(&self) -> &Table {
        &self.array
    }

    /// The value of a JSON text.
    ///
    /// # Errors
    /// The inner one when the text is not JSON, the outer one when Lua has no memory left for it.
    pub(super) fn decode(&self, lua: &Lua, json: &[u8]) -> mlua::Result<Result<Value, String>> {
        let decode = Decode { lua, array: &self.array, failed: &RefCell::new(None) };
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let value = decode.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
        match decode.failed.take() {
            Some(error) => Err(error),
            None => Ok(value.map_err(|error| error.to_string())),
        }
    }

    /// The JSON text of a value that is called `name` in errors.
    pub(super) fn encode(&self, value: &Value, name: &str) -> Result<String, String> {
        let mut writer = Writer { array: self.array.to_pointer(), out: Vec::new(), open: Vec::new() };
        writer.value(value).map_err(|unfit| unfit.describe(name))?;
        String::from_utf8(writer.out).map_err(|error| error.to_string())
    }
}

// ── reading ──

#[derive(Clone, Copy)]
struct Decode<'a> {
    lua: &'a Lua,
    array: &'a Table,
    /// Lua's own error, which serde would flatten to text.
    failed: &'a RefCell<Option<mlua::Error>>,
}

impl Decode<'_> {
    fn lua<T, E: serde::de::Error>(&self, result: mlua::Result<T>) -> Result<T, E> {
        result.map_err(|error| {
            *self.failed.borrow_mut() = Some(error);
            E::custom("no room in Lua")
        })
    }

    fn integer<E: serde::de::Error>(&self, integer: i128) -> Result<Value, E> {
        self.lua(Integer::into_value(integer, self.lua))
    }
}

impl<'de> DeserializeSeed<'de> for Decode<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Decode<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        self.integer(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        self.integer(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.lua(self.lua.create_string(value)).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let table = self.lua(self.lua.create_table())?;
        while let Some(item) = items.next_element_seed(self)? {
            self.lua(table.raw_push(item))?;
        }
        self.lua(table.set_metatable(Some(self.array.clone())))?;
        Ok(Value::Table(table))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let table = self.lua(self.lua.create_table())?;
        while let Some(key) = entries.next_key_seed(self)? {
            let value = entries.next_value_seed(self)?;
            self.lua(table.raw_set(key, value))?;
        }
        Ok(Value::Table(table))
    }
}

// ── writing ──

struct Writer {
    array: *const c_void,
    out: Vec<u8>,
    /// The tables that are being written, by address: one of them inside itself is a cycle.
    open: Vec<*const c_void>,
}

/// What has no JSON form, and where. The path is collected on the way out, innermost first.
struct Unfit {
    why: String,
    path: Vec<Step>,
}

enum Step {
    Key(String),
    Index(usize),
}

impl Unfit {
    fn new(why: impl Into<String>) -> Self {
        Unfit { why: why.into(), path: Vec::new() }
    }

    fn inside(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    fn describe(self, name: &str) -> String {
        let mut text = name.to_owned();
        for step in self.path.iter().rev() {
            match step {
                Step::Key(key) => {
                    text.push('.');
                    text.push_str(key);
                }
                Step::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        format!("{text}: {}", self.why)
    }
}

impl From<mlua::Error> for Unfit {
    fn from(error: mlua::Error) -> Self {
        Unfit::new(super::error::text(&error))
    }
}

impl Writer {
    fn value(&mut self, value: &Value) -> Result<(), Unfit> {
        match value {
            Value::Nil => self.raw("null"),
            value if value.is_null() => self.raw("null"),
            Value::Boolean(value) => self.raw(if *value { "true" } else { "false" }),
            Value::Integer(value) => self.raw(&value.to_string()),
            Value::Number(value) => self.number(*value)?,
            Value::String(value) => self.string(value)?,
            Value::Table(table) => self.table(table)?,
            Value::UserData(data) => match data.borrow::<Integer>() {
                Ok(integer) => self.raw(&integer.to_string()),
                Err(_) => return Err(Unfit::new("a userdata has no JSON form")),
            },
            other => return Err(Unfit::new(format!("a {} has no JSON form", other.type_name()))),
        }
        Ok(())
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, value: f64) -> Result<(), Unfit> {
        if !value.is_finite() {
            return Err(Unfit::new(format!("{} has no JSON form", if value.is_nan() { "NaN" } else { "infinity" })));
        }
        // Every integral number below 2^63 is exactly an i64.
        #[allow(clippy::cast_possible_truncation, reason = "it is integral and in range")]
        if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 {
            self.raw(&(value as i64).to_string());
            return Ok(());
        }
        self.serialized(&value)
    }

    fn string(&mut self, text: &mlua::LuaString) -> Result<(), Unfit> {
        let text = text.to_str().map_err(|_| Unfit::new("the text is not UTF-8"))?;
        self.serialized::<str>(&text)
    }

    fn serialized<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| Unfit::new(error.to_string()))
    }

    fn table(&mut self, table: &Table) -> Result<(), Unfit> {
        let address = table.to_pointer();
        if self.open.contains(&address) {
            return Err(Unfit::new("the table contains itself"));
        }
        if self.open.len() == DEPTH {
            return Err(Unfit::new(format!("nested deeper than {DEPTH}")));
        }
        self.open.push(address);
        let length = table.raw_len();
        if length > 0 || self.is_marked(table) {
            self.list(table, length)?;
        } else {
            self.object(table)?;
        }
        self.open.pop();
        Ok(())
    }

    fn is_marked(&self, table: &Table) -> bool {
        table.metatable().is_some_and(|mark| mark.to_pointer() == self.array)
    }

    fn list(&mut self, table: &Table, length: usize) -> Result<(), Unfit> {
        let within = |key: &Value| matches!(key, Value::Integer(key) if usize::try_from(*key).is_ok_and(|key| (1..=length).contains(&key)));
        for pair in table.pairs::<Value, Value>() {
            let (key, _) = pair?;
            if !within(&key) {
                let key = show(&key);
                return Err(Unfit::new(format!("an array of {length} with the key {key}: neither an array nor an object")));
            }
        }
        self.out.push(b'[');
        for index in 1..=length {
            if index > 1 {
                self.out.push(b',');
            }
            let item: Value = table.raw_get(index)?;
            self.value(&item).map_err(|unfit| unfit.inside(Step::Index(index)))?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// Keys in order, so that the same result is the same text.
    fn object(&mut self, table: &Table) -> Result<(), Unfit> {
        let mut entries = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            match pair? {
                (Value::String(key), value) => {
                    let key = key.to_str().map_err(|_| Unfit::new("a key is not UTF-8"))?.to_owned();
                    entries.push((key, value));
                }
                (key, _) => return Err(Unfit::new(format!("the key {} is not text", show(&key)))),
            }
        }
        entries.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.out.push(b'{');
        for (index, (key, value)) in entries.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.serialized::<str>(&key)?;
            self.out.push(b':');
            self.value(&value).map_err(|unfit| unfit.inside(Step::Key(key)))?;
        }
        self.out.push(b'}');
        Ok(())
    }
}

fn show(key: &Value) -> String {
    match key {
        Value::String(key) => format!("`{}`", key.to_string_lossy()),
        Value::Integer(key) => key.to_string(),
        Value::Number(key) => key.to_string(),
        other => format!("of type {}", other.type_name()),
    }
}
