//! Whether a run does what it is for: decisions about its numbers.

use std::time::Duration;

use crate::units::Dur;

use super::numbers::{Numbers, ProviderNumbers, WorkerNumbers};

/// How long jobs may wait beside free slots, and how long a provider may be away, until that is no matter of chance.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a run takes no jobs, if so: it stops, or what it takes them from is away.
pub(super) fn not_ready(numbers: &Numbers) -> Vec<String> {
    let stopping = numbers.stopping.then(|| "the end was asked for".to_owned());
    let away = |provider: &ProviderNumbers| provider.away.map(|away| format!("`{}` is away for {}", provider.name, seconds(away)));
    stopping.into_iter().chain(numbers.providers.iter().filter_map(away)).collect()
}

/// Why a run does not consume, if so: jobs wait, slots are free, and nothing has started for a while; or nobody knows, because the
/// provider is away for as long. A run that stops is not asked to.
pub(super) fn not_consuming(numbers: &Numbers) -> Vec<String> {
    if numbers.stopping {
        return Vec::new();
    }
    numbers.providers.iter().flat_map(|provider| stalled(provider, &numbers.workers)).collect()
}

fn stalled(provider: &ProviderNumbers, workers: &[WorkerNumbers]) -> Vec<String> {
    if let Some(away) = provider.away.filter(|away| *away >= PATIENCE) {
        return vec![format!("`{}` is away for {}", provider.name, seconds(away))];
    }
    let patience = PATIENCE + provider.rest;
    let is_stalled = |worker: &&WorkerNumbers| {
        let waits = provider.waiting.iter().any(|(job_type, waiting)| *job_type == worker.job_type && *waiting >= patience);
        waits && worker.busy < worker.slots && worker.quiet >= patience
    };
    let told = |worker: &WorkerNumbers| {
        let WorkerNumbers { job_type, slots, busy, quiet, .. } = worker;
        format!(
            "`{}` has jobs of type `{job_type}`, {} of {slots} slots are free, and none has started for {}",
            provider.name,
            slots - busy,
            seconds(*quiet)
        )
    };
    workers.iter().filter(is_stalled).map(told).collect()
}

fn seconds(duration: Duration) -> Dur {
    Dur::secs(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// One type with 4 slots, of which jobs wait in one queue, as given in minutes.
    fn numbers(waiting: Option<u32>, busy: usize, quiet: u32) -> Numbers {
        let worker = WorkerNumbers { job_type: "lua".into(), slots: 4, busy, quiet: MINUTE * quiet, durations: Default::default() };
        let provider = ProviderNumbers {
            name: "jobs".into(),
            away: None,
            rest: Duration::ZERO,
            stored: None,
            oldest_ready: None,
            waiting: waiting.map(|minutes| ("lua".into(), MINUTE * minutes)).into_iter().collect(),
        };
        Numbers { workers: vec![worker], providers: vec![provider], ..Numbers::default() }
    }

    fn consumes(numbers: &Numbers) -> bool {
        not_consuming(numbers).is_empty()
    }

    #[test]
    fn a_run_that_leaves_jobs_waiting_beside_free_slots_does_not_consume() {
        assert_eq!(
            not_consuming(&numbers(Some(2), 1, 3)),
            ["`jobs` has jobs of type `lua`, 3 of 4 slots are free, and none has started for 3m"]
        );
        assert!(consumes(&numbers(None, 0, 100)), "nothing waits");
        assert!(consumes(&numbers(Some(2), 4, 100)), "all slots are taken");
        assert!(consumes(&numbers(Some(100), 0, 0)), "jobs start");
        assert!(consumes(&numbers(Some(0), 0, 100)), "they have come just now");
        assert!(consumes(&Numbers { stopping: true, ..numbers(Some(2), 0, 3) }), "it stops");
    }

    #[test]
    fn a_rate_may_let_nothing_start_for_its_window() {
        let mut rated = numbers(Some(59), 0, 59);
        rated.providers[0].rest = MINUTE * 60;
        assert!(consumes(&rated));
        rated.providers[0].waiting[0].1 = MINUTE * 61;
        rated.workers[0].quiet = MINUTE * 61;
        assert!(!consumes(&rated));
    }

    #[test]
    fn a_provider_that_is_away_makes_a_run_unready_at_once_and_unhealthy_later() {
        let mut away = numbers(None, 0, 0);
        away.providers[0].away = Some(Duration::from_secs(5));
        assert_eq!((not_ready(&away), consumes(&away)), (vec!["`jobs` is away for 5s".to_owned()], true));
        away.providers[0].away = Some(MINUTE);
        assert!(!consumes(&away));
        assert_eq!(not_ready(&Numbers { stopping: true, ..Numbers::default() }), ["the end was asked for"]);
        assert!(not_ready(&numbers(Some(9), 0, 9)).is_empty());
    }
}
