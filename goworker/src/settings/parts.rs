//! Takes a part of a config apart into smaller ones, each as raw text that is borrowed from the file.

use std::marker::PhantomData;

use ron::value::RawValue;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use super::fault::Fault;
use super::source::{SourceText, Span};
use super::tokens::{Kind, tokens};

/// One `name: value`, with the value as raw text.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    /// It lacks the quotes that names in `{ .. }` have.
    pub(crate) is_bare: bool,
    pub(crate) raw: &'a str,
}

/// The fields of `( a: 1, b: 2 )` or `{ "a": 1, "b": 2 }`. Empty text counts as `()`.
pub(crate) fn fields<'a>(source: &SourceText<'_>, raw: &'a str) -> Result<Vec<Part<'a>>, Fault> {
    if tokens(raw).is_empty() {
        return Ok(Vec::new());
    }
    let fields = parse(source, raw, |ron| ron.deserialize_any(Pairs::default())).map_err(|mut fault| {
        if !matches!(fault.error, ron::Error::Message(_) | ron::Error::InvalidValueForType { .. }) {
            return fault;
        }
        // It is RON, but not what is needed: that concerns all of it.
        fault.span = source.span(raw);
        fault
    })?;
    let part = |(name, value): (Name<'a>, &'a RawValue)| {
        let raw = text(value);
        let name_span = name.place.map_or_else(|| word_before(source, raw), |place| source.span(place));
        let written = name.text.unwrap_or_else(|| source.text[name_span.clone()].to_owned());
        Part { name: written, is_bare: name.is_bare, name_span, raw }
    };
    Ok(fields.into_iter().map(part).collect())
}

/// The word before the colon before a value.
fn word_before(source: &SourceText<'_>, raw: &str) -> Span {
    let value = source.span(raw).start;
    let before = tokens(&source.text[..value]);
    before.len().checked_sub(2).map_or(value..value, |name| before[name].span.clone())
}

/// Whether this is `(name: value, ..)`, and not `(value, ..)`.
pub(super) fn has_names(raw: &str) -> bool {
    let words = tokens(raw);
    matches!(words.get(1..3), Some([name, colon]) if name.kind == Kind::Word && &raw[colon.span.clone()] == ":")
}

/// The entries of `{ a: 1, b: 2 }`, whatever the keys are.
pub(super) fn entries<'a>(source: &SourceText<'_>, raw: &'a str) -> Result<Vec<(&'a str, &'a str)>, Fault> {
    let pairs = parse(source, raw, |ron| ron.deserialize_map(Pairs::<&RawValue>::default()))?;
    Ok(pairs.into_iter().map(|(key, value)| (text(key), text(value))).collect())
}

/// The elements of `[a, b]`, each as raw text.
pub(crate) fn elements<'a>(source: &SourceText<'_>, raw: &'a str) -> Result<Vec<&'a str>, Fault> {
    parse(source, raw, |ron| ron.deserialize_seq(Elements))
}

/// The elements of `(a, b)`, each as raw text.
pub(super) fn tuple<'a>(source: &SourceText<'_>, raw: &'a str) -> Result<Vec<&'a str>, Fault> {
    parse(source, raw, |ron| ron.deserialize_tuple(0, Elements))
}

fn text(raw: &RawValue) -> &str {
    raw.trim().get_ron()
}

/// The extensions that the file turns on.
pub(crate) fn extensions(source: &SourceText<'_>) -> Result<ron::extensions::Extensions, Fault> {
    ron::Deserializer::from_str_with_options(source.text, &source.options())
        .map(|ron| ron.extensions())
        .map_err(|error| Fault::of(source, source.text, error))
}

/// Runs RON over a part of the source; an error comes with its place.
pub(super) fn parse<'a, T>(
    source: &SourceText<'_>,
    raw: &'a str,
    read: impl FnOnce(&mut ron::Deserializer<'a>) -> Result<T, ron::Error>,
) -> Result<T, Fault> {
    let fault = |error| Fault::of(source, raw, error);
    let mut ron = ron::Deserializer::from_str_with_options(raw, &source.options()).map_err(fault)?;
    let value = read(&mut ron).map_err(|error| fault(ron.span_error(error)))?;
    ron.end().map_err(|error| fault(ron.span_error(error)))?;
    Ok(value)
}

/// Takes names or keys, and values as raw text.
struct Pairs<K>(PhantomData<K>);

impl<K> Default for Pairs<K> {
    fn default() -> Self {
        Pairs(PhantomData)
    }
}

impl<'de, K: Deserialize<'de>> Visitor<'de> for Pairs<K> {
    type Value = Vec<(K, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("named values: `(name: value, ..)`")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // `( )`, with a blank or a comment in it, might be anything.
        match seq.next_element::<IgnoredAny>()? {
            None => Ok(Vec::new()),
            Some(_) => Err(de::Error::invalid_type(Unexpected::Other("values without names"), &self)),
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key()? {
            pairs.push((key, map.next_value()?));
        }
        Ok(pairs)
    }
}

/// Takes the values of a list as raw text.
struct Elements;

impl<'de> Visitor<'de> for Elements {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("values")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(raw) = seq.next_element()? {
            elements.push(text(raw));
        }
        Ok(elements)
    }
}

/// The name of a field: a word in `( .. )`, text in `{ .. }`.
struct Name<'de> {
    /// The name, unless it is bare: RON reads a bare word as a value, and does not tell which.
    text: Option<String>,
    /// Where it stands, unless it is written with escapes.
    place: Option<&'de str>,
    is_bare: bool,
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name in quotes")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name { text: Some(text.to_owned()), place: Some(text), is_bare: false })
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name { text: Some(text.to_owned()), place: None, is_bare: false })
            }
            fn visit_unit<E>(self) -> Result<Name<'de>, E> {
                Ok(Name { text: None, place: None, is_bare: true })
            }
        }

        deserializer.deserialize_any(Text)
    }
}
