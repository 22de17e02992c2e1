//! goworker runs background jobs that are described in one RON file.

#![cfg_attr(test, allow(clippy::unwrap_used))]
// The built-in plugins are written with the macros that users have, which name the crate from outside.
extern crate self as goworker;

// ── what travels ──
mod clock;
mod job;
mod outcome;
mod rate;
mod retry;
mod schedule;
mod spelling;
pub mod units;

// ── who takes part ──
mod function;
mod process;
mod progress;
mod provider;
mod queue;
mod remark;
mod spill;
mod worker;

// ── how it is put together ──
pub mod cli;
pub mod config;
pub mod listener;
mod macros;
mod plugin;
mod registry;
pub mod settings;

// ── how it is used and run ──
pub mod client;
pub mod manager;

// ── what comes with it ──
pub mod egress;
mod providers;
pub mod testing;
mod workers;

pub use client::Client;
pub use clock::{Clock, ForeignWork, Random, Timestamp};
pub use job::{Ids, Job, JobBuilder, JobError, JobId, JobTemplate, Layout, Params, Parsed, ParsedText, Unique, UniqueMode};
pub use macros::{provider, worker};
pub use outcome::{Attempt, Cause, Failure, FailureHandler, Outcome, Output, Rules, Settlement, WorkError, WorkResult, decide};
pub use plugin::{AnyProvider, AnyQueue, AnyWorker, Plugin, ProviderHandle, QueueHandle, WorkerHandle};
pub use process::{BEAT, Death, Process, ProcessInfo, ProcessRecord};
pub use progress::{Progress, Progressed};
pub use provider::{Batch, Bound, Cursor, Delivery, Demand, Keep, Lease, Provider, ProviderError, Renewal, Settled, Setup, Target, Token};
pub use queue::{Change, Count, Enqueued, Filter, JobRecord, MAX_BULK, MAX_DEATHS, Paused, Queue, QueueStats, State};
pub use rate::{Rate, Starts};
pub use registry::{Duplicate, Origin, Registered, Registration, Registry, Role, Stability};
pub use remark::{Remark, Severity};
pub use retry::{Backoff, Jitter, RetryPolicy};
pub use schedule::{Schedule, Tick, Times, Zone};
pub use spill::Move;
pub use worker::{Context, Enqueue, Run, Services, Worker};

/// For plugins that have no dependency but goworker. The example is at [`serde`].
pub use {anyhow, schemars, serde_json};

/// How important a line of [`Context::log`] is.
pub use tracing::Level;

/// For plugins that have no dependency but goworker:
///
/// ```
/// use goworker::{schemars::JsonSchema, serde::Deserialize};
///
/// /// What to do with the original.
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(crate = "goworker::serde", rename_all = "lowercase")]
/// #[schemars(crate = "goworker::schemars")]
/// enum After {
///     Keep,
///     Remove,
/// }
/// ```
pub use serde;

/// What the macros' code is written in terms of. Not for other use: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    #[cfg(all(feature = "profile", target_os = "linux"))]
    pub use tikv_jemallocator::Jemalloc;

    pub use crate::function::{AsParams, CannotFail, HasNoSchema, ParamsSchema, Returned, blocking};
    pub use crate::job::Job;
    pub use crate::outcome::WorkResult;
    pub use crate::registry::{Origin, Registered, Registration, Stability};
    pub use crate::settings::shown::{InRon, InRust, Shown};
    pub use crate::settings::{AsSetting, Field, Reader, Settings};
    pub use crate::worker::{Context, Worker};
}
