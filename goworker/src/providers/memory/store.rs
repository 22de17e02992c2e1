//! All jobs of a `memory` queue, and every step they take. No clock, no lock, no waiting: the caller says what time it is.
//!
//! A job's state is the place that holds its key: a lane, the schedule, a lease, or a list of those that have ended.
//! [`Store::put`] is the only way from one to another.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use goworker::{
    Batch, Death, Delivery, Demand, JobId, Lease, Process, ProcessInfo, Progressed, Renewal, Settled, Settlement, Setup, Starts, State,
    Timestamp, Token,
};
use slab::Slab;
use tokio::sync::oneshot;

use super::entry::{Entry, Key, NEVER, Place, Rank};
use super::places::{Ended, Lanes, Leases};
use super::unique::Keys;

/// All jobs of a queue.
#[derive(Debug)]
pub(super) struct Store {
    /// Who holds the leases: nobody else can.
    pub(super) process: Process,
    /// What it told of itself, when first and when last.
    pub(super) announced: Option<(ProcessInfo, Timestamp, Timestamp)>,
    lease: Duration,
    /// What has started lately, if that is limited.
    starts: Option<Starts>,
    pub(super) ids: HashMap<JobId, Key>,
    pub(super) entries: Slab<Entry>,
    pub(super) lanes: Lanes,
    schedule: BTreeMap<(Timestamp, u64), Key>,
    /// Those that must be started by some time and are not.
    expiring: BTreeSet<(Timestamp, Key)>,
    pub(super) leases: Leases,
    done: Ended,
    dead: Ended,
    pub(super) unique: Keys,
    pub(super) cursors: HashMap<String, String>,
    last_token: Token,
    last_ticket: u64,
    /// Who waits for the end of a job. Dropping these wakes them.
    pub(super) watched: HashMap<Key, Vec<oneshot::Sender<()>>>,
}

impl Store {
    pub(super) fn new(process: Process, setup: &Setup) -> Self {
        let Setup { lease, keep, rate, .. } = *setup;
        Store {
            process,
            announced: None,
            lease,
            starts: rate.map(Starts::new),
            ids: HashMap::new(),
            entries: Slab::new(),
            lanes: Lanes::default(),
            schedule: BTreeMap::new(),
            expiring: BTreeSet::new(),
            leases: Leases::default(),
            done: Ended::new(keep.done),
            dead: Ended::new(keep.dead),
            unique: Keys::default(),
            cursors: HashMap::new(),
            last_token: Token::default(),
            last_ticket: 0,
            watched: HashMap::new(),
        }
    }

    /// Does what time alone brings about: leases end, jobs become due or expire, old ones go.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some(lost) = self.leases.take_lost(now) {
            for key in lost {
                self.entries[key].crashed(Death { at: now, process: self.process.clone() });
                self.put_back(key, now);
            }
        }
        while let Some((&(due, _), &key)) = self.schedule.first_key_value()
            && due <= now
        {
            self.put(key, Place::Ready);
        }
        while let Some(&(expires_at, key)) = self.expiring.first()
            && expires_at < now
        {
            self.end(key, State::Expired, now);
        }
        while let Some(key) = self.done.over(now).or_else(|| self.dead.over(now)) {
            self.forget(key);
        }
        self.unique.sweep(now);
    }

    /// When a job may next be ready to be handed out: [`advance`](Store::advance) may make one so, or the rate allows it.
    pub(super) fn next_event(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.allowed(now) == 0 {
            return self.starts.as_ref().and_then(Starts::next);
        }
        let due = self.schedule.first_key_value().map(|((due, _), _)| *due).filter(|due| *due != NEVER);
        // Where one job expires another may take its key.
        let expired = self.expiring.first().filter(|_| self.unique.any_follows()).map(|(at, _)| at.after(Duration::from_millis(1)));
        due.into_iter().chain(self.leases.next_end()).chain(expired).min()
    }

    pub(super) fn has_ready(&mut self, demand: &Demand, now: Timestamp) -> bool {
        self.lanes.any_ready(demand) && self.allowed(now) > 0
    }

    /// How many jobs the rate allows to start.
    fn allowed(&mut self, now: Timestamp) -> usize {
        self.starts.as_mut().map_or(usize::MAX, |starts| starts.allowed(now))
    }

    pub(super) fn fetch(&mut self, demand: &Demand, now: Timestamp) -> Batch {
        let allowed = self.allowed(now);
        let keys = if demand.total() > allowed { self.lanes.take_first(demand, allowed) } else { self.lanes.take(demand) };
        if let Some(starts) = &mut self.starts {
            starts.note(keys.len(), now);
        }
        if keys.is_empty() {
            return Batch::empty();
        }
        self.last_token.0 += 1;
        let token = self.last_token;
        let deliveries = (0..).zip(&keys).map(|(handle, &key)| self.hand_out(key, token, handle)).collect();
        self.leases.grant(token, keys.into_iter(), now.after(self.lease));
        Batch { lease: Lease { token, duration: Some(self.lease) }, deliveries, cursor: None }
    }

    fn hand_out(&mut self, key: Key, token: Token, handle: u64) -> Delivery {
        self.put(key, Place::Running { token });
        let entry = &self.entries[key];
        Delivery {
            job: Arc::clone(&entry.job),
            handle,
            attempts: entry.attempts().to_vec(),
            earlier: entry.earlier(),
            crashes: entry.crashes(),
        }
    }

    /// Answers the positions that are refused, and whether jobs wait again or anew.
    pub(super) fn settle(&mut self, settlements: &[Settled], now: Timestamp) -> (Vec<usize>, bool) {
        let mut refused = Vec::new();
        // Who follows may take the key of one that ends.
        let mut waiting = self.unique.any_follows();
        for (position, settled) in settlements.iter().enumerate() {
            match self.leases.take(settled.token, settled.handle) {
                Some(key) => {
                    self.conclude(key, settled, now);
                    waiting |= !matches!(settled.settlement, Settlement::Done { .. } | Settlement::Cancelled);
                }
                None => refused.push(position),
            }
        }
        self.advance(now);
        (refused, waiting)
    }

    fn conclude(&mut self, key: Key, settled: &Settled, now: Timestamp) {
        let entry = &mut self.entries[key];
        let failed = settled.attempt.as_ref();
        match &settled.settlement {
            Settlement::Done { output } => {
                entry.output = output.clone();
                self.end(key, State::Done, now);
            }
            Settlement::Retry { after, charged } => {
                if let Some(attempt) = failed.filter(|_| *charged) {
                    entry.charge(attempt);
                }
                self.schedule_again(key, now.after(*after), now);
            }
            Settlement::Dead { failure, handlers } => {
                if let Some(attempt) = failed {
                    entry.charge(attempt);
                }
                entry.past().failure = Some(failure.clone());
                self.end(key, State::Dead, now);
                for handler in handlers {
                    self.accept(handler, now);
                }
            }
            Settlement::Cancelled => self.end(key, State::Cancelled, now),
            Settlement::Release => self.put_back(key, now),
        }
    }

    /// Back to the place that it had before it was handed out.
    fn put_back(&mut self, key: Key, now: Timestamp) {
        if self.entries[key].cancel_asked() { self.end(key, State::Cancelled, now) } else { self.put(key, Place::Ready) }
    }

    fn schedule_again(&mut self, key: Key, due: Timestamp, now: Timestamp) {
        if self.entries[key].cancel_asked() {
            return self.end(key, State::Cancelled, now);
        }
        self.put_anew(key, due);
        if due > now {
            self.put(key, Place::Scheduled { due, retrying: true });
        } else {
            self.put(key, Place::Ready);
        }
    }

    /// Gives a job that is in no waiting place a new rank.
    pub(super) fn put_anew(&mut self, key: Key, due: Timestamp) {
        let ticket = self.ticket();
        let entry = &mut self.entries[key];
        entry.rank = Rank::new(due, entry.job.priority, ticket);
    }

    pub(super) fn renew(&mut self, leases: &[Token], now: Timestamp) -> Renewal {
        let until = now.after(self.lease);
        let mut renewal = Renewal::default();
        for &token in leases {
            let Some(held) = self.leases.renew(token, until) else {
                renewal.lost.push(token);
                continue;
            };
            let asked = held.map(|key| &self.entries[key]).filter(|entry| entry.cancel_asked());
            renewal.cancelled.extend(asked.map(|entry| entry.job.id.clone()));
        }
        renewal
    }

    pub(super) fn note_progress(&mut self, told: &Progressed) {
        if let Some(key) = self.leases.get(told.token, told.handle) {
            self.entries[key].past().progress = Some(told.progress.clone());
        }
    }

    pub(super) fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    pub(super) fn end(&mut self, key: Key, state: State, now: Timestamp) {
        let ticket = self.ticket();
        self.put(key, Place::Ended { state, at: now, ticket });
        self.watched.remove(&key);
        self.pass_on(key, now);
    }

    pub(super) fn forget(&mut self, key: Key) {
        self.leave(key);
        let entry = self.entries.remove(key);
        if let Some(unique) = entry.job.unique_key() {
            self.unique.forget(unique, key);
        }
        self.ids.remove(&entry.job.id);
        self.watched.remove(&key);
    }

    /// Moves a job from the place where it is to another. Who takes a key out of a lane or a lease does so before.
    pub(super) fn put(&mut self, key: Key, place: Place) {
        self.leave(key);
        if let Some(past) = self.entries[key].past.as_deref_mut() {
            past.progress = None;
        }
        self.entries[key].place = place;
        self.enter(key);
    }

    /// Moves a waiting job to another waiting place, with a new rank.
    pub(super) fn put_due(&mut self, key: Key, due: Timestamp, now: Timestamp) {
        self.leave(key);
        self.put_anew(key, due);
        self.entries[key].place = if due > now { Place::Scheduled { due, retrying: false } } else { Place::Ready };
        self.enter(key);
    }

    fn leave(&mut self, key: Key) {
        let entry = &self.entries[key];
        let lane = self.lanes.of(entry);
        lane.count(entry.place, -1);
        match entry.place {
            Place::Scheduled { due, .. } => {
                self.schedule.remove(&(due, entry.rank.ticket));
            }
            Place::Ready => {
                lane.ready.remove(&entry.rank);
            }
            Place::Running { .. } => {}
            Place::Ended { state, ticket, .. } => self.ended(state).remove(ticket),
        }
        self.watch_expiry(key, false);
    }

    pub(super) fn enter(&mut self, key: Key) {
        let entry = &self.entries[key];
        let lane = self.lanes.of(entry);
        lane.count(entry.place, 1);
        match entry.place {
            Place::Scheduled { due, .. } => {
                self.schedule.insert((due, entry.rank.ticket), key);
            }
            Place::Ready => {
                lane.ready.insert(entry.rank, key);
            }
            Place::Running { .. } => {}
            Place::Ended { state, at, ticket } => self.ended(state).push(ticket, at, key),
        }
        self.watch_expiry(key, true);
    }

    fn watch_expiry(&mut self, key: Key, watch: bool) {
        let entry = &self.entries[key];
        let Some(expires_at) = entry.expires_at else { return };
        if watch && matches!(entry.place, Place::Scheduled { .. } | Place::Ready) {
            self.expiring.insert((expires_at, key));
        } else {
            self.expiring.remove(&(expires_at, key));
        }
    }

    fn ended(&mut self, state: State) -> &mut Ended {
        if state == State::Dead { &mut self.dead } else { &mut self.done }
    }
}
