//! A value of RON as JSON, as serde writes it: the default of a setting, say, for a schema.

use std::path::Path;

use serde_json::{Map, Value};

use super::parts;
use super::source::{Readable, SourceText, process_variables};

/// The JSON of a text in RON: `slow("3s")` becomes `{"slow": "3s"}`. `None` if it is no RON.
pub(crate) fn to_json(ron: &str) -> Option<Value> {
    let readable = Readable::new(ron);
    let source = SourceText::new(Path::new(""), ron, &readable, process_variables);
    value(&source, ron.trim())
}

fn value(source: &SourceText<'_>, raw: &str) -> Option<Value> {
    match raw.chars().next()? {
        '[' => values(source, parts::elements(source, raw).ok()?),
        '{' => {
            let entry = |(key, raw): (&str, &str)| Some((key.trim_matches('"').to_owned(), value(source, raw)?));
            parts::entries(source, raw).ok()?.into_iter().map(entry).collect::<Option<Map<_, _>>>().map(Value::from)
        }
        '(' if parts::has_names(raw) => {
            let field = |part: parts::Part<'_>| Some((part.name, value(source, part.raw)?));
            parts::fields(source, raw).ok()?.into_iter().map(field).collect::<Option<Map<_, _>>>().map(Value::from)
        }
        '(' => match parts::tuple(source, raw).ok()? {
            // Nothing tells what it might be; most often it is a block in which nothing is set.
            nothing if nothing.is_empty() => Some(Map::new().into()),
            elements => values(source, elements),
        },
        letter if letter.is_alphabetic() && !raw.starts_with("r\"") && !raw.starts_with("r#") => word(source, raw),
        _ => ron::from_str(raw).ok(),
    }
}

fn values(source: &SourceText<'_>, raws: Vec<&str>) -> Option<Value> {
    raws.into_iter().map(|raw| value(source, raw)).collect::<Option<Vec<_>>>().map(Value::from)
}

/// `true`, `None`, or the variant of an enum.
fn word(source: &SourceText<'_>, raw: &str) -> Option<Value> {
    let end = raw.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(raw.len());
    let (name, rest) = raw.split_at(end);
    match (name, rest.trim_start()) {
        ("true" | "false", "") => ron::from_str(raw).ok(),
        ("None", "") => Some(Value::Null),
        (name, "") => Some(name.into()),
        (name, rest) if rest.starts_with('(') => {
            let content = match value(source, rest)? {
                // What the environment holds is not known here, so what counts without it does.
                Value::Array(mut values) if name == "env" && values.len() == 2 => return values.pop(),
                Value::Array(mut values) if values.len() == 1 => values.pop()?,
                other => other,
            };
            Some(if name == "Some" { content } else { Value::Object(Map::from_iter([(name.to_owned(), content)])) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ron_becomes_what_serde_would_write() {
        let json = |ron| to_json(ron).map(|json| json.to_string()).unwrap_or_default();
        assert_eq!(json("\"a\\\"b\""), r#""a\"b""#);
        assert_eq!([json("-90"), json("1_000"), json("0.5"), json("true"), json("None")], ["-90", "1000", "0.5", "true", "null"]);
        assert_eq!(json("(done: (age: \"1h\", count: 1), rest: [1, 2])"), r#"{"done":{"age":"1h","count":1},"rest":[1,2]}"#);
        assert_eq!(json("exponential(initial: \"1s\", factor: 2.0)"), r#"{"exponential":{"factor":2.0,"initial":"1s"}}"#);
        assert_eq!([json("fixed(\"1s\")"), json("remove"), json("Some(3)")], [r#"{"fixed":"1s"}"#, "\"remove\"", "3"]);
        assert_eq!([json("memory()"), json("( /* nothing */ )")], [r#"{"memory":{}}"#, "{}"]);
        assert_eq!([json("{ \"a\": (1, \"b\") }"), json("{}"), json("[]")], [r#"{"a":[1,"b"]}"#, "{}", "[]"]);
        assert_eq!(json("(a: env(\"X\", \"b\"))"), r#"{"a":"b"}"#);
        assert_eq!(["that of the config", "", "("].map(to_json), [const { None }; 3]);
    }
}
