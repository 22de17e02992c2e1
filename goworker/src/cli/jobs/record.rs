//! A job as `jobs` shows it: where it was found, and its form in JSON.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::terminal;
use crate::clock::Timestamp;
use crate::job::{Job, JobId};
use crate::outcome::Attempt;
use crate::process::Death;
use crate::progress::Progress;
use crate::queue::{JobRecord, State};

/// A job and the queue that it was found in.
#[derive(Debug)]
pub(super) struct Found {
    /// The queue's key in the configuration.
    pub(super) queue: String,
    /// What the queue knows about it.
    pub(super) record: JobRecord,
}

impl Found {
    /// Since when, or until when, it is in its state: what matters most at a glance.
    pub(super) fn moment(&self) -> Timestamp {
        let record = &self.record;
        let moment = match record.state {
            State::Scheduled => record.due_at,
            State::Ready | State::Running => None,
            State::Done | State::Dead | State::Cancelled | State::Expired => record.ended_at,
        };
        moment.unwrap_or(record.enqueued_at)
    }

    /// The last error, if there is one.
    pub(super) fn error(&self) -> Option<&str> {
        self.record.failure.as_ref().map(|failure| failure.message.as_str())
    }
}

/// One line of a list. Absent values are `null`, so that every job has the same fields.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    job_type: &'a str,
    name: &'a str,
    state: State,
    queue: &'a str,
    attempt: u32,
    crashes: u32,
    params: &'a crate::job::Params,
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
struct Whole<'a> {
    #[serde(flatten)]
    line: Line<'a>,
    exit_code: Option<i32>,
    attempts: &'a [Attempt],
    deaths: &'a [Death],
    job: &'a Job,
}

impl<'a> From<&'a Found> for Line<'a> {
    fn from(Found { queue, record }: &'a Found) -> Self {
        Line {
            id: record.job.id.as_str(),
            job_type: &record.job.job_type,
            name: &record.job.name,
            state: record.state,
            queue,
            attempt: record.attempt,
            crashes: record.crashes,
            params: &record.job.params,
            // An output is JSON by construction; embedded as it is, its numbers stay exact.
            output: record.output.json().and_then(|json| serde_json::from_str(json).ok()),
            error: record.failure.as_ref().map(|failure| failure.message.as_str()),
            enqueued_at: record.enqueued_at,
            due_at: record.due_at,
            follows: record.follows.as_ref().map(JobId::as_str),
            leased_until: record.leased_until,
            progress: record.progress.as_ref(),
            ended_at: record.ended_at,
        }
    }
}

/// `{"jobs": [...]}`, each job on a line of its own.
pub(super) fn list_json(found: &[Found]) -> String {
    jobs_json(found.iter().map(|found| terminal::json_line(&Line::from(found))))
}

/// The same with everything about each job.
pub(super) fn whole_json(found: &[Found]) -> String {
    jobs_json(found.iter().map(|found| {
        terminal::json_line(&Whole {
            line: Line::from(found),
            exit_code: found.record.failure.as_ref().and_then(|failure| failure.exit_code),
            attempts: &found.record.attempts,
            deaths: &found.record.deaths,
            job: &found.record.job,
        })
    }))
}

fn jobs_json(jobs: impl Iterator<Item = String>) -> String {
    let jobs: Vec<String> = jobs.collect();
    if jobs.is_empty() { "{\"jobs\": []}\n".to_owned() } else { format!("{{\"jobs\": [\n{}\n]}}\n", jobs.join(",\n")) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::Ids;
    use crate::outcome::{Cause, Failure, Output};
    use crate::process::Process;
    use crate::units::Dur;

    /// A moment of 24 November 2026, at `time`.
    pub(crate) fn at(time: &str) -> Timestamp {
        format!("2026-11-24T{time}Z").parse().unwrap()
    }

    fn found(queue: &str, json: &str, state: State) -> Found {
        let job = Arc::new(Job::parse(json.as_bytes(), &Ids::system()).unwrap().job);
        let record = JobRecord {
            job,
            state,
            attempt: 0,
            crashes: 0,
            enqueued_at: at("12:00:00"),
            due_at: None,
            follows: None,
            leased_until: None,
            progress: None,
            ended_at: None,
            output: Output::none(),
            failure: None,
            attempts: vec![],
            deaths: vec![],
        };
        Found { queue: queue.into(), record }
    }

    pub(crate) fn done() -> Found {
        let json =
            r#"{"id":"0193571e-8c5e-7cc1-9d5a-3f1b4fa2b1c0","type":"lua","name":"greet","params":{"who": "world", "n":9007199254740993}}"#;
        let mut found = found("jobs", json, State::Done);
        found.record.attempt = 1;
        found.record.output = Output::from_json(r#"{"n":9007199254740993,"f":1.0}"#.into()).unwrap();
        found.record.ended_at = Some(at("12:00:01"));
        found
    }

    pub(crate) fn dead() -> Found {
        let json = r#"{"id":"invoice-7","type":"cli","params":{"program":"/bin/false"},"retries":1,"priority":5,"unique":{"key":"invoice 7","window":"10m"},"tags":["night"]}"#;
        let mut found = found("jobs", json, State::Dead);
        let failure = Failure { exit_code: Some(3), ..Failure::new(Cause::Error, "exit code 3\nstderr: \x1b[31mno such card\x1b[0m") };
        let attempt = |number, failure: Failure, log: &[&str]| Attempt {
            number,
            started_at: at("12:00:02"),
            duration: Dur::millis(120),
            failure: Some(failure),
            log: log.iter().map(|line| (*line).to_owned()).collect(),
        };
        found.record.attempt = 2;
        found.record.crashes = 1;
        let process = Process { host: "rack\x1b[2J".into(), pid: 4711, nonce: "3ed9d3a0b1e9a2c4".into() };
        found.record.deaths = vec![Death { at: at("12:00:03"), process }];
        found.record.attempts = vec![
            attempt(1, Failure::new(Cause::Timeout, "took longer than 100ms"), &[]),
            attempt(2, failure.clone(), &["info  opening", "error \x1b[31mno such card\x1b[0m"]),
        ];
        found.record.failure = Some(failure);
        found.record.ended_at = Some(at("12:00:04"));
        found
    }

    pub(crate) fn scheduled() -> Found {
        let mut found = found("orders", r#"{"id":"later","type":"lua","name":"an\u001b[2Jevil\tname"}"#, State::Scheduled);
        found.record.due_at = Some(at("15:00:00"));
        found
    }

    pub(crate) fn running() -> Found {
        let mut found = found("jobs", r#"{"id":"film","type":"cli","name":"encode"}"#, State::Running);
        found.record.leased_until = Some(at("12:03:20"));
        found.record.progress = Some(Progress::new(0.5, "half\x1b[2J"));
        found
    }

    #[test]
    fn json_has_every_field_and_exact_numbers() {
        let text = list_json(&[done(), dead(), scheduled(), running()]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(list_json(&[]), "{\"jobs\": []}\n");
    }

    #[test]
    fn json_of_one_job_has_its_attempts() {
        let text = whole_json(&[dead()]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        insta::assert_snapshot!(text);
    }
}
