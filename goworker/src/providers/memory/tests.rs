//! `memory` against the contract of queues, and the suite of that contract against a broken queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use goworker::testing::{Capabilities, Time, conformance, conformance_report, random_walk};
use goworker::{
    Batch, Change, Cursor, Demand, Enqueued, Filter, Job, JobId, JobRecord, Provider, ProviderError, Queue, QueueStats, Renewal, Settled,
    Setup, Token,
};

use super::Memory;

const VIRTUAL: Capabilities = Capabilities { durable: false, time: Time::Paused };

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract_of_a_queue() {
    conformance(VIRTUAL, |_| Memory::default()).await;
}

#[tokio::test]
async fn memory_keeps_it_in_real_time_too() {
    conformance(Capabilities { time: Time::Setup, ..VIRTUAL }, |_| Memory::default()).await;
}

#[tokio::test(start_paused = true)]
async fn memory_agrees_with_the_model_on_random_walks() {
    for seed in 0..40 {
        random_walk(seed, 600, |_| Memory::default()).await;
    }
}

/// A queue without the token check: it takes a settlement with an old token for one of the present holder.
#[derive(Default)]
struct Unfenced {
    memory: Memory,
    holders: Mutex<HashMap<JobId, (Token, u64)>>,
}

impl Unfenced {
    fn present(&self, settled: &Settled) -> Settled {
        match self.holders.lock().unwrap().get(&settled.job.id) {
            Some(&(token, handle)) if settled.token < token => Settled { token, handle, ..settled.clone() },
            _ => settled.clone(),
        }
    }
}

impl Provider for Unfenced {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        self.memory.init(setup).await
    }
    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let batch = self.memory.fetch(demand).await?;
        let holders = batch.deliveries.iter().map(|delivery| (delivery.job.id.clone(), (batch.lease.token, delivery.handle)));
        self.holders.lock().unwrap().extend(holders);
        Ok(batch)
    }
    async fn ready(&self, demand: &Demand) {
        self.memory.ready(demand).await;
    }
    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let patched: Vec<Settled> = settlements.iter().map(|settled| self.present(settled)).collect();
        self.memory.settle(&patched).await
    }
    async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
        self.memory.renew(leases).await
    }
}

impl Queue for Unfenced {
    async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, ProviderError> {
        self.memory.enqueue(jobs, cursor).await
    }
    async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        self.memory.cursor(name).await
    }
    async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ProviderError> {
        self.memory.list(filter).await
    }
    async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        self.memory.get(id).await
    }
    async fn cancel(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.memory.cancel(ids).await
    }
    async fn retry(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.memory.retry(ids).await
    }
    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.memory.delete(ids).await
    }
    async fn stats(&self) -> Result<QueueStats, ProviderError> {
        self.memory.stats().await
    }
    fn is_durable(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn the_suite_finds_a_queue_without_the_token_check() {
    let report = conformance_report(VIRTUAL, |_| Unfenced::default()).await;
    let broken: Vec<&str> = report.broken.iter().map(|broken| broken.case.as_str()).collect();
    assert_eq!(broken, ["a late settlement of a lost lease changes nothing"], "{report}");
    assert!(report.passed.len() > 50 && report.skipped.is_empty(), "{report}");
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the queue says [], the model [0]")]
async fn the_model_finds_a_queue_without_the_token_check() {
    for seed in 0..40 {
        random_walk(seed, 600, |_| Unfenced::default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_suite_finds_a_queue_that_only_says_it_is_durable() {
    let report = conformance_report(Capabilities { durable: true, ..VIRTUAL }, |_| Memory::default()).await;
    let broken: Vec<&str> = report.broken.iter().map(|broken| broken.case.as_str()).collect();
    insta::assert_snapshot!(broken.join("\n"));
}
