//! What may happen to a Redis server, or on the way to it: work goes on by itself.

use std::time::{Duration, Instant};

use goworker::{Client, Job, State};
use goworker_tests::daemon::{Daemon, Sandbox, wait_until};
use goworker_tests::redis_server::{RedisOptions, RedisServer};
use goworker_tests::tcp_proxy::{TcpProxy, Weather};

use crate::BINARY;

/// Work goes on within this time. It is 10 seconds, and some more for a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(15);

/// A daemon that runs jobs from a server, and a client of the same queue.
pub(crate) struct Stage {
    sandbox: Sandbox,
    daemon: Daemon,
    client: Client,
}

impl Stage {
    /// Both find the server at this URL.
    pub(crate) async fn at(url: &str) -> Self {
        Stage::with(url, url, 1).await
    }

    /// The daemon has a URL of its own, and its jobs take so many milliseconds.
    async fn with(daemons: &str, clients: &str, millis: u64) -> Self {
        let sandbox = Sandbox::new(BINARY);
        sandbox.write("jobs.ron", &config(daemons, millis));
        let daemon = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
        let client = Client::open_text(&config(clients, millis), "jobs.ron").await.unwrap_or_else(|error| panic!("{error}"));
        Stage { sandbox, daemon, client }
    }

    /// A new job is accepted and done soon.
    pub(crate) async fn works(&self) {
        let began = Instant::now();
        let id = loop {
            match self.client.enqueue(Job::of("ledger")).await {
                Ok(id) => break id,
                Err(error) => assert!(began.elapsed() < SOON, "{error}; the daemon said:\n{}", self.daemon.talk()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        if let Err(error) = self.client.wait(&id, SOON.saturating_sub(began.elapsed())).await {
            panic!("{error} after {:?}; the daemon said:\n{}", began.elapsed(), self.daemon.talk());
        }
    }

    /// Nothing was lost, nothing is left over, and no job ran twice.
    pub(crate) async fn ends_well(mut self) {
        let stats = self.client.stats().await.unwrap();
        assert!(stats.counts.iter().all(|count| count.state == State::Done), "{stats:?}");
        let done: u64 = stats.counts.iter().map(|count| count.jobs).sum();
        let ledger = self.sandbox.read("ledger.txt");
        let ends = ledger.lines().filter(|line| line.starts_with("end")).count();
        assert_eq!(ends as u64, done, "{ledger}");
        self.daemon.signal("TERM");
        assert_eq!(self.daemon.wait(Duration::from_secs(20)).0, Some(0), "{}", self.daemon.talk());
    }
}

fn config(url: &str, millis: u64) -> String {
    leased(url, millis, "30s")
}

fn leased(url: &str, millis: u64, lease: &str) -> String {
    format!(
        r#"(
    providers: {{ "jobs": redis(url: "{url}", lease: "{lease}") }},
    workers: {{ "ledger": ledger(path: "ledger.txt", millis: {millis}, concurrency: 4) }},
)"#
    )
}

#[tokio::test]
async fn jobs_that_come_when_an_outage_longer_than_their_lease_is_over_run_once() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.port());
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &leased(&server.url_by(proxy.port()), 2_000, "3s"));
    let mut daemon = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
    let client = Client::open_text(&leased(&server.url(), 1, "3s"), "jobs.ron").await.unwrap();
    let first = client.enqueue(Job::of("ledger")).await.unwrap();
    client.wait(&first, SOON).await.unwrap();
    // The fetch is called now, and answered when its lease would be over if it had begun by then.
    proxy.set(Weather::Refuse);
    proxy.cut();
    let id = client.enqueue(Job::of("ledger")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    proxy.set(Weather::Fair);
    client.wait(&id, SOON).await.unwrap_or_else(|error| panic!("{error}; the daemon said:\n{}", daemon.talk()));
    daemon.signal("TERM");
    daemon.wait(Duration::from_secs(20));
    let ledger = sandbox.read("ledger.txt");
    assert_eq!(ledger.lines().filter(|line| line.starts_with("start")).count(), 2, "{ledger}\n{}", daemon.talk());
}

#[tokio::test]
async fn a_restart_of_the_server_is_survived() {
    let mut server = RedisServer::options().append_only().start();
    let stage = Stage::at(&server.url()).await;
    stage.works().await;
    server.restart();
    stage.works().await;
    server.kill();
    // For longer than calls are patient.
    let tells = || stage.daemon.talk().contains("no answer from Redis at 127.0.0.1:");
    wait_until("the daemon tells of the outage", Duration::from_secs(60), tells);
    server.restart();
    stage.works().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn a_server_that_has_forgotten_everything_is_used_again() {
    let mut server = RedisServer::start();
    let stage = Stage::at(&server.url()).await;
    stage.works().await;
    server.restart();
    stage.works().await;
}

#[tokio::test]
async fn connections_that_the_server_closes_are_made_again() {
    let server = RedisServer::start();
    let stage = Stage::at(&server.url()).await;
    for _ in 0..3 {
        stage.works().await;
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    stage.works().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn scripts_that_the_server_forgets_are_loaded_again() {
    let server = RedisServer::start();
    let stage = Stage::at(&server.url()).await;
    for _ in 0..3 {
        stage.works().await;
        server.cli(&["SCRIPT", "FLUSH"]);
    }
    stage.works().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn a_pause_of_the_server_is_waited_for() {
    let server = RedisServer::start();
    let stage = Stage::at(&server.url()).await;
    stage.works().await;
    server.cli(&["CLIENT", "PAUSE", "7000", "ALL"]);
    let began = Instant::now();
    stage.works().await;
    assert!(began.elapsed() > Duration::from_secs(5), "it was paused");
    stage.ends_well().await;
}

#[tokio::test]
async fn a_server_that_still_loads_is_waited_for() {
    let slow = RedisServer::options().directive(["key-load-delay", "1000"]).directive(["loading-process-events-interval-bytes", "1024"]);
    let mut server = slow.start();
    let stage = Stage::at(&server.url()).await;
    stage.works().await;
    server.cli(&["EVAL", "for n = 1, 3000 do redis.call('SET', 'key' .. n, string.rep('x', 50)) end", "0"]);
    server.cli(&["SAVE"]);
    let port = server.port();
    let restarted = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    });
    // It listens, and refuses.
    let refused = async || {
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}/")).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.ok()?;
        redis::cmd("GET").arg("key").query_async::<Option<String>>(&mut connection).await.err()?.code().map(str::to_owned)
    };
    while refused().await.as_deref() != Some("LOADING") {
        assert!(!restarted.is_finished(), "it loads for long enough to be seen");
    }
    stage.works().await;
    let _server = restarted.await.unwrap();
    stage.ends_well().await;
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_and_a_master_again_is_waited_for() {
    let server = RedisServer::start();
    let stage = Stage::at(&server.url()).await;
    stage.works().await;
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    stage.works().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn of_several_servers_the_one_that_takes_writes_is_used() {
    let replica = RedisServer::options().directive(["replicaof", "127.0.0.1", "1"]).start();
    let master = RedisServer::start();
    let stage = Stage::at(&format!("redis://127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}", replica.port(), master.port())).await;
    stage.works().await;
    // They change places.
    master.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    stage.works().await;
    assert_ne!(replica.cli(&["DBSIZE"]), "0");
}

#[tokio::test]
async fn a_script_that_hogs_the_server_is_waited_for() {
    let server = RedisServer::options().directive(["lua-time-limit", "50"]).start();
    let stage = Stage::at(&server.url()).await;
    stage.works().await;
    std::thread::scope(|scope| {
        scope.spawn(|| server.cli(&["EVAL", "while true do end", "0"]));
        wait_until("the server is busy", Duration::from_secs(10), || server.cli(&["GET", "key"]).starts_with("BUSY"));
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(server.cli(&["SCRIPT", "KILL"]), "OK");
    });
    stage.works().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn a_full_server_refuses_new_jobs_and_goes_on_with_the_others() {
    let server = RedisServer::start();
    let stage = Stage::with(&server.url(), &server.url(), 2_000).await;
    for job_type in ["ledger"; 12].into_iter().chain(["nobody's"]) {
        stage.client.enqueue(Job::of(job_type)).await.unwrap();
    }
    server.cli(&["CONFIG", "SET", "maxmemory", "100kb"]);
    let error = stage.client.enqueue(Job::of("ledger")).await.unwrap_err().to_string();
    assert!(error.contains("has no memory left and accepts nothing (`maxmemory` is reached)"), "{error}");

    let done = async || {
        stage.client.stats().await.unwrap().counts.iter().filter(|count| count.state == State::Done).map(|count| count.jobs).sum::<u64>()
    };
    let began = Instant::now();
    while done().await < 12 {
        assert!(began.elapsed() < Duration::from_secs(30), "fetched and settled: {}\n{}", done().await, stage.daemon.talk());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(stage.client.enqueue(Job::of("ledger")).await.is_err(), "it was full all the time");
    let unwanted = stage.client.list(&goworker::Filter { states: vec![State::Ready], ..Default::default() }).await.unwrap();
    stage.client.delete(&unwanted[0].job.id).await.expect("what is not wanted can be deleted");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    stage.works().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn a_connection_into_a_black_hole_is_given_up() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.port());
    let stage = Stage::with(&server.url_by(proxy.port()), &server.url(), 1).await;
    stage.works().await;
    proxy.set(Weather::BlackHole);
    // What is sent meanwhile is lost, and nobody says so.
    let id = stage.client.enqueue(Job::of("ledger")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    proxy.set(Weather::Fair);
    stage.client.wait(&id, SOON).await.unwrap();
    stage.works().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn nobody_is_locked_out_for_ever() {
    let server = RedisServer::start();
    let proxy = TcpProxy::start(server.port());
    let stage = Stage::with(&server.url_by(proxy.port()), &server.url(), 1).await;
    stage.works().await;
    proxy.set(Weather::Refuse);
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(12)).await;
    proxy.set(Weather::Fair);
    stage.works().await;
    stage.ends_well().await;
}

/// What a daemon says that cannot start.
fn refused(url: &str) -> String {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &config(url, 1));
    let output = sandbox.run(["run", "jobs.ron"]);
    assert_eq!(output.status.code(), Some(69), "a store could not be had");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_wrong_login_is_told_at_once_and_not_shown() {
    let server = RedisServer::options().password("sesame").start();
    let began = Instant::now();
    let wrong = refused(&server.url().replace("sesame", "hunter2"));
    assert!(wrong.contains(&format!("Redis at 127.0.0.1:{} refuses the login", server.port())), "{wrong}");
    assert!(!wrong.contains("hunter2"), "{wrong}");
    let none = refused(&server.url().replace(":sesame@", ""));
    assert!(none.contains("wants a login: `redis://USER:PASSWORD@HOST`"), "{none}");
    let narrow = RedisServer::options().user("worker", "secret", ["~other:*", "+@all"]).start();
    let forbidden = refused(&narrow.url());
    assert!(forbidden.contains("forbids this user what a queue needs"), "{forbidden}");
    assert!(began.elapsed() < Duration::from_secs(8), "trying again would not help");
}

#[tokio::test]
async fn a_user_who_may_only_use_the_queue_is_enough() {
    let server = RedisServer::options().user("worker", "secret", ["~{goworker:jobs}:*", "+@all", "-@dangerous"]).start();
    let stage = Stage::at(&server.url()).await;
    stage.works().await;
    stage.ends_well().await;
}

#[tokio::test]
async fn a_server_that_may_throw_jobs_away_is_warned_of() {
    let daemon_on = async |options: RedisOptions| {
        let server = options.start();
        let stage = Stage::at(&server.url()).await;
        stage.works().await;
        stage.daemon.talk()
    };
    let talk = daemon_on(RedisServer::options().max_memory("100mb", "allkeys-lru")).await;
    assert!(talk.contains("loses jobs when its memory is full: `maxmemory-policy` is `allkeys-lru`; set it to `noeviction`"), "{talk}");
    let talk = daemon_on(RedisServer::options().max_memory("100mb", "noeviction")).await;
    assert!(!talk.contains("maxmemory"), "{talk}");
}
