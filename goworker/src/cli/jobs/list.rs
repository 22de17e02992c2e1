//! `jobs CONFIG`: a list, newest first.

use std::path::PathBuf;

use super::record::{Found, list_json};
use crate::cli::fault::Fault;
use crate::cli::queues::{self, Absent, Choice};
use crate::cli::table::Table;
use crate::cli::terminal::{self, Reader};
use crate::cli::{Format, load, when};
use crate::client::OpenQueue;
use crate::clock::{Clock, Timestamp};
use crate::queue::{Filter, State};
use crate::registry::Registry;

/// Which jobs to list.
#[derive(Debug, clap::Args)]
pub(super) struct ListJobs {
    // Neither flattened nor plain, as elsewhere: clap could then not tell a list from a command with options of a list.
    /// The RON file that describes the queues, or the URL of one: `redis://HOST/0?queue=jobs`, `sqlite:jobs.db`
    #[arg(value_name = "CONFIG", value_hint = clap::ValueHint::FilePath, required = true)]
    config: Option<PathBuf>,
    /// Only this queue
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Only jobs in these states: scheduled, ready, running, done, dead, cancelled, expired
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,
    /// Only jobs of this type
    #[arg(long = "type", value_name = "TYPE")]
    job_type: Option<String>,
    /// Not more than this many; 100 on a terminal, otherwise all
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// `json` for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How many jobs a terminal shows unless told otherwise.
const ON_A_TERMINAL: usize = 100;

impl ListJobs {
    pub(super) fn execute(self, registry: &Registry) -> Result<(), Fault> {
        let Some(file) = self.config else { return Err(Fault::Usage("which configuration? write `goworker jobs CONFIG`".into())) };
        let config = load::load_queues(&file, registry)?;
        let reader = Reader::of_stdout();
        let bounded = self.limit.is_none() && self.format == Format::Text && matches!(reader, Reader::Person { .. });
        let limit = if bounded { Some(ON_A_TERMINAL) } else { self.limit };
        let filter = Filter { states: self.state, job_type: self.job_type, limit };
        let choice = Choice::named_or_all(self.queue.as_deref());
        let found = queues::with(config, choice, Absent::IsEmpty, async |queues| find(queues, &filter).await)?;
        match self.format {
            Format::Json => terminal::print_json(&list_json(&found)),
            Format::Text => {
                terminal::print(&table(&found, reader, Clock::system().now()))?;
                if bounded && found.len() == ON_A_TERMINAL {
                    terminal::note(&format!("the newest {ON_A_TERMINAL} are shown; `--limit` shows more"));
                }
                Ok(())
            }
        }
    }
}

/// The jobs of all queues that the filter selects, newest first.
async fn find(queues: &[OpenQueue], filter: &Filter) -> Result<Vec<Found>, Fault> {
    let mut found = Vec::new();
    for queue in queues {
        let records = queue.list(filter).await?;
        found.extend(records.into_iter().map(|record| Found { queue: queue.name().to_owned(), record }));
    }
    if queues.len() > 1 {
        // Each queue's part is in order already, and stays so among equals.
        found.sort_by_key(|found| std::cmp::Reverse(found.record.enqueued_at));
        found.truncate(filter.limit.unwrap_or(usize::MAX));
    }
    Ok(found)
}

fn table(found: &[Found], reader: Reader, now: Timestamp) -> String {
    if found.is_empty() && matches!(reader, Reader::Person { .. }) {
        return "no jobs\n".to_owned();
    }
    // A program may count on every column; a person needs the queue only to tell several apart.
    let one_queue = found.iter().all(|job| job.queue == found[0].queue) && matches!(reader, Reader::Person { .. });
    let head = ["ID", "TYPE", "NAME", "STATE", "QUEUE", "ATTEMPT", "WHEN", "ERROR"];
    let mut table = Table::new(head.into_iter().filter(|column| !one_queue || *column != "QUEUE")).whole(0).whole(3);
    for job in found {
        let record = &job.record;
        let moment = match reader {
            Reader::Person { .. } => when::relative(job.moment(), now),
            Reader::Program => job.moment().to_string(),
        };
        let state = match (&record.progress, reader) {
            (Some(progress), Reader::Person { .. }) => format!("{} {}%", record.state, progress.percent()),
            _ => record.state.to_string(),
        };
        let subject = [record.job.id.to_string(), record.job.job_type.clone(), record.job.name.clone(), state];
        let queue = (!one_queue).then(|| job.queue.clone());
        let rest = [record.attempt.to_string(), moment, job.error().unwrap_or_default().to_owned()];
        table.row(subject.into_iter().chain(queue).chain(rest));
    }
    table.render(reader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::jobs::record::tests::{at, dead, done, running, scheduled};

    fn shown(reader: Reader) -> String {
        let text = table(&[done(), dead(), scheduled(), running()], reader, at("12:03:00"));
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_person_sees_a_table_with_relative_times() {
        insta::assert_snapshot!(shown(Reader::Person { width: Some(120) }));
        insta::assert_snapshot!(table(&[dead()], Reader::Person { width: Some(80) }, at("12:03:00")));
        assert_eq!(table(&[], Reader::Person { width: None }, at("12:03:00")), "no jobs\n");
    }

    #[test]
    fn a_program_gets_exact_lines() {
        insta::assert_snapshot!(shown(Reader::Program));
        assert_eq!(table(&[], Reader::Program, at("12:03:00")), "");
    }
}
