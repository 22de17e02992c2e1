//! Plugins in a crate that calls goworker `gw`.

use gw::units::Dur;
use gw::{Batch, Context, Demand, Job, Provider, ProviderError, Settled, WorkResult, Worker, provider, worker};

/// Says what it is set to.
#[worker(crate = gw, since = "0.1.0")]
#[derive(Debug)]
pub struct Parrot {
    /// What it says.
    #[config(default = String::from("hello"))]
    word: String,
    /// How often.
    #[config(default = 1, range = 1..=9)]
    times: Option<u8>,
    /// How long it thinks before.
    #[config(default = "1s", range = "1ms"..="1m")]
    pause: Dur,
}

impl Worker for Parrot {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(gw::serde_json::json!([self.word, self.times, self.pause]).into())
    }
}

/// Brings nothing.
#[provider(crate = ::gw)]
#[derive(Debug)]
pub struct Drought;

impl Provider for Drought {
    async fn fetch(&self, _: &Demand) -> Result<Batch, ProviderError> {
        Ok(Batch::empty())
    }

    async fn settle(&self, _: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        Ok(Vec::new())
    }
}
