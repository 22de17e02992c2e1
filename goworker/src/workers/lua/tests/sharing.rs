//! Jobs that share a VM, and how long one lasts.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use goworker::units::{Dur, Size};
use tokio_util::sync::CancellationToken;

use super::{Bench, show};

#[tokio::test]
async fn who_uses_up_the_memory_fails_and_a_neighbour_that_is_hurt_begins_anew() {
    let scripts = [
        // Holds most of it, and waits.
        (
            "holds.lua",
            "local t = {} for i = 1, 13 do t[i] = ('x'):rep(1000000) .. i sleep('1ms') end sleep('400ms') for i = 1, 13 do t[i + 13] = ('y'):rep(1000000) .. i end return #t",
        ),
        // Wants more than is left, and less than the other holds.
        ("wants.lua", "local t = {} for i = 1, 6 do t[i] = ('z'):rep(1000000) .. i end return #t"),
    ];
    let bench = Bench::set(|config| config.memory = Size::literal("16MiB"), &scripts).await;
    let holder = bench.attempt("holds", "{}", None, CancellationToken::new());
    let neighbour = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (hurt, log) = bench.attempt("wants", "{}", None, CancellationToken::new()).await;
        (show(hurt), log, show(bench.run("wants", "{}").await))
    };
    let ((holder, _), (hurt, log, again)) = tokio::join!(holder, neighbour);
    assert_eq!(show(holder), "retry: the script needs more memory than its limit of 16MiB");
    assert_eq!(hurt, "snoozed 0s");
    assert_eq!(log, ["warn  another script used up the memory of the VM, so this one begins anew; that is no attempt"]);
    assert_eq!(again, "done 6");
}

#[tokio::test]
async fn processor_time_has_a_limit_that_waiting_does_not_count_against() {
    let scripts = [
        ("waits.lua", "for i = 1, 5 do sleep('50ms') end return 1"),
        ("loop.lua", "while true do pcall(function() while true do end end) end"),
        ("tasks.lua", "local function f() while true do end end task.all({ f, f, f })"),
    ];
    let bench = Bench::set(|config| config.cpu = Some(Dur::millis(100)), &scripts).await;
    assert_eq!(show(bench.run("waits", "{}").await), "done 1");
    for name in ["loop", "tasks"] {
        let began = Instant::now();
        assert_eq!(show(bench.run(name, "{}").await), "retry: the script has used up its processor time (100ms)", "{name}");
        assert!(began.elapsed() >= Duration::from_millis(95), "{name}");
    }
}

#[tokio::test]
async fn a_vm_is_replaced_after_ten_thousand_jobs() {
    // Functions of a VM have addresses of their own.
    let bench = Bench::new(&[("test.lua", "return tostring(print)")]).await;
    let mut vms = BTreeSet::new();
    for _ in 0..10_005 {
        vms.insert(show(bench.run("test", "{}").await));
    }
    assert_eq!(vms.len(), 2);
}
