//! How requests are sent: over connections to addresses that the guard has let through, and to no others.

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use goworker::WorkError;
use goworker::egress::{Guard, Refused};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Proxy, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::headers::{IDEMPOTENCY_KEY, JOB_ATTEMPT, TRACEPARENT};
use super::params::Request;
use super::veil::origin;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(10);

/// Finds the addresses of a name.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| async move { tokio::net::lookup_host((name, 0)).await.map(Iterator::collect) }.boxed())
}

/// What clients have in common.
pub(super) struct Ways<'a> {
    pub(super) guard: Guard,
    pub(super) lookup: Lookup,
    pub(super) proxy: Option<&'a Url>,
    pub(super) ca: Option<&'a Path>,
    /// How many redirects are followed.
    pub(super) redirects: u8,
    /// How many connections to one server are kept.
    pub(super) concurrency: usize,
}

/// Sends requests. A resolver is told a name and no port, so there is a client for each port that the guard knows by its
/// number, and one for all others.
pub(super) struct Clients {
    guard: Guard,
    by_port: Vec<(u16, Client)>,
    others: Client,
    redirects: u8,
}

impl Clients {
    pub(super) fn new(ways: Ways<'_>) -> anyhow::Result<Self> {
        let tls = tls(ways.ca)?;
        let by_port = ways.guard.ports().into_iter().map(|port| Ok((port, ways.client(Some(port), tls.clone())?)));
        let by_port = by_port.collect::<anyhow::Result<_>>()?;
        Ok(Clients { by_port, others: ways.client(None, tls)?, redirects: ways.redirects, guard: ways.guard })
    }

    /// Sends a request, and follows redirects; answers what came at the end of them.
    pub(super) async fn send(&self, first: &Request, is_end: impl Fn(StatusCode) -> bool) -> Result<Response, WorkError> {
        let mut request = Cow::Borrowed(first);
        let mut followed = 0;
        loop {
            let response = self.send_once(&request).await?;
            let status = response.status();
            if is_end(status) || !is_redirect(status) || self.redirects == 0 {
                return Ok(response);
            }
            let Some(location) = response.headers().get(LOCATION) else { return Ok(response) };
            let next = location.to_str().ok().and_then(|location| request.url.join(location).ok());
            let from = origin(&request.url);
            let next = next.ok_or_else(|| WorkError::fail(anyhow!("{from} redirects to what is no URL")))?;
            if followed == self.redirects {
                return Err(WorkError::fail(anyhow!("{from} redirects once more; `redirects` allows {}", self.redirects)));
            }
            let refused = |refused| WorkError::fail(anyhow!("{from} redirects to {}: {refused}", origin(&next)));
            self.guard.check(&next).map_err(refused)?;
            followed += 1;
            request = Cow::Owned(request.into_owned().redirected(status, next)?);
        }
    }

    async fn send_once(&self, request: &Request) -> Result<Response, WorkError> {
        let Request { method, url, headers, body } = request;
        self.guard.check(url).map_err(WorkError::fail)?;
        let port = url.port_or_known_default();
        let client = self.by_port.iter().find(|(own, _)| Some(*own) == port).map_or(&self.others, |(_, client)| client);
        let mut sending = client.request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(body) = body {
            sending = sending.body(body.clone());
        }
        sending.send().await.map_err(|error| not_sent(error, request))
    }
}

impl Ways<'_> {
    fn client(&self, port: Option<u16>, tls: ClientConfig) -> anyhow::Result<Client> {
        let mut client = Client::builder()
            .user_agent(concat!("goworker/", env!("CARGO_PKG_VERSION")))
            // What the environment says is not meant for jobs: a proxy would reach what the guard refuses.
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            // The manager tries again, and knows how often.
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECTING)
            .tls_backend_preconfigured(tls)
            .pool_max_idle_per_host(self.concurrency);
        client = match self.proxy {
            // The one name that is resolved here is its own, which the configuration says.
            Some(proxy) => client.proxy(Proxy::all(proxy.clone()).map_err(reqwest::Error::without_url)?),
            None => client.dns_resolver(Sieve { guard: self.guard.at(port), lookup: Arc::clone(&self.lookup) }),
        };
        Ok(client.build()?)
    }
}

/// Whom servers have to be certified by: those whom the system trusts, and those in the file.
fn tls(ca: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    // A system without any can still be asked without TLS.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(ca) = ca {
        let told = || format!("`ca`: {}", ca.display());
        let certificates: Vec<CertificateDer<'_>> =
            CertificateDer::pem_slice_iter(&std::fs::read(ca).with_context(told)?).collect::<Result<_, _>>().with_context(told)?;
        anyhow::ensure!(!certificates.is_empty(), "`ca`: there is no certificate (PEM) in {}", ca.display());
        certificates.into_iter().try_for_each(|certificate| roots.add(certificate)).with_context(told)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Resolves names to what the guard lets through.
struct Sieve {
    guard: Guard,
    lookup: Lookup,
}

impl Resolve for Sieve {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, found) = (self.guard.clone(), (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let left = guard.sift(name.as_str(), found.await?)?;
            Ok(Box::new(left.into_iter()) as Addrs)
        })
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

impl Request {
    /// The request that follows a redirect. Another server gets none of the headers that the first one was meant to have.
    fn redirected(self, status: StatusCode, next: Url) -> Result<Request, WorkError> {
        let Request { mut method, url, mut headers, mut body } = self;
        let (from, to) = (origin(&url), origin(&next));
        if !matches!(next.scheme(), "http" | "https") {
            return Err(WorkError::fail(anyhow!("{from} redirects to the scheme `{}`", next.scheme())));
        }
        if url.scheme() == "https" && next.scheme() == "http" {
            return Err(WorkError::fail(anyhow!("{from} redirects to {to}, which is without TLS")));
        }
        // As browsers do, and everyone else since.
        let is_turned = matches!(status.as_u16(), 301 | 302) && method == Method::POST || status == StatusCode::SEE_OTHER;
        if is_turned && method != Method::HEAD {
            (method, body) = (Method::GET, None);
            headers.remove(CONTENT_TYPE);
        }
        if from != to {
            let ours = [CONTENT_TYPE, IDEMPOTENCY_KEY, JOB_ATTEMPT, TRACEPARENT];
            headers = headers.iter().filter(|(name, _)| ours.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        Ok(Request { method, url: next, headers, body })
    }
}

/// Why a request had no answer. Most reasons pass; an address that must not be reached does not.
pub(super) fn not_sent(error: reqwest::Error, request: &Request) -> WorkError {
    let what = format!("{} {}", request.method, origin(&request.url));
    // The error would name the whole URL.
    let error = anyhow::Error::from(error.without_url());
    match error.chain().find_map(|cause| cause.downcast_ref::<Refused>()) {
        Some(refused) => WorkError::fail(refused.clone()),
        None => WorkError::retry(error.context(what)),
    }
}
