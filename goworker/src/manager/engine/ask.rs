//! Asking providers for jobs: a slot before a job, type by type.

use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time::Instant;

use crate::outcome::{Cause, Failure, Outcome, Rules, Settlement, decide};
use crate::provider::{Batch, Delivery, Demand, ProviderError, Settled, Token};
use crate::retry::RetryPolicy;

use super::super::lane::{Fetching, Lane};
use super::super::report;
use super::super::stop::Phase;
use super::{Answer, Engine, Pool, Timer};

/// How many settlements may wait for a provider before no more jobs are taken from it.
const OUTBOX_LIMIT: usize = 10_000;

/// The most fetches of a lane under way.
const MOST_ASKED: usize = 2;

impl Pool {
    /// The most jobs in one fetch: half of the slots, so that a queue hands out jobs for one half while those of the other run.
    /// Where that would be few, a call would cost more than it brings. More make whoever waits for the answer idle: from about here on it
    /// is also more than the 64 KiB that Redis sends before it goes on with the next call.
    fn wave(&self) -> usize {
        const WORTH_A_CALL: usize = 16;
        const MOST: usize = 200;
        self.slots.div_ceil(2).clamp(WORTH_A_CALL, MOST)
    }
}

impl Engine {
    /// Asks each lane for what can start now.
    pub(super) fn ask(&mut self) {
        for lane in 0..self.lanes.len() {
            self.start_parked(lane);
            if self.phase != Phase::Running || self.lanes[lane].outbox.len() > OUTBOX_LIMIT {
                continue;
            }
            let demand = self.demand(lane);
            if demand.total() == 0 {
                continue;
            }
            match &self.lanes[lane].fetching {
                Fetching::Idle if self.lanes[lane].asked < MOST_ASKED => self.fetch(lane, demand),
                Fetching::Waiting { demand: asked, call } if wants_more(&demand, asked) => {
                    call.abort();
                    self.lanes[lane].fetching = Fetching::Idle;
                    self.fetch(lane, demand);
                }
                Fetching::Idle | Fetching::Waiting { .. } | Fetching::BackingOff => {}
            }
        }
    }

    /// What can start now. Beside a fetch that is under way, only whole waves of the types of which there was plenty.
    fn demand(&mut self, lane: usize) -> Demand {
        let Lane { provider, asked, plenty, parked, .. } = &self.lanes[lane];
        if provider.selects() {
            let asks_for = |pool: &&Pool| *asked == 0 || (pool.free >= pool.wave() && plenty.contains(&pool.job_type));
            let free = |pool: &Pool| (pool.free > 0).then(|| (Arc::clone(&pool.job_type), pool.free.min(pool.wave())));
            return Demand::ByType(self.pools.iter().filter(asks_for).filter_map(free).collect());
        }
        // What a plain source hands out may be of any type: as long as something is parked, it is not asked.
        let may_ask = *asked == 0 && parked.is_empty();
        let free = if may_ask { self.pools.iter().map(|pool| pool.free).sum() } else { 0 };
        Demand::Any(if free == 0 { 0 } else { free.min(self.allowed(lane)) })
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
        self.lanes[lane].asked += 1;
        self.lanes[lane].just_asked = true;
        self.call(lane, async move {
            let result = provider.fetch_boxed(&demand).await;
            Answer::Fetched { asked, demand, result }
        });
    }

    /// Keeps the slots that were asked for until the answer. A plain source may take for ever, so it keeps none.
    fn reserve(&mut self, demand: &Demand) {
        self.each_slot(demand, |free, slots| *free -= slots);
    }

    fn unreserve(&mut self, demand: &Demand) {
        self.each_slot(demand, |free, slots| *free += slots);
    }

    fn each_slot(&mut self, demand: &Demand, change: fn(&mut usize, usize)) {
        if let Demand::ByType(types) = demand {
            for (job_type, slots) in types {
                if let Some(pool) = self.by_type.get(job_type) {
                    change(&mut self.pools[*pool].free, *slots);
                }
            }
        }
    }

    pub(super) fn fetched(&mut self, lane: usize, asked: Instant, demand: Demand, result: Result<Batch, ProviderError>) {
        self.unreserve(&demand);
        self.lanes[lane].asked -= 1;
        match result {
            Ok(batch) => {
                self.lanes[lane].is_back();
                self.lanes[lane].plenty = filled(&demand, &batch.deliveries);
                if !batch.deliveries.is_empty() {
                    self.accept(lane, asked, batch);
                } else if self.lanes[lane].asked == 0 && matches!(self.lanes[lane].fetching, Fetching::Idle) {
                    self.wait_until_ready(lane, demand);
                }
            }
            Err(error) => {
                self.lanes[lane].fetching = Fetching::BackingOff;
                self.outage(lane, "fetch", &error, Timer::Reconnect(lane));
            }
        }
    }

    fn wait_until_ready(&mut self, lane: usize, demand: Demand) {
        if self.phase != Phase::Running {
            return;
        }
        let provider = Arc::clone(&self.lanes[lane].provider);
        let asked = demand.clone();
        let call = self.call(lane, async move {
            provider.ready_boxed(&asked).await;
            Answer::Ready
        });
        self.lanes[lane].fetching = Fetching::Waiting { demand, call };
    }

    pub(super) fn ready(&mut self, lane: usize, id: task::Id) {
        // An answer that was under way when its call was replaced says nothing about the new one.
        if let Fetching::Waiting { call, .. } = &self.lanes[lane].fetching
            && call.id() == id
        {
            self.lanes[lane].fetching = Fetching::Idle;
        }
    }

    fn accept(&mut self, lane: usize, asked: Instant, batch: Batch) {
        let Batch { lease, deliveries, .. } = batch;
        self.idle.reset();
        self.lanes[lane].hold(lease, deliveries.len(), asked);
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
            // What is tried again, or comes unasked for, is held to the rate as well.
            Some(pool) if self.pools[pool].free > 0 && self.allowed(lane) > 0 => self.start(lane, pool, token, delivery),
            Some(_) => self.lanes[lane].parked.push_back((delivery, token)),
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

    /// Starts what waits for a slot or for the rate, as far as there are slots and the rate allows.
    fn start_parked(&mut self, lane: usize) {
        for _ in 0..self.lanes[lane].parked.len() {
            if let Some((delivery, token)) = self.lanes[lane].parked.pop_front() {
                self.place(lane, token, delivery);
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

/// The types of which there were as many jobs as were asked for.
fn filled(demand: &Demand, deliveries: &[Delivery]) -> Vec<Arc<str>> {
    let Demand::ByType(types) = demand else { return Vec::new() };
    let is_filled = |job_type: &str, slots: usize| deliveries.iter().filter(|delivery| delivery.job.job_type == job_type).count() >= slots;
    types
        .iter()
        .filter(|(job_type, slots)| deliveries.len() >= *slots && is_filled(job_type, *slots))
        .map(|(job_type, _)| Arc::clone(job_type))
        .collect()
}

/// Whether there are slots now for a type that was not asked for. More slots for a type that had nothing are no reason.
fn wants_more(demand: &Demand, asked: &Demand) -> bool {
    match demand {
        Demand::ByType(types) => types.iter().any(|(job_type, _)| asked.of(job_type) == 0),
        Demand::Any(_) => false,
    }
}
