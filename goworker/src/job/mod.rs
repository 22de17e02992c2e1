//! A job: what to do, in GoWorker's wire format plus optional fields.
//!
//! ```
//! use goworker::{Ids, Job};
//!
//! let line = r#"{"name":"greet","type":"lua","params":{"who":"world","n":9007199254740993},"retries":3}"#;
//! let parsed = Job::parse(line.as_bytes(), &Ids::system()).unwrap();
//! assert_eq!(parsed.job.params.get(), r#"{"who":"world","n":9007199254740993}"#); // byte for byte
//! ```

mod builder;
mod id;
mod template;
mod text;
mod unique;
mod wire;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::units::Dur;

use wire::Wire;

pub use builder::JobBuilder;
pub use id::{Ids, JobId};
pub use template::JobTemplate;
pub use text::{Layout, ParsedText};
pub use unique::{Unique, UniqueMode};

/// What to do. The order of the fields is the order on the wire.
///
/// [`Job::parse`] reads it, [`Job::to_json`] writes it; both keep `params` byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// Unique in its queue.
    pub id: JobId,
    /// Which worker runs it: a key of `workers` in the configuration.
    #[serde(rename = "type")]
    pub job_type: String,
    /// What to run: the script of a `lua` worker, a label for others. May be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The job's arguments: any JSON, carried byte for byte.
    pub params: Params,
    /// How many times to try again after the first attempt; over the worker's setting, over the config's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Whether the output is kept: `cli` keeps its stdout only if true, others keep unless false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_output: Option<bool>,
    /// −100 to 100; higher starts earlier, and waiting makes up for a lower one.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i8,
    /// Not to be started before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_at: Option<Timestamp>,
    /// Not to be started until this long after it was accepted. At most one of `run_at` and `delay`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Dur>,
    /// Not to be started after this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The longest time one attempt may take; the shorter of this and the worker's counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Dur>,
    /// Which jobs count as the same, and for how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique: Option<Unique>,
    /// Labels to find it by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Free data of the producer; fields that the format does not know are kept here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
    /// W3C trace context, carried as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(priority: &i8) -> bool {
    *priority == 0
}

/// A job as it was read, and what deserves a warning: fields that the format does not know.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The job.
    pub job: Job,
    /// Whether its id was made here, because the text had none.
    pub id_made: bool,
    /// Top-level fields that were unknown and are now in `meta`.
    pub unknown: Vec<String>,
}

/// Why a text is not a job, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", At(path))]
pub struct JobError {
    /// The JSON path of what is wrong, such as `params.lines[2]`; empty for the whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// Line in the text, from 1; 0 if the fault has no place.
    pub line: usize,
    /// Column in that line, from 1; 0 if the fault has no place.
    pub column: usize,
}

/// Prints a path as the beginning of a message.
struct At<'a>(&'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

impl JobError {
    /// A fault without a place in a text.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        JobError { path: path.into(), message: message.into(), line: 0, column: 0 }
    }

    fn from_json(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let path = error.path().to_string();
        // `?` is where the text ended before a name.
        let path = if matches!(path.as_str(), "." | "?") { String::new() } else { path };
        let error = error.into_inner();
        let (line, column) = (error.line(), error.column());
        // serde_json appends its own position, which callers print from `line` and `column`.
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
        JobError { path, message, line, column }
    }

    /// The same fault, in a text that stands under `prefix` in a larger one: `params.job` makes `type` `params.job.type`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => prefix.to_owned(),
            path if path.starts_with('[') => format!("{prefix}{path}"),
            path => format!("{prefix}.{path}"),
        };
        (self.line, self.column) = (0, 0);
        self
    }
}

impl Job {
    /// Begins a job for the worker of that type, field by field; it gets an id when it is enqueued.
    ///
    /// ```
    /// use goworker::{Ids, Job};
    ///
    /// let job = Job::of("lua").name("greet").params(&serde_json::json!({ "who": "world" })).retries(3);
    /// assert_eq!(job.build(&Ids::system())?.params.get(), r#"{"who":"world"}"#);
    /// # Ok::<(), goworker::JobError>(())
    /// ```
    pub fn of(job_type: impl Into<String>) -> JobBuilder {
        JobBuilder::of(job_type.into())
    }

    /// A job with an id, a type and no more.
    pub fn new(id: JobId, job_type: impl Into<String>) -> Self {
        Job {
            id,
            job_type: job_type.into(),
            name: String::new(),
            params: Params::default(),
            retries: None,
            capture_output: None,
            priority: 0,
            run_at: None,
            delay: None,
            expires_at: None,
            timeout: None,
            unique: None,
            tags: Vec::new(),
            meta: Map::new(),
            traceparent: None,
        }
    }

    /// Reads one job from JSON; a job without an `id` gets one of `ids`.
    ///
    /// # Errors
    /// When the text is not JSON, a field has the wrong form, or `type` is missing; the error names the JSON path.
    pub fn parse(json: &[u8], ids: &Ids) -> Result<Parsed, JobError> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let wire: Wire = serde_path_to_error::deserialize(&mut deserializer).map_err(JobError::from_json)?;
        deserializer.end().map_err(|e| JobError {
            line: e.line(),
            column: e.column(),
            ..JobError::at("", "a job is one JSON object; text follows it")
        })?;
        wire.into_job(ids)
    }

    /// The job as one line of JSON, in the form that [`Job::parse`] reads.
    pub fn to_json(&self) -> String {
        // Every field is a string, a number, or JSON already: nothing here can fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The arguments as `T`.
    ///
    /// # Errors
    /// When they do not fit; the error names the JSON path, such as `params.lines[2].label`. Returned from a worker
    /// (by `?`), it fails the job at once: trying again would not change the arguments.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        let mut deserializer = serde_json::Deserializer::from_str(self.params.get());
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| JobError::from_json(error).under("params"))
    }
}

/// The arguments of a job: JSON, byte for byte as it came.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Params(Box<RawValue>);

impl Params {
    /// The JSON text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// The arguments from a value of the caller.
    ///
    /// # Errors
    /// When the value has no JSON form (a map whose keys are not strings, say).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Params)
    }

    /// The arguments from JSON text.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn from_json(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Params)
    }
}

/// `null`: a job without arguments.
impl Default for Params {
    fn default() -> Self {
        Params(RawValue::NULL.to_owned())
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::clock::{Clock, Random};

    fn parse(text: &str) -> Result<Parsed, JobError> {
        Job::parse(text.as_bytes(), &Ids::new(Clock::system(), Random::seeded(1)))
    }

    #[test]
    fn goworker_jobs_keep_working() {
        let job = parse(r#"{"name":"greet","type":"lua","params":{"who":"world"},"retries":3,"capture_output":true}"#).unwrap().job;
        assert_eq!((job.job_type.as_str(), job.name.as_str(), job.retries, job.capture_output), ("lua", "greet", Some(3), Some(true)));
    }

    #[test]
    fn params_are_carried_byte_for_byte() {
        let raw = r#"{ "n": 9007199254740993,  "f": 1.0, "e": 1e400 , "s":"\u00fc" }"#;
        let job = parse(&format!(r#"{{"type":"x","params":{raw}}}"#)).unwrap().job;
        assert_eq!(job.params.get(), raw);
        let again = Job::parse(job.to_json().as_bytes(), &Ids::system()).unwrap().job;
        assert_eq!(again.params.get(), raw);
        assert_eq!(again.to_json(), job.to_json());
    }

    #[test]
    fn unknown_fields_are_kept_in_meta_and_reported() {
        let parsed = parse(r#"{"type":"x","colour":"red","meta":{"a":1}}"#).unwrap();
        assert_eq!(parsed.unknown, ["colour"]);
        assert_eq!(parsed.job.meta["colour"], "red");
        assert_eq!(parsed.job.meta["a"], 1);
    }

    #[test]
    fn errors_name_the_path() {
        let texts = [
            r#"{"name":"x"}"#,
            r#"{"type":"x","retries":-1}"#,
            r#"{"type":"x","unique":{"key":1}}"#,
            r#"{"type":"x","delay":30}"#,
            r#"{"type":"x","priority":101}"#,
            r#"{"type":"x","id":"a b"}"#,
            r#"{"type":"x","delay":"1s","run_at":"2026-01-01T00:00:00Z"}"#,
            r#"{"type":"x"} x"#,
            r#"{"type":"x","type":"y"}"#,
            r#"[1]"#,
            r#"{"type":"x","tags":["a",7]}"#,
        ];
        let errors: Vec<String> = texts.iter().map(|text| parse(text).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn params_that_do_not_fit_name_the_json_path() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Lines {
            lines: Vec<u8>,
        }
        let job = parse(r#"{"type":"x","params":{"lines":[1,"two"]}}"#).unwrap().job;
        assert_eq!(job.params::<Lines>().unwrap_err().to_string(), "params.lines[1]: invalid type: string \"two\", expected u8");
    }
}
