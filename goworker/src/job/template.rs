//! A job as a setting: all that is the same each time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ids, JobBuilder};
use crate::units::Dur;

/// A job as a setting, to be made again and again: `(type: "lua", name: "report", params: {"of": "yesterday"})`.
///
/// If a plugin has a setting of this type, `check` warns of a type that no worker runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Fields", into = "Fields")]
#[schemars(with = "Fields")]
pub struct JobTemplate(Fields);

/// As it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("format" = JobTemplate::FORMAT, "x-ron" = r#"(type: "lua", name: "report")"#))]
struct Fields {
    /// Which worker runs it.
    r#type: String,
    /// What to run.
    name: Option<String>,
    /// Its arguments.
    params: Option<Value>,
    /// How many times to try again, if not as its worker says.
    retries: Option<u32>,
    /// -100 to 100; higher starts earlier.
    #[schemars(range(min = -100, max = 100))]
    priority: Option<i8>,
    /// The longest time an attempt may take.
    timeout: Option<Dur>,
    /// Whether its output is kept.
    capture_output: Option<bool>,
    /// Labels to find it by.
    tags: Option<Vec<String>>,
}

impl JobTemplate {
    /// The `format` by which its schema is known.
    pub(crate) const FORMAT: &str = "job";

    /// Which worker runs it.
    pub fn job_type(&self) -> &str {
        &self.0.r#type
    }

    /// Its arguments, as they were written.
    pub fn params(&self) -> Option<&Value> {
        self.0.params.as_ref()
    }

    /// A job of this template, to be given an id, and whatever else is not the same each time.
    pub fn job(&self) -> JobBuilder {
        let Fields { r#type, name, params, retries, priority, timeout, capture_output, tags } = self.0.clone();
        let mut job = JobBuilder::of(r#type).name(name.unwrap_or_default());
        if let Some(params) = params {
            job = job.params(params);
        }
        if let Some(retries) = retries {
            job = job.retries(retries);
        }
        if let Some(priority) = priority {
            job = job.priority(priority);
        }
        if let Some(Dur(timeout)) = timeout {
            job = job.timeout(timeout);
        }
        if let Some(capture_output) = capture_output {
            job = job.capture_output(capture_output);
        }
        tags.into_iter().flatten().fold(job, JobBuilder::tag)
    }
}

impl TryFrom<Fields> for JobTemplate {
    type Error = String;

    /// What no job can have is told at once.
    fn try_from(fields: Fields) -> Result<Self, String> {
        let template = JobTemplate(fields);
        template.job().build(&Ids::system()).map(|_| template).map_err(|error| error.to_string())
    }
}

impl From<JobTemplate> for Fields {
    fn from(JobTemplate(fields): JobTemplate) -> Fields {
        fields
    }
}
