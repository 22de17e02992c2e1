//! Calls that were cut off: they were done as a whole, or not at all, and nobody was told which.

use super::invariant::{Holds, Invariant, Violation};
use super::reference::Reference;
use super::walk::Walk;
use crate::job::JobId;
use crate::provider::Demand;
use crate::queue::{Change, State};

impl Walk<'_> {
    /// A call was cut off that would have done this.
    pub(super) async fn unconfirmed(&mut self, by: usize, done: impl Fn(&mut Reference)) -> Holds {
        self.barrier(by).await?;
        let shown = self.shown(by).await?;
        let not_done = self.model.clone();
        let mut all_done = self.model.clone();
        done(&mut all_done);
        // Or done after what crashed processes held had been taken up.
        let mut done_later = self.model.clone();
        self.model.orphans().into_iter().for_each(|token| done_later.lose(token));
        done(&mut done_later);
        let mut differences = Vec::new();
        for mut model in [not_done, all_done, done_later] {
            model.tell_shown(&shown.records);
            match shown.compare(&model, self.script.instants()) {
                Ok(()) => {
                    self.model = model;
                    return Ok(());
                }
                Err(Violation { what, .. }) => differences.push(what),
            }
        }
        let what =
            format!("the call that was cut off was neither done nor not done:\n  not done? {}\n  done? {}", differences[0], differences[1]);
        Err(Invariant::Durability.violated(what))
    }

    /// What was asked for before is done when this returns, if it is done at all.
    async fn barrier(&self, by: usize) -> Holds {
        let nobody = "nobody".parse().map_err(|error: String| Invariant::Liveness.violated(error))?;
        let answer = self.processes.get(by).1.cancel(&[nobody]).await?;
        Invariant::Ends.same("what cancelling nobody answers", answer, [Change::Absent])
    }

    /// A fetch was cut off: jobs may have been handed out to nobody, and come again when their lease is over.
    pub(super) async fn fetched_unheard(&mut self, by: usize, demand: &Demand) -> Holds {
        self.barrier(by).await?;
        let shown = self.shown(by).await?;
        self.model.tell_shown(&shown.records);
        let runs = |id: &JobId| self.model.jobs.get(id).is_some_and(|known| known.state() == State::Running);
        let running = shown.records.iter().filter(|record| record.state == State::Running).map(|record| record.job.id.clone());
        let taken: Vec<JobId> = running.filter(|id| !runs(id)).collect();
        let number = self.processes.get(by).0;
        self.model.fetch_unheard(demand, &taken, number)
    }
}
