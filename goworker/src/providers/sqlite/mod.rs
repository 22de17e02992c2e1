//! The default queue: one SQLite file, no server.
//!
//! Accepted means on the disk. Several processes may use the file at once: a daemon runs the jobs that the command line
//! enqueues. Anyone can look into it with standard tools: `sqlite3 jobs.db "SELECT * FROM jobs"`.
//!
//! From outside in: this file is the plugin, [`file`](mod@file) what each call becomes, [`writer`] the thread that writes, [`store`]
//! its transactions, [`read`] the questions, [`open`] and [`schema`] the file itself.

mod accept;
mod change;
mod claim;
mod fault;
mod file;
mod inbox;
mod notice;
mod open;
mod owner;
mod pause;
mod place;
mod processes;
mod purge;
mod put;
mod rate;
mod read;
mod recover;
mod schema;
mod seqs;
mod settle;
mod store;
mod unique;
mod waiting;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use goworker::{
    Batch, Change, Cursor, Demand, Enqueued, Filter, Job, JobId, JobRecord, ProcessInfo, ProcessRecord, Progressed, Provider,
    ProviderError, Queue, QueueStats, Renewal, Settled, Setup, Token, provider,
};

use change::Wish;
use file::OpenFile;

/// Stores jobs in one SQLite file. What is accepted survives a power cut; other processes may use the file too.
#[provider(queue, since = "0.1.0")]
pub(super) struct Sqlite {
    /// The file. It is created if it does not exist; its folder has to.
    #[config(example = "goworker.db")]
    path: PathBuf,
    /// `None` also if there is none yet, and none was to be created.
    #[state]
    file: Option<OpenFile>,
    #[state]
    is_absent: bool,
}

impl Provider for Sqlite {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let (path, setup) = (self.path.clone(), setup.clone());
        self.file = tokio::task::spawn_blocking(move || OpenFile::open(path, &setup)).await??;
        self.is_absent = self.file.is_none();
        if self.is_absent {
            tracing::warn!("`{}` does not exist yet: it is created with the first job", self.path.display());
        }
        Ok(())
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        self.file()?.fetch(demand).await
    }

    async fn ready(&self, demand: &Demand) {
        // If it was not opened, the fetch that follows says so.
        if let Ok(file) = self.file() {
            file.ready(demand).await;
        }
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        self.file()?.settle(settlements).await
    }

    async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
        self.file()?.renew(leases).await
    }

    fn selects_by_type(&self) -> bool {
        true
    }

    fn keeps_retries(&self) -> bool {
        true
    }

    async fn close(&self) -> anyhow::Result<()> {
        match &self.file {
            Some(file) => file.close().await,
            None => Ok(()),
        }
    }
}

impl Queue for Sqlite {
    async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, ProviderError> {
        self.file()?.enqueue(jobs, cursor).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        match self.existing()? {
            Some(file) => file.cursor(name).await,
            None => Ok(None),
        }
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ProviderError> {
        match self.existing()? {
            Some(file) => file.present().await?.list(filter).await,
            None => Ok(Vec::new()),
        }
    }

    async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        match self.existing()? {
            Some(file) => file.present().await?.get(id).await,
            None => Ok(None),
        }
    }

    async fn wait(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        self.file()?.wait(id).await
    }

    async fn cancel(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.change(Wish::Cancel, ids).await
    }

    async fn retry(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.change(Wish::Retry, ids).await
    }

    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.change(Wish::Delete, ids).await
    }

    async fn note_progress(&self, told: &[Progressed]) -> Result<(), ProviderError> {
        self.file()?.note_progress(told).await
    }

    async fn pause(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.file()?.pause(job_type).await
    }

    async fn resume(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        match self.existing()? {
            Some(file) => file.resume(job_type).await,
            None => Ok(()),
        }
    }

    async fn stats(&self) -> Result<QueueStats, ProviderError> {
        match self.existing()? {
            Some(file) => file.present().await?.stats().await,
            None => Ok(QueueStats::default()),
        }
    }

    async fn announce(&self, info: &ProcessInfo) -> Result<(), ProviderError> {
        self.file()?.announce(info).await
    }

    async fn processes(&self) -> Result<Vec<ProcessRecord>, ProviderError> {
        match self.existing()? {
            Some(file) => file.processes().await,
            None => Ok(Vec::new()),
        }
    }

    fn is_durable(&self) -> bool {
        true
    }
}

impl Sqlite {
    async fn change(&self, wish: Wish, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        match self.existing()? {
            Some(file) => file.change(wish, ids).await,
            None => Ok(vec![Change::Absent; ids.len()]),
        }
    }

    /// The file, unless it does not exist yet: then there are no jobs in it.
    fn existing(&self) -> Result<Option<&OpenFile>, ProviderError> {
        if self.is_absent { Ok(None) } else { self.file().map(Some) }
    }

    fn file(&self) -> Result<&OpenFile, ProviderError> {
        self.file.as_ref().ok_or_else(|| ProviderError::Failed(anyhow::anyhow!("`{}` was not opened", self.path.display())))
    }
}
