//! A link carries jobs from a source into a queue: fetch → enqueue under the same id → settle.
//!
//! The ids are the source's, so a crash between the two steps enqueues nothing twice. A source that reads by a cursor is told where it
//! stands: before its first fetch, and when another process was faster.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::{Clock, Random};
use crate::job::Job;
use crate::outcome::{Cause, Failure, Settlement};
use crate::plugin::{DynProvider, QueueHandle};
use crate::provider::{Batch, Cursor, Delivery, Demand, ProviderError, Settled, Target};
use crate::queue::{Enqueued, MAX_BULK};
use crate::rate::Starts;

use super::lane::reconnect_delay;
use super::stop::Phase;

pub(super) struct Link {
    pub(super) name: String,
    pub(super) source: Arc<dyn DynProvider>,
    pub(super) queue: QueueHandle,
    pub(super) queue_name: String,
    /// Where the source was told that its cursor stands, if nothing has gone on since.
    pub(super) told: Option<Option<String>>,
    /// How often in a row it was refused nevertheless.
    pub(super) refused: u32,
    /// The same queue, as the source has it.
    pub(super) target: Target,
    /// What has been taken in lately, if that is limited.
    pub(super) starts: Option<Starts>,
    pub(super) clock: Clock,
    pub(super) random: Random,
}

/// What the manager may know about a link or a spill while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LinkState {
    /// Jobs that it has put into the queue.
    pub(super) linked: u64,
    /// Whether its last fetch found nothing, and all that came before is settled.
    pub(super) idle: bool,
}

/// The cursor was not where the batch began; it stands here.
struct Moved(Option<String>);

/// A link or a spill, as the engine sees it.
pub(super) struct Carrier {
    /// Where its jobs come from.
    pub(super) name: String,
    pub(super) is_spill: bool,
    pub(super) state: watch::Receiver<LinkState>,
    /// What its source puts in by itself.
    pub(super) target: Option<Target>,
}

impl Carrier {
    /// Jobs that have gone into the queue.
    pub(super) fn linked(&self) -> u64 {
        self.state.borrow().linked + self.target.as_ref().map_or(0, Target::taken_in)
    }
}

impl Link {
    /// Runs until the end is asked for. What is under way then is finished, unless the end is asked for twice.
    pub(super) async fn run(mut self, mut phase: watch::Receiver<Phase>, state: watch::Sender<LinkState>) {
        tokio::select! {
            biased;
            () = self.tell_first() => {}
            _ = phase.wait_for(|phase| *phase != Phase::Running) => return,
        }
        while *phase.borrow() == Phase::Running {
            let demand = tokio::select! {
                biased;
                demand = self.demand() => demand,
                _ = phase.wait_for(|phase| *phase != Phase::Running) => break,
            };
            let batch = tokio::select! {
                biased;
                batch = self.fetch(&demand) => batch,
                // At the end a fetch is dropped: what it may have taken was not settled, so it comes again.
                _ = phase.wait_for(|phase| *phase != Phase::Running) => break,
            };
            if batch.deliveries.is_empty() && batch.cursor.is_none() {
                state.send_modify(|state| state.idle = true);
                tokio::select! {
                    biased;
                    () = self.source.ready_boxed(&demand) => {}
                    _ = phase.wait_for(|phase| *phase != Phase::Running) => {}
                }
                continue;
            }
            state.send_modify(|state| state.idle = false);
            if let Some(starts) = &mut self.starts {
                starts.note(batch.deliveries.len(), self.clock.now());
            }
            tokio::select! {
                biased;
                linked = self.carry(batch) => state.send_modify(|state| state.linked += linked),
                _ = phase.wait_for(|phase| *phase == Phase::Releasing) => break,
            }
        }
    }

    /// How many jobs may be taken in, once there are any.
    async fn demand(&mut self) -> Demand {
        let Some(starts) = &mut self.starts else { return Demand::Any(MAX_BULK) };
        loop {
            let now = self.clock.now();
            match (starts.allowed(now), starts.next()) {
                (0, Some(next)) => tokio::time::sleep(next.since(now)).await,
                (allowed, _) => return Demand::Any(allowed.min(MAX_BULK)),
            }
        }
    }

    /// Tells the source where its cursor stands, if it has one.
    async fn tell_first(&mut self) {
        let Some(name) = self.source.cursor_of().map(str::to_owned) else { return };
        let mut outages = 0;
        let at = loop {
            match self.queue.cursor(&name).await {
                Ok(at) => break at,
                Err(error) => self.pause(&mut outages, "read its cursor", &error).await,
            }
        };
        self.tell(at).await;
    }

    /// Tells the source where its cursor stands. One that was told so before, and goes by something else all the same, waits: it would
    /// be refused for ever.
    async fn tell(&mut self, at: Option<String>) {
        if self.told.as_ref() == Some(&at) {
            let error = anyhow::anyhow!("its batch does not begin where its cursor stands, at {}", at.as_deref().unwrap_or("nothing"));
            let mut refused = self.refused;
            self.pause(&mut refused, "enqueue", &ProviderError::Failed(error)).await;
            self.refused = refused;
        } else {
            self.refused = 0;
        }
        let mut outages = 0;
        while let Err(error) = self.source.stands(at.as_deref()) {
            self.pause(&mut outages, "go on from its cursor", &ProviderError::Failed(error)).await;
        }
        self.told = Some(at);
    }

    async fn fetch(&self, demand: &Demand) -> Batch {
        let mut outages = 0;
        loop {
            match self.source.fetch_boxed(demand).await {
                Ok(batch) => return batch,
                Err(error) => self.pause(&mut outages, "fetch", &error).await,
            }
        }
    }

    /// Enqueues a batch, then settles it; answers how many jobs were created.
    async fn carry(&mut self, batch: Batch) -> u64 {
        let jobs: Vec<_> = batch.deliveries.iter().map(|delivery| Arc::clone(&delivery.job)).collect();
        let mut answers = Vec::with_capacity(jobs.len());
        let mut rest = jobs.as_slice();
        // A cursor belongs to the batch as a whole, which goes in one call, then, and may have no jobs. A queue refuses what is too much for that.
        let most = if batch.cursor.is_some() { jobs.len() } else { MAX_BULK };
        loop {
            let (chunk, others) = rest.split_at(rest.len().min(most));
            match self.enqueue(chunk, batch.cursor.as_ref()).await {
                Ok(chunk) => answers.extend(chunk),
                Err(Moved(at)) => {
                    self.settle(&batch, |_| Settlement::Release).await;
                    self.tell(at).await;
                    return 0;
                }
            }
            rest = others;
            if rest.is_empty() {
                break;
            }
        }
        self.told = None;
        let created = answers.iter().filter(|answer| answer.is_new()).count();
        if !jobs.is_empty() {
            tracing::info!(target: "goworker::link", provider = self.name, queue = self.queue_name, "{created} new of {} jobs into `{}`", jobs.len(), self.queue_name);
        }
        self.settle(&batch, |index| self.settlement(&answers[index], &batch.deliveries[index])).await;
        created as u64
    }

    /// Enqueues until the queue has accepted, or is found to have done so: then the cursor has moved.
    async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, Moved> {
        let mut outages = 0;
        loop {
            match self.queue.enqueue(jobs, cursor).await {
                Ok(answers) => return Ok(answers),
                Err(ProviderError::CursorMoved { at, .. }) => return Err(Moved(at)),
                Err(error) => self.pause(&mut outages, "enqueue", &error).await,
            }
        }
    }

    async fn settle(&self, batch: &Batch, settlement: impl Fn(usize) -> Settlement) {
        let settled = |(index, delivery): (usize, &Delivery)| Settled {
            token: batch.lease.token,
            handle: delivery.handle,
            job: Arc::clone(&delivery.job),
            attempt: None,
            settlement: settlement(index),
        };
        let settled: Vec<_> = batch.deliveries.iter().enumerate().map(settled).collect();
        let mut outages = 0;
        while let Err(error) = self.source.settle_boxed(&settled).await {
            self.pause(&mut outages, "settle", &error).await;
        }
    }

    fn settlement(&self, answer: &Enqueued, delivery: &Delivery) -> Settlement {
        match answer {
            Enqueued::Created | Enqueued::Replaced(_) | Enqueued::Exists => Settlement::Done { output: ().into() },
            Enqueued::Held(holder) => {
                tracing::info!(target: "goworker::link", provider = self.name, "job `{}` is not needed: `{holder}` in `{}` holds its key", delivery.job.id, self.queue_name);
                Settlement::Done { output: ().into() }
            }
            Enqueued::Conflict => {
                let message = format!("another job with the id `{}` is in the queue `{}`", delivery.job.id, self.queue_name);
                tracing::warn!(target: "goworker::link", provider = self.name, "{message}");
                Settlement::Dead { failure: Failure::new(Cause::Error, message), handlers: Vec::new() }
            }
        }
    }

    async fn pause(&self, outages: &mut u32, what: &str, error: &ProviderError) {
        *outages = outages.saturating_add(1);
        let delay = reconnect_delay(*outages, self.random.fraction());
        tracing::error!(target: "goworker::link", provider = self.name, "cannot {what}, again in {delay:.1?}: {error}");
        tokio::time::sleep(delay).await;
    }
}
