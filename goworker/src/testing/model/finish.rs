//! The end of a walk: nothing goes wrong any more, so everything has to come to an end.

use std::time::Duration;

use super::invariant::{Holds, Invariant};
use super::step::TYPES;
use super::walk::Walk;
use crate::provider::Demand;
use crate::queue::State;

/// Longer than a lease lasts, or a retry waits.
const LONG: Duration = Duration::from_secs(10);
/// Enough for all jobs of a walk, one at a time.
const MOST_ROUNDS: usize = 5_000;
/// For so many jobs it is asked how they ended.
const ASKED: usize = 20;

impl Walk<'_> {
    /// Whatever is there can be done, and whoever waits for it hears of it.
    pub(super) async fn finish(&mut self) -> Holds {
        for job_type in TYPES.map(Some).into_iter().chain([None]) {
            self.resume(0, None, job_type).await?;
            self.agree(0).await?;
        }
        let mut rounds = 0;
        // With a rate there is one step in each.
        while rounds < 4 || (self.model.rate().is_some() && !self.model.offered().is_empty() && rounds < MOST_ROUNDS) {
            rounds += 1;
            self.clock(i64::try_from(LONG.as_millis()).unwrap_or(i64::MAX))?;
            if rounds <= 4 {
                self.agree(0).await?;
            }
            while self.do_what_is_ready().await? {}
        }
        self.agree(0).await?;
        let open = |state: State| if self.script.instants() { !state.is_final() } else { state == State::Ready };
        let left: Vec<&str> = self.model.jobs.values().filter(|known| open(known.state())).map(|known| known.job.id.as_str()).collect();
        Invariant::Liveness.same("jobs that have not ended", left, [""; 0])?;
        self.hear_of_ends().await
    }

    async fn do_what_is_ready(&mut self) -> Result<bool, super::invariant::Violation> {
        let ready = !self.model.offered().is_empty() && *self.model.starts.allowed(self.model.now()).start() > 0;
        if ready {
            // It does not wait for what is there already.
            self.processes.get(0).1.ready(&Demand::Any(1)).await;
        }
        self.fetch(0, None, &Demand::Any(1_000)).await?;
        let held = self.past.last().filter(|batch| self.model.is_held(batch.lease.token)).cloned();
        if let Some(batch) = held {
            let done = self.script.all_done(&batch, self.model.now());
            self.settle(0, None, &done).await?;
        }
        Ok(ready)
    }

    async fn hear_of_ends(&self) -> Holds {
        let queue = self.processes.get(0).1;
        for known in self.model.jobs.values().filter(|known| known.state().is_final()).take(ASKED) {
            let id = &known.job.id;
            let heard = queue.wait(id).await?.map(|record| record.state);
            Invariant::Ends.same(&format!("what waiting for {id} answers"), heard, Some(known.state()))?;
        }
        Ok(())
    }
}
