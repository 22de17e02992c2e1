//! Tells the threads that run scripts when to look at the time, and sees which of them never do.
//!
//! Luau asks at every step of a script whether to go on. To read the time there would cost more than the step, and to
//! read it every so many steps is too late when each is long. So one thread raises a flag for each of the others every
//! millisecond, and a step only looks at the flag. While no script runs, it sleeps.
//!
//! A flag that stays up means that its thread is in one long step. If a job of that thread is over, and should have been
//! taken off it, the thread is lost: nothing brings it back, so others must not wait for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How often the flags are raised.
const PERIOD: Duration = Duration::from_millis(1);
/// After so many periods without a script the ticker sleeps until it is woken.
const IDLE: u32 = 100;
/// After so many periods in one step a thread is lost, if a job waits to be taken off it. Periods are counted, not time:
/// when the whole process was stopped, nobody is to blame.
const LOST: u32 = 1_000;

/// Names a job among those that the threads of one worker have had. 0 is none.
pub(super) type Serial = u64;

/// One thread's flag, and what is known of the thread.
#[derive(Debug, Default)]
struct Flag {
    up: AtomicBool,
    watched: AtomicBool,
    /// Whether a job that is over is still on the thread.
    overdue: AtomicBool,
    /// The job that the thread runs.
    running: AtomicU64,
    /// Which script that is, if its job is over.
    script: Mutex<String>,
    lost: CancellationToken,
}

#[derive(Debug, Default)]
struct Shared {
    flags: Mutex<Vec<Weak<Flag>>>,
    asleep: AtomicBool,
    over: AtomicBool,
}

impl Shared {
    fn flags(&self) -> MutexGuard<'_, Vec<Weak<Flag>>> {
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that raises the flags. It ends when this and all signals are dropped.
#[derive(Debug, Clone)]
pub(super) struct Ticker(Arc<Owner>);

#[derive(Debug)]
struct Owner {
    thread: Thread,
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Ticker {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new().name("lua-ticker".into()).spawn(move || tick(&its))?;
        Ok(Ticker(Arc::new(Owner { thread: thread.thread().clone(), shared })))
    }

    /// A flag for one more thread: its own end of it, and the one for those who wait for the thread.
    pub(super) fn flag(&self) -> (Signal, Lookout) {
        let flag = Arc::new(Flag::default());
        self.0.shared.flags().push(Arc::downgrade(&flag));
        (Signal { flag: Arc::clone(&flag), ticker: self.clone() }, Lookout(flag))
    }
}

/// What a thread that runs scripts has of the ticker.
#[derive(Debug)]
pub(super) struct Signal {
    flag: Arc<Flag>,
    ticker: Ticker,
}

impl Signal {
    /// Whether it is time to look at the time.
    pub(super) fn is_up(&self) -> bool {
        self.flag.up.load(Ordering::Relaxed)
    }

    /// Takes the flag down, until the next period.
    pub(super) fn lower(&self) {
        self.flag.up.store(false, Ordering::Relaxed);
        self.flag.overdue.store(false, Ordering::Relaxed);
    }

    /// From now on the flag is needed, for this job.
    pub(super) fn watch(&self, job: Serial) {
        self.lower();
        self.flag.running.store(job, Ordering::Relaxed);
        self.flag.watched.store(true, Ordering::SeqCst);
        let Owner { thread, shared } = &*self.ticker.0;
        if shared.asleep.load(Ordering::SeqCst) {
            thread.unpark();
        }
    }

    /// The flag is not needed for now.
    pub(super) fn rest(&self) {
        self.flag.running.store(0, Ordering::Relaxed);
        self.flag.watched.store(false, Ordering::Relaxed);
    }
}

/// What others see of a thread that runs scripts.
#[derive(Debug, Clone)]
pub(super) struct Lookout(Arc<Flag>);

impl Lookout {
    /// A job of the thread is over, and the thread should have noticed.
    pub(super) fn overdue(&self, job: Serial, script: &str) {
        if self.running() == job {
            script.clone_into(&mut self.0.script.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.0.overdue.store(true, Ordering::Relaxed);
    }

    /// The job that the thread runs, or was lost with.
    pub(super) fn running(&self) -> Serial {
        self.0.running.load(Ordering::Relaxed)
    }

    /// Cancelled when the thread is lost.
    pub(super) fn lost(&self) -> &CancellationToken {
        &self.0.lost
    }
}

fn tick(shared: &Shared) {
    let mut flags: Vec<(Arc<Flag>, u32)> = Vec::new();
    let mut idle = 0;
    while !shared.over.load(Ordering::SeqCst) {
        thread::sleep(PERIOD);
        flags.retain(|(flag, _)| Arc::strong_count(flag) > 1 && !flag.lost.is_cancelled());
        flags.extend(shared.flags().drain(..).filter_map(|flag| flag.upgrade()).map(|flag| (flag, 0)));
        let mut watched = false;
        for (flag, late) in &mut flags {
            if !flag.watched.load(Ordering::SeqCst) {
                *late = 0;
                continue;
            }
            watched = true;
            *late = if flag.up.swap(true, Ordering::Relaxed) { *late + 1 } else { 0 };
            if *late >= LOST && flag.overdue.load(Ordering::Relaxed) {
                give_up(flag);
            }
        }
        idle = if watched { 0 } else { idle + 1 };
        if idle < IDLE {
            continue;
        }
        // Who begins to watch from here on sees that the ticker is asleep and wakes it; who began before is seen here.
        shared.asleep.store(true, Ordering::SeqCst);
        let any = flags.iter().any(|(flag, _)| flag.watched.load(Ordering::SeqCst)) || !shared.flags().is_empty();
        if !any && !shared.over.load(Ordering::SeqCst) {
            thread::park();
        }
        shared.asleep.store(false, Ordering::SeqCst);
        idle = 0;
    }
}

fn give_up(flag: &Flag) {
    let script = flag.script.lock().unwrap_or_else(PoisonError::into_inner).clone();
    tracing::error!(target: "goworker::job", script, "a script is in a step that nothing interrupts; its thread is abandoned");
    flag.lost.cancel();
}
