//! How a run is asked to end: once to finish what runs, twice to let go at once.

use std::sync::Arc;

use tokio::sync::watch;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Nobody has asked for an end.
    Running,
    /// No new jobs; those that run may finish within the grace time.
    Draining,
    /// Whatever still runs is given back now.
    Releasing,
}

/// Asks a running [`Manager`](super::Manager) to stop. Clones are the same switch.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Phase>>);

impl Stop {
    /// A switch that nobody has used.
    pub fn new() -> Self {
        Stop(Arc::new(watch::Sender::new(Phase::Running)))
    }

    /// The first request stops taking jobs and lets those that run finish within the grace time; the second gives
    /// back at once what still runs. Further ones change nothing.
    pub fn request(&self) {
        self.0.send_modify(|phase| {
            *phase = match *phase {
                Phase::Running => Phase::Draining,
                Phase::Draining | Phase::Releasing => Phase::Releasing,
            };
        });
    }

    pub(super) fn is_requested(&self) -> bool {
        *self.0.borrow() != Phase::Running
    }

    pub(super) fn watch(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }
}

impl Default for Stop {
    fn default() -> Self {
        Stop::new()
    }
}
