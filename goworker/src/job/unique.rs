//! Which jobs count as the same, by a key that only one of them holds at a time.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Job, JobError};
use crate::clock::Timestamp;
use crate::units::Dur;

/// The longest key, in characters.
const MAX_KEY: usize = 256;

/// Which jobs count as the same, and for how long.
///
/// A job with it is accepted only if no other one in the queue holds its key. `{}` is enough: jobs of the same type,
/// name and params are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unique {
    /// Jobs with this key are the same, whatever their type: 1 to 256 characters. By default the key follows from type,
    /// name and params, which are compared byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key is held at least so long after the job was accepted, even if it ends before. Without it the key is free as
    /// soon as the job has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Dur>,
    /// What happens to this job if another one holds its key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: UniqueMode,
}

/// What happens to a job whose key another one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UniqueMode {
    /// It is not created.
    #[default]
    Reject,
    /// If the other one waits, for its time, a slot or another attempt, that one is cancelled, and this one created. If the
    /// other one runs, or only its window lasts, this one is not created.
    Replace,
    /// One more run after the current one, and no more than one: if the other one waits, this one takes its place, as with
    /// `replace`. If it runs, this one is its follow-up, which waits until it has ended; a newer follow-up takes the place of one
    /// that waits. If only a window lasts, this one is due when it is over.
    KeepLast,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_default(mode: &UniqueMode) -> bool {
    *mode == UniqueMode::default()
}

impl UniqueMode {
    /// All modes.
    pub const ALL: [UniqueMode; 3] = [UniqueMode::Reject, UniqueMode::Replace, UniqueMode::KeepLast];

    /// The mode's name, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            UniqueMode::Reject => "reject",
            UniqueMode::Replace => "replace",
            UniqueMode::KeepLast => "keep_last",
        }
    }
}

impl FromStr for UniqueMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        UniqueMode::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
            let known = UniqueMode::ALL.map(UniqueMode::as_str);
            format!("`{text}` is not a mode; there are {}", known.join(", "))
        })
    }
}

impl Unique {
    /// Refuses a key that is none.
    ///
    /// # Errors
    /// If it is empty or too long.
    pub(crate) fn check(&self) -> Result<(), JobError> {
        let Some(key) = &self.key else { return Ok(()) };
        match key.chars().count() {
            1..=MAX_KEY => Ok(()),
            0 => Err(JobError::at("unique.key", "is empty; leave it out if type, name and params are the key")),
            length => Err(JobError::at("unique.key", format!("has {length} characters; at most {MAX_KEY} are allowed"))),
        }
    }
}

impl Job {
    /// The key that the job holds, if it is to be unique: `key:` and the given one, or `sha256:` and a hash of type, name
    /// and params. So queues store it.
    pub fn unique_key(&self) -> Option<String> {
        let unique = self.unique.as_ref()?;
        Some(match &unique.key {
            Some(key) => format!("key:{key}"),
            None => format!("sha256:{}", fingerprint([&self.job_type, &self.name, self.params.get()])),
        })
    }

    /// What happens to the job if another one holds its key; the usual, if it has none.
    pub fn unique_mode(&self) -> UniqueMode {
        self.unique.as_ref().map(|unique| unique.mode).unwrap_or_default()
    }

    /// Until when a job that was accepted at that time holds its key although it has ended: at this instant it is free.
    /// `None` if its end frees the key.
    pub fn unique_until(&self, accepted_at: Timestamp) -> Option<Timestamp> {
        self.unique.as_ref()?.window.map(|window| accepted_at.after(window.get()))
    }
}

/// A hash that is the same only for the same parts.
fn fingerprint(parts: [&str; 3]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length, so that no part can run into the next.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::job::Ids;

    fn job(text: &str) -> Job {
        Job::parse(text.as_bytes(), &Ids::system()).unwrap().job
    }

    #[test]
    fn without_a_key_type_name_and_params_are_the_key() {
        let key = |text| job(text).unique_key().unwrap();
        let first = key(r#"{"id":"a","type":"t","name":"n","params":[1],"unique":{}}"#);
        // Other tools can make it: it must stay the same from version to version.
        assert_eq!(first, "sha256:ef036bab620b4903cd353cdc005f6a9c7a017e1df59f0f50b1082746cc82ce0a");
        assert_eq!(key(r#"{"id":"b","type":"t","name":"n","params":[1],"priority":5,"unique":{"window":"1h"}}"#), first);
        for other in [
            r#"{"type":"tn","name":"","params":[1],"unique":{}}"#,
            r#"{"type":"t","name":"n[","params":1,"unique":{}}"#,
            r#"{"type":"t","name":"n","params":[ 1],"unique":{}}"#,
            r#"{"type":"t","name":"n","params":[1],"unique":{"key":"x"}}"#,
        ] {
            assert_ne!(key(other), first, "{other}");
        }
    }

    #[test]
    fn a_given_key_is_the_same_whatever_the_type() {
        assert_eq!(job(r#"{"type":"a","unique":{"key":"user 7"}}"#).unique_key().as_deref(), Some("key:user 7"));
        assert_eq!(job(r#"{"type":"b","params":1,"unique":{"key":"user 7"}}"#).unique_key().as_deref(), Some("key:user 7"));
        assert_eq!(job(r#"{"type":"a"}"#).unique_key(), None);
    }

    #[test]
    fn a_window_begins_when_the_job_is_accepted() {
        let at = Timestamp::from_millis(1_000);
        assert_eq!(job(r#"{"type":"a","unique":{"window":"2s"}}"#).unique_until(at), Some(at.after(Duration::from_secs(2))));
        assert_eq!(job(r#"{"type":"a","unique":{}}"#).unique_until(at), None);
    }

    #[test]
    fn what_cannot_be_unique_is_told_by_its_path() {
        let long = format!(r#"{{"type":"x","unique":{{"key":"{}"}}}}"#, "ü".repeat(257));
        let texts = [
            r#"{"type":"x","unique":{"key":""}}"#,
            long.as_str(),
            r#"{"type":"x","unique":{"window":10}}"#,
            r#"{"type":"x","unique":{"mode":"keep_first"}}"#,
            r#"{"type":"x","unique":{"keys":"a"}}"#,
            r#"{"type":"x","unique":true}"#,
        ];
        let told = texts.map(|text| Job::parse(text.as_bytes(), &Ids::system()).unwrap_err().to_string());
        insta::assert_snapshot!(told.join("\n"));
        let longest = format!(r#"{{"type":"x","unique":{{"key":"{}"}}}}"#, "ü".repeat(256));
        assert!(Job::parse(longest.as_bytes(), &Ids::system()).is_ok());
    }
}
