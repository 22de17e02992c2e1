//! Which statuses mean that a job is done: `200`, `"2xx"`, or a list of such.

use std::fmt;
use std::ops::RangeInclusive;

use reqwest::StatusCode;
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// The statuses that a job expects.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "Statuses")]
pub(super) struct Expect(Vec<RangeInclusive<u16>>);

/// For the schema only.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "a description, never a value")]
enum Statuses {
    One(Status),
    Several(Vec<Status>),
}

/// A number, or a class.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "a description, never a value")]
enum Status {
    Number(#[schemars(range(min = 100, max = 599))] u16),
    Text(#[schemars(regex(pattern = "^([1-5][0-9]{2}|[1-5][xX]{2})$"))] String),
}

impl Expect {
    /// Whether a job is done that was answered so.
    pub(super) fn has(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// Success, whatever its number.
impl Default for Expect {
    fn default() -> Self {
        Expect(vec![200..=299])
    }
}

fn statuses<E: Error>(text: &str) -> Result<RangeInclusive<u16>, E> {
    let class = text.strip_suffix(['x', 'X']).and_then(|rest| rest.strip_suffix(['x', 'X'])).map(str::parse);
    match (text.parse(), class) {
        (Ok(status @ 100..=599), _) => Ok(status..=status),
        (_, Some(Ok(class @ 1..=5u16))) => Ok(class * 100..=class * 100 + 99),
        _ => Err(E::custom(format!("`{}` is no status; write 200, \"2xx\" or a list of such", text.escape_debug()))),
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;

        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Expect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status (200), a class (\"2xx\") or a list of such")
            }
            fn visit_u64<E: Error>(self, status: u64) -> Result<Expect, E> {
                self.visit_str(&status.to_string())
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Expect, E> {
                Ok(Expect(vec![statuses(text)?]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Expect, A::Error> {
                let mut all = Vec::new();
                while let Some(Expect(some)) = list.next_element()? {
                    all.extend(some);
                }
                if all.is_empty() { Err(A::Error::custom("the list is empty, so no job could be done")) } else { Ok(Expect(all)) }
            }
        }

        deserializer.deserialize_any(OneOrSeveral)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Expect, String> {
        serde_json::from_str(json).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn statuses_are_written_as_numbers_or_classes_or_lists() {
        let forms = [
            ("204", vec![204..=204]),
            (r#""204""#, vec![204..=204]),
            (r#""2xx""#, vec![200..=299]),
            (r#"[200, "4XX"]"#, vec![200..=200, 400..=499]),
        ];
        for (json, ranges) in forms {
            assert_eq!(read(json), Ok(Expect(ranges)), "{json}");
        }
        for json in ["99", "600", "-1", r#""6xx""#, r#""ok""#, r#""x""#, "[]", "[99]", "true", "{}"] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
