//! `file`: writes each job down as one line of JSON. An archive, and the simplest failure handler.
//!
//! A job is done when its line has reached the disk. Syncing is what costs, so one thread takes all lines that wait,
//! writes them at once, and syncs once for all of them.

use std::fs::{File as Handle, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow};
use goworker::{Clock, Context, Job, Output, Setup, Timestamp, WorkResult, Worker, worker};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// Appends jobs to a file, one line of JSON each, durably.
#[worker(since = "0.1.0")]
pub(crate) struct File {
    /// The file; it is created if it is not there. Moved away by a log rotation, it is created anew.
    #[config(example = "failed.jsonl")]
    path: PathBuf,
    #[state]
    writer: Option<Writer>,
}

impl Worker for File {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let (path, clock, name) = (self.path.clone(), setup.clock.clone(), setup.name.clone());
        self.writer = Some(tokio::task::spawn_blocking(move || Writer::start(path, clock, &name)).await??);
        Ok(())
    }

    async fn work(&self, job: &Job, ctx: &Context) -> WorkResult {
        let writer = self.writer.as_ref().context("the file is not open: `init` was not called")?;
        let _under_way = ctx.foreign_work().await;
        writer.append(job).await?;
        Ok(Output::none())
    }

    async fn close(&self) -> anyhow::Result<()> {
        match &self.writer {
            Some(writer) => writer.stop().await,
            None => Ok(()),
        }
    }
}

/// What stands in the file for one job.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    job: &'a Job,
}

/// A line on its way to the disk, and who waits for it.
struct Append {
    line: Vec<u8>,
    written: oneshot::Sender<Result<(), JournalError>>,
}

/// The way to the thread that writes.
#[derive(Debug)]
struct Writer {
    clock: Clock,
    /// `None` once closed. Unbounded, because each job waits for its line: there are never more than the slots.
    thread: Mutex<Option<(mpsc::UnboundedSender<Append>, JoinHandle<()>)>>,
}

impl Writer {
    /// Opens the file, so that a path that cannot work is told at the start, and starts the thread.
    fn start(path: PathBuf, clock: Clock, name: &str) -> anyhow::Result<Self> {
        let mut journal = Journal { path, file: None };
        journal.open()?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name(format!("file {name}")).spawn(move || write_all(journal, receiver))?;
        Ok(Writer { clock, thread: Mutex::new(Some((sender, thread))) })
    }

    /// Returns when the job's line has reached the disk.
    async fn append(&self, job: &Job) -> anyhow::Result<()> {
        let line = one_line(serde_json::to_vec(&Line { at: self.clock.now(), job })?);
        let (written, answer) = oneshot::channel();
        let sent = match &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((sender, _)) => sender.send(Append { line, written }).is_ok(),
            None => false,
        };
        anyhow::ensure!(sent, "the file is closed");
        Ok(answer.await.context("the thread that writes the file has ended")??)
    }

    /// Lets the thread finish what was given to it.
    async fn stop(&self) -> anyhow::Result<()> {
        let Some((sender, thread)) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        drop(sender);
        let ended = tokio::task::spawn_blocking(move || thread.join()).await?;
        ended.map_err(|_| anyhow!("the thread that writes the file has panicked"))
    }
}

/// Params come as their producer wrote them, perhaps over several lines. A line end in JSON is always white space:
/// within a string it would have to be escaped.
fn one_line(mut json: Vec<u8>) -> Vec<u8> {
    for byte in &mut json {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    json.push(b'\n');
    json
}

/// How many bytes are gathered for one write at most.
const CHUNK: usize = 4 << 20;

/// The thread: takes what waits, writes it, answers; until the worker is closed.
fn write_all(mut journal: Journal, mut queue: mpsc::UnboundedReceiver<Append>) {
    while let Some(first) = queue.blocking_recv() {
        let mut text = first.line;
        let mut waiting = vec![first.written];
        while text.len() < CHUNK {
            let Ok(next) = queue.try_recv() else { break };
            text.extend_from_slice(&next.line);
            waiting.push(next.written);
        }
        let result = journal.append(&text);
        for written in waiting {
            // Nobody waits any more if the job was aborted meanwhile: its line stands twice then, as the promise allows.
            let _ = written.send(result.clone());
        }
    }
}

/// The file, as the only thread that writes it sees it.
struct Journal {
    path: PathBuf,
    /// Absent before the first write, and after an error: what the file holds then has to be looked at anew.
    file: Option<Handle>,
}

impl Journal {
    /// Writes whole lines and syncs them.
    fn append(&mut self, lines: &[u8]) -> Result<(), JournalError> {
        let file = match self.file.take() {
            Some(file) if self.is_at_its_path(&file) => self.file.insert(file),
            _ => self.open()?,
        };
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        written.map_err(|error| {
            // A sync that failed must not be repeated on this handle: the kernel may have dropped the pages already.
            self.file = None;
            self.failed("write", error)
        })
    }

    /// Whether the open file is still the one under its path: a log rotation moves or deletes it.
    fn is_at_its_path(&self, file: &Handle) -> bool {
        match (file.metadata(), std::fs::metadata(&self.path)) {
            (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
            _ => false,
        }
    }

    fn open(&mut self) -> Result<&mut Handle, JournalError> {
        let file = open_at_a_new_line(&self.path).map_err(|error| self.failed("open", error))?;
        Ok(self.file.insert(file))
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> JournalError {
        JournalError { doing, path: self.path.clone(), error: Arc::new(error) }
    }
}

/// Why lines did not reach the disk; told to each job that waits for one of them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {doing} {}: {error}", .path.display())]
struct JournalError {
    doing: &'static str,
    path: PathBuf,
    error: Arc<io::Error>,
}

/// Opens the file for appending, created durably if it is not there. If its last line is in parts, because a process
/// died or the disk was full while it was written, it is ended: what follows is not to be glued to it.
fn open_at_a_new_line(path: &Path) -> io::Result<Handle> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file, so nothing can be kept in it"));
    }
    if found.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        return Ok(file);
    }
    let folder = path.parent().unwrap_or(path);
    Handle::open(folder)?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures::future::join_all;
    use goworker::{Outcome, Plugin, Random, WorkerHandle};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::workers::context;

    async fn start(path: &Path) -> anyhow::Result<WorkerHandle> {
        let Plugin::Worker(worker) = Plugin::worker(File::from(FileConfig { path: path.to_owned() })) else { unreachable!() };
        let mut setup = Setup::new("attic", ".");
        setup.clock = Clock::starting_at("2026-11-24T03:00:00Z".parse().unwrap());
        setup.random = Random::seeded(1);
        worker.start(&setup).await
    }

    fn job(text: &str) -> Job {
        Job::parse(text.as_bytes(), &goworker::Ids::system()).unwrap().job
    }

    async fn work(worker: &WorkerHandle, text: &str) -> WorkResult {
        let job = job(text);
        worker.work(&job, &context(&job, CancellationToken::new())).await
    }

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    fn ids(path: &Path) -> Vec<String> {
        let id = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["job"]["id"].as_str().unwrap().to_owned();
        lines(path).iter().map(id).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_becomes_one_line_with_its_params_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attic.jsonl");
        let worker = start(&path).await.unwrap();
        work(&worker, r#"{"id":"a","type":"attic","params":{"n":9007199254740993,  "s":"\u00fc\n"}}"#).await.unwrap();
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap());
    }

    #[tokio::test]
    async fn params_written_over_several_lines_stay_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attic.jsonl");
        let worker = start(&path).await.unwrap();
        work(&worker, "{\"id\":\"a\",\"type\":\"attic\",\"params\":{\r\n  \"n\": 1\n}}").await.unwrap();
        assert_eq!((lines(&path).len(), ids(&path)), (1, vec!["a".to_owned()]));
    }

    #[tokio::test]
    async fn fifty_jobs_at_once_are_fifty_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attic.jsonl");
        let worker = start(&path).await.unwrap();
        let names: Vec<String> = (0..50).map(|n| format!("job-{n:02}")).collect();
        let texts: Vec<String> =
            names.iter().map(|id| format!(r#"{{"id":"{id}","type":"attic","params":"{}"}}"#, "x".repeat(10_000))).collect();
        let results = join_all(texts.iter().map(|text| work(&worker, text))).await;
        assert!(results.iter().all(Result::is_ok));
        let mut found = ids(&path);
        found.sort();
        assert_eq!(found, names);
    }

    #[tokio::test]
    async fn a_line_left_in_parts_by_a_crash_is_ended_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attic.jsonl");
        fs::write(&path, "{\"job\":{\"id\":\"old\"}}\n{\"job\":{\"id\":\"ha").unwrap();
        let worker = start(&path).await.unwrap();
        work(&worker, r#"{"id":"new","type":"attic"}"#).await.unwrap();
        let lines = lines(&path);
        assert_eq!(lines[..2], ["{\"job\":{\"id\":\"old\"}}", "{\"job\":{\"id\":\"ha"]);
        assert!(lines[2].contains(r#""id":"new""#) && lines.len() == 3, "{lines:?}");
    }

    #[tokio::test]
    async fn after_a_log_rotation_the_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rotated) = (folder.path().join("attic.jsonl"), folder.path().join("attic.jsonl.1"));
        let worker = start(&path).await.unwrap();
        work(&worker, r#"{"id":"before","type":"attic"}"#).await.unwrap();
        fs::rename(&path, &rotated).unwrap();
        work(&worker, r#"{"id":"after","type":"attic"}"#).await.unwrap();
        fs::remove_file(&path).unwrap();
        work(&worker, r#"{"id":"last","type":"attic"}"#).await.unwrap();
        assert_eq!((ids(&rotated), ids(&path)), (vec!["before".to_owned()], vec!["last".to_owned()]));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_retries_the_job_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, path) = (folder.path().join("inner"), folder.path().join("inner/attic.jsonl"));
        fs::create_dir(&inner).unwrap();
        let worker = start(&path).await.unwrap();
        fs::remove_dir_all(&inner).unwrap();
        let outcome = Outcome::from(work(&worker, r#"{"id":"a","type":"attic"}"#).await);
        let Outcome::Retry(failure, None) = outcome else { panic!("{outcome:?}") };
        let reason = failure.message.replace(&folder.path().display().to_string(), "FOLDER");
        assert_eq!(reason, "cannot open FOLDER/inner/attic.jsonl: No such file or directory (os error 2)");
        fs::create_dir(&inner).unwrap();
        work(&worker, r#"{"id":"a","type":"attic"}"#).await.unwrap();
        assert_eq!(ids(&path), ["a"]);
    }

    #[tokio::test]
    async fn a_path_that_cannot_work_is_told_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let reason = |error: anyhow::Error| error.to_string().replace(&folder.path().display().to_string(), "FOLDER");
        let missing = start(&folder.path().join("missing/attic.jsonl")).await.unwrap_err();
        assert_eq!(reason(missing), "cannot open FOLDER/missing/attic.jsonl: No such file or directory (os error 2)");
        let directory = start(folder.path()).await.unwrap_err();
        assert_eq!(reason(directory), "cannot open FOLDER: Is a directory (os error 21)");
    }

    #[tokio::test]
    async fn a_closed_file_takes_no_more_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attic.jsonl");
        let worker = start(&path).await.unwrap();
        work(&worker, r#"{"id":"a","type":"attic"}"#).await.unwrap();
        worker.close().await.unwrap();
        assert!(work(&worker, r#"{"id":"b","type":"attic"}"#).await.is_err());
        assert_eq!(ids(&path), ["a"]);
    }
}
