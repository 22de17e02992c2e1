//! What a queue shows, beside what the model knows.

use crate::clock::Timestamp;
use crate::job::JobId;
use crate::plugin::QueueHandle;
use crate::provider::ProviderError;
use crate::queue::{Filter, JobRecord, MAX_DEATHS, QueueStats, State};

use super::invariant::{Holds, Invariant};
use super::known::{Known, Place};
use super::reference::Reference;

/// The cursors that are moved.
pub(super) const CURSORS: [&str; 2] = ["c0", "c1"];

/// All that a queue shows at one moment.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) records: Vec<JobRecord>,
    cursors: Vec<Option<String>>,
    stats: QueueStats,
    /// One job with all its attempts.
    whole: Option<JobRecord>,
}

impl Shown {
    pub(super) async fn by(queue: &QueueHandle, chosen: Option<&JobId>) -> Result<Self, ProviderError> {
        let records = queue.list(&Filter::default()).await?;
        let stats = queue.stats().await?;
        let mut cursors = Vec::new();
        for name in CURSORS {
            cursors.push(queue.cursor(name).await?);
        }
        let whole = match chosen {
            Some(id) => queue.get(id).await?,
            None => None,
        };
        Ok(Shown { records, cursors, stats, whole })
    }

    /// Both must agree on everything; on instants only if the queue goes by the model's clock.
    pub(super) fn compare(&self, model: &Reference, instants: bool) -> Holds {
        let mut shown: Vec<&JobId> = self.records.iter().map(|record| &record.job.id).collect();
        shown.sort_unstable();
        if !shown.iter().copied().eq(model.jobs.keys()) {
            let known: Vec<&JobId> = model.jobs.keys().collect();
            return Err(Invariant::Conservation.violated(format!("jobs: the queue has {}, the model {}", listed(&shown), listed(&known))));
        }
        for (name, at) in CURSORS.iter().zip(&self.cursors) {
            Invariant::Identity.same(&format!("where the cursor {name} stands"), at.as_ref(), model.cursors.get(*name))?;
        }
        for record in &self.records {
            let Some(known) = model.jobs.get(&record.job.id) else { continue };
            compare_job(record, known)?;
            Invariant::Identity.same(&format!("whose end {} waits for", record.job.id), record.follows.as_ref(), model.leader(known))?;
            if instants {
                compare_instants(record, known, model)?;
            }
        }
        if let Some(whole) = &self.whole
            && let Some(known) = model.jobs.get(&whole.job.id)
        {
            let what = format!("attempts of {}", whole.job.id);
            Invariant::Counting.same(&what, &whole.attempts, &known.attempts)?;
            compare_deaths(whole, known, instants)?;
        }
        Invariant::Statistics.same("what is paused", &self.stats.paused, &model.paused)?;
        Invariant::Statistics.same("counts", &self.stats.counts, &model.counts())?;
        let (shown, known) = (self.stats.oldest_ready, model.oldest_ready());
        if instants {
            Invariant::Statistics.same("since when the oldest job is ready", told(shown), told(known))
        } else {
            Invariant::Statistics.same("whether there is an oldest ready job", shown.is_some(), known.is_some())
        }
    }
}

fn compare_job(record: &JobRecord, known: &Known) -> Holds {
    let id = &record.job.id;
    let invariant = match known.state() {
        state if state.is_final() => Invariant::Ends,
        State::Running => Invariant::Leases,
        _ if record.state == State::Running => Invariant::Leases,
        _ => Invariant::Order,
    };
    invariant.same(&format!("state of {id}"), record.state, known.state())?;
    Invariant::Conservation.same(&format!("{id} as listed"), &record.job, &known.job)?;
    let charged = known.counted().len() + usize::from(record.state == State::Done);
    let counted = (usize::try_from(record.attempt).unwrap_or(usize::MAX), record.crashes);
    Invariant::Counting.same(&format!("attempts and crashes of {id}"), counted, (charged, known.crashes))?;
    Invariant::Counting.same(&format!("failure of {id}"), record.failure.as_ref(), known.failure())?;
    Invariant::Ends.same(&format!("output of {id}"), &record.output, &known.output)?;
    Invariant::Leases.same(&format!("whether {id} is leased"), record.leased_until.is_some(), record.state == State::Running)
}

/// Which process is which is not known beforehand, only whether two are the same.
fn compare_deaths(record: &JobRecord, known: &Known, instants: bool) -> Holds {
    let what = format!("deaths on {}", record.job.id);
    let last = &known.deaths[known.deaths.len().saturating_sub(MAX_DEATHS)..];
    Invariant::Counting.same(&what, record.deaths.len(), last.len())?;
    for (one, (process, at)) in record.deaths.iter().zip(last) {
        for (other, (same, _)) in record.deaths.iter().zip(last) {
            let what = format!("{what}: whether {} and {} are the same process", one.process, other.process);
            Invariant::Counting.same(&what, one.process == other.process, process == same)?;
        }
        if instants {
            Invariant::Counting.same(&format!("{what}: when one was noticed"), told(Some(one.at)), told(Some(*at)))?;
        }
    }
    Ok(())
}

fn compare_instants(record: &JobRecord, known: &Known, model: &Reference) -> Holds {
    let id = &record.job.id;
    let due = matches!(known.place, Place::Scheduled { .. }).then_some(known.due);
    let ended = match known.place {
        Place::Ended { at, .. } => Some(at),
        _ => None,
    };
    Invariant::Conservation.same(&format!("when {id} was accepted"), told(Some(record.enqueued_at)), told(Some(known.enqueued_at)))?;
    Invariant::Order.same(&format!("when {id} is due"), told(record.due_at), told(due))?;
    Invariant::Leases.same(&format!("until when {id} is leased"), told(record.leased_until), told(model.leased_until(known)))?;
    Invariant::Ends.same(&format!("when {id} ended"), told(record.ended_at), told(ended))
}

fn told(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}

/// A readable list, however long.
fn listed(ids: &[&JobId]) -> String {
    let names: Vec<&str> = ids.iter().take(30).map(|id| id.as_str()).collect();
    format!("{} [{}{}]", ids.len(), names.join(" "), if ids.len() > names.len() { " .." } else { "" })
}
