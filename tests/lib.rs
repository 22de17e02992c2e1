//! The harness of the tests: workers that do as they are told, pipelines under virtual time, and the binary as a child process.

pub mod daemon;
pub mod pipeline;
pub mod workers;
