//! Lua scripts, run by a pipeline. While a script computes, virtual time stands still; while it waits, virtual time passes.

use std::time::{Duration, Instant};

use goworker::JobRecord;
use goworker::testing::Pipeline;
use tempfile::TempDir;

/// A folder of scripts and a pipeline that runs them.
struct Scripts {
    folder: TempDir,
}

impl Scripts {
    fn new(scripts: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let scripts_folder = folder.path().join("scripts");
        std::fs::create_dir(&scripts_folder).unwrap();
        let this = Scripts { folder };
        scripts.iter().for_each(|(name, text)| this.write(name, text));
        this
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("scripts").join(format!("{name}.lua"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn pipeline(&self) -> Pipeline {
        let scripts = self.folder.path().join("scripts");
        Pipeline::new(&format!(
            r#"(providers: {{ "jobs": memory() }}, workers: {{ "lua": lua(scripts: {scripts:?}, memory: "16MiB", threads: 2, concurrency: 16) }}, retry: (retries: 0))"#
        ))
    }
}

/// Runs one job of a script and waits for its end.
fn run(pipeline: &mut Pipeline, name: &str, rest: &str) -> JobRecord {
    let id = pipeline.feed(&format!(r#"{{"type":"lua","name":"{name}"{rest}}}"#));
    pipeline.run();
    pipeline.job(&id)
}

fn output(script: &str, params: &str) -> String {
    let scripts = Scripts::new(&[("s", script)]);
    let mut pipeline = scripts.pipeline();
    let record = run(&mut pipeline, "s", &format!(r#","params":{params}"#));
    match record.failure {
        Some(failure) => format!("{}: {failure}", record.state),
        None => record.output.json().unwrap_or("(none)").to_owned(),
    }
}

#[test]
fn a_script_may_return_a_function_or_be_a_plain_body() {
    assert_eq!(output("return function(job) return job.params.a + 1 end", r#"{"a":1}"#), "2");
    assert_eq!(output("return { job.name, job.attempt, job.params[1] }", "[7]"), r#"["s",1,7]"#);
    assert_eq!(output("local job = ... return job.id ~= nil", "{}"), "true");
    assert_eq!(output("local x = 1", "{}"), "(none)");
}

#[test]
fn json_survives_a_script() {
    let params = r#"{"a":9007199254740993,"b":[],"c":{},"d":18446744073709551615,"e":null,"f":1.5,"g":-9223372036854775808,"h":"ü"}"#;
    assert_eq!(output("return job.params", params), params);
    assert_eq!(
        output("return tostring(job.params.a) .. '|' .. job.params.a", r#"{"a":9007199254740993}"#),
        r#""9007199254740993|9007199254740993""#
    );
    assert_eq!(
        output("return json.decode(json.encode({ list = json.array(), n = json.null, x = 2.0 }))", "{}"),
        r#"{"list":[],"n":null,"x":2}"#
    );
}

#[test]
fn errors_say_where_and_why() {
    let scripts = Scripts::new(&[
        ("raises", "local function inner(x)\n  return x.y.z\nend\nreturn function(job)\n  local a = inner({})\n  return a\nend"),
        ("table", "error({ message = 'no card', code = 7 })"),
        ("syntax", "local x = 1\nlocal y = x & 3\nreturn y"),
        ("jump", "goto done\n::done::"),
        ("result", "return { lines = { 1, 2, { cb = print } } }"),
        ("discards", "pcall(print)\ndiscard('not today')"),
        ("cycle", "local t = {}\nt.t = t\nreturn t"),
        ("greet", "return 1"),
    ]);
    let mut pipeline = scripts.pipeline();
    let mut said = String::new();
    for name in ["raises", "table", "syntax", "jump", "result", "discards", "cycle", "gret", "../secret", "/etc/passwd", ""] {
        let record = run(&mut pipeline, name, "");
        said.push_str(&format!("{name:?}\n{}\n\n", record.failure.map_or("no failure".to_owned(), |failure| failure.message)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_job_never_sees_what_another_left_behind() {
    let scripts = Scripts::new(&[
        ("leaves", "mark = 1; _G.other = 2; pcall(function() string.upper = nil end); pcall(function() getmetatable('').__index = {} end)"),
        ("looks", "return { tostring(mark), tostring(_G.other), ('x'):upper() }"),
    ]);
    let mut pipeline = scripts.pipeline();
    for _ in 0..4 {
        run(&mut pipeline, "leaves", "");
        assert_eq!(run(&mut pipeline, "looks", "").output.json(), Some(r#"["nil","nil","X"]"#));
    }
}

#[test]
fn a_script_sees_nothing_of_the_machine() {
    let seen = output(
        "local names = {} for _, n in { 'io', 'dofile', 'loadfile', 'package', 'loadstring', 'getfenv', 'setfenv', 'newproxy', 'collectgarbage' } do names[#names + 1] = n .. '=' .. tostring(_G[n]) end names[#names + 1] = tostring(os.execute) names[#names + 1] = tostring(pcall(require, './etc')) return names",
        "{}",
    );
    assert_eq!(
        seen,
        r#"["io=nil","dofile=nil","loadfile=nil","package=nil","loadstring=nil","getfenv=nil","setfenv=nil","newproxy=nil","collectgarbage=nil","nil","false"]"#
    );
}

#[test]
fn ordinary_lua_runs() {
    let script = "#!/usr/bin/env lua\nlocal f = load('return 7 // 2') local a, b = table.unpack({ 1, 2 }) local c = unpack({ 3 }) return { f(), a + b + c, string.format('%d', 3), #table.move({ 1, 2 }, 1, 2, 3), math.type(1), utf8.char(252) }";
    assert_eq!(output(script, "{}"), r#"[3,6,"3",4,"integer","ü"]"#);
}

#[test]
fn an_edit_is_picked_up() {
    let scripts = Scripts::new(&[("s", "return 1")]);
    let mut pipeline = scripts.pipeline();
    assert_eq!(run(&mut pipeline, "s", "").output.json(), Some("1"));
    scripts.write("s", "return 'two'");
    let began = Instant::now();
    while run(&mut pipeline, "s", "").output.json() != Some(r#""two""#) {
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_script_may_put_its_job_off_or_say_when_to_try_again() {
    let scripts = Scripts::new(&[("later", "retry('busy', { after = '10ms' })"), ("wrong", "retry('busy', { after = '10 parsecs' })")]);
    let mut pipeline = scripts.pipeline();
    let record = run(&mut pipeline, "later", r#","retries":2"#);
    assert_eq!((record.attempts.len(), record.failure.unwrap().message.as_str()), (3, "busy"));
    assert!(run(&mut pipeline, "wrong", "").failure.unwrap().message.contains("is not a duration"));
}

#[test]
fn a_script_says_how_far_it_is() {
    let said = r#"progress(0.5, "half") progress(1) return "said""#;
    assert_eq!(output(said, "{}"), r#""said""#);
    let wrong = output(r#"progress("half")"#, "{}");
    assert!(wrong.contains("s.lua:1: progress: a number from 0 to 1 is needed, not a string"), "{wrong}");
}

#[test]
fn a_script_sleeps_in_virtual_time_and_times_out_in_it() {
    let naps = "local began = os.time() task.map({ 1, 2, 3 }, 2, function(n) sleep(n .. 'h') end) return (os.time() - began) / 3600";
    let scripts = Scripts::new(&[("naps", naps), ("oversleeps", "sleep('1h') return 1")]);
    let mut pipeline = scripts.pipeline();
    let real = Instant::now();
    assert_eq!(run(&mut pipeline, "naps", "").output.json(), Some("4"));
    let late = run(&mut pipeline, "oversleeps", r#","timeout":"10m""#);
    assert_eq!(late.failure.unwrap().message, "timed out after 10m");
    assert!(real.elapsed() < Duration::from_secs(60));
}
