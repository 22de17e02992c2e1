//! Which file a job runs, and in which version.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Bench, outcome, output, shipped, show};

#[tokio::test]
async fn a_script_returns_a_function_or_is_the_body_itself() {
    assert_eq!(output("return function(job) return job.params.x + 1 end", r#"{"x":1}"#).await, "2");
    assert_eq!(output("return job.params.x + 1", r#"{"x":1}"#).await, "2");
    assert_eq!(output("local job = ... return job.params.x + 1", r#"{"x":1}"#).await, "2");
    assert_eq!(outcome("local x = 1", "null").await, "done -");
}

#[tokio::test]
async fn a_job_shows_itself_and_cannot_be_changed() {
    assert_eq!(output("return { job.id, job.name, job.attempt, next(job.params) == nil }", "null").await, r#"["job-1","test",2,true]"#);
    assert_eq!(outcome("job.id = 'other'", "{}").await, "retry: scripts/test.lua:1: attempt to modify a readonly table");
}

#[tokio::test]
async fn the_shipped_scripts_run() {
    let names = ["greet.lua", "word_count.lua", "flaky.lua", "charge.lua"];
    let bench = Bench::new(&[]).await;
    for name in names {
        bench.write(name, &shipped(name));
    }
    let greeted = bench.run("greet", r#"{"who":"world","n":9007199254740993}"#).await;
    assert_eq!(show(greeted), r#"done {"greeting":"Hello, world!","n":9007199254740993}"#);
    let counted = bench.run("word_count", r#"{"text":"one two one"}"#).await;
    assert_eq!(show(counted), r#"done {"one":2,"two":1}"#);
    let flaky = bench.run("flaky", "{}").await;
    assert_eq!(show(flaky), "retry: scripts/flaky.lua:4: the network is down (attempt 2)");
    let charge = show(bench.run("charge", r#"{"amount":5000}"#).await);
    assert!(charge.contains("card declined: 5000 is over the limit"), "{charge}");
}

#[tokio::test]
async fn names_lead_into_folders_and_never_out_of_them() {
    let bench = Bench::new(&[("mail/send.lua", "return 1"), ("greet.lua", "return 2")]).await;
    std::fs::write(bench.folder.path().join("secret.lua"), "return 3").unwrap();
    std::os::unix::fs::symlink(bench.folder.path().join("secret.lua"), bench.scripts().join("link.lua")).unwrap();
    for name in ["mail/send", "mail.send"] {
        assert_eq!(show(bench.run(name, "{}").await), "done 1");
    }
    for (name, why) in [
        (
            "../secret",
            "failed: `../secret` is not the name of a script; write `greet` for greet.lua, `mail/send` or `mail.send` for mail/send.lua",
        ),
        (
            "/etc/passwd",
            "failed: `/etc/passwd` is not the name of a script; write `greet` for greet.lua, `mail/send` or `mail.send` for mail/send.lua",
        ),
        ("link", "failed: scripts/link.lua is a link that leaves the scripts folder"),
        ("greeet", "failed: there is no script scripts/greeet.lua; did you mean `greet`?"),
        ("greet.lua", "failed: there is no script scripts/greet/lua.lua; did you mean `greet`?"),
        ("xyz", "failed: there is no script scripts/xyz.lua"),
        ("", "failed: the job has no `name`; it says which script runs it"),
    ] {
        assert_eq!(show(bench.run(name, "{}").await), why);
    }
}

#[tokio::test]
async fn an_edit_is_picked_up_and_a_broken_one_fails_until_it_is_mended() {
    let bench = Bench::new(&[("test.lua", "return 1")]).await;
    assert_eq!(show(bench.run("test", "{}").await), "done 1");
    let eventually = async |text: &str, expected: &str| {
        bench.write("test.lua", text);
        loop {
            let shown = show(bench.run("test", "{}").await);
            if shown.starts_with(expected) {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    };
    let wait = Duration::from_secs(10);
    tokio::time::timeout(wait, eventually("return 'two'", "done \"two\"")).await.unwrap();
    let broken = tokio::time::timeout(wait, eventually("return (", "failed")).await.unwrap();
    assert!(broken.starts_with("failed: scripts/test.lua:1: Expected"), "{broken}");
    tokio::time::timeout(wait, eventually("return 'mended'", "done \"mended\"")).await.unwrap();
}

#[tokio::test]
async fn modules_are_loaded_once_a_job_and_cycles_are_told() {
    let bench = Bench::new(&[
        ("lib/count.lua", "loads = (loads or 0) + 1 return { value = loads }"),
        ("twice.lua", "local a, b = require 'lib.count', require 'lib.count' return { a.value, b.value, a == b }"),
        ("a.lua", "return require 'b'"),
        ("b.lua", "return require 'a'"),
        ("missing.lua", "return require 'lib.cuont'"),
    ])
    .await;
    for _ in 0..2 {
        assert_eq!(show(bench.run("twice", "{}").await), "done [1,1,true]");
    }
    let cycle = show(bench.run("a", "{}").await);
    assert!(cycle.contains("module 'b' is required while it is being loaded"), "{cycle}");
    let missing = show(bench.run("missing", "{}").await);
    assert!(missing.contains("scripts/missing.lua:1: there is no script scripts/lib/cuont.lua; did you mean `lib/count`?"), "{missing}");
}

#[tokio::test]
async fn nothing_of_one_job_is_left_for_the_next() {
    let bench = Bench::new(&[(
        "test.lua",
        "local seen = { left, string.left, getmetatable('').left }
         left = 1
         local frozen = {}
         frozen[1] = not pcall(function() string.left = 1 end)
         frozen[2] = not pcall(function() getmetatable('').__index = {} end)
         frozen[3] = not pcall(function() log.info = nil end)
         frozen[4] = not pcall(function() getmetatable(json.array()).left = 1 end)
         frozen[5] = not pcall(setmetatable, _G, {})
         return { #seen, frozen }",
    )])
    .await;
    for _ in 0..2 {
        assert_eq!(show(bench.run("test", "{}").await), "done [0,[true,true,true,true,true]]");
    }
}

#[tokio::test]
async fn log_lines_come_back_in_order() {
    let bench =
        Bench::new(&[("test.lua", "log.debug('a') log.info('b', 2) log.warn(3) log.error('d') print('e', nil, {} ~= nil) warn('f', 'g')")])
            .await;
    let (_, lines) = bench.attempt("test", "{}", None, CancellationToken::new()).await;
    assert_eq!(lines, ["debug a", "info  b", "warn  3", "error d", "info  e\tnil\ttrue", "warn  fg"]);
}
