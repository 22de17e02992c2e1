//! Calls of scripts. One whose answer is lost is repeated, and the server sees that it is the same.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use goworker::{Bound, Keep, ProviderError};
use redis::{Cmd, FromRedisValue, RedisError, Script};

use super::server::Server;
use super::trouble::{code, explain, means_outage};

/// For how long a call is repeated while the server is away. Then the caller is told.
const PATIENCE: Duration = Duration::from_secs(8);

/// What calls need beside their own arguments.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) server: Server,
    /// What all keys of the queue begin with.
    prefix: String,
    keep: Keep,
    /// Names the lanes of this process.
    owner: String,
    lanes: Mutex<Lanes>,
}

/// A call that writes belongs to a lane, in which one call follows the other.
#[derive(Debug, Default)]
struct Lanes {
    idle: Vec<Lane>,
    made: u64,
}

/// The server remembers the last turn of each lane, with its answer. A lane whose call was dropped is not used again.
#[derive(Debug)]
struct Lane {
    name: String,
    turn: u64,
}

/// A call that is being put together.
pub(super) struct Call {
    calls: Arc<Calls>,
    script: &'static Script,
    lane: Option<Lane>,
    pub(super) cmd: Cmd,
}

impl Calls {
    pub(super) fn new(server: Server, prefix: String, keep: Keep, owner: String) -> Self {
        Calls { server, prefix, keep, owner, lanes: Mutex::default() }
    }

    /// A call that writes: it takes effect once, however often it is sent.
    pub(super) fn write(self: &Arc<Self>, script: &'static Script) -> Call {
        let mut lane = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.idle.pop().unwrap_or_else(|| {
                lanes.made += 1;
                Lane { name: format!("{}:{}", self.owner, lanes.made), turn: 0 }
            })
        };
        lane.turn += 1;
        self.begin(script, Some(lane))
    }

    /// A call that may be repeated as it is.
    pub(super) fn read(self: &Arc<Self>, script: &'static Script) -> Call {
        self.begin(script, None)
    }

    fn begin(self: &Arc<Self>, script: &'static Script, lane: Option<Lane>) -> Call {
        let (name, turn) = lane.as_ref().map_or(("", 0), |lane| (lane.name.as_str(), lane.turn));
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(script.get_hash()).arg(1).arg(&self.prefix).arg(name).arg(turn);
        for Bound { age, count } in [self.keep.done, self.keep.dead] {
            // No bound is one that no clock and no server reaches.
            const NEVER: u64 = 1 << 52;
            cmd.arg(u64::try_from(age.as_millis()).map_or(NEVER, |age| age.min(NEVER)));
            cmd.arg(u64::try_from(count).map_or(NEVER, |count| count.min(NEVER)));
        }
        Call { calls: Arc::clone(self), script, lane, cmd }
    }

    /// What a key of the queue is called.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A plain command that may be repeated.
    pub(super) async fn ask<T: FromRedisValue>(&self, cmd: Cmd) -> Result<T, ProviderError> {
        self.repeat(&cmd, None).await
    }

    /// Tells loudly of a server that may throw jobs away.
    pub(super) async fn warn_of_eviction(&self) {
        let mut cmd = redis::cmd("INFO");
        cmd.arg("memory");
        // Who may not ask is not warned.
        let Ok(memory) = self.ask::<String>(cmd).await else { return };
        let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).unwrap_or_default().trim();
        if !policy.is_empty() && policy != "noeviction" {
            let place = &self.server.place;
            tracing::warn!("Redis at {place} loses jobs when its memory is full: `maxmemory-policy` is `{policy}`; set it to `noeviction`");
        }
    }

    async fn repeat<T: FromRedisValue>(&self, cmd: &Cmd, script: Option<&Script>) -> Result<T, ProviderError> {
        let began = Instant::now();
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(1))
            .with_jitter()
            .without_max_times();
        let sent = (|| self.send(cmd, script)).retry(backoff).when(|error| means_outage(error) && began.elapsed() < PATIENCE).await;
        let value = sent.map_err(|error| explain(&error, &self.server.place))?;
        T::from_redis_value(value).map_err(|error| ProviderError::failed(anyhow::anyhow!("Redis answered what was not expected: {error}")))
    }

    /// Sends it once, and the script before it if the server does not have it.
    async fn send(&self, cmd: &Cmd, script: Option<&Script>) -> Result<redis::Value, RedisError> {
        let connection = self.server.connection().await?;
        let mut calls = connection.calls.clone();
        let mut sent: Result<redis::Value, RedisError> = cmd.query_async(&mut calls).await;
        if let (Err(error), Some(script)) = (&sent, script)
            && code(error) == Some("NOSCRIPT")
        {
            sent = match script.load_async(&mut calls).await {
                Ok(_) => cmd.query_async(&mut calls).await,
                Err(error) => Err(error),
            };
        }
        if let Err(error) = &sent
            && means_outage(error)
        {
            self.server.failed(&connection, error);
        }
        sent
    }
}

impl Call {
    /// Makes the call, and repeats it while there is no answer.
    pub(super) async fn answer<T: FromRedisValue>(self) -> Result<T, ProviderError> {
        let Call { calls, script, lane, cmd } = self;
        let answer = calls.repeat(&cmd, Some(script)).await;
        if let (Ok(_), Some(lane)) = (&answer, lane) {
            calls.lanes.lock().unwrap_or_else(PoisonError::into_inner).idle.push(lane);
        }
        answer
    }
}
