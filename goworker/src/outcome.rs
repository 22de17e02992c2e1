//! How an attempt ended, and what follows from it: [`decide`] is the whole policy, a pure function.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::job::{Job, JobError, Params};
use crate::retry::RetryPolicy;
use crate::units::Dur;

/// What a worker returns: its output, or why there is none.
pub type WorkResult = Result<Output, WorkError>;

/// What an attempt produced: JSON text, or nothing.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Output(Option<Box<RawValue>>);

impl Output {
    /// No output.
    pub const fn none() -> Self {
        Output(None)
    }

    /// The JSON form of `value`.
    ///
    /// # Errors
    /// When the value has no JSON form (a map whose keys are not strings, say).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Output(Some(raw)))
    }

    /// Output that is JSON text already, kept byte for byte.
    ///
    /// # Errors
    /// When the text is not JSON.
    pub fn from_json(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Output(Some(raw)))
    }

    /// The output as `T`; none is `null`.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.json().unwrap_or("null"))
    }

    /// The JSON text, if there is output.
    pub fn json(&self) -> Option<&str> {
        self.0.as_deref().map(RawValue::get)
    }
}

impl PartialEq for Output {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl From<()> for Output {
    fn from((): ()) -> Self {
        Output::none()
    }
}

impl From<serde_json::Value> for Output {
    fn from(value: serde_json::Value) -> Self {
        // A `Value` always has a JSON form.
        Output(serde_json::value::to_raw_value(&value).ok())
    }
}

/// Why an attempt did not succeed, and what should follow.
///
/// Every error that `anyhow` takes becomes [`retry`](WorkError::retry) by `?`, so a worker only says so when
/// something else is meant. Arguments that do not fit ([`Job::params`]) fail at once.
#[derive(Debug)]
pub struct WorkError {
    then: Then,
    failure: Failure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Retry,
    RetryAfter(Duration),
    Fail,
    Snooze(Duration),
}

impl WorkError {
    /// Try again, when the policy says so.
    pub fn retry(error: impl Into<anyhow::Error>) -> Self {
        WorkError::new(Then::Retry, error)
    }

    /// Try again after `delay`, whatever the policy's back-off says. Counts as an attempt.
    pub fn retry_after(error: impl Into<anyhow::Error>, delay: Duration) -> Self {
        WorkError::new(Then::RetryAfter(delay), error)
    }

    /// Do not try again: the job is dead.
    pub fn fail(error: impl Into<anyhow::Error>) -> Self {
        WorkError::new(Then::Fail, error)
    }

    /// The worker has found out by itself that the attempt took too long. Tried again like any other error.
    ///
    /// A worker with no clock of its own needs no such error: the manager knows when an attempt's time is up.
    pub fn timeout(error: impl Into<anyhow::Error>) -> Self {
        let mut timeout = WorkError::retry(error);
        timeout.failure.cause = Cause::Timeout;
        timeout
    }

    /// Not now: run it again after `delay`. Does not count as an attempt.
    pub fn snooze(delay: Duration) -> Self {
        WorkError { then: Then::Snooze(delay), failure: Failure::new(Cause::Error, "snoozed") }
    }

    /// Adds the exit code of the process that failed.
    #[must_use]
    pub fn with_exit_code(mut self, code: i32) -> Self {
        self.failure.exit_code = Some(code);
        self
    }

    fn new(then: Then, error: impl Into<anyhow::Error>) -> Self {
        // `{:#}` prints the chain of causes in one line.
        WorkError { then, failure: Failure::new(Cause::Error, format!("{:#}", error.into())) }
    }
}

/// An error retries, except one that trying again cannot mend: arguments that do not fit.
impl<E: Into<anyhow::Error>> From<E> for WorkError {
    fn from(error: E) -> Self {
        let error = error.into();
        let then = if error.is::<JobError>() { Then::Fail } else { Then::Retry };
        WorkError::new(then, error)
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it was.
    pub cause: Cause,
    /// The error, for people. May have several lines.
    pub message: String,
    /// The exit code, where a process ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

impl Failure {
    /// A failure with a message.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Failure { cause, message: message.into(), exit_code: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The worker reported an error.
    Error,
    /// The worker panicked.
    Panic,
    /// The attempt took longer than it may.
    Timeout,
    /// The process died on it too often.
    Poison,
    /// No worker of this configuration runs its type.
    NoWorker,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The work is done.
    Done(Output),
    /// It failed and may be tried again: after the given delay, or when the policy says.
    Retry(Failure, Option<Duration>),
    /// It failed and must not be tried again.
    Failed(Failure),
    /// The worker asks to run it later.
    Snoozed(Duration),
    /// It was cancelled by a person or a program.
    Cancelled,
    /// It was given up unfinished because the process shuts down.
    Interrupted,
}

impl From<WorkResult> for Outcome {
    fn from(result: WorkResult) -> Self {
        match result {
            Ok(output) => Outcome::Done(output),
            Err(WorkError { then, failure }) => match then {
                Then::Retry => Outcome::Retry(failure, None),
                Then::RetryAfter(delay) => Outcome::Retry(failure, Some(delay)),
                Then::Fail => Outcome::Failed(failure),
                Then::Snooze(delay) => Outcome::Snoozed(delay),
            },
        }
    }
}

/// One run of a job, as it is remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Dur,
    /// Why it failed; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The last lines that it logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

/// What a provider is told about a delivery, once.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    /// It has succeeded. The output is absent if it is not to be kept.
    Done {
        /// What is kept of the result.
        output: Output,
    },
    /// Hand it out again, not before `after` has passed on the store's clock.
    Retry {
        /// The delay.
        after: Duration,
        /// Whether this counts as an attempt (a snooze does not).
        charged: bool,
    },
    /// It has failed for good: keep it as a dead letter, and enqueue the handler jobs in the same atomic step.
    Dead {
        /// Why.
        failure: Failure,
        /// One job per failure handler.
        handlers: Vec<Arc<Job>>,
    },
    /// It was cancelled.
    Cancelled,
    /// Given back unfinished: hand it out again at once, and count nothing.
    Release,
}

/// Who receives a job that has died: the key of a worker, or a job of its own making.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureHandler {
    /// Names the handler in ids: `ID:NAME`.
    pub name: String,
    /// The type of the handler job.
    pub job_type: String,
    /// The name of the handler job; that of the failed job if absent.
    pub job_name: Option<String>,
    /// The params of the handler job, an object; the failed job is added under `failed`.
    pub params: serde_json::Map<String, serde_json::Value>,
}

/// What a decision needs to know about the job beside how it ended.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The policy of the worker, which the job's own `retries` overrides.
    pub retry: &'a RetryPolicy,
    /// Who receives the job if it dies.
    pub handlers: &'a [FailureHandler],
    /// How many attempts were charged before it was retried by hand; 0 if it was not.
    pub earlier: u32,
}

/// The whole policy: what to tell the provider about a job whose attempt ended with `outcome`.
///
/// `attempts` are the job's charged attempts in order, this one last (unless the outcome charges none).
/// `random` in `0.0..1.0` feeds the jitter. No clock, no I/O.
pub fn decide(job: &Job, attempts: &[Attempt], outcome: Outcome, rules: Rules<'_>, random: f64) -> Settlement {
    match outcome {
        Outcome::Done(output) => {
            let output = if job.capture_output == Some(false) { Output::none() } else { output };
            Settlement::Done { output }
        }
        Outcome::Retry(failure, delay) => {
            let failed = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
            let retries = job.retries.unwrap_or(rules.retry.retries);
            if failed > retries {
                return dead(job, attempts, failure, rules);
            }
            let after = delay.unwrap_or_else(|| rules.retry.backoff.delay(failed, random));
            Settlement::Retry { after, charged: true }
        }
        Outcome::Failed(failure) => dead(job, attempts, failure, rules),
        Outcome::Snoozed(delay) => Settlement::Retry { after: delay, charged: false },
        Outcome::Cancelled => Settlement::Cancelled,
        Outcome::Interrupted => Settlement::Release,
    }
}

fn dead(job: &Job, attempts: &[Attempt], failure: Failure, rules: Rules<'_>) -> Settlement {
    // A handler's own job has no handlers, or one that cannot work would go on for ever.
    let handlers = if is_handler_job(job) { &[] } else { rules.handlers };
    let made = |handler| Arc::new(handler_job(job, attempts, &failure, handler, rules.earlier));
    let handlers = handlers.iter().map(made).collect();
    Settlement::Dead { failure, handlers }
}

/// The mark of a handler job in `meta`: the id of the job that died.
const HANDLER_MARK: &str = "failure_handler_of";

fn is_handler_job(job: &Job) -> bool {
    job.meta.contains_key(HANDLER_MARK)
}

/// The failed job as a handler receives it, under `failed` in its params.
#[derive(Serialize)]
struct Failed<'a> {
    job: &'a Job,
    error: &'a Failure,
    attempts: &'a [Attempt],
}

fn handler_job(job: &Job, attempts: &[Attempt], failure: &Failure, handler: &FailureHandler, earlier: u32) -> Job {
    #[derive(Serialize)]
    struct HandlerParams<'a> {
        #[serde(flatten)]
        own: &'a serde_json::Map<String, serde_json::Value>,
        failed: Failed<'a>,
    }
    let params = HandlerParams { own: &handler.params, failed: Failed { job, error: failure, attempts } };
    let first = job.id.child(&handler.name);
    // A job that was retried by hand and dies again is told again, and not taken for the one that died before.
    let id = if earlier == 0 { first } else { first.child(&earlier.to_string()) };
    let mut made = Job::new(id, handler.job_type.clone());
    made.name = handler.job_name.clone().unwrap_or_else(|| job.name.clone());
    // A job, its failure and its attempts are strings, numbers and JSON: they always have a JSON form.
    made.params = Params::of(&params).unwrap_or_default();
    made.meta.insert(HANDLER_MARK.to_owned(), job.id.as_str().into());
    made.traceparent.clone_from(&job.traceparent);
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Ids;
    use crate::retry::Backoff;

    fn job(text: &str) -> Job {
        Job::parse(text.as_bytes(), &Ids::system()).unwrap().job
    }

    fn attempts(count: u32) -> Vec<Attempt> {
        let attempt = |number| Attempt {
            number,
            started_at: Timestamp::from_millis(0),
            duration: Dur::millis(3),
            failure: Some(Failure::new(Cause::Error, "boom")),
            log: vec![],
        };
        (1..=count).map(attempt).collect()
    }

    fn decided(text: &str, count: u32, outcome: Outcome) -> Settlement {
        let retry = RetryPolicy { retries: 2, backoff: Backoff::Fixed(Dur::secs(7)) };
        let attic = FailureHandler { name: "attic".into(), job_type: "attic".into(), job_name: None, params: serde_json::Map::new() };
        decide(&job(text), &attempts(count), outcome, Rules { retry: &retry, handlers: &[attic], earlier: 0 }, 0.0)
    }

    fn boom() -> Failure {
        Failure::new(Cause::Error, "boom")
    }

    #[test]
    fn each_outcome_has_its_settlement() {
        let j = r#"{"id":"a","type":"x"}"#;
        let ok = || Outcome::Done(Output::from(serde_json::json!(1)));
        assert_eq!(decided(j, 1, ok()), Settlement::Done { output: Output::from(serde_json::json!(1)) });
        assert_eq!(decided(r#"{"id":"a","type":"x","capture_output":false}"#, 1, ok()), Settlement::Done { output: Output::none() });
        assert_eq!(
            decided(j, 0, Outcome::Snoozed(Duration::from_secs(9))),
            Settlement::Retry { after: Duration::from_secs(9), charged: false }
        );
        assert_eq!(decided(j, 0, Outcome::Cancelled), Settlement::Cancelled);
        assert_eq!(decided(j, 0, Outcome::Interrupted), Settlement::Release);
        let again = |secs| Settlement::Retry { after: Duration::from_secs(secs), charged: true };
        assert_eq!(decided(j, 1, Outcome::Retry(boom(), None)), again(7));
        assert_eq!(decided(j, 2, Outcome::Retry(boom(), Some(Duration::from_secs(1)))), again(1));
    }

    #[test]
    fn retries_counts_what_comes_after_the_first_attempt() {
        let dies = |text, count| matches!(decided(text, count, Outcome::Retry(boom(), None)), Settlement::Dead { .. });
        assert!(!dies(r#"{"id":"a","type":"x"}"#, 2) && dies(r#"{"id":"a","type":"x"}"#, 3));
        assert!(dies(r#"{"id":"a","type":"x","retries":0}"#, 1));
        assert!(!dies(r#"{"id":"a","type":"x","retries":5}"#, 5) && dies(r#"{"id":"a","type":"x","retries":5}"#, 6));
        assert!(matches!(decided(r#"{"id":"a","type":"x"}"#, 1, Outcome::Failed(boom())), Settlement::Dead { .. }));
    }

    #[test]
    fn a_dead_job_goes_whole_to_each_handler() {
        let text = r#"{"id":"a","type":"x","name":"n","params":{"big":9007199254740993}}"#;
        let Settlement::Dead { handlers, .. } = decided(text, 3, Outcome::Retry(boom(), None)) else { panic!("not dead") };
        insta::assert_snapshot!(handlers[0].to_json());
    }

    #[test]
    fn a_handler_job_has_no_handlers_of_its_own() {
        let Settlement::Dead { handlers, .. } = decided(r#"{"id":"a","type":"x"}"#, 1, Outcome::Failed(boom())) else { panic!("not dead") };
        let again = decided(&handlers[0].to_json(), 9, Outcome::Failed(boom()));
        assert_eq!(again, Settlement::Dead { failure: boom(), handlers: vec![] });
    }

    #[test]
    fn an_error_retries_unless_the_arguments_do_not_fit() {
        fn work(job: &Job) -> WorkResult {
            let _: u8 = job.params()?;
            Err(std::io::Error::other("disk"))?
        }
        assert!(matches!(Outcome::from(work(&job(r#"{"type":"x","params":"no"}"#))), Outcome::Failed(_)));
        assert!(matches!(Outcome::from(work(&job(r#"{"type":"x","params":1}"#))), Outcome::Retry(_, None)));
    }
}
