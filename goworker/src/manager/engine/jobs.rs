//! Running jobs: from the slot to the outbox.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::outcome::{Attempt, Cause, Failure, Outcome, Output, Rules, Settlement, decide};
use crate::progress::Progress;
use crate::provider::{Delivery, Settled, Token};
use crate::units::{Dur, Size};
use crate::worker::{Context, Run};

use super::super::report;
use super::crew::{End, Hold, RunId};
use super::{Engine, Timer, TimerKey};

/// How long a job may take to stop after its token was cancelled. Then its future is dropped.
const STOPPING: Duration = Duration::from_secs(5);
/// The longest output that is kept, as JSON.
const OUTPUT_LIMIT: Size = Size(1 << 20);

/// A job that has a slot.
pub(super) struct Running {
    pub(super) lane: usize,
    pub(super) pool: usize,
    pub(super) token: Token,
    pub(super) delivery: Delivery,
    context: Arc<Context>,
    started: Instant,
    hold: Hold,
    timer: Option<TimerKey>,
    stopping: Option<Why>,
    /// Settled although its task goes on: it blocks its thread, and keeps its slot until it returns.
    pub(super) stuck: bool,
}

impl Running {
    /// How far it is, if it has said so since the last time.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.context.take_progress()
    }
}

/// Why a job was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Timeout,
    Cancelled,
    LeaseLost,
    Shutdown,
}

impl Engine {
    pub(super) fn start(&mut self, lane: usize, index: usize, token: Token, delivery: Delivery) {
        let now = self.rulebook.clock.now();
        if let Some(starts) = &mut self.lanes[lane].starts {
            starts.note(1, now);
        }
        let pool = &mut self.pools[index];
        pool.slots.running += 1;
        let started = Instant::now();
        let deadline = shorter(pool.timeout, delivery.job.timeout).map(|timeout| started + timeout);
        let attempt = u32::try_from(delivery.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        let run = Run { job: Arc::clone(&delivery.job), attempt, token, deadline, cancel: CancellationToken::new() };
        let context = Arc::new(Context::reporting(run, Arc::clone(&pool.services), Arc::clone(&self.progressed)));
        report::started(&delivery.job, attempt);
        let (worker, job) = (pool.worker.clone(), Arc::clone(&delivery.job));
        let (id, hold) = self.crew.take_on({
            let context = Arc::clone(&context);
            async move { worker.work(&job, &context).await }
        });
        let timer = deadline.map(|deadline| self.set_timer_at(deadline, Timer::Deadline(id)));
        self.tally_of(lane, index).started += 1;
        self.last_started[index] = started;
        let running = Running { lane, pool: index, token, delivery, context, started, hold, timer, stopping: None, stuck: false };
        self.running.insert(id, running);
    }

    pub(super) fn ended(&mut self, id: RunId, end: End) {
        let Some(running) = self.running.remove(&id) else { return };
        if let Some(timer) = running.timer {
            self.timers.remove(&timer);
        }
        self.pools[running.pool].slots.running -= 1;
        if running.stuck {
            self.stuck -= 1;
            return;
        }
        match end {
            End::Returned(result, duration) => self.conclude(&running, Outcome::from(result), duration),
            End::Panicked(text) => {
                let failure = Failure::new(Cause::Panic, format!("panicked: {text}"));
                self.conclude(&running, Outcome::Retry(failure, None), running.started.elapsed());
            }
            End::Aborted => self.conclude(&running, Outcome::Interrupted, running.started.elapsed()),
        }
    }

    /// Decides what follows from the end of an attempt.
    fn conclude(&mut self, running: &Running, outcome: Outcome, duration: Duration) {
        let Running { lane, pool, token, delivery, context, stopping, .. } = running;
        let tally = self.tally_of(*lane, *pool);
        tally.busy(duration);
        self.histograms[*pool].note(duration);
        self.pools[*pool].slots.note(duration);
        let tally = self.tally_of(*lane, *pool);
        if *stopping == Some(Why::LeaseLost) {
            tally.stale += 1;
            return report::stale(&delivery.job);
        }
        // A worker may see its deadline a moment before we do.
        let late = context.deadline().is_some_and(|deadline| Instant::now() >= deadline).then_some(Why::Timeout);
        let outcome = capped(self.explained(*pool, &delivery.job, stopping.or(late), outcome), context);
        let failure = match &outcome {
            Outcome::Retry(failure, _) | Outcome::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        let tally = self.tally_of(*lane, *pool);
        match failure.as_ref().map(|failure| failure.cause) {
            Some(Cause::Timeout) => tally.timed_out += 1,
            Some(Cause::Panic) => tally.panicked += 1,
            _ => {}
        }
        let attempt = Attempt {
            number: context.attempt(),
            started_at: self.rulebook.clock.now().before(duration),
            duration: Dur(duration),
            failure,
            log: context.take_log(),
        };
        self.judge(*lane, *pool, *token, delivery, outcome, attempt);
    }

    fn judge(&mut self, lane: usize, pool: usize, token: Token, delivery: &Delivery, outcome: Outcome, attempt: Attempt) {
        let job = &delivery.job;
        // A success needs no history; only failures are worth a copy of it.
        let mut attempts = Vec::new();
        if attempt.failure.is_some() {
            attempts.clone_from(&delivery.attempts);
            attempts.push(attempt.clone());
        }
        let rules = Rules { retry: &self.pools[pool].retry, handlers: &self.rulebook.handlers, earlier: delivery.earlier };
        let settlement = decide(job, &attempts, outcome, rules, self.rulebook.random.fraction());
        report::ended(job, &attempt, &settlement);
        self.tally_of(lane, pool).count(&settlement);
        if let Settlement::Retry { after, charged } = settlement
            && !self.lanes[lane].provider.schedules()
        {
            let attempts = if charged { attempts } else { delivery.attempts.clone() };
            let again = Delivery { attempts, ..delivery.clone() };
            return self.rest(lane, token, again, after);
        }
        let attempt = (settlement != Settlement::Release).then_some(attempt);
        self.lanes[lane].outbox.push(Settled { token, handle: delivery.handle, job: Arc::clone(job), attempt, settlement });
    }

    /// An error of a job that was asked to stop says only that it stopped; why is ours to tell. A result still counts.
    fn explained(&self, pool: usize, job: &Job, stopping: Option<Why>, outcome: Outcome) -> Outcome {
        match (stopping, outcome) {
            (None, outcome) | (Some(_), outcome @ Outcome::Done(_)) => outcome,
            (Some(Why::Timeout), _) => {
                let timeout = shorter(self.pools[pool].timeout, job.timeout).unwrap_or_default();
                Outcome::Retry(Failure::new(Cause::Timeout, format!("timed out after {}", Dur(timeout))), None)
            }
            (Some(Why::Cancelled), _) => Outcome::Cancelled,
            (Some(Why::Shutdown | Why::LeaseLost), _) => Outcome::Interrupted,
        }
    }

    pub(super) fn still_stuck(&mut self, id: RunId) {
        if let Some(running) = self.running.get_mut(&id) {
            running.timer = None;
            report::stuck(&running.delivery.job);
        }
    }

    pub(super) fn time_is_up(&mut self, id: RunId) {
        self.stop_job(id, Why::Timeout);
    }

    /// Asks running jobs to stop, and sees to it that they do.
    pub(super) fn stop_jobs(&mut self, why: Why, select: impl Fn(&Running) -> bool) {
        let mut chosen: Vec<_> = self.running.iter().filter(|(_, running)| select(running)).collect();
        // The oldest first, and always in the same order.
        chosen.sort_by_key(|(_, running)| (running.token, running.delivery.handle));
        let ids: Vec<RunId> = chosen.into_iter().map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.stop_job(id, why));
    }

    fn stop_job(&mut self, id: RunId, why: Why) {
        let timer = self.set_timer(STOPPING, Timer::Abort(id));
        let old = match self.running.get_mut(&id) {
            // A lost lease overrules every other reason: the result may not be settled.
            Some(running) if running.stopping.is_none() || why == Why::LeaseLost => {
                running.stopping = Some(why);
                running.context.cancellation().cancel();
                running.timer.replace(timer)
            }
            _ => Some(timer),
        };
        if let Some(old) = old {
            self.timers.remove(&old);
        }
    }

    /// Drops the future of a job that did not stop, and settles it now. If it blocks its thread, it can only be fenced:
    /// its result will be refused, and its slot stays taken until it returns.
    pub(super) fn abort_job(&mut self, id: RunId) {
        let Some(mut running) = self.running.remove(&id) else { return };
        running.hold.abort();
        self.conclude(&running, Outcome::Interrupted, running.started.elapsed());
        // Most end at once, now that they are dropped. One that still has not when the next look comes is reported.
        running.stuck = true;
        running.timer = Some(self.set_timer(STOPPING, Timer::Stuck(id)));
        self.stuck += 1;
        self.running.insert(id, running);
    }
}

fn shorter(worker: Option<Duration>, job: Option<Dur>) -> Option<Duration> {
    match (worker, job.map(Dur::get)) {
        (Some(worker), Some(job)) => Some(worker.min(job)),
        (worker, job) => worker.or(job),
    }
}

/// Leaves out output that is longer than what is kept, and says so in the attempt's log.
fn capped(outcome: Outcome, context: &Context) -> Outcome {
    match outcome {
        Outcome::Done(output) if output.json().is_some_and(|json| json.len() as u64 > OUTPUT_LIMIT.bytes()) => {
            context.log(tracing::Level::WARN, &format!("the output is longer than {OUTPUT_LIMIT}, so it is not kept"));
            Outcome::Done(Output::none())
        }
        outcome => outcome,
    }
}
