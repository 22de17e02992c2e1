//! A driver as a child process, in a group of its own that ends with it, and what a process has used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How much of what a driver said on stderr is told when it fails.
const TAIL: usize = 600;

/// A running driver. Dropped, it is killed, with all that it has started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    talk: PathBuf,
    timeout: Duration,
}

impl Process {
    /// Starts it in a folder, where its talk goes to a file. It may keep its caller waiting for so long.
    pub(crate) fn start(mut command: Command, folder: &Path, timeout: Duration) -> Result<Self> {
        let talk = folder.join("stderr");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(fs::File::create(&talk)?).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let output = child.stdout.take().context("its output is piped")?;
        Ok(Process { input: child.stdin.take(), lines: BufReader::new(output).lines(), child, talk, timeout })
    }

    /// Waits until it takes jobs.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        self.line("READY").await.map(drop)
    }

    /// Ends its input: a driver that feeds itself begins.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// Waits for its result.
    pub(crate) async fn result(&mut self) -> Result<Value> {
        let text = self.line("RESULT ").await?;
        serde_json::from_str(&text).with_context(|| format!("its result is no JSON: {text}"))
    }

    /// What follows this word, at the beginning of a line that it prints.
    async fn line(&mut self, word: &str) -> Result<String> {
        let found = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(word) {
                    return Ok(rest.to_owned());
                }
            }
            bail!("it ended without `{}`", word.trim())
        };
        let found = timeout(self.timeout, found).await;
        found.unwrap_or_else(|_| Err(anyhow!("it has not said `{}` within {:?}, and was killed", word.trim(), self.timeout))).map_err(
            |error| {
                let talk = fs::read_to_string(&self.talk).unwrap_or_default();
                let tail: String = talk.chars().skip(talk.chars().count().saturating_sub(TAIL)).collect();
                if tail.is_empty() { error } else { anyhow!("{error}; it said: {}", tail.trim()) }
            },
        )
    }

    /// What it and its children have used.
    pub(crate) fn usage(&self) -> Result<Usage> {
        usage(self.child.id().context("it has ended")?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A group that is gone already is what is wanted.
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let _gone = pid.map(|pid| kill_process_group(pid, Signal::KILL));
    }
}

/// What a process and its children have used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// CPU time, in seconds.
    pub(crate) cpu: f64,
    /// Resident memory in MB, now and at its peak.
    pub(crate) resident: f64,
    pub(crate) peak: f64,
}

/// What a process has used, its children included, those that have ended and been waited for, too.
pub(crate) fn usage(process: u32) -> Result<Usage> {
    let mut total = Usage::default();
    for process in family(process)? {
        // A child may end just now; then its parent has its time.
        let (Some(stat), Ok(status)) = (stat(process), fs::read_to_string(format!("/proc/{process}/status"))) else { continue };
        total.cpu += stat.ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        total.resident += memory(&status, "VmRSS:");
        total.peak += memory(&status, "VmHWM:");
    }
    if total.resident == 0.0 {
        bail!("process {process} has ended before it could be looked at");
    }
    Ok(total)
}

fn memory(status: &str, field: &str) -> f64 {
    let kib = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1_024.0 / 1e6
}

/// A process and all below it.
fn family(process: u32) -> Result<Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("what processes use is read from /proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = stat(id) {
            children.entry(stat.parent).or_default().push(id);
        }
    }
    let (mut all, mut next) = (vec![process], 0);
    while let Some(process) = all.get(next) {
        all.extend(children.remove(process).unwrap_or_default());
        next += 1;
    }
    Ok(all)
}

struct Stat {
    parent: u32,
    /// Of its own and of children that have ended, in user and system mode.
    ticks: u64,
}

fn stat(process: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in brackets may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}
