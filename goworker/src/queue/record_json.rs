//! A job as a queue knows it, in JSON: the form of `jobs --format json`, and of whatever else shows jobs to programs.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{JobRecord, State};
use crate::clock::Timestamp;
use crate::job::{Job, JobId, Params};
use crate::outcome::Attempt;
use crate::process::Death;
use crate::progress::Progress;

/// What a list tells of a job. Absent values are `null`, so that every job has the same fields.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    job_type: &'a str,
    name: &'a str,
    state: State,
    queue: &'a str,
    attempt: u32,
    crashes: u32,
    params: &'a Params,
    output: Option<&'a RawValue>,
    error: Option<&'a str>,
    enqueued_at: Timestamp,
    due_at: Option<Timestamp>,
    follows: Option<&'a str>,
    leased_until: Option<Timestamp>,
    progress: Option<&'a Progress>,
    ended_at: Option<Timestamp>,
}

/// Everything about a job.
#[derive(Serialize)]
pub(crate) struct Whole<'a> {
    #[serde(flatten)]
    line: Line<'a>,
    exit_code: Option<i32>,
    attempts: &'a [Attempt],
    deaths: &'a [Death],
    job: &'a Job,
}

impl JobRecord {
    /// Everything about the job, as JSON in one line; `queue` is the name of the queue that it is in.
    pub fn to_json(&self, queue: &str) -> String {
        // What is told is made of strings, numbers and JSON: it always has a JSON form.
        serde_json::to_string(&self.whole(queue)).unwrap_or_default()
    }

    pub(crate) fn line<'a>(&'a self, queue: &'a str) -> Line<'a> {
        Line {
            id: self.job.id.as_str(),
            job_type: &self.job.job_type,
            name: &self.job.name,
            state: self.state,
            queue,
            attempt: self.attempt,
            crashes: self.crashes,
            params: &self.job.params,
            // An output is JSON by construction; embedded as it is, its numbers stay exact.
            output: self.output.json().and_then(|json| serde_json::from_str(json).ok()),
            error: self.failure.as_ref().map(|failure| failure.message.as_str()),
            enqueued_at: self.enqueued_at,
            due_at: self.due_at,
            follows: self.follows.as_ref().map(JobId::as_str),
            leased_until: self.leased_until,
            progress: self.progress.as_ref(),
            ended_at: self.ended_at,
        }
    }

    pub(crate) fn whole<'a>(&'a self, queue: &'a str) -> Whole<'a> {
        Whole {
            line: self.line(queue),
            exit_code: self.failure.as_ref().and_then(|failure| failure.exit_code),
            attempts: &self.attempts,
            deaths: &self.deaths,
            job: &self.job,
        }
    }
}
