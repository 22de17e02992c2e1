//! Processes on one queue, and what can be done to them.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use goworker::Clock;
use goworker_tests::daemon::{Daemon, Sandbox, wait_until};
use goworker_tests::redis_server::RedisServer;
use serde_json::Value;

use super::ledger::{self, Blows, Run};

/// A configuration whose workers keep a ledger. Those of `slow` jobs take `slow` milliseconds.
pub(super) fn config(entry: &str, millis: u64, slow: u128, slots: usize) -> String {
    format!(
        r#"(
    providers: {{ "jobs": {entry} }},
    workers: {{
        "ledger": ledger(path: "ledger.txt", millis: {millis}, concurrency: {slots}),
        "slow": ledger(path: "ledger.txt", millis: {slow}, concurrency: 8),
        "attic": ledger(path: "ledger.txt", concurrency: 4),
    }},
    retry: (retries: 1, backoff: fixed("100ms")),
    failure_handlers: [(type: "attic", name: "bury")],
    poison: 1000,
    shutdown: (grace: "5s"),
)"#
    )
}

/// The entry of a queue in a file. Nothing is forgotten.
pub(super) fn sqlite(lease: &str) -> String {
    format!(r#"sqlite(path: "jobs.db", lease: "{lease}", {KEEP})"#)
}

/// The entry of a queue on a server. Nothing is forgotten.
pub(super) fn redis(server: &RedisServer, lease: &str) -> String {
    format!(r#"redis(url: "{}", lease: "{lease}", {KEEP})"#, server.url())
}

pub(super) const KEEP: &str = r#"keep: (done: (age: "1h", count: 10000000))"#;

/// A server that has on disk what it confirms.
pub(super) fn server() -> RedisServer {
    RedisServer::options().append_only().start()
}

/// A folder with this configuration.
pub(super) fn sandbox(binary: &str, config: &str) -> Sandbox {
    let sandbox = Sandbox::new(binary);
    sandbox.write("jobs.ron", config);
    sandbox
}

pub(super) fn start(sandbox: &Sandbox) -> Daemon {
    sandbox.start(["run", "jobs.ron", "--log-level", "warn"])
}

/// Ends a process as one should.
pub(super) fn terminate(mut daemon: Daemon) {
    daemon.signal("TERM");
    assert_eq!(daemon.wait(Duration::from_secs(15)).0, Some(0), "{}", daemon.talk());
}

/// Enqueues jobs from another process, as a producer would.
pub(super) fn enqueue(sandbox: &Sandbox, jobs: &[Value]) {
    assert!(try_to_enqueue(sandbox, jobs), "the store could not be had");
}

/// The same; whether all were accepted. If not, the store could not be had for so long that the producer was told.
pub(super) fn try_to_enqueue(sandbox: &Sandbox, jobs: &[Value]) -> bool {
    let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
    let output = sandbox.run_with_input(["enqueue", "jobs.ron", "--file", "-"], &lines);
    let (told, trouble) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(0) => {
            assert!(told.lines().eq(jobs.iter().map(|job| job["id"].as_str().unwrap())), "accepted were others:\n{told}");
            true
        }
        Some(69) => false,
        code => panic!("exit code {code:?}: {trouble}"),
    }
}

/// How many jobs are in each state.
pub(super) fn states(sandbox: &Sandbox) -> BTreeMap<String, u64> {
    let stats = json(sandbox, ["queue", "stats", "jobs.ron", "--format", "json"]);
    let mut states = BTreeMap::new();
    for count in stats["queues"][0]["counts"].as_array().unwrap() {
        *states.entry(count["state"].as_str().unwrap().to_owned()).or_default() += count["jobs"].as_u64().unwrap();
    }
    states
}

/// All jobs as the queue lists them, by id.
pub(super) fn records(sandbox: &Sandbox) -> BTreeMap<String, Value> {
    let mut listed = json(sandbox, ["jobs", "jobs.ron", "--limit", "10000000", "--format", "json"]);
    let Value::Array(jobs) = listed["jobs"].take() else { panic!("no list") };
    jobs.into_iter().map(|job| (job["id"].as_str().unwrap().to_owned(), job)).collect()
}

fn json<const N: usize>(sandbox: &Sandbox, arguments: [&str; N]) -> Value {
    let output = sandbox.run(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The runs of each job.
pub(super) fn runs(sandbox: &Sandbox) -> BTreeMap<String, Vec<Run>> {
    ledger::read(&sandbox.read("ledger.txt"))
}

/// Waits until this many jobs are done and no others are there.
pub(super) fn all_done(sandbox: &Sandbox, accepted: u64, at_most: Duration) {
    let all = BTreeMap::from([("done".to_owned(), accepted)]);
    wait_until("all jobs are done, and nothing else is there", at_most, || states(sandbox) == all);
}

/// Processes of one configuration, and the server of their queue, if it has one.
pub(super) struct Fleet<'a> {
    sandbox: &'a Sandbox,
    server: Option<&'a mut RedisServer>,
    processes: Vec<Daemon>,
    pub(super) blows: Blows,
}

impl<'a> Fleet<'a> {
    pub(super) fn start(sandbox: &'a Sandbox, processes: usize, server: Option<&'a mut RedisServer>) -> Self {
        let processes = (0..processes).map(|_| start(sandbox)).collect();
        Fleet { sandbox, server, processes, blows: Blows::default() }
    }

    /// Kills one process, or all, or the server, or all and the server. What was killed is there again soon.
    pub(super) fn strike(&mut self, random: &mut Rng) {
        for process in &mut self.processes {
            assert!(process.is_running(), "process {} ended by itself:\n{}", process.pid(), process.talk());
        }
        let (many, server) = (random.u8(0..10) < 3, self.server.is_some() && random.u8(0..10) < 4);
        let went = now();
        if server && let Some(server) = &mut self.server {
            server.kill();
        }
        let killed = match (many, server) {
            (true, _) => 0..self.processes.len(),
            (false, true) => 0..0,
            (false, false) => {
                let one = random.usize(0..self.processes.len());
                one..one + 1
            }
        };
        for process in &mut self.processes[killed.clone()] {
            process.kill();
            self.blows.deaths.insert(process.pid(), now());
        }
        std::thread::sleep(Duration::from_millis(random.u64(0..400)));
        if server && let Some(server) = &mut self.server {
            server.restart();
            self.blows.outages.push((went, now()));
        }
        for process in &mut self.processes[killed] {
            *process = start(self.sandbox);
        }
    }

    /// Ends all processes as one should.
    pub(super) fn terminate(self) -> Blows {
        self.processes.into_iter().for_each(terminate);
        self.blows
    }
}

fn now() -> i64 {
    Clock::system().now().as_millis()
}
