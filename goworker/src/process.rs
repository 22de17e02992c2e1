//! Which processes there are: an identity that is new on every start, because numbers of processes come again, what each tells of
//! itself, and its death.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Random, Timestamp};

/// A process that uses a store. Its text form is `HOST:PID:NONCE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Process {
    /// The machine that it runs on, by its own name.
    pub host: String,
    /// Its number on that machine.
    pub pid: u32,
    /// What tells it from others that had, or will have, the same number: no other start has it.
    pub nonce: String,
}

impl Process {
    /// This process, under a new identity.
    pub fn new(random: &Random) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Process { host, pid: std::process::id(), nonce: format!("{:016x}", random.bits() & u128::from(u64::MAX)) }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Process { host, pid, nonce } = self;
        write!(f, "{host}:{pid}:{nonce}")
    }
}

impl FromStr for Process {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.rsplitn(3, ':');
        let (nonce, pid, host) = (parts.next(), parts.next().and_then(|pid| pid.parse().ok()), parts.next());
        match (host, pid, nonce) {
            (Some(host), Some(pid), Some(nonce)) => Ok(Process { host: host.to_owned(), pid, nonce: nonce.to_owned() }),
            _ => Err(format!("`{text}` names no process; one is written `HOST:PID:NONCE`")),
        }
    }
}

/// How often a manager tells its queues that its process is there.
pub const BEAT: Duration = Duration::from_secs(10);

/// What a process tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Which goworker it runs.
    pub version: String,
    /// The types of jobs that it runs, and how many of each at once.
    pub slots: BTreeMap<String, usize>,
}

/// A process that runs jobs of a queue, as the queue knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessRecord {
    /// Which one it is.
    #[serde(flatten)]
    pub process: Process,
    /// What it told of itself last.
    #[serde(flatten)]
    pub info: ProcessInfo,
    /// When it began.
    pub started_at: Timestamp,
    /// When it told last.
    pub seen_at: Timestamp,
    /// Whether it was killed or cut off, or hangs: nothing was heard of it for [`SILENCE`](ProcessRecord::SILENCE), or its store
    /// knows better.
    pub gone: bool,
}

impl ProcessRecord {
    /// After more than this time without a word a process counts as gone: three beats.
    pub const SILENCE: Duration = Duration::from_secs(30);
    /// After more than this time without a word it is not listed any more.
    pub const LISTED: Duration = Duration::from_secs(3_600);

    /// What there is to say `now` of a process that has told so much, last at `seen_at`; nothing if that is too long ago.
    pub fn at(now: Timestamp, process: Process, info: ProcessInfo, started_at: Timestamp, seen_at: Timestamp) -> Option<Self> {
        let silent = now.since(seen_at);
        let gone = silent > ProcessRecord::SILENCE;
        (silent <= ProcessRecord::LISTED).then_some(ProcessRecord { process, info, started_at, seen_at, gone })
    }
}

/// The end of a process, or of its lease, while it ran a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Death {
    /// When others noticed.
    pub at: Timestamp,
    /// Who held the job.
    #[serde(flatten)]
    pub process: Process,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_is_written() {
        let process = Process { host: "rack:1".into(), ..Process::new(&Random::seeded(1)) };
        assert_eq!(process.to_string().parse(), Ok(process.clone()));
        assert_eq!("host:pid:x".parse::<Process>().unwrap_err(), "`host:pid:x` names no process; one is written `HOST:PID:NONCE`");
        assert!("1:x".parse::<Process>().is_err());
        assert_ne!(Process::new(&Random::system()).nonce, Process::new(&Random::system()).nonce);
    }
}
