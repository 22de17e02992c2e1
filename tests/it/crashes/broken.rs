//! Builds that are broken on purpose, on Redis: the crash run tells what they do, or, where a random run would need luck,
//! the test beside it.

use std::time::Duration;

use goworker::testing::conformance::Suite;
use goworker_tests::faulty::{Fault, faulty};
use goworker_tests::queues::queue;
use goworker_tests::redis_server::RedisServer;

use super::random::{Plan, Report, crash_run};
use super::{directed, fleet};
use crate::BROKEN;

fn entry(fault: Fault, server: &RedisServer, lease: &str) -> String {
    let queue = format!("redis(url: \"{}\")", server.url());
    format!(r##"faulty(fault: "{fault:?}", queue: r#"{queue}"#, lease: "{lease}", {})"##, fleet::KEEP)
}

/// A short crash run. There are slow jobs in it, so that a kill finds something under way.
fn report(fault: Fault, lease: u64) -> Report {
    let plan = Plan { processes: 3, kills: 8, seed: 1, lease: Duration::from_secs(lease), slow: 2 };
    let mut server = fleet::server();
    let sandbox = fleet::sandbox(BROKEN, &plan.config(&entry(fault, &server, &plan.lease())));
    let report = crash_run(&sandbox, Some(&mut server), plan);
    println!("{report}");
    report
}

#[test]
fn the_crash_run_tells_of_a_settlement_before_the_run() {
    let report = report(Fault::SettledBeforeRun, 2);
    let unfinished = ["it never ran", "its last run did not end"];
    assert!(report.unexplained.values().any(|(what, _)| unfinished.contains(what)), "{report}");
}

#[test]
fn the_crash_run_tells_of_a_claim_without_a_lease() {
    let report = report(Fault::NoLease, 2);
    assert!(!report.stuck.is_empty(), "{report}");
}

#[test]
fn the_crash_run_tells_of_a_recovery_by_run_time() {
    let report = report(Fault::NoRenewal, 2);
    assert!(!report.unexplained.is_empty() || !report.stuck.is_empty(), "{report}");
}

/// Where only the store's fence is gone, the manager's own one still holds here: the suite tells that, see below.
#[test]
fn a_stop_beyond_the_lease_tells_of_tokens_that_nobody_checks() {
    let server = fleet::server();
    let sandbox = fleet::sandbox(BROKEN, &directed::config(&entry(Fault::NoFencing, &server, "2s")));
    let told = directed::stop_beyond_the_lease(&sandbox).unwrap_err();
    assert!(told.starts_with("jobs are settled by "), "{told}");
}

#[test]
fn the_suite_tells_of_a_settlement_without_token_check_on_redis() {
    let server = RedisServer::start();
    let entry = format!("redis(url: \"{}\")", server.url());
    let report = Suite::new(faulty(Fault::NoTokenCheck, move |setup| queue(&entry, setup))).seeded(1, 20).report();
    let told = "a late settlement of a lost lease changes nothing";
    assert!(report.broken.iter().any(|broken| broken.case == told), "{report}");
}

#[test]
fn nothing_is_told_where_nothing_is_wrong() {
    let report = report(Fault::None, 5);
    assert!(report.is_as_promised(), "{report}");
}
