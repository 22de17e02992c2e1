//! The fields of a job before they are a job: as a text has them, or a builder.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Ids, Job, JobError, JobId, Params, Parsed, Unique};
use crate::clock::Timestamp;
use crate::units::Dur;

/// The fields as they were given.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire {
    pub(super) id: Option<JobId>,
    pub(super) job_type: Option<String>,
    pub(super) name: Option<String>,
    pub(super) params: Option<Box<RawValue>>,
    pub(super) retries: Option<u32>,
    pub(super) capture_output: Option<bool>,
    pub(super) priority: Option<i8>,
    pub(super) run_at: Option<Timestamp>,
    pub(super) delay: Option<Dur>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) timeout: Option<Dur>,
    pub(super) unique: Option<Unique>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) meta: Option<Map<String, Value>>,
    pub(super) traceparent: Option<String>,
    pub(super) unknown: Vec<(String, Value)>,
}

impl Wire {
    /// The job, if the fields make one.
    pub(super) fn into_job(self, ids: &Ids) -> Result<Parsed, JobError> {
        let job_type = self
            .job_type
            .filter(|t| !t.is_empty())
            .ok_or_else(|| JobError::at("type", "missing; it names the worker that runs the job"))?;
        if self.run_at.is_some() && self.delay.is_some() {
            return Err(JobError::at("delay", "`run_at` is given too; only one of them can be meant"));
        }
        let priority = self.priority.unwrap_or(0);
        if !(-100..=100).contains(&priority) {
            return Err(JobError::at("priority", format!("{priority} is out of range; -100 to 100 is allowed")));
        }
        self.unique.as_ref().map_or(Ok(()), Unique::check)?;
        let mut meta = self.meta.unwrap_or_default();
        let mut unknown = Vec::with_capacity(self.unknown.len());
        for (field, value) in self.unknown {
            // What the producer wrote into `meta` itself stays.
            meta.entry(field.clone()).or_insert(value);
            unknown.push(field);
        }
        let id_made = self.id.is_none();
        let job = Job {
            id: self.id.unwrap_or_else(|| ids.next()),
            job_type,
            name: self.name.unwrap_or_default(),
            params: self.params.map(Params).unwrap_or_default(),
            retries: self.retries,
            capture_output: self.capture_output,
            priority,
            run_at: self.run_at,
            delay: self.delay,
            expires_at: self.expires_at,
            timeout: self.timeout,
            unique: self.unique,
            tags: self.tags.unwrap_or_default(),
            meta,
            traceparent: self.traceparent,
        };
        Ok(Parsed { job, id_made, unknown })
    }
}

impl From<Job> for Wire {
    fn from(job: Job) -> Self {
        Wire {
            id: Some(job.id),
            job_type: Some(job.job_type),
            name: Some(job.name),
            params: Some(job.params.0),
            retries: job.retries,
            capture_output: job.capture_output,
            priority: Some(job.priority),
            run_at: job.run_at,
            delay: job.delay,
            expires_at: job.expires_at,
            timeout: job.timeout,
            unique: job.unique,
            tags: Some(job.tags),
            meta: Some(job.meta),
            traceparent: job.traceparent,
            unknown: Vec::new(),
        }
    }
}

/// Written by hand because a derived `flatten` would copy `params` through a tree and lose its bytes.
impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Wire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a job: {\"type\": \"...\", \"name\": \"...\", \"params\": {...}}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Wire, A::Error> {
                let mut wire = Wire::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match key.as_ref() {
                        "id" => set(&mut wire.id, "id", &mut map)?,
                        "type" => set(&mut wire.job_type, "type", &mut map)?,
                        "name" => set(&mut wire.name, "name", &mut map)?,
                        "params" => set(&mut wire.params, "params", &mut map)?,
                        "retries" => set(&mut wire.retries, "retries", &mut map)?,
                        "capture_output" => set(&mut wire.capture_output, "capture_output", &mut map)?,
                        "priority" => set(&mut wire.priority, "priority", &mut map)?,
                        "run_at" => set(&mut wire.run_at, "run_at", &mut map)?,
                        "delay" => set(&mut wire.delay, "delay", &mut map)?,
                        "expires_at" => set(&mut wire.expires_at, "expires_at", &mut map)?,
                        "timeout" => set(&mut wire.timeout, "timeout", &mut map)?,
                        "unique" => set(&mut wire.unique, "unique", &mut map)?,
                        "tags" => set(&mut wire.tags, "tags", &mut map)?,
                        "meta" => set(&mut wire.meta, "meta", &mut map)?,
                        "traceparent" => set(&mut wire.traceparent, "traceparent", &mut map)?,
                        _ => wire.unknown.push((key.into_owned(), map.next_value()?)),
                    }
                }
                Ok(wire)
            }
        }

        /// A `null` counts as absent, as it does for GoWorker's producers; a field given twice is an error.
        fn set<'de, T: Deserialize<'de>, A: MapAccess<'de>>(slot: &mut Option<T>, name: &'static str, map: &mut A) -> Result<(), A::Error> {
            if slot.is_some() {
                return Err(de::Error::duplicate_field(name));
            }
            *slot = map.next_value()?;
            Ok(())
        }

        deserializer.deserialize_map(Fields)
    }
}
