//! What the manager knows about one provider that it runs jobs from: its leases, its calls under way, what waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::plugin::{DynProvider, QueueHandle};
use crate::provider::{Delivery, Demand, Lease, Settled, Token};
use crate::rate::Starts;

pub(super) struct Lane {
    pub(super) name: Arc<str>,
    pub(super) provider: Arc<dyn DynProvider>,
    /// The same provider, if it stores jobs.
    pub(super) queue: Option<QueueHandle>,
    /// Where the handler jobs of its dead jobs go, if it cannot store them itself.
    pub(super) handlers_to: Option<QueueHandle>,
    /// Fetches under way, for whose answers slots are reserved.
    pub(super) asked: Vec<Demand>,
    /// Whether one of them was asked in this turn.
    pub(super) just_asked: bool,
    /// A fetch failed; a timer will allow the next.
    pub(super) fetches_later: bool,
    /// Types of which the last fetch brought all that was asked for.
    pub(super) plenty: Vec<Arc<str>>,
    /// What it had nothing of.
    pub(super) wait: Option<Wait>,
    /// What has started, for a provider that does not count that itself.
    pub(super) starts: Option<Starts>,
    /// A timer for the time when more may start is set.
    pub(super) opening: bool,
    /// Calls that failed in a row.
    pub(super) outages: u32,
    /// Since when they do.
    pub(super) away_since: Option<Instant>,
    /// For how long its rate may let nothing start.
    pub(super) rest: Duration,
    /// Types of which jobs were ready whenever its queue was looked at, and since when.
    pub(super) waiting: BTreeMap<Arc<str>, Instant>,
    leases: BTreeMap<Token, Held>,
    /// A renewal is under way, or a timer for the next is set.
    pub(super) renewing: bool,
    /// Settlements that wait for the call under way to end: they are the next batch.
    pub(super) outbox: Vec<Settled>,
    /// Settling calls under way.
    pub(super) settling: usize,
    /// A call failed; a timer will allow the next.
    pub(super) settles_later: bool,
    /// Deliveries that have no slot yet: queues are asked for a few ahead, a plain source hands out what nobody asked for, and its retries
    /// come back here.
    pub(super) parked: VecDeque<Parked>,
    /// A timer for the time when what was taken ahead should have started is set.
    pub(super) looks_for_late: bool,
    /// Deliveries that wait for their next attempt because the provider cannot schedule it.
    pub(super) resting: usize,
}

/// A call under way that will say when there may be something again of what a provider had nothing of.
pub(super) struct Wait {
    pub(super) demand: Demand,
    pub(super) call: AbortHandle,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.call.abort();
    }
}

/// A delivery without a slot.
pub(super) struct Parked {
    pub(super) token: Token,
    pub(super) delivery: Delivery,
    /// Whose slot it needs.
    pub(super) pool: usize,
    pub(super) since: Instant,
}

struct Held {
    /// Deliveries that are not settled yet.
    open: usize,
    lease: Option<Terms>,
}

struct Terms {
    duration: Duration,
    ends: Instant,
}

impl Lane {
    pub(super) fn new(name: &str, provider: Arc<dyn DynProvider>, queue: Option<QueueHandle>, handlers_to: Option<QueueHandle>) -> Self {
        Lane {
            name: name.into(),
            provider,
            queue,
            handlers_to,
            asked: Vec::new(),
            just_asked: false,
            fetches_later: false,
            plenty: Vec::new(),
            wait: None,
            starts: None,
            opening: false,
            outages: 0,
            away_since: None,
            rest: Duration::ZERO,
            waiting: BTreeMap::new(),
            leases: BTreeMap::new(),
            renewing: false,
            outbox: Vec::new(),
            settling: 0,
            settles_later: false,
            parked: VecDeque::new(),
            looks_for_late: false,
            resting: 0,
        }
    }

    /// Notes of which types a fetch brought all that was asked for; answers what it brought nothing of.
    pub(super) fn note_brought(&mut self, demand: Demand, deliveries: &[Delivery]) -> Demand {
        match demand {
            Demand::ByType(mut types) => {
                types.retain(|(job_type, slots)| {
                    let came = deliveries.iter().filter(|delivery| *delivery.job.job_type == **job_type).count();
                    self.plenty.retain(|known| known != job_type);
                    if came >= *slots {
                        self.plenty.push(Arc::clone(job_type));
                    }
                    came == 0
                });
                Demand::ByType(types)
            }
            Demand::Any(slots) => Demand::Any(if deliveries.is_empty() { slots } else { 0 }),
        }
    }

    /// Whether it said that it has nothing of this type, and has not taken that back.
    pub(super) fn waits_for(&self, job_type: &str) -> bool {
        self.wait.as_ref().is_some_and(|wait| wait.demand.of(job_type) > 0)
    }

    /// Notes that a call was answered.
    pub(super) fn is_back(&mut self) {
        self.outages = 0;
        self.away_since = None;
    }

    /// Notes the lease over `open` deliveries, which counts from `since` on.
    pub(super) fn hold(&mut self, lease: Lease, open: usize, since: Instant) {
        let terms = lease.duration.map(|duration| Terms { duration, ends: since + duration });
        self.leases.insert(lease.token, Held { open, lease: terms });
    }

    /// Notes that a delivery is settled; a lease with none left is forgotten.
    pub(super) fn close(&mut self, token: Token) {
        if let Some(held) = self.leases.get_mut(&token) {
            held.open = held.open.saturating_sub(1);
            if held.open == 0 {
                self.leases.remove(&token);
            }
        }
    }

    /// Whether the lease is still ours, as far as we know.
    pub(super) fn holds(&self, token: Token) -> bool {
        self.leases.contains_key(&token)
    }

    /// Forgets a lease that is lost, of which nothing is parked; answers the settlements that can no longer be sent.
    pub(super) fn lose(&mut self, token: Token) -> Vec<Settled> {
        self.leases.remove(&token);
        self.outbox.extract_if(.., |settled| settled.token == token).collect()
    }

    /// The leases that have to be renewed.
    pub(super) fn renewable(&self) -> Vec<Token> {
        self.leases.iter().filter(|(_, held)| held.lease.is_some()).map(|(token, _)| *token).collect()
    }

    /// How long after a renewal the next one is due: three fall into the shortest lease.
    pub(super) fn renewal_period(&self) -> Option<Duration> {
        self.leases.values().filter_map(|held| held.lease.as_ref()).map(|terms| terms.duration / 3).min()
    }

    /// Notes that these leases were renewed by a call made at `asked`.
    pub(super) fn renewed(&mut self, tokens: &[Token], asked: Instant) {
        for token in tokens {
            if let Some(terms) = self.leases.get_mut(token).and_then(|held| held.lease.as_mut()) {
                terms.ends = asked + terms.duration;
            }
        }
    }

    /// Leases so near their end that others may have their jobs before we can renew: they count as lost.
    pub(super) fn overdue(&self, now: Instant) -> Vec<Token> {
        let over = |held: &Held| held.lease.as_ref().is_some_and(|terms| now + terms.duration / 6 >= terms.ends);
        self.leases.iter().filter(|(_, held)| over(held)).map(|(token, _)| *token).collect()
    }

    /// Whether nothing of this provider is in our hands.
    pub(super) fn is_settled(&self) -> bool {
        self.leases.is_empty() && self.outbox.is_empty() && self.settling == 0 && self.parked.is_empty() && self.resting == 0
    }
}

/// The delay before a call is repeated for the `outages`th time: 100 ms doubling to 5 s, half of it drawn at random,
/// so that a fleet does not come back all at once.
pub(super) fn reconnect_delay(outages: u32, random: f64) -> Duration {
    let doubled = Duration::from_millis(100).saturating_mul(1 << outages.saturating_sub(1).min(9));
    doubled.min(Duration::from_secs(5)).mul_f64(1.0 - random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_retried_for_ever_but_never_more_often_than_the_cap() {
        assert_eq!(reconnect_delay(1, 0.0), Duration::from_millis(100));
        assert_eq!(reconnect_delay(4, 0.0), Duration::from_millis(800));
        assert_eq!(reconnect_delay(u32::MAX, 0.0), Duration::from_secs(5));
        assert!(reconnect_delay(u32::MAX, 0.999) > Duration::from_millis(2_400));
    }
}
