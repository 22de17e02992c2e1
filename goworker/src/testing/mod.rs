//! Tools to test what is built on goworker: a [`Pipeline`] under virtual time for configurations, workers and scripts;
//! the suite for queues, `conformance`, with the feature `testing`; a [`context()`] to call a worker as a function.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod context;
#[cfg(any(test, feature = "testing"))]
mod folder;
#[cfg(any(test, feature = "testing"))]
mod model;
mod pipeline;

pub use context::context;
pub use pipeline::{EPOCH, Event, Fault, FaultError, Mishap, Pipeline, Trace};
