//! All tests through the public door, in one binary.

#![allow(clippy::unwrap_used)]

mod config;
mod manager;
mod parts;
