//! A provider: a source of jobs that comes to an end.

use std::sync::atomic::{AtomicU32, Ordering};

use goworker::{Batch, Demand, Job, Params, Provider, ProviderError, Settled, Token, provider};

/// Counts down, a job for each number.
#[provider]
#[derive(Debug)]
pub(crate) struct Countdown {
    /// The first number.
    #[config(default = 3, range = 1..=1000)]
    from: u32,
    /// How many numbers were given out.
    #[state]
    given: AtomicU32,
}

impl Provider for Countdown {
    async fn fetch(&self, _: &Demand) -> Result<Batch, ProviderError> {
        let given = self.given.load(Ordering::Relaxed);
        if given >= self.from {
            return Ok(Batch::empty());
        }
        let number = self.from - given;
        // The id is the same after a crash, so that a queue which has the job already creates nothing.
        let id = format!("countdown-{number}").parse().map_err(|error: String| ProviderError::failed(std::io::Error::other(error)))?;
        let params = Params::of(&format!("{number} to go")).map_err(ProviderError::failed)?;
        self.given.store(given + 1, Ordering::Relaxed);
        Ok(Batch::held(Token(number.into()), [Job { params, ..Job::new(id, "shout") }]))
    }

    async fn settle(&self, _: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        Ok(Vec::new())
    }
}
