//! `cron`: a job whenever a schedule is due.
//!
//! With `into`, each instant at which the schedule is due brings one job, over any number of processes and restarts: the job's id is
//! `cron:NAME:INSTANT`, and the cursor `cron:NAME` in the queue, which moves in the step that enqueues, tells up to where the schedule was
//! followed. It never goes back, so neither does a clock that does bring anything twice, nor a job that was forgotten since.
//!
//! Without `into` all of that is in this process only: each process has jobs of its own, and what was missed while none ran is not known.

mod job;
mod misfire;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use goworker::units::Dur;
use goworker::{
    Batch, Clock, Cursor, Demand, JobTemplate, MAX_BULK, Provider, ProviderError, Schedule, Settled, Setup, Times, Timestamp, Token, Zone,
    provider,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::job::Maker;
use self::misfire::{Misfire, due};

/// Brings a job whenever a schedule is due.
#[provider(since = "0.1.0")]
pub(crate) struct Cron {
    /// When: five fields, minute hour day month weekday, or six, with seconds before them; `@hourly`, `@daily`, `@weekly`, `@monthly`,
    /// `@yearly`; `@every 15m`, counted from 1970-01-01T00:00:00Z. Or a list of these.
    #[config(example = "0 3 * * *")]
    schedule: Times,
    /// The time zone of the schedule, by its name in the IANA database. When clocks are changed, a time of day that does not exist runs at the
    /// end of the gap, and one that comes twice runs the first time; what begins with `*` in its minute or hour runs whenever a clock shows it.
    #[config(default = Zone::default())]
    timezone: Zone,
    /// The job. In texts of its params, `{tick}` becomes the instant, such as 2026-11-24T02:00:00Z, and `{date}` the date in the time
    /// zone; the instant is in `meta.tick`, too.
    job: JobTemplate,
    /// What becomes of times that were missed, because no process ran or the queue was away: `once` is one job for the last of them, `skip`
    /// none if that is more than a minute ago, `all(max: 10)` a job for each, up to so many, the last ones.
    #[config(default = Misfire::Once)]
    misfire: Misfire,
    /// What happens at a time when the job of an earlier one has not ended: `allow` another, or `skip` this time.
    #[config(default = Overlap::Allow)]
    overlap: Overlap,
    /// Each job starts up to so much later, by a time that follows from its id, so that all processes agree.
    #[config(default = "0s", range = "0s"..="1d")]
    jitter: Dur,
    #[state]
    parts: Option<Parts>,
    #[state]
    position: Mutex<Position>,
}

/// What happens at a time when the job of an earlier one has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overlap {
    /// Another job is made.
    #[default]
    Allow,
    /// None is made.
    Skip,
}

/// What is made of the settings.
struct Parts {
    schedule: Schedule,
    clock: Clock,
    maker: Maker,
    cursor: String,
}

/// How far the schedule was followed.
#[derive(Debug, Default)]
struct Position {
    /// Where the cursor stands; `None` if it was never set.
    at: Option<String>,
    /// The same as an instant.
    since: Timestamp,
    /// The last token.
    token: u64,
    /// Jobs that were handed out and are not settled.
    held: usize,
    /// Whether something was missed when it was looked last.
    is_behind: bool,
}

/// How often to look at the clock: somebody may have set it, or the machine may have slept.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Provider for Cron {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let schedule = Schedule::new(self.schedule.clone(), self.timezone.clone());
        let cursor = format!("cron:{}", setup.name);
        let unique_key = (self.overlap == Overlap::Skip).then(|| cursor.clone());
        let maker = Maker {
            prefix: cursor.clone(),
            template: self.job.clone(),
            zone: self.timezone.clone(),
            jitter: self.jitter.get(),
            unique_key,
        };
        self.parts = Some(Parts { schedule, clock: setup.clock.clone(), maker, cursor });
        Ok(())
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let parts = self.parts.as_ref().ok_or_else(|| ProviderError::failed(anyhow!("it was not started")))?;
        let now = parts.clock.now();
        let mut position = self.position();
        if position.at.is_none() {
            // What is due before it runs for the first time was never meant. The queue has to know when that was.
            return Ok(position.go_to(now, Batch::empty(), &parts.cursor));
        }
        let limit = demand.of(self.job.job_type()).min(MAX_BULK);
        let Some(mut due) = due(&parts.schedule, self.misfire, position.since, now, limit) else { return Ok(Batch::empty()) };
        let was_behind = std::mem::replace(&mut position.is_behind, due.missed.is_some());
        if let Some(first) = due.missed.filter(|_| !was_behind) {
            tracing::warn!(target: "goworker::cron", "`{}` was due at {first} already; what was missed since brings {}", parts.cursor, self.misfire);
        }
        if self.overlap == Overlap::Skip {
            due.ticks.truncate(usize::from(position.held == 0));
        }
        let jobs = due.ticks.iter().map(|tick| parts.maker.job(*tick)).collect::<Result<Vec<_>, _>>().map_err(ProviderError::failed)?;
        position.token += 1;
        position.held += jobs.len();
        let batch = Batch::held(Token(position.token), jobs);
        Ok(position.go_to(due.to, batch, &parts.cursor))
    }

    async fn ready(&self, _demand: &Demand) {
        let Some(Parts { schedule, clock, .. }) = &self.parts else { return };
        let since = self.position().since;
        let wait = schedule.after(since).map_or(LOOK_AGAIN, |tick| tick.since(clock.now()));
        tokio::time::sleep(wait.min(LOOK_AGAIN)).await;
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let mut position = self.position();
        position.held = position.held.saturating_sub(settlements.len());
        Ok(Vec::new())
    }

    fn is_finite(&self) -> bool {
        false
    }

    fn schedule(&self) -> Option<Schedule> {
        Some(Schedule::new(self.schedule.clone(), self.timezone.clone()))
    }

    fn cursor_name(&self) -> Option<&str> {
        self.parts.as_ref().map(|parts| parts.cursor.as_str())
    }

    fn cursor_stands(&self, at: Option<&str>) -> anyhow::Result<()> {
        let since = at.map(|at| at.parse().map_err(|_| anyhow!("it stands at `{at}`, which is no instant"))).transpose()?;
        let ahead = self.parts.as_ref().zip(since).filter(|(parts, since)| *since > parts.clock.now().after(LOOK_AGAIN));
        if let Some((parts, since)) = ahead {
            let name = &parts.cursor;
            tracing::warn!(target: "goworker::cron", "`{name}` was followed up to {since} already, which is to come: until then it brings nothing. Was a clock wrong? Under another name it begins anew");
        }
        let mut position = self.position();
        position.at = at.map(str::to_owned);
        position.since = since.unwrap_or_default();
        Ok(())
    }
}

impl Cron {
    fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Position {
    /// Goes on to this instant with what the batch brings. If another process is faster, it is told where the cursor stands then.
    fn go_to(&mut self, to: Timestamp, batch: Batch, cursor: &str) -> Batch {
        let from = self.at.replace(to.to_string());
        self.since = to;
        Batch { cursor: Some(Cursor { name: cursor.to_owned(), from, to: to.to_string() }), ..batch }
    }
}
