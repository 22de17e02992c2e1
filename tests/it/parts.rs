//! The parts without a server or a script, together: files come in, commands run, what failed is written down.

use std::path::Path;

use goworker_tests::daemon::Sandbox;
use serde_json::{Value, json};

use crate::BINARY;
use crate::command_line::text;

/// A folder with a configuration, and files in its inbox.
fn site(config: &str, files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("site.ron", config);
    files.iter().for_each(|(name, text)| _ = sandbox.write(&format!("inbox/{name}"), text));
    sandbox
}

/// Runs the configuration until nothing is left to do. Some of its jobs fail.
fn run(sandbox: &Sandbox) {
    let run = sandbox.run(["site.ron", "--until-idle"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names.iter().map(|name| name.to_string_lossy().into_owned()).collect()
}

/// What a part of each line is, in order.
fn each(lines: &str, pointer: &str) -> Vec<Value> {
    let mut found: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap().pointer(pointer).unwrap().clone()).collect();
    found.sort_by_key(Value::to_string);
    found
}

/// What `jobs` tells, by id.
fn job(sandbox: &Sandbox, id: &str) -> Value {
    let shown = sandbox.run(["jobs", "show", "site.ron", id, "--format", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{}", text(&shown.stderr)));
    shown["jobs"][0].clone()
}

const GOOD: &str = r#"{"id":"good","type":"cli","params":{"command":"/bin/sh","params":["-c","echo $JOB_ID"]},"capture_output":true}
{"id":"bad","type":"cli","params":{"command":"/bin/sh","params":["-c","echo no paper >&2; exit 3"]},"retries":1}
{"id":"alien","type":"cli","params":{"command":"/bin/rm","params":["-rf","/nothing/of/that/name"]}}
"#;

#[test]
fn files_go_through_a_queue_to_commands_and_what_fails_is_written_down() {
    let config = r#"(
        providers: {
            "jobs": sqlite(path: "jobs.db"),
            "inbox": folder(path: "inbox", quiet: "10ms", after: move_to("done"), into: "jobs"),
        },
        workers: { "cli": cli(allow: ["/bin/sh"], timeout: "1m"), "attic": file(path: "attic.jsonl") },
        retry: (backoff: fixed("1ms")),
        failure_handlers: ["attic"],
    )"#;
    let site = site(config, &[("1.jsonl", GOOD), ("2-broken.json", "[{\"type\":\"cli\"},"), (".3.json", "{}")]);
    run(&site);

    let (good, bad, alien) = (job(&site, "good"), job(&site, "bad"), job(&site, "alien"));
    assert_eq!((&good["state"], &good["output"]), (&json!("done"), &json!("good\n")));
    let attempts = |job: &Value| job["attempts"].as_array().unwrap().len();
    assert_eq!((&bad["state"], attempts(&bad), &alien["state"], attempts(&alien)), (&json!("dead"), 2, &json!("dead"), 1));
    let last = &bad["attempts"][1];
    let failure = json!({ "cause": "error", "message": "/bin/sh exited with 3: no paper", "exit_code": 3 });
    assert_eq!(last["failure"], failure);
    assert_eq!(last["log"], json!(["no paper"]));
    assert_eq!(names(&site.path("inbox")), [".3.json", "failed"]);
    assert_eq!(names(&site.path("inbox/failed")), ["2-broken.json", "2-broken.json.error.txt"]);
    assert_eq!(names(&site.path("done")), ["1.jsonl"]);
    assert_eq!(each(&site.read("attic.jsonl"), "/job/params/failed/job/id"), ["alien", "bad"]);
}

#[test]
fn files_run_directly_as_well_and_keep_their_dead_jobs_beside_them() {
    let config = r#"(
        providers: { "inbox": folder(path: "inbox", quiet: "10ms") },
        workers: { "cli": cli(allow: ["/bin/sh"], concurrency: 2) },
        retry: (backoff: fixed("1ms")),
    )"#;
    let last = r#"{"id":"last","type":"cli","params":{"command":"/bin/sh","params":["-c","true"]}}"#;
    let site = site(config, &[("1.jsonl", GOOD), ("2.json", last)]);
    run(&site);

    assert_eq!(
        (names(&site.path("inbox")), names(&site.path("inbox/failed"))),
        (vec!["failed".to_owned()], vec!["1.jsonl.dead.jsonl".to_owned()])
    );
    assert_eq!(each(&site.read("inbox/failed/1.jsonl.dead.jsonl"), "/job/id"), ["alien", "bad"]);
}
