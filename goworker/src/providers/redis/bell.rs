//! Waiting without polling: the server holds a token for each type of which jobs have come, and one connection waits for them.
//!
//! Whoever takes a token tells the waiter in this process that wants the type. A token that nobody here wants any more is
//! given back, for another process. No job is ever popped by a call that waits: a lost token costs time, not a job.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError};
use tokio::sync::{Notify, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::calls::Calls;

/// After so long everyone looks again: in case a token was lost with a process, or another's lease is over.
const SAFETY: Duration = Duration::from_secs(4);
/// How much later than promised the server's answer may come until the connection counts as broken.
const SLACK: Duration = Duration::from_secs(4);
/// How long to wait between attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// Who waits in this process, and the task that listens for them.
#[derive(Debug)]
pub(super) struct Bell {
    shared: Arc<Shared>,
    listener: Mutex<Option<AbortOnDropHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    calls: Arc<Calls>,
    /// A key of this process' own: a token in it ends the listener's wait.
    interrupt: String,
    waiters: Mutex<Waiters>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Waiters {
    waiting: Vec<Waiter>,
    /// The keys that the listener waits for.
    listening: BTreeSet<String>,
}

#[derive(Debug)]
struct Waiter {
    /// The keys of the tokens that it wants.
    keys: Vec<String>,
    woken: oneshot::Sender<()>,
}

impl Waiters {
    /// What is wanted at this moment.
    fn keys(&mut self) -> BTreeSet<String> {
        self.waiting.retain(|waiter| !waiter.woken.is_closed());
        self.waiting.iter().flat_map(|waiter| waiter.keys.iter().cloned()).collect()
    }

    /// Tells one waiter; whether there was one.
    fn wake(&mut self, key: &str) -> bool {
        while let Some(at) = self.waiting.iter().position(|waiter| waiter.keys.iter().any(|wanted| wanted == key)) {
            if self.waiting.swap_remove(at).woken.send(()).is_ok() {
                return true;
            }
        }
        false
    }

    /// Tells all waiters to look for themselves.
    fn wake_all(&mut self) {
        for waiter in self.waiting.drain(..) {
            // Who does not wait any more does not want to know.
            let _ = waiter.woken.send(());
        }
    }
}

impl Bell {
    pub(super) fn new(calls: Arc<Calls>, owner: &str) -> Self {
        let interrupt = calls.key(&format!("interrupt:{owner}"));
        let shared = Shared { calls, interrupt, waiters: Mutex::default(), came: Notify::new() };
        Bell { shared: Arc::new(shared), listener: Mutex::default() }
    }

    /// Returns when a job of one of these types may have come, or something of which the type is not known.
    pub(super) async fn rung(&self, types: &[String]) {
        let mut keys: Vec<String> = types.iter().map(|job_type| self.shared.calls.key(&format!("wake:{job_type}"))).collect();
        keys.push(self.shared.calls.key("wake"));
        let (woken, rung) = oneshot::channel();
        let is_heard = {
            let mut waiters = self.shared.lock();
            let is_heard = keys.iter().all(|key| waiters.listening.contains(key));
            waiters.waiting.push(Waiter { keys, woken });
            is_heard
        };
        self.listen();
        self.shared.came.notify_one();
        if !is_heard {
            let mut cmd = redis::cmd("RPUSH");
            cmd.arg(&self.shared.interrupt).arg(1);
            // If the server is away, the listener notices it too, and everyone is woken.
            let _: Result<i64, _> = self.shared.calls.ask(cmd).await;
        }
        // Dropped or sent, there is something to look at.
        let _ = rung.await;
    }

    /// Starts the listener when somebody waits for the first time.
    fn listen(&self) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.as_ref().is_none_or(|task| task.is_finished()) {
            *listener = Some(AbortOnDropHandle::new(tokio::spawn(listen(Arc::clone(&self.shared)))));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to wait for; nothing if nobody does.
    fn next_keys(&self) -> BTreeSet<String> {
        let mut waiters = self.lock();
        waiters.listening = waiters.keys();
        waiters.listening.clone()
    }
}

async fn listen(shared: Arc<Shared>) {
    let mut connection: Option<MultiplexedConnection> = None;
    loop {
        let keys = shared.next_keys();
        if keys.is_empty() {
            shared.came.notified().await;
            continue;
        }
        let waited = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => shared.calls.server.own_connection().await?,
            };
            let token = await_token(&shared, &keys, &mut open).await?;
            Ok::<_, RedisError>((open, token))
        };
        match waited.await {
            Ok((open, token)) => {
                connection = Some(open);
                match token {
                    Some(key) if key == shared.interrupt => {}
                    Some(key) => {
                        if !shared.lock().wake(&key) {
                            let mut cmd = redis::cmd("RPUSH");
                            cmd.arg(&key).arg(1);
                            // Lost with the server, it is made up for by the next look.
                            let _: Result<i64, _> = shared.calls.ask(cmd).await;
                        }
                    }
                    None => shared.lock().wake_all(),
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the connection that waits for jobs is made again");
                shared.calls.server.learn(&error);
                tokio::time::sleep(PAUSE).await;
                shared.lock().wake_all();
            }
        }
    }
}

/// The key of the token that came, if one did in time.
async fn await_token(
    shared: &Shared,
    keys: &BTreeSet<String>,
    connection: &mut MultiplexedConnection,
) -> Result<Option<String>, RedisError> {
    let mut cmd: Cmd = redis::cmd("BLPOP");
    cmd.arg(&shared.interrupt);
    for key in keys {
        cmd.arg(key);
    }
    cmd.arg(SAFETY.as_secs());
    let answered = tokio::time::timeout(SAFETY + SLACK, cmd.query_async::<Option<(String, String)>>(connection)).await;
    let token = answered.map_err(|_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))??;
    Ok(token.map(|(key, _)| key))
}
