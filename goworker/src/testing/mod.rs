//! Tools to test what is built on goworker: a [`Pipeline`] under virtual time for configurations, workers and scripts;
//! the [`conformance`] suite for queues.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
mod folder;
#[cfg(any(test, feature = "testing"))]
mod model;
mod pipeline;

pub use pipeline::{EPOCH, Event, Fault, FaultError, Mishap, Pipeline, Trace};
