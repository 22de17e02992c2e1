//! `kill -9`, SIGSTOP and SIGTERM under load, on each store that outlives a process: every accepted job runs and is settled, and
//! only jobs in flight run twice. And builds that are broken on purpose, which must not get away with it.
//!
//!     GOWORKER_KILLS=150 GOWORKER_SEED=1 ./tests/run crashes::random -- --nocapture
//!
//! The number of kills is 20 if absent, the seed another one each time.

mod broken;
mod directed;
mod fleet;
mod following;
mod ledger;
mod random;
mod spill;
