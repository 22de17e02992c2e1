//! The names of jobs.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::clock::{Clock, Random};

/// The name of a job, unique in its queue: 1–128 characters of `[A-Za-z0-9_.:-]`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct JobId(Arc<str>);

impl JobId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of a job that follows from this one, always the same: `ID:LABEL`.
    ///
    /// An id too long for that keeps its beginning; a hash of the whole tells it from its neighbours.
    pub fn child(&self, label: &str) -> JobId {
        let whole = format!("{}:{label}", self.0);
        if whole.len() <= JobId::MAX {
            return JobId(whole.into());
        }
        let mut hasher = std::hash::DefaultHasher::new();
        whole.hash(&mut hasher);
        let kept = &whole[..JobId::MAX - 17];
        JobId(format!("{kept}.{:016x}", hasher.finish()).into())
    }

    /// The longest id, in characters.
    pub const MAX: usize = 128;
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JobId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        if text.is_empty() || text.len() > JobId::MAX || !text.chars().all(allowed) {
            return Err(format!(
                "`{}` is not a job id; allowed are 1 to {} characters of A-Z a-z 0-9 _ . : -",
                text.escape_debug(),
                JobId::MAX
            ));
        }
        Ok(JobId(text.into()))
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Makes ids for jobs that come without one: UUID v7, so that they sort by time.
#[derive(Debug, Clone)]
pub struct Ids {
    clock: Clock,
    random: Random,
}

impl Ids {
    /// Ids from the given clock and randomness.
    pub fn new(clock: Clock, random: Random) -> Self {
        Ids { clock, random }
    }

    /// Ids from the system's clock and randomness.
    pub fn system() -> Self {
        Ids::new(Clock::system(), Random::system())
    }

    /// The next id.
    pub fn next(&self) -> JobId {
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let random = self.random.bits().to_be_bytes();
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&random[..10]);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        JobId(Arc::from(&*uuid.hyphenated().encode_lower(&mut text)))
    }
}
