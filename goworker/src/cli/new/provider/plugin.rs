//! A provider: brings jobs, and hears what became of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use goworker::{
    Batch, Demand, Job, Params, Provider, ProviderError, Settled, Settlement, Setup, Token, anyhow,
    provider,
};

/// Brings orders, a job for each.
///
/// `goworker list` shows the first sentence, `goworker describe my_provider` all of it.
#[provider(since = "0.1.0")]
pub struct MyProvider {
    /// What is ordered.
    #[config(example = ["tea", "coffee"])]
    orders: Vec<String>,
    /// Which worker the jobs are for.
    #[config(default = "file")]
    job_type: String,
    #[state]
    desk: Mutex<Desk>,
}

/// Where the orders are.
#[derive(Default)]
struct Desk {
    waiting: VecDeque<Job>,
    /// Handed out and not settled yet, by batch and place in it.
    held: HashMap<(Token, u64), Job>,
    batches: u64,
}

impl Provider for MyProvider {
    async fn init(&mut self, _: &Setup) -> anyhow::Result<()> {
        for (number, order) in (1..).zip(&self.orders) {
            // The same id at every start: a queue that has the job already takes it for the same.
            let id = format!("my_provider-{number}")
                .parse()
                .map_err(anyhow::Error::msg)?;
            let job = Job {
                params: Params::of(order)?,
                ..Job::new(id, self.job_type.as_str())
            };
            self.desk().waiting.push_back(job);
        }
        Ok(())
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let mut desk = self.desk();
        let count = demand.of(&self.job_type).min(desk.waiting.len());
        if count == 0 {
            return Ok(Batch::empty());
        }
        desk.batches += 1;
        let token = Token(desk.batches);
        let jobs: Vec<Job> = desk.waiting.drain(..count).collect();
        desk.held.extend(
            (0..)
                .zip(&jobs)
                .map(|(handle, job)| ((token, handle), job.clone())),
        );
        Ok(Batch::held(token, jobs))
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let mut desk = self.desk();
        let mut refused = Vec::new();
        for (position, settled) in settlements.iter().enumerate() {
            match (
                desk.held.remove(&(settled.token, settled.handle)),
                &settled.settlement,
            ) {
                // What was not done comes again.
                (Some(job), Settlement::Release | Settlement::Retry { .. }) => {
                    desk.waiting.push_front(job)
                }
                (
                    Some(_),
                    Settlement::Done { .. } | Settlement::Dead { .. } | Settlement::Cancelled,
                ) => {}
                // Settled before.
                (None, _) => refused.push(position),
            }
        }
        Ok(refused)
    }
}

impl MyProvider {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn with_orders(orders: &[&str]) -> MyProvider {
        let orders = orders.iter().map(|order| order.to_string()).collect();
        let mut provider = MyProvider::from(MyProviderConfig {
            orders,
            job_type: "file".to_owned(),
        });
        provider.init(&Setup::new("orders", ".")).await.unwrap();
        provider
    }

    /// The ids of the jobs that are brought, all of which end as told.
    async fn next(provider: &MyProvider, slots: usize, settlement: Settlement) -> Vec<String> {
        let batch = provider.fetch(&Demand::Any(slots)).await.unwrap();
        let settle = |delivery: &goworker::Delivery| Settled {
            token: batch.lease.token,
            handle: delivery.handle,
            job: delivery.job.clone(),
            attempt: None,
            settlement: settlement.clone(),
        };
        let settlements: Vec<Settled> = batch.deliveries.iter().map(settle).collect();
        assert_eq!(
            provider.settle(&settlements).await.unwrap(),
            Vec::<usize>::new()
        );
        batch
            .deliveries
            .iter()
            .map(|delivery| delivery.job.id.to_string())
            .collect()
    }

    #[tokio::test]
    async fn each_order_is_a_job_and_comes_once() {
        let provider = with_orders(&["tea", "coffee", "water"]).await;
        let done = || Settlement::Done {
            output: goworker::Output::none(),
        };
        assert_eq!(
            next(&provider, 2, done()).await,
            ["my_provider-1", "my_provider-2"]
        );
        assert_eq!(next(&provider, 2, done()).await, ["my_provider-3"]);
        assert_eq!(next(&provider, 2, done()).await, [""; 0]);
    }

    #[tokio::test]
    async fn what_is_given_back_comes_again() {
        let provider = with_orders(&["tea"]).await;
        assert_eq!(
            next(&provider, 1, Settlement::Release).await,
            ["my_provider-1"]
        );
        assert_eq!(
            next(&provider, 1, Settlement::Release).await,
            ["my_provider-1"]
        );
    }
}
