//! The macros that plugins are written with.

/// Makes a struct a kind of provider: `#[provider]` with an `impl` of [`Provider`](crate::Provider), `#[provider(queue)]`
/// with one of [`Queue`](crate::Queue) as well.
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
/// A config then has it as `"jobs": reports(maker: "lua")`.
///
/// # Arguments
/// * `queue`: it stores jobs too.
/// * `name`, `since`, `stability`, `crate`: as with [`worker`](macro@worker).
///
/// # Fields
/// As with [`worker`](macro@worker): `#[config(default = .., range = ..)]` and `#[state]`. They cannot be called `into`,
/// `lease`, `keep` or `rate`: every provider has those.
pub use goworker_macros::provider;

/// Makes a struct or a function a kind of worker.
///
/// A struct goes together with an `impl` of [`Worker`](crate::Worker). It may keep something from job to job, and open and
/// close it:
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
/// A config then has it as `"resize": resize(output: "thumbnails")`. The doc comments are what `list` and `describe` show,
/// so they have to be there.
///
/// A function is enough for work that needs nothing but the job. It stays as it is, so a test calls it as any other, with a
/// [`testing::context`](crate::testing::context) if it takes one:
///
/// ```
/// use std::path::{Path, PathBuf};
///
/// use goworker::{Context, anyhow, schemars::JsonSchema, serde::{Deserialize, Serialize}, worker};
///
/// #[derive(Deserialize, JsonSchema)]
/// # #[serde(crate = "goworker::serde")]
/// # #[schemars(crate = "goworker::schemars")]
/// struct Picture {
///     /// The file.
///     path: PathBuf,
/// }
///
/// #[derive(Serialize)]
/// # #[serde(crate = "goworker::serde")]
/// struct Thumbnail {
///     path: PathBuf,
/// }
///
/// /// Makes a thumbnail.
/// #[worker]
/// async fn thumbnail(
///     picture: Picture,
///     ctx: &Context,
///     /// JPEG quality, 1 to 100.
///     #[config(default = 85, range = 1..=100)]
///     quality: u8,
///     /// Folder that receives the result.
///     #[config]
///     output: &Path,
/// ) -> anyhow::Result<Thumbnail> {
///     Ok(Thumbnail { path: output.join(picture.path) })
/// }
/// ```
///
/// # Arguments
/// * `name = "shrink"`: what a config calls it. Otherwise it is the name of the struct in lower case, or of the function.
/// * `params = Picture`: the type that the jobs' params become, so that they can be described, and checked before a job is
///   accepted. For structs only; a function says it itself.
/// * `since = "1.2.0"`: the version of this crate that had it first.
/// * `stability = experimental`, `deprecated` or `stable`: what users may expect of it.
/// * `crate = gw`: what goworker is called in Cargo.toml, if not `goworker`.
///
/// # Fields
/// * A field without an attribute has to be given; an `Option` may be left out.
/// * `#[config(default = ..)]` may be left out too. Text becomes what the type makes of it: a `Dur` or `Size` is parsed by
///   the compiler, any other type needs `From<&str>`. All else is Rust, as written. `#[config(default)]` is the
///   type's own default.
/// * `#[config(range = ..)]` is checked when the config is; for an `Option` it holds for what is in it. A literal default
///   outside of it does not compile.
/// * `#[config(example = ..)]` is what `goworker new config` writes for a field that has to be given.
/// * `#[state]` is not configuration. It begins as the type's default, and [`Worker::init`](crate::Worker::init) can set it.
/// * `concurrency`, `timeout`, `retry` and `poison` are settings of every worker; no field can be called so.
///
/// The type of a setting implements `serde::Deserialize` and `schemars::JsonSchema`.
///
/// # Arguments of a function
/// In any order, and none has to be there:
///
/// * One of any type that implements `serde::Deserialize`: the params. Params that do not fit fail the job at once, with
///   the JSON path of what is wrong. If the type implements `schemars::JsonSchema` too, they are described by it.
/// * `&Job`: the whole job. `&Context`: its run.
/// * With `#[config]` and a doc comment, a setting: all that is said of fields holds for it, but a setting that has to be
///   given says `#[config]` too, to tell it from the params. By value it is cloned for each job; a reference is free, and
///   `&str`, `&Path` and `&[T]` are read as `String`, `PathBuf` and `Vec<T>`.
///
/// Settings are arguments, and no struct of their own, so that one signature says all that the work depends on, and a test
/// gives it with no struct to fill.
///
/// What the function returns is the output: anything that implements `serde::Serialize`, [`Output`](crate::Output), or
/// nothing; or a `Result` of that. Errors go on as those of any worker: a [`WorkError`](crate::WorkError) as it says, all
/// others are tried again.
///
/// A function that is not `async` may block its thread. Each of its running jobs takes one, of some 500 that a runtime has,
/// so its `concurrency` has to be below that. A thread cannot be stopped: when its time is up, the job is settled, and its
/// slot stays taken until the function returns. [`Context::is_cancelled`] tells when to.
///
/// A function keeps nothing from job to job: for that, take a struct.
///
/// # What is written for you
/// `ResizeConfig`, with the settings as fields, and `From<ResizeConfig> for Resize`: so tests and programs make one without
/// a config file. [`Settings`](crate::settings::Settings) for `ResizeConfig`, and [`Registered`](crate::Registered) for
/// `Resize`, whose registration [`Registry::linked`] finds. The same by hand: [`Registry::with`].
///
/// For the function `thumbnail` the struct is written too, as `ThumbnailWorker`, with its `impl Worker`.
///
/// [`Context::is_cancelled`]: crate::Context::is_cancelled
/// [`Registry::linked`]: crate::Registry::linked
/// [`Registry::with`]: crate::Registry::with
pub use goworker_macros::worker;

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

/// Makes the allocator of a binary the one that `run --profile-heap` can ask (jemalloc), on Linux and with the feature `profile`;
/// elsewhere it changes nothing.
///
/// ```
/// goworker::allocator!();
///
/// fn main() -> std::process::ExitCode {
///     # if true { return std::process::ExitCode::SUCCESS }
///     goworker::cli::main()
/// }
/// ```
#[cfg(all(feature = "profile", target_os = "linux"))]
#[macro_export]
macro_rules! allocator {
    () => {
        #[global_allocator]
        static ALLOCATOR: $crate::__private::Jemalloc = $crate::__private::Jemalloc;
    };
}

/// Makes the allocator of a binary the one that `run --profile-heap` can ask, on Linux and with the feature `profile`: not so here.
#[cfg(not(all(feature = "profile", target_os = "linux")))]
#[macro_export]
macro_rules! allocator {
    () => {};
}
