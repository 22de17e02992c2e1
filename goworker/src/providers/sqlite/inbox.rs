//! What waits for the thread that writes: calls, in two lanes; and the questions of those who wait for something to happen.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Result;
use tokio::sync::oneshot;

use crate::provider::ProviderError;

use super::store::{Store, Sync};
use super::waiting::Wanted;

/// How much goes into one transaction, in rows of ordinary size. It bounds how long the next one has to wait.
const MAX_WEIGHT: usize = 2_000;

/// How a call is treated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class {
    /// Goes before all others, in a transaction of its own: a lease that is renewed too late is lost.
    pub(super) urgent: bool,
    /// What its transaction has to promise.
    pub(super) sync: Sync,
    /// How much it adds to a transaction, in rows of ordinary size.
    pub(super) weight: usize,
}

/// A step to be done in a transaction, and someone who waits for its result.
pub(super) struct Call {
    pub(super) class: Class,
    pub(super) work: Box<dyn Work>,
}

/// A step that may be done again when the transaction it was part of did not come about.
pub(super) trait Work: Send {
    fn run(&mut self, store: &mut Store) -> Result<()>;
    /// Tells the one who waits: the result of the last run, or why there is none.
    fn answer(self: Box<Self>, failed: Option<ProviderError>);
}

impl Call {
    pub(super) fn new<T: Send + 'static>(
        class: Class,
        step: impl FnMut(&mut Store) -> Result<T> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Result<T, ProviderError>>) {
        let (reply, answer) = oneshot::channel();
        (Call { class, work: Box::new(Step { step, result: None, reply }) }, answer)
    }
}

struct Step<T, F> {
    step: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, ProviderError>>,
}

impl<T: Send, F: FnMut(&mut Store) -> Result<T> + Send> Work for Step<T, F> {
    fn run(&mut self, store: &mut Store) -> Result<()> {
        self.result = Some((self.step)(store)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<ProviderError>) {
        let answer = match (failed, self.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => Ok(result),
            // Not run: the reply is dropped, which the caller takes for a closed queue.
            (None, None) => return,
        };
        // Who does not wait any more does not want to know.
        let _ = self.reply.send(answer);
    }
}

/// Someone who waits for something to happen.
pub(super) struct Waiter {
    pub(super) wanted: Wanted,
    /// Dropped once it may have happened.
    pub(super) wake: oneshot::Sender<()>,
    /// Answered at once: when something is due, at the latest.
    pub(super) next: oneshot::Sender<Option<i64>>,
}

/// What the thread does next.
pub(super) enum Next {
    /// One transaction.
    Transaction(Vec<Call>),
    /// A look for jobs.
    Waiter(Waiter),
    /// Someone may have changed the file.
    Notice,
    /// Nothing has come in time.
    Pause,
    /// Nothing will come any more.
    Closed,
}

#[derive(Default)]
struct Lanes {
    urgent: VecDeque<Call>,
    calls: VecDeque<Call>,
    waiters: VecDeque<Waiter>,
    noticed: bool,
    closed: bool,
}

/// The way to the thread that writes.
#[derive(Default)]
pub(super) struct Inbox {
    lanes: Mutex<Lanes>,
    changed: Condvar,
}

impl Inbox {
    /// Hands over a call; after [`close`](Inbox::close) it is dropped, and so is its reply.
    pub(super) fn call(&self, call: Call) {
        self.put(|lanes| if call.class.urgent { lanes.urgent.push_back(call) } else { lanes.calls.push_back(call) });
    }

    pub(super) fn wait(&self, waiter: Waiter) {
        self.put(|lanes| lanes.waiters.push_back(waiter));
    }

    pub(super) fn notice(&self) {
        self.put(|lanes| lanes.noticed = true);
    }

    /// Lets the thread end when it has done what is waiting.
    pub(super) fn close(&self) {
        self.put(|lanes| lanes.closed = true);
    }

    fn put(&self, put: impl FnOnce(&mut Lanes)) {
        let mut lanes = self.lock();
        if !lanes.closed {
            put(&mut lanes);
            drop(lanes);
            self.changed.notify_one();
        }
    }

    /// Waits for something to do, but not longer than `pause`.
    pub(super) fn next(&self, pause: Option<Duration>) -> Next {
        let mut lanes = self.lock();
        loop {
            if let Some(next) = lanes.next() {
                return next;
            }
            let Some(pause) = pause else {
                lanes = self.changed.wait(lanes).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (woken, timeout) = self.changed.wait_timeout(lanes, pause).unwrap_or_else(PoisonError::into_inner);
            lanes = woken;
            if timeout.timed_out() {
                return lanes.next().unwrap_or(Next::Pause);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lanes {
    fn next(&mut self) -> Option<Next> {
        if !self.urgent.is_empty() {
            return Some(Next::Transaction(self.urgent.drain(..).collect()));
        }
        if let Some(waiter) = self.waiters.pop_front() {
            return Some(Next::Waiter(waiter));
        }
        if !self.calls.is_empty() {
            return Some(Next::Transaction(self.group()));
        }
        if std::mem::take(&mut self.noticed) {
            return Some(Next::Notice);
        }
        self.closed.then_some(Next::Closed)
    }

    /// What goes into one transaction: at least one call, then as many as have room.
    fn group(&mut self) -> Vec<Call> {
        let mut weight = 0;
        let mut group = Vec::new();
        while let Some(call) = self.calls.front() {
            weight = call.class.weight.saturating_add(weight);
            if weight > MAX_WEIGHT && !group.is_empty() {
                break;
            }
            group.extend(self.calls.pop_front());
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(inbox: &Inbox, urgent: bool, weight: usize) {
        inbox.call(Call::new(Class { urgent, sync: Sync::Normal, weight }, |_| Ok(())).0);
    }

    /// How many calls are in each transaction, until nothing is left.
    fn groups(inbox: &Inbox) -> Vec<usize> {
        inbox.close();
        let group = || match inbox.next(None) {
            Next::Transaction(calls) => Some(calls.len()),
            _ => None,
        };
        std::iter::from_fn(group).collect()
    }

    #[test]
    fn what_waits_becomes_one_transaction() {
        let inbox = Inbox::default();
        (0..300).for_each(|_| put(&inbox, false, 1));
        assert_eq!(groups(&inbox), [300]);
    }

    #[test]
    fn a_renewal_waits_for_one_bounded_transaction_at_most() {
        let inbox = Inbox::default();
        (0..5).for_each(|_| put(&inbox, false, 1_000));
        put(&inbox, true, 1);
        put(&inbox, true, 1);
        assert_eq!(groups(&inbox), [2, 2, 2, 1]);
    }

    #[test]
    fn one_call_is_never_too_heavy() {
        let inbox = Inbox::default();
        put(&inbox, false, 1_000_000);
        put(&inbox, false, usize::MAX);
        put(&inbox, false, 1);
        assert_eq!(groups(&inbox), [1, 1, 1]);
    }
}
