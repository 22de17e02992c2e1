//! The way to the server that has the queue: one of several hosts, the master that sentinels name, or the node of a cluster.
//!
//! All keys of a queue have one hash tag, so a cluster has them on one node, and any node tells which: a call that comes to
//! another one is answered `MOVED`. So nothing has to be known of a cluster but that.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisConnectionInfo, RedisError, TlsCertificates};

use super::trouble::code;
use super::url::Url;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(3);
/// How long a sentinel may take, if it is there at all.
const ASKING: Duration = Duration::from_secs(1);

/// How to get to a server, and what was learned on the way.
pub(super) struct Route {
    hosts: Vec<ConnectionInfo>,
    master: Option<String>,
    /// Which host is tried first.
    first: AtomicUsize,
    /// The node that another one of its cluster has named.
    moved: Mutex<Option<ConnectionInfo>>,
}

impl Route {
    /// The way to a server whose certificate is by a public authority, or by the one in this file.
    pub(super) fn new(url: &Url, ca: Option<&Path>) -> anyhow::Result<Self> {
        let has_tls = url.hosts.iter().any(|host| matches!(host.addr(), ConnectionAddr::TcpTls { .. }));
        if has_tls {
            // A program that has goworker in it may have chosen another one.
            let _chosen_already = rustls::crypto::ring::default_provider().install_default();
        }
        let mut hosts = url.hosts.clone();
        if let Some(ca) = ca {
            if !has_tls {
                bail!(
                    "`ca` is the authority of a server with TLS, and `url` is without; write `rediss://` instead of `redis://`, or no `ca`"
                );
            }
            let authority = authority(ca)?;
            for host in &mut hosts {
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(authority.clone()) };
                let client = Client::build_with_tls(host.clone(), certificates).with_context(|| format!("`ca`: {}", ca.display()))?;
                *host = client.get_connection_info().clone();
            }
        }
        Ok(Route { hosts, master: url.master.clone(), first: AtomicUsize::new(0), moved: Mutex::default() })
    }

    /// A new connection. Its answers may take so long.
    pub(super) async fn connect(&self, answering: Option<Duration>) -> Result<MultiplexedConnection, RedisError> {
        if let Some(master) = &self.master {
            return open(&self.master(master).await?, CONNECTING, answering).await;
        }
        let moved = self.moved().clone();
        if let Some(node) = moved {
            match open(&node, CONNECTING, answering).await {
                Ok(connection) => return Ok(connection),
                // The others know which node has taken its place.
                Err(_) => *self.moved() = None,
            }
        }
        let first = self.first.load(Ordering::Relaxed) % self.hosts.len().max(1);
        let (later, sooner) = self.hosts.split_at(first);
        let mut failed = None;
        for host in sooner.iter().chain(later) {
            match open(host, CONNECTING, answering).await {
                Ok(connection) => return Ok(connection),
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        Err(failed.unwrap_or_else(|| RedisError::from((ErrorKind::InvalidClientConfig, "there is no host to connect to"))))
    }

    /// Learns from an error where to go next time.
    pub(super) fn learn(&self, error: &RedisError) {
        match code(error) {
            Some("MOVED") => {
                let node = error.redirect_node().and_then(|(address, _)| address.rsplit_once(':'));
                // Without a host it is the same host.
                if let (Some((host, port)), Some(like)) = (node, self.hosts.first())
                    && let Ok(port) = port.parse()
                    && !host.is_empty()
                {
                    *self.moved() = Some(at(like, host, port));
                }
            }
            Some("READONLY") => _ = self.first.fetch_add(1, Ordering::Relaxed),
            _ => {}
        }
    }

    fn moved(&self) -> std::sync::MutexGuard<'_, Option<ConnectionInfo>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the master is at present.
    async fn master(&self, name: &str) -> Result<ConnectionInfo, RedisError> {
        let unknown = || RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no sentinel knows the master"));
        let mut failed = None;
        for sentinel in &self.hosts {
            match ask_sentinel(sentinel, name).await {
                Ok(Some((host, port))) => return Ok(at(sentinel, &host, port)),
                // One that answers knows more than those that are not there.
                Ok(None) => failed = Some(unknown()),
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        Err(failed.unwrap_or_else(unknown))
    }
}

/// The certificates in a file.
fn authority(path: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = std::fs::read(path).with_context(|| format!("`ca`: {} cannot be read", path.display()))?;
    if memchr::memmem::find(&pem, b"-----BEGIN CERTIFICATE-----").is_none() {
        bail!("`ca`: {} has no certificate in it; one begins with `-----BEGIN CERTIFICATE-----`", path.display());
    }
    Ok(pem)
}

/// Another server, which is spoken to in the same way.
fn at(like: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let host = host.to_owned();
    like.clone().set_addr(match like.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    })
}

async fn open(to: &ConnectionInfo, connecting: Duration, answering: Option<Duration>) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(connecting)).set_response_timeout(answering);
    Client::open(to.clone())?.get_multiplexed_async_connection_with_config(&config).await
}

/// What one sentinel says of the master. Most want no login; one that does has the same as the servers.
async fn ask_sentinel(sentinel: &ConnectionInfo, name: &str) -> Result<Option<(String, u16)>, RedisError> {
    let ask = async |login: RedisConnectionInfo| {
        let mut connection = open(&sentinel.clone().set_redis_settings(login), ASKING, Some(ASKING)).await?;
        redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).query_async(&mut connection).await
    };
    match ask(RedisConnectionInfo::default()).await {
        Err(error) if code(&error) == Some("NOAUTH") => ask(sentinel.redis_settings().clone().set_db(0)).await,
        told => told,
    }
}
