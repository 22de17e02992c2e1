//! A worker: a struct with its settings, and one method that does a job.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use goworker::units::Size;
use goworker::{Context, Job, Output, Setup, WorkError, WorkResult, Worker, worker};
use serde::{Deserialize, Serialize};
use tokio::fs;

/// Copies the file that the params name: `{"file": "/etc/hosts"}`.
#[worker]
#[derive(Debug)]
pub(crate) struct Backup {
    /// The folder that the copies go into. Relative to the config, as all paths in it.
    folder: PathBuf,
    /// Larger files are refused.
    #[config(default = "64MiB")]
    at_most: Size,
}

/// What a job asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    file: PathBuf,
}

/// What it answers.
#[derive(Serialize)]
struct Copied {
    to: PathBuf,
    bytes: u64,
}

impl Worker for Backup {
    /// Called once, before the first job. If it fails, the program does not start.
    async fn init(&mut self, _: &Setup) -> anyhow::Result<()> {
        fs::create_dir_all(&self.folder).await.with_context(|| format!("`{}` cannot be made", self.folder.display()))
    }

    /// Called for each job, from as many tasks at once as `concurrency` says.
    async fn work(&self, job: &Job, _: &Context) -> WorkResult {
        // Params that do not fit fail the job at once, with their JSON path.
        let Params { file } = job.params()?;
        // An error is tried again, when the config's `retry` says so: the file may come to be.
        let size = fs::metadata(&file).await.with_context(|| format!("`{}` cannot be read", file.display()))?.len();
        if size > self.at_most.bytes() {
            // This one is not: the job is dead.
            return Err(WorkError::fail(anyhow!("`{}` has {size} bytes; {} are allowed", file.display(), self.at_most)));
        }
        // A job may run twice, after a crash. Its id is the same then, and so there is one copy.
        let to = self.folder.join(job.id.as_str());
        let bytes = fs::copy(&file, &to).await?;
        Ok(Output::of(&Copied { to, bytes })?)
    }
}
