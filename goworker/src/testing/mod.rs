//! Tools to test what is built on goworker.

mod conformance;
mod folder;
mod model;

pub use conformance::{Broken, Capabilities, Report, Time, conformance, conformance_report};
pub use model::random_walk;
