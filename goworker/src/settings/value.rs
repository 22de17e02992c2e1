//! Reads one value of a config into any type, with `env("X")` and `secret(..)` wherever a value may stand.
//!
//! RON gives every value as raw text first, borrowed from the file. So `env` and `secret` are seen as what they are,
//! never as text to be replaced, and a mistake deep inside a value is told at its own place.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use ron::value::RawValue;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::secret::SECRET;
use super::source::{SourceText, Span};

/// What is wrong with a value.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) error: ron::Error,
}

/// Reads `raw`, a part of the source, as `T`.
pub(crate) fn read<'a, T: Deserialize<'a>>(source: &'a SourceText<'a>, raw: &'a str) -> Result<T, Fault> {
    let place = RefCell::new(None);
    T::deserialize(Value { source, raw, place: &place })
        .map_err(|error| Fault { span: place.take().unwrap_or_else(|| source.span(raw)), error })
}

/// The fields of `( a: 1, b: 2 )` or `{ "a": 1, "b": 2 }`, each value as raw text. Empty text counts as `()`.
pub(crate) fn fields<'a>(source: &'a SourceText<'a>, raw: &'a str) -> Result<Vec<(String, &'a str)>, Fault> {
    struct Fields;

    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("named values: `(name: value, ..)`")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(name) = map.next_key()? {
                fields.push((name, map.next_value()?));
            }
            Ok(fields)
        }
    }

    if raw.trim().is_empty() {
        return Ok(Vec::new());
    }
    let fields = parse(source, raw, |ron| ron.deserialize_any(Fields)).map_err(|(span, error)| Fault { span, error })?;
    Ok(fields.into_iter().map(|(name, value)| (name, value.trim().get_ron())).collect())
}

/// The elements of `[a, b]`, each as raw text.
pub(crate) fn elements<'a>(source: &'a SourceText<'a>, raw: &'a str) -> Result<Vec<&'a str>, Fault> {
    let elements = parse(source, raw, |ron| Vec::<&RawValue>::deserialize(ron)).map_err(|(span, error)| Fault { span, error })?;
    Ok(elements.into_iter().map(|element| element.trim().get_ron()).collect())
}

/// The extensions that the file turns on.
pub(crate) fn extensions(source: &SourceText<'_>) -> Result<ron::extensions::Extensions, Fault> {
    let fault = |error: ron::error::SpannedError| Fault { span: source.span_of_error(source.text, &error), error: error.code };
    ron::Deserializer::from_str_with_options(source.text, &source.options()).map(|ron| ron.extensions()).map_err(fault)
}

/// Runs RON over a part of the source; an error comes with its place.
fn parse<'a, T>(
    source: &SourceText<'_>,
    raw: &'a str,
    read: impl FnOnce(&mut ron::Deserializer<'a>) -> Result<T, ron::Error>,
) -> Result<T, (Span, ron::Error)> {
    let place = |error: ron::error::SpannedError| (source.span_of_error(raw, &error), error.code);
    let mut ron = ron::Deserializer::from_str_with_options(raw, &source.options()).map_err(place)?;
    let value = read(&mut ron).map_err(|error| place(ron.span_error(error)))?;
    ron.end().map_err(|error| place(ron.span_error(error)))?;
    Ok(value)
}

/// One value of the source.
#[derive(Clone, Copy)]
struct Value<'a, 's> {
    source: &'s SourceText<'s>,
    raw: &'a str,
    /// The place of the first fault: nested values fail before those they are in.
    place: &'s RefCell<Option<Span>>,
}

impl<'a, 's> Value<'a, 's> {
    fn of(self, raw: &'a RawValue) -> Self {
        Value { raw: raw.trim().get_ron(), ..self }
    }

    /// Reads the value by RON, and what is nested in it by [`Value`].
    fn by_ron<T>(self, read: impl FnOnce(&mut ron::Deserializer<'a>) -> Result<T, ron::Error>) -> Result<T, ron::Error> {
        parse(self.source, self.raw, read).map_err(|(span, error)| {
            // A mistake in a scalar concerns all of it; in a compound, RON knows the word.
            let span = if self.is_compound() { span } else { self.source.span(self.raw) };
            self.fail(span, error)
        })
    }

    fn fail(self, span: Span, error: ron::Error) -> ron::Error {
        self.place.borrow_mut().get_or_insert(span);
        error
    }

    fn error(self, message: impl Into<String>) -> ron::Error {
        self.fail(self.source.span(self.raw), ron::Error::Message(message.into()))
    }

    fn is_compound(self) -> bool {
        self.raw.starts_with(['(', '[', '{']) || self.raw.starts_with(|c: char| c.is_alphabetic())
    }

    /// The arguments, if this is `name(..)`.
    fn call(self, name: &str) -> Option<&'a str> {
        self.raw.strip_prefix(name).map(str::trim_start).filter(|rest| rest.starts_with('('))
    }

    /// The value of the environment, if this is `env("X")` or `env("X", "default")`.
    fn environment(self) -> Result<Option<String>, ron::Error> {
        let Some(arguments) = self.call("env") else { return Ok(None) };
        let read = |arguments| {
            parse(self.source, arguments, |ron| <(String, String)>::deserialize(ron).map(|(name, default)| (name, Some(default))))
        };
        let one = parse(self.source, arguments, |ron| <(String,)>::deserialize(ron).map(|(name,)| (name, None)));
        let Ok((name, default)) = one.or_else(|_| read(arguments)) else {
            return Err(self.error("write `env(\"NAME\")`, or `env(\"NAME\", \"default\")` with both in quotes"));
        };
        match (std::env::var(&name), default) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(std::env::VarError::NotPresent), Some(default)) => Ok(Some(default)),
            (Err(std::env::VarError::NotPresent), None) => {
                Err(self.error(format!("the environment has no variable `{name}`, and there is no default")))
            }
            (Err(std::env::VarError::NotUnicode(_)), _) => Err(self.error(format!("the environment variable `{name}` is not UTF-8"))),
        }
    }

    /// The text of a secret, if this is `secret(..)`.
    fn secret(self) -> Result<Option<String>, ron::Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum From {
            File(PathBuf),
            Env(String),
        }
        let Some(arguments) = self.call("secret") else { return Ok(None) };
        let form = "write `secret(file(\"/path\"))` or `secret(env(\"NAME\"))`";
        let (from,) = parse(self.source, arguments, |ron| <(From,)>::deserialize(ron)).map_err(|_| self.error(form))?;
        match from {
            From::File(path) => {
                let path = self.source.base.join(path);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| self.error(format!("cannot read the secret {}: {error}", path.display())))?;
                // Editors end files with a newline, which is no part of a password.
                Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()))
            }
            From::Env(name) => std::env::var(&name).map(Some).map_err(|_| self.error(format!("the environment has no variable `{name}`"))),
        }
    }

    fn no_secret(self) -> Result<(), ron::Error> {
        match self.call("secret") {
            Some(_) => Err(self.error("a secret cannot be given here: this setting may be shown")),
            None => Ok(()),
        }
    }

    /// A number or a truth value that the environment gives as text.
    fn scalar<V: Visitor<'a>, T: std::str::FromStr>(
        self,
        what: &str,
        visitor: V,
        visit: fn(V, T) -> Result<V::Value, ron::Error>,
        by_ron: fn(&mut ron::Deserializer<'a>, V) -> Result<V::Value, ron::Error>,
    ) -> Result<V::Value, ron::Error> {
        self.no_secret()?;
        match self.environment()? {
            // What the environment holds may be secret, so it is not shown.
            Some(text) => visit(visitor, text.trim().parse().map_err(|_| self.error(format!("the environment does not give {what}")))?),
            None => self.by_ron(|ron| by_ron(ron, visitor)).map_err(|error| match error {
                ron::Error::IntegerOutOfBounds | ron::Error::Message(_) => error,
                // RON reads as far as it can, and then speaks of what follows.
                _ => ron::Error::Message(format!("expected {what}")),
            }),
        }
    }

    /// Text that is not in the file: from the environment. What a visitor says of it would show it.
    fn foreign<V: Visitor<'a>>(self, text: String, visitor: V) -> Result<V::Value, ron::Error> {
        visitor.visit_string(text).map_err(|_: ron::Error| self.error("what the environment gives is not a valid value here"))
    }
}

macro_rules! scalars {
    ($($method:ident $visit:ident $type:ty, $what:literal;)*) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
            self.scalar::<V, $type>($what, visitor, |visitor, value| visitor.$visit(value), |ron, visitor| ron.$method(visitor))
        })*
    };
}

impl<'a> Deserializer<'a> for Value<'a, '_> {
    type Error = ron::Error;

    scalars! {
        deserialize_bool visit_bool bool, "`true` or `false`";
        deserialize_i8 visit_i8 i8, "a whole number";
        deserialize_i16 visit_i16 i16, "a whole number";
        deserialize_i32 visit_i32 i32, "a whole number";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_i128 visit_i128 i128, "a whole number";
        deserialize_u8 visit_u8 u8, "a whole number from 0";
        deserialize_u16 visit_u16 u16, "a whole number from 0";
        deserialize_u32 visit_u32 u32, "a whole number from 0";
        deserialize_u64 visit_u64 u64, "a whole number from 0";
        deserialize_u128 visit_u128 u128, "a whole number from 0";
        deserialize_f32 visit_f32 f32, "a number";
        deserialize_f64 visit_f64 f64, "a number";
        deserialize_char visit_char char, "one character";
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.no_secret()?;
        match self.environment()? {
            Some(text) => self.foreign(text, visitor),
            None => self.by_ron(|ron| ron.deserialize_any(Nested { value: self, visitor })),
        }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.no_secret()?;
        match self.environment()? {
            Some(text) => self.foreign(text, visitor),
            None => self.by_ron(|ron| ron.deserialize_string(visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        if self.raw == "None" {
            return visitor.visit_none();
        }
        match self.call("Some").and_then(|inner| inner.strip_prefix('(')).and_then(|inner| inner.strip_suffix(')')) {
            Some(inner) => visitor.visit_some(Value { raw: inner.trim(), ..self }),
            None => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, ron::Error> {
        if name != SECRET {
            return visitor.visit_newtype_struct(self);
        }
        if self.raw.starts_with(|c: char| !c.is_alphabetic()) {
            self.source.hide(self.raw);
        }
        let text = match self.secret()? {
            Some(text) => Some(text),
            None => self.environment()?,
        };
        match text {
            Some(text) => visitor.visit_string(text),
            None => self
                .by_ron(|ron| ron.deserialize_string(visitor))
                .map_err(|_| self.error("a secret is text: `\"..\"`, `secret(..)` or `env(\"..\")`")),
        }
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_seq(Nested { value: self, visitor }))
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_tuple(len, Nested { value: self, visitor }))
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(self, name: &'static str, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_tuple_struct(name, len, Nested { value: self, visitor }))
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_map(Nested { value: self, visitor }))
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_struct(name, fields, Nested { value: self, visitor }))
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_enum(name, variants, Nested { value: self, visitor }))
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_bytes(visitor))
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_byte_buf(visitor))
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_unit(visitor))
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_unit_struct(name, visitor))
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_identifier(visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.by_ron(|ron| ron.deserialize_ignored_any(visitor))
    }
}

/// Stands between RON and whatever it fills (a visitor, or its access to parts), and reads the parts as [`Value`]s.
struct Nested<'a, 's, V> {
    value: Value<'a, 's>,
    visitor: V,
}

impl<'a, 's, V> Nested<'a, 's, V> {
    fn around<W>(value: Value<'a, 's>, visitor: W) -> Nested<'a, 's, W> {
        Nested { value, visitor }
    }
}

macro_rules! pass_on {
    ($($method:ident($type:ty))*) => {
        $(fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

/// `ron::Error` is the error on both sides: what is between is opened only by RON.
impl<'a, V: Visitor<'a>> Visitor<'a> for Nested<'a, '_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.visitor.expecting(f)
    }

    pass_on! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128)
        visit_u8(u8) visit_u16(u16) visit_u32(u32) visit_u64(u64) visit_u128(u128) visit_f32(f32) visit_f64(f64)
        visit_char(char) visit_str(&str) visit_borrowed_str(&'a str) visit_string(String)
        visit_bytes(&[u8]) visit_borrowed_bytes(&'a [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_some<D: Deserializer<'a>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'a>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(inner)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, access: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Self::around(self.value, access))
    }

    fn visit_map<A: MapAccess<'a>>(self, access: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Self::around(self.value, access))
    }

    fn visit_enum<A: EnumAccess<'a>>(self, access: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Self::around(self.value, access))
    }
}

/// Reads a part by its seed. RON's own error is kept as it is, where the other side speaks of nothing else.
fn part<'a, S: DeserializeSeed<'a>, E: de::Error>(value: Value<'a, '_>, raw: &'a RawValue, seed: S) -> Result<S::Value, E> {
    seed.deserialize(value.of(raw)).map_err(|error| match error {
        ron::Error::NoSuchStructField { expected, found, .. } => E::unknown_field(&found, expected),
        ron::Error::NoSuchEnumVariant { expected, found, .. } => E::unknown_variant(&found, expected),
        ron::Error::MissingStructField { field, .. } => E::missing_field(field),
        ron::Error::DuplicateStructField { field, .. } => E::duplicate_field(field),
        other => E::custom(other),
    })
}

impl<'a, A: SeqAccess<'a>> SeqAccess<'a> for Nested<'a, '_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        match self.visitor.next_element::<&'a RawValue>()? {
            Some(raw) => part(self.value, raw, seed).map(Some),
            None => Ok(None),
        }
    }
}

impl<'a, A: MapAccess<'a>> MapAccess<'a> for Nested<'a, '_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.visitor.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let raw = self.visitor.next_value::<&'a RawValue>()?;
        part(self.value, raw, seed)
    }
}

impl<'a, 's, A: EnumAccess<'a>> EnumAccess<'a> for Nested<'a, 's, A> {
    type Error = A::Error;
    type Variant = Nested<'a, 's, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (name, variant) = self.visitor.variant_seed(seed)?;
        Ok((name, Self::around(self.value, variant)))
    }
}

impl<'a, A: VariantAccess<'a>> VariantAccess<'a> for Nested<'a, '_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.visitor.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, A::Error> {
        let raw = self.visitor.newtype_variant::<&'a RawValue>()?;
        part(self.value, raw, seed)
    }

    fn tuple_variant<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.visitor.tuple_variant(len, Self::around(self.value, visitor))
    }

    fn struct_variant<V: Visitor<'a>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error> {
        self.visitor.struct_variant(fields, Self::around(self.value, visitor))
    }
}

/// A mistake of RON in the words of this program.
pub(crate) fn explain(error: &ron::Error) -> String {
    match error {
        ron::Error::NoSuchStructField { found, .. } => format!("unknown field `{found}`"),
        ron::Error::NoSuchEnumVariant { found, .. } => format!("unknown word `{found}`"),
        ron::Error::MissingStructField { field, .. } => format!("`{field}` is missing"),
        ron::Error::DuplicateStructField { field, .. } => format!("`{field}` is given twice"),
        ron::Error::ExpectedString => "expected text in quotes".to_owned(),
        ron::Error::ExpectedStringEnd => "the text has no closing quote".to_owned(),
        ron::Error::ExpectedInteger => "expected a whole number".to_owned(),
        ron::Error::ExpectedFloat => "expected a number".to_owned(),
        ron::Error::ExpectedBoolean => "expected `true` or `false`".to_owned(),
        ron::Error::ExpectedArray => "expected a list: `[..]`".to_owned(),
        ron::Error::ExpectedMap => "expected a map: `{ \"name\": value, .. }`".to_owned(),
        ron::Error::ExpectedComma => "a comma is missing before this".to_owned(),
        ron::Error::ExpectedMapColon => "a colon is missing before this".to_owned(),
        ron::Error::ExpectedMapEnd => "expected `}`".to_owned(),
        ron::Error::ExpectedArrayEnd => "expected `]`".to_owned(),
        ron::Error::ExpectedStructLikeEnd => "expected `)`".to_owned(),
        ron::Error::IntegerOutOfBounds => "the number is out of the range of its type".to_owned(),
        ron::Error::Eof => "the file ends here, but a bracket is still open".to_owned(),
        ron::Error::TrailingCharacters => "nothing may follow the closing bracket".to_owned(),
        ron::Error::InvalidValueForType { expected, found } => format!("expected {expected}, found {found}"),
        other => {
            let text = other.to_string();
            let mut letters = text.chars();
            letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or(text)
        }
    }
}

/// The words that would be right, if the mistake was in a word.
pub(crate) fn expected_words(error: &ron::Error) -> Option<(&str, &'static [&'static str])> {
    match error {
        ron::Error::NoSuchStructField { expected, found, .. } | ron::Error::NoSuchEnumVariant { expected, found, .. } => {
            Some((found, expected))
        }
        _ => None,
    }
}

/// Makes the paths in a value absolute, if its type is that of a path.
pub(crate) fn resolve_paths<T: 'static>(value: &mut T, base: &Path) {
    let value: &mut dyn std::any::Any = value;
    if let Some(path) = value.downcast_mut::<PathBuf>() {
        *path = base.join(&*path);
    } else if let Some(Some(path)) = value.downcast_mut::<Option<PathBuf>>() {
        *path = base.join(&*path);
    } else if let Some(paths) = value.downcast_mut::<Vec<PathBuf>>() {
        paths.iter_mut().for_each(|path| *path = base.join(&*path));
    }
}
