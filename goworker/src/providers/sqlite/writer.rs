//! The thread that writes: what waits for it becomes one transaction, and is answered when that is committed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Result;
use tokio::sync::oneshot;

use crate::clock::{Clock, Timestamp};
use crate::provider::ProviderError;

use super::fault;
use super::inbox::{Call, Class, Inbox, Next, Waiter};
use super::notice::Notice;
use super::open::Identity;
use super::pause::paused;
use super::store::{Store, Sync};
use super::waiting::{Outlook, Waiting, Wanted};

/// How often to look when nothing is told: the net under the notices.
const LOOK: Duration = Duration::from_secs(1);
/// How often to forget what is over while nothing else happens.
const PURGE: Duration = Duration::from_secs(60);
/// How long to do without notices before the system is asked for them again.
const DEAF: Duration = Duration::from_secs(60);
/// A notice may come before the change can be read. The first look after it; each further one waits twice as long.
const FIRST_RELOOK: Duration = Duration::from_micros(100);
const LAST_RELOOK: u32 = 9;

/// The way to the thread that writes.
pub(super) struct Writer {
    inbox: Arc<Inbox>,
    path: Arc<Path>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(store: Store, path: &Path, clock: Clock) -> std::io::Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let path: Arc<Path> = path.into();
        let pen = Pen {
            store,
            path: path.to_path_buf(),
            identity: Identity::of(&path)?,
            clock,
            inbox: Arc::clone(&inbox),
            waiting: Vec::new(),
            listening: Arc::new(AtomicBool::new(false)),
            notice: None,
            deaf_until: None,
            version: 0,
            relook: None,
            looked_at: Timestamp::default(),
            purged_at: Timestamp::default(),
            stopped: None,
        };
        // The clock may be the runtime's.
        let runtime = tokio::runtime::Handle::try_current();
        let thread = std::thread::Builder::new().name("goworker-sqlite".into()).spawn(move || {
            let _context = runtime.as_ref().map(tokio::runtime::Handle::enter);
            pen.run();
        })?;
        Ok(Writer { inbox, path, thread: Mutex::new(Some(thread)) })
    }

    /// Does a step in a transaction and answers its result once that is committed.
    ///
    /// The step may run more than once; only its last run counts.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        class: Class,
        step: impl FnMut(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let (call, answer) = Call::new(class, step);
        self.inbox.call(call);
        answer.await.unwrap_or_else(|_| Err(fault::closed(&self.path)))
    }

    /// Looks for what is wanted. Answers when something is due next, and what tells that it may have happened.
    pub(super) async fn watch(&self, wanted: Wanted) -> (Option<Timestamp>, oneshot::Receiver<()>) {
        let (wake, woken) = oneshot::channel();
        let (next, due) = oneshot::channel();
        self.inbox.wait(Waiter { wanted, wake, next });
        // A closed queue has dropped `wake` too: the caller returns at once, and its fetch says what is wrong.
        (due.await.ok().flatten().map(Timestamp::from_millis), woken)
    }

    /// Ends the thread when all calls are done.
    pub(super) async fn close(&self) -> anyhow::Result<()> {
        self.inbox.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let ended = tokio::task::spawn_blocking(move || thread.join()).await?;
            ended.map_err(|_| anyhow::anyhow!("the thread that writes `{}` has panicked", self.path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// What the thread works with.
struct Pen {
    store: Store,
    path: PathBuf,
    identity: Identity,
    clock: Clock,
    inbox: Arc<Inbox>,
    waiting: Vec<Waiting>,
    /// Whether notices are of interest: someone waits.
    listening: Arc<AtomicBool>,
    notice: Option<Notice>,
    /// The system could not tell of changes, and is not asked again before this.
    deaf_until: Option<Timestamp>,
    /// Of the file, when it was last looked at.
    version: i64,
    /// How many times a change has been looked for since a notice.
    relook: Option<u32>,
    looked_at: Timestamp,
    purged_at: Timestamp,
    /// Why nothing is written any more.
    stopped: Option<String>,
}

impl Pen {
    fn run(mut self) {
        loop {
            self.waiting.retain(|waiting| !waiting.wake.is_closed());
            self.listening.store(!self.waiting.is_empty(), Ordering::Release);
            let next = self.inbox.next(self.pause());
            let paused = matches!(next, Next::Pause);
            match next {
                Next::Transaction(calls) => self.transact(calls),
                Next::Waiter(waiter) => self.receive(waiter),
                Next::Notice => self.relook = Some(0),
                Next::Pause => {}
                Next::Closed => return,
            }
            if self.waiting.is_empty() || self.stopped.is_some() {
                self.relook = None;
            } else {
                self.look(paused);
            }
        }
    }

    /// How long to sleep if nothing comes; for ever if nobody waits for jobs.
    fn pause(&self) -> Option<Duration> {
        match self.relook {
            Some(times) => Some(FIRST_RELOOK * 2u32.pow(times)),
            None if self.waiting.is_empty() => None,
            None => Some(LOOK),
        }
    }

    /// Does all calls in one transaction and answers them.
    fn transact(&mut self, mut calls: Vec<Call>) {
        let sync = if calls.iter().any(|call| call.class.sync == Sync::Full) { Sync::Full } else { Sync::Normal };
        self.check_identity(sync);
        if let Some(why) = &self.stopped {
            calls.into_iter().for_each(|call| call.work.answer(Some(fault::stopped(&self.path, why))));
            return;
        }
        match self.attempt(sync, &mut calls) {
            Ok(()) => calls.into_iter().for_each(|call| call.work.answer(None)),
            Err(error) => self.fail(calls, &error),
        }
        self.wake_for_stirred();
    }

    fn attempt(&mut self, sync: Sync, calls: &mut [Call]) -> Result<()> {
        let urgent = calls.iter().any(|call| call.class.urgent);
        self.store.transact(sync, self.clock.now().as_millis(), |store| {
            store.recover()?;
            calls.iter_mut().try_for_each(|call| call.work.run(store))?;
            if urgent { Ok(()) } else { store.purge() }
        })
    }

    /// If it may have been one call that could not be done, each gets a transaction of its own, so that the others do
    /// not suffer for it.
    fn fail(&mut self, calls: Vec<Call>, error: &rusqlite::Error) {
        self.note(error);
        if calls.len() > 1 && !fault::concerns_all(error) {
            calls.into_iter().for_each(|call| self.transact(vec![call]));
            return;
        }
        if calls.is_empty() {
            tracing::warn!(path = %self.path.display(), %error, "nothing is forgotten for now");
        }
        calls.into_iter().for_each(|call| call.work.answer(Some(fault::explain(error, &self.path))));
    }

    /// After some errors nothing is written any more.
    fn note(&mut self, error: &rusqlite::Error) {
        if fault::is_final(error) {
            self.stop(error.to_string());
        }
    }

    fn stop(&mut self, why: String) {
        tracing::error!(path = %self.path.display(), why, "the store stops");
        self.stopped = Some(why);
        // Whoever waits for jobs is let go, and learns from the next fetch what is wrong.
        self.waiting.clear();
    }

    /// A job accepted into a file that has no name any more would be lost.
    fn check_identity(&mut self, sync: Sync) {
        if sync == Sync::Full && self.stopped.is_none() && Identity::of(&self.path).ok().as_ref() != Some(&self.identity) {
            self.stop("the file was removed or replaced while it was in use".into());
        }
    }

    fn wake_for_stirred(&mut self) {
        let mut stirred = std::mem::take(&mut self.store.stirred);
        if self.waiting.is_empty() || stirred.is_empty() {
            return;
        }
        // If it cannot be read, all are woken, and see for themselves.
        if let Ok(paused) = paused(self.store.conn()) {
            stirred.forget_paused(&paused);
        }
        // Nor does anyone have to look before the rate allows more, who knows when that is.
        let opens_at = self.store.opens_at().ok().flatten();
        let is_known = |waiting: &Waiting| opens_at.is_some_and(|at| waiting.is_for_jobs() && waiting.due.is_some_and(|told| told <= at));
        if !stirred.is_empty() {
            // Dropped, they let go the one who waits.
            self.waiting.retain(|waiting| !stirred.touches(&waiting.wanted) || is_known(waiting));
        }
    }

    /// Takes in someone who waits, unless it has happened already.
    fn receive(&mut self, waiter: Waiter) {
        if self.stopped.is_some() {
            return;
        }
        self.start_listening();
        let Waiter { wanted, wake, next } = waiter;
        match self.outlook(&wanted) {
            Ok(Outlook::Later { due }) => {
                self.waiting.push(Waiting { wanted, due, wake });
                let _ = next.send(due);
                // A change may have been told of before anyone listened, and become readable only now.
                self.relook = Some(0);
            }
            // Dropped, it lets go the one who waits.
            Ok(Outlook::Now) => {}
            Err(error) => self.note(&error),
        }
    }

    /// From now on the system tells of changes.
    fn start_listening(&mut self) {
        self.listening.store(true, Ordering::Release);
        let now = self.clock.now();
        if self.notice.is_some() || self.deaf_until.is_some_and(|until| now < until) {
            return;
        }
        let inbox = Arc::clone(&self.inbox);
        match Notice::of(&self.path, Arc::clone(&self.listening), move || inbox.notice()) {
            Ok(notice) => self.notice = Some(notice),
            Err(error) => {
                if self.deaf_until.is_none() {
                    tracing::warn!(%error, "changes by other processes are seen once a second only");
                }
                self.deaf_until = Some(now.after(DEAF));
            }
        }
    }

    /// Looks whether another process has brought something, or the time has.
    fn look(&mut self, paused: bool) {
        let now = self.clock.now();
        let due = now.since(self.looked_at) >= LOOK || now < self.looked_at;
        match self.store.data_version() {
            Ok(version) if version != self.version => {
                self.version = version;
                // The notice may have been of a later change, which cannot be read yet.
                self.relook = self.relook.map(|_| 0);
            }
            Ok(_) if due => {}
            Ok(_) => {
                // Only a pause brings the next look nearer to the end: while it is busy, time does not pass.
                let passed = u32::from(paused);
                self.relook = self.relook.map(|times| times + passed).filter(|times| *times <= LAST_RELOOK);
                return;
            }
            Err(error) => self.note(&error),
        }
        self.looked_at = now;
        self.wake_for_found();
        if now.since(self.purged_at) >= PURGE {
            self.purged_at = now;
            self.transact(Vec::new());
        }
    }

    fn wake_for_found(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            match self.outlook(&waiting.wanted) {
                Ok(outlook) if outlook.is_known(waiting.due) => self.waiting.push(waiting),
                Ok(_) => {}
                Err(error) => self.note(&error),
            }
        }
    }

    fn outlook(&mut self, wanted: &Wanted) -> Result<Outlook> {
        self.store.now = self.clock.now().as_millis();
        self.store.outlook(wanted)
    }
}
