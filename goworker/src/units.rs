//! Durations and sizes as people write them: `"30s"`, `"1h 30m"`, `"64MiB"`.
//!
//! A bare number is refused wherever a unit is needed: `30` of what?

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written with its unit: `"250ms"`, `"30s"`, `"2h 30m"`, `"7d"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Dur(pub Duration);

impl Dur {
    /// A duration of whole milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Dur(Duration::from_millis(millis))
    }

    /// A duration of whole seconds.
    pub const fn secs(secs: u64) -> Self {
        Dur(Duration::from_secs(secs))
    }

    /// A duration in source code, such as `Dur::literal("30s")`: one whole number and one unit of ms, s, m, h, d.
    ///
    /// # Panics
    /// When it is written otherwise; in a constant, as in the macros' defaults, that is an error of the compiler.
    pub const fn literal(text: &str) -> Self {
        let (number, unit) = split_unit(text);
        let millis = match (number, unit) {
            (Some(_), b"ms") => 1,
            (Some(_), b"s") => 1_000,
            (Some(_), b"m") => 60_000,
            (Some(_), b"h") => 3_600_000,
            (Some(_), b"d") => 86_400_000,
            _ => panic!("a duration literal is a whole number with ms, s, m, h or d, such as \"30s\""),
        };
        match times(number, millis) {
            Some(millis) => Dur::millis(millis),
            None => panic!("a duration literal is at most 2^64 - 1 milliseconds"),
        }
    }

    /// The duration as the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Dur {
    fn from(duration: Duration) -> Self {
        Dur(duration)
    }
}

impl From<Dur> for Duration {
    fn from(dur: Dur) -> Self {
        dur.0
    }
}

impl FromStr for Dur {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(format!("`{text}` has no unit; write \"{text}s\", \"{text}ms\" or \"{text}m\""));
        }
        let shape = || format!("`{text}` is not a duration; write it with a unit, such as \"30s\", \"250ms\" or \"1h 30m\"");
        let span: Span = text.parse().map_err(|_| shape())?;
        let signed = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| shape())?;
        Duration::try_from(signed).map(Dur).map_err(|_| format!("`{text}` is negative; a duration is not"))
    }
}

/// Prints the shortest exact form: `1h 30m`, `250ms`.
impl fmt::Display for Dur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u128); 7] = [
            ("d", 86_400_000_000_000),
            ("h", 3_600_000_000_000),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
            ("us", 1_000),
            ("ns", 1),
        ];
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        let mut first = true;
        for (unit, nanos) in UNITS {
            let count = rest / nanos;
            if count > 0 {
                write!(f, "{}{count}{unit}", if first { "" } else { " " })?;
                first = false;
                rest %= nanos;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Dur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Dur {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dur {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WithUnit::new("a duration with its unit, such as \"30s\""))
    }
}

impl JsonSchema for Dur {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A duration with its unit", "examples": ["30s", "250ms", "1h 30m"] })
    }
}

/// An amount of bytes, written with its unit: `"64MiB"`, `"2GB"`, `"512B"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(pub u64);

impl Size {
    /// A size in source code, such as `Size::literal("64MiB")`: one whole number and one unit of B, KiB, MiB, GiB.
    ///
    /// # Panics
    /// When it is written otherwise; in a constant, as in the macros' defaults, that is an error of the compiler.
    pub const fn literal(text: &str) -> Self {
        let (number, unit) = split_unit(text);
        let bytes = match (number, unit) {
            (Some(_), b"B") => 1,
            (Some(_), b"KiB") => 1 << 10,
            (Some(_), b"MiB") => 1 << 20,
            (Some(_), b"GiB") => 1 << 30,
            _ => panic!("a size literal is a whole number with B, KiB, MiB or GiB, such as \"64MiB\""),
        };
        match times(number, bytes) {
            Some(bytes) => Size(bytes),
            None => panic!("a size literal is at most 2^64 - 1 bytes"),
        }
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(format!("`{text}` has no unit; write \"{text}B\", \"{text}KiB\" or \"{text}MiB\""));
        }
        let size: bytesize::ByteSize =
            text.parse().map_err(|_| format!("`{text}` is not a size; write it with a unit, such as \"64MiB\" or \"512KiB\""))?;
        Ok(Size(size.as_u64()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        for (unit, bytes) in UNITS {
            if self.0 >= bytes && self.0.is_multiple_of(bytes) {
                return write!(f, "{}{unit}", self.0 / bytes);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WithUnit::new("a size with its unit, such as \"64MiB\""))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A size with its unit", "examples": ["64MiB", "512KiB"] })
    }
}

/// The number at the beginning of a literal, if there is one that fits, and what follows it.
const fn split_unit(text: &str) -> (Option<u64>, &[u8]) {
    let mut rest = text.as_bytes();
    let mut number = if let [b'0'..=b'9', ..] = rest { Some(0) } else { None };
    while let [digit @ b'0'..=b'9', tail @ ..] = rest {
        number = match times(number, 10) {
            Some(tens) => tens.checked_add((*digit - b'0') as u64),
            None => None,
        };
        rest = tail;
    }
    (number, rest)
}

const fn times(number: Option<u64>, factor: u64) -> Option<u64> {
    match number {
        Some(number) => number.checked_mul(factor),
        None => None,
    }
}

/// Accepts numbers too, so that a bare one is told what it lacks instead of its type.
struct WithUnit<T> {
    expected: &'static str,
    parsed: PhantomData<T>,
}

impl<T> WithUnit<T> {
    fn new(expected: &'static str) -> Self {
        WithUnit { expected, parsed: PhantomData }
    }
}

impl<T: FromStr<Err = String>> de::Visitor<'_> for WithUnit<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        number.to_string().parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_the_same_as_what_a_config_reads() {
        for text in ["0s", "250ms", "30s", "5m", "12h", "7d"] {
            assert_eq!(Ok(Dur::literal(text)), text.parse());
        }
        for text in ["0B", "512B", "4KiB", "64MiB", "2GiB"] {
            assert_eq!(Ok(Size::literal(text)), text.parse());
        }
    }

    #[test]
    fn a_literal_without_a_number_or_with_too_large_a_one_is_refused() {
        let refused = |literal: fn(&str) -> u64, text: &'static str| std::panic::catch_unwind(move || literal(text)).is_err();
        for text in ["", "s", "ms", "30", "30S", "30 s", "-1s", "1.5s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(refused(|text| Dur::literal(text).0.as_secs(), text), "{text:?}");
        }
        for text in ["", "B", "KiB", "64", "64MB", "64 MiB", "-1B", "1.5GiB", "99999999999999999999B", "18446744073709551615GiB"] {
            assert!(refused(|text| Size::literal(text).0, text), "{text:?}");
        }
    }
}
