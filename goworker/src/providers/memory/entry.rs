//! One stored job: what it is, where it is, and what it went through.

use std::sync::Arc;
use std::time::Duration;

use goworker::{Attempt, Death, Failure, Job, JobRecord, MAX_DEATHS, Output, Progress, State, Timestamp, Token};

/// Names an entry as long as it is stored; the number may be used again afterwards.
pub(super) type Key = usize;

/// The order in which jobs of a type are taken: by score, then as they came.
///
/// The score is the due time minus priority × [`AGEING`]. It never changes, yet waiting makes up for priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) score: i64,
    pub(super) ticket: u64,
}

/// When a job is due that waits for the end of another one.
pub(super) const NEVER: Timestamp = Timestamp::from_millis(i64::MAX);

/// How much waiting makes up for one step of priority.
const AGEING: Duration = Duration::from_secs(60);

impl Rank {
    pub(super) fn new(due: Timestamp, priority: i8, ticket: u64) -> Self {
        Rank { score: due.as_millis().saturating_sub(Rank::lead(priority)), ticket }
    }

    /// By how many milliseconds a priority is ahead.
    pub(super) fn lead(priority: i8) -> i64 {
        const STEP: i64 = AGEING.as_millis() as i64;
        i64::from(priority) * STEP
    }
}

/// Where a job is in its life. Exactly one of the store's places holds its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Scheduled { due: Timestamp, retrying: bool },
    Ready,
    Running { token: Token },
    Ended { state: State, at: Timestamp, ticket: u64 },
}

impl Place {
    pub(super) fn state(self) -> State {
        match self {
            Place::Scheduled { .. } => State::Scheduled,
            Place::Ready => State::Ready,
            Place::Running { .. } => State::Running,
            Place::Ended { state, .. } => state,
        }
    }
}

/// One stored job.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) job: Arc<Job>,
    /// The lane of its type.
    pub(super) lane: usize,
    /// Grows from job to job as they are accepted.
    pub(super) number: u64,
    pub(super) enqueued_at: Timestamp,
    /// Not to be started after this; absent once a person has asked for it again.
    pub(super) expires_at: Option<Timestamp>,
    /// Its place among the ready jobs; kept while it runs, so that it can return there.
    pub(super) rank: Rank,
    pub(super) place: Place,
    pub(super) output: Output,
    /// Absent as long as all went well, so that the ordinary job costs nothing for it.
    pub(super) past: Option<Box<Past>>,
}

/// What went wrong with a job so far.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// All attempts that were charged, except one that succeeded.
    pub(super) attempts: Vec<Attempt>,
    /// Those before are from before a person asked for the job again, and count no longer.
    pub(super) counted_from: usize,
    pub(super) crashes: u32,
    /// The last ones.
    pub(super) deaths: Vec<Death>,
    pub(super) failure: Option<Failure>,
    pub(super) cancel_asked: bool,
    /// How far it is, while it runs.
    pub(super) progress: Option<Progress>,
}

impl Entry {
    /// When it became, or becomes, ready to be started.
    pub(super) fn due(&self) -> Timestamp {
        Timestamp::from_millis(self.rank.score.saturating_add(Rank::lead(self.job.priority)))
    }

    pub(super) fn past(&mut self) -> &mut Past {
        self.past.get_or_insert_default()
    }

    /// The failed attempts that count.
    pub(super) fn attempts(&self) -> &[Attempt] {
        self.past.as_deref().map_or(&[], |past| &past.attempts[past.counted_from..])
    }

    /// How many attempts count no longer.
    pub(super) fn earlier(&self) -> u32 {
        self.past.as_deref().map_or(0, |past| u32::try_from(past.counted_from).unwrap_or(u32::MAX))
    }

    pub(super) fn crashes(&self) -> u32 {
        self.past.as_deref().map_or(0, |past| past.crashes)
    }

    pub(super) fn cancel_asked(&self) -> bool {
        self.past.as_deref().is_some_and(|past| past.cancel_asked)
    }

    /// Charges an attempt that did not succeed.
    pub(super) fn charge(&mut self, attempt: &Attempt) {
        let past = self.past();
        past.failure.clone_from(&attempt.failure);
        past.attempts.push(attempt.clone());
    }

    /// Counts a process that died on it.
    pub(super) fn crashed(&mut self, death: Death) {
        let past = self.past();
        past.crashes += 1;
        if past.deaths.len() == MAX_DEATHS {
            past.deaths.remove(0);
        }
        past.deaths.push(death);
    }

    /// Counts attempts and crashes anew; attempts and deaths stay listed.
    pub(super) fn count_anew(&mut self) {
        self.expires_at = None;
        self.output = Output::none();
        if let Some(past) = self.past.as_deref_mut() {
            past.counted_from = past.attempts.len();
            past.failure = past.attempts.last().and_then(|attempt| attempt.failure.clone());
            past.crashes = 0;
            past.cancel_asked = false;
        }
    }

    /// The job as others see it, without the list of its attempts.
    pub(super) fn record(&self, leased_until: Option<Timestamp>) -> JobRecord {
        let succeeded = u32::from(self.place.state() == State::Done);
        let (due_at, ended_at) = match self.place {
            Place::Scheduled { due, .. } => (Some(due), None),
            Place::Ended { at, .. } => (None, Some(at)),
            Place::Ready | Place::Running { .. } => (None, None),
        };
        JobRecord {
            job: Arc::clone(&self.job),
            state: self.place.state(),
            attempt: u32::try_from(self.attempts().len()).unwrap_or(u32::MAX).saturating_add(succeeded),
            crashes: self.crashes(),
            enqueued_at: self.enqueued_at,
            due_at: due_at.filter(|due| *due != NEVER),
            follows: None,
            leased_until,
            progress: self.past.as_deref().and_then(|past| past.progress.clone()),
            ended_at,
            output: self.output.clone(),
            failure: self.past.as_deref().and_then(|past| past.failure.clone()),
            attempts: Vec::new(),
            deaths: Vec::new(),
        }
    }
}
