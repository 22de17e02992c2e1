//! Scripts that wait, and that do several things at a time.

use std::time::{Duration, Instant};

use futures::future::join_all;
use goworker::Outcome;
use tokio_util::sync::CancellationToken;

use super::{Bench, outcome, output, show};

#[tokio::test]
async fn a_script_sleeps_for_a_duration_or_for_seconds() {
    for script in ["sleep('50ms')", "sleep(0.05)"] {
        let began = Instant::now();
        assert_eq!(outcome(&format!("{script} return 1"), "{}").await, "done 1");
        assert!(began.elapsed() >= Duration::from_millis(50), "{script}");
    }
    for (script, why) in [
        (
            "sleep('soon')",
            "retry: scripts/test.lua:1: sleep: `soon` is not a duration; write it with a unit, such as \"30s\", \"250ms\" or \"1h 30m\"",
        ),
        ("sleep(-1)", "retry: scripts/test.lua:1: sleep: -1 is no number of seconds"),
        ("sleep({})", "retry: scripts/test.lua:1: sleep: a duration such as \"30s\" is needed, not a table"),
    ] {
        assert_eq!(outcome(script, "{}").await, why);
    }
}

#[tokio::test]
async fn five_hundred_jobs_that_sleep_share_two_threads() {
    let bench = Bench::with(2, &[("test.lua", "sleep('1s') return 1")]).await;
    let began = Instant::now();
    let ends = join_all((0..500).map(|_| bench.run("test", "{}"))).await;
    let took = began.elapsed();
    assert!(ends.into_iter().all(|end| show(end) == "done 1"));
    println!("500 jobs that sleep for 1 s on 2 threads: {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test]
async fn jobs_that_sleep_are_hardly_late_beside_one_that_never_lets_go() {
    let bench = Bench::with(
        1,
        &[
            ("sleeps.lua", "for i = 1, 10 do sleep('20ms') end return 1"),
            ("hog.lua", "while true do end"),
            ("generator.lua", "for x in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end"),
            ("inside.lua", "coroutine.wrap(function() while true do end end)()"),
        ],
    )
    .await;
    let sleepers = || async {
        let began = Instant::now();
        let ends = join_all((0..20).map(|_| bench.run("sleeps", "{}"))).await;
        assert!(ends.into_iter().all(|end| show(end) == "done 1"));
        began.elapsed()
    };
    let alone = sleepers().await;
    for hog in ["hog", "generator", "inside"] {
        let cancel = CancellationToken::new();
        let endless = bench.attempt(hog, "{}", None, cancel.clone());
        tokio::pin!(endless);
        let beside = tokio::select! {
            _ = &mut endless => panic!("it cannot end by itself"),
            took = sleepers() => took,
        };
        cancel.cancel();
        endless.await;
        println!("20 jobs that sleep: {alone:?} alone, {beside:?} beside {hog}, {:.2} times", beside.as_secs_f64() / alone.as_secs_f64());
        assert!(beside < alone * 5, "{beside:?} beside {hog}, {alone:?} alone");
    }
}

#[tokio::test]
async fn tasks_run_at_the_same_time_and_bring_their_results() {
    for (script, expected) in [
        ("local a = task.spawn(function(x) sleep('20ms') return x + 1, 'b' end, 1) return { a:await() }", r#"[2,"b"]"#),
        ("local t = task.spawn(function() return 1 end) t:await() return { t:await(), t:done() }", "[1,true]"),
        ("return task.all({ function() sleep(0.02) return 'a' end, function() return 'b' end })", r#"["a","b"]"#),
        ("return task.all({ x = function() return 1 end, y = task.spawn(function() return 2 end) })", r#"{"x":1,"y":2}"#),
        ("return task.all(json.array())", "{}"),
        ("return task.race({ function() sleep('1m') return 'slow' end, function() sleep('10ms') return 'fast' end })", r#""fast""#),
        ("return task.map({ 3, 1, 2 }, 2, function(n, i) sleep(n / 100) return n * 10 + i end)", "[31,12,23]"),
        ("return task.map({ 'a' }, function(x) return x .. x end)", r#"["aa"]"#),
        // At most so many at once.
        (
            "local now, most = 0, 0 task.map(table.create(20, 0), 3, function() now += 1 most = math.max(most, now) sleep(0.001) now -= 1 end) return most",
            "3",
        ),
        // Within a coroutine of the script's own, which its caller sees as running all the while.
        (
            "local f = coroutine.wrap(function() for i = 1, 3 do sleep('5ms') coroutine.yield(i) end end) return { f(), f(), f() }",
            "[1,2,3]",
        ),
        (
            "local co = coroutine.create(function(a) sleep('5ms') local b = coroutine.yield(a + 1) sleep('5ms') return b * 2 end) local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10) return { x, y, coroutine.status(co) }",
            r#"[2,20,"dead"]"#,
        ),
        (
            "local co = coroutine.create(function() sleep('1m') end) task.spawn(coroutine.resume, co) sleep('5ms') return { coroutine.resume(co) }",
            r#"[false,"cannot resume a coroutine that waits for something"]"#,
        ),
        ("local t = task.spawn(print) return { table.isfrozen(t), table.isfrozen(getmetatable(t)) }", "[true,true]"),
        ("return { pcall(function() sleep('1ms') error('x', 0) end) }", r#"[false,"x"]"#),
    ] {
        assert_eq!(output(script, "{}").await, expected, "{script}");
    }
}

#[tokio::test]
async fn a_task_that_fails_is_told_where_it_is_awaited() {
    for (script, expected) in [
        ("local t = task.spawn(function() error('broken') end) t:await()", "retry: scripts/test.lua:1: broken"),
        ("task.all({ function() sleep('1m') end, function() error('broken') end })", "retry: scripts/test.lua:1: broken"),
        ("task.map({ 1, 2 }, 1, function(n) if n == 2 then discard('two') end end)", "failed: two"),
        ("task.race({ function() error('first', 0) end, function() sleep('1m') end })", "retry: first\n  called from scripts/test.lua:1"),
        (
            "local t = task.spawn(sleep, '1m') t:cancel() local ok, err = pcall(t.await, t) return { err.kind, tostring(err) }",
            r#"done ["cancelled","the task was cancelled"]"#,
        ),
        ("task.spawn(1)", "retry: scripts/test.lua:1: task.spawn: a function is needed, not a number"),
        ("task.all({ 1 })", "retry: scripts/test.lua:1: task.all: a function is needed, not a number"),
        (
            "task.spawn(print).await()",
            "retry: scripts/test.lua:1: await: a task is needed, as task.spawn returns it, not a nil; write task:await()",
        ),
        ("task.race({})", "retry: scripts/test.lua:1: task.race: there is nothing to race"),
        ("local a a = task.spawn(function() a:await() end) a:await()", "retry: every task waits for another one, so none would go on"),
    ] {
        let shown = outcome(script, "{}").await;
        assert!(shown.starts_with(expected), "{script}: {shown}");
    }
}

#[tokio::test]
async fn tasks_end_with_their_job_and_no_error_is_lost() {
    let bench = Bench::new(&[
        ("leaves.lua", "task.spawn(function() sleep('50ms') log.info('too late') end) return 'left'"),
        ("fails.lua", "task.spawn(error, 'unheard', 0) sleep('5ms') return 1"),
        ("nested.lua", "local t = task.spawn(function() task.spawn(function() sleep('20ms') log.info('orphan') end) end) t:await() sleep('60ms') return 1"),
    ])
    .await;
    let run = |name| bench.attempt(name, "{}", None, CancellationToken::new());
    let (end, log) = run("leaves").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((show(end).as_str(), log.len()), ("done \"left\"", 0));
    let (end, log) = run("fails").await;
    assert_eq!((show(end).as_str(), log), ("done 1", vec!["warn  a task that nobody awaited failed: unheard".to_owned()]));
    let (end, log) = run("nested").await;
    assert_eq!((show(end).as_str(), log.len()), ("done 1", 0));
}

#[tokio::test]
async fn where_nothing_can_wait_the_error_says_so() {
    let place = "cannot wait here: inside of a comparison for table.sort, a function for string.gsub, an iterator or a metamethod nothing can; do it before, or after";
    for script in [
        "table.sort({ 2, 1 }, function(a, b) sleep(1) return a < b end)",
        "('x'):gsub('.', function() sleep(1) end)",
        "return setmetatable({}, { __index = function() sleep(1) end }).x",
        "return tostring(setmetatable({}, { __tostring = function() sleep(1) end }))",
        "table.sort({ 2, 1 }, function(a, b) coroutine.wrap(function() sleep(1) end)() return a < b end)",
    ] {
        let shown = outcome(script, "{}").await;
        assert!(shown.starts_with("retry: scripts/test.lua:1: sleep cannot wait here") && shown.contains(place), "{script}: {shown}");
    }
    let shown = outcome("local t = task.spawn(sleep, 1) table.sort({ 2, 1 }, function() t:await() end)", "{}").await;
    assert!(shown.starts_with("retry: scripts/test.lua:1: await cannot wait here"), "{shown}");
}

#[tokio::test]
async fn a_limit_holds_while_a_script_waits() {
    let bench = Bench::new(&[("test.lua", "sleep('1m')"), ("quick.lua", "return 1")]).await;
    let limit = Duration::from_millis(100);
    let began = Instant::now();
    let (end, _) = bench.attempt("test", "{}", Some(limit), CancellationToken::new()).await;
    assert_eq!(show(end), "retry: timed out after 100ms");
    assert!(began.elapsed() < Duration::from_secs(2));
    let cancel = CancellationToken::new();
    let waiting = bench.attempt("test", "{}", None, cancel.clone());
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => panic!("it cannot end by itself"),
        _ = bench.run("quick", "{}") => cancel.cancel(),
    }
    let end: Outcome = waiting.await.0;
    assert_eq!(show(end), "retry: cancelled");
}
