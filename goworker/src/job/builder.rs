//! A job, field by field.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::wire::Wire;
use super::{Ids, Job, JobError, Params, Unique};
use crate::clock::Timestamp;

/// A job that is being described; begun with [`Job::of`].
///
/// What cannot be is told by [`build`](JobBuilder::build), or where the job is enqueued, as for a job that came as text.
#[derive(Debug, Clone)]
#[must_use = "a job does nothing until it is enqueued"]
pub struct JobBuilder {
    wire: Wire,
    /// The first field that could not be taken.
    fault: Option<JobError>,
}

impl JobBuilder {
    pub(super) fn of(job_type: String) -> Self {
        JobBuilder { wire: Wire { job_type: Some(job_type), ..Wire::default() }, fault: None }
    }

    /// Its id, 1–128 characters of `[A-Za-z0-9_.:-]`. A second job with the same id is not stored, so an id that follows
    /// from what the job is about makes it safe to enqueue again after an error.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        match id.as_ref().parse() {
            Ok(id) => self.wire.id = Some(id),
            Err(message) => self.note("id", message),
        }
        self
    }

    /// What to run: the script of a `lua` worker, a label for others.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.wire.name = Some(name.into());
        self
    }

    /// The arguments: anything with a JSON form.
    pub fn params<T: Serialize>(mut self, params: T) -> Self {
        match Params::of(&params) {
            Ok(Params(raw)) => self.wire.params = Some(raw),
            Err(error) => self.note("params", format!("they have no JSON form: {error}")),
        }
        self
    }

    /// How many times to try again after the first attempt.
    pub fn retries(mut self, retries: u32) -> Self {
        self.wire.retries = Some(retries);
        self
    }

    /// −100 to 100; higher starts earlier.
    pub fn priority(mut self, priority: i8) -> Self {
        self.wire.priority = Some(priority);
        self
    }

    /// Not to be started until this long after it was accepted.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.wire.delay = Some(delay.into());
        self
    }

    /// Not to be started before this instant.
    pub fn run_at(mut self, instant: Timestamp) -> Self {
        self.wire.run_at = Some(instant);
        self
    }

    /// Not to be started after this instant.
    pub fn expires_at(mut self, instant: Timestamp) -> Self {
        self.wire.expires_at = Some(instant);
        self
    }

    /// The longest time one attempt may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.wire.timeout = Some(timeout.into());
        self
    }

    /// Not to be accepted while another job holds its key: `Unique::default()` if type, name and params are the key.
    pub fn unique(mut self, unique: Unique) -> Self {
        self.wire.unique = Some(unique);
        self
    }

    /// Whether its output is kept: `cli` keeps it only if asked to, others unless told not to.
    pub fn capture_output(mut self, capture: bool) -> Self {
        self.wire.capture_output = Some(capture);
        self
    }

    /// Adds a label to find it by.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.wire.tags.get_or_insert_default().push(tag.into());
        self
    }

    /// Adds data of the producer.
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.wire.meta.get_or_insert_default().insert(key.into(), value.into());
        self
    }

    /// The job; without an id it gets one of `ids`.
    ///
    /// # Errors
    /// The first field that is wrong, by its path.
    pub fn build(self, ids: &Ids) -> Result<Job, JobError> {
        match self.fault {
            Some(fault) => Err(fault),
            None => self.wire.into_job(ids).map(|parsed| parsed.job),
        }
    }

    fn note(&mut self, path: &str, message: String) {
        self.fault.get_or_insert_with(|| JobError::at(path, message));
    }
}

/// A whole job, to be enqueued as it is.
impl From<Job> for JobBuilder {
    fn from(job: Job) -> Self {
        JobBuilder { wire: job.into(), fault: None }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_job_that_is_built_is_the_job_that_is_read() {
        let built =
            Job::of("cli").id("a").name("n").params([1, 2]).retries(3).priority(-5).delay(Duration::from_secs(90)).tag("t").tag("u");
        let built = built.meta("shop", 7).timeout(Duration::from_secs(1)).capture_output(true).build(&Ids::system()).unwrap();
        let text = r#"{"id":"a","type":"cli","name":"n","params":[1,2],"retries":3,"capture_output":true,"priority":-5,"delay":"1m 30s","timeout":"1s","tags":["t","u"],"meta":{"shop":7}}"#;
        assert_eq!(built.to_json(), text);
        assert_eq!(Job::parse(text.as_bytes(), &Ids::system()).unwrap().job, built);
    }

    #[test]
    fn what_cannot_be_is_told_by_its_path() {
        let faulty = [
            Job::of(""),
            Job::of("lua").id("a b"),
            Job::of("lua").params(BTreeMap::from([((1, 2), 3)])),
            Job::of("lua").priority(101),
            Job::of("lua").unique(Unique { key: Some(String::new()), ..Unique::default() }),
            Job::of("lua").delay(Duration::from_secs(1)).run_at(Timestamp::from_millis(0)),
        ];
        let told: Vec<String> = faulty.map(|job| job.build(&Ids::system()).unwrap_err().to_string()).into();
        insta::assert_snapshot!(told.join("\n"));
    }
}
