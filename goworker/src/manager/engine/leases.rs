//! Leases: renewed here, on the control runtime, where no job code can delay it.

use std::sync::Arc;

use tokio::time::Instant;

use crate::provider::{ProviderError, Renewal, Token};

use super::super::report;
use super::jobs::Why;
use super::{Answer, Engine, Timer};

impl Engine {
    /// Sees to it that a timer for the next renewal is set, as long as there are leases.
    pub(super) fn renew_later(&mut self, lane: usize) {
        let state = &mut self.lanes[lane];
        if let Some(period) = state.renewal_period().filter(|_| !state.renewing) {
            state.renewing = true;
            self.set_timer(period, Timer::Renew(lane));
        }
    }

    pub(super) fn renew(&mut self, lane: usize) {
        for token in self.lanes[lane].overdue(Instant::now()) {
            self.lease_lost(lane, token);
        }
        let tokens = self.lanes[lane].renewable();
        self.lanes[lane].renewing = !tokens.is_empty();
        if tokens.is_empty() {
            return;
        }
        let (provider, asked) = (Arc::clone(&self.lanes[lane].provider), Instant::now());
        self.call(lane, async move {
            let result = provider.renew_boxed(&tokens).await;
            Answer::Renewed { tokens, asked, result }
        });
    }

    /// Renews one lease at once, beside those that are renewed in turn.
    pub(super) fn confirm(&mut self, lane: usize, token: Token) {
        let (provider, asked) = (Arc::clone(&self.lanes[lane].provider), Instant::now());
        self.call(lane, async move {
            let result = provider.renew_boxed(&[token]).await;
            Answer::Confirmed { token, asked, result }
        });
    }

    pub(super) fn confirmed(&mut self, lane: usize, token: Token, asked: Instant, result: Result<Renewal, ProviderError>) {
        match result {
            Ok(renewal) => self.note_renewal(lane, &[token], asked, renewal),
            // The next renewal comes in time, or finds it lost.
            Err(error) => tracing::error!(target: "goworker::manager", provider = %self.lanes[lane].name, "cannot renew a lease: {error}"),
        }
    }

    pub(super) fn renewed(&mut self, lane: usize, tokens: &[Token], asked: Instant, result: Result<Renewal, ProviderError>) {
        self.lanes[lane].renewing = false;
        match result {
            Ok(renewal) => {
                self.note_renewal(lane, tokens, asked, renewal);
                self.renew_later(lane);
            }
            Err(error) => {
                tracing::error!(target: "goworker::manager", provider = %self.lanes[lane].name, "cannot renew leases: {error}");
                // Sooner than usual: a few more tries fit in before the lease is over.
                if let Some(period) = self.lanes[lane].renewal_period() {
                    self.lanes[lane].renewing = true;
                    self.set_timer(period / 5, Timer::Renew(lane));
                }
            }
        }
    }

    fn note_renewal(&mut self, lane: usize, tokens: &[Token], asked: Instant, Renewal { lost, cancelled }: Renewal) {
        self.lanes[lane].renewed(tokens, asked);
        for token in lost {
            self.lease_lost(lane, token);
        }
        for id in cancelled {
            self.stop_jobs(Why::Cancelled, |running| running.lane == lane && running.delivery.job.id == id);
        }
    }

    fn lease_lost(&mut self, lane: usize, token: Token) {
        // A lease whose last settlement was stored meanwhile is gone, as it should be.
        if !self.lanes[lane].holds(token) {
            return;
        }
        report::lease_lost(&self.lanes[lane].name, token);
        while let Some(at) = self.lanes[lane].parked.iter().position(|parked| parked.token == token) {
            self.unpark(lane, at);
        }
        let late = self.lanes[lane].lose(token);
        late.iter().for_each(|late| self.refused(lane, late));
        self.stop_jobs(Why::LeaseLost, |running| running.lane == lane && running.token == token);
    }
}
