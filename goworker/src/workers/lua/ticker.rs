//! Tells the threads that run scripts when to look at the time.
//!
//! Luau asks at every step of a script whether to go on. To read the time there would cost more than the step, and to
//! read it every so many steps is too late when each is long. So one thread raises a flag for each of the others every
//! millisecond, and a step only looks at the flag. While no script runs, it sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// How often the flags are raised.
const PERIOD: Duration = Duration::from_millis(1);
/// After so many periods without a script the ticker sleeps until it is woken.
const IDLE: u32 = 100;

/// One thread's flag, and whether it is needed.
#[derive(Debug, Default)]
struct Flag {
    up: AtomicBool,
    watched: AtomicBool,
}

/// The thread that raises the flags. It ends when the last [`Signal`] is dropped.
#[derive(Debug)]
struct Ticker {
    thread: Thread,
    asleep: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// What a thread that runs scripts has of the ticker.
#[derive(Debug)]
pub(super) struct Signal {
    flag: Arc<Flag>,
    ticker: Arc<Ticker>,
}

/// Starts a ticker for `count` threads.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(count: usize) -> std::io::Result<Vec<Signal>> {
    let flags: Vec<Arc<Flag>> = (0..count).map(|_| Arc::default()).collect();
    let (asleep, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (its_flags, its_asleep, its_over) = (flags.clone(), Arc::clone(&asleep), Arc::clone(&over));
    let thread = thread::Builder::new().name("lua-ticker".into()).spawn(move || tick(&its_flags, &its_asleep, &its_over))?;
    let ticker = Arc::new(Ticker { thread: thread.thread().clone(), asleep, over });
    Ok(flags.into_iter().map(|flag| Signal { flag, ticker: Arc::clone(&ticker) }).collect())
}

impl Signal {
    /// Whether it is time to look at the time.
    pub(super) fn is_up(&self) -> bool {
        self.flag.up.load(Ordering::Relaxed)
    }

    /// Takes the flag down, until the next period.
    pub(super) fn lower(&self) {
        self.flag.up.store(false, Ordering::Relaxed);
    }

    /// From now on the flag is needed.
    pub(super) fn watch(&self) {
        self.lower();
        self.flag.watched.store(true, Ordering::SeqCst);
        if self.ticker.asleep.load(Ordering::SeqCst) {
            self.ticker.thread.unpark();
        }
    }

    /// The flag is not needed for now.
    pub(super) fn rest(&self) {
        self.flag.watched.store(false, Ordering::Relaxed);
    }
}

fn tick(flags: &[Arc<Flag>], asleep: &AtomicBool, over: &AtomicBool) {
    let watched = |flag: &&Arc<Flag>| flag.watched.load(Ordering::SeqCst);
    let mut idle = 0;
    while !over.load(Ordering::SeqCst) {
        thread::sleep(PERIOD);
        let raised = flags.iter().filter(watched).inspect(|flag| flag.up.store(true, Ordering::Relaxed)).count();
        idle = if raised > 0 { 0 } else { idle + 1 };
        if idle < IDLE {
            continue;
        }
        // Who begins to watch from here on sees that the ticker is asleep and wakes it; who began before is seen here.
        asleep.store(true, Ordering::SeqCst);
        if !flags.iter().any(|flag| watched(&flag)) && !over.load(Ordering::SeqCst) {
            thread::park();
        }
        asleep.store(false, Ordering::SeqCst);
        idle = 0;
    }
}
