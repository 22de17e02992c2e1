//! Faults by name: what shall go wrong, for which job, how often.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use crate::job::Job;

/// Something that shall go wrong: `fail lua/charge twice`, `panic`, `time out lua/charge`, `lose the lease of lua`,
/// `crash the manager in lua/charge`.
///
/// First what, then the job by its type or `type/name` (any job if left out), then how often: `once` (if left out),
/// `twice`, `3 times`, `always`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub what: Mishap,
    /// The type of the job, if not any.
    pub job_type: Option<String>,
    /// The name of the job, if not any.
    pub name: Option<String>,
    /// How many runs it hits; `None`: all.
    pub times: Option<u32>,
}

/// What can go wrong with a run of a job. The worker itself is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The worker answers an error; the job is tried again.
    Fail,
    /// The worker answers an error after which the job is not tried again.
    FailForGood,
    /// The worker panics.
    Panic,
    /// The worker goes on until its time is up.
    TimeOut,
    /// The lease is not renewed any more, as if this process had been stopped.
    LoseLease,
    /// The manager dies, as by `kill -9`, and a new one is started.
    Crash,
}

impl Mishap {
    /// All, by what they are called. One that begins as another does stands before it.
    const NAMES: [(&'static str, Mishap); 8] = [
        ("fail for good", Mishap::FailForGood),
        ("fail", Mishap::Fail),
        ("panic", Mishap::Panic),
        ("time out", Mishap::TimeOut),
        ("lose the lease of", Mishap::LoseLease),
        ("lose the lease", Mishap::LoseLease),
        ("crash the manager in", Mishap::Crash),
        ("crash the manager", Mishap::Crash),
    ];
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Mishap::NAMES.iter().rev().find(|(_, mishap)| mishap == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// A fault that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a fault; write what, which job and how often, as in `fail lua/charge twice`, `panic`, `time out lua 3 times`, `lose the lease of lua/charge`, `crash the manager in lua always`"
)]
pub struct FaultError(String);

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let called = |name: &str| words.iter().copied().take(name.split(' ').count()).eq(name.split(' '));
        let (name, what) = Mishap::NAMES.into_iter().find(|(name, _)| called(name)).ok_or_else(|| FaultError(text.to_owned()))?;
        let rest = &words[name.split(' ').count()..];
        let (job, often) = match rest {
            [] => (None, &[][..]),
            _ if times(rest).is_some() => (None, rest),
            [job, often @ ..] => (Some(*job), often),
        };
        let times = if often.is_empty() { Some(Some(1)) } else { times(often) };
        let times = times.ok_or_else(|| FaultError(text.to_owned()))?;
        let (job_type, name) = match job.map(|job| job.split_once('/').map_or((job, None), |(job_type, name)| (job_type, Some(name)))) {
            Some((job_type, name)) => (Some(job_type.to_owned()), name.map(str::to_owned)),
            None => (None, None),
        };
        Ok(Fault { what, job_type, name, times })
    }
}

/// How often, from its words; `None` if that is not what they say.
fn times(words: &[&str]) -> Option<Option<u32>> {
    match words {
        ["once"] => Some(Some(1)),
        ["twice"] => Some(Some(2)),
        ["always"] => Some(None),
        [number, "times"] => number.parse().ok().map(Some),
        _ => None,
    }
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// What goes wrong with this run of a job: the first fault that fits, which is one the fewer then.
    pub(super) fn hit(&self, job: &Job) -> Option<Mishap> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let fault = faults
            .iter_mut()
            .find(|fault| fault.times != Some(0) && fits(&fault.job_type, &job.job_type) && fits(&fault.name, &job.name))?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Mishap, Option<String>, Option<String>, Option<u32>) {
        let Fault { what, job_type, name, times } = text.parse().unwrap();
        (what, job_type, name, times)
    }

    #[test]
    fn a_fault_is_what_and_which_job_and_how_often() {
        let job = |job_type: &str, name: &str| (Some(job_type.to_owned()), Some(name.to_owned()));
        let (lua, charge) = job("lua", "charge");
        assert_eq!(parsed("fail lua/charge twice"), (Mishap::Fail, lua.clone(), charge.clone(), Some(2)));
        assert_eq!(parsed("panic"), (Mishap::Panic, None, None, Some(1)));
        assert_eq!(parsed("fail for good lua always"), (Mishap::FailForGood, lua.clone(), None, None));
        assert_eq!(parsed("time out 3 times"), (Mishap::TimeOut, None, None, Some(3)));
        assert_eq!(parsed("lose the lease of lua/charge"), (Mishap::LoseLease, lua.clone(), charge, Some(1)));
        assert_eq!(parsed("lose the lease"), (Mishap::LoseLease, None, None, Some(1)));
        assert_eq!(parsed("crash the manager in lua once"), (Mishap::Crash, lua, None, Some(1)));
    }

    #[test]
    fn what_is_no_fault_is_told() {
        for text in ["", "explode", "fail lua/charge thrice", "fail lua/charge twice more", "panic lua x times"] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a fault; write")), "{error}");
        }
    }
}
