//! The conformance suite against queues that misbehave in one way each: it has to notice, and to say what.
//!
//!     cargo test -p goworker-tests --test it planted_faults

use goworker::testing::conformance::{Report, Suite};
use goworker_tests::faulty::{Fault, faulty};
use goworker_tests::queues::{memory, sqlite};

fn report(fault: Fault) -> Report {
    Suite::new(faulty(fault, memory)).in_virtual_time().seeded(1, 300).report()
}

/// What the suite says is broken.
fn broken(report: &Report) -> String {
    // For those who want to see how well it is said.
    println!("{report}");
    report.broken.iter().map(|broken| broken.case.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_suite_finds_a_settlement_without_token_check() {
    let report = report(Fault::NoTokenCheck);
    insta::assert_snapshot!(broken(&report), @r"
    a late settlement of a lost lease changes nothing
    I3 fencing: tokens grow, and an old one changes nothing
    ");
    insta::assert_snapshot!(report.broken[1].what, @r"
    at step 6: settlements refused: the queue says [], the model [0]
       1  t+0.000s  process 1 enqueues j4, j5, j0: 3 created, 0 existed, 0 refused
       2  t+0.000s  process 1 fetches 1 of any type: 1 jobs under lease 1: j4
       3  t+0.000s  process 1 fetches 1 of any type: 1 jobs under lease 2: j5
       4  t+0.000s  process 1 settles j5 of lease 2 snoozed for 0ns: none refused
       5  t+0.000s  process 1 fetches 2 of any type: 2 jobs under lease 3: j0 j5
       6  t+0.000s  process 1 settles j5 of lease 2 done: none refused
    ");
}

#[test]
fn the_suite_finds_a_retry_that_loses_its_delay() {
    insta::assert_snapshot!(broken(&report(Fault::NoDelay)), @r"
    a charged retry comes again after its delay with the attempt
    an uncharged retry counts nothing
    an uncharged retry waits for another attempt
    only jobs that have ended can be retried
    a deleted job is forgotten
    the list is filtered and shows the newest first
    the statistics are those of the list
    a key is held while its job waits for another attempt
    I7 order: jobs are handed out in time, in order, and no more than were asked for
    ");
}

#[test]
fn the_suite_finds_a_death_in_two_steps() {
    insta::assert_snapshot!(broken(&report(Fault::DeathInTwoSteps)), @r"
    a death that is cut off came with its handler jobs or not at all
    I8 durability: after a crash or a cut a call was done whole or not at all, and what was confirmed stays
    ");
}

#[test]
fn the_suite_finds_a_recovery_by_time_only() {
    insta::assert_snapshot!(broken(&report(Fault::NoRenewal)), @r"
    a renewed lease is kept
    I2 leases: a job runs as long as it is leased, and no longer
    ");
}

#[test]
fn the_suite_finds_a_settlement_before_the_run() {
    let broken = broken(&report(Fault::SettledBeforeRun));
    for case in ["a delivery is settled once", "a dead job is kept whole", "jobs of a lost lease come again with one crash more", "I4 ends"]
    {
        assert!(broken.contains(case), "{broken}");
    }
}

#[test]
fn the_suite_finds_a_claim_without_a_lease() {
    insta::assert_snapshot!(broken(&report(Fault::NoLease)), @r"
    a delivery tells the lease and a clean past
    a late settlement of a lost lease changes nothing
    jobs of a lost lease come again with one crash more
    only what is left of a batch comes again
    renew tells which leases are lost
    a job that shall be cancelled does not run again
    a process that lost its lease is told with the job
    deaths stay listed when a job is retried and go with it
    only the last deaths are kept
    a dead job that is retried counts anew
    progress of a lost lease changes nothing
    a follow up waits on while the holder is tried again
    a fetch that is cut off loses nothing
    I2 leases: a job runs as long as it is leased, and no longer
    ");
}

#[test]
fn the_suite_finds_that_priority_is_ignored() {
    insta::assert_snapshot!(broken(&report(Fault::NoPriority)), @r"
    higher priority comes first
    waiting makes up for priority
    I7 order: jobs are handed out in time, in order, and no more than were asked for
    ");
}

#[test]
fn the_suite_finds_that_nobody_holds_a_key() {
    let report = report(Fault::NoKeys);
    let broken = broken(&report);
    assert!(broken.starts_with("a key is held until its job has ended\n"), "{broken}");
    assert!(broken.ends_with("I6 identity: an id is one job, a key has one holder, and a cursor one position"), "{broken}");
    insta::assert_snapshot!(report.broken.last().unwrap().what, @r#"
    at step 1: what enqueueing answers: the queue says Ok([Created, Created]), the model Ok([Created, Replaced(JobId("j2"))])
       1  t+0.000s  process 1 enqueues j2 following by key:k0, j0 following by key:k0: 2 created, 0 existed, 0 refused
    "#);
}

#[test]
fn the_suite_finds_that_nobody_waits_for_the_end_of_another() {
    let broken = broken(&report(Fault::NoFollowing));
    assert!(broken.contains("\none that follows waits until the holder has ended\n"), "{broken}");
    assert!(broken.ends_with("I6 identity: an id is one job, a key has one holder, and a cursor one position"), "{broken}");
}

#[test]
fn the_suite_finds_that_a_rate_is_ignored() {
    let broken = broken(&report(Fault::NoRate));
    assert!(broken.contains("no more jobs start than the rate allows\n"), "{broken}");
    assert!(broken.ends_with("I11 rate: no more jobs start than the rate allows, and no fewer"), "{broken}");
}

#[test]
fn the_suite_finds_that_crashes_are_forgotten_when_the_store_is_opened_again() {
    let report = Suite::new(faulty(Fault::CrashesForgotten, sqlite)).seeded(1, 300).report();
    insta::assert_snapshot!(broken(&report), @r"
    crashes add up over restarts
    I5 counting: attempts and crashes are those that happened
    ");
}

#[test]
fn the_suite_finds_that_deaths_are_told_of_the_wrong_process() {
    let report = Suite::new(faulty(Fault::OneIdentity, sqlite)).seeded(1, 300).report();
    insta::assert_snapshot!(broken(&report), @r"
    each process that died on a job is told after a restart
    the process that died on a job is the one that was listed
    I5 counting: attempts and crashes are those that happened
    ");
}

#[test]
fn the_suite_finds_that_pauses_are_noted_only() {
    insta::assert_snapshot!(broken(&report(Fault::PausesNothing)), @r"
    a paused type is not handed out and others are
    a paused queue hands out nothing
    jobs are accepted become due and expire during a pause
    jobs that run go on during a pause
    a resumed queue leaves paused types as they are
    pausing and resuming bear repetition
    nobody is called for what is paused
    a type may be paused before its first job
    a follow up of another type may be paused
    I7 order: jobs are handed out in time, in order, and no more than were asked for
    ");
}

#[test]
fn the_suite_ends_even_if_a_call_does_not() {
    let broken = broken(&report(Fault::FetchWaits));
    assert!(broken.contains("a fetch that asks for nothing brings nothing\n"), "{broken}");
    assert!(broken.ends_with("every job ends once nothing goes wrong any more"), "{broken}");
}

#[test]
fn the_suite_finds_a_queue_that_only_says_it_is_durable() {
    insta::assert_snapshot!(broken(&report(Fault::OnlySaysDurable)), @r"
    everything survives a close
    everything accepted survives a crash
    running jobs of a crashed holder come again with one crash more
    crashes add up over restarts
    each process that died on a job is told after a restart
    processes are told of each other until they close
    the process that died on a job is the one that was listed
    two processes work on the same jobs
    a close releases running jobs and counts nothing
    tokens grow across a restart
    a settlement from before a restart is refused
    keys are held over a crash and free when their job has ended
    two processes see one holder of a key
    a pause survives a crash and a close
    a pause holds in all processes and each hears of its end
    all processes together keep to a rate
    a follow up outlives the process of its holder
    I1 conservation: every accepted job is kept whole, in exactly one place
    ");
}

#[test]
fn the_suite_finds_nothing_where_nothing_is_wrong() {
    Suite::new(faulty(Fault::None, memory)).in_virtual_time().run();
    Suite::new(faulty(Fault::None, sqlite)).run();
}

#[test]
fn a_queue_with_a_clock_of_its_own_passes_what_can_be_told() {
    for inner in [memory, sqlite] {
        let report = Suite::new(faulty(Fault::OwnClock, inner)).report();
        assert!(report.broken.is_empty(), "{report}");
        insta::allow_duplicates! { insta::assert_snapshot!(report.skipped.join("\n"), @r"
    waiting makes up for priority
    at the instant of its expiry a job may still be started
    a release is ready even if the clock was set back
    a process that is silent is gone until it is heard of again
    a process that is silent for long is not listed
    more jobs start when the stretch is over
    a rate leaves out no type
    a window outlives its job
    a window outlives the record of its job
    a job that goes on holds its key beyond the window
    a job that expires frees its key
    a window begins anew with one that replaces
    a follow up keeps its own time
    a follow up waits for the window of the holder
    one that comes while only a window lasts is due when it is over
    one that takes the place of another waits for the same window
    ") };
    }
}
