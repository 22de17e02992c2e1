//! Asking providers for jobs: a slot before a job, type by type.

use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time::Instant;

use crate::outcome::{Cause, Failure, Outcome, Rules, Settlement, decide};
use crate::provider::{Batch, Delivery, Demand, ProviderError, Settled, Token};
use crate::retry::RetryPolicy;

use super::super::lane::{Lane, Parked, Wait};
use super::super::report;
use super::super::stop::Phase;
use super::{Answer, Engine, Pool, Slots, Timer};

/// How many settlements may wait for a provider before no more jobs are taken from it.
const OUTBOX_LIMIT: usize = 10_000;

/// The most fetches of a lane under way.
const MOST_ASKED: usize = 2;

/// When a job that was taken ahead goes back to its queue, for others, because the jobs before it take longer than was usual.
const LATE: Duration = Duration::from_millis(50);

impl Engine {
    /// Asks each lane for what can start now.
    pub(super) fn ask(&mut self) {
        for lane in 0..self.lanes.len() {
            self.start_parked(lane);
            if self.phase != Phase::Running || self.lanes[lane].outbox.len() > OUTBOX_LIMIT {
                continue;
            }
            let demand = self.demand(lane);
            if demand.total() > 0 {
                self.fetch(lane, demand);
            }
        }
    }

    /// What can start now, of what there may be jobs. Beside a fetch that is under way, one goes only for a whole wave of a type of which
    /// there was plenty, and for other types if nobody has asked for them.
    fn demand(&mut self, lane: usize) -> Demand {
        let Lane { provider, asked, fetches_later, plenty, wait, parked, .. } = &self.lanes[lane];
        let may_ask = !fetches_later && asked.len() < MOST_ASKED;
        if !provider.selects() {
            // What a plain source hands out may be of any type: as long as something is parked, it is not asked.
            let may_ask = may_ask && asked.is_empty() && wait.is_none() && parked.is_empty();
            let free = if may_ask { self.pools.iter().map(|pool| pool.slots.free()).sum() } else { 0 };
            return Demand::Any(if free == 0 { 0 } else { free.min(self.allowed(lane)) });
        }
        let is_worth_it = |pool: &Pool| pool.slots.room() >= pool.slots.wave() && plenty.contains(&pool.job_type);
        if !may_ask || !(asked.is_empty() || self.pools.iter().any(is_worth_it)) {
            return Demand::ByType(Vec::new());
        }
        let is_asked = |pool: &Pool| asked.iter().any(|demand| demand.of(&pool.job_type) > 0);
        let asks_for =
            |pool: &&Pool| pool.slots.room() > 0 && !self.lanes[lane].waits_for(&pool.job_type) && (!is_asked(pool) || is_worth_it(pool));
        let slots = |pool: &Pool| (Arc::clone(&pool.job_type), pool.slots.room().min(pool.slots.wave()));
        Demand::ByType(self.pools.iter().filter(asks_for).map(slots).collect())
    }

    /// How many jobs a lane's rate allows to start. If none, it is asked again when it allows some.
    fn allowed(&mut self, lane: usize) -> usize {
        let now = self.rulebook.clock.now();
        let Some(starts) = &mut self.lanes[lane].starts else { return usize::MAX };
        let (allowed, next) = (starts.allowed(now), starts.next());
        if let Some(next) = next.filter(|_| allowed == 0 && !self.lanes[lane].opening) {
            self.lanes[lane].opening = true;
            self.set_timer(next.since(now), Timer::Open(lane));
        }
        allowed
    }

    fn fetch(&mut self, lane: usize, demand: Demand) {
        self.reserve(&demand);
        let provider = Arc::clone(&self.lanes[lane].provider);
        let asked = Instant::now();
        self.lanes[lane].asked.push(demand.clone());
        self.lanes[lane].just_asked = true;
        self.call(lane, async move {
            let result = provider.fetch_boxed(&demand).await;
            Answer::Fetched { asked, demand, result }
        });
    }

    /// Keeps the slots that were asked for until the answer. A plain source may take for ever, so it keeps none.
    fn reserve(&mut self, demand: &Demand) {
        self.each_slot(demand, |slots, jobs| slots.asked += jobs);
    }

    fn unreserve(&mut self, demand: &Demand) {
        self.each_slot(demand, |slots, jobs| slots.asked -= jobs);
    }

    fn each_slot(&mut self, demand: &Demand, change: fn(&mut Slots, usize)) {
        if let Demand::ByType(types) = demand {
            for (job_type, jobs) in types {
                if let Some(pool) = self.by_type.get(job_type) {
                    change(&mut self.pools[*pool].slots, *jobs);
                }
            }
        }
    }

    pub(super) fn fetched(&mut self, lane: usize, asked: Instant, demand: Demand, result: Result<Batch, ProviderError>) {
        self.unreserve(&demand);
        let state = &mut self.lanes[lane];
        if let Some(at) = state.asked.iter().position(|asked| *asked == demand) {
            state.asked.swap_remove(at);
        }
        match result {
            Ok(batch) => {
                state.is_back();
                let missing = state.note_brought(demand, &batch.deliveries);
                if !batch.deliveries.is_empty() {
                    self.accept(lane, asked, batch);
                }
                if missing.total() > 0 {
                    self.wait_for(lane, missing);
                }
            }
            Err(error) => {
                state.fetches_later = true;
                self.outage(lane, "fetch", &error, Timer::Reconnect(lane));
            }
        }
    }

    /// Waits for what a fetch brought nothing of, beside what is waited for already.
    fn wait_for(&mut self, lane: usize, missing: Demand) {
        if self.phase != Phase::Running {
            return;
        }
        let demand = match (missing, self.lanes[lane].wait.take()) {
            (Demand::ByType(mut types), Some(before)) => {
                if let Demand::ByType(waited) = &before.demand {
                    let others = waited.iter().filter(|(job_type, _)| types.iter().all(|(missing, _)| missing != job_type));
                    let others: Vec<_> = others.cloned().collect();
                    types.extend(others);
                }
                Demand::ByType(types)
            }
            (missing, _) => missing,
        };
        let provider = Arc::clone(&self.lanes[lane].provider);
        let wanted = demand.clone();
        let call = self.call(lane, async move {
            provider.ready_boxed(&wanted).await;
            Answer::Ready
        });
        self.lanes[lane].wait = Some(Wait { demand, call });
    }

    pub(super) fn ready(&mut self, lane: usize, id: task::Id) {
        // An answer that was under way when its call was replaced says nothing about the new one.
        self.lanes[lane].wait.take_if(|wait| wait.call.id() == id);
    }

    fn accept(&mut self, lane: usize, asked: Instant, batch: Batch) {
        let Batch { lease, deliveries, .. } = batch;
        self.idle.reset();
        let now = Instant::now();
        // Of an answer that came late nobody here knows how much of its lease is left; a renewal tells.
        if lease.duration.is_some_and(|duration| now.duration_since(asked) > duration / 3) {
            self.lanes[lane].hold(lease, deliveries.len(), now);
            self.confirm(lane, lease.token);
        } else {
            self.lanes[lane].hold(lease, deliveries.len(), asked);
        }
        self.renew_later(lane);
        for delivery in deliveries {
            self.place(lane, lease.token, delivery);
        }
    }

    /// Starts a delivery, or finds another place for it.
    pub(super) fn place(&mut self, lane: usize, token: Token, delivery: Delivery) {
        if self.phase != Phase::Running {
            return self.give_back(lane, token, delivery);
        }
        if let Some(wait) = self.too_early(lane, &delivery) {
            return self.rest(lane, token, delivery, wait);
        }
        let pool = self.by_type.get(delivery.job.job_type.as_str()).copied();
        if delivery.crashes >= pool.map_or(self.rulebook.poison, |pool| self.pools[pool].poison) {
            let message = format!("{} processes died on it, so it is not run again", delivery.crashes);
            return self.bury(lane, token, delivery, Failure::new(Cause::Poison, message));
        }
        match pool {
            Some(pool) if self.may_start(lane, pool) => self.start(lane, pool, token, delivery),
            Some(pool) => self.park(lane, Parked { token, delivery, pool, since: Instant::now() }),
            None => {
                let failure = Failure::new(Cause::NoWorker, format!("no worker runs jobs of type `{}`", delivery.job.job_type));
                self.bury(lane, token, delivery, failure);
            }
        }
    }

    /// How long it is until a job may start. A queue keeps it for so long; a plain source cannot.
    fn too_early(&self, lane: usize, delivery: &Delivery) -> Option<Duration> {
        let run_at = delivery.job.run_at.filter(|_| !self.lanes[lane].provider.schedules())?;
        Some(run_at.since(self.rulebook.clock.now())).filter(|wait| !wait.is_zero())
    }

    /// Keeps a delivery until its time has come, without a slot.
    pub(super) fn rest(&mut self, lane: usize, token: Token, delivery: Delivery, after: Duration) {
        self.lanes[lane].resting += 1;
        self.set_timer(after, Timer::Rested(lane, token, Box::new(delivery)));
    }

    /// Whether a slot is free for a delivery, and its provider's rate allows a start. What a queue hands out was asked for; what a plain
    /// source does may not take the place of that, and what is tried again, or comes unasked for, is held to the rate as well.
    fn may_start(&mut self, lane: usize, pool: usize) -> bool {
        let slots = &self.pools[pool].slots;
        let has_slot = if self.lanes[lane].provider.selects() { slots.has_one() } else { slots.free() > 0 };
        has_slot && self.allowed(lane) > 0
    }

    fn park(&mut self, lane: usize, parked: Parked) {
        if self.lanes[lane].provider.selects() {
            self.pools[parked.pool].slots.ahead += 1;
            if !self.lanes[lane].looks_for_late {
                self.lanes[lane].looks_for_late = true;
                self.set_timer_at(parked.since + LATE, Timer::Late(lane));
            }
        }
        self.lanes[lane].parked.push_back(parked);
    }

    /// Takes one that waits for a slot out of its place.
    pub(super) fn unpark(&mut self, lane: usize, at: usize) -> Option<Parked> {
        let parked = self.lanes[lane].parked.remove(at)?;
        if self.lanes[lane].provider.selects() {
            self.pools[parked.pool].slots.ahead -= 1;
        }
        Some(parked)
    }

    /// Starts what waits for a slot or for the rate, as far as there are slots and the rate allows.
    fn start_parked(&mut self, lane: usize) {
        let mut at = 0;
        while let Some(pool) = self.lanes[lane].parked.get(at).map(|parked| parked.pool) {
            if !self.may_start(lane, pool) {
                at += 1;
            } else if let Some(Parked { token, delivery, .. }) = self.unpark(lane, at) {
                self.start(lane, pool, token, delivery);
            }
        }
    }

    /// Gives back what was taken ahead and has not started in time.
    pub(super) fn give_back_late(&mut self, lane: usize) {
        self.lanes[lane].looks_for_late = false;
        let now = Instant::now();
        while let Some(parked) = self.lanes[lane].parked.front() {
            let (late, pool) = (parked.since + LATE, parked.pool);
            if late > now {
                self.lanes[lane].looks_for_late = true;
                self.set_timer_at(late, Timer::Late(lane));
                return;
            }
            self.pools[pool].slots.note_late();
            if let Some(Parked { token, delivery, .. }) = self.unpark(lane, 0) {
                self.give_back(lane, token, delivery);
            }
        }
    }

    /// Settles a delivery that is not run at all.
    fn bury(&mut self, lane: usize, token: Token, delivery: Delivery, failure: Failure) {
        let Delivery { job, handle, attempts, earlier, .. } = delivery;
        let rules = Rules { retry: &RetryPolicy::default(), handlers: &self.rulebook.handlers, earlier };
        let settlement = decide(&job, &attempts, Outcome::Failed(failure), rules, 0.0);
        report::buried(&job, &settlement);
        self.tally(lane, &job.job_type).count(&settlement);
        self.lanes[lane].outbox.push(Settled { token, handle, job, attempt: None, settlement });
    }

    /// Gives back a delivery that was never started.
    pub(super) fn give_back(&mut self, lane: usize, token: Token, delivery: Delivery) {
        let Delivery { job, handle, .. } = delivery;
        self.lanes[lane].outbox.push(Settled { token, handle, job, attempt: None, settlement: Settlement::Release });
    }
}
