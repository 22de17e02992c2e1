//! `kill -9`, SIGSTOP and SIGTERM under load: every accepted job runs and is settled, and only jobs in flight run twice.
//!
//! The number of kills is taken from `GOWORKER_KILLS` (20 if absent), the seed from `GOWORKER_SEED`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use goworker::Clock;
use goworker_tests::daemon::{Daemon, Sandbox, wait_until};

use crate::BINARY;

fn config(millis: u64, slots: usize, lease: &str) -> String {
    format!(
        r#"(
    providers: {{ "jobs": sqlite(path: "jobs.db", lease: "{lease}", keep: (done: (age: "1h", count: 10000000))) }},
    workers: {{ "ledger": ledger(path: "ledger.txt", millis: {millis}, concurrency: {slots}) }},
    poison: 1000,
    shutdown: (grace: "5s"),
)"#
    )
}

/// One run of a job, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: i64,
    end: Option<i64>,
}

/// What the ledger says of each job, when one process at a time runs jobs.
fn ledger(sandbox: &Sandbox) -> BTreeMap<String, Vec<Run>> {
    let mut jobs: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for line in sandbox.read("ledger.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let &[what, id, at] = words.as_slice() else { panic!("a torn line in the ledger: {line:?}") };
        let at = at.parse().unwrap();
        let runs = jobs.entry(id.to_owned()).or_default();
        match (what, runs.last_mut()) {
            ("start", _) => runs.push(Run { start: at, end: None }),
            ("end", Some(run)) if run.end.is_none() => run.end = Some(at),
            _ => panic!("a line out of order in the ledger: {line:?}"),
        }
    }
    jobs
}

/// A result that is this old, in milliseconds, has been settled, also on a machine that is busy with other tests.
const SETTLED: i64 = 1_000;

/// What is wrong with the runs of a job that was accepted and is done, if anything is.
///
/// A run may follow another one only if a process was killed in between, which either had not ended the job yet, or so
/// lately that the settlement may not have been stored.
fn unexplained(runs: &[Run], kills: &[i64]) -> Option<&'static str> {
    let cut_short = |pair: &[Run]| {
        let [run, next] = pair else { return false };
        kills.iter().any(|kill| run.start <= *kill && *kill <= next.start && run.end.is_none_or(|end| kill - end < SETTLED))
    };
    match runs.last() {
        None => Some("it never ran"),
        Some(last) if last.end.is_none() => Some("its last run did not end"),
        Some(_) if !runs.windows(2).all(cut_short) => Some("it ran again, and no kill explains that"),
        Some(_) => None,
    }
}

#[test]
fn a_run_that_no_kill_explains_is_told() {
    let run = |start, end| Run { start, end };
    let (first, again) = (run(1_000, Some(1_010)), run(5_000, Some(5_010)));
    assert_eq!(unexplained(&[first], &[]), None);
    assert_eq!(unexplained(&[], &[1]), Some("it never ran"));
    assert_eq!(unexplained(&[run(1_000, None)], &[1_005]), Some("its last run did not end"));
    let twice = Some("it ran again, and no kill explains that");
    assert_eq!(unexplained(&[first, again], &[]), twice);
    assert_eq!(unexplained(&[first, again], &[1_020]), None, "killed before the settlement was stored");
    assert_eq!(unexplained(&[first, again], &[4_000]), twice, "killed long after it must have been stored");
    assert_eq!(unexplained(&[first, again], &[900, 6_000]), twice, "killed before, and after");
    assert_eq!(unexplained(&[run(1_000, None), again], &[4_000]), None, "killed while it ran");
    assert_eq!(unexplained(&[run(1_000, None), run(1_500, None), again], &[1_200]), twice, "one kill explains one repetition");
}

/// How many jobs are in each state.
fn states(sandbox: &Sandbox) -> BTreeMap<String, u64> {
    let stats = json(sandbox, ["queue", "stats", "jobs.ron", "--format", "json"]);
    let mut states = BTreeMap::new();
    for count in stats["queues"][0]["counts"].as_array().unwrap() {
        *states.entry(count["state"].as_str().unwrap().to_owned()).or_default() += count["jobs"].as_u64().unwrap();
    }
    states
}

/// How often the store saw each job's process die.
fn crashes(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let listed = json(sandbox, ["jobs", "jobs.ron", "--limit", "10000000", "--format", "json"]);
    let jobs = listed["jobs"].as_array().unwrap().iter();
    jobs.map(|job| (job["id"].as_str().unwrap().to_owned(), job["crashes"].as_u64().unwrap_or(0) as usize)).collect()
}

fn json<const N: usize>(sandbox: &Sandbox, arguments: [&str; N]) -> serde_json::Value {
    let output = sandbox.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Enqueues jobs from another process, as a producer would; answers the ids that were accepted.
fn enqueue(sandbox: &Sandbox, first: usize, count: usize) -> Vec<String> {
    let lines: String = (first..first + count).map(|n| format!("{{\"id\":\"job-{n}\",\"type\":\"ledger\"}}\n")).collect();
    let output = sandbox.run_with_input(["enqueue", "jobs.ron", "--file", "-"], &lines);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn start(sandbox: &Sandbox) -> Daemon {
    sandbox.start(["run", "jobs.ron", "--log-level", "warn"])
}

/// Lets what is left run to its end.
fn drain(sandbox: &Sandbox, accepted: usize) {
    let mut daemon = start(sandbox);
    let all = BTreeMap::from([("done".to_owned(), accepted as u64)]);
    wait_until("all jobs are done, and nothing else is there", Duration::from_secs(120), || states(sandbox) == all);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(Duration::from_secs(10)).0, Some(0), "{}", daemon.talk());
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn kill_9_at_random_moments_loses_nothing() {
    let count = number("GOWORKER_KILLS", 20);
    let seed = number("GOWORKER_SEED", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    println!("seed {seed}, {count} kills");
    let mut random = fastrand::Rng::with_seed(seed);
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(3, 16, "30s"));

    let mut accepted = BTreeSet::new();
    let mut kills = Vec::new();
    for kill in 0..count {
        let mut daemon = start(&sandbox);
        accepted.extend(enqueue(&sandbox, accepted.len(), random.usize(100..400)));
        if kill % 5 == 0 {
            // Long enough that what ran first has surely been settled, and must not run again.
            std::thread::sleep(Duration::from_millis(2 * SETTLED as u64));
            accepted.extend(enqueue(&sandbox, accepted.len(), random.usize(100..400)));
        }
        std::thread::sleep(Duration::from_millis(random.u64(0..300)));
        assert!(daemon.is_running(), "kill {kill}: it ended by itself:\n{}", daemon.talk());
        kills.push(Clock::system().now().as_millis());
        daemon.kill();
    }
    drain(&sandbox, accepted.len());

    let (ledger, crashes) = (ledger(&sandbox), crashes(&sandbox));
    let wrong: Vec<_> = accepted
        .iter()
        .filter_map(|id| {
            let runs = ledger.get(id).map_or(&[][..], Vec::as_slice);
            let uncounted = (runs.len() > 1 + crashes[id]).then_some("it ran more often than crashes were counted");
            unexplained(runs, &kills).or(uncounted).map(|what| (id, what, runs))
        })
        .collect();
    let repeated = ledger.values().filter(|runs| runs.len() > 1).count();
    println!("{} jobs, {repeated} ran more than once", accepted.len());
    assert!(wrong.is_empty(), "seed {seed}: {wrong:#?}\nkills: {kills:?}");
    assert_eq!(ledger.len(), accepted.len(), "seed {seed}: something ran that nobody was told to be accepted");
}

#[test]
fn what_a_stopped_process_had_is_taken_up_and_its_late_results_are_refused() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(500, 4, "2s"));
    let mut stopped = start(&sandbox);
    let accepted = enqueue(&sandbox, 0, 4);
    wait_until("all four run", Duration::from_secs(20), || sandbox.read("ledger.txt").lines().count() == 4);
    stopped.signal("STOP");

    let mut other = start(&sandbox);
    let all = BTreeMap::from([("done".to_owned(), 4)]);
    wait_until("the other process did them after the lease", Duration::from_secs(30), || states(&sandbox) == all);
    let before = json(&sandbox, ["jobs", "jobs.ron", "--format", "json"]);
    let outputs: BTreeSet<u64> = before["jobs"].as_array().unwrap().iter().map(|job| job["output"].as_u64().unwrap()).collect();
    assert_eq!(outputs, BTreeSet::from([other.pid().into()]));
    assert_eq!(crashes(&sandbox).into_values().collect::<Vec<_>>(), [1; 4]);

    stopped.signal("CONT");
    wait_until("its results are refused", Duration::from_secs(20), || stopped.talk().matches("its result is refused").count() == 4);
    assert_eq!(json(&sandbox, ["jobs", "jobs.ron", "--format", "json"]), before, "a late result changes nothing");

    // It lives on, and takes jobs as before.
    other.signal("TERM");
    assert_eq!(other.wait(Duration::from_secs(10)).0, Some(0), "{}", other.talk());
    enqueue(&sandbox, accepted.len(), 1);
    wait_until("it runs a new job", Duration::from_secs(20), || states(&sandbox) == BTreeMap::from([("done".to_owned(), 5)]));
    stopped.signal("TERM");
    assert_eq!(stopped.wait(Duration::from_secs(10)).0, Some(0), "{}", stopped.talk());
}

#[test]
fn sigterm_under_load_loses_nothing_and_runs_nothing_twice() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(3, 16, "30s"));
    let mut accepted = BTreeSet::new();
    for _ in 0..3 {
        let mut daemon = start(&sandbox);
        accepted.extend(enqueue(&sandbox, accepted.len(), 2_000));
        let before = ledger(&sandbox).len();
        wait_until("jobs run", Duration::from_secs(20), || ledger(&sandbox).len() > before + 50);
        daemon.signal("TERM");
        let (code, took) = daemon.wait(Duration::from_secs(10));
        assert_eq!(code, Some(0), "{}", daemon.talk());
        assert!(took < Duration::from_secs(6), "grace and one second: {took:?}");
    }
    drain(&sandbox, accepted.len());
    let twice: Vec<_> = ledger(&sandbox).into_iter().filter(|(_, runs)| runs.len() != 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
