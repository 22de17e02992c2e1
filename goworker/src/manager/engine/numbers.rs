//! The numbers of the run, for who asks.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::queue::{QueueStats, State};

use super::super::lane::Lane;
use super::super::numbers::{Numbers, ProviderNumbers, WorkerNumbers};
use super::super::stop::Phase;
use super::Engine;

impl Engine {
    pub(super) fn tell_numbers(&self, answer: oneshot::Sender<Numbers>) {
        // Whoever has asked may have gone.
        let _unheard = answer.send(self.numbers());
    }

    fn numbers(&self) -> Numbers {
        let now = Instant::now();
        let mut busy = vec![0; self.pools.len()];
        self.running.values().for_each(|running| busy[running.pool] += 1);
        let worker = |(index, pool): (usize, &super::Pool)| WorkerNumbers {
            job_type: pool.job_type.clone(),
            slots: pool.slots.total,
            busy: busy[index],
            quiet: now.duration_since(self.last_started[index]),
            durations: self.histograms[index].clone(),
        };
        let provider = |(lane, stored): (&Lane, &Option<QueueStats>)| ProviderNumbers {
            name: lane.name.clone(),
            away: lane.away_since.map(|since| now.duration_since(since)),
            rest: lane.rest,
            oldest_ready: stored.as_ref().and_then(|stored| stored.oldest_ready).map(|ready| self.rulebook.clock.now().since(ready)),
            stored: stored.clone(),
            waiting: lane.waiting.iter().map(|(job_type, since)| (job_type.clone(), now.duration_since(*since))).collect(),
        };
        Numbers {
            uptime: now.duration_since(self.began),
            stopping: self.phase != Phase::Running,
            stats: self.stats(),
            workers: self.pools.iter().enumerate().map(worker).collect(),
            providers: self.lanes.iter().zip(&self.census).map(provider).collect(),
        }
    }

    /// Notes of which types jobs wait that could run here.
    pub(super) fn note_waiting(&mut self, lane: usize, stats: &QueueStats) {
        let is_ready = |job_type: &str| {
            let is_it = |count: &&crate::queue::Count| count.job_type == job_type && count.state == State::Ready && count.jobs > 0;
            stats.counts.iter().any(|count| is_it(&count) && !stats.paused.keeps_back(count))
        };
        let ready: Vec<_> = self.pools.iter().map(|pool| &pool.job_type).filter(|job_type| is_ready(job_type)).cloned().collect();
        let waiting = &mut self.lanes[lane].waiting;
        waiting.retain(|job_type, _| ready.contains(job_type));
        for job_type in ready {
            waiting.entry(job_type).or_insert_with(Instant::now);
        }
    }
}
