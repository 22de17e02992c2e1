//! All tests through the public door, in one binary.

#![allow(clippy::unwrap_used)]

mod admin;
mod architecture;
mod client;
mod command_line;
mod compare;
mod config;
mod configs;
mod crashes;
mod cron;
mod cursors;
mod enqueue;
mod examples;
mod http_hardened;
mod http_provider;
mod http_worker;
mod import;
mod lua;
mod lua_attacks;
mod manager;
mod moving;
mod new;
mod pages;
mod parts;
mod pausing;
mod pipelines;
mod planted_faults;
mod processes;
mod profiles;
mod rate;
mod redis_faults;
mod redis_groups;
mod redis_losses;
mod redis_queue;
mod redis_servers;
mod spilling;
mod spilling_queue;
mod tcp_proxy;
mod unique;

/// goworker with the tests' own workers.
const BINARY: &str = env!("CARGO_BIN_EXE_goworker-under-test");

/// goworker with queues that are broken on purpose.
const BROKEN: &str = env!("CARGO_BIN_EXE_goworker-broken");
