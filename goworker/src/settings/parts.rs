//! Takes a part of a config apart into smaller ones, each as raw text that is borrowed from the file.

use ron::value::RawValue;
use serde::de::{self, Deserialize, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use super::fault::Fault;
use super::source::{SourceText, Span};
use super::tokens::tokens;

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
pub(crate) fn fields<'a>(source: &'a SourceText<'a>, raw: &'a str) -> Result<Vec<Part<'a>>, Fault> {
    if tokens(raw).is_empty() {
        return Ok(Vec::new());
    }
    let fields = parse(source, raw, |ron| de::Deserializer::deserialize_any(ron, Fields)).map_err(|mut fault| {
        if !matches!(fault.error, ron::Error::Message(_) | ron::Error::InvalidValueForType { .. }) {
            return fault;
        }
        // It is RON, but not what is needed: that concerns all of it.
        fault.span = source.span(raw);
        fault
    })?;
    let part = |(name, value): (Name<'a>, &'a RawValue)| {
        let raw = value.trim().get_ron();
        let name_span = name.place.map_or_else(|| word_before(source, raw), |place| source.span(place));
        let name_text = name.text.unwrap_or_else(|| source.text[name_span.clone()].to_owned());
        Part { name: name_text, is_bare: name.is_bare, name_span, raw }
    };
    Ok(fields.into_iter().map(part).collect())
}

/// The word before the colon before a value.
fn word_before(source: &SourceText<'_>, raw: &str) -> Span {
    let value = source.span(raw).start;
    let before = tokens(&source.text[..value]);
    before.len().checked_sub(2).map_or(value..value, |name| before[name].span.clone())
}

/// The elements of `[a, b]`, each as raw text.
pub(crate) fn elements<'a>(source: &'a SourceText<'a>, raw: &'a str) -> Result<Vec<&'a str>, Fault> {
    let elements = parse(source, raw, |ron| Vec::<&RawValue>::deserialize(ron))?;
    Ok(elements.into_iter().map(|element| element.trim().get_ron()).collect())
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

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Vec<(Name<'de>, &'de RawValue)>;

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
        let mut fields = Vec::new();
        while let Some(name) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(fields)
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
