//! The queues of a configuration, opened from outside: no worker is started, and a daemon may use them meanwhile.

use super::fault::Fault;
use super::terminal;
use crate::config::{Config, ProviderEntry, Source};
use crate::plugin::{AnyQueue, QueueHandle};
use crate::provider::Setup;
use crate::settings::did_you_mean;

/// Which queues a command is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Choice<'a> {
    /// The one of that name.
    Named(&'a str),
    /// The only one there is. The option names one if there are several.
    Only {
        /// The option's name, for the error.
        option: &'static str,
    },
    /// All that are stored.
    All,
}

impl<'a> Choice<'a> {
    /// The queue that an option names, or all.
    pub(super) fn named_or_all(name: Option<&'a str>) -> Self {
        name.map_or(Choice::All, Choice::Named)
    }
}

/// What becomes of a store that is not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// It is made: there are jobs to put into it.
    IsMade,
    /// It is an empty queue.
    IsEmpty,
}

/// An open queue.
#[derive(Debug)]
pub(super) struct OpenQueue {
    /// Its key in the configuration.
    pub(super) name: String,
    /// Its kind.
    pub(super) kind: &'static str,
    /// The queue.
    pub(super) handle: QueueHandle,
}

/// Opens the chosen queues, does the work, and closes them again whatever came of it.
pub(super) fn with<T>(
    config: Config,
    choice: Choice<'_>,
    absent: Absent,
    work: impl AsyncFnOnce(&[OpenQueue]) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let base = config.base.clone();
    let entries = chosen(config, choice)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::Unavailable(format!("no event loop to be had: {error}")))?;
    runtime.block_on(async {
        let mut queues = Vec::with_capacity(entries.len());
        for (entry, queue) in entries {
            let setup = Setup { lease: entry.lease, keep: entry.keep, create: absent == Absent::IsMade, ..Setup::new(&entry.name, &base) };
            match queue.start(&setup).await {
                Ok(handle) => queues.push(OpenQueue { name: entry.name, kind: entry.kind, handle }),
                Err(error) => {
                    close(&queues).await;
                    return Err(Fault::Unavailable(format!("queue `{}` could not be opened: {error:#}", entry.name)));
                }
            }
        }
        let result = work(&queues).await;
        close(&queues).await;
        result
    })
}

async fn close(queues: &[OpenQueue]) {
    for queue in queues {
        if let Err(error) = queue.handle.close().await {
            terminal::warning(&format!("queue `{}` did not close: {error:#}", queue.name));
        }
    }
}

/// What opening a queue needs of its entry.
struct Entry {
    name: String,
    kind: &'static str,
    lease: std::time::Duration,
    keep: crate::provider::Keep,
}

fn chosen(config: Config, choice: Choice<'_>) -> Result<Vec<(Entry, AnyQueue)>, Fault> {
    let file = config.path.display().to_string();
    let mut queues: Vec<(Entry, AnyQueue)> = config.providers.into_iter().filter_map(queue).collect();
    let known: Vec<Known<'_>> = queues.iter().map(|(entry, queue)| Known { name: &entry.name, durable: queue.is_durable() }).collect();
    let picked = pick(&known, choice, &file).map_err(Fault::Usage)?;
    let passed_over: Vec<&str> = known.iter().filter(|queue| !queue.durable).map(|queue| queue.name).collect();
    if matches!(choice, Choice::All) && !passed_over.is_empty() {
        terminal::note(&format!("left out, because it lives in the memory of the process that runs it: {}", passed_over.join(", ")));
    }
    let mut index = 0..;
    queues.retain(|_| index.next().is_some_and(|index| picked.contains(&index)));
    Ok(queues)
}

fn queue(entry: ProviderEntry) -> Option<(Entry, AnyQueue)> {
    let ProviderEntry { name, kind, source, lease, keep } = entry;
    match source {
        Source::Queue(queue) => Some((Entry { name, kind, lease, keep }, queue)),
        Source::Link(..) | Source::Direct(_) => None,
    }
}

/// What a choice needs to know about a queue.
#[derive(Debug, Clone, Copy)]
struct Known<'a> {
    name: &'a str,
    durable: bool,
}

/// The positions of the chosen queues, or why there is none to choose.
fn pick(queues: &[Known<'_>], choice: Choice<'_>, file: &str) -> Result<Vec<usize>, String> {
    if queues.is_empty() {
        return Err(format!("{file} has no queue; one is written `providers: {{ \"jobs\": sqlite(path: \"jobs.db\") }}`"));
    }
    let names: Vec<&str> = queues.iter().map(|queue| queue.name).collect();
    let index = match choice {
        Choice::All => {
            let stored: Vec<usize> = (0..queues.len()).filter(|index| queues[*index].durable).collect();
            return if stored.is_empty() { Err(in_memory(&names)) } else { Ok(stored) };
        }
        Choice::Named(name) => names.iter().position(|known| *known == name).ok_or_else(|| unknown(name, &names, file))?,
        Choice::Only { option } if queues.len() > 1 => {
            return Err(format!("{file} has several queues: {}; name one with `{option}`", names.join(", ")));
        }
        Choice::Only { .. } => 0,
    };
    if queues[index].durable { Ok(vec![index]) } else { Err(in_memory(&names[index..=index])) }
}

fn unknown(name: &str, names: &[&str], file: &str) -> String {
    let hint = did_you_mean(name, names.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{file} has no queue `{name}`, only {}{hint}", names.join(", "))
}

fn in_memory(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!(
        "{}: a memory queue lives only inside the process that runs it, so nobody else can read it or put jobs into it; \
         a stored one, such as `sqlite`, can be shared",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: Known<'_> = Known { name: "jobs", durable: true };
    const ORDERS: Known<'_> = Known { name: "orders", durable: true };
    const SCRATCH: Known<'_> = Known { name: "scratch", durable: false };
    const INTO: Choice<'_> = Choice::Only { option: "--into" };

    #[test]
    fn the_only_queue_needs_no_name() {
        assert_eq!(pick(&[JOBS], INTO, "c.ron"), Ok(vec![0]));
        assert_eq!(pick(&[SCRATCH, JOBS, ORDERS], Choice::All, "c.ron"), Ok(vec![1, 2]));
        assert_eq!(pick(&[JOBS, ORDERS], Choice::Named("orders"), "c.ron"), Ok(vec![1]));
    }

    #[test]
    fn a_queue_that_cannot_be_chosen_is_explained() {
        let errors = [
            pick(&[], INTO, "c.ron"),
            pick(&[JOBS, ORDERS], INTO, "c.ron"),
            pick(&[JOBS, ORDERS], Choice::Named("order"), "c.ron"),
            pick(&[JOBS, SCRATCH], Choice::Named("scratch"), "c.ron"),
            pick(&[SCRATCH], Choice::All, "c.ron"),
        ];
        let errors: Vec<String> = errors.into_iter().map(Result::unwrap_err).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
