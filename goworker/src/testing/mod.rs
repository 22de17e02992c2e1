//! Tools to test what is built on goworker.

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(any(test, feature = "testing"))]
mod folder;
#[cfg(any(test, feature = "testing"))]
mod model;
