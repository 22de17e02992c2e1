//! The connection that all calls share, made anew when it breaks.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use super::route::Route;

/// How long an answer may take. A half-open connection is found out by this.
const ANSWERING: Duration = Duration::from_secs(5);

/// A server, and the connection to it that is in use.
pub(super) struct Server {
    route: Arc<Route>,
    /// What errors call the server.
    pub(super) place: String,
    current: Mutex<Current>,
}

/// All who need a connection wait for the same attempt to make one.
type Attempt = Shared<BoxFuture<'static, Result<MultiplexedConnection, RedisError>>>;

#[derive(Default)]
struct Current {
    attempt: Option<Attempt>,
    /// How many attempts there were before.
    number: u64,
}

/// A connection that many calls share.
pub(super) struct Connection {
    pub(super) calls: MultiplexedConnection,
    /// Tells it from those before and after it.
    number: u64,
}

impl Server {
    pub(super) fn new(route: Route, place: String) -> Self {
        Server { route: Arc::new(route), place, current: Mutex::default() }
    }

    /// The connection that is in use, or a new one.
    pub(super) async fn connection(&self) -> Result<Connection, RedisError> {
        let (attempt, number) = {
            let mut current = self.lock();
            let number = current.number;
            let attempt = current.attempt.get_or_insert_with(|| {
                let route = Arc::clone(&self.route);
                async move { route.connect(Some(ANSWERING)).await }.boxed().shared()
            });
            (attempt.clone(), number)
        };
        match attempt.await {
            Ok(calls) => Ok(Connection { calls, number }),
            Err(error) => {
                self.give_up(number);
                Err(error)
            }
        }
    }

    /// A connection of one's own, for calls that wait.
    pub(super) async fn own_connection(&self) -> Result<MultiplexedConnection, RedisError> {
        self.route.connect(None).await
    }

    /// Gives up a connection that has failed; whoever comes next makes a new one, where the error says.
    pub(super) fn failed(&self, connection: &Connection, error: &RedisError) {
        self.learn(error);
        self.give_up(connection.number);
    }

    /// Learns from an error where to go next time.
    pub(super) fn learn(&self, error: &RedisError) {
        self.route.learn(error);
    }

    fn give_up(&self, number: u64) {
        let mut current = self.lock();
        if current.number == number {
            *current = Current { attempt: None, number: number + 1 };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}
