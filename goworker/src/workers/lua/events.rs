//! What passes between a script, on its thread, and the worker, on the runtime of the program.
//!
//! A script does nothing by itself that takes time: it asks, its thread goes on with others, and the worker does it where
//! all waiting is done. So a thread for scripts has no timers and no sockets, and virtual time holds for scripts, too.

use std::time::{Duration, Instant};

use goworker::units::Dur;
use goworker::{Context, Timestamp, WorkResult};
use tokio::sync::oneshot;
use tracing::Level;

/// What comes from a script.
#[derive(Debug)]
pub(super) enum Event {
    /// A line that it logged.
    Log(Level, String),
    /// How far it says that it is.
    Progress(f64, String),
    /// It asks for something.
    Asked(Ask, oneshot::Sender<Answer>),
    /// It has nothing to do until more of what it asked for is answered. It has heard so many answers.
    Waits(usize),
    /// It gives itself so long, from its beginning.
    Limit(Dur),
    /// The end.
    Done(WorkResult),
}

/// What a script can ask for.
#[derive(Debug)]
pub(super) enum Ask {
    /// To be answered so much later.
    Sleep(Duration),
}

impl Ask {
    /// Does it. Dropped when the script does not wait for it any more.
    pub(super) async fn perform(self, _ctx: &Context) -> Reply {
        match self {
            Ask::Sleep(duration) => {
                tokio::time::sleep(duration).await;
                Ok(())
            }
        }
    }
}

/// What comes of it: nothing but that it is done, so far.
pub(super) type Reply = Result<(), String>;

/// A reply on its way to the script.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Reply,
    /// When the job has to be over, and what time it is. Virtual time may have passed, which the script's thread does not see.
    pub(super) deadline: Option<Instant>,
    pub(super) now: Timestamp,
}
