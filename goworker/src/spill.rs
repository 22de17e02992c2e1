//! Jobs on their way from a queue that is short of room into another one.

use std::sync::Arc;

use crate::job::Job;
use crate::provider::Token;

/// Waiting jobs that a queue has taken out of their places, to be moved to another store. It hands them out no more.
///
/// A move never goes back, because nobody can tell whether the other store has accepted it already; it is continued. Moves to one
/// store come one after the other.
#[derive(Debug, Clone)]
pub struct Move {
    /// Names the move. It grows from move to move.
    pub token: Token,
    /// Names the store that the jobs come from, for ever and like no other.
    pub store: String,
    /// The jobs, in order. One that was delayed has the instant at which it is due.
    pub jobs: Vec<Arc<Job>>,
}
