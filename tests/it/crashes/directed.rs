//! What has to happen at a chosen moment: a stop longer than the lease, a death under load, an orderly end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use goworker_tests::daemon::{Sandbox, wait_until};
use serde_json::{Value, json};

use super::fleet;
use crate::BINARY;

const LEASE: Duration = Duration::from_secs(2);

fn jobs(job_type: &str, first: usize, count: usize) -> Vec<Value> {
    (first..first + count).map(|n| json!({ "id": format!("job-{n}"), "type": job_type })).collect()
}

fn started(sandbox: &Sandbox) -> usize {
    fleet::runs(sandbox).values().map(Vec::len).sum()
}

/// A process is stopped for longer than its lease. Answers what is wrong then, if anything is.
pub(super) fn stop_beyond_the_lease(sandbox: &Sandbox) -> Result<(), String> {
    let stopped = fleet::start(sandbox);
    fleet::enqueue(sandbox, &jobs("ledger", 0, 4));
    wait_until("all four run", Duration::from_secs(20), || started(sandbox) == 4);
    stopped.signal("STOP");

    let other = fleet::start(sandbox);
    wait_until("the other process took them after the lease", Duration::from_secs(30), || started(sandbox) == 8);
    stopped.signal("CONT");
    wait_until("its runs have ended, too", Duration::from_secs(20), || {
        stopped.talk().contains("its result is refused") || fleet::runs(sandbox).values().flatten().all(|run| run.end.is_some())
    });
    fleet::all_done(sandbox, 4, Duration::from_secs(20));
    let before = fleet::records(sandbox);
    let outputs: BTreeSet<u64> = before.values().filter_map(|job| job["output"].as_u64()).collect();
    if outputs != BTreeSet::from([other.pid().into()]) {
        return Err(format!("jobs are settled by {outputs:?}, and {} has them, not {}", other.pid(), stopped.pid()));
    }
    let crashes: Vec<u64> = before.values().filter_map(|job| job["crashes"].as_u64()).collect();
    if crashes != [1; 4] {
        return Err(format!("one crash each, not {crashes:?}"));
    }
    wait_until("its results are refused", Duration::from_secs(20), || stopped.talk().matches("its result is refused").count() == 4);
    assert_eq!(fleet::records(sandbox), before, "a late result changes nothing");

    // It lives on, and takes jobs as before.
    fleet::terminate(other);
    fleet::enqueue(sandbox, &jobs("ledger", 4, 1));
    fleet::all_done(sandbox, 5, Duration::from_secs(20));
    fleet::terminate(stopped);
    Ok(())
}

/// Four jobs at once, longer than it takes to see them run.
pub(super) fn config(entry: &str) -> String {
    fleet::config(entry, 800, 30_000, 4)
}

fn what_a_stopped_process_had_is_taken_up(entry: &str) {
    let sandbox = fleet::sandbox(BINARY, &config(entry));
    assert_eq!(stop_beyond_the_lease(&sandbox), Ok(()));
}

#[test]
fn what_a_stopped_process_had_is_taken_up_and_its_late_results_are_refused_in_sqlite() {
    what_a_stopped_process_had_is_taken_up(&fleet::sqlite("2s"));
}

#[test]
fn what_a_stopped_process_had_is_taken_up_and_its_late_results_are_refused_on_redis() {
    what_a_stopped_process_had_is_taken_up(&fleet::redis(&fleet::server(), "2s"));
}

#[test]
fn what_a_killed_process_had_starts_elsewhere_within_the_lease_and_five_seconds() {
    let server = fleet::server();
    let sandbox = fleet::sandbox(BINARY, &fleet::config(&fleet::redis(&server, "2s"), 3, 30_000, 4));
    let mut killed = fleet::start(&sandbox);
    fleet::enqueue(&sandbox, &jobs("slow", 0, 4));
    wait_until("all four run", Duration::from_secs(20), || started(&sandbox) == 4);
    // It has looked, found nothing, and waits when the first one dies.
    let mut heir = fleet::start(&sandbox);
    fleet::enqueue(&sandbox, &jobs("ledger", 4, 1));
    wait_until("the short one is done", Duration::from_secs(20), || started(&sandbox) == 5);
    std::thread::sleep(LEASE);
    killed.kill();
    let died = Instant::now();
    wait_until("all four run again", Duration::from_secs(60), || started(&sandbox) == 9);
    let took = died.elapsed();
    assert!(took < LEASE + Duration::from_secs(5), "{took:?}");
    assert!(took > LEASE / 2, "within the lease nobody may have them: {took:?}");
    heir.kill();
}

/// A job whose process dies on it every time.
fn a_job_that_processes_die_on_is_a_dead_letter(entry: &str) {
    let config = fleet::config(entry, 3, 30_000, 4).replace("poison: 1000", "poison: 2");
    let sandbox = fleet::sandbox(BINARY, &config);
    fleet::enqueue(&sandbox, &jobs("slow", 0, 1));
    let mut pids = Vec::new();
    for nth in 1..=2 {
        let mut killed = fleet::start(&sandbox);
        pids.push(Some(u64::from(killed.pid())));
        wait_until("it runs", Duration::from_secs(20), || started(&sandbox) == nth);
        killed.kill();
    }
    let survivor = fleet::start(&sandbox);
    wait_until("it is dead, and its handler job done", Duration::from_secs(20), || {
        fleet::states(&sandbox) == BTreeMap::from([("dead".to_owned(), 1), ("done".to_owned(), 1)])
    });
    fleet::terminate(survivor);
    assert_eq!(fleet::runs(&sandbox)["job-0"].len(), 2, "it was not run again");
    let shown = sandbox.run(["jobs", "show", "jobs.ron", "job-0"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in ["  state        dead\n", "  crashes      2\n", "2 processes died on it, so it is not run again\n"] {
        assert!(shown.contains(line), "{shown}");
    }
    let shown = sandbox.run(["jobs", "show", "jobs.ron", "job-0", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let deaths = shown["jobs"][0]["deaths"].as_array().unwrap();
    assert_eq!(deaths.iter().map(|death| death["pid"].as_u64()).collect::<Vec<_>>(), pids, "{shown}");
    assert!(deaths.iter().all(|death| death["at"].is_string() && death["host"].is_string()), "{shown}");
}

#[test]
fn a_job_that_two_processes_died_on_is_a_dead_letter_that_tells_so_in_sqlite() {
    a_job_that_processes_die_on_is_a_dead_letter(&fleet::sqlite("2s"));
}

#[test]
fn a_job_that_two_processes_died_on_is_a_dead_letter_that_tells_so_on_redis() {
    a_job_that_processes_die_on_is_a_dead_letter(&fleet::redis(&fleet::server(), "2s"));
}

fn sigterm_under_load_loses_nothing_and_runs_nothing_twice(entry: &str) {
    let sandbox = fleet::sandbox(BINARY, &fleet::config(entry, 3, 30_000, 16));
    let mut accepted = 0;
    for _ in 0..3 {
        let mut daemon = fleet::start(&sandbox);
        fleet::enqueue(&sandbox, &jobs("ledger", accepted, 1_000));
        accepted += 1_000;
        let before = fleet::runs(&sandbox).len();
        wait_until("jobs run", Duration::from_secs(20), || fleet::runs(&sandbox).len() > before + 50);
        daemon.signal("TERM");
        let (code, took) = daemon.wait(Duration::from_secs(10));
        assert_eq!(code, Some(0), "{}", daemon.talk());
        assert!(took < Duration::from_secs(6), "grace and one second: {took:?}");
    }
    let last = fleet::start(&sandbox);
    fleet::all_done(&sandbox, accepted as u64, Duration::from_secs(120));
    fleet::terminate(last);
    let twice: Vec<_> = fleet::runs(&sandbox).into_iter().filter(|(_, runs)| runs.len() != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn sigterm_under_load_loses_nothing_and_runs_nothing_twice_in_sqlite() {
    sigterm_under_load_loses_nothing_and_runs_nothing_twice(&fleet::sqlite("30s"));
}

#[test]
fn sigterm_under_load_loses_nothing_and_runs_nothing_twice_on_redis() {
    sigterm_under_load_loses_nothing_and_runs_nothing_twice(&fleet::redis(&fleet::server(), "30s"));
}
