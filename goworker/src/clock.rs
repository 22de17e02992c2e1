//! Time and randomness, injected: nothing else in the crate reads a clock or draws a number.

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tokio::sync::OwnedMutexGuard;

/// An instant on the wall clock, in milliseconds since 1970 (UTC). Text form: RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant that lies `millis` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `duration` later, at most the last one that can be told.
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }

    /// The instant `duration` earlier.
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_sub(millis))
    }

    /// The time from `earlier` to `self`, zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            // Beyond the year 9999 there is no RFC 3339 form.
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl std::str::FromStr for Timestamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse::<jiff::Timestamp>()
            .map(|instant| Timestamp(instant.as_millisecond()))
            .map_err(|_| format!("`{text}` is not an instant; write RFC 3339, such as \"2026-11-24T03:00:00Z\""))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Tells the wall-clock time: the system's, or one of its own for tests.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Own(Arc<Own>),
}

/// A clock that tests have in hand. Clones share it.
#[derive(Debug)]
struct Own {
    epoch: Timestamp,
    /// When it showed the epoch, if it runs at all.
    origin: Option<tokio::time::Instant>,
    /// How far it was moved by hand, in milliseconds.
    moved: AtomicI64,
    /// Whose turn it is to work outside of the runtime.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// After so many rounds of a runtime, all that could be done without time passing has been done: the longest chain,
/// from the end of a job to the start of the next, has about ten links.
const ROUNDS: usize = 100;

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Clock(Source::System)
    }

    /// A clock that shows `epoch` now and advances with tokio's time, so that a paused runtime pauses it too.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Clock::own(epoch, Some(tokio::time::Instant::now()))
    }

    /// A clock that shows `time` until it is [moved](Clock::shift).
    pub fn stopped_at(time: Timestamp) -> Self {
        Clock::own(time, None)
    }

    fn own(epoch: Timestamp, origin: Option<tokio::time::Instant>) -> Self {
        Clock(Source::Own(Arc::new(Own { epoch, origin, moved: AtomicI64::new(0), turn: Arc::default() })))
    }

    /// Moves this clock and its clones, forwards or backwards, as those do who set one. Wakes nobody who waits. The
    /// system's clock is not ours to move: it stays.
    pub fn shift(&self, millis: i64) {
        if let Source::Own(own) = &self.0 {
            own.moved.fetch_add(millis, Ordering::SeqCst);
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Own(own) => {
                let Timestamp(shown) = own.epoch.after(own.origin.map_or(Duration::ZERO, |origin| origin.elapsed()));
                Timestamp(shown.saturating_add(own.moved.load(Ordering::SeqCst)))
            }
        }
    }

    /// Begins work outside of the runtime. With a clock of its own that runs, it begins when all else that is ready has
    /// been done; until the answer is dropped, the clock stands still, and others who want to begin wait. So what
    /// happens has one order. The system's clock does not care.
    pub async fn foreign_work(&self) -> ForeignWork {
        let Source::Own(own) = &self.0 else { return ForeignWork(None) };
        let turn = Arc::clone(&own.turn).lock_owned().await;
        let (held, released) = std::sync::mpsc::channel::<Infallible>();
        // A paused runtime does not advance its clock as long as a blocking task is under way. This one ends, with an
        // error that means nothing, when the other end of its channel is dropped.
        tokio::task::spawn_blocking(move || released.recv());
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
        }
        ForeignWork(Some((held, turn)))
    }
}

/// Work outside of the runtime is under way: see [`Clock::foreign_work`].
#[derive(Debug)]
#[must_use = "the work is over when this is dropped"]
pub struct ForeignWork(#[allow(dead_code, reason = "kept for its drop")] Option<(Sender<Infallible>, OwnedMutexGuard<()>)>);

/// A source of randomness: jitter and ids come from here. Clones share one stream.
#[derive(Debug, Clone)]
pub struct Random(Arc<Mutex<fastrand::Rng>>);

impl Random {
    /// Seeded by the operating system.
    pub fn system() -> Self {
        Random(Arc::new(Mutex::new(fastrand::Rng::new())))
    }

    /// A stream that is the same for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Random(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(&self) -> f64 {
        self.with(fastrand::Rng::f64)
    }

    /// 128 random bits.
    pub fn bits(&self) -> u128 {
        self.with(|rng| rng.u128(..))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
