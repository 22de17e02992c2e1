//! What a client cannot do, and why.

use crate::config::LoadError;
use crate::job::{JobError, JobId};
use crate::outcome::Failure;
use crate::provider::ProviderError;
use crate::units::Dur;

use super::choice::ChoiceError;

/// Why queues could not be opened, or closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration cannot be read, or its queues are described wrongly.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// It has no queue to open.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// The URL names no store.
    #[error("{0}")]
    Url(String),
    /// A queue could not be opened.
    #[error("queue `{queue}` could not be opened: {error:#}")]
    Queue {
        /// Its name.
        queue: String,
        /// Why.
        error: anyhow::Error,
    },
    /// A queue did not close.
    #[error("queue `{queue}` did not close: {error:#}")]
    Close {
        /// Its name.
        queue: String,
        /// Why.
        error: anyhow::Error,
    },
}

/// Why something could not be done to a queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// It is not clear which queue, or there is none.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// The job is not one. Nothing was enqueued.
    #[error("the job cannot be enqueued: {0}")]
    Job(#[from] JobError),
    /// The queue has other jobs with these ids. Jobs with other ids that were given along were enqueued.
    #[error("queue `{queue}` has another job with the id {}", .ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", "))]
    Conflict {
        /// Its name.
        queue: String,
        /// The ids.
        ids: Vec<JobId>,
    },
    /// The store did not do its part.
    #[error("queue `{queue}`: {error}")]
    Store {
        /// Its name.
        queue: String,
        /// Why.
        error: ProviderError,
    },
}

/// Why waiting for a job brought no output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// It has failed for good.
    #[error("job `{id}` has failed for good: {failure}")]
    Dead {
        /// The job.
        id: JobId,
        /// What it died of.
        failure: Failure,
    },
    /// Somebody has cancelled it.
    #[error("job `{0}` was cancelled")]
    Cancelled(JobId),
    /// It was not started in time.
    #[error("job `{0}` has expired before it was started")]
    Expired(JobId),
    /// It goes on, or still waits for a worker; it can be waited for again.
    #[error("job `{id}` has not ended within {at_most}")]
    TimedOut {
        /// The job.
        id: JobId,
        /// How long it was waited for.
        at_most: Dur,
    },
    /// There is no such job: it was deleted, or has ended so long ago that it is no longer kept.
    #[error("there is no job `{0}`")]
    Absent(JobId),
    /// The queue could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
}
