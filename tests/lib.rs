//! The harness of the tests: workers that do as they are told, the binary as a child process, real Redis servers, a bad
//! network before them, and crates as users have them.

#![allow(clippy::unwrap_used, reason = "a harness is test code: what goes wrong in it fails the test")]

pub mod daemon;
pub mod faulty;
pub mod http;
pub mod http_server;
pub mod leash;
pub mod mail_server;
pub mod own_crates;
pub mod queues;
pub mod redis_cluster;
pub mod redis_sentinel;
pub mod redis_server;
pub mod sources;
pub mod tcp_proxy;
pub mod workers;
