//! What a case works with: a fresh store, on which it opens the queue.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::subject::Subject;
use crate::clock::{Clock, Random, Timestamp};
use crate::plugin::AnyQueue;
use crate::provider::{ProviderError, Setup};
use crate::testing::folder::Folder;

/// Makes a queue, not yet started, on the store that the setup names.
pub(super) type Open = dyn Fn(&Setup) -> AnyQueue + Send + Sync;

/// What is known of the queue before the cases begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nature {
    /// Whether jobs outlive the process: [`Queue::is_durable`](crate::Queue::is_durable).
    pub(super) durable: bool,
    /// Whether the store has a clock of its own, and does not ask [`Setup::clock`].
    pub(super) own_clock: bool,
}

/// How a case ends.
pub(super) type Verdict = Result<(), Fault>;

/// Why a case does not hold.
#[derive(Debug)]
pub(super) enum Fault {
    /// The queue does something else.
    Broken(String),
    /// The case takes time that cannot be passed: the store's clock is its own.
    CannotTell,
}

impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        Fault::Broken(format!("the queue answered an error: {error}"))
    }
}

/// Fails the case unless `got` is what was `wanted`.
pub(super) fn expect<T: PartialEq<U> + fmt::Debug, U: fmt::Debug>(what: &str, got: T, wanted: U) -> Verdict {
    if got == wanted { Ok(()) } else { broken(format!("{what}: expected {wanted:?}, got {got:?}")) }
}

/// Fails the case unless the claim is true.
pub(super) fn claim(what: &str, holds: bool) -> Verdict {
    if holds { Ok(()) } else { broken(format!("expected: {what}")) }
}

pub(super) fn broken<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Broken(what.into()))
}

/// How long a case waits for what must come. Far more than it takes, as machines may be busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How late a queue may be that needs no polling.
pub(super) const PROMPT: Duration = Duration::from_millis(700);
/// A lease that is meant to be lost, and long enough to settle in time what was just taken, on a busy disk too.
pub(super) const SHORT: Duration = Duration::from_millis(500);

/// One case's fresh store.
pub(super) struct Trial {
    open: Arc<Open>,
    own_clock: bool,
    /// What the next [`open`](Trial::open) is given.
    pub(super) setup: Setup,
    _folder: Folder,
}

impl Trial {
    pub(super) fn new(own_clock: bool, open: &Arc<Open>) -> Result<Self, Fault> {
        let folder = Folder::new().map_err(|error| Fault::Broken(format!("no folder for the case: {error}")))?;
        let mut setup = Setup::new(folder.name(), folder.path());
        setup.clock = Clock::starting_at(Clock::system().now());
        setup.random = Random::seeded(1);
        Ok(Trial { open: Arc::clone(open), own_clock, setup, _folder: folder })
    }

    /// A queue on the store; on the same store if it is called again.
    pub(super) async fn open(&self) -> Result<Subject, Fault> {
        let queue = (self.open)(&self.setup).start(&self.setup).await;
        let queue = queue.map_err(|error| Fault::Broken(format!("the queue does not start: {error:#}")))?;
        Ok(Subject::new(queue, self.setup.clock.clone()))
    }

    /// A queue whose leases are over soon.
    pub(super) async fn open_with_short_leases(&mut self) -> Result<Subject, Fault> {
        self.setup.lease = SHORT;
        self.open().await
    }

    /// Lets time pass. No job may be running, and nobody may wait.
    pub(super) fn later(&self, by: Duration) -> Verdict {
        if self.own_clock {
            return Err(Fault::CannotTell);
        }
        self.setup.clock.shift(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// From here on, time passes only by [`later`](Trial::later). Before the queue is opened.
    pub(super) fn stop_clock(&mut self) -> Verdict {
        if self.own_clock {
            return Err(Fault::CannotTell);
        }
        self.setup.clock = Clock::stopped_at(self.now());
        Ok(())
    }

    /// Whether so much time has passed, as the store sees it.
    pub(super) fn has_passed(&self, time: Duration, since: Timestamp) -> bool {
        self.may_have_passed(time, since, self.now())
    }

    /// Whether so much time may have passed between two instants, as the store sees it.
    pub(super) fn may_have_passed(&self, time: Duration, from: Timestamp, to: Timestamp) -> bool {
        to.since(from) + self.tolerance() >= time
    }

    /// Whether an instant that the store tells lies between two.
    pub(super) fn is_between(&self, instant: Option<Timestamp>, earliest: Timestamp, latest: Timestamp) -> bool {
        let (earliest, latest) = (earliest.before(self.tolerance()), latest.after(self.tolerance()));
        instant.is_some_and(|instant| earliest <= instant && instant <= latest)
    }

    /// How far the store's clock may be from that of the trial.
    fn tolerance(&self) -> Duration {
        if self.own_clock { Duration::from_millis(20) } else { Duration::ZERO }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.setup.clock.now()
    }
}
