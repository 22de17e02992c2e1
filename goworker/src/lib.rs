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

// ── how it is used and run ──
pub mod client;
pub mod manager;

// ── what comes with it ──
mod providers;
pub mod testing;
mod workers;

pub use client::Client;
pub use clock::{Clock, ForeignWork, Random, Timestamp};
/// Makes a struct a kind of provider: `#[provider]` with an `impl` of [`Provider`], `#[provider(queue)]` with one of
/// [`Queue`] as well.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use goworker::{Batch, Demand, Ids, Job, Provider, ProviderError, Settled, Token, provider};
///
/// /// Asks for a report, as often as one can be made.
/// #[provider]
/// pub struct Reports {
///     /// Which worker makes them.
///     #[config(default = "lua")]
///     maker: String,
///     #[state]
///     fetched: AtomicU64,
/// }
///
/// impl Provider for Reports {
///     async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
///         if demand.of(&self.maker) == 0 {
///             return Ok(Batch::empty());
///         }
///         let token = Token(self.fetched.fetch_add(1, Ordering::Relaxed));
///         Ok(Batch::held(token, [Job::new(Ids::system().next(), self.maker.as_str())]))
///     }
///
///     async fn settle(&self, _: &[Settled]) -> Result<Vec<usize>, ProviderError> {
///         Ok(Vec::new())
///     }
/// }
/// ```
///
/// Everything else is as with [`worker`](macro@worker). Its settings cannot be called `into`, `lease`, `keep` or `rate`:
/// every provider has those.
pub use goworker_macros::provider;
/// Makes a struct a kind of worker, together with an `impl` of [`Worker`].
///
/// ```
/// use std::path::PathBuf;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use goworker::units::Dur;
/// use goworker::{Context, Job, Output, WorkResult, Worker, worker};
///
/// /// Resizes a picture.
/// #[worker]
/// pub struct Resize {
///     /// JPEG quality, 1 to 100.
///     #[config(default = 85, range = 1..=100)]
///     quality: u8,
///     /// Folder that receives the result.
///     output: PathBuf,
///     /// How long to wait for the disk.
///     #[config(default = "30s")]
///     patience: Dur,
///     /// A line below the picture.
///     caption: Option<String>,
///     #[state]
///     done: AtomicU64,
/// }
///
/// impl Worker for Resize {
///     async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
///         self.done.fetch_add(1, Ordering::Relaxed);
///         Ok(Output::none())
///     }
/// }
/// ```
///
/// A config then has it as `resize(output: "thumbnails")`: the kind is the struct's name in lower case, or what
/// `#[worker(name = "..")]` says. The doc comments are what `list` and `describe` show, so they have to be there.
///
/// # Fields
/// * A field without an attribute has to be given; an `Option` may be left out.
/// * `#[config(default = ..)]` may be left out too. Text becomes what the type makes of it: a `Dur` or `Size` is parsed by
///   the compiler, any other type needs `From<&str>`. All else is Rust, as written. `#[config(default)]` is the
///   type's own default.
/// * `#[config(range = ..)]` is checked when the config is; for an `Option` it holds for what is in it.
/// * `#[state]` is not configuration. It begins as the type's default, and [`Worker::init`] can set it.
/// * `concurrency`, `timeout` and `retry` are settings of every worker; no field can be called so.
///
/// # What is written for you
/// `ResizeConfig`, with the settings as fields, and `From<ResizeConfig> for Resize`: so tests and programs make one
/// without a config file. [`Settings`](settings::Settings) for `ResizeConfig`, and a [`Registration`] that
/// [`Registry::linked`] finds. The same by hand: [`Registry::with`].
///
/// The type of a setting implements `serde::Deserialize` and `schemars::JsonSchema`.
pub use goworker_macros::worker;
pub use job::{Ids, Job, JobBuilder, JobError, JobId, Params, Parsed, Unique};
pub use outcome::{Attempt, Cause, Failure, FailureHandler, Outcome, Output, Rules, Settlement, WorkError, WorkResult, decide};
pub use plugin::{AnyProvider, AnyQueue, AnyWorker, Plugin, ProviderHandle, QueueHandle, WorkerHandle};
pub use provider::{Batch, Bound, Cursor, Delivery, Demand, Keep, Lease, Provider, ProviderError, Renewal, Settled, Setup, Token};
pub use queue::{Change, Count, Enqueued, Filter, JobRecord, MAX_BULK, Queue, QueueStats, State};
pub use registry::{Duplicate, Origin, Registered, Registration, Registry, Role, Stability};
pub use retry::{Backoff, Jitter, RetryPolicy};
pub use worker::{Context, Enqueue, Run, Services, Worker};

/// For plugins that have no dependency but goworker. The example is at [`serde`].
pub use {anyhow, schemars, serde_json};

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

/// Links crates whose plugins a binary has, and of which it names nothing.
///
/// ```
/// # extern crate goworker as thumbnails;
/// # extern crate goworker as reports;
/// goworker::plugins![thumbnails, reports];
///
/// fn main() -> std::process::ExitCode {
///     # if true { return std::process::ExitCode::SUCCESS }
///     goworker::cli::main()
/// }
/// ```
///
/// A crate that stands in Cargo.toml and is mentioned nowhere is not given to the linker, so its plugins would not be
/// there. The same goes for the library of the binary's own package: it is named like any other. Within a crate that is
/// mentioned nothing is lost, however deep in private modules it is.
#[macro_export]
macro_rules! plugins {
    ($($name:ident),* $(,)?) => {
        $(#[allow(unused_imports, reason = "linked for what it registers")]
        use ::$name as _;)*
    };
}

/// What the macros' code is written in terms of. Not for other use: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use inventory;

    pub use crate::registry::{Origin, Registered, Registration, Stability};
    pub use crate::settings::shown::{InRon, InRust, Shown};
    pub use crate::settings::{AsSetting, Field, Reader, Settings};
}
