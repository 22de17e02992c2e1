//! The end of a run: asked for by a signal, or reached because nothing is left to do.

use std::time::Duration;

use crate::provider::ProviderError;
use crate::queue::{Count, Paused, QueueStats, State};
use crate::units::Dur;

use super::super::lane::{Lane, Parked};
use super::super::link::Carrier;
use super::super::report;
use super::super::stats::{Stats, Summary, UNKNOWN, Waiting};
use super::super::stop::Phase;
use super::crew::RunId;
use super::jobs::Why;
use super::{Answer, Engine, Timer};

/// How long jobs may take to stop at the end of the grace time.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// How long the last settlements may take when the program ends.
const LAST_SETTLEMENTS: Duration = Duration::from_secs(5);
/// How often queues are looked at while nothing is left to do here, but others still run jobs.
const RECOUNT: Duration = Duration::from_millis(250);

/// Whether nothing is left to do: asked of the queues only when nothing is left in our own hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum IdleCheck {
    /// There is work in our hands.
    #[default]
    Busy,
    /// The queues are being asked: so many answers of this round are missing, and whether those that came saw no work. Had jobs gone
    /// from queue to queue since, none might have seen them.
    Asking { round: u64, missing: usize, idle: bool, carried: u64 },
    /// They had work for others; they are asked again in a while.
    Others,
    /// Nothing is left.
    Idle,
}

impl IdleCheck {
    /// New work has come.
    pub(super) fn reset(&mut self) {
        *self = IdleCheck::Busy;
    }
}

impl Engine {
    /// Goes on to a later phase, if there is one.
    pub(super) fn enter(&mut self, asked: Phase) {
        if let Some(ended) = self.carriers.iter().find(|carrier| carrier.state.has_changed().is_err())
            && self.phase == Phase::Running
            && asked == Phase::Running
        {
            let message = format!("the {} from `{}` has ended", if ended.is_spill { "spill" } else { "link" }, ended.name);
            self.fatal.get_or_insert(message);
        }
        let asked = if self.fatal.is_some() { asked.max(Phase::Draining) } else { asked };
        if asked <= self.phase {
            return;
        }
        if self.phase == Phase::Running {
            self.phase = Phase::Draining;
            self.rulebook.stopping.cancel();
            report::draining(self.running.len(), self.rulebook.grace);
            self.take_no_more();
            self.set_timer(self.rulebook.grace, Timer::Grace);
        }
        if asked == Phase::Releasing {
            self.stop_jobs(Why::Shutdown, |_| true);
            self.release();
        }
    }

    /// Stops fetching, and gives back what waits for a slot or for its next attempt.
    fn take_no_more(&mut self) {
        for lane in 0..self.lanes.len() {
            self.lanes[lane].wait = None;
            while let Some(Parked { delivery, token, .. }) = self.unpark(lane, 0) {
                self.give_back(lane, token, delivery);
            }
        }
        for (_, timer) in self.timers.extract_if(.., |_, timer| matches!(timer, Timer::Rested(..))).collect::<Vec<_>>() {
            self.fire(timer);
        }
    }

    pub(super) fn grace_is_over(&mut self) {
        self.stop_jobs(Why::Shutdown, |_| true);
        self.set_timer(LAST_MOMENT, Timer::Release);
    }

    /// Gives back what still runs.
    pub(super) fn release(&mut self) {
        self.phase = Phase::Releasing;
        let late: Vec<RunId> = self.running.iter().filter(|(_, running)| !running.stuck).map(|(id, _)| *id).collect();
        late.into_iter().for_each(|id| self.abort_job(id));
        self.set_timer(LAST_SETTLEMENTS, Timer::GiveUp);
    }

    pub(super) fn is_over(&mut self) -> bool {
        match self.phase {
            Phase::Running => self.rulebook.until_idle && self.is_idle(),
            Phase::Draining | Phase::Releasing => self.given_up || self.is_empty_handed(),
        }
    }

    /// Whether nothing that was taken is left unsettled, and nothing more is on its way.
    fn is_empty_handed(&self) -> bool {
        let no_more = |lane: &Lane| !lane.provider.selects() || lane.asked.is_empty();
        self.running.values().all(|running| running.stuck) && self.lanes.iter().all(|lane| lane.is_settled() && no_more(lane))
    }

    /// Whether nothing is left to do anywhere. Asks the queues when nothing is left here.
    fn is_idle(&mut self) -> bool {
        let has_nothing =
            |lane: &Lane| lane.asked.is_empty() && !lane.fetches_later && self.pools.iter().all(|pool| lane.waits_for(&pool.job_type));
        let quiet = self.running.is_empty()
            && self.lanes.iter().all(|lane| lane.is_settled() && has_nothing(lane))
            && self.carriers.iter().all(|carrier| carrier.state.borrow().idle);
        match self.idle {
            _ if !quiet => self.idle.reset(),
            IdleCheck::Busy => {
                self.timer_number += 1;
                let round = self.timer_number;
                let missing = self.take_census(Some(round));
                self.idle =
                    if missing == 0 { IdleCheck::Idle } else { IdleCheck::Asking { round, missing, idle: true, carried: self.carried() } };
            }
            IdleCheck::Asking { .. } | IdleCheck::Others | IdleCheck::Idle => {}
        }
        self.idle == IdleCheck::Idle
    }

    /// How many jobs have gone into queues by other ways than an enqueue.
    fn carried(&self) -> u64 {
        self.carriers.iter().map(Carrier::linked).sum()
    }

    /// Asks each queue what it holds, in a round of the idle check or apart from it; answers how many were asked.
    pub(super) fn take_census(&mut self, round: Option<u64>) -> usize {
        let mut asked = 0;
        for lane in 0..self.lanes.len() {
            if let Some(queue) = self.lanes[lane].queue.clone() {
                self.call(lane, async move { Answer::Census { round, result: queue.stats().await } });
                asked += 1;
            }
        }
        asked
    }

    pub(super) fn counted(&mut self, lane: usize, round: Option<u64>, result: Result<QueueStats, ProviderError>) {
        let stats = match result {
            Ok(stats) => stats,
            Err(error) => {
                tracing::warn!(target: "goworker::manager", provider = %self.lanes[lane].name, "cannot count its jobs: {error}");
                self.idle_answer(round, false);
                return;
            }
        };
        for count in &stats.counts {
            let report = (lane, count.job_type.clone());
            if self.is_unknown(count) && !self.reported.contains(&report) {
                report::unknown_type(&self.lanes[lane].name, &count.job_type, count.jobs);
                self.reported.push(report);
            }
        }
        let idle = !stats.counts.iter().any(|count| self.is_work(count) && !stats.paused.keeps_back(count));
        let before = self.census[lane].as_ref().map(|stats| &stats.paused);
        if before.unwrap_or(&Paused::default()) != &stats.paused {
            report::paused(&self.lanes[lane].name, &stats.paused);
        }
        self.note_waiting(lane, &stats);
        self.census[lane] = Some(stats);
        self.idle_answer(round, idle);
    }

    fn idle_answer(&mut self, answered: Option<u64>, lane_is_idle: bool) {
        match self.idle {
            IdleCheck::Asking { round, missing, idle, carried } if answered == Some(round) => {
                let idle = idle && lane_is_idle && carried == self.carried();
                self.idle = match (missing - 1, idle) {
                    (0, true) => IdleCheck::Idle,
                    (0, false) => IdleCheck::Others,
                    (missing, idle) => IdleCheck::Asking { round, missing, idle, carried },
                };
                if self.idle == IdleCheck::Others {
                    self.set_timer(RECOUNT, Timer::Recount);
                }
            }
            _ => {}
        }
    }

    /// Whether these jobs are to be done now or soon: of a type that is run here, and not put off by their producer.
    fn is_work(&self, count: &Count) -> bool {
        let pending = matches!(count.state, State::Ready | State::Running) || (count.state == State::Scheduled && count.retrying);
        pending && count.jobs > 0 && self.by_type.contains_key(count.job_type.as_str())
    }

    /// Whether these jobs wait for a worker that is not here.
    fn is_unknown(&self, count: &Count) -> bool {
        let waiting = matches!(count.state, State::Ready | State::Scheduled);
        waiting && count.jobs > 0 && !self.by_type.contains_key(count.job_type.as_str())
    }

    fn is_delayed(&self, count: &Count) -> bool {
        count.state == State::Scheduled && !count.retrying && self.by_type.contains_key(count.job_type.as_str())
    }

    pub(super) fn summary(mut self) -> Summary {
        let unsettled: usize = self.lanes.iter().map(|lane| lane.outbox.len()).sum();
        if self.given_up && unsettled > 0 {
            self.fatal.get_or_insert_with(|| format!("{unsettled} results could not be stored; their jobs run again"));
        }
        let waiting = |select: fn(&Engine, &Count, &Paused) -> bool| self.waiting(select);
        Summary {
            stats: self.stats(),
            elapsed: Dur(self.began.elapsed()),
            unknown: waiting(|engine, count, _| engine.is_unknown(count)),
            delayed: waiting(|engine, count, _| engine.is_delayed(count)),
            paused: waiting(|engine, count, paused| engine.is_work(count) && paused.keeps_back(count)),
            fatal: self.fatal.clone(),
        }
    }

    fn waiting(&self, select: fn(&Engine, &Count, &Paused) -> bool) -> Vec<Waiting> {
        let mut waiting: Vec<Waiting> = Vec::new();
        for (lane, stats) in self.lanes.iter().zip(&self.census) {
            let Some(stats) = stats else { continue };
            for count in stats.counts.iter().filter(|count| select(self, count, &stats.paused)) {
                match waiting.iter_mut().find(|known| *known.queue == *lane.name && known.job_type == count.job_type) {
                    Some(known) => known.jobs += count.jobs,
                    None => waiting.push(Waiting { queue: lane.name.to_string(), job_type: count.job_type.clone(), jobs: count.jobs }),
                }
            }
        }
        waiting
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = Stats { stuck: self.stuck, ..Stats::default() };
        let types = self.pools.iter().map(|pool| pool.job_type.as_ref()).chain([UNKNOWN]);
        let keys = self.lanes.iter().flat_map(|lane| types.clone().map(move |job_type| (lane.name.as_ref(), job_type)));
        for ((provider, job_type), tally) in keys.zip(&self.tallies) {
            if *tally != super::Tally::default() {
                stats.by_provider.entry(provider.to_owned()).or_default().insert(job_type.to_owned(), *tally);
            }
        }
        for carrier in &self.carriers {
            let counts = if carrier.is_spill { &mut stats.spilled } else { &mut stats.linked };
            counts.insert(carrier.name.clone(), carrier.linked());
        }
        stats
    }
}
