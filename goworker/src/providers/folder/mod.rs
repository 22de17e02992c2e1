//! `folder`: jobs as files in a directory. Programs that can write a file can give in jobs.
//!
//! A file is one job, an array of jobs (`.json`), or a job on each line (`.jsonl`, `.ndjson`). It is read once it is
//! complete, and taken whole or not at all: one bad job, and the file is moved to `failed/` with the reason beside it.
//! It stays in the folder until all its jobs are settled, so a crash loses nothing; jobs without an id get one from the
//! file and their position in it, so with `into` a crash brings nothing twice. Without `into`, the jobs of a file that
//! was in hand at a crash run again.
//!
//! One process takes jobs from a folder at a time; a second one waits for the end of the first.

mod directory;
mod inbox;
mod job_file;
mod ledger;
mod quiet;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use goworker::units::{Dur, Size};
use goworker::{Batch, Demand, Provider, ProviderError, Settled, Setup, provider};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::timeout;

use self::inbox::{Found, Inbox, Rules};

/// Takes jobs from the JSON files of a directory.
#[provider(since = "0.1.0")]
pub(crate) struct Folder {
    /// The directory; it is created if only the last part of its path is missing.
    #[config(example = "inbox")]
    path: PathBuf,
    /// What becomes of a file whose jobs are all settled: `remove`, or `move_to("done")`.
    #[config(default = After::Remove)]
    after: After,
    /// Where files go that are not job files, each with the reason beside it; `failed` in the directory if left out.
    failed: Option<PathBuf>,
    /// How long a file must not have changed until it is read. Names that begin with a dot are never read.
    #[config(default = "1s")]
    quiet: Dur,
    /// The largest file that is read.
    #[config(default = "64MiB")]
    limit: Size,
    /// How often the directory is looked at even if no notification of a change comes: those that do come bring a file at once, but some get lost.
    /// From other machines (NFS, SMB) and through some mounts none come, and this is how soon a file is noticed.
    #[config(default = "5s", range = "100ms"..="1d")]
    check_interval: Dur,
    /// A directory whose files are copied into this one at every start: for trying a configuration out again and again.
    samples: Option<PathBuf>,
    #[state]
    inbox: Option<Arc<Inbox>>,
    #[state]
    changed: Arc<Notify>,
    #[state]
    watcher: Option<RecommendedWatcher>,
}

/// What becomes of a file whose jobs are all settled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum After {
    /// It is removed.
    #[default]
    Remove,
    /// It is moved to this directory, with a number in its name if that is taken.
    MoveTo(PathBuf),
}

/// How many jobs a batch has at most.
const BATCH: usize = 1_000;

impl Provider for Folder {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let done = match &self.after {
            After::Remove => None,
            After::MoveTo(path) => Some(setup.base.join(path)),
        };
        let rules = Rules {
            name: setup.name.clone(),
            path: self.path.clone(),
            done,
            failed: self.failed.clone().unwrap_or_else(|| self.path.join("failed")),
            quiet: self.quiet.get(),
            limit: self.limit.bytes(),
        };
        let (clock, ids) = (setup.clock.clone(), setup.ids());
        let samples = self.samples.clone();
        let inbox = tokio::task::spawn_blocking(move || {
            let path = rules.path.clone();
            let inbox = Inbox::open(rules, clock, ids)?;
            samples.map_or(Ok(()), |samples| copy_samples(&samples, &path))?;
            anyhow::Ok(inbox)
        })
        .await??;
        self.inbox = Some(Arc::new(inbox));
        self.watcher = watch(&self.path, Arc::clone(&self.changed))
            .inspect_err(|error| tracing::warn!("{} is looked at every {} only: {error}", self.path.display(), self.check_interval))
            .ok();
        Ok(())
    }

    /// Waits if there are only files that are not complete yet: the folder is not empty then.
    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let limit = demand.total().min(BATCH);
        loop {
            match self.blocking(move |inbox| inbox.look(limit)).await? {
                Found::Jobs(batch) => return Ok(batch),
                Found::Nothing => return Ok(Batch::empty()),
                Found::Fresh(wait) => {
                    // Whichever comes first, the folder is looked at again.
                    let _ = timeout(wait, self.changed.notified()).await;
                }
            }
        }
    }

    /// Notifications are a hint: they get lost when there are too many, come from no other machine on a network drive, and end when
    /// somebody puts another folder in the place of this one.
    async fn ready(&self, _demand: &Demand) {
        // Whichever comes first, the folder is looked at again.
        let _ = timeout(self.check_interval.get(), self.changed.notified()).await;
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let settlements = settlements.to_vec();
        let refused = self.blocking(move |inbox| inbox.settle(&settlements)).await?;
        // Jobs may have been given back, and a file of the same name may wait.
        self.changed.notify_one();
        Ok(refused)
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.blocking(|inbox| {
            inbox.close();
            Ok(())
        })
        .await?;
        Ok(())
    }
}

/// Copies the files of a directory. A copy begins with a dot until it is whole, so that nobody reads half of it.
fn copy_samples(samples: &Path, into: &Path) -> anyhow::Result<()> {
    let copy = || {
        for entry in std::fs::read_dir(samples)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let name = entry.file_name();
                let unfinished = into.join(format!(".{}", name.to_string_lossy()));
                std::fs::copy(entry.path(), &unfinished)?;
                std::fs::rename(&unfinished, into.join(name))?;
            }
        }
        std::io::Result::Ok(())
    };
    copy().map_err(|error| anyhow!("the samples in {} cannot be copied to {}: {error}", samples.display(), into.display()))
}

impl Folder {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inbox) -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let inbox = self.inbox.clone().ok_or_else(|| ProviderError::failed(anyhow!("the folder was not opened")))?;
        let worked = tokio::task::spawn_blocking(move || work(&inbox)).await;
        worked.map_err(ProviderError::failed)?.map_err(ProviderError::Unavailable)
    }
}

/// Has `changed` told when a file appears, or was written.
fn watch(path: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let tell = move |event: notify::Result<notify::Event>| {
        let matters = match event.map(|event| event.kind) {
            // Reading the folder makes events too.
            Ok(EventKind::Access(kind)) => kind == AccessKind::Close(AccessMode::Write),
            Ok(EventKind::Remove(_)) => false,
            Ok(_) => true,
            // Some may have been lost.
            Err(_) => true,
        };
        if matters {
            changed.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(tell)?;
    watcher.watch(path, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
