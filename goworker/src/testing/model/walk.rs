//! Steps taken with a queue and with the model of it, which must agree after each.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::compare::{CURSORS, Shown};
use super::cut::cut_off;
use super::invariant::{Holds, Invariant, Violation};
use super::processes::Processes;
use super::reference::{Reference, Refusal, Wish};
use super::script::Script;
use super::step::{Action, Draft, Mark, Step, TYPES};
use super::trace::{self, Trace};
use crate::clock::{Clock, Random, Timestamp};
use crate::job::{Job, JobId};
use crate::plugin::AnyQueue;
use crate::provider::{Batch, Cursor, Demand, Keep, ProviderError, Settled, Setup};
use crate::rate::Rate;
use crate::testing::folder::Folder;
use crate::units::Dur;

const EPOCH: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A queue in one or more processes, and the model.
pub(super) struct Walk<'a> {
    pub(super) processes: Processes<'a>,
    pub(super) script: Script,
    pub(super) model: Reference,
    /// All batches ever handed out, so that late settlements happen.
    pub(super) past: Vec<Batch>,
    pub(super) trace: Trace,
}

/// A walk that failed.
#[derive(Debug)]
pub(super) struct Fall {
    /// The invariant in the first line, then what was seen, and all steps.
    pub(super) text: String,
    /// Whether a call was not answered.
    pub(super) hung: bool,
}

/// How long a step waits for its answers.
const ANSWERS: Duration = Duration::from_secs(10);

/// Takes all steps with a new queue; answers what does not hold, and how it came to that.
pub(super) async fn walk(open: &dyn Fn(&Setup) -> AnyQueue, own_clock: bool, rate: Option<Rate>, steps: &[Step]) -> Result<(), Fall> {
    let folder = Folder::new().map_err(|error| Fall { text: format!("no folder for the walk: {error}"), hung: false })?;
    let script = Script::new(own_clock);
    let mut setup = Setup::new(folder.name(), folder.path());
    (setup.lease, setup.clock, setup.random) = (script.lease(), Clock::stopped_at(EPOCH), Random::seeded(1));
    (setup.rate, setup.keep) = (rate, Keep::FOREVER);
    let model = Reference::new(EPOCH, setup.lease, rate);
    let mut walk = Walk { processes: Processes::new(open, setup), script, model, past: vec![], trace: Trace::since(EPOCH) };
    walk.take_all(steps).await.map_err(|violation| walk.explain(&violation))
}

impl Walk<'_> {
    async fn take_all(&mut self, steps: &[Step]) -> Holds {
        self.processes.start().await?;
        for step in steps {
            answered(self.take(step)).await?;
            answered(self.agree(step.by)).await?;
        }
        answered(self.finish()).await
    }

    fn explain(&self, Violation { invariant, what, hung }: &Violation) -> Fall {
        let rate = self.model.rate().map(|rate| format!(", with {} jobs per {}", rate.jobs(), Dur(rate.window()))).unwrap_or_default();
        let text = format!("{invariant}\nat step {}{rate}: {what}{}", self.trace.len(), self.trace);
        Fall { text, hung: *hung }
    }

    pub(super) fn note(&mut self, process: usize, done: impl fmt::Display) {
        self.trace.note(self.processes.clock().now(), process, done);
    }

    /// Queue and model show the same.
    pub(super) async fn agree(&mut self, by: usize) -> Holds {
        let shown = self.shown(by + 1).await?;
        self.model.tell_shown(&shown.records);
        shown.compare(&self.model, self.script.instants())
    }

    pub(super) async fn shown(&self, by: usize) -> Result<Shown, ProviderError> {
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
            Action::Pause(of) => self.pause(by, cut, of.map(|number| TYPES[number])).await,
            Action::Resume(of) => self.resume(by, cut, of.map(|number| TYPES[number])).await,
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
        if let Ok(answers) = &answer {
            self.model.tell_enqueued(jobs, answers);
        }
        let expected = self.model.enqueue(jobs, cursor);
        let answer = match answer {
            Err(ProviderError::CursorMoved { at, .. }) => Err(Refusal::Moved(at)),
            Err(_) if expected == Err(Refusal::TooMany) => Err(Refusal::TooMany),
            Err(error) => return Err(error.into()),
            Ok(answers) => Ok(answers),
        };
        Invariant::Identity.same("what enqueueing answers", answer, expected)
    }

    pub(super) async fn fetch(&mut self, by: usize, cut: Option<u8>, demand: &Demand) -> Holds {
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

    pub(super) async fn settle(&mut self, by: usize, cut: Option<u8>, settled: &[Settled]) -> Holds {
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

    async fn pause(&mut self, by: usize, cut: Option<u8>, job_type: Option<&str>) -> Holds {
        let (number, queue) = self.processes.get(by);
        let answer = cut_off(queue.pause(job_type), cut).await;
        self.note(number, format!("pauses {}: {}", trace::pausable(job_type), trace::answer(&answer)));
        let Some(answer) = answer else { return self.unconfirmed(by, |model| model.paused.pause(job_type)).await };
        self.model.paused.pause(job_type);
        Ok(answer?)
    }

    pub(super) async fn resume(&mut self, by: usize, cut: Option<u8>, job_type: Option<&str>) -> Holds {
        let (number, queue) = self.processes.get(by);
        let answer = cut_off(queue.resume(job_type), cut).await;
        self.note(number, format!("resumes {}: {}", trace::pausable(job_type), trace::answer(&answer)));
        let Some(answer) = answer else { return self.unconfirmed(by, |model| model.paused.resume(job_type)).await };
        self.model.paused.resume(job_type);
        Ok(answer?)
    }

    pub(super) fn clock(&mut self, millis: i64) -> Holds {
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
}

/// A step that is not done by now never will be.
async fn answered(step: impl Future<Output = Holds>) -> Holds {
    let hangs = || Violation { hung: true, ..Invariant::Liveness.violated(format!("no answer within {ANSWERS:?} to what came next")) };
    tokio::time::timeout(ANSWERS, step).await.unwrap_or_else(|_| Err(hangs()))
}
