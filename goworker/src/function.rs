//! What `#[worker]` on a function is written in terms of: params in, a result out, and threads that may be blocked.

use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::job::{Job, JobError};
use crate::outcome::{Output, WorkError, WorkResult};

/// What a function takes as the params of a job.
#[diagnostic::on_unimplemented(
    message = "the params of a job cannot become a `{Self}`",
    label = "not a type for params",
    note = "derive `serde::Deserialize` for `{Self}`; if it is a setting, mark it `#[config]`"
)]
pub trait AsParams: Sized {
    /// The params of a job as this type; an error fails the job at once.
    fn of(job: &Job) -> Result<Self, JobError>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> AsParams for T {
    fn of(job: &Job) -> Result<T, JobError> {
        job.params()
    }
}

/// The schema of params, if their type has one. A method of the struct is found before one of a trait, but only if its
/// bounds hold: so [`HasNoSchema`] is for all other types.
#[derive(Debug)]
pub struct ParamsSchema<T>(PhantomData<T>);

impl<T> ParamsSchema<T> {
    /// For params of type `T`.
    pub const fn new() -> Self {
        ParamsSchema(PhantomData)
    }
}

impl<T> Default for ParamsSchema<T> {
    fn default() -> Self {
        ParamsSchema::new()
    }
}

impl<T: JsonSchema> ParamsSchema<T> {
    /// The schema.
    pub fn find(self) -> Option<Schema> {
        Some(SchemaGenerator::default().into_root_schema_for::<T>())
    }
}

/// Params that nobody can describe.
pub trait HasNoSchema: Sized {
    /// No schema.
    fn find(self) -> Option<Schema> {
        None
    }
}

impl<T> HasNoSchema for ParamsSchema<T> {}

/// What a function returned. A `Result` is an outcome, and anything else an output, by the same rule as [`ParamsSchema`].
#[derive(Debug)]
pub struct Returned<T>(pub T);

impl<T, E> Returned<Result<T, E>> {
    /// As a worker returns it.
    pub fn conclude(self) -> WorkResult
    where
        T: AsOutput,
        E: AsError,
    {
        self.0.map_err(E::into_error)?.into_output()
    }
}

/// What is returned by a function that cannot fail.
pub trait CannotFail {
    /// What it returned.
    type Value;

    /// As a worker returns it.
    fn conclude(self) -> WorkResult
    where
        Self::Value: AsOutput;
}

impl<T> CannotFail for Returned<T> {
    type Value = T;

    fn conclude(self) -> WorkResult
    where
        T: AsOutput,
    {
        self.0.into_output()
    }
}

/// What can be the output of a job.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot be the output of a job",
    label = "not a type for output",
    note = "derive `serde::Serialize` for `{Self}`, or return `goworker::Output`, or nothing"
)]
pub trait AsOutput {
    /// As output; what is `null` in JSON is none.
    fn into_output(self) -> WorkResult;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize> AsOutput for T {
    fn into_output(self) -> WorkResult {
        let output = Output::of(&self)?;
        Ok(if output.json() == Some("null") { Output::none() } else { output })
    }
}

/// What a job can fail with.
#[diagnostic::on_unimplemented(
    message = "a worker cannot fail with a `{Self}`",
    label = "not a type for errors",
    note = "an error is `anyhow::Error`, `goworker::WorkError`, or any type that implements `std::error::Error`"
)]
pub trait AsError {
    /// As the error of a worker.
    fn into_error(self) -> WorkError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<WorkError>> AsError for E {
    fn into_error(self) -> WorkError {
        self.into()
    }
}

/// Runs a function that blocks its thread.
///
/// It stays within the task of its job, unlike with `spawn_blocking`: a thread cannot be dropped, so the job must keep its
/// slot until the function returns, whatever became of its lease. The runtime moves its other tasks to another thread
/// meanwhile; if it has only one, they wait.
pub fn blocking<T>(function: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(function),
        _ => function(),
    }
}
