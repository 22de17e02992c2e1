//! Tools to test what is built on goworker.

mod conformance;

pub use conformance::{Broken, Capabilities, Report, Time, conformance, conformance_report};
