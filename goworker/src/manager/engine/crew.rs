//! Job code on the work runtime. Jobs that start together wake it once, and those of them that end at once wake the engine once: with jobs
//! that take microseconds, waking each other would be most of what two runtimes do.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{AbortHandle, Abortable};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::outcome::WorkResult;

/// How long those that end at once may take until they are looked for.
const GATHERED: Duration = Duration::from_millis(5);

/// Names a run of a job's code in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RunId(u64);

/// How a run ended.
#[derive(Debug)]
pub(super) enum End {
    /// With its result, after so long.
    Returned(WorkResult, Duration),
    /// With a panic that said this.
    Panicked(String),
    /// It was dropped.
    Aborted,
}

/// Drops what runs when it is dropped.
#[derive(Debug)]
pub(super) struct Hold(AbortHandle);

impl Hold {
    /// Drops the run's future as soon as it lets go of its thread.
    pub(super) fn abort(&self) {
        self.0.abort();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// All that runs, and what has ended.
pub(super) struct Crew {
    runtime: Handle,
    runs: u64,
    /// What starts next, together.
    wave: Vec<Run>,
    ends: Arc<Ends>,
}

struct Run {
    id: RunId,
    work: Abortable<Pin<Box<dyn Future<Output = WorkResult> + Send>>>,
}

#[derive(Default)]
struct Ends {
    waiting: Mutex<VecDeque<(RunId, End)>>,
    told: Notify,
    /// Waves that have begun and not told yet of those that ended at once.
    gathering: AtomicUsize,
}

impl Crew {
    pub(super) fn new(runtime: Handle) -> Self {
        Crew { runtime, runs: 0, wave: Vec::new(), ends: Arc::default() }
    }

    /// Takes on work that begins at the next [`go`](Crew::go).
    pub(super) fn take_on(&mut self, work: impl Future<Output = WorkResult> + Send + 'static) -> (RunId, Hold) {
        self.runs += 1;
        let id = RunId(self.runs);
        let (abort, registration) = AbortHandle::new_pair();
        self.wave.push(Run { id, work: Abortable::new(Box::pin(work), registration) });
        (id, Hold(abort))
    }

    /// Lets what was taken on begin.
    pub(super) fn go(&mut self) {
        if self.wave.is_empty() {
            return;
        }
        let (wave, ends) = (std::mem::take(&mut self.wave), Arc::clone(&self.ends));
        ends.gathering.fetch_add(1, Ordering::SeqCst);
        self.runtime.spawn(async move {
            for run in wave {
                tokio::spawn(run.go(Arc::clone(&ends)));
            }
            // By the time this goes on, what does not wait for anything has ended.
            tokio::task::yield_now().await;
            ends.gathering.fetch_sub(1, Ordering::SeqCst);
            ends.tell_if_any();
        });
    }

    /// The next that has ended.
    pub(super) fn next_end(&self) -> Option<(RunId, End)> {
        self.ends.waiting().pop_front()
    }

    /// Returns when something may have ended since this was asked last.
    pub(super) fn any_end(&self) -> impl Future<Output = ()> + Send + use<> {
        let ends = Arc::clone(&self.ends);
        async move {
            let told = ends.told.notified();
            match ends.gathering.load(Ordering::SeqCst) {
                0 => told.await,
                // Code that blocks a thread of the runtime keeps whoever gathers there waiting, too.
                _ => drop(tokio::time::timeout(GATHERED, told).await),
            }
        }
    }
}

impl Run {
    async fn go(self, ends: Arc<Ends>) {
        let Run { id, work } = self;
        // In the hands of a value that tells in any case, even if the work panics when it is dropped.
        let mut report = Report { id, end: Some(End::Aborted), ends };
        let began = Instant::now();
        report.end = Some(match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(result)) => End::Returned(result, began.elapsed()),
            Ok(Err(_aborted)) => End::Aborted,
            Err(payload) => End::Panicked(panic_text(payload)),
        });
    }
}

/// Tells the engine of an end when it is dropped.
struct Report {
    id: RunId,
    end: Option<End>,
    ends: Arc<Ends>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let end = match self.end.take() {
            Some(End::Aborted) | None if std::thread::panicking() => End::Panicked("it panicked when it was dropped".to_owned()),
            end => end.unwrap_or(End::Aborted),
        };
        self.ends.waiting().push_back((self.id, end));
        // Else whoever gathers looks after this.
        if self.ends.gathering.load(Ordering::SeqCst) == 0 {
            self.ends.told.notify_one();
        }
    }
}

impl Ends {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<(RunId, End)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_if_any(&self) {
        if !self.waiting().is_empty() {
            self.told.notify_one();
        }
    }
}

/// What a panic said.
pub(super) fn panic_text(payload: Box<dyn Any + Send>) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "without a message".to_owned(),
    }
}
