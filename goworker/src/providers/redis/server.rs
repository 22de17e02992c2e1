//! The way to the server: one connection for all calls, made anew when it breaks, and what its errors mean.

use std::fmt;
use std::time::Duration;

use anyhow::anyhow;
use goworker::ProviderError;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, RedisError, ServerErrorKind};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Mutex;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(3);
/// How long an answer may take. A half-open connection is found out by this.
const ANSWERING: Duration = Duration::from_secs(5);

/// Where a server is: `redis://[USER:PASSWORD@]HOST[:PORT][/DB]`, or `redis+unix:///PATH`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub(in crate::providers) struct Url(redis::ConnectionInfo);

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const FORM: &str = "write `redis://HOST:PORT`, with `USER:PASSWORD@` before the host if it needs a login";
        let info = text.as_str().into_connection_info().map_err(|error| format!("this is no URL of a Redis server ({error}); {FORM}"))?;
        Ok(Url(info))
    }
}

/// Without the password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.addr())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A server, and the connection to it that is in use.
pub(super) struct Server {
    client: Client,
    place: String,
    connection: Mutex<Option<Connection>>,
}

/// A connection that many calls share.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) calls: MultiplexedConnection,
    /// Tells it from those before and after it.
    number: u64,
}

impl Server {
    pub(super) fn new(url: &Url) -> Result<Self, RedisError> {
        let tcp = TcpSettings::default().set_nodelay(true);
        let client = Client::open(url.0.clone().set_tcp_settings(tcp))?;
        Ok(Server { client, place: url.to_string(), connection: Mutex::new(None) })
    }

    /// The connection that is in use, or a new one.
    pub(super) async fn connection(&self) -> Result<Connection, RedisError> {
        let mut current = self.connection.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let calls = self.connect(Some(ANSWERING)).await?;
        Ok(current.insert(Connection { calls, number }).clone())
    }

    /// A connection of one's own, for calls that wait.
    pub(super) async fn own_connection(&self) -> Result<MultiplexedConnection, RedisError> {
        self.connect(None).await
    }

    async fn connect(&self, answering: Option<Duration>) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECTING)).set_response_timeout(answering);
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Tells loudly of a server that may throw jobs away.
    pub(super) async fn warn_of_eviction(&self) {
        let asked = async {
            let mut connection = self.connection().await?.calls;
            redis::cmd("INFO").arg("memory").query_async::<String>(&mut connection).await
        };
        // Who may not ask is not warned.
        let Ok(memory) = asked.await else { return };
        let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).unwrap_or_default().trim();
        if !policy.is_empty() && policy != "noeviction" {
            let place = &self.place;
            tracing::warn!("Redis at {place} loses jobs when its memory is full: `maxmemory-policy` is `{policy}`; set it to `noeviction`");
        }
    }

    /// Gives up a connection that has failed; whoever comes next makes a new one.
    pub(super) async fn give_up(&self, failed: &Connection) {
        let mut current = self.connection.lock().await;
        if current.as_ref().is_some_and(|connection| connection.number == failed.number) {
            *current = None;
        }
    }

    /// The error as the caller is told.
    pub(super) fn explain(&self, error: &RedisError) -> ProviderError {
        let place = &self.place;
        if means_outage(error) {
            return ProviderError::Unavailable(anyhow!("no answer from Redis at {place}: {error}"));
        }
        match error.code() {
            Some("OOM") => {
                ProviderError::Unavailable(anyhow!("Redis at {place} has no memory left and accepts nothing (`maxmemory` is reached)"))
            }
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => ProviderError::Unavailable(anyhow!("Redis at {place} refuses the login: {error}")),
            Some("MISCONF" | "NOREPLICAS") => ProviderError::Unavailable(anyhow!("Redis at {place} accepts nothing: {error}")),
            _ if error.kind() == ErrorKind::AuthenticationFailed => {
                ProviderError::Unavailable(anyhow!("Redis at {place} refuses the login: {error}"))
            }
            _ => ProviderError::Failed(anyhow!("Redis at {place}: {error}")),
        }
    }
}

/// Whether the same call may succeed soon, on a new connection.
pub(super) fn means_outage(error: &RedisError) -> bool {
    let for_now = matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
        )
    );
    for_now || error.is_io_error() || error.is_connection_dropped() || error.is_timeout() || error.code() == Some("BUSY")
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}
