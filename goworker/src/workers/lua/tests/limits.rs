//! What no script can catch or outlast.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Bench, show};

const LIMIT: Duration = Duration::from_millis(200);
/// Tests run on busy machines: far more than the 100 ms of the promise.
const SLACK: Duration = Duration::from_secs(2);

const BOMBS: &[(&str, &str)] = &[
    ("loop", "while true do end"),
    ("pcall", "while true do pcall(function() while true do end end) end"),
    ("nested-pcall", "local function f(n) while true do pcall(f, n + 1) end end f(0)"),
    ("xpcall", "local function f() while true do end end while true do xpcall(f, f) end"),
    ("coroutine", "while true do coroutine.wrap(function() while true do end end)() end"),
    ("resume", "while true do coroutine.resume(coroutine.create(function() while true do end end)) end"),
    ("sort", "local t = {} for i = 1, 100 do t[i] = i end table.sort(t, function() while true do end end)"),
    ("pattern", "return string.find(('a'):rep(3000), ('.-'):rep(20) .. 'b')"),
    ("pattern-pcall", "while true do pcall(string.gsub, ('a'):rep(3000), ('.-'):rep(20) .. 'b', '') end"),
    ("tostring", "error(setmetatable({}, { __tostring = function() while true do end end }))"),
    ("late-success", "pcall(function() while true do end end) return 'fine'"),
    (
        "compare",
        "local a, b = ('x'):rep(2000000) .. 'a', ('x'):rep(2000000) .. 'b'
         local t = {} for i = 1, 100000 do t[i] = i % 2 == 0 and a or b end table.sort(t)",
    ),
    ("long-steps", "local s = ('x'):rep(20000000) while true do s:reverse() end"),
    ("encode", "local t = { 1 } for i = 1, 21 do t = { t, t } end while true do pcall(json.encode, t) end"),
    ("result", "local t = {} for i = 1, 100 do t = { t, t } end return t"),
    ("log", "while true do log.debug('again') end"),
];

#[tokio::test]
async fn every_endless_script_is_stopped_at_its_deadline() {
    let bench = Bench::new(&[("quick.lua", "return 1")]).await;
    for (name, script) in BOMBS {
        bench.write(&format!("{name}.lua"), script);
        let started = Instant::now();
        let (outcome, _) = bench.attempt(name, "{}", Some(LIMIT), CancellationToken::new()).await;
        let took = started.elapsed();
        assert_eq!(show(outcome), "retry: timed out after 200ms", "{name}");
        assert!(took < LIMIT + SLACK, "{name} took {took:?}");
        // Its thread is free again, not only its slot.
        assert_eq!(show(bench.run("quick", "{}").await), "done 1", "after {name}");
        eprintln!("{name}: slot {:?}, thread {:?}", took - LIMIT, started.elapsed() - LIMIT);
        assert!(started.elapsed() < LIMIT + SLACK, "{name} held its thread for {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn calls_that_luau_would_not_interrupt_end_in_time() {
    let bench = Bench::new(&[]).await;
    for (name, script, expected) in [
        ("plain-find", "return string.find(('a'):rep(4000000), ('a'):rep(2000000) .. 'b', 1, true)", "done -"),
        ("find", "return string.find(('a'):rep(4000000), ('a'):rep(2000000) .. 'b')", "done -"),
        ("split", "return #string.split(('a'):rep(4000000), ('a'):rep(2000000) .. 'b')", "done 1"),
        ("move", "table.move({}, 1, 2^31, 2)", "retry: scripts/move.lua:1: table.move: more than a million elements"),
    ] {
        bench.write(&format!("{name}.lua"), script);
        let started = Instant::now();
        let (outcome, _) = bench.attempt(name, "{}", Some(Duration::from_secs(5)), CancellationToken::new()).await;
        assert_eq!(show(outcome), expected, "{name}");
        assert!(started.elapsed() < SLACK, "{name}");
    }
}

#[tokio::test]
async fn memory_is_bounded_whatever_the_script_catches() {
    let bench = Bench::new(&[("fine.lua", "return #('x'):rep(10000000)")]).await;
    for (name, script) in [
        ("rep", "return #('x'):rep(1000000000)"),
        ("double", "local s = 'x' while true do s = s .. s end"),
        ("table", "local t = {} while true do t[#t + 1] = { #t } end"),
        ("coroutines", "local t = {} while true do t[#t + 1] = coroutine.create(print) end"),
        ("pcall", "pcall(string.rep, 'x', 1e9) return 'fine'"),
        ("pcall-loop", "while true do pcall(function() local t = {} while true do t[#t + 1] = { #t } end end) end"),
        ("xpcall", "xpcall(function() return ('x'):rep(1e9) end, function() return 'caught' end) return 'fine'"),
        ("resume", "coroutine.resume(coroutine.create(function() return ('x'):rep(1e9) end)) return 'fine'"),
        ("error", "local ok, why = pcall(string.rep, 'x', 1e9) error('other')"),
    ] {
        bench.write(&format!("{name}.lua"), script);
        let shown = show(bench.run(name, "{}").await);
        assert_eq!(shown, "retry: the script needs more memory than its limit of 64MiB", "{name}");
        assert_eq!(show(bench.run("fine", "{}").await), "done 10000000", "after {name}");
    }
}

#[tokio::test]
async fn a_result_that_unfolds_to_no_end_is_refused() {
    let bench = Bench::new(&[("test.lua", "local t = { ('x'):rep(1000) } for i = 1, 60 do t = { t, t } end return t")]).await;
    let shown = show(bench.run("test", "{}").await);
    assert!(shown.starts_with("failed: result[1]") && shown.ends_with(": more than 16 MiB of JSON up to here"), "{shown}");
}

#[tokio::test]
async fn what_earlier_jobs_left_behind_does_not_count() {
    let bench = Bench::new(&[("test.lua", "local t = {} for i = 1, 20 do t[i] = ('x'):rep(1000000) .. i end return #t")]).await;
    for _ in 0..20 {
        assert_eq!(show(bench.run("test", "{}").await), "done 20");
    }
}

#[tokio::test]
async fn garbage_does_not_count_as_memory_that_a_script_needs() {
    let bench = Bench::new(&[
        ("text.lua", "local kept = {} for i = 1, 35 do kept[i] = ('x'):rep(1000000) .. i end for i = 1, 1000 do local s = ('y'):rep(1000000) .. i end return #kept"),
        ("tables.lua", "local kept = {} for i = 1, 300000 do kept[i] = { i } end for i = 1, 3000000 do local t = { i } end return #kept"),
    ])
    .await;
    assert_eq!(show(bench.run("text", "{}").await), "done 35");
    assert_eq!(show(bench.run("tables", "{}").await), "done 300000");
}

#[tokio::test]
async fn other_jobs_go_on_beside_an_endless_one() {
    let bench = Bench::new(&[("loop.lua", "while true do end"), ("quick.lua", "return 1")]).await;
    let cancel = CancellationToken::new();
    let endless = bench.attempt("loop", "{}", None, cancel.clone());
    let others = async {
        for _ in 0..20 {
            assert_eq!(show(bench.run("quick", "{}").await), "done 1");
        }
    };
    tokio::pin!(endless);
    tokio::select! {
        biased;
        _ = &mut endless => panic!("it cannot end by itself"),
        () = others => {}
    }
    cancel.cancel();
    assert_eq!(show(endless.await.0), "retry: cancelled");
}

#[tokio::test]
async fn a_cancelled_job_stops_at_once() {
    let bench = Bench::new(&[("loop.lua", "log.info('going') while true do pcall(error) end"), ("quick.lua", "return 1")]).await;
    let cancel = CancellationToken::new();
    let running = bench.attempt("loop", "{}", None, cancel.clone());
    tokio::pin!(running);
    tokio::select! {
        _ = &mut running => panic!("it cannot end by itself"),
        _ = bench.run("quick", "{}") => cancel.cancel(),
    }
    assert_eq!(show(running.await.0), "retry: cancelled");
    assert_eq!(show(bench.run("quick", "{}").await), "done 1");
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_stops() {
    let bench =
        Bench::new(&[("stuck.lua", "local t = { 3, 2, 1 } table.sort(t, function() while true do end end)"), ("quick.lua", "return 1")])
            .await;
    {
        let abandoned = bench.attempt("stuck", "{}", None, CancellationToken::new());
        tokio::pin!(abandoned);
        // Polled once, which sends it to its thread, then dropped.
        assert!(futures::poll!(abandoned.as_mut()).is_pending());
    }
    assert_eq!(show(bench.run("quick", "{}").await), "done 1");
}
