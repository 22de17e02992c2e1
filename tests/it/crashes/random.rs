//! Kills at random moments, and the sum at the end: accepted = done + dead.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use goworker_tests::daemon::Sandbox;
use goworker_tests::redis_server::RedisServer;
use serde_json::json;

use super::fleet::{self, Fleet};
use super::ledger::{Blows, Run, wrong_with};
use crate::BINARY;

/// What to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) processes: usize,
    pub(super) kills: u64,
    pub(super) seed: u64,
    pub(super) lease: Duration,
    /// Of so many batches of jobs, one has a slow job.
    pub(super) slow: u8,
}

impl Plan {
    /// As the environment says. The lease is one that a busy machine can keep.
    fn told(processes: usize) -> Self {
        let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse().expect("a number"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let (kills, seed) = (number("GOWORKER_KILLS").unwrap_or(20), number("GOWORKER_SEED").unwrap_or(now.into()));
        Plan { processes, kills, seed, lease: Duration::from_secs(5), slow: 8 }
    }

    pub(super) fn lease(&self) -> String {
        format!("{}s", self.lease.as_secs())
    }

    /// Slow jobs outlast a lease that is not renewed.
    fn takes_slow(&self) -> Duration {
        self.lease.mul_f64(1.5)
    }

    /// For a queue of this entry.
    pub(super) fn config(&self, entry: &str) -> String {
        fleet::config(entry, 3, self.takes_slow().as_millis(), 16)
    }
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Report {
    plan: Plan,
    blows: Blows,
    /// Handler jobs of dead letters included.
    accepted: usize,
    done: usize,
    dead: usize,
    /// Ran again though they had not failed.
    repeated: usize,
    /// Accepted, and not there.
    pub(super) lost: Vec<String>,
    /// There, and neither done nor dead though nothing moves any more.
    pub(super) stuck: Vec<String>,
    /// What is wrong with others, and their runs.
    pub(super) unexplained: BTreeMap<String, (&'static str, Vec<Run>)>,
}

impl Report {
    pub(super) fn is_as_promised(&self) -> bool {
        self.accepted == self.done + self.dead && self.lost.is_empty() && self.stuck.is_empty() && self.unexplained.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { plan, blows, accepted, done, dead, repeated, lost, stuck, unexplained } = self;
        let (deaths, outages) = (blows.deaths.len(), blows.outages.len());
        writeln!(f, "seed {}: {} kills, of {deaths} processes and {outages} times of the server", plan.seed, plan.kills)?;
        writeln!(f, "accepted {accepted} = done {done} + dead {dead}; lost {}, stuck {}", lost.len(), stuck.len())?;
        write!(f, "{repeated} ran again because of a kill; unexplained: {}", unexplained.len())?;
        [("lost", lost), ("stuck", stuck)]
            .iter()
            .try_for_each(|(what, ids)| ids.iter().take(5).try_for_each(|id| write!(f, "\n{what}: {id}")))?;
        unexplained.iter().take(5).try_for_each(|(id, (what, runs))| write!(f, "\n{id}: {what}: {runs:?}"))?;
        if self.is_as_promised() { Ok(()) } else { write!(f, "\n{blows:?}") }
    }
}

/// Starts processes and a producer, strikes at random moments, lets what is left come to its end, and looks.
pub(super) fn crash_run(sandbox: &Sandbox, server: Option<&mut RedisServer>, plan: Plan) -> Report {
    println!("seed {}, {} kills", plan.seed, plan.kills);
    let mut random = Rng::with_seed(plan.seed);
    let mut fleet = Fleet::start(sandbox, plan.processes, server);
    let over = AtomicBool::new(false);
    let accepted = std::thread::scope(|scope| {
        let of_producer = random.fork();
        let producer = scope.spawn(|| produce(sandbox, of_producer, plan.slow, &over));
        for _ in 0..plan.kills {
            std::thread::sleep(Duration::from_millis(random.u64(100..1_500)));
            fleet.strike(&mut random);
        }
        over.store(true, Ordering::Relaxed);
        producer.join().expect("the producer does not panic")
    });
    settle_down(sandbox, &plan);
    let blows = fleet.terminate();
    look(sandbox, plan, blows, accepted)
}

/// Enqueues jobs until it is over. Answers the ids that were accepted, and which of them are to die.
///
/// A batch whose producer was told that the store is away may have been accepted all the same: it is sent again.
fn produce(sandbox: &Sandbox, mut random: Rng, slow: u8, over: &AtomicBool) -> BTreeMap<String, bool> {
    let mut accepted = BTreeMap::new();
    while !over.load(Ordering::Relaxed) {
        let first = accepted.len();
        let jobs: Vec<_> = (first..first + random.usize(20..150))
            .map(|n| {
                let name = ["fail", "fail once", "succeed"][random.usize(0..30).min(2)];
                // Few, so that their slots are enough.
                let job_type = if n == 0 || (n == first && random.u8(0..slow) == 0) { "slow" } else { "ledger" };
                json!({ "id": format!("job-{n}"), "type": job_type, "name": name })
            })
            .collect();
        while !fleet::try_to_enqueue(sandbox, &jobs) {}
        accepted.extend(jobs.iter().map(|job| (job["id"].as_str().unwrap().to_owned(), job["name"] == "fail")));
        std::thread::sleep(Duration::from_millis(random.u64(50..500)));
    }
    accepted
}

/// Waits until every job has ended, or nothing has moved for longer than leases last.
fn settle_down(sandbox: &Sandbox, plan: &Plan) {
    let patience = 2 * plan.lease + plan.takes_slow();
    let (mut before, mut since) = (BTreeMap::new(), Instant::now());
    while since.elapsed() < patience {
        let states = fleet::states(sandbox);
        let ended: u64 = ["done", "dead"].iter().filter_map(|state| states.get(*state)).sum();
        if ended == states.values().sum::<u64>() {
            return;
        }
        if states != before {
            (before, since) = (states, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Holds what the queue says and what the ledger says against what was accepted.
fn look(sandbox: &Sandbox, plan: Plan, blows: Blows, mut accepted: BTreeMap<String, bool>) -> Report {
    let (records, runs) = (fleet::records(sandbox), fleet::runs(sandbox));
    // A job that dies and its handler job are one step.
    let handlers = accepted.keys().filter(|id| records.get(*id).is_some_and(|record| record["state"] == "dead"));
    let handlers: Vec<_> = handlers.map(|id| (format!("{id}:attic"), false)).collect();
    accepted.extend(handlers);
    let is_repeated = |runs: &&Vec<Run>| runs.iter().rev().skip(1).any(|run| !run.failed);
    let repeated = runs.values().filter(is_repeated).count();
    let (lost, stuck, unexplained) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut report = Report { plan, blows, accepted: accepted.len(), done: 0, dead: 0, repeated, lost, stuck, unexplained };
    let lease = i64::try_from(report.plan.lease.as_millis()).unwrap();
    for (id, dies) in &accepted {
        let Some(record) = records.get(id) else {
            report.lost.push(id.clone());
            continue;
        };
        let died = match record["state"].as_str().unwrap() {
            "done" => false,
            "dead" => true,
            _ => {
                report.stuck.push(id.clone());
                continue;
            }
        };
        *(if died { &mut report.dead } else { &mut report.done }) += 1;
        let its = runs.get(id).map_or(&[][..], Vec::as_slice);
        let counted = record["attempt"].as_u64().unwrap() + record["crashes"].as_u64().unwrap();
        let wrong = wrong_with(its, died, &report.blows, lease)
            .or((died != *dies).then_some("it did not end as its producer wanted"))
            .or((its.len() as u64 > counted).then_some("it ran more often than attempts and crashes were counted"));
        if let Some(wrong) = wrong {
            report.unexplained.insert(id.clone(), (wrong, its.to_vec()));
        }
    }
    let strange = records.keys().chain(runs.keys()).filter(|id| !accepted.contains_key(*id));
    report.unexplained.extend(strange.map(|id| (id.clone(), ("nobody was told that it is accepted", Vec::new()))));
    report
}

fn check(report: &Report) {
    println!("{report}");
    assert!(report.is_as_promised(), "{report}");
}

#[test]
fn kill_9_at_random_moments_loses_nothing_in_sqlite() {
    let plan = Plan::told(1);
    let sandbox = fleet::sandbox(BINARY, &plan.config(&fleet::sqlite(&plan.lease())));
    check(&crash_run(&sandbox, None, plan));
}

#[test]
fn kill_9_of_processes_and_of_redis_at_random_moments_loses_nothing() {
    let (plan, mut server) = (Plan::told(3), fleet::server());
    let sandbox = fleet::sandbox(BINARY, &plan.config(&fleet::redis(&server, &plan.lease())));
    check(&crash_run(&sandbox, Some(&mut server), plan));
}
