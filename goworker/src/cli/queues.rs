//! The queues of a configuration, opened by a client: no worker is started, and a daemon may use them meanwhile.

use super::fault::Fault;
use super::terminal;
use crate::client::{self, ChoiceError, Client, OpenError, OpenQueue};
use crate::config::Config;

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

/// Opens the chosen queues, does the work, and closes them again whatever came of it.
pub(super) fn with<T>(
    config: Config,
    choice: Choice<'_>,
    absent: Absent,
    work: impl AsyncFnOnce(&[OpenQueue]) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::Unavailable(format!("no event loop to be had: {error}")))?;
    runtime.block_on(async {
        let client = open(config, choice, absent).await?;
        let result = work(client.queues()).await;
        if let Err(error) = client.close().await {
            terminal::warning(&error.to_string());
        }
        result
    })
}

async fn open(config: Config, choice: Choice<'_>, absent: Absent) -> Result<Client, Fault> {
    let chosen = match choice {
        Choice::Named(name) => client::Choice::Named(name),
        Choice::Only { .. } => client::Choice::Only,
        Choice::All => client::Choice::All,
    };
    let client = Client::open_queues(config.into(), chosen, absent == Absent::IsMade).await.map_err(|error| fault(error, choice))?;
    if matches!(choice, Choice::All) && !client.left_out().is_empty() {
        terminal::note(&format!("left out, because it lives in the memory of the process that runs it: {}", client.left_out().join(", ")));
    }
    Ok(client)
}

fn fault(error: OpenError, choice: Choice<'_>) -> Fault {
    match (error, choice) {
        (OpenError::Choice(error @ ChoiceError::Several { .. }), Choice::Only { option }) => {
            Fault::Usage(format!("{error} with `{option}`"))
        }
        (OpenError::Choice(error), _) => Fault::Usage(error.to_string()),
        (error, _) => Fault::Unavailable(error.to_string()),
    }
}
