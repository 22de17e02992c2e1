//! `jobs retry`, `jobs cancel`, `jobs delete`: by id, or all in a state.

use super::distinct;
use crate::cli::fault::Fault;
use crate::cli::load::QueuesArg;
use crate::cli::queues::{self, Absent, Choice};
use crate::cli::terminal;
use crate::client::OpenQueue;
use crate::job::JobId;
use crate::provider::ProviderError;
use crate::queue::{Change, Filter, MAX_BULK, State};
use crate::registry::Registry;

/// Which jobs to change.
#[derive(Debug, clap::Args)]
#[command(after_help = "Prints the ids of the jobs that were changed, one a line. Exit code 1 if one could not be.")]
pub(super) struct ChangeJobs {
    #[command(flatten)]
    config: QueuesArg,
    /// Their ids
    #[arg(value_name = "ID", required_unless_present = "state")]
    ids: Vec<JobId>,
    /// All jobs in these states instead
    #[arg(long, value_name = "STATE", value_delimiter = ',', conflicts_with = "ids")]
    state: Vec<State>,
    /// With `--state`: only jobs of this type
    #[arg(long = "type", value_name = "TYPE", requires = "state", conflicts_with = "ids")]
    job_type: Option<String>,
    /// Only in this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
}

/// What is done to the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Retry,
    Cancel,
    Delete,
}

impl ChangeJobs {
    pub(super) fn execute(self, verb: Verb, registry: &Registry) -> Result<(), Fault> {
        let config = self.config.load(registry)?;
        let choice = Choice::named_or_all(self.queue.as_deref());
        queues::with(config, choice, Absent::IsEmpty, async |queues| {
            if self.state.is_empty() {
                change_by_id(verb, queues, &distinct(&self.ids)).await
            } else {
                let filter = Filter { states: self.state, job_type: self.job_type, limit: None };
                change_all(verb, queues, &filter).await
            }
        })
    }
}

async fn change_all(verb: Verb, queues: &[OpenQueue], filter: &Filter) -> Result<(), Fault> {
    let mut tally = Tally::default();
    for queue in queues {
        let records = queue.list(filter).await?;
        let ids: Vec<JobId> = records.into_iter().map(|record| record.job.id.clone()).collect();
        // A job that has moved on since the list was made is no longer meant.
        tally.add(verb, queue, &ids, |change| matches!(change, Change::Refused(_) | Change::Absent)).await?;
    }
    tally.finish(verb)
}

async fn change_by_id(verb: Verb, queues: &[OpenQueue], ids: &[JobId]) -> Result<(), Fault> {
    let mut tally = Tally::default();
    if let [queue] = queues {
        tally.add(verb, queue, ids, |_| false).await?;
        return tally.finish(verb);
    }
    let mut by_queue: Vec<Vec<JobId>> = vec![Vec::new(); queues.len()];
    for id in ids {
        let mut holders = Vec::new();
        for (index, queue) in queues.iter().enumerate() {
            if queue.get(id).await?.is_some() {
                holders.push(index);
            }
        }
        match holders.as_slice() {
            [] => tally.refuse(&format!("there is no job `{id}`")),
            [index] => by_queue[*index].push(id.clone()),
            several => {
                let names: Vec<&str> = several.iter().map(|index| queues[*index].name()).collect();
                tally.refuse(&format!("job `{id}` is in the queues {}; name one with `--queue`", names.join(", ")));
            }
        }
    }
    for (queue, ids) in queues.iter().zip(by_queue) {
        tally.add(verb, queue, &ids, |_| false).await?;
    }
    tally.finish(verb)
}

/// What became of the jobs so far.
#[derive(Debug, Default)]
struct Tally {
    changed: usize,
    requested: usize,
    refused: usize,
}

impl Tally {
    /// Changes jobs of one queue, in calls of a bounded size, and tells what became of each that is not `ignored`.
    async fn add(&mut self, verb: Verb, queue: &OpenQueue, ids: &[JobId], ignored: impl Fn(&Change) -> bool) -> Result<(), Fault> {
        for ids in ids.chunks(MAX_BULK) {
            let changes = verb.apply(queue, ids).await.map_err(|error| Fault::store(queue.name(), &error))?;
            let mut printed = String::new();
            for (id, change) in ids.iter().zip(changes).filter(|(_, change)| !ignored(change)) {
                match change {
                    Change::Changed => self.changed += 1,
                    Change::Requested => self.requested += 1,
                    Change::Refused(state) => {
                        self.refuse(&format!("job `{id}` is {state}: {}", verb.condition()));
                        continue;
                    }
                    Change::Held(holder) => {
                        self.refuse(&format!("job `{id}` is not to run beside `{holder}`, which holds its key"));
                        continue;
                    }
                    Change::Absent => {
                        self.refuse(&format!("there is no job `{id}`"));
                        continue;
                    }
                }
                printed.push_str(id.as_str());
                printed.push('\n');
            }
            terminal::print(&printed)?;
        }
        Ok(())
    }

    fn refuse(&mut self, reason: &str) {
        self.refused += 1;
        terminal::error(reason);
    }

    fn finish(self, verb: Verb) -> Result<(), Fault> {
        terminal::note(&self.told(verb));
        if self.refused > 0 { Err(Fault::Told) } else { Ok(()) }
    }

    fn told(&self, verb: Verb) -> String {
        let jobs = if self.changed == 1 { "job" } else { "jobs" };
        let mut text = format!("{} {jobs} {}", self.changed, verb.done());
        if self.requested > 0 {
            text += &format!(", {} running: cancelled as soon as the worker hears of it", self.requested);
        }
        text
    }
}

impl Verb {
    async fn apply(self, queue: &OpenQueue, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        match self {
            Verb::Retry => queue.handle().retry(ids).await,
            Verb::Cancel => queue.handle().cancel(ids).await,
            Verb::Delete => queue.handle().delete(ids).await,
        }
    }

    fn done(self) -> &'static str {
        match self {
            Verb::Retry => "ready again",
            Verb::Cancel => "cancelled",
            Verb::Delete => "deleted",
        }
    }

    /// Which jobs it is for.
    fn condition(self) -> &'static str {
        match self {
            Verb::Retry => "only jobs that have ended can be retried",
            Verb::Cancel => "only jobs that have not ended can be cancelled",
            Verb::Delete => "only jobs that do not run can be deleted; cancel it first",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_tells_what_was_done() {
        let told = |changed, requested, verb| Tally { changed, requested, refused: 0 }.told(verb);
        assert_eq!(told(1, 0, Verb::Retry), "1 job ready again");
        assert_eq!(told(0, 0, Verb::Delete), "0 jobs deleted");
        assert_eq!(told(3, 2, Verb::Cancel), "3 jobs cancelled, 2 running: cancelled as soon as the worker hears of it");
    }
}
