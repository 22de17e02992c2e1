//! The parts of a value, handed to serde one by one, each as a [`Value`] again.

use std::vec::IntoIter;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::parts::{self, Part};
use super::source::Span;
use super::stand_in::StandIn;
use super::value::Value;
use crate::spelling::did_you_mean;

impl<'a, 's> Value<'a, 's> {
    /// Reads `(name: value, ..)`. A field that is missing is blamed on `head`.
    pub(super) fn structure<V: Visitor<'a>>(self, head: Span, visitor: V) -> Result<V::Value, ron::Error> {
        let parts = parts::fields(self.source, self.raw).map_err(|fault| self.fail(fault.span, fault.error))?;
        let named = |part: Part<'a>| Entry { key: Key::Name(part.name), place: part.name_span, raw: part.raw };
        self.entries(head, parts.into_iter().map(named).collect(), visitor)
    }

    /// Reads `{ key: value, .. }`.
    pub(super) fn map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        let pairs = parts::entries(self.source, self.raw).map_err(|fault| self.fail(self.span(), fault.error))?;
        let keyed = |(key, raw): (&'a str, &'a str)| Entry { key: Key::Raw(key), place: self.source.span(key), raw };
        self.entries(self.span(), pairs.into_iter().map(keyed).collect(), visitor)
    }

    fn entries<V: Visitor<'a>>(self, head: Span, entries: Vec<Entry<'a>>, visitor: V) -> Result<V::Value, ron::Error> {
        let cures = &self.pass.cures;
        let (misnamed, mut entries): (Vec<Entry<'a>>, _) = entries.into_iter().partition(|entry| cures.leaves_out(&entry.place));
        let named: Vec<String> = entries.iter().map(Entry::name).collect();
        for (at, entry) in entries.iter().enumerate() {
            let name = entry.name();
            if let Some(first) = entries[..at].iter().find(|other| other.name() == name) {
                self.pass.fail_twice(&name, entry.place.clone(), first.place.clone());
                return Err(ron::Error::Message(format!("`{name}` is given twice")));
            }
        }
        entries.retain(|entry| !cures.leaves_out(&self.source.span(entry.raw)));
        let filled: Vec<&str> = cures.filled(&self.span()).collect();
        let access = Entries { whole: self, entries: entries.into_iter(), filled: filled.into_iter(), value: None };
        visitor.visit_map(access).inspect_err(|error| {
            if let ron::Error::MissingStructField { field, .. } = error {
                let is_meant = |entry: &Entry<'_>| did_you_mean(&entry.name(), [*field]).is_some();
                let is_told = named.iter().any(|name| name == field) || misnamed.iter().any(is_meant);
                self.pass.miss(self.span(), head, field, is_told);
            }
        })
    }

    /// Reads `[a, b]`.
    pub(super) fn list<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        let elements = parts::elements(self.source, self.raw).map_err(|fault| self.fail(self.span(), fault.error))?;
        visitor.visit_seq(Elements { whole: self, elements: elements.into_iter(), at: 0, is_tuple: false })
    }

    /// Reads `(a, b)`.
    pub(super) fn tuple<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        let elements = parts::tuple(self.source, self.raw).map_err(|fault| self.fail(self.span(), fault.error))?;
        if elements.len() > len {
            return Err(self.fail(self.span(), ron::Error::ExpectedStructLikeEnd));
        }
        visitor.visit_seq(Elements { whole: self, elements: elements.into_iter(), at: 0, is_tuple: true })
    }

    /// Reads `variant`, or `variant(..)`.
    pub(super) fn variant<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        let (name, rest) = self.word();
        visitor.visit_enum(Variant { whole: self, name, rest })
    }

    /// The word that it begins with, and what follows.
    pub(super) fn word(self) -> (&'a str, &'a str) {
        let end = self.raw.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.raw.len());
        let (word, rest) = self.raw.split_at(end);
        (word, rest.trim_start())
    }
}

struct Entry<'a> {
    key: Key<'a>,
    /// Where the key stands.
    place: Span,
    raw: &'a str,
}

enum Key<'a> {
    Name(String),
    Raw(&'a str),
}

impl Entry<'_> {
    fn name(&self) -> String {
        match &self.key {
            Key::Name(name) => name.clone(),
            Key::Raw(raw) => raw.trim_matches('"').to_owned(),
        }
    }
}

/// The fields of a struct, or the entries of a map.
struct Entries<'a, 's> {
    whole: Value<'a, 's>,
    entries: IntoIter<Entry<'a>>,
    /// Fields that are missing.
    filled: IntoIter<&'static str>,
    /// What belongs to the key that was read last; a stand-in for a field that is missing.
    value: Option<Entry<'a>>,
}

impl<'a> MapAccess<'a> for Entries<'a, '_> {
    type Error = ron::Error;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, ron::Error> {
        self.value = self.entries.next();
        let Some(entry) = &self.value else {
            return self.filled.next().map(|name| seed.deserialize(name.into_deserializer())).transpose();
        };
        let key = match &entry.key {
            Key::Name(name) => {
                let name: StrDeserializer<'_, ron::Error> = name.as_str().into_deserializer();
                seed.deserialize(name)
            }
            Key::Raw(raw) => Value { raw, ..self.whole }.part(&entry.name(), seed),
        };
        key.map(Some).inspect_err(|_| self.whole.pass.fail_at_name(&entry.name(), entry.place.clone()))
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, ron::Error> {
        match self.value.take() {
            Some(entry) => Value { raw: entry.raw, ..self.whole }.part(&entry.name(), seed),
            None => self.whole.stand_in(seed),
        }
    }
}

/// The elements of a list or a tuple.
struct Elements<'a, 's> {
    whole: Value<'a, 's>,
    elements: IntoIter<&'a str>,
    at: usize,
    /// Every place of it has to be taken.
    is_tuple: bool,
}

impl<'a> SeqAccess<'a> for Elements<'a, '_> {
    type Error = ron::Error;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, ron::Error> {
        for raw in self.elements.by_ref() {
            let element = Value { raw, ..self.whole };
            self.at += 1;
            if !element.pass.cures.leaves_out(&element.span()) {
                return element.part(&format!("[{}]", self.at - 1), seed).map(Some);
            }
            if self.is_tuple {
                return self.whole.stand_in(seed).map(Some);
            }
        }
        Ok(None)
    }
}

impl<'a> Value<'a, '_> {
    /// Gives serde something for a part that is wrong or missing. If nothing will do, this whole value is given up.
    fn stand_in<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, ron::Error> {
        seed.deserialize(StandIn::default()).map_err(|error| self.fail(self.span(), error))
    }
}

/// A variant of an enum.
struct Variant<'a, 's> {
    whole: Value<'a, 's>,
    name: &'a str,
    /// The brackets behind it, if there are any.
    rest: &'a str,
}

impl<'a> Variant<'a, '_> {
    fn head(&self) -> Span {
        self.whole.source.span(self.name)
    }

    /// The brackets and what is in them.
    fn content(&self, what: &str) -> Result<Value<'a, '_>, ron::Error> {
        if self.rest.is_empty() {
            let message = format!("`{0}` needs {what}: `{0}(..)`", self.name);
            return Err(self.whole.fail(self.head(), ron::Error::Message(message)));
        }
        Ok(Value { raw: self.rest, ..self.whole })
    }
}

impl<'a> EnumAccess<'a> for Variant<'a, '_> {
    type Error = ron::Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Self), ron::Error> {
        let name: StrDeserializer<'_, ron::Error> = self.name.into_deserializer();
        let variant = seed.deserialize(name).map_err(|error| self.whole.fail(self.head(), error))?;
        Ok((variant, self))
    }
}

impl<'a> VariantAccess<'a> for Variant<'a, '_> {
    type Error = ron::Error;

    fn unit_variant(self) -> Result<(), ron::Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let message = format!("`{0}` takes nothing: write `{0}`", self.name);
        Err(self.whole.fail(self.whole.source.span(self.rest), ron::Error::Message(message)))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, ron::Error> {
        let content = self.content("a value")?;
        match content.only() {
            Some(argument) => argument.part("", seed),
            // `variant(name: value)`, where the file allows to leave out the brackets of what is in it.
            None => content.part("", seed),
        }
    }

    fn tuple_variant<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        self.content("values")?.tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ron::Error> {
        self.content("settings")?.structure(self.head(), visitor)
    }
}
