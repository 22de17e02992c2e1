//! The work of the provider, in blocking calls: looking through the folder, and clearing up what is settled.

use std::collections::{HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use goworker::{Attempt, Batch, Clock, Failure, Ids, Job, Layout, Settled, Settlement, Timestamp};
use serde::Serialize;
use tokio::time::Instant;

use super::directory::{Directory, Entry, OpenFile, Stamp, with_suffix};
use super::job_file::{self, Content};
use super::ledger::{Ledger, Plan, Seen};
use super::quiet::Quiet;

/// Where the folder is, and what is done with its files.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// The provider's key in the configuration.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Where finished files go; they are removed if absent.
    pub(super) done: Option<PathBuf>,
    pub(super) failed: PathBuf,
    pub(super) quiet: Duration,
    pub(super) limit: u64,
}

/// The folder, and what is known about it.
#[derive(Debug)]
pub(super) struct Inbox {
    rules: Rules,
    clock: Clock,
    ids: Ids,
    /// Held while the folder is looked through, and while settled files are cleared up: one at a time.
    scan: Mutex<Scan>,
    ledger: Mutex<Ledger>,
}

/// The state of looking through the folder.
#[derive(Debug)]
struct Scan {
    /// Open, and locked by this process; absent until the first look, and after the end.
    directory: Option<Arc<Directory>>,
    /// Names from the last listing that were not looked at yet.
    names: VecDeque<OsString>,
    quiet: Quiet,
    /// What was complained about already.
    told: HashSet<OsString>,
}

/// When to look again at a file that somebody writes at the moment it is read, if no time to be quiet is set.
const WRITTEN_NOW: Duration = Duration::from_millis(50);

/// What a look through the folder brought.
#[derive(Debug)]
pub(super) enum Found {
    /// Jobs.
    Jobs(Batch),
    /// Only files that are not complete yet; the first of them is after this time.
    Fresh(Duration),
    /// Nothing.
    Nothing,
}

impl Inbox {
    /// Opens the folders, so that what cannot work is told at the start.
    pub(super) fn open(rules: Rules, clock: Clock, ids: Ids) -> anyhow::Result<Self> {
        let inbox = open(&rules.path)?;
        for path in rules.done.iter().chain([&rules.failed]) {
            let other = open(path)?;
            ensure!(
                other.is_on_the_device_of(&inbox),
                "files cannot be moved from {} to {}: they are on different file systems",
                rules.path.display(),
                path.display()
            );
            ensure!(
                std::fs::canonicalize(path)? != std::fs::canonicalize(&rules.path)?,
                "files cannot be moved from {} to itself",
                path.display()
            );
        }
        // Tokens grow from run to run, and no process can have handed out a thousand batches in each millisecond.
        let first_token = u64::try_from(clock.now().as_millis()).unwrap_or(0).saturating_mul(1_000);
        let scan = Scan { directory: None, names: VecDeque::new(), quiet: Quiet::new(rules.quiet), told: HashSet::new() };
        Ok(Inbox { rules, clock, ids, scan: Mutex::new(scan), ledger: Mutex::new(Ledger::new(first_token)) })
    }

    /// Takes up to `limit` jobs from the files that are complete, in the order of the names.
    pub(super) fn look(&self, limit: usize) -> anyhow::Result<Found> {
        let mut scan = lock(&self.scan);
        let mut fresh: Option<Duration> = None;
        let mut listed = false;
        loop {
            while lock(&self.ledger).pending() < limit {
                let Some(name) = scan.names.pop_front() else { break };
                if let Some(wait) = self.look_at(&mut scan, &name) {
                    fresh = Some(fresh.map_or(wait, |first| first.min(wait)));
                }
            }
            let batch = lock(&self.ledger).hand_out(limit);
            if !batch.deliveries.is_empty() {
                return Ok(Found::Jobs(batch));
            }
            if listed {
                return Ok(fresh.map_or(Found::Nothing, Found::Fresh));
            }
            // What an old listing has left is not the whole truth.
            self.list(&mut scan)?;
            (listed, fresh) = (true, None);
        }
    }

    fn list(&self, scan: &mut Scan) -> anyhow::Result<()> {
        let directory = self.directory(scan)?;
        let names = directory.names(|name| job_file::layout(name).is_some());
        let names = names.with_context(|| format!("cannot list {}", self.rules.path.display()))?;
        let there: HashSet<&OsStr> = names.iter().map(OsString::as_os_str).collect();
        scan.quiet.keep_only(|name| there.contains(name));
        scan.told.retain(|name| there.contains(name.as_os_str()));
        scan.names = names.into();
        Ok(())
    }

    /// The open folder. Opened anew if somebody has put another one in its place.
    fn directory(&self, scan: &mut Scan) -> anyhow::Result<Arc<Directory>> {
        if let Some(directory) = scan.directory.as_ref().filter(|directory| directory.is_at_its_path()) {
            return Ok(Arc::clone(directory));
        }
        scan.directory = None;
        let directory = open(&self.rules.path)?;
        ensure!(directory.lock(), "another process takes the jobs of {}; waiting for its end", self.rules.path.display());
        Ok(Arc::clone(scan.directory.insert(Arc::new(directory))))
    }

    /// Takes the jobs of one file in hand if it is complete; answers how long it has to wait if it is not.
    ///
    /// A file with which something is wrong is left to people, and never keeps others waiting.
    fn look_at(&self, scan: &mut Scan, name: &OsStr) -> Option<Duration> {
        if lock(&self.ledger).holds(name) {
            return None;
        }
        let directory = scan.directory.clone()?;
        let looked = match directory.entry(name) {
            Ok(Entry::Gone) => return None,
            Ok(Entry::Refused(reason)) => Err(anyhow!(reason)),
            Ok(Entry::File(file)) => self.take(scan, &directory, name, file),
            Err(error) => Err(error.into()),
        };
        match looked {
            Ok(wait) => wait,
            Err(reason) => {
                if scan.told.insert(name.to_owned()) {
                    tracing::warn!(provider = self.rules.name, file = %name.display(), "the file is left where it is: {reason:#}");
                }
                None
            }
        }
    }

    fn take(&self, scan: &mut Scan, directory: &Directory, name: &OsStr, file: OpenFile) -> anyhow::Result<Option<Duration>> {
        let stamp = file.stamp;
        if let Some(wait) = scan.quiet.wait(name, &stamp, self.clock.now(), Instant::now()) {
            return Ok(Some(wait));
        }
        let seen = Seen { name: name.to_owned(), stamp };
        if stamp.size > self.rules.limit {
            let reason = format!("the file is too large: it has {} bytes, {} are allowed", stamp.size, self.rules.limit);
            return self.put_aside(directory, &seen, &reason).map(|()| None);
        }
        let Some(text) = file.read()? else { return Ok(Some(self.rules.quiet.max(WRITTEN_NOW))) };
        match self.parse(name, &stamp, &text) {
            Ok(content) if content.jobs.is_empty() => {
                self.clear(directory, &seen)?;
                directory.sync()?;
            }
            Ok(content) => lock(&self.ledger).take_in(seen, content.jobs),
            Err(fault) => self.put_aside(directory, &seen, &fault)?,
        }
        Ok(None)
    }

    fn parse(&self, name: &OsStr, stamp: &Stamp, text: &[u8]) -> Result<Content, String> {
        // Every name that is looked at has one.
        let layout = job_file::layout(name).unwrap_or(Layout::Json);
        let origin = job_file::origin(&self.rules.name, name, stamp.inode, stamp.changed);
        let content = job_file::parse(text, layout, &origin, &self.ids)?;
        if !content.unknown.is_empty() {
            let fields = content.unknown.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            tracing::warn!(provider = self.rules.name, file = %name.display(), "fields that no job has were kept in `meta`: {fields}");
        }
        Ok(content)
    }

    fn put_aside(&self, directory: &Directory, seen: &Seen, reason: &str) -> anyhow::Result<()> {
        if directory.still_is(&seen.name, &seen.stamp)? != Some(true) {
            // Written again in this moment: the next look sees it.
            return Ok(());
        }
        let shown = seen.name.to_string_lossy();
        let text = format!("{shown}: {reason}\n\nNone of its jobs was accepted. Correct it and move it back into the folder.\n");
        let failed = open(&self.rules.failed)?;
        let moved = directory.move_with_reason(&seen.name, &failed, &text);
        let moved = moved.with_context(|| format!("{reason}; and it cannot be moved to {}", failed.path().display()))?;
        directory.sync()?;
        tracing::warn!(provider = self.rules.name, file = %seen.name.display(), "moved to {}: {reason}", failed.path().join(moved).display());
        Ok(())
    }

    /// Does what `settlements` say, on the disk first; answers the positions of those that do not count.
    pub(super) fn settle(&self, settlements: &[Settled]) -> anyhow::Result<Vec<usize>> {
        let scan = lock(&self.scan);
        let plan = lock(&self.ledger).plan(settlements);
        self.write_dead_letters(&plan, settlements)?;
        lock(&self.ledger).note_dead(&plan, settlements);
        if !plan.finished.is_empty() {
            let Some(directory) = &scan.directory else { bail!("{} is not there any more", self.rules.path.display()) };
            plan.finished.iter().try_for_each(|seen| self.clear(directory, seen))?;
            directory.sync()?;
        }
        lock(&self.ledger).commit(&plan, settlements);
        Ok(plan.refused)
    }

    /// Dead jobs are kept beside the files that could not be taken, in one file for each file that they came in.
    fn write_dead_letters(&self, plan: &Plan, settlements: &[Settled]) -> anyhow::Result<()> {
        if plan.dead.is_empty() {
            return Ok(());
        }
        let failed = open(&self.rules.failed)?;
        for group in plan.dead.chunk_by(|(_, a), (_, b)| a == b) {
            let mut lines = Vec::new();
            for (position, _) in group {
                lines.extend(dead_letter(&settlements[*position], self.clock.now())?);
            }
            let name = with_suffix(&group[0].1, ".dead.jsonl");
            failed.append(&name, &lines).with_context(|| format!("cannot write {}", failed.path().join(&name).display()))?;
        }
        Ok(())
    }

    /// Removes a finished file, or moves it away. One that was changed while its jobs ran is new, and stays.
    fn clear(&self, directory: &Directory, seen: &Seen) -> anyhow::Result<()> {
        let path = self.rules.path.join(&seen.name);
        let still = directory.still_is(&seen.name, &seen.stamp).with_context(|| format!("cannot look at {}", path.display()))?;
        match (still, &self.rules.done) {
            (None, _) => {}
            (Some(false), _) => {
                tracing::warn!(provider = self.rules.name, file = %seen.name.display(), "the file was changed while its jobs ran, and is taken anew");
            }
            (Some(true), None) => directory.remove(&seen.name).with_context(|| format!("cannot remove {}", path.display()))?,
            (Some(true), Some(done)) => {
                let moved = directory.move_to(&seen.name, &open(done)?);
                moved.with_context(|| format!("cannot move {} to {}", path.display(), done.display()))?;
            }
        }
        Ok(())
    }

    /// Lets another process take the folder.
    pub(super) fn close(&self) {
        lock(&self.scan).directory = None;
    }
}

fn open(path: &Path) -> anyhow::Result<Directory> {
    Directory::open(path).with_context(|| format!("cannot open the folder {}", path.display()))
}

/// No code that may panic runs under these locks; and if one did, what they guard is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A dead job as one line of JSON.
fn dead_letter(settled: &Settled, at: Timestamp) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct DeadLetter<'a> {
        at: Timestamp,
        job: &'a Job,
        error: Option<&'a Failure>,
        attempt: Option<&'a Attempt>,
    }
    let error = match &settled.settlement {
        Settlement::Dead { failure, .. } => Some(failure),
        _ => None,
    };
    let mut line = serde_json::to_vec(&DeadLetter { at, job: &settled.job, error, attempt: settled.attempt.as_ref() })?;
    // Params may be written over several lines; a line end in JSON is never within a string.
    line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Ok(line)
}
