//! How a script ends, and what people read about it.

use super::{Bench, outcome, show};

#[tokio::test]
async fn an_error_says_where_and_who_called() {
    let script = "local function inner(x)\n  return x.y.z\nend\nlocal function run(job)\n  local value = inner(job.params)\n  return value\nend\nreturn function(job)\n  local value = run(job)\n  return value\nend";
    insta::assert_snapshot!(outcome(script, "{}").await, @r"
    retry: scripts/test.lua:2: attempt to index nil with 'z'
      called from scripts/test.lua:5 in run
      called from scripts/test.lua:9
    ");
}

#[tokio::test]
async fn errors_of_every_kind_print_as_text() {
    for (script, expected) in [
        ("error('plain')", "retry: scripts/test.lua:1: plain"),
        ("error('bare', 0)", "retry: bare\n  called from scripts/test.lua:1"),
        ("error{ message = 'in a table', code = 3 }", "retry: scripts/test.lua:1: in a table"),
        ("error(setmetatable({}, { __tostring = function() return 'own text' end }))", "retry: scripts/test.lua:1: own text"),
        ("error()", "retry: scripts/test.lua:1: an error without a message (nil)"),
        ("snooze(30)", "retry: scripts/test.lua:1: `30` has no unit; write \"30s\", \"30ms\" or \"30m\""),
        ("json.decode('[1,')", "retry: scripts/test.lua:1: json.decode: EOF while parsing a value at line 1 column 3"),
        ("return json.null.x", "retry: scripts/test.lua:1: attempt to index null with 'x'"),
        ("coroutine.yield()", "retry: attempt to yield from outside a coroutine\n  called from scripts/test.lua:1"),
        ("local ok, err = pcall(json.decode, 'x') return err", "done \"json.decode: expected value at line 1 column 1\""),
    ] {
        assert_eq!(outcome(script, "{}").await, expected, "{script}");
    }
}

#[tokio::test]
async fn a_script_ends_itself_at_any_depth() {
    for (script, expected) in [
        ("retry('busy')", "retry: busy"),
        ("retry('busy', { after = '1m' })", "retry after 1m: busy"),
        ("return discard('gone')", "failed: gone"),
        ("snooze('30s')", "snoozed 30s"),
        ("coroutine.wrap(function() (function() snooze('30s') end)() end)()", "snoozed 30s"),
        ("local ok, err = pcall(discard, 'gone') if err.kind == 'discard' then error(err) end", "failed: gone"),
    ] {
        assert_eq!(outcome(script, "{}").await, expected, "{script}");
    }
}

#[tokio::test]
async fn a_result_without_a_json_form_fails_for_good_and_says_where() {
    for (script, expected) in [
        ("return { lines = { 1, 2, { cb = print } } }", "failed: result.lines[3].cb: a function has no JSON form"),
        ("return 0/0", "failed: result: NaN has no JSON form"),
        ("return { a = 1/0 }", "failed: result.a: infinity has no JSON form"),
        ("local t = {} t.t = { t } return t", "failed: result.t[1]: the table contains itself"),
        ("return { [true] = 1 }", "failed: result: the key of type boolean is not text"),
        ("return { 1, 2, x = 3 }", "failed: result: an array of 2 with the key `x`: neither an array nor an object"),
        ("return '\\255'", "failed: result: the text is not UTF-8"),
        ("return coroutine.create(print)", "failed: result: a thread has no JSON form"),
    ] {
        assert_eq!(outcome(script, "{}").await, expected, "{script}");
    }
}

#[tokio::test]
async fn an_error_deep_in_a_module_names_its_file() {
    let bench = Bench::new(&[
        ("lib/mail.lua", "local M = {}\nfunction M.send(to)\n  return to.address.street\nend\nreturn M"),
        ("test.lua", "local mail = require 'lib.mail'\nreturn function(job)\n  local sent = mail.send(job.params)\n  return sent\nend"),
    ])
    .await;
    insta::assert_snapshot!(show(bench.run("test", "{}").await), @r"
    retry: scripts/lib/mail.lua:3: attempt to index nil with 'street'
      called from scripts/test.lua:3
    ");
}
