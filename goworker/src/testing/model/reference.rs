//! The queue in its simplest form: a map from ids to jobs, without order, files or threads.
//!
//! It answers what a queue has to answer. Where the contract leaves a choice, it follows what the queue has chosen:
//! which of equal jobs comes first, and when the jobs of a process that crashed are taken up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::invariant::{Holds, Invariant};
use super::keys::Keys;
use super::known::{Known, Place};
use super::order;
use super::rating::Starts;
use crate::clock::Timestamp;
use crate::job::{Job, JobId};
use crate::outcome::Settlement;
use crate::provider::{Batch, Cursor, Demand, Renewal, Settled, Token};
use crate::queue::{Change, Count, Enqueued, MAX_BULK, Paused, State};
use crate::rate::Rate;

/// What a person may wish.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    Cancel,
    Retry,
    Delete,
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wish::Cancel => "cancel",
            Wish::Retry => "retry",
            Wish::Delete => "delete",
        })
    }
}

/// Why nothing was enqueued.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    TooMany,
    Moved(Option<String>),
}

/// All that a queue has to know.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) jobs: BTreeMap<JobId, Known>,
    pub(super) cursors: BTreeMap<String, String>,
    pub(super) keys: Keys,
    pub(super) leases: BTreeMap<Token, Lease>,
    pub(super) paused: Paused,
    pub(super) starts: Starts,
    last_token: Token,
    accepted: u64,
    now: Timestamp,
    /// How long a lease lasts.
    duration: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Lease {
    until: Timestamp,
    /// The process that it was given to.
    pub(super) holder: usize,
    /// That process has crashed.
    pub(super) orphaned: bool,
}

impl Reference {
    pub(super) fn new(now: Timestamp, duration: Duration, rate: Option<Rate>) -> Self {
        let (jobs, cursors, keys, leases) = (BTreeMap::new(), BTreeMap::new(), Keys::new(), BTreeMap::new());
        Reference {
            jobs,
            cursors,
            keys,
            leases,
            paused: Paused::default(),
            starts: Starts::new(rate),
            last_token: Token(0),
            accepted: 0,
            now,
            duration,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn rate(&self) -> Option<Rate> {
        self.starts.rate
    }

    /// Does what time alone brings about until `now`.
    pub(super) fn pass(&mut self, now: Timestamp) {
        self.now = now;
        self.starts.pass(now);
        let over: Vec<Token> = self.leases.iter().filter(|(_, lease)| lease.until <= now).map(|(token, _)| *token).collect();
        over.into_iter().for_each(|token| self.lose(token));
        self.jobs.values_mut().for_each(|known| known.pass(now));
        self.pass_keys_on();
    }

    pub(super) fn enqueue(&mut self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, Refusal> {
        if jobs.len() > MAX_BULK {
            return Err(Refusal::TooMany);
        }
        if let Some(Cursor { name, from, to }) = cursor {
            let at = self.cursors.get(name);
            if at != from.as_ref() {
                return Err(Refusal::Moved(at.cloned()));
            }
            self.cursors.insert(name.clone(), to.clone());
        }
        let answers = jobs.iter().map(|job| self.accept(job)).collect();
        self.pass(self.now);
        Ok(answers)
    }

    fn accept(&mut self, job: &Arc<Job>) -> Enqueued {
        if let Some(known) = self.jobs.get(&job.id) {
            return if known.job == *job { Enqueued::Exists } else { Enqueued::Conflict };
        }
        let known = Known::accepted(Arc::clone(job), self.accepted + 1, self.now);
        let answer = self.let_in(known);
        self.accepted += u64::from(answer.is_new());
        answer
    }

    /// Checks what a fetch brought, and takes note of it.
    pub(super) fn fetch(&mut self, demand: &Demand, batch: &Batch, holder: usize) -> Holds {
        for delivery in &batch.deliveries {
            if let Some(token) = self.jobs.get(&delivery.job.id).and_then(|known| self.orphaned(known)) {
                self.lose(token);
            }
        }
        let mut taken = Vec::new();
        for delivery in &batch.deliveries {
            let id = &delivery.job.id;
            let Some(known) = self.jobs.get(id) else { return Err(Invariant::Conservation.violated(format!("{id} was never accepted"))) };
            Invariant::Conservation.same(&format!("{id} as delivered"), &delivery.job, &known.job)?;
            let paused = self.paused.holds(&known.job.job_type);
            Invariant::Order.same(
                &format!("state of {id}, which was handed out, and whether it is paused"),
                (State::Ready, false),
                (known.state(), paused),
            )?;
            let counted = (delivery.attempts.as_slice(), delivery.crashes);
            Invariant::Counting.same(&format!("attempts and crashes of {id}"), counted, (known.counted(), known.crashes))?;
            taken.push(known);
        }
        order::check(demand, &self.offered(), &taken, self.starts.allowed(self.now))?;
        self.starts.note(taken.len(), self.now);
        if batch.deliveries.is_empty() {
            return Ok(());
        }
        let token = batch.lease.token;
        if token <= self.last_token {
            return Err(Invariant::Fencing.violated(format!("token {token} came after {}", self.last_token)));
        }
        Invariant::Leases.same("duration of the lease", batch.lease.duration, Some(self.duration))?;
        self.last_token = token;
        self.hand_out(token, holder, batch.deliveries.iter().map(|delivery| (&delivery.job.id, delivery.handle)));
        Ok(())
    }

    /// Takes note of jobs that were handed out to someone who never heard of it.
    pub(super) fn fetch_unheard(&mut self, demand: &Demand, ids: &[JobId], holder: usize) -> Holds {
        if ids.is_empty() {
            return Ok(());
        }
        let mut taken: Vec<&Known> = ids.iter().filter_map(|id| self.jobs.get(id)).collect();
        let is_offered = |known: &Known| known.state() == State::Ready && !self.paused.holds(&known.job.job_type);
        if let Some(known) = taken.iter().find(|known| !is_offered(known)) {
            return Err(Invariant::Order.violated(format!("{} was handed out, but was {}, or paused", known.job.id, known.state())));
        }
        taken.sort_by_key(|known| (known.score(), known.number));
        order::check(demand, &self.offered(), &taken, self.starts.allowed(self.now))?;
        self.starts.note(taken.len(), self.now);
        // Nobody can settle under a token that nobody knows: any that was never given will do.
        let token = Token(u64::MAX - self.accepted - self.leases.len() as u64);
        self.hand_out(token, holder, ids.iter().map(|id| (id, 0)));
        Ok(())
    }

    /// What may be handed out.
    pub(super) fn offered(&self) -> Vec<&Known> {
        self.ready().filter(|known| !self.paused.holds(&known.job.job_type)).collect()
    }

    fn ready(&self) -> impl Iterator<Item = &Known> {
        self.jobs.values().filter(|known| known.state() == State::Ready)
    }

    fn hand_out<'a>(&mut self, token: Token, holder: usize, jobs: impl Iterator<Item = (&'a JobId, u64)>) {
        self.leases.insert(token, Lease { until: self.now.after(self.duration), holder, orphaned: false });
        for (id, handle) in jobs {
            if let Some(known) = self.jobs.get_mut(id) {
                known.place = Place::Running { token, handle };
            }
        }
    }

    /// Settles, and answers the positions to refuse.
    pub(super) fn settle(&mut self, settlements: &[Settled]) -> Vec<usize> {
        let mut refused = Vec::new();
        for (position, settled) in settlements.iter().enumerate() {
            let now = self.now;
            let Some(known) = self.holds(settled) else {
                refused.push(position);
                continue;
            };
            known.settle(settled, now);
            if let Settlement::Dead { handlers, .. } = &settled.settlement {
                handlers.iter().for_each(|handler| self.accept_handler(handler));
            }
        }
        self.pass(self.now);
        refused
    }

    /// In which order the handler jobs of one call are accepted is not told.
    fn accept_handler(&mut self, job: &Arc<Job>) {
        if self.accept(job).is_new()
            && let Some(known) = self.jobs.get_mut(&job.id)
        {
            known.moved = true;
        }
    }

    /// The job of a settlement, if its lease is held.
    pub(super) fn holds(&mut self, settled: &Settled) -> Option<&mut Known> {
        let place = Place::Running { token: settled.token, handle: settled.handle };
        self.jobs.get_mut(&settled.job.id).filter(|known| known.place == place)
    }

    /// Whether jobs run under a lease.
    pub(super) fn is_held(&self, token: Token) -> bool {
        self.jobs.values().any(|known| matches!(known.place, Place::Running { token: t, .. } if t == token))
    }

    /// Extends leases, as a queue that did so answers.
    pub(super) fn renew(&mut self, leases: &[Token]) -> Renewal {
        let mut renewal = Renewal::default();
        for token in leases {
            let held: Vec<&Known> =
                self.jobs.values().filter(|known| matches!(known.place, Place::Running { token: t, .. } if t == *token)).collect();
            if held.is_empty() {
                renewal.lost.push(*token);
                continue;
            }
            renewal.cancelled.extend(held.iter().filter(|known| known.cancel_asked).map(|known| known.job.id.clone()));
            if let Some(lease) = self.leases.get_mut(token) {
                lease.until = self.now.after(self.duration);
            }
        }
        renewal
    }

    pub(super) fn change(&mut self, wish: Wish, ids: &[JobId]) -> Vec<Change> {
        let change = |id| {
            let change = self.change_one(wish, id);
            self.pass_keys_on();
            change
        };
        ids.iter().map(change).collect()
    }

    fn change_one(&mut self, wish: Wish, id: &JobId) -> Change {
        let now = self.now;
        let Some(known) = self.jobs.get(id) else { return Change::Absent };
        if matches!(wish, Wish::Retry) && known.state().is_final() {
            if let Some(holder) = self.holder(&known.job) {
                return Change::Held(holder.job.id.clone());
            }
            let (job, accepted_at) = (Arc::clone(&known.job), known.enqueued_at);
            self.hold(&job, accepted_at, None);
        }
        let Some(known) = self.jobs.get_mut(id) else { return Change::Absent };
        match wish {
            Wish::Cancel => known.cancel(now),
            Wish::Retry => known.retry(now),
            Wish::Delete if known.state() == State::Running => Change::Refused(State::Running),
            Wish::Delete => {
                self.jobs.remove(id);
                self.free_key(id);
                Change::Changed
            }
        }
    }

    /// A process ends in an orderly way: what it holds is given back.
    pub(super) fn close(&mut self, holder: usize) {
        let its: Vec<Token> = self.leases.iter().filter(|(_, lease)| lease.holder == holder).map(|(token, _)| *token).collect();
        its.into_iter().for_each(|token| self.end_lease(token, |_, _| {}));
        self.pass(self.now);
    }

    /// Until when a job is leased.
    pub(super) fn leased_until(&self, known: &Known) -> Option<Timestamp> {
        let Place::Running { token, .. } = known.place else { return None };
        self.leases.get(&token).map(|lease| lease.until)
    }

    /// The jobs of a lease that are not settled come back with one crash more.
    pub(super) fn lose(&mut self, token: Token) {
        let now = self.now;
        self.end_lease(token, |known, holder| known.crash(holder, now));
        self.jobs.values_mut().for_each(|known| known.pass(now));
        self.pass_keys_on();
    }

    fn end_lease(&mut self, token: Token, count: impl Fn(&mut Known, usize)) {
        let Some(lease) = self.leases.remove(&token) else { return };
        for known in self.jobs.values_mut().filter(|known| matches!(known.place, Place::Running { token: t, .. } if t == token)) {
            count(known, lease.holder);
            known.put_back(self.now);
        }
    }

    pub(super) fn counts(&self) -> Vec<Count> {
        let mut counts: BTreeMap<(&str, State, bool), u64> = BTreeMap::new();
        for known in self.jobs.values() {
            let retrying = known.place == Place::Scheduled { retrying: true };
            *counts.entry((&known.job.job_type, known.state(), retrying)).or_default() += 1;
        }
        let count = |((job_type, state, retrying), jobs): ((&str, _, _), _)| Count { job_type: job_type.to_owned(), state, retrying, jobs };
        counts.into_iter().map(count).collect()
    }

    pub(super) fn oldest_ready(&self) -> Option<Timestamp> {
        self.ready().map(|known| known.due).min()
    }
}
