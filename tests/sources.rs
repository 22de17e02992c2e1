//! Sources for tests.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use goworker::{Batch, Cursor, Demand, Ids, Job, Provider, ProviderError, Settled, Setup, Token, anyhow, provider};

/// Makes a job of each line of a file that others append to. How far it has read is known by its cursor only.
#[provider]
#[derive(Debug)]
pub struct Lines {
    /// The file.
    path: PathBuf,
    /// Whether it does not hear where its cursor stands.
    #[config(default = false)]
    deaf: bool,
    #[state]
    cursor: String,
    #[state]
    read: Mutex<usize>,
}

impl Provider for Lines {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        self.cursor = format!("lines:{}", setup.name);
        Ok(())
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let text = std::fs::read_to_string(&self.path).map_err(ProviderError::unavailable)?;
        let mut read = self.read();
        // A few at a time, so that processes race for them.
        let lines = text.lines().skip(*read).take(demand.total().min(3));
        let jobs = lines.map(|line| Job::of("ledger").id(line).build(&Ids::system())).collect::<Result<Vec<_>, _>>();
        let jobs = jobs.map_err(ProviderError::failed)?;
        if jobs.is_empty() {
            return Ok(Batch::empty());
        }
        let (from, to) = (*read, *read + jobs.len());
        *read = to;
        let cursor = Cursor { name: self.cursor.clone(), from: (from > 0).then(|| from.to_string()), to: to.to_string() };
        Ok(Batch { cursor: Some(cursor), ..Batch::held(Token(0), jobs) })
    }

    async fn ready(&self, _: &Demand) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        if self.deaf && settlements.iter().any(|settled| settled.settlement == goworker::Settlement::Release) {
            *self.read() = 0;
        }
        Ok(Vec::new())
    }

    fn cursor_name(&self) -> Option<&str> {
        Some(&self.cursor)
    }

    fn cursor_stands(&self, at: Option<&str>) -> anyhow::Result<()> {
        if !self.deaf {
            *self.read() = at.map_or(Ok(0), str::parse)?;
        }
        Ok(())
    }
}

impl Lines {
    fn read(&self) -> MutexGuard<'_, usize> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
