//! Reads one value of a config into any type, with `env("X")` and `secret(..)` wherever a value may stand.
//!
//! RON gives every value as raw text first, borrowed from the file. So `env` and `secret` are seen as what they are,
//! never as text to be replaced, and a mistake deep inside a value is told at its own place.

use std::str::FromStr;

use serde::de::{Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor, value::StringDeserializer};

use super::fault::Fault;
use super::nodes::Given;
use super::parts::{has_names, parse};
use super::passes::Pass;
use super::secret::SECRET;
use super::source::{SourceText, Span};

/// One value of the source.
#[derive(Clone, Copy)]
pub(super) struct Value<'a, 's> {
    pub(super) source: &'s SourceText<'s>,
    pub(super) raw: &'a str,
    pub(super) pass: &'s Pass,
}

impl<'a> Value<'a, '_> {
    pub(super) fn span(self) -> Span {
        self.source.span(self.raw)
    }

    /// Reads this as the part of another value to which `step` leads.
    pub(super) fn part<S: DeserializeSeed<'a>>(self, step: &str, seed: S) -> Result<S::Value, ron::Error> {
        seed.deserialize(self).map_err(|error| {
            // What a type says of a value that it has read (`try_from`) comes without a place.
            let error = self.fail(self.span(), error);
            self.pass.within(step);
            error
        })
    }

    /// Notes that this cannot be read because of what is at `place`, if a part of it has not failed before.
    pub(super) fn fail(self, place: Span, error: ron::Error) -> ron::Error {
        self.pass.fail(self.span(), place);
        error
    }

    pub(super) fn error(self, message: impl Into<String>) -> ron::Error {
        self.fail(self.span(), ron::Error::Message(message.into()))
    }

    /// Reads the value by RON.
    fn by_ron<T>(self, read: impl FnOnce(&mut ron::Deserializer<'a>) -> Result<T, ron::Error>) -> Result<T, ron::Error> {
        parse(self.source, self.raw, read).map_err(|Fault { error, .. }| self.fail(self.span(), error))
    }

    /// The value if it is in the file. One that has parts cannot come from elsewhere.
    fn written(self) -> Result<Self, ron::Error> {
        self.no_secret()?;
        match self.environment()? {
            Some(given) => Err(self.error(format!("{} is text, and a list or a block is needed here", given.from))),
            None => Ok(self),
        }
    }

    /// Whether this is a bare word that stands for a choice, and not for a value of RON's own.
    fn is_variant(self) -> bool {
        let (word, rest) = self.word();
        rest.is_empty() && word.starts_with(char::is_alphabetic) && !matches!(word, "true" | "false" | "None" | "inf" | "NaN")
    }

    /// The value without the name of its type: a struct may be written with it.
    fn unnamed(self, name: &str) -> Self {
        match self.call(name) {
            Some(raw) if !name.is_empty() => Value { raw, ..self },
            _ => self,
        }
    }

    /// What misses a field begins with its bracket.
    fn bracket(self) -> Span {
        let start = self.span().start;
        start..start + self.raw.chars().next().map_or(0, char::len_utf8)
    }

    /// Reads text, from wherever.
    fn text<V: Visitor<'a>>(
        self,
        visitor: V,
        by_ron: impl FnOnce(&mut ron::Deserializer<'a>, V) -> Result<V::Value, ron::Error>,
    ) -> Result<V::Value, ron::Error> {
        self.no_secret()?;
        let Some(Given { text, from }) = self.environment()? else { return self.by_ron(|ron| by_ron(ron, visitor)) };
        let expected = <dyn serde::de::Expected>::to_string(&visitor);
        // What the visitor says of the text would quote it.
        visitor.visit_string(text).map_err(|_: ron::Error| self.error(format!("{from} is not {expected}")))
    }

    /// Reads a number or a truth value, which the environment gives as text.
    fn scalar<V: Visitor<'a>, T: FromStr + DeserializeOwned>(
        self,
        what: &str,
        allowed: &str,
        visit: impl FnOnce(T) -> Result<V::Value, ron::Error>,
        by_ron: impl FnOnce(&mut ron::Deserializer<'a>) -> Result<T, ron::Error>,
    ) -> Result<V::Value, ron::Error> {
        self.no_secret()?;
        let value = match self.environment()? {
            Some(Given { text, from }) => {
                let value = text.trim().parse().ok().or_else(|| ron::from_str(&text).ok());
                value.ok_or_else(|| self.error(format!("{from} is not {what}{allowed}")))?
            }
            None => self.by_ron(by_ron).map_err(|error| match error {
                ron::Error::IntegerOutOfBounds => ron::Error::Message(format!("the number is out of range; it has to be {what}{allowed}")),
                // RON reads as far as it can, and then speaks of what follows.
                _ => ron::Error::Message(format!("expected {what}")),
            })?,
        };
        visit(value).map_err(|error| self.fail(self.span(), error))
    }
}

macro_rules! scalars {
    ($($method:ident $visit:ident $type:ty, $what:literal, $allowed:expr;)*) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
            let visit = |value| visitor.$visit(value);
            self.scalar::<V, $type>($what, &$allowed, visit, |ron| <$type>::deserialize(ron))
        })*
    };
}

/// ` from 0 to 255`
fn between(least: impl ToString, most: impl ToString) -> String {
    format!(" from {} to {}", least.to_string(), most.to_string())
}

impl<'a> Deserializer<'a> for Value<'a, '_> {
    type Error = ron::Error;

    scalars! {
        deserialize_bool visit_bool bool, "`true` or `false`", "";
        deserialize_i8 visit_i8 i8, "a whole number", between(i8::MIN, i8::MAX);
        deserialize_i16 visit_i16 i16, "a whole number", between(i16::MIN, i16::MAX);
        deserialize_i32 visit_i32 i32, "a whole number", between(i32::MIN, i32::MAX);
        deserialize_i64 visit_i64 i64, "a whole number", " of 64 bits";
        deserialize_u8 visit_u8 u8, "a whole number", between(u8::MIN, u8::MAX);
        deserialize_u16 visit_u16 u16, "a whole number", between(u16::MIN, u16::MAX);
        deserialize_u32 visit_u32 u32, "a whole number", between(u32::MIN, u32::MAX);
        deserialize_u64 visit_u64 u64, "a whole number", " of 64 bits, 0 or more";
        deserialize_f32 visit_f32 f32, "a number", "";
        deserialize_f64 visit_f64 f64, "a number", "";
        deserialize_char visit_char char, "one character", "";
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        match self.raw.as_bytes().first() {
            Some(b'[') => self.list(visitor),
            Some(b'{') => self.map(visitor),
            Some(b'(') if has_names(self.raw) => self.structure(self.bracket(), visitor),
            Some(b'(') if self.raw.len() > 2 => self.tuple(usize::MAX, visitor),
            _ if self.is_variant() => {
                let expected = <dyn serde::de::Expected>::to_string(&visitor);
                // It has said what is wrong with a word that it knows.
                self.variant(visitor).map_err(|error| match error {
                    ron::Error::InvalidValueForType { .. } => self.error(format!("expected {expected}, found the word `{}`", self.raw)),
                    error => error,
                })
            }
            _ => match self.argument("Some") {
                Some(inner) => visitor.visit_some(inner),
                None => self.text(visitor, |ron, visitor| ron.deserialize_any(visitor)),
            },
        }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.text(visitor, |ron, visitor| ron.deserialize_str(visitor))
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.text(visitor, |ron, visitor| ron.deserialize_string(visitor))
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        if self.raw == "None" {
            return visitor.visit_none();
        }
        // An option is written with or without `Some`.
        match self.argument("Some") {
            Some(inner) => visitor.visit_some(inner),
            None => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, ron::Error> {
        if name != SECRET {
            return visitor.visit_newtype_struct(self);
        }
        match self.secret()? {
            Some(text) => visitor.visit_string(text),
            None => self
                .by_ron(|ron| ron.deserialize_string(visitor))
                .map_err(|_| self.error("a secret is text: `\"..\"`, `secret(..)` or `env(\"..\")`")),
        }
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ron::Error> {
        self.no_secret()?;
        match self.environment()? {
            Some(Given { text, from }) => {
                let word: StringDeserializer<ron::Error> = text.into_deserializer();
                visitor.visit_enum(word).map_err(|_| self.error(format!("{from} is none of `{}`", variants.join("`, `"))))
            }
            None if self.word().0.is_empty() => Err(self.error(format!("expected one of `{}`, without quotes", variants.join("`, `")))),
            None => self.variant(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.written()?.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        self.written()?.tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(self, name: &'static str, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        self.written()?.unnamed(name).tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        let value = self.written()?;
        // `(name: value)` is a map too, whose names are plain words.
        if value.raw.starts_with('(') { value.structure(value.bracket(), visitor) } else { value.map(visitor) }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ron::Error> {
        let value = self.written()?.unnamed(name);
        value.structure(value.bracket(), visitor)
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.written()?.by_ron(|ron| ron.deserialize_bytes(visitor))
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.written()?.by_ron(|ron| ron.deserialize_byte_buf(visitor))
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.written()?.by_ron(|ron| ron.deserialize_unit(visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, ron::Error> {
        self.written()?.by_ron(|ron| ron.deserialize_unit_struct(name, visitor))
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.written()?.by_ron(|ron| ron.deserialize_identifier(visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        visitor.visit_unit()
    }
}
