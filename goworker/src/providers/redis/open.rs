//! A queue in use: how jobs go out, and what became of them comes back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use goworker::{
    Batch, Cause, Demand, Failure, Ids, Job, Lease, ProcessInfo, ProcessRecord, ProviderError, Rate, Renewal, Settled, Settlement, Setup,
    Token,
};
use tokio_util::task::AbortOnDropHandle;

use super::bell::Bell;
use super::calls::Calls;
use super::spill::{Spill, Spilling};
use super::steps::Steps;
use super::{decode, encode, incoming, script};

/// A queue in use.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) calls: Arc<Calls>,
    steps: Steps,
    bell: Bell,
    owner: String,
    lease: Duration,
    rate: Option<Rate>,
    pub(super) ids: Ids,
    /// A list of the user's that is taken over, and the task that waits for what comes in it.
    list: Option<String>,
    watch: OnceLock<AbortOnDropHandle<()>>,
    pub(super) spilling: Option<Spilling>,
}

impl Open {
    pub(super) fn new(calls: Arc<Calls>, owner: String, list: Option<String>, spill: Option<&Spill>, setup: &Setup) -> Self {
        let bell = Bell::new(Arc::clone(&calls), &owner);
        let steps = Steps::new(Arc::clone(&calls), owner.clone(), setup);
        let spilling = spill.map(|spill| Spilling::new(spill, Arc::clone(&calls), setup.ids()));
        Open { spilling, calls, steps, bell, owner, lease: setup.lease, rate: setup.rate, ids: setup.ids(), list, watch: OnceLock::new() }
    }

    pub(super) async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        if demand.total() == 0 {
            return Ok(Batch::empty());
        }
        let (batch, incoming) = self.fetch_once(demand).await?;
        let taken_over = match &self.list {
            Some(list) if batch.deliveries.is_empty() => {
                self.watch.get_or_init(|| AbortOnDropHandle::new(tokio::spawn(incoming::watch(Arc::clone(&self.calls), list.clone()))));
                incoming::take_over(&self.calls, list).await?
            }
            _ => 0,
        };
        if incoming + taken_over == 0 {
            return Ok(batch);
        }
        let adopted = incoming::adopt(&self.calls, &self.ids).await;
        if batch.deliveries.is_empty() {
            adopted?;
            return Ok(self.fetch_once(demand).await?.0);
        }
        if let Err(error) = adopted {
            // What was taken is not to be lost for that; the next fetch tries again.
            tracing::warn!(%error, "what came in from others is not made jobs of yet");
        }
        Ok(batch)
    }

    /// What is there, and whether texts have come in that may be jobs: 1, or 0.
    async fn fetch_once(&self, demand: &Demand) -> Result<(Batch, u64), ProviderError> {
        let handed = self.steps.fetch(demand).await?;
        let (token, incoming) = (Token(handed.0), handed.3);
        let mut deliveries = Vec::with_capacity(handed.1.len());
        for delivery in decode::deliveries(handed, &self.ids) {
            match delivery {
                Ok(delivery) => deliveries.push(delivery),
                Err((handle, error)) => self.bury_unreadable(token, handle, &error).await?,
            }
        }
        let lease = Lease { token, duration: Some(self.lease) };
        let batch = if deliveries.is_empty() { Batch::empty() } else { Batch { lease, deliveries, cursor: None } };
        Ok((batch, incoming))
    }

    /// A job that cannot be read can never run: it becomes a dead letter, so that it is seen.
    async fn bury_unreadable(&self, token: Token, handle: u64, error: &anyhow::Error) -> Result<(), ProviderError> {
        let failure = Failure::new(Cause::Error, format!("the stored job cannot be read: {error:#}"));
        tracing::error!(%token, handle, "{failure}");
        let job = Arc::new(Job::new(self.ids.next(), ""));
        let settlement = Settlement::Dead { failure, handlers: Vec::new() };
        self.settle(&[Settled { token, handle, job, attempt: None, settlement }]).await.map(|_| ())
    }

    pub(super) async fn ready(&self, demand: &Demand) {
        let mut call = self.calls.read(&script::LOOK);
        encode::push_rate(&mut call.cmd, self.rate);
        if let Demand::ByType(types) = demand {
            for (job_type, _) in types.iter().filter(|(_, slots)| *slots > 0) {
                call.cmd.arg(&**job_type);
            }
        }
        let Ok((is_ready, next, types)) = call.answer::<(u8, i64, Vec<String>)>().await else {
            // The fetch that follows tells why.
            return;
        };
        if is_ready == 1 {
            return;
        }
        let rung = self.bell.rung(&types);
        match u64::try_from(next) {
            // However it ends, there is something to look at.
            Ok(next) => drop(tokio::time::timeout(Duration::from_millis(next), rung).await),
            Err(_) => rung.await,
        }
    }

    pub(super) async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        if settlements.is_empty() {
            return Ok(Vec::new());
        }
        let mut refused = self.steps.settle(settlements).await?;
        refused.sort_unstable();
        Ok(refused)
    }

    pub(super) async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
        let mut call = self.calls.read(&script::RENEW);
        call.cmd.arg(encode::millis(self.lease));
        for token in leases {
            call.cmd.arg(token.0);
        }
        let (lost, cancelled): (Vec<u64>, Vec<String>) = call.answer().await?;
        let cancelled = cancelled.iter().filter_map(|id| id.parse().ok()).collect();
        Ok(Renewal { lost: lost.into_iter().map(Token).collect(), cancelled })
    }

    /// Tells the others that this process is there.
    pub(super) async fn announce(&self, info: &ProcessInfo) -> Result<(), ProviderError> {
        let mut call = self.calls.read(&script::ANNOUNCE);
        call.cmd
            .arg(&self.owner)
            .arg(serde_json::to_string(info).map_err(ProviderError::failed)?)
            .arg(encode::millis(ProcessRecord::LISTED));
        call.answer().await
    }

    /// Gives back what this process holds, and takes its leave; how many jobs that is.
    pub(super) async fn release(&self) -> Result<u64, ProviderError> {
        let mut call = self.calls.write(&script::RELEASE);
        call.cmd.arg(&self.owner);
        call.answer().await
    }
}
