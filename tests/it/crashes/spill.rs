//! Processes that die while jobs move from Redis to a queue on disk, at each step of a move. What was accepted is done once.

use std::time::Duration;

use fastrand::Rng;
use goworker_tests::daemon::Sandbox;
use goworker_tests::faulty::Fault;
use goworker_tests::redis_server::RedisServer;
use goworker_tests::tcp_proxy::{self, TcpProxy};

use crate::spilling::{assert_once, config, enqueue, jobs, mortal, runs, states};
use crate::{BINARY, BROKEN};

const JOBS: usize = 2_500;

/// A configuration in which memory is always short, so that all that can move does, and in which the first job takes for ever.
fn moves_all(url: &str) -> String {
    mortal(&config(url, "local.db", 0, 1).replace("3MiB", "1KiB"))
}

/// Runs all that is left, and checks that every job has ended once. A kill costs one that ran another start.
fn finish(sandbox: &Sandbox, url: &str, deaths: usize) {
    // The lease of what a dead process had is waited for.
    sandbox.write("jobs.ron", &config(url, "local.db", 0, 20));
    let output = sandbox.run(["run", "jobs.ron", "--until-idle", "--log-level", "warn"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let runs = runs(sandbox);
    assert_eq!(runs.len(), JOBS);
    let odd: Vec<_> = runs.iter().filter(|(_, (_, ended))| *ended != 1).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let again: usize = runs.values().map(|(started, _)| started - 1).sum();
    assert!(again <= deaths, "{again} starts too many with {deaths} deaths");
}

/// A process dies three times at one step, and then lives.
fn dies(fault: Fault) {
    let server = RedisServer::start();
    let url = server.url();
    let sandbox = Sandbox::new(BROKEN);
    let whole = moves_all(&url);
    let wrapped = |entry: &str, fault: Fault| format!(r###"faulty(fault: "{fault:?}", queue: r##"{entry}"##, lease: "1s")"###);
    let of = |kind: &str| {
        let line = whole.lines().find(|line| line.contains(&format!(": {kind}("))).unwrap();
        line.split_once(": ").unwrap().1.trim_end_matches(',').to_owned()
    };
    let (redis, sqlite) = (of("redis"), of("sqlite"));
    let at_target = matches!(fault, Fault::DiesBeforeAccepting | Fault::DiesOnceAccepted);
    let (first, second) = if at_target { (Fault::None, fault) } else { (fault, Fault::None) };
    sandbox.write("jobs.ron", &whole);
    enqueue(&sandbox, &jobs(0, JOBS));
    let broken = whole.replace(&redis, &wrapped(&redis, first)).replace(&sqlite, &wrapped(&sqlite, second));
    sandbox.write("broken.ron", &broken);
    for nth in 1..=3 {
        let mut process = sandbox.start(["run", "broken.ron", "--log-level", "warn"]);
        let (code, _) = process.wait(Duration::from_secs(20));
        assert_eq!(code, None, "it was to die: {}", process.talk());
        let waiting = |queue| states(&sandbox, queue).iter().filter(|(state, _)| *state != "done").map(|(_, jobs)| jobs).sum::<u64>();
        let both = waiting("jobs") + waiting("local");
        // What the target has accepted is in both until the move has ended.
        assert!((2_500..=3_500).contains(&both), "after {nth} deaths {both} jobs");
    }
    finish(&sandbox, &url, 3);
}

#[test]
fn a_death_when_jobs_have_been_taken_out_costs_none() {
    dies(Fault::DiesOnceTaken);
}

#[test]
fn a_death_before_jobs_have_been_accepted_costs_none() {
    dies(Fault::DiesBeforeAccepting);
}

#[test]
fn a_death_when_jobs_have_been_accepted_doubles_none() {
    dies(Fault::DiesOnceAccepted);
}

#[test]
fn a_death_when_a_move_has_ended_doubles_none() {
    dies(Fault::DiesOnceEnded);
}

#[test]
fn what_was_accepted_done_and_forgotten_is_not_moved_again() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BROKEN);
    let whole = config(&server.url(), "local.db", 0, 20).replace("3MiB", "1KiB");
    sandbox.write("jobs.ron", &whole);
    enqueue(&sandbox, &jobs(0, JOBS));
    // What it runs takes for ever: a job that has ended, and whose end was not stored, would run again.
    let sqlite = r#"sqlite(path: "local.db", keep: (done: (count: 1000000)))"#;
    let dies = format!(r###"faulty(fault: "DiesOnceAccepted", queue: r##"{sqlite}"##)"###);
    sandbox.write("broken.ron", &mortal(&whole).replace(sqlite, &dies));
    sandbox.start(["run", "broken.ron", "--log-level", "error"]).wait(Duration::from_secs(20));
    let before = runs(&sandbox).len();

    let alone = format!(
        r#"(providers: {{ "local": {} }}, workers: {{ "ledger": ledger(path: "ledger.txt", millis: 0) }})"#,
        sqlite.replace("1000000", "0")
    );
    sandbox.write("alone.ron", &alone);
    assert!(sandbox.run(["run", "alone.ron", "--until-idle", "--log-level", "error"]).status.success());
    assert!(runs(&sandbox).len() > before + 500, "what was accepted has run");

    finish(&sandbox, &server.url(), 20);
}

#[test]
fn kills_at_any_moment_of_many_moves_lose_none_and_double_none() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", &moves_all(&server.url()));
    enqueue(&sandbox, &jobs(0, JOBS));
    let mut random = Rng::with_seed(7);
    let kills = 12;
    for _ in 0..kills {
        let mut process = sandbox.start(["run", "jobs.ron", "--log-level", "warn"]);
        std::thread::sleep(Duration::from_millis(random.u64(30..250)));
        process.kill();
    }
    finish(&sandbox, &server.url(), kills);
}

#[test]
fn requests_and_replies_that_are_lost_lose_no_job_and_double_none() {
    let server = RedisServer::start();
    // The first commands are those of the start; then jobs are taken, and the move is ended.
    for n in 5..=11 {
        for fault in [tcp_proxy::Fault::DropRequest, tcp_proxy::Fault::DropReply] {
            server.cli(&["FLUSHALL"]);
            let proxy = TcpProxy::start(server.port());
            let sandbox = Sandbox::new(BINARY);
            sandbox.write("jobs.ron", &config(&server.url(), "local.db", 0, 20).replace("3MiB", "1KiB"));
            enqueue(&sandbox, &jobs(0, 400));
            sandbox.write("cut.ron", &sandbox.read("jobs.ron").replace(&server.url(), &server.url_by(proxy.port())));
            proxy.plan(n, fault);
            let output = sandbox.run(["run", "cut.ron", "--until-idle", "--log-level", "warn"]);
            assert!(output.status.success(), "{n} {fault:?}: {}", String::from_utf8_lossy(&output.stderr));
            assert_once(&sandbox, 400);
        }
    }
}

#[test]
fn a_job_that_is_cancelled_while_its_move_is_open_does_not_run() {
    let server = RedisServer::start();
    let sandbox = Sandbox::new(BROKEN);
    let whole = config(&server.url(), "local.db", 0, 4).replace("3MiB", "1KiB");
    sandbox.write("jobs.ron", &whole);
    enqueue(&sandbox, &jobs(0, 20));
    let sqlite = r#"sqlite(path: "local.db", keep: (done: (count: 1000000)))"#;
    let dies = format!(r###"faulty(fault: "DiesBeforeAccepting", queue: r##"{sqlite}"##)"###);
    sandbox.write("broken.ron", &mortal(&whole).replace(sqlite, &dies));
    sandbox.start(["run", "broken.ron", "--log-level", "error"]).wait(Duration::from_secs(20));
    let output = sandbox.run(["jobs", "cancel", "jobs.ron", "job-00019"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(sandbox.run(["run", "jobs.ron", "--until-idle"]).status.success());
    let ran = runs(&sandbox);
    assert!(!ran.contains_key("job-00019"));
    assert_eq!(ran.values().filter(|(_, ended)| *ended == 1).count(), 19);
    assert_eq!(states(&sandbox, "local")["cancelled"], 1);
}
