//! A job as `jobs` shows it, and where it was found.

use crate::cli::terminal;
use crate::clock::Timestamp;
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

/// `{"jobs": [...]}`, each job on a line of its own.
pub(super) fn list_json(found: &[Found]) -> String {
    jobs_json(found.iter().map(|Found { queue, record }| terminal::json_line(&record.line(queue))))
}

/// The same with everything about each job.
pub(super) fn whole_json(found: &[Found]) -> String {
    jobs_json(found.iter().map(|Found { queue, record }| record.to_json(queue)))
}

fn jobs_json(jobs: impl Iterator<Item = String>) -> String {
    let jobs: Vec<String> = jobs.collect();
    if jobs.is_empty() { "{\"jobs\": []}\n".to_owned() } else { format!("{{\"jobs\": [\n{}\n]}}\n", jobs.join(",\n")) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::job::{Ids, Job};
    use crate::outcome::{Attempt, Cause, Failure, Output};
    use crate::process::{Death, Process};
    use crate::progress::Progress;
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
