//! What all parts of a pipeline under test share.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::fault::Faults;
use super::trace::Recorder;
use crate::provider::Token;

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) recorder: Recorder,
    pub(super) faults: Faults,
    /// Told when something has happened to a job.
    pub(super) changed: Notify,
    /// Told when the manager shall die.
    pub(super) crash: Notify,
    /// Leases that are renewed no more.
    lost: Mutex<BTreeSet<Token>>,
}

impl Scene {
    pub(super) fn new(recorder: Recorder) -> Self {
        Scene { recorder, faults: Faults::default(), changed: Notify::new(), crash: Notify::new(), lost: Mutex::default() }
    }

    pub(super) fn lose(&self, token: Token) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(token);
    }

    pub(super) fn is_lost(&self, token: Token) -> bool {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).contains(&token)
    }
}
