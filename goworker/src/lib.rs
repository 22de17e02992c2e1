//! goworker runs background jobs that are described in one RON file.

#![cfg_attr(test, allow(clippy::unwrap_used))]
// The built-in plugins are written with the macros that users have, which name the crate from outside.
extern crate self as goworker;

// ── what travels ──
mod clock;
mod job;
mod outcome;
mod retry;
pub mod units;

// ── who takes part ──
mod provider;
mod queue;
mod worker;

// ── how it is put together ──
pub mod cli;
pub mod config;
mod plugin;
mod registry;
pub mod settings;

// ── how it runs ──
pub mod manager;

// ── what comes with it ──
mod providers;
pub mod testing;
mod workers;

pub use clock::{Clock, Random, Timestamp};
pub use goworker_macros::{provider, worker};
pub use job::{Ids, Job, JobError, JobId, Params, Parsed, Unique};
pub use outcome::{Attempt, Cause, Failure, FailureHandler, Outcome, Output, Rules, Settlement, WorkError, WorkResult, decide};
pub use plugin::{AnyProvider, AnyQueue, AnyWorker, Plugin, ProviderHandle, QueueHandle, WorkerHandle};
pub use provider::{Batch, Bound, Cursor, Delivery, Demand, Keep, Lease, Provider, ProviderError, Renewal, Settled, Setup, Token};
pub use queue::{Change, Count, Enqueued, Filter, JobRecord, MAX_BULK, Queue, QueueStats, State};
pub use registry::{Duplicate, Origin, Registration, Registry, Role};
pub use retry::{Backoff, Jitter, RetryPolicy};
pub use worker::{Context, Enqueue, Run, Services, Worker};

/// What the macros' code is written in terms of. Not for other use: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use inventory;

    pub use crate::registry::{Origin, Registration};
    pub use crate::settings::shown::{InRon, InRust, Shown};
    pub use crate::settings::{Field, Reader, Settings};
}
