//! The providers that come with goworker. They use what every plugin may use, and nothing else.

mod cron;
mod folder;
mod http;
mod memory;
mod redis;
mod sqlite;
