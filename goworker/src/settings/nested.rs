//! The way through RON into the parts of a value: what RON finds inside is read as a [`Value`] again.

use ron::value::RawValue;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::value::Value;

/// Stands between RON and whatever it fills (a visitor, or its access to parts), and reads the parts as [`Value`]s.
pub(super) struct Nested<'a, 's, V> {
    /// What this is a part of.
    pub(super) value: Value<'a, 's>,
    pub(super) visitor: V,
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
    let value = value.of(raw);
    // What a type says of a value that it has read (`try_from`) comes without a place.
    seed.deserialize(value).map_err(|error| match value.fail(value.span(), error) {
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
