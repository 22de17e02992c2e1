//! Scripts that say something of themselves.

use std::time::{Duration, Instant};

use super::{Bench, outcome, show};

#[tokio::test]
async fn a_script_may_be_a_table_with_its_function_and_settings() {
    for (script, params, expected) in [
        ("return { run = function(job) return job.params.a + 1 end }", r#"{"a":1}"#, "done 2"),
        ("return { timeout = '10s', cpu = '1s', run = function() return 1 end }", "{}", "done 1"),
        (
            "return { params = { a = 'integer', b = 'string?' }, run = function(job) return job.params.a end }",
            r#"{"a":9007199254740993}"#,
            "done 9007199254740993",
        ),
        ("return { params = {}, run = function() end }", "null", "done -"),
        // A result, not a script.
        ("return { run = 'fast', timeout = 'never' }", "{}", r#"done {"run":"fast","timeout":"never"}"#),
    ] {
        assert_eq!(outcome(script, params).await, expected, "{script}");
    }
}

#[tokio::test]
async fn mistakes_in_a_script_are_told_together_and_fail_at_once() {
    let mut said = String::new();
    for script in [
        "return { rum = function() end }",
        "return { run = function() end, timout = '10s', colour = 'red', [1] = 2 }",
        "return { run = 'x', on = print }",
        "return { run = print, timeout = 30, cpu = '0s' }",
        "return { run = print, retries = 3, schedule = '@daily', on_failure = print, backoff = '1s' }",
        "return { run = print, params = 'text' }",
        "return { run = print, params = { a = { b = 'interger' } } }",
        "return { run = print, params = { a = { 'string', 'integer' } } }",
        "return { run = print, params = { a = 7 } }",
    ] {
        said.push_str(&format!("{script}\n{}\n\n", outcome(script, "{}").await));
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn params_are_checked_before_the_run_and_errors_name_the_path() {
    let script = "return {
      params = { id = 'integer', email = 'string', rush = 'boolean?', tags = { 'string' }, lines = { { sku = 'string', qty = 'integer' } }, meta = 'object?' },
      run = function() return 'ran' end,
    }";
    let mut said = String::new();
    for params in [
        r#"{"id":1,"email":"a@b","tags":[],"lines":[{"sku":"A","qty":2,"more":true}],"meta":null}"#,
        r#"{"id":1.5,"email":null,"tags":{},"lines":[{"sku":"A","qty":1},{},{"sku":7,"qty":"x"}],"rush":"yes","meta":[]}"#,
        r#"{"id":"1","tags":["a",null,["b"]],"lines":"none"}"#,
        "[1]",
        "null",
        r#""text""#,
    ] {
        said.push_str(&format!("{params}\n{}\n\n", outcome(script, params).await));
    }
    insta::assert_snapshot!(said);
}

#[tokio::test]
async fn a_script_limits_its_own_time() {
    let bench = Bench::new(&[
        ("waits.lua", "return { timeout = '100ms', run = function() sleep('1m') end }"),
        ("loops.lua", "return { timeout = '100ms', run = function() while true do end end }"),
        ("computes.lua", "return { cpu = '50ms', run = function() while true do pcall(function() while true do end end) end end }"),
        ("longer.lua", "return { timeout = '1h', run = function() while true do end end }"),
    ])
    .await;
    for (name, expected) in [
        ("waits", "retry: timed out after 100ms"),
        ("loops", "retry: timed out after 100ms"),
        ("computes", "retry: the script has used up its processor time (50ms)"),
        // The job's own limit is the shorter one.
        ("longer", "retry: timed out after 2s"),
    ] {
        let began = Instant::now();
        let (end, _) = bench.attempt(name, "{}", Some(Duration::from_secs(2)), tokio_util::sync::CancellationToken::new()).await;
        assert_eq!(show(end), expected, "{name}");
        assert!(began.elapsed() < Duration::from_secs(if name == "longer" { 10 } else { 2 }), "{name}: {:?}", began.elapsed());
    }
}
