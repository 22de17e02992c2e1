//! Steps taken with a queue and with the model of it, which must agree after each.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::compare::{CURSORS, Shown};
use super::cut::cut_off;
use super::invariant::{Holds, Invariant, Violation};
use super::processes::Processes;
use super::reference::{Reference, Refusal, Wish};
use super::script::Script;
use super::step::{Action, Draft, Mark, Step};
use super::trace::{self, Trace};
use crate::clock::{Clock, Random, Timestamp};
use crate::job::{Job, JobId};
use crate::plugin::AnyQueue;
use crate::provider::{Batch, Cursor, Demand, ProviderError, Settled, Setup};
use crate::queue::{Change, State};
use crate::testing::folder::Folder;

const EPOCH: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A queue in one or more processes, and the model.
struct Walk<'a> {
    processes: Processes<'a>,
    script: Script,
    model: Reference,
    /// All batches ever handed out, so that late settlements happen.
    past: Vec<Batch>,
    trace: Trace,
}

/// Takes all steps with a new queue; answers what does not hold, and how it came to that.
pub(super) async fn walk(open: &dyn Fn(&Setup) -> AnyQueue, own_clock: bool, steps: &[Step]) -> Result<(), String> {
    let folder = Folder::new().map_err(|error| format!("no folder for the walk: {error}"))?;
    let script = Script::new(own_clock);
    let mut setup = Setup::new(folder.name(), folder.path());
    (setup.lease, setup.clock, setup.random) = (script.lease(), Clock::stopped_at(EPOCH), Random::seeded(1));
    let model = Reference::new(EPOCH, setup.lease);
    let mut walk = Walk { processes: Processes::new(open, setup), script, model, past: vec![], trace: Trace::since(EPOCH) };
    walk.take_all(steps).await.map_err(|violation| walk.explain(&violation))
}

impl Walk<'_> {
    async fn take_all(&mut self, steps: &[Step]) -> Holds {
        self.processes.start().await?;
        for step in steps {
            self.take(step).await?;
            self.agree(step.by).await?;
        }
        self.finish().await
    }

    fn explain(&self, Violation { invariant, what }: &Violation) -> String {
        format!("{invariant}\nat step {}: {what}{}", self.trace.len(), self.trace)
    }

    fn note(&mut self, process: usize, done: impl fmt::Display) {
        self.trace.note(self.processes.clock().now(), process, done);
    }

    /// Queue and model show the same.
    async fn agree(&mut self, by: usize) -> Holds {
        let shown = self.shown(by + 1).await?;
        self.model.tell_shown(&shown.records);
        shown.compare(&self.model, self.script.instants())
    }

    async fn shown(&self, by: usize) -> Result<Shown, ProviderError> {
        let chosen = self.model.jobs.keys().nth(self.trace.len() % self.model.jobs.len().max(1));
        Shown::by(&self.processes.get(by).1, chosen).await
    }

    async fn take(&mut self, Step { action, by, cut }: &Step) -> Holds {
        let (by, cut) = (*by, *cut);
        match action {
            Action::Enqueue { jobs, cursor } => {
                let jobs: Vec<Arc<Job>> = jobs.iter().map(|draft: &Draft| Arc::new(self.script.job(draft, self.model.now()))).collect();
                let cursor = cursor.as_ref().map(|mark| self.cursor(mark));
                self.enqueue(by, cut, &jobs, cursor.as_ref()).await
            }
            Action::Again(id) => {
                let known = self.model.jobs.get(&Script::id(*id)).map(|known| known.job.as_ref().clone());
                let jobs: Vec<Arc<Job>> = known.into_iter().map(Arc::new).collect();
                self.enqueue(by, cut, &jobs, None).await
            }
            Action::Bulk(count) => {
                let jobs = self.script.bulk(*count);
                self.enqueue(by, cut, &jobs, None).await
            }
            Action::Fetch(demand) => self.fetch(by, cut, demand).await,
            Action::Settle(endings) => {
                let settled: Vec<Settled> =
                    endings.iter().filter_map(|ending| self.script.settled(ending, &self.past, self.model.now())).collect();
                self.settle(by, cut, &settled).await
            }
            Action::Renew(back) => self.renew(by, cut, *back).await,
            Action::Change(wish, ids) => self.change(by, cut, *wish, &ids.iter().map(|id| Script::id(*id)).collect::<Vec<_>>()).await,
            Action::Clock(millis) => self.clock(*millis),
            Action::Open if self.processes.count() > 1 => Ok(()),
            Action::Open => self.start("opens the store too").await,
            Action::Close => self.close(by).await,
            Action::Crash => self.crash(by).await,
        }
    }

    fn cursor(&mut self, Mark { name, right }: &Mark) -> Cursor {
        let name = CURSORS[usize::from(*name)];
        let at = self.model.cursors.get(name).cloned();
        let from = if *right { at } else { Some("elsewhere".to_owned()) };
        Cursor { name: name.to_owned(), from, to: self.trace.len().to_string() }
    }

    async fn enqueue(&mut self, by: usize, cut: Option<u8>, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Holds {
        let (number, queue) = self.processes.get(by);
        let answer = cut_off(queue.enqueue(jobs, cursor), cut).await;
        self.note(number, format!("enqueues {}: {}", trace::jobs(jobs, cursor), trace::answer(&answer)));
        let Some(answer) = answer else { return self.unconfirmed(by, |model| _ = model.enqueue(jobs, cursor)).await };
        let expected = self.model.enqueue(jobs, cursor);
        let answer = match answer {
            Err(ProviderError::CursorMoved { at, .. }) => Err(Refusal::Moved(at)),
            Err(_) if expected == Err(Refusal::TooMany) => Err(Refusal::TooMany),
            Err(error) => return Err(error.into()),
            Ok(answers) => Ok(answers),
        };
        Invariant::Identity.same("what enqueueing answers", answer, expected)
    }

    async fn fetch(&mut self, by: usize, cut: Option<u8>, demand: &Demand) -> Holds {
        let (number, queue) = self.processes.get(by);
        let answer = cut_off(queue.fetch(demand), cut).await;
        self.note(number, format!("fetches {}: {}", trace::demand(demand), trace::answer(&answer)));
        let Some(answer) = answer else { return self.fetched_unheard(by, demand).await };
        let batch = answer?;
        self.model.fetch(demand, &batch, number)?;
        if !batch.deliveries.is_empty() {
            self.past.push(batch);
        }
        Ok(())
    }

    /// A fetch was cut off: jobs may have been handed out to nobody, and come again when their lease is over.
    async fn fetched_unheard(&mut self, by: usize, demand: &Demand) -> Holds {
        self.barrier(by).await?;
        let shown = self.shown(by).await?;
        self.model.tell_shown(&shown.records);
        let runs = |id: &JobId| self.model.jobs.get(id).is_some_and(|known| known.state() == State::Running);
        let running = shown.records.iter().filter(|record| record.state == State::Running).map(|record| record.job.id.clone());
        let taken: Vec<JobId> = running.filter(|id| !runs(id)).collect();
        let number = self.processes.get(by).0;
        self.model.fetch_unheard(demand, &taken, number)
    }

    async fn settle(&mut self, by: usize, cut: Option<u8>, settled: &[Settled]) -> Holds {
        let (number, queue) = self.processes.get(by);
        let answer = cut_off(queue.settle(settled), cut).await;
        self.note(number, format!("settles {}: {}", trace::settlements(settled), trace::answer(&answer)));
        let Some(answer) = answer else { return self.unconfirmed(by, |model| _ = model.settle(settled)).await };
        let refused = answer?;
        self.model.tell_refused(settled, &refused);
        Invariant::Fencing.same("settlements refused", refused, self.model.settle(settled))
    }

    async fn renew(&mut self, by: usize, cut: Option<u8>, back: usize) -> Holds {
        let Some(token) = self.past.iter().rev().nth(back).map(|batch| batch.lease.token) else { return Ok(()) };
        let (number, queue) = self.processes.get(by);
        let answer = cut_off(queue.renew(&[token]), cut).await;
        self.note(number, format!("renews lease {token}: {}", trace::answer(&answer)));
        let Some(answer) = answer else { return self.unconfirmed(by, |model| _ = model.renew(&[token])).await };
        let mut renewal = answer?;
        renewal.cancelled.sort();
        if !renewal.lost.is_empty() && self.model.orphans().contains(&token) {
            self.model.lose(token);
        }
        Invariant::Leases.same("what renewing answers", renewal, self.model.renew(&[token]))
    }

    async fn change(&mut self, by: usize, cut: Option<u8>, wish: Wish, ids: &[JobId]) -> Holds {
        let (number, queue) = self.processes.get(by);
        let answer = match wish {
            Wish::Cancel => cut_off(queue.cancel(ids), cut).await,
            Wish::Retry => cut_off(queue.retry(ids), cut).await,
            Wish::Delete => cut_off(queue.delete(ids), cut).await,
        };
        let names: Vec<&str> = ids.iter().map(JobId::as_str).collect();
        self.note(number, format!("wishes to {wish} {}: {}", names.join(" "), trace::answer(&answer)));
        let Some(answer) = answer else {
            self.unconfirmed(by, |model| _ = model.change(wish, ids)).await?;
            // Whether a running job shall be cancelled is not shown. The person asks again.
            return Box::pin(self.change(by, None, wish, ids)).await;
        };
        let changes = answer?;
        self.model.tell_changes(wish, ids, &changes);
        Invariant::Ends.same("what a person is answered", changes, self.model.change(wish, ids))
    }

    fn clock(&mut self, millis: i64) -> Holds {
        if self.script.instants() {
            self.processes.clock().shift(millis);
            self.model.pass(self.processes.clock().now());
            self.trace.happened(format_args!("the clock moves by {millis} ms"));
        }
        Ok(())
    }

    async fn start(&mut self, how: &str) -> Holds {
        let number = self.processes.start().await?;
        self.note(number, how);
        Ok(())
    }

    async fn close(&mut self, by: usize) -> Holds {
        let (number, queue) = self.processes.remove(by);
        self.note(number, "closes the store");
        queue.close().await.map_err(|error| Invariant::Liveness.violated(format!("the queue does not close: {error:#}")))?;
        self.model.close(number);
        drop(queue);
        self.go_on().await
    }

    async fn crash(&mut self, by: usize) -> Holds {
        let (number, queue) = self.processes.remove(by);
        self.note(number, "crashes");
        self.model.crash(number);
        drop(queue);
        self.go_on().await
    }

    /// If no process is left, another one begins. All is there that was.
    async fn go_on(&mut self) -> Holds {
        if self.processes.count() == 0 {
            self.start("opens the store").await?;
        }
        self.agree(0).await.map_err(|Violation { what, .. }| Invariant::Durability.violated(what))
    }

    /// A call was cut off: it was done as a whole, or not at all.
    async fn unconfirmed(&mut self, by: usize, done: impl Fn(&mut Reference)) -> Holds {
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

    /// Nothing goes wrong any more: whatever is there can be done.
    async fn finish(&mut self) -> Holds {
        // Retries wait for less than a second, so do all leases.
        for _ in 0..4 {
            self.clock(Duration::from_secs(10).as_millis() as i64)?;
            self.agree(0).await?;
            loop {
                self.fetch(0, None, &Demand::Any(1_000)).await?;
                let Some(batch) = self.past.last().filter(|batch| self.model.is_held(batch.lease.token)).cloned() else { break };
                let done = self.script.all_done(&batch, self.model.now());
                self.settle(0, None, &done).await?;
            }
            self.agree(0).await?;
        }
        let open = |state: State| if self.script.instants() { !state.is_final() } else { state == State::Ready };
        let left: Vec<&str> = self.model.jobs.values().filter(|known| open(known.state())).map(|known| known.job.id.as_str()).collect();
        Invariant::Liveness.same("jobs that have not ended", left, [""; 0])
    }
}
