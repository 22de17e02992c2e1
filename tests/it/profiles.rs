//! Profiles of a run: flame graphs of its processor time and its memory.

use std::time::Duration;

use goworker_tests::daemon::{Sandbox, wait_until};

use crate::BINARY;
use crate::command_line::text;

/// A job that computes for the milliseconds of its params, one that holds so many bytes, and Lua.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write(
        "jobs.ron",
        r#"(providers: { "jobs": sqlite(path: "jobs.db") },
            workers: { "burning": burning(), "hoarding": hoarding(), "lua": lua() })"#,
    );
    sandbox.write("scripts/count.lua", "return function() local n = 0 for i = 1, 3e7 do n = (n + i) % 7 end return n end");
    sandbox
}

fn enqueue(sandbox: &Sandbox, arguments: &[&str]) {
    let output = sandbox.run([&["enqueue", "jobs.ron"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// The frames of a flame graph with a function of this name, each with its share in percent.
fn shares(svg: &str, function: &str) -> Vec<f64> {
    let titles = svg.split("<title>").skip(1).filter_map(|rest| rest.split("</title>").next());
    let named = titles.filter(|title| title.contains(function));
    named.filter_map(|title| title.rsplit_once(", ")?.1.strip_suffix("%)")?.parse().ok()).collect()
}

fn is_svg(text: &str) -> bool {
    text.contains("<svg ") && text.trim_end().ends_with("</svg>")
}

#[test]
fn a_profile_shows_the_functions_that_jobs_have_spent_their_time_in() {
    let sandbox = sandbox();
    enqueue(&sandbox, &["--type", "burning", "--params", "1500"]);
    enqueue(&sandbox, &["--type", "lua", "--name", "count"]);
    let run = sandbox.run(["run", "jobs.ron", "--until-idle", "--profile", "cpu.svg"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("a profile of processor time is in cpu.svg: "), "{}", text(&run.stderr));
    let svg = sandbox.read("cpu.svg");
    assert!(is_svg(&svg), "{svg}");
    for function in ["goworker_tests::workers::compute", "luau_execute", "goworker-work"] {
        assert!(shares(&svg, function).iter().any(|share| *share > 5.0), "{function}: {:?}", shares(&svg, function));
    }
}

#[test]
fn a_profile_of_a_run_that_was_idle_is_a_picture_all_the_same() {
    let sandbox = sandbox();
    let run = sandbox.run(["--profile", "cpu.svg", "jobs.ron", "--until-idle"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(is_svg(&sandbox.read("cpu.svg")), "{}", sandbox.read("cpu.svg"));
}

#[test]
fn ctrl_c_writes_both_profiles_and_the_heap_tells_who_holds_what() {
    let sandbox = sandbox();
    let mut daemon = sandbox.start(["run", "jobs.ron", "--profile", "cpu.svg", "--profile-heap", "heap.svg"]);
    wait_until("it runs", Duration::from_secs(60), || daemon.talk().contains("Ctrl-C stops"));
    let (pid, processes) = (daemon.pid(), daemon.talk().matches("Ctrl-C stops").count());
    assert_eq!(processes, 1, "it has begun anew as the same process, {pid}, and told nothing twice: {}", daemon.talk());
    // Held for longer than it takes to look again, and given back before the end.
    enqueue(&sandbox, &["--type", "hoarding", "--params", "64000000", "--wait", "60s"]);
    daemon.signal("INT");
    let (code, _) = daemon.wait(Duration::from_secs(60));
    let talk = daemon.talk();
    assert_eq!(code, Some(0), "{talk}");
    assert!(is_svg(&sandbox.read("cpu.svg")));
    let svg = sandbox.read("heap.svg");
    assert!(is_svg(&svg), "{svg}");
    let told = talk.lines().find(|line| line.contains("a profile of memory is in heap.svg: ")).unwrap_or_else(|| panic!("{talk}"));
    let mib = |word: &str| told.split(word).next().unwrap().trim_end().trim_end_matches(" MiB").rsplit(' ').next().unwrap().parse::<f64>();
    let (most, end) = (mib(" live at its most").unwrap(), mib(" at the end").unwrap());
    assert!((61.0..200.0).contains(&most) && end < most - 50.0, "{told}");
    let held: f64 = shares(&svg, "goworker_tests::workers::hoard").iter().sum();
    assert!(held > 30.0, "{:?}", shares(&svg, "goworker_tests::workers::hoard"));
}

#[test]
fn what_a_profile_cannot_be_written_to_is_told_before_the_run() {
    let sandbox = sandbox();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    let told = [
        ["--profile", "nowhere/cpu.svg"].as_slice(),
        &["--profile-heap", "folder"],
        &["--profile", "one.svg", "--profile-heap", "one.svg"],
        &["--profile"],
    ]
    .map(|flags| {
        let output = sandbox.run([&["run", "jobs.ron", "--until-idle"], flags].concat());
        format!("{flags:?}: {:?}\n{}", output.status.code(), text(&output.stderr))
    });
    insta::assert_snapshot!(told.join("\n"));
    assert!(!sandbox.path("jobs.db").exists() && !sandbox.path("one.svg").exists(), "nothing was started");
}

#[test]
fn a_program_with_another_allocator_says_what_would_be_right() {
    let sandbox = Sandbox::new(crate::BROKEN);
    sandbox.write("jobs.ron", r#"(providers: { "jobs": memory }, workers: { "file": file(path: "a.jsonl") })"#);
    let run = sandbox.run(["run", "jobs.ron", "--until-idle", "--profile-heap", "heap.svg"]);
    assert_eq!(run.status.code(), Some(69));
    insta::assert_snapshot!(text(&run.stderr));
}
