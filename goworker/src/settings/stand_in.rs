//! A value for a field that is missing, so that serde goes on to the next mistake. It is never used.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, EnumAccess, IntoDeserializer, Visitor};

/// Whatever is wanted: empty, zero, or the first that there is.
#[derive(Clone, Copy, Default)]
pub(super) struct StandIn {
    /// In how many other stand-ins it is.
    depth: usize,
}

/// A type that needs more than this has no end: it is an enum whose first variant holds the enum again.
const DEEPEST: usize = 32;

impl StandIn {
    /// The stand-in for a part of this one.
    fn part(self) -> Result<Self, ron::Error> {
        if self.depth < DEEPEST { Ok(StandIn { depth: self.depth + 1 }) } else { Err(ron::Error::ExceededRecursionLimit) }
    }
}

impl<'de> IntoDeserializer<'de, ron::Error> for StandIn {
    type Deserializer = StandIn;

    fn into_deserializer(self) -> StandIn {
        self
    }
}

macro_rules! zeros {
    ($($method:ident $visit:ident $zero:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ron::Error> {
            visitor.$visit($zero)
        })*
    };
}

impl<'de> Deserializer<'de> for StandIn {
    type Error = ron::Error;

    zeros! {
        deserialize_bool visit_bool false;
        deserialize_i8 visit_i8 0;
        deserialize_i16 visit_i16 0;
        deserialize_i32 visit_i32 0;
        deserialize_i64 visit_i64 0;
        deserialize_u8 visit_u8 0;
        deserialize_u16 visit_u16 0;
        deserialize_u32 visit_u32 0;
        deserialize_u64 visit_u64 0;
        deserialize_f32 visit_f32 0.0;
        deserialize_f64 visit_f64 0.0;
        deserialize_char visit_char ' ';
        deserialize_str visit_str "";
        deserialize_string visit_str "";
        deserialize_bytes visit_bytes b"";
        deserialize_byte_buf visit_bytes b"";
        deserialize_identifier visit_str "";
        // What takes anything is most often a duration.
        deserialize_any visit_str "0s";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ron::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ron::Error> {
        visitor.visit_newtype_struct(self.part()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.deserialize_tuple(0, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::repeat_n(self.part()?, len)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ron::Error> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ron::Error> {
        let part = self.part()?;
        visitor.visit_map(MapDeserializer::new(fields.iter().map(|name| (*name, part))))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ron::Error> {
        visitor.visit_enum(First(variants.first().copied().unwrap_or_default(), self.part()?))
    }
}

/// The first variant of an enum, and what is in it.
struct First(&'static str, StandIn);

impl<'de> EnumAccess<'de> for First {
    type Error = ron::Error;
    type Variant = StandIn;

    fn variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, StandIn), ron::Error> {
        let name: de::value::StrDeserializer<'_, ron::Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self.1))
    }
}

impl<'de> de::VariantAccess<'de> for StandIn {
    type Error = ron::Error;

    fn unit_variant(self) -> Result<(), ron::Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ron::Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, ron::Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, ron::Error> {
        self.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read, and nothing else")]
    enum Rule {
        Not(Box<Rule>),
        Both(Box<Rule>, Box<Rule>),
        Word(String),
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read, and nothing else")]
    enum Pair {
        Both(Box<Pair>, Box<Pair>),
    }

    #[test]
    fn a_type_without_an_end_has_no_stand_in() {
        assert!(matches!(Rule::deserialize(StandIn::default()), Err(ron::Error::ExceededRecursionLimit)));
        assert!(matches!(Pair::deserialize(StandIn::default()), Err(ron::Error::ExceededRecursionLimit)));
        assert_eq!(<(u8, Option<Rule>, Vec<Rule>)>::deserialize(StandIn::default()).unwrap().0, 0);
    }
}
