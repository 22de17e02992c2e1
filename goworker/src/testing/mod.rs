//! Tools to test what is built on goworker: a [`Pipeline`] under virtual time for configurations, workers and scripts;
//! the [`conformance`] suite for queues.

mod conformance;
mod folder;
mod model;
mod pipeline;

pub use conformance::{Broken, Capabilities, Report, Time, conformance, conformance_report};
pub use model::random_walk;
pub use pipeline::{EPOCH, Event, Fault, FaultError, Mishap, Pipeline, Trace};
