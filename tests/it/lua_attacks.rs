//! Everything that a script could do to the process it runs in, as one table. Against the real binary: what it costs is
//! what its users would pay.

use std::fmt::Write;
use std::time::{Duration, Instant};

use goworker_tests::daemon::{Daemon, Sandbox, wait_until};
use goworker_tests::http::curl;
use serde_json::json;

use crate::BINARY;

const LIMIT: Duration = Duration::from_millis(300);
/// What is promised, and what a test on a busy machine asks for.
const PROMISED: Duration = Duration::from_millis(100);
const SLACK: Duration = Duration::from_secs(10);

/// How an attack ends.
enum End {
    /// Its time is up.
    TimedOut,
    /// It has no more memory.
    NoMemory,
    /// By itself: with an error that says this.
    Fails(&'static str),
    /// By itself, with this.
    Answers(&'static str),
}
use End::{Answers, Fails, NoMemory, TimedOut};

const ATTACKS: &[(&str, End, &str)] = &[
    // Loops, and whatever could catch what stops them.
    ("while", TimedOut, "while true do end"),
    ("repeat", TimedOut, "repeat until false"),
    ("calls", TimedOut, "local function f() return 1 end while true do f() end"),
    ("tail calls", Fails("stack overflow"), "local function f() return f() end f()"),
    ("for", TimedOut, "for i = 1, math.huge do end"),
    ("pcall", TimedOut, "while true do pcall(function() while true do end end) end"),
    ("pcall once", TimedOut, "pcall(function() while true do end end) return 'swallowed'"),
    ("nested pcall", TimedOut, "local function f() while true do pcall(f) end end f()"),
    ("xpcall", TimedOut, "local function f() while true do end end while true do xpcall(f, f) end"),
    ("xpcall handler", TimedOut, "xpcall(error, function() while true do end end)"),
    ("__tostring of an error", TimedOut, "error(setmetatable({}, { __tostring = function() while true do end end }))"),
    ("__tostring of a log line", TimedOut, "print(setmetatable({}, { __tostring = function() while true do end end }))"),
    ("__index", TimedOut, "local t = setmetatable({}, { __index = function() while true do end end }) return t.x"),
    ("__iter", TimedOut, "for x in setmetatable({}, { __iter = function() while true do end end }) do end"),
    ("__gc", Answers("1"), "for i = 1, 1000 do setmetatable({}, { __gc = function() while true do end end }) end return 1"),
    ("coroutine.wrap", TimedOut, "coroutine.wrap(function() while true do end end)()"),
    ("coroutine.resume", TimedOut, "while true do coroutine.resume(coroutine.create(function() while true do end end)) end"),
    ("yields", TimedOut, "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end"),
    ("yields to nobody", TimedOut, "while true do pcall(coroutine.yield) end"),
    ("tasks", TimedOut, "task.spawn(function() while true do end end) sleep(60)"),
    ("tasks that catch", TimedOut, "local function f() while true do pcall(sleep, 0) end end task.all({ f, f, f })"),
    ("a long sleep", TimedOut, "pcall(sleep, '1h') return 'slept'"),
    ("sort", TimedOut, "local t = table.create(1000, 1) table.sort(t, function() while true do end end)"),
    ("sort, caught", TimedOut, "local t = table.create(1000, 1) while true do pcall(table.sort, t, function() while true do end end) end"),
    (
        "sort of long texts",
        TimedOut,
        "local a, b = ('x'):rep(2000000) .. 'a', ('x'):rep(2000000) .. 'b' local t = {} for i = 1, 100000 do t[i] = i % 2 == 0 and a or b end table.sort(t)",
    ),
    ("gsub", TimedOut, "('x'):gsub('.', function() while true do end end)"),
    ("load", TimedOut, "while true do load('return 1 + 1')() end"),
    // Loops in C.
    ("pattern", TimedOut, "return string.find(('a'):rep(3000), ('.-'):rep(20) .. 'b')"),
    ("pattern, backtracking", TimedOut, "return string.find(('a'):rep(20000), '.-.-.-.-b$')"),
    ("pattern, caught", TimedOut, "while true do pcall(string.gsub, ('a'):rep(3000), ('.-'):rep(20) .. 'b', '') end"),
    ("pattern, a long set", Fails("longer than 4096 bytes"), "return ('a'):rep(1000000):match('[' .. ('b'):rep(1000000) .. 'a]*c')"),
    ("plain find", Answers("null"), "return (string.find(('a'):rep(4000000), ('a'):rep(2000000) .. 'b', 1, true))"),
    ("find", Answers("null"), "return (string.find(('a'):rep(4000000), ('a'):rep(2000000) .. 'b'))"),
    ("split", Answers("1"), "return #string.split(('a'):rep(4000000), ('a'):rep(2000000) .. 'b')"),
    ("table.move", Fails("more than a million elements"), "return table.move({}, 1, 2^31, 2)"),
    ("rep of nothing", Answers("0"), "return #(''):rep(1e9)"),
    ("long steps", TimedOut, "local s = ('x'):rep(20000000) while true do s:reverse() end"),
    ("encode", TimedOut, "local t = { 1 } for i = 1, 21 do t = { t, t } end while true do pcall(json.encode, t) end"),
    ("log", TimedOut, "while true do log.debug('again') end"),
    // Memory.
    ("rep", NoMemory, "return #('x'):rep(1000000000)"),
    ("doubled", NoMemory, "local s = 'x' while true do s = s .. s end"),
    ("tables", NoMemory, "local t = {} while true do t[#t + 1] = { #t } end"),
    ("coroutines", NoMemory, "local t = {} while true do t[#t + 1] = coroutine.create(print) end"),
    ("tasks without end", Fails("more than 10000 tasks"), "while true do task.spawn(sleep, 60) end"),
    ("table.create", Fails("table overflow"), "return table.create(2^30)"),
    ("buffer", NoMemory, "return buffer.create(2^30 - 1)"),
    ("concat", NoMemory, "return table.concat(table.create(100000, ('x'):rep(10000)))"),
    ("memory, caught", NoMemory, "while true do pcall(function() local t = {} while true do t[#t + 1] = { #t } end end) end"),
    ("memory, caught once", NoMemory, "pcall(string.rep, 'x', 1e9) return 'swallowed'"),
    ("a result that unfolds", TimedOut, "local t = {} for i = 1, 100 do t = { t, t } end return t"),
    ("a long result", Fails("more than 16 MiB"), "local t = { ('x'):rep(1000) } for i = 1, 60 do t = { t, t } end return t"),
    // The stack.
    ("recursion", Fails("stack overflow"), "local function f() return 1 + f() end return f()"),
    ("wrap in wrap", Fails("overflow"), "local function f() coroutine.wrap(f)() end f()"),
    ("gsub in gsub", Fails("overflow"), "local function f() ('x'):gsub('.', f) end f()"),
    (
        "__index in __index",
        Fails("overflow"),
        "local t = {} setmetatable(t, { __index = function(_, k) return t[k .. 'x'] end }) return t.x",
    ),
    ("nested source", Fails("load"), "return assert(load('return ' .. ('('):rep(100000) .. '1' .. (')'):rep(100000), 'load'))"),
    ("long source", Fails("longer than 131072 bytes"), "return assert(load('return ' .. ('1 + '):rep(100000) .. '1'))"),
    ("a deep result", Fails("nested deeper than 128"), "local t = {} for i = 1, 100000 do t = { t } end return t"),
    ("a result in itself", Fails("contains itself"), "local t = {} t.t = t return t"),
    // What is not there, or cannot be changed.
    ("bytecode", Fails("Expected identifier"), "return assert(load('\\27Lua'))"),
    ("string.dump", Fails("attempt to call a nil value"), "return string.dump(print)"),
    ("dofile", Fails("attempt to call a nil value"), "return dofile('/etc/passwd')"),
    ("loadfile", Fails("attempt to call a nil value"), "return loadfile('/etc/passwd')"),
    ("io", Fails("attempt to index nil"), "return io.open('/etc/passwd')"),
    ("os.exit", Fails("attempt to call a nil value"), "os.exit(1)"),
    ("os.execute", Fails("attempt to call a nil value"), "os.execute('true')"),
    ("getfenv", Fails("attempt to call a nil value"), "return getfenv(0)"),
    ("require up", Fails("is not the name of a script"), "return require('../secret')"),
    ("require here", Fails("is not the name of a script"), "return require('./s')"),
    ("the string metatable", Fails("readonly"), "getmetatable('').__index.upper = nil"),
    ("string.upper", Fails("readonly"), "string.upper = function() return 'evil' end"),
    ("the metatable of the globals", Fails("protected metatable"), "setmetatable(_G, {})"),
];

/// What is left for the next job.
const CANARY: &str = "assert(('x'):upper() == 'X' and #('y'):rep(10000000) == 10000000 and left == nil) left = true return 'fine'";

fn resident(daemon: &Daemon) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

#[test]
fn no_attack_outlives_its_limits_or_hurts_the_next_job() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "app.ron",
        r#"(
            providers: { "api": http(listen: "127.0.0.1:0") },
            workers: { "lua": lua(memory: "64MiB", threads: 1) },
            retry: (retries: 0),
        )"#,
    );
    sandbox.write("scripts/canary.lua", CANARY);
    sandbox.write("secret.lua", "return 1");
    for (index, (_, _, script)) in ATTACKS.iter().enumerate() {
        sandbox.write(&format!("scripts/attack{index}.lua"), script);
    }
    let daemon = sandbox.start(["--log", "json", "app.ron"]);
    let url = format!("http://{}/jobs", daemon.address("api"));
    let run = |name: &str, limit: Option<&str>| {
        let mut job = json!({ "type": "lua", "name": name });
        if let Some(limit) = limit {
            job["timeout"] = json!(limit);
        }
        let began = Instant::now();
        let reply = curl([&url, "--data", &job.to_string()]);
        (reply, began.elapsed())
    };
    run("canary", None);
    let base = resident(&daemon);
    let (mut report, mut worst, mut wrong) = (String::new(), Duration::ZERO, Vec::new());
    for (index, (name, end, _)) in ATTACKS.iter().enumerate() {
        let (limit, is_timed) = match end {
            TimedOut => ("300ms", true),
            _ => ("20s", false),
        };
        let (reply, took) = run(&format!("attack{index}"), Some(limit));
        let late = took.saturating_sub(if is_timed { LIMIT } else { Duration::ZERO });
        let as_expected = match end {
            TimedOut => reply.body.contains("timed out after 300ms"),
            NoMemory => reply.body.contains("more memory than its limit of 64MiB"),
            Fails(why) => reply.status != 200 && reply.body.contains(why),
            Answers(result) => reply.status == 200 && (if reply.body.is_empty() { "null" } else { &reply.body }) == *result,
        };
        if !as_expected {
            wrong.push(format!("{name}: {} {}", reply.status, reply.body));
        }
        if is_timed && late >= SLACK {
            wrong.push(format!("{name} ended {late:?} after its limit"));
        }
        if is_timed {
            worst = worst.max(late);
        }
        let (canary, canary_took) = run("canary", None);
        if (canary.status, canary.body.as_str()) != (200, "fine") || canary_took >= SLACK {
            wrong.push(format!("the job after {name} took {canary_took:?}: {canary:?}"));
        }
        writeln!(report, "{name:28} {late:>12.1?}   next job {canary_took:>10.1?}").unwrap();
    }
    // What was freed goes back to the system a while later, as jobs go on.
    let back = |when: &str| {
        wait_until(&format!("memory is given back {when}"), Duration::from_secs(60), || {
            run("canary", None);
            resident(&daemon) < base + 128
        });
        resident(&daemon)
    };
    let once = back("after all");
    for _ in 0..3 {
        let hungry = ATTACKS.iter().enumerate().filter(|(_, (_, end, _))| matches!(end, NoMemory));
        hungry.for_each(|(index, _)| drop(run(&format!("attack{index}"), Some("20s"))));
        run("canary", None);
    }
    let at_end = back("after more of those that want it");
    println!(
        "{report}worst after its time-out: {worst:.1?}, promised: {PROMISED:?}; resident: {base} MiB before, {once} MiB after, {at_end} MiB after more"
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A pattern with a long set over a long text is one step that lasts for many seconds, and nothing interrupts it.
const STUCK: &str = "return ('a'):rep(5000000):match('[' .. ('b'):rep(4000) .. 'a]*c')";

#[test]
fn a_thread_in_a_step_that_never_ends_is_replaced_and_its_other_jobs_begin_anew() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "app.ron",
        r#"(
            providers: { "api": http(listen: "127.0.0.1:0") },
            workers: { "lua": lua(threads: 1) },
            retry: (retries: 0),
        )"#,
    );
    sandbox.write("scripts/stuck.lua", STUCK);
    sandbox.write("scripts/neighbour.lua", "log.info('neighbour begins') sleep('300ms') return job.attempt");
    sandbox.write("scripts/quick.lua", "return 1");
    let daemon = sandbox.start(["--log", "json", "app.ron"]);
    let url = format!("http://{}/jobs", daemon.address("api"));
    let post = |job: &str| curl([&url, "--data", job]);
    std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| post(r#"{"type": "lua", "name": "neighbour"}"#));
        wait_until("the neighbour begins", Duration::from_secs(10), || daemon.talk().contains("neighbour begins"));
        let began = Instant::now();
        let stuck = post(r#"{"type": "lua", "name": "stuck", "timeout": "300ms"}"#);
        let took = began.elapsed();
        println!("the stuck one failed {:?} after its limit", took.saturating_sub(LIMIT));
        assert!(stuck.body.contains("timed out after 300ms"), "{stuck:?}");
        assert!(took < LIMIT + SLACK, "{took:?}");
        let neighbour = neighbour.join().unwrap();
        println!("the neighbour was done {:?} after the stuck one began", began.elapsed());
        // Not the second attempt: what happened was not its fault.
        assert_eq!((neighbour.status, neighbour.body.as_str()), (200, "1"), "{neighbour:?}");
    });
    assert_eq!(post(r#"{"type": "lua", "name": "quick"}"#).body, "1");
    let talk = daemon.talk();
    assert!(talk.contains("its thread is abandoned") && talk.contains("stuck"), "{talk}");
}
