//! A source whose jobs run directly, and that notes what becomes of them. A retry is told with the last attempt only: the manager keeps it.

use std::sync::Arc;

use super::scene::Scene;
use crate::plugin::AnyProvider;
use crate::provider::{Batch, Demand, Provider, ProviderError, Settled, Setup};

pub(super) struct WatchedSource {
    pub(super) name: String,
    pub(super) source: AnyProvider,
    pub(super) scene: Arc<Scene>,
}

impl Provider for WatchedSource {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        self.source.0.init_boxed(setup).await
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let batch = self.source.0.fetch_boxed(demand).await?;
        self.scene.delivered(&self.name, &batch);
        Ok(batch)
    }

    async fn ready(&self, demand: &Demand) {
        self.source.0.ready_boxed(demand).await;
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let refused = self.source.0.settle_boxed(settlements).await?;
        settlements.iter().for_each(|settled| self.scene.ended(&self.name, settled));
        Ok(refused)
    }

    fn is_finite(&self) -> bool {
        self.source.0.finite()
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.source.0.close_boxed().await
    }
}
