//! Which process it is: an identity that is new on every start, because numbers of processes come again.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

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
