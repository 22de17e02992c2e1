//! Schedules: what is due when, over changes of the clocks, and once in any number of processes.

mod config;
mod dst;
mod fleet;
mod timeline;
