//! The processes that have a store open.

use super::invariant::{Invariant, Violation};
use crate::clock::Clock;
use crate::plugin::{AnyQueue, QueueHandle};
use crate::provider::Setup;

/// One or two of them at a time. Each has a number that no other had.
pub(super) struct Processes<'a> {
    open: &'a dyn Fn(&Setup) -> AnyQueue,
    setup: Setup,
    started: usize,
    running: Vec<(usize, QueueHandle)>,
}

impl<'a> Processes<'a> {
    pub(super) fn new(open: &'a dyn Fn(&Setup) -> AnyQueue, setup: Setup) -> Self {
        Processes { open, setup, started: 0, running: Vec::new() }
    }

    /// They share it.
    pub(super) fn clock(&self) -> &Clock {
        &self.setup.clock
    }

    pub(super) fn count(&self) -> usize {
        self.running.len()
    }

    /// Starts another one; answers its number.
    pub(super) async fn start(&mut self) -> Result<usize, Violation> {
        let queue = (self.open)(&self.setup).start(&self.setup).await;
        let queue = queue.map_err(|error| Invariant::Liveness.violated(format!("the queue does not start: {error:#}")))?;
        self.started += 1;
        self.running.push((self.started, queue));
        Ok(self.started)
    }

    /// One of those that run, whatever the number chosen.
    pub(super) fn get(&self, chosen: usize) -> (usize, QueueHandle) {
        self.running[chosen % self.running.len()].clone()
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, chosen: usize) -> (usize, QueueHandle) {
        self.running.remove(chosen % self.running.len())
    }
}
