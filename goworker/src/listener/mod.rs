//! A port that is listened on, for HTTP: the one door through which anything comes in from outside.
//!
//! It is a loopback address, or a token is asked for. A request reaches its handler when it has arrived in full, so slow clients, huge
//! bodies and half-sent requests cost a place among the connections at most, and that for a short time.

mod address;
mod connections;
mod gate;
mod receive;
mod refusal;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Request, Response};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::settings::Secret;
use crate::units::Size;

use connections::{Connections, Place};
use gate::Gate;
use receive::Rules;

pub use address::Address;
pub(crate) use address::is_address;
pub use refusal::Refusal;

/// The longest head of a request.
const HEAD_LIMIT: usize = 32 << 10;
/// How long answers that are under way may take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How long to wait when the system has no more connections to give.
const NO_MORE: Duration = Duration::from_millis(100);

/// How a port is listened on.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Where.
    pub address: Address,
    /// What clients have to say in `Authorization: Bearer TOKEN`. Needed for an address that others can reach.
    pub token: Option<Secret>,
    /// The longest body of a request.
    pub limit: Size,
    /// How long the head of a request may take to arrive, and then its body.
    pub patience: Duration,
    /// The most connections at a time. Half of the files that the process may have open is the most that counts.
    pub connections: usize,
}

impl ListenOptions {
    /// What is usual, for that address.
    pub fn new(address: Address, token: Option<Secret>) -> Self {
        ListenOptions { address, token, limit: Size(1 << 20), patience: Duration::from_secs(10), connections: 1_000 }
    }
}

/// A port that is ours. Clients that come wait until it is [served](Listener::serve).
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    options: ListenOptions,
}

impl Listener {
    /// Takes the port.
    ///
    /// # Errors
    /// When it cannot be had, or others could reach it without a token.
    pub async fn bind(options: ListenOptions) -> anyhow::Result<Self> {
        let ListenOptions { address, token, .. } = &options;
        let is_empty = |token: &Secret| token.expose().trim().is_empty();
        ensure!(!token.as_ref().is_some_and(is_empty), "the `token` is empty, so everybody knows it");
        ensure!(
            token.is_some() || !address.is_open(),
            "other machines can reach {address}, so a `token` has to be set; or listen on 127.0.0.1:{}",
            address.0.port()
        );
        let socket = TcpListener::bind(address.0).await.with_context(|| format!("cannot listen on {address}"))?;
        Ok(Listener { socket, options })
    }

    /// Where it is, with the port that the system chose if that was left to it.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Answers requests from now on, on the runtime of the caller. Handlers get bodies that have arrived in full.
    ///
    /// `closing` is cancelled when it is [closed](Served::close): handlers that wait for something answer then.
    pub fn serve(self, router: Router, closing: CancellationToken) -> Served {
        let Listener { socket, options } = self;
        let served = Served { tasks: TaskTracker::new(), closing, dropping: CancellationToken::new() };
        let shared = Shared {
            rules: Rules::new(Gate::new(options.token.as_ref()), options.limit, options.patience),
            // The limit is kept by then.
            handlers: TowerToHyperService::new(router.layer(DefaultBodyLimit::disable())),
        };
        let door = Door {
            connections: Arc::new(Connections::new(options.connections.min(most_connections()))),
            shared: Arc::new(shared),
            head_patience: options.patience,
            served: served.clone(),
        };
        tokio::spawn(door.keep(socket));
        served
    }
}

/// Half of the files that may be open: stores and child processes need some, too.
fn most_connections() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |files| usize::try_from(files / 2).unwrap_or(usize::MAX))
}

/// A port that is served, until it is closed.
#[derive(Debug, Clone)]
pub struct Served {
    tasks: TaskTracker,
    closing: CancellationToken,
    dropping: CancellationToken,
}

impl Served {
    /// Takes no more requests, and returns when those under way are answered; those that take too long are given up.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        // Whatever is left is dropped in either case.
        let _in_time = timeout(LAST_ANSWERS, self.tasks.wait()).await;
        self.dropping.cancel();
        self.tasks.wait().await;
    }
}

/// What all requests have in common.
struct Shared {
    rules: Rules,
    handlers: TowerToHyperService<Router>,
}

/// Where clients come in.
struct Door {
    connections: Arc<Connections>,
    shared: Arc<Shared>,
    head_patience: Duration,
    served: Served,
}

impl Door {
    async fn keep(self, socket: TcpListener) {
        let mut is_short = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.served.closing.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    is_short = false;
                    self.let_in(stream);
                }
                // It was gone before it came in.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
                Err(error) => {
                    if !is_short {
                        tracing::error!(target: "goworker::listener", "no more connections can be taken for now: {error}");
                    }
                    is_short = true;
                    sleep(NO_MORE).await;
                }
            }
        }
    }

    fn let_in(&self, stream: TcpStream) {
        let Some(place) = self.connections.enter() else {
            // It says so if that takes no time, and does without if it does.
            let _unsaid =
                stream.try_write(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            return;
        };
        // Answers are small; without this the second part of one waits for the client.
        let _without = stream.set_nodelay(true);
        let talk = talk(stream, Arc::new(place), Arc::clone(&self.shared), self.head_patience, self.served.clone());
        self.served.tasks.spawn(talk);
    }
}

/// Answers what comes over one connection, until its end.
async fn talk(stream: TcpStream, place: Arc<Place>, shared: Arc<Shared>, head_patience: Duration, served: Served) {
    let requests = service_fn(|request| answer(&shared, &place, request));
    let mut builder = http1::Builder::new();
    // Waiting for the next request is waiting for its head.
    builder.timer(TokioTimer::new()).header_read_timeout(head_patience).max_buf_size(HEAD_LIMIT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), requests));
    let given_up = async {
        tokio::select! {
            () = place.given_away() => {}
            () = served.dropping.cancelled() => {}
        }
    };
    let mut given_up = pin!(given_up);
    tokio::select! {
        biased;
        // A client that breaks off, or sends what is no HTTP, is nobody's fault but its own.
        _ended = connection.as_mut() => return,
        () = given_up.as_mut() => return,
        () = served.closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        _ended = connection => {}
        () = given_up => {}
    }
}

async fn answer(shared: &Shared, place: &Arc<Place>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let mut response = match shared.rules.receive(request).await {
        Ok((request, _room)) => {
            let _serving = place.serve();
            shared.handlers.call(request).await?
        }
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
