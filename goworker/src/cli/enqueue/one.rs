//! One job, from options.

use std::sync::Arc;
use std::time::Duration;

use super::Warnings;
use super::answers::Answers;
use crate::cli::fault::Fault;
use crate::cli::{escape, terminal};
use crate::client::{OpenQueue, WaitError};
use crate::clock::Clock;
use crate::job::{Ids, Job, JobId, Params, Unique, UniqueMode};
use crate::queue::Enqueued;
use crate::units::Dur;

/// A job, option by option.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "One job")]
pub(super) struct OneJob {
    /// Which worker runs it: a key of `workers`
    #[arg(long = "type", value_name = "TYPE", required = false, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    job_type: String,
    /// What to run: the script of a `lua` worker, a label for others
    #[arg(long, requires = "job_type")]
    name: Option<String>,
    /// The arguments, any JSON
    #[arg(long, value_name = "JSON", allow_hyphen_values = true, requires = "job_type")]
    params: Option<String>,
    /// How many times to try again after the first attempt
    #[arg(long, value_name = "N", requires = "job_type")]
    retries: Option<u32>,
    /// -100 to 100; higher starts earlier
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i8).range(-100..=100), requires = "job_type")]
    priority: Option<i8>,
    /// Do not start it before so long, such as `30s` or `1h 30m`
    #[arg(long, value_name = "TIME", requires = "job_type")]
    delay: Option<Dur>,
    /// Let it expire if it has not been started within so long
    #[arg(long, value_name = "TIME", requires = "job_type")]
    ttl: Option<Dur>,
    /// Wait so long for its end, and print its output instead of its id
    #[arg(long, value_name = "TIME", requires = "job_type")]
    wait: Option<Dur>,
    /// Its id; a new one if left out
    #[arg(long, requires = "job_type")]
    id: Option<JobId>,
    /// Only if no other job of this type, name and params is there that has not ended
    #[arg(long, requires = "job_type")]
    unique: bool,
    /// The same for jobs with this key, whatever their type
    #[arg(long, value_name = "KEY", requires = "job_type")]
    unique_key: Option<String>,
    /// And hold the key at least so long, even if the job has ended by then
    #[arg(long, value_name = "TIME", requires = "job_type")]
    unique_window: Option<Dur>,
    /// What happens if another job holds the key: `reject` creates nothing and answers that job's id; `replace` cancels that job and creates this one, if that one waits and does not run; `keep_last` does so too, and if that one runs, this one runs after it
    #[arg(long, value_name = "MODE", requires = "job_type")]
    unique_mode: Option<UniqueMode>,
    /// Keep the output where that has to be asked for: what a `cli` job prints
    #[arg(long, requires = "job_type")]
    capture_output: bool,
}

impl OneJob {
    /// How long to wait for its end, if at all.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.wait.map(Dur::get)
    }

    /// The job that the options describe.
    pub(super) fn into_job(self) -> Result<Job, Fault> {
        let mut job = Job::new(self.id.unwrap_or_else(|| Ids::system().next()), self.job_type);
        job.name = self.name.unwrap_or_default();
        if let Some(text) = self.params {
            job.params = params(text).map_err(Fault::Usage)?;
        }
        job.retries = self.retries;
        job.priority = self.priority.unwrap_or(0);
        job.delay = self.delay;
        job.expires_at = self.ttl.map(|ttl| Clock::system().now().after(ttl.get()));
        let is_unique = self.unique || self.unique_key.is_some() || self.unique_window.is_some() || self.unique_mode.is_some();
        if is_unique {
            let unique = Unique { key: self.unique_key, window: self.unique_window, mode: self.unique_mode.unwrap_or_default() };
            unique.check().map_err(|error| Fault::Usage(format!("`--unique-key` {}", error.message)))?;
            job.unique = Some(unique);
        }
        job.capture_output = self.capture_output.then_some(true);
        Ok(job)
    }
}

fn params(text: String) -> Result<Params, String> {
    if text.trim().is_empty() {
        return Err("`--params` is empty; leave it out, or give JSON such as '{\"who\":\"world\"}'".to_owned());
    }
    Params::from_json(text.clone()).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        // serde_json counts bytes.
        let before = line.get(..error.column().saturating_sub(1)).unwrap_or(line).chars().count();
        let caret = " ".repeat(before);
        format!("`--params` is not JSON: {message}, line {} column {}\n  {}\n  {caret}^", error.line(), before + 1, escape::line(line))
    })
}

/// Puts it into the queue, and prints what became of it; or its output, if that is to be waited for.
pub(super) async fn enqueue(
    job: Job,
    queue: &OpenQueue,
    mut warnings: Warnings,
    wait: Option<Duration>,
    printed: Answers,
) -> Result<(), Fault> {
    if let Some(warning) = warnings.of_type(&job.job_type) {
        terminal::warning(&warning);
    }
    let mut id = job.id.clone();
    let answers = queue.handle().enqueue(&[Arc::new(job)], None).await.map_err(|error| Fault::store(queue.name(), &error))?;
    let mut line = String::new();
    for answer in &answers {
        printed.add(&mut line, &id, answer);
    }
    if wait.is_none() {
        terminal::print(&line)?;
    }
    match answers.as_slice() {
        [Enqueued::Conflict] => {
            return Err(Fault::Failed(format!("queue `{}` has another job with the id `{id}`; nothing was enqueued", queue.name())));
        }
        [Enqueued::Exists] => terminal::note(&format!("queue `{}` has this job already; nothing was enqueued", queue.name())),
        [Enqueued::Held(holder)] => {
            terminal::note(&format!("held by {holder}: that job in queue `{}` has the same key; nothing was enqueued", queue.name()));
            id = holder.clone();
        }
        [Enqueued::Replaced(other)] => terminal::note(&format!("replaces {other}, which waited and is cancelled now")),
        _ => {}
    }
    let Some(at_most) = wait else { return Ok(()) };
    terminal::note(&format!("waiting for job {id}"));
    match queue.wait(&id, at_most).await {
        Ok(output) => output.json().map_or(Ok(()), |json| terminal::print_json(&format!("{json}\n"))),
        Err(WaitError::Client(error)) => Err(Fault::Unavailable(error.to_string())),
        Err(error) => Err(Fault::Failed(escape::lines(&error.to_string()).collect::<Vec<_>>().join("\n"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_are_kept_as_they_were_written() {
        assert_eq!(params(r#" {"n": 9007199254740993, "f":1.0} "#.into()).unwrap().get(), r#"{"n": 9007199254740993, "f":1.0}"#);
    }

    #[test]
    fn params_that_are_not_json_are_shown_with_the_place() {
        let texts = [r#"{"who" "world"}"#, r#"{"größe": oops}"#, "{\n  \"a\": 1,\n}", "", "{\"a\":1} x", "'{}'"];
        let errors: Vec<String> = texts.iter().map(|text| params((*text).to_owned()).unwrap_err()).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
