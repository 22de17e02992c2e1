//! Settling: what ended while one call was under way is the next batch.

use std::sync::Arc;

use crate::job::Job;
use crate::outcome::Settlement;
use crate::provider::{ProviderError, Settled};

use super::super::report;
use super::{Answer, Engine, Timer};

impl Engine {
    /// Sends each lane what waits in its outbox.
    pub(super) fn settle(&mut self) {
        for lane in 0..self.lanes.len() {
            let state = &mut self.lanes[lane];
            // Beside a fetch that goes in the same moment a second call costs next to nothing.
            let most = if std::mem::take(&mut state.just_asked) { 2 } else { 1 };
            if state.settling < most && !state.settles_later && !state.outbox.is_empty() {
                state.settling += 1;
                let settled = std::mem::take(&mut state.outbox);
                self.send_settlements(lane, settled);
            }
        }
    }

    fn send_settlements(&mut self, lane: usize, mut settled: Vec<Settled>) {
        let (provider, handlers_to) = (Arc::clone(&self.lanes[lane].provider), self.lanes[lane].handlers_to.clone());
        self.call(lane, async move {
            // A provider that cannot store the handler jobs is told of a death only after a queue has accepted them.
            if let Some(queue) = handlers_to {
                let handlers = take_handlers(&mut settled);
                if !handlers.is_empty()
                    && let Err(error) = queue.enqueue(&handlers, None).await
                {
                    return_handlers(&mut settled, handlers);
                    return Answer::Settled { settled, result: Err(error) };
                }
            }
            let result = provider.settle_boxed(&settled).await;
            Answer::Settled { settled, result }
        });
    }

    pub(super) fn settled(&mut self, lane: usize, settled: Vec<Settled>, result: Result<Vec<usize>, ProviderError>) {
        self.lanes[lane].settling -= 1;
        match result {
            Ok(refused) => {
                self.lanes[lane].is_back();
                refused.iter().filter_map(|index| settled.get(*index)).for_each(|late| self.refused(lane, late));
                settled.iter().for_each(|settled| self.lanes[lane].close(settled.token));
            }
            Err(error) => {
                // They go first again; until the timer nothing overtakes them.
                self.lanes[lane].settles_later = true;
                self.lanes[lane].outbox.splice(0..0, settled);
                self.outage(lane, "settle", &error, Timer::Resettle(lane));
            }
        }
    }

    /// Counts a settlement that came too late.
    pub(super) fn refused(&mut self, lane: usize, late: &Settled) {
        self.tally(lane, &late.job.job_type).stale += 1;
        report::stale(&late.job);
    }
}

fn take_handlers(settled: &mut [Settled]) -> Vec<Arc<Job>> {
    let of = |settled: &mut Settled| match &mut settled.settlement {
        Settlement::Dead { handlers, .. } => std::mem::take(handlers),
        _ => Vec::new(),
    };
    settled.iter_mut().flat_map(of).collect()
}

/// Undoes [`take_handlers`]. Whose death a handler job tells does not matter, only that it goes before a settlement.
fn return_handlers(settled: &mut [Settled], jobs: Vec<Arc<Job>>) {
    let dead = settled.iter_mut().find_map(|settled| match &mut settled.settlement {
        Settlement::Dead { handlers, .. } => Some(handlers),
        _ => None,
    });
    if let Some(handlers) = dead {
        *handlers = jobs;
    }
}
