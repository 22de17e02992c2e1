//! The loop that owns the state of a run: it asks for what can start, starts it, and settles what has ended.
//!
//! The way back from a job is a list that cannot be full; calls of providers are tasks. So nothing in the loop awaits a
//! send, and nobody's code runs in it. One turn handles all that has happened, then asks for more, then waits.

mod ask;
mod beat;
mod crew;
mod end;
mod jobs;
mod leases;
mod numbers;
mod pool;
mod progress;
mod settle;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{pending, select_all};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Random};
use crate::outcome::FailureHandler;
use crate::process::ProcessInfo;
use crate::provider::{Batch, Delivery, Demand, ProviderError, Renewal, Settled, Token};
use crate::queue::QueueStats;
use crate::units::Dur;

use self::crew::{Crew, RunId, panic_text};
use self::jobs::Running;
pub(super) use self::pool::{Pool, Slots};
use super::lane::{Lane, reconnect_delay};
use super::link::Carrier;
use super::numbers::{Asked, Histogram};
use super::stats::{Summary, Tally};
use super::stop::Phase;

/// How often queues are looked through for jobs that nobody here runs.
const CENSUS: Duration = Duration::from_secs(30);

/// What does not change during a run.
#[derive(Debug, Clone)]
pub(super) struct Rulebook {
    pub(super) handlers: Vec<FailureHandler>,
    /// For jobs of a type that nobody runs.
    pub(super) poison: u32,
    pub(super) grace: Duration,
    pub(super) until_idle: bool,
    /// Cancelled when nothing more is fetched.
    pub(super) stopping: CancellationToken,
    pub(super) clock: Clock,
    pub(super) random: Random,
    /// Where job code runs.
    pub(super) work: Handle,
}

/// What a call of a provider brought back.
enum Answer {
    Fetched {
        asked: Instant,
        demand: Demand,
        result: Result<Batch, ProviderError>,
    },
    Ready,
    Settled {
        settled: Vec<Settled>,
        result: Result<Vec<usize>, ProviderError>,
    },
    /// Of a lease that was renewed out of turn.
    Confirmed {
        token: Token,
        asked: Instant,
        result: Result<Renewal, ProviderError>,
    },
    Renewed {
        tokens: Vec<Token>,
        asked: Instant,
        result: Result<Renewal, ProviderError>,
    },
    Census {
        round: Option<u64>,
        result: Result<QueueStats, ProviderError>,
    },
    Announced {
        result: Result<(), ProviderError>,
    },
    ProgressNoted {
        result: Result<(), ProviderError>,
    },
}

/// What is due at a time.
enum Timer {
    /// A job's time is up.
    Deadline(RunId),
    /// A job that was asked to stop should have stopped.
    Abort(RunId),
    /// A job whose future was dropped should be gone.
    Stuck(RunId),
    /// A lane's leases are to be renewed.
    Renew(usize),
    /// A lane may be asked again.
    Reconnect(usize),
    /// A lane's rate allows more.
    Open(usize),
    /// A lane's settlements may be sent again.
    Resettle(usize),
    /// What a lane's queue handed out ahead should have started.
    Late(usize),
    /// The time of a delivery has come that its provider cannot schedule.
    Rested(usize, Token, Box<Delivery>),
    /// A lane's queue is told that this process is there.
    Beat(usize),
    /// Queues are looked through for jobs that nobody runs.
    Census,
    /// Queues that had work for others are asked again.
    Recount,
    /// Queues are told how far jobs are.
    Progress,
    /// The grace time is over.
    Grace,
    /// Those who did not stop at the end of the grace time are given up.
    Release,
    /// The last settlements have taken too long.
    GiveUp,
}

/// When a timer is due, and a number that tells it from others due at the same instant.
type TimerKey = (Instant, u64);

pub(super) struct Engine {
    rulebook: Rulebook,
    lanes: Vec<Lane>,
    pools: Vec<Pool>,
    by_type: HashMap<Arc<str>, usize>,
    /// What this process tells of itself.
    info: Arc<ProcessInfo>,
    carriers: Vec<Carrier>,

    running: HashMap<RunId, Running>,
    crew: Crew,
    calls: JoinSet<Answer>,
    /// Whose call a task is.
    callers: HashMap<task::Id, usize>,
    timers: BTreeMap<TimerKey, Timer>,
    timer_number: u64,

    phase: Phase,
    fatal: Option<String>,
    given_up: bool,
    /// Told when a job has said how far it is.
    progressed: Arc<Notify>,
    telling: progress::Telling,
    /// The last look at each lane's queue.
    census: Vec<Option<QueueStats>>,
    idle: end::IdleCheck,
    /// Types that nobody runs, with the lane whose queue holds them; each is reported once.
    reported: Vec<(usize, String)>,

    /// By lane, then by pool; the last of each lane is for types that nobody runs.
    tallies: Vec<Tally>,
    /// By pool.
    histograms: Vec<Histogram>,
    last_started: Vec<Instant>,
    /// Who wants to know the numbers.
    asked: Asked,
    stuck: u64,
    began: Instant,
}

impl Engine {
    pub(super) fn new(rulebook: Rulebook, lanes: Vec<Lane>, pools: Vec<Pool>, carriers: Vec<Carrier>, asked: Asked) -> Self {
        let by_type = pools.iter().enumerate().map(|(index, pool)| (Arc::clone(&pool.job_type), index)).collect();
        let tallies = vec![Tally::default(); lanes.len() * (pools.len() + 1)];
        let census = vec![None; lanes.len()];
        let (histograms, began) = (vec![Histogram::default(); pools.len()], Instant::now());
        let last_started = vec![began; pools.len()];
        let info = Arc::new(beat::info(&pools));
        let crew = Crew::new(rulebook.work.clone());
        Engine {
            rulebook,
            lanes,
            pools,
            by_type,
            info,
            carriers,
            running: HashMap::new(),
            crew,
            calls: JoinSet::new(),
            callers: HashMap::new(),
            timers: BTreeMap::new(),
            timer_number: 0,
            phase: Phase::Running,
            fatal: None,
            given_up: false,
            progressed: Arc::default(),
            telling: progress::Telling::default(),
            census,
            idle: end::IdleCheck::default(),
            reported: Vec::new(),
            tallies,
            histograms,
            last_started,
            asked,
            stuck: 0,
            began,
        }
    }

    /// Runs until the end is asked for, or until nothing is left to do if that is what was wanted.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<Phase>) -> Summary {
        self.fire(Timer::Census);
        (0..self.lanes.len()).for_each(|lane| self.fire(Timer::Beat(lane)));
        loop {
            while self.turn() {}
            self.enter(*stop.borrow_and_update());
            self.ask();
            self.settle();
            self.crew.go();
            if self.is_over() {
                return self.summary();
            }
            let next = self.timers.keys().next().map_or_else(|| Instant::now() + CENSUS, |(at, _)| *at);
            // In one order, so that a run under virtual time is the same each time. Nothing starves: a turn handles all.
            tokio::select! {
                biased;
                Ok(()) = stop.changed() => {}
                () = self.crew.any_end() => {}
                Some(answer) = self.calls.join_next_with_id() => self.answered(answer),
                () = tokio::time::sleep_until(next) => {}
                () = any_change(&mut self.carriers), if self.phase == Phase::Running => {}
                Some(answer) = self.asked.recv() => self.tell_numbers(answer),
                () = self.progressed.notified(), if self.telling == progress::Telling::Nothing => self.progressed(),
            }
        }
    }

    /// Handles what has happened; answers whether there was anything.
    fn turn(&mut self) -> bool {
        let mut busy = false;
        // Bounded, so that a flood of ends keeps neither timers nor new jobs waiting.
        for _ in 0..256 {
            let Some((id, end)) = self.crew.next_end() else { break };
            self.ended(id, end);
            busy = true;
        }
        while let Some(answer) = self.calls.try_join_next_with_id() {
            self.answered(answer);
            busy = true;
        }
        let now = Instant::now();
        while let Some(due) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            let timer = due.remove();
            self.fire(timer);
            busy = true;
        }
        if busy {
            self.ask();
            self.settle();
            self.crew.go();
        }
        busy
    }

    /// Calls a provider, in a task of its own.
    fn call(&mut self, lane: usize, call: impl Future<Output = Answer> + Send + 'static) -> AbortHandle {
        let handle = self.calls.spawn(call);
        self.callers.insert(handle.id(), lane);
        handle
    }

    fn answered(&mut self, answer: Result<(task::Id, Answer), JoinError>) {
        let id = match &answer {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(lane) = self.callers.remove(&id) else { return };
        match answer {
            Ok((_, Answer::Fetched { asked, demand, result })) => self.fetched(lane, asked, demand, result),
            Ok((_, Answer::Ready)) => self.ready(lane, id),
            Ok((_, Answer::Settled { settled, result })) => self.settled(lane, settled, result),
            Ok((_, Answer::Renewed { tokens, asked, result })) => self.renewed(lane, &tokens, asked, result),
            Ok((_, Answer::Confirmed { token, asked, result })) => self.confirmed(lane, token, asked, result),
            Ok((_, Answer::Census { round, result })) => self.counted(lane, round, result),
            Ok((_, Answer::Announced { result })) => self.announced(lane, result),
            Ok((_, Answer::ProgressNoted { result })) => self.progress_noted(lane, result),
            Err(error) if error.is_panic() => {
                // It has taken its slots and settlements with it; its leases bring the jobs back after a restart.
                let panic = error.try_into_panic().map_or_else(|error| error.to_string(), panic_text);
                let message = format!("the provider `{}` panicked: {panic}", self.lanes[lane].name);
                self.fatal.get_or_insert(message);
            }
            // An aborted call was dropped on purpose.
            Err(_) => {}
        }
    }

    /// Notes that a call failed, and when it is made again.
    fn outage(&mut self, lane: usize, what: &str, error: &ProviderError, again: Timer) {
        let state = &mut self.lanes[lane];
        state.outages = state.outages.saturating_add(1);
        state.away_since.get_or_insert_with(Instant::now);
        let delay = reconnect_delay(state.outages, self.rulebook.random.fraction());
        tracing::error!(target: "goworker::manager", provider = %state.name, "cannot {what}, again in {}: {error}", Dur::millis(delay.as_millis() as u64));
        if matches!(error, ProviderError::Failed(_)) && state.queue.is_some() {
            // A store that is damaged must not be written to any more; a supervisor decides what comes next.
            self.fatal.get_or_insert_with(|| format!("the queue `{}` failed: {error}", state.name));
        }
        self.set_timer(delay, again);
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Deadline(id) => self.time_is_up(id),
            Timer::Abort(id) => self.abort_job(id),
            Timer::Stuck(id) => self.still_stuck(id),
            Timer::Renew(lane) => self.renew(lane),
            Timer::Reconnect(lane) => self.lanes[lane].fetches_later = false,
            Timer::Open(lane) => self.lanes[lane].opening = false,
            Timer::Late(lane) => self.give_back_late(lane),
            Timer::Resettle(lane) => self.lanes[lane].settles_later = false,
            Timer::Rested(lane, token, delivery) => {
                self.lanes[lane].resting -= 1;
                self.place(lane, token, *delivery);
            }
            Timer::Beat(lane) => self.beat(lane),
            Timer::Census => {
                self.take_census(None);
                self.set_timer(CENSUS, Timer::Census);
            }
            Timer::Recount => self.idle.reset(),
            Timer::Progress => self.tell_progress(),
            Timer::Grace => self.grace_is_over(),
            Timer::Release => self.release(),
            Timer::GiveUp => self.given_up = true,
        }
    }

    fn set_timer(&mut self, after: Duration, timer: Timer) -> TimerKey {
        self.set_timer_at(Instant::now() + after, timer)
    }

    fn set_timer_at(&mut self, at: Instant, timer: Timer) -> TimerKey {
        self.timer_number += 1;
        let key = (at, self.timer_number);
        self.timers.insert(key, timer);
        key
    }

    /// The counts of a lane and a type.
    fn tally(&mut self, lane: usize, job_type: &str) -> &mut Tally {
        let pool = self.by_type.get(job_type).copied().unwrap_or(self.pools.len());
        self.tally_of(lane, pool)
    }

    fn tally_of(&mut self, lane: usize, pool: usize) -> &mut Tally {
        &mut self.tallies[lane * (self.pools.len() + 1) + pool]
    }
}

/// Returns when any link or spill has something new to say, or has ended.
async fn any_change(carriers: &mut [Carrier]) {
    if carriers.is_empty() {
        return pending().await;
    }
    // One that has ended is seen by `is_over`, whichever way the wait for it ends.
    let (_ended_or_changed, _, _) = select_all(carriers.iter_mut().map(|carrier| carrier.state.changed().boxed())).await;
}
