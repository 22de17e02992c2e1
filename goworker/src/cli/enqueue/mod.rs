//! `enqueue`: puts one job, or a file of jobs, into a queue.

mod answers;
mod bulk;
mod one;
mod params;
mod warnings;

use std::path::PathBuf;
use std::time::Duration;

use super::Format;
use super::escape;
use super::fault::Fault;
use super::load::QueuesArg;
use super::queues::{self, Absent, Choice};
use crate::registry::Registry;
use answers::Answers;
use params::ParamsCheck;
use warnings::Warnings;

/// Put jobs into a queue
///
/// Prints the ids of the jobs, one a line, once they are accepted: stored as durably as the queue can.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  goworker enqueue config.ron --type lua --name greet --params '{\"who\":\"world\"}'
  goworker enqueue config.ron --type cli --params '{\"command\":\"/bin/date\"}' --delay 30s --retries 2
  goworker enqueue config.ron --type lua --name report --ttl 10m --wait 1m
  goworker enqueue config.ron --type lua --name sync --unique-key customer-7 --unique-window 10m
  goworker enqueue config.ron --file jobs.jsonl > ids.txt
  produce-jobs | goworker enqueue config.ron --into orders --file -

A line of a file is a job: {\"type\":\"lua\",\"name\":\"greet\",\"params\":{\"who\":\"world\"},\"retries\":3}
Params are checked against the schema of the worker, if it has one: `goworker describe KIND` shows it.
Of jobs with `unique` and the same key only one is there at a time: for the others its id is printed.
A job whose `id` is there already is not stored again, so an interrupted file of jobs with ids can be enqueued once more.")]
pub(super) struct EnqueueArgs {
    #[command(flatten)]
    config: QueuesArg,
    /// The queue; may be left out if there is only one
    #[arg(long, value_name = "QUEUE")]
    into: Option<String>,
    /// A file of jobs, one JSON object a line; `-` reads stdin
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "OneJob")]
    file: Option<PathBuf>,
    /// `json` for programs: a line for each job with what became of it
    #[arg(long, value_enum, default_value_t = Format::Text, conflicts_with = "wait")]
    format: Format,
    #[command(flatten)]
    job: Option<one::OneJob>,
}

impl EnqueueArgs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let work = match (self.job, self.file) {
            (Some(job), _) => {
                let wait = job.wait();
                Work::One(Box::new(job.into_job()?), wait)
            }
            (None, Some(path)) => Work::Bulk(bulk::Source::open(path)?),
            (None, None) => {
                return Err(Fault::Usage("what is to be enqueued? give a job with `--type`, or a file of jobs with `--file`".into()));
            }
        };
        let config = self.config.load(registry)?;
        let choice = self.into.as_deref().map_or(Choice::Only { option: "--into" }, Choice::Named);
        let (warnings, params) = (Warnings::new(&config), ParamsCheck::of(&config, registry));
        let answers = Answers(self.format);
        if let Work::One(job, _) = &work {
            params.check(job).map_err(|wrong| Fault::Usage(escape::line(&wrong).into_owned()))?;
        }
        queues::with(config, choice, Absent::IsMade, async |queues| {
            // The choice was for one queue.
            let [queue] = queues else { return Ok(()) };
            match work {
                Work::One(job, wait) => one::enqueue(*job, queue, warnings, wait, answers).await,
                Work::Bulk(source) => bulk::enqueue(source, queue, warnings, params, answers).await,
            }
        })
    }
}

enum Work {
    One(Box<crate::job::Job>, Option<Duration>),
    Bulk(bulk::Source),
}
