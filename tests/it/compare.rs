//! The runner of comparisons, on goworker's own rows and with hardly any jobs.

use std::time::Duration;

use goworker_tests::daemon::{Sandbox, wait_until};
use serde_json::Value;

use crate::command_line::repository;

const COMPARE: &str = env!("CARGO_BIN_EXE_compare");

/// The runner, with files for temporary use in its own folder: so it waits for no other one on this machine.
fn runner() -> Sandbox {
    // The drivers are there: cargo builds all programs before the tests.
    assert!(std::path::Path::new(env!("CARGO_BIN_EXE_peer")).exists());
    let sandbox = Sandbox::new(COMPARE);
    let folder = sandbox.folder().display().to_string();
    sandbox.variable("TMPDIR", folder)
}

fn run(arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = runner().run(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// Numbers and the machine are not the same in each run.
fn masked(text: &str) -> String {
    let (circumstances, rest) = text.split_once('\n').unwrap();
    assert!(circumstances.ends_with("; one run (1)"), "{circumstances}");
    let word = |word: &str| if word.starts_with(|c: char| c.is_ascii_digit()) { "N".to_owned() } else { word.to_owned() };
    let words = |text: &str| text.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    let line = |line: &str| match line.match_indices('|').nth(3) {
        // The first three columns are what was asked for.
        Some((at, _)) if line.starts_with("| ") => format!("{} {}", &line[..at], words(&line[at..])),
        Some(_) => "|--|".to_owned(),
        None => words(line),
    };
    rest.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_rows_of_goworker_are_measured_and_lose_no_job() {
    let (told, talk, code) =
        run(&["--no-build", "--only", "goworker", "--runs", "1", "--jobs", "10", "--slots", "5", "--format", "markdown"]);
    assert_eq!(code, Some(0), "{talk}{told}");
    insta::assert_snapshot!(masked(&told));
}

#[test]
fn programs_get_numbers() {
    let (told, talk, code) = run(&[
        "--no-build",
        "--only",
        "goworker-sqlite",
        "--worker",
        "sleep:1-5",
        "--runs",
        "2",
        "--jobs",
        "10,20",
        "--no-latency",
        "--format",
        "json",
    ]);
    assert_eq!(code, Some(0), "{talk}{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let rows = told["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["jobs"].as_u64().unwrap()).collect::<Vec<_>>(), [10, 20]);
    for row in rows {
        assert_eq!((&row["runs"], &row["system"], &row["complaints"]), (&2.into(), &"goworker-sqlite".into(), &serde_json::json!([])));
        assert!(row["drain_per_second"].as_f64().unwrap() > 0.0 && row["peak_mb"].as_f64().unwrap() > 1.0, "{row}");
        assert!(row["drain_min"].as_f64() <= row["drain_max"].as_f64(), "{row}");
    }
}

#[test]
fn limits_are_measured_too() {
    for limits in ["redis", "disk"] {
        let (told, talk, code) = run(&["--limits", limits, "--runs", "1", "--jobs", "1000"]);
        assert_eq!(code, Some(0), "{talk}{told}");
        insta::assert_snapshot!(format!("limits_{limits}"), masked(&told));
    }
}

#[test]
fn what_cannot_be_measured_is_told() {
    let mistakes: [&[&str]; 5] = [
        &["--only", "goworker-oracle"],
        &["--only", "bullmq", "--worker", "mixed"],
        &["--worker", "sleep:9-1"],
        &["--slots", "0"],
        &["--limits", "redis", "--only", "bullmq"],
    ];
    let told = mistakes.map(|mistake| {
        let (_, talk, code) = run(mistake);
        format!("{}: {code:?}\n{talk}", mistake.join(" "))
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_page_names_options_and_systems_that_there_are() {
    let page = std::fs::read_to_string(repository().join("goworker/docs/compared.md")).unwrap();
    let (help, _, _) = run(&["--help"]);
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    compare ")).collect();
    assert!(commands.len() > 4, "{commands:?}");
    for option in commands.iter().flat_map(|command| command.split_whitespace()).filter(|word| word.starts_with("--")) {
        assert!(help.contains(option), "there is no {option}");
    }
    let (_, told, _) = run(&["--only", "nobody"]);
    let chosen = commands.iter().filter_map(|command| command.split_once("--only ")).map(|(_, rest)| rest.split(' ').next().unwrap());
    for system in chosen.flat_map(|names| names.split(',')) {
        assert!(told.contains(system), "there is no {system}: {told}");
    }
}

#[test]
fn a_driver_that_hangs_is_killed_and_its_row_says_so() {
    // It would sleep for a minute.
    let arguments =
        ["--no-build", "--only", "goworker-memory", "--worker", "sleep:60000-60000", "--jobs", "1", "--timeout", "2", "--runs", "2"];
    let (told, talk, code) = run(&arguments);
    assert_eq!(code, Some(1), "{talk}{told}");
    let complaint = "* goworker-memory, 100 slots, 1 jobs: work: it has not said `RESULT` within 2s, and was killed";
    assert!(told.contains(complaint), "{told}");
    assert_eq!(talk.matches("run 2 of 2").count(), 0, "it is not tried again: {talk}");
}

#[test]
fn an_interrupted_comparison_leaves_no_process() {
    let sandbox = runner();
    let comparison =
        sandbox.start(["--no-build", "--only", "goworker-redis", "--worker", "sleep:60000-60000", "--jobs", "1", "--no-latency"]);
    // What it starts has the folder for temporary files in its environment, or is the server.
    let name = format!("TMPDIR={}", sandbox.folder().display());
    let left = || processes_with(&name);
    wait_until("a driver and a server run", Duration::from_secs(60), || {
        left().iter().filter(|line| line.contains("redis-server") || line.contains(" work ")).count() >= 2
    });
    comparison.signal("INT");
    wait_until("all are gone", Duration::from_secs(60), || left().is_empty());
}

/// The command lines of processes that have this in their environment.
fn processes_with(variable: &str) -> Vec<String> {
    let read = |path: std::path::PathBuf| std::fs::read(path).unwrap_or_default();
    let has = |path: &std::path::Path| read(path.join("environ")).split(|byte| *byte == 0).any(|found| found == variable.as_bytes());
    let folders = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(|path| has(path));
    folders.map(|path| String::from_utf8_lossy(&read(path.join("cmdline"))).replace('\0', " ")).filter(|line| !line.is_empty()).collect()
}
