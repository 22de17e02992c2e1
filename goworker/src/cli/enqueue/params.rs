//! The params of jobs against the schema of their worker, before they are accepted. Most workers have none.

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::config::Config;
use crate::job::Job;
use crate::registry::Registry;
use crate::settings::did_you_mean;

/// More mistakes of one job are not told.
const MOST: usize = 10;

/// The schemas of a configuration's workers, by the type of their jobs.
#[derive(Debug, Default)]
pub(super) struct ParamsCheck {
    schemas: BTreeMap<String, Schema>,
}

/// What the params of one type have to be, as it is written and as it is applied.
#[derive(Debug)]
struct Schema {
    written: Value,
    validator: Validator,
}

impl ParamsCheck {
    /// The check for a configuration with these kinds.
    pub(super) fn of(config: &Config, registry: &Registry) -> Self {
        let workers = config.workers.iter().map(|entry| (entry.name.as_str(), entry.kind));
        ParamsCheck::of_workers(workers, registry)
    }

    fn of_workers<'a>(workers: impl Iterator<Item = (&'a str, &'a str)>, registry: &Registry) -> Self {
        let schema = |(name, kind): (&str, &str)| {
            let written = (registry.worker(kind)?.params)()?.to_value();
            match jsonschema::draft202012::new(&written) {
                Ok(validator) => Some((name.to_owned(), Schema { written, validator })),
                Err(error) => {
                    tracing::warn!(kind, %error, "its schema of params is no JSON Schema, so nothing is checked");
                    None
                }
            }
        };
        ParamsCheck { schemas: workers.filter_map(schema).collect() }
    }

    /// All that is wrong with the params of a job, in one line.
    pub(super) fn check(&self, job: &Job) -> Result<(), String> {
        let Some(schema) = self.schemas.get(&job.job_type) else { return Ok(()) };
        let Ok(params) = serde_json::from_str::<Value>(job.params.get()) else { return Ok(()) };
        let errors: Vec<String> = schema.validator.iter_errors(&params).take(MOST).flat_map(|error| schema.told(&error)).collect();
        if errors.is_empty() { Ok(()) } else { Err(format!("a job of type `{}` does not take these: {}", job.job_type, errors.join("; "))) }
    }
}

impl Schema {
    /// What is wrong, in the words for settings where there are such.
    fn told(&self, error: &ValidationError<'_>) -> Vec<String> {
        let place = path(error.instance_path().as_str());
        match error.kind() {
            ValidationErrorKind::Required { property: Value::String(name) } => vec![format!("`{place}.{name}` is missing")],
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.siblings(error.schema_path().as_str());
                let unknown = |name: &String| match did_you_mean(name, known.iter().copied()) {
                    Some(hint) => format!("`{place}.{name}` is unknown; {hint}"),
                    None => format!("`{place}.{name}` is unknown"),
                };
                unexpected.iter().map(unknown).collect()
            }
            // The place tells enough. A value may be a secret, and what is told here goes into logs.
            _ => vec![format!("`{place}`: {}", error.masked_with("this"))],
        }
    }

    /// The properties of the object to which this keyword belongs.
    fn siblings(&self, keyword: &str) -> Vec<&str> {
        let object = keyword.rsplit_once('/').and_then(|(object, _)| self.written.pointer(object));
        let properties = object.and_then(|object| object.get("properties")?.as_object());
        properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect()
    }
}

/// `/marks/0/text`, a JSON Pointer, as `params.marks[0].text`.
fn path(pointer: &str) -> String {
    let mut path = "params".to_owned();
    for step in pointer.split('/').skip(1) {
        if !step.is_empty() && step.chars().all(|c| c.is_ascii_digit()) {
            path += &format!("[{step}]");
        } else {
            path += &format!(".{}", step.replace("~1", "/").replace("~0", "~"));
        }
    }
    path
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::describe::tests::registry;
    use crate::job::Ids;

    /// For workers `resize`, with a schema, and `http`, without.
    pub(in crate::cli::enqueue) fn check() -> ParamsCheck {
        ParamsCheck::of_workers([("thumb", "resize"), ("http", "http")].into_iter(), &registry())
    }

    fn told(job: &str) -> String {
        let job = Job::parse(job.as_bytes(), &Ids::system()).unwrap().job;
        check().check(&job).err().unwrap_or_default()
    }

    #[test]
    fn all_that_is_wrong_with_params_is_told_with_its_path() {
        insta::assert_snapshot!(
            [
                told(r#"{"type":"thumb","params":{"path":"a.png","marks":[],"width":9007199254740993}}"#),
                told(r#"{"type":"thumb","params":{"pth":"a.png","marks":["date",{"frame":{"pixels":"x"}}],"width":"wide"}}"#),
                told(r#"{"type":"thumb"}"#),
                told(r#"{"type":"thumb","params":[1]}"#),
            ]
            .join("\n")
        );
    }

    #[test]
    fn what_fits_and_what_has_no_schema_is_accepted() {
        let good = r#"{"type":"thumb","params":{"path":"a","marks":["date",{"text":"x"}],"width":10000}}"#;
        for job in [good, r#"{"type":"http","params":[1]}"#, r#"{"type":"unknown","params":"x"}"#] {
            assert_eq!(told(job), "");
        }
    }

    #[test]
    fn a_pointer_becomes_a_path() {
        assert_eq!([path(""), path("/a/0/b~1c"), path("/0")], ["params", "params.a[0].b/c", "params[0]"]);
    }
}
