//! The times of a schedule as a setting: one expression, or a list of them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::expression::Expression;

/// Cron expressions: `"0 3 * * *"`, `["0 3 * * *", "0 15 * * SAT"]`, `"@hourly"`, `"@every 15m"`.
///
/// Five fields, minute hour day month weekday, or six, with seconds before them; as croner reads them, which knows `L`, `W` and `#`
/// too. `@every 15m` counts from 1970-01-01T00:00:00Z, so it is due at the same instants everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times(Vec<Expression>);

impl Times {
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter()
    }

    /// The expressions, as they were written.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|expression| expression.text.as_str())
    }
}

/// One expression.
impl FromStr for Times {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(|expression| Times(vec![expression]))
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(&one.text),
            _ => serializer.collect_seq(self.texts()),
        }
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Times;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a schedule such as \"0 3 * * *\", or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Times, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Times, A::Error> {
                let mut expressions = Vec::new();
                while let Some(Written(expression)) = list.next_element()? {
                    expressions.push(expression);
                }
                if expressions.is_empty() {
                    return Err(de::Error::custom("without an expression it would never be due; write one, such as \"0 3 * * *\""));
                }
                Ok(Times(expressions))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// An element of the list.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Written(Expression);

impl TryFrom<String> for Written {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Written)
    }
}

impl JsonSchema for Times {
    fn schema_name() -> Cow<'static, str> {
        "schedule".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({ "type": "string", "examples": ["0 3 * * *"] });
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}
