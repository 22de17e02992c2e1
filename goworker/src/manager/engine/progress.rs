//! How far running jobs are: queues are told once a second at most, of all jobs together, and only if there is something new.

use std::time::Duration;

use crate::progress::Progressed;
use crate::provider::ProviderError;

use super::{Answer, Engine, Timer};

/// How long to wait for more before queues are told.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the telling stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Telling {
    /// There is nothing to tell.
    #[default]
    Nothing,
    /// A timer is set.
    Later,
    /// So many queues are being told.
    Now(usize),
}

impl Engine {
    /// A job has told how far it is.
    pub(super) fn progressed(&mut self) {
        self.telling = Telling::Later;
        self.set_timer(PAUSE, Timer::Progress);
    }

    pub(super) fn tell_progress(&mut self) {
        let mut told: Vec<Vec<Progressed>> = vec![Vec::new(); self.lanes.len()];
        for running in self.running.values().filter(|running| !running.stuck) {
            if let Some(progress) = running.progress() {
                told[running.lane].push(Progressed { token: running.token, handle: running.delivery.handle, progress });
            }
        }
        let mut asked = 0;
        for (lane, told) in told.into_iter().enumerate().filter(|(_, told)| !told.is_empty()) {
            if let Some(queue) = self.lanes[lane].queue.clone() {
                self.call(lane, async move { Answer::ProgressNoted { result: queue.note_progress(&told).await } });
                asked += 1;
            }
        }
        self.telling = if asked > 0 { Telling::Now(asked) } else { Telling::Nothing };
    }

    pub(super) fn progress_noted(&mut self, lane: usize, result: Result<(), ProviderError>) {
        if let Err(error) = result {
            // Nothing depends on it, and the job tells again.
            tracing::debug!(target: "goworker::manager", provider = %self.lanes[lane].name, "progress is not noted: {error}");
        }
        self.telling = match self.telling {
            Telling::Now(missing) if missing > 1 => Telling::Now(missing - 1),
            _ => Telling::Nothing,
        };
    }
}
