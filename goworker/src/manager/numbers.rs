//! All numbers of a run at one moment: what metrics, statistics and health are made of. The engine owns them, and is asked.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::queue::QueueStats;

use super::stats::Stats;

/// The numbers of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    /// For how long it runs.
    pub(super) uptime: Duration,
    /// Whether its end was asked for.
    pub(super) stopping: bool,
    /// What it has done.
    pub(super) stats: Stats,
    /// In the order of the configuration.
    pub(super) workers: Vec<WorkerNumbers>,
    /// Those that jobs run from, in the order of the configuration.
    pub(super) providers: Vec<ProviderNumbers>,
}

/// One type of job.
#[derive(Debug, Clone)]
pub(super) struct WorkerNumbers {
    pub(super) job_type: Arc<str>,
    pub(super) slots: usize,
    /// Slots that a job has.
    pub(super) busy: usize,
    /// For how long no job of it has started.
    pub(super) quiet: Duration,
    /// How long attempts took.
    pub(super) durations: Histogram,
}

/// One provider that jobs run from.
#[derive(Debug, Clone)]
pub(super) struct ProviderNumbers {
    pub(super) name: Arc<str>,
    /// For how long its calls have failed.
    pub(super) away: Option<Duration>,
    /// For how long its rate may let nothing start.
    pub(super) rest: Duration,
    /// What it stores, if it does, at the last look. Looks come twice a minute.
    pub(super) stored: Option<QueueStats>,
    /// How long ago its oldest ready job became ready.
    pub(super) oldest_ready: Option<Duration>,
    /// Types of which jobs were ready at each look, and for how long.
    pub(super) waiting: Vec<(Arc<str>, Duration)>,
}

/// How many attempts took how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    /// By bound, the last for those beyond all of them.
    counts: [u64; Histogram::BOUNDS.len() + 1],
    pub(super) sum: Duration,
}

impl Histogram {
    /// Upper bounds, in milliseconds.
    pub(super) const BOUNDS: [u64; 15] = [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000];

    pub(super) fn note(&mut self, duration: Duration) {
        let bucket = Histogram::BOUNDS.iter().position(|bound| duration <= Duration::from_millis(*bound));
        self.counts[bucket.unwrap_or(Histogram::BOUNDS.len())] += 1;
        self.sum = self.sum.saturating_add(duration);
    }

    /// How many took as long as each bound at most.
    pub(super) fn cumulated(&self) -> impl Iterator<Item = (Duration, u64)> {
        let add = |sum: &mut u64, (bound, count): (&u64, &u64)| {
            *sum += count;
            Some((Duration::from_millis(*bound), *sum))
        };
        Histogram::BOUNDS.iter().zip(&self.counts).scan(0, add)
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Asks for the numbers.
#[derive(Debug, Clone)]
pub(super) struct Asker(mpsc::Sender<oneshot::Sender<Numbers>>);

/// Where the questions come.
pub(super) type Asked = mpsc::Receiver<oneshot::Sender<Numbers>>;

/// How long the engine may take to answer. A turn of its loop takes no time.
const PATIENCE: Duration = Duration::from_secs(2);

impl Asker {
    pub(super) fn new() -> (Self, Asked) {
        let (sender, asked) = mpsc::channel(64);
        (Asker(sender), asked)
    }

    /// The numbers; `None` if the loop that has them does not answer: then it does not turn.
    pub(super) async fn ask(&self) -> Option<Numbers> {
        let (answer, numbers) = oneshot::channel();
        let asked = async {
            self.0.send(answer).await.ok()?;
            numbers.await.ok()
        };
        timeout(PATIENCE, asked).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_duration_once_and_up_to_its_bound() {
        let mut histogram = Histogram::default();
        [0, 1, 2, 300_000, 300_001].into_iter().for_each(|millis| histogram.note(Duration::from_millis(millis)));
        let counts: Vec<u64> = histogram.cumulated().map(|(_, count)| count).collect();
        assert_eq!((counts[0], counts[1], counts[13], counts[14], histogram.count()), (2, 3, 3, 4, 5));
        assert_eq!(histogram.sum, Duration::from_millis(600_004));
    }
}
