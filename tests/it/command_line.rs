//! The binary as a user runs it: the quickstart, enqueueing, mistakes.

use std::path::{Path, PathBuf};

use goworker_tests::daemon::Sandbox;

use crate::BINARY;

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A copy of a folder of the repository, so that a test leaves nothing behind in it.
pub(crate) fn copied(sandbox: &Sandbox, folder: &str) {
    for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_file() && path.extension().is_some_and(|extension| extension != "db") {
            let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            sandbox.write(&name, &std::fs::read_to_string(&path).unwrap());
        }
    }
}

fn quickstart() -> Sandbox {
    let sandbox = Sandbox::new(BINARY);
    ["config", "config/samples", "scripts"].into_iter().for_each(|folder| copied(&sandbox, folder));
    std::fs::create_dir(sandbox.path("config/run")).unwrap();
    sandbox
}

#[test]
fn the_quickstart_runs_again_and_again() {
    let sandbox = quickstart();
    for round in 1..=2 {
        let output = sandbox.run(["config/quickstart.ron", "--until-idle"]);
        let (summary, talk) = (text(&output.stdout), text(&output.stderr));
        // Two of the samples are made to fail, which the exit code tells.
        assert_eq!(output.status.code(), Some(1), "{talk}");
        assert!(summary.starts_with("9 done, 2 dead"), "{summary}");
        assert!(talk.contains("card declined: 9999 is over the limit"), "{talk}");
        assert_eq!(sandbox.read("config/run/failed.jsonl").lines().count(), 2 * round);
    }
    assert!(sandbox.read("config/run/inbox/failed/4-broken.json.error.txt").contains("line 2, column 1"));
    let dead = sandbox.run(["jobs", "config/quickstart.ron", "--state", "dead", "--format", "json"]);
    let dead: serde_json::Value = serde_json::from_slice(&dead.stdout).unwrap();
    assert_eq!(dead["jobs"].as_array().unwrap().len(), 4);
}

#[test]
fn a_number_beyond_2_to_the_53_comes_back_exact() {
    let sandbox = quickstart();
    let line = "{\"name\":\"greet\",\"type\":\"lua\",\"params\":{\"who\":\"world\",\"n\":9007199254740993},\"retries\":3,\"capture_output\":true}\n";
    sandbox
        .write("config/one.ron", r#"(providers: { "jobs": sqlite(path: "run/one.db") }, workers: { "lua": lua(scripts: "../scripts") })"#);
    let enqueued = sandbox.run_with_input(["enqueue", "config/one.ron", "--file", "-"], line);
    assert!(enqueued.status.success(), "{}", text(&enqueued.stderr));
    let run = sandbox.run(["config/one.ron", "--until-idle"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let jobs = text(&sandbox.run(["jobs", "config/one.ron", "--format", "json"]).stdout);
    let id = text(&enqueued.stdout);
    assert!(jobs.contains(id.trim()) && jobs.contains("\"state\": \"done\"") | jobs.contains("\"state\":\"done\""), "{jobs}");
    assert!(jobs.contains("\"greeting\":\"Hello, world!\",\"n\":9007199254740993"), "{jobs}");
}

#[test]
fn ten_mistakes_start_nothing_and_exit_with_78() {
    let sandbox = Sandbox::new(BINARY);
    let ten = "(\n providers: { \"jobs\": sqlite(path: 5, lease: 30), \"in\": foldr(), \"x\": folder(path: \"x\", into: \"jbs\") },\n workers: { \"a\": lua(memry: \"1MiB\", timeout: \"x\"), \"b\": cli(allow: 3, concurrency: 0) },\n retry: (retires: 3),\n failure_handlers: [\"c\"],\n)";
    sandbox.write("ten.ron", ten);
    for command in [vec!["check", "ten.ron"], vec!["ten.ron"]] {
        let output = sandbox.run(command);
        assert_eq!(output.status.code(), Some(78));
        assert!(
            text(&output.stderr).contains("10 errors") || text(&output.stdout).contains("10 errors"),
            "{}{}",
            text(&output.stderr),
            text(&output.stdout)
        );
        assert_eq!(std::fs::read_dir(sandbox.folder()).unwrap().count(), 1, "nothing was made");
    }
}

#[test]
fn every_config_is_valid() {
    for entry in std::fs::read_dir(repository().join("config")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ron") {
            let output = Sandbox::new(BINARY).run(["check".as_ref(), path.as_os_str()]);
            assert!(output.status.success(), "{}: {}", path.display(), text(&output.stderr));
        }
    }
}

#[test]
fn a_job_of_a_type_nobody_runs_is_reported_and_kept() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "noop": noop() })"#);
    assert!(sandbox.run(["enqueue", "jobs.ron", "--type", "resize"]).status.success());
    let run = sandbox.run(["jobs.ron", "--until-idle"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).contains("`resize`"), "{}", text(&run.stderr));
    assert!(text(&sandbox.run(["jobs", "jobs.ron"]).stdout).contains("ready"));
}

#[test]
fn looking_at_a_queue_that_is_not_there_yet_leaves_nothing_behind() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "noop": noop() })"#);
    for (command, code, stdout) in [
        (vec!["jobs", "jobs.ron", "--format", "json"], 0, "{\"jobs\": []}\n"),
        (vec!["queue", "stats", "jobs.ron"], 0, ""),
        (vec!["jobs", "show", "jobs.ron", "a"], 1, ""),
        (vec!["jobs", "cancel", "jobs.ron", "--state", "ready"], 0, ""),
    ] {
        let output = sandbox.run(&command);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(code), stdout), "{command:?}");
        assert!(text(&output.stderr).contains("jobs.db` does not exist yet: it is created with the first job"), "{}", text(&output.stderr));
        assert!(!sandbox.path("jobs.db").exists(), "{command:?}");
    }
    assert!(sandbox.run(["enqueue", "jobs.ron", "--type", "noop"]).status.success());
    assert!(text(&sandbox.run(["jobs", "jobs.ron"]).stdout).contains("ready"));
}

#[test]
fn a_foreign_file_is_refused_with_69() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "noop": noop() })"#);
    sandbox.write("jobs.db", "this is no database, and must stay as it is");
    let run = sandbox.run(["jobs.ron"]);
    assert_eq!(run.status.code(), Some(69), "{}", text(&run.stderr));
    assert_eq!(sandbox.read("jobs.db"), "this is no database, and must stay as it is");
}

#[test]
fn with_a_log_in_json_all_of_stderr_is_json() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("wrong.ron", "(providers: { \"jobs\": sqlte(path: \"j.db\") }, workers: {})");
    sandbox.write("no-folder.ron", r#"(providers: { "jobs": sqlite(path: "nowhere/j.db") }, workers: { "a": file(path: "a.jsonl") })"#);
    for (arguments, code, said) in [
        (["run", "wrong.ron"], 78, "did you mean `sqlite`?"),
        (["run", "no-folder.ron"], 69, "nowhere"),
        (["run", "missing.ron"], 78, "missing.ron"),
    ] {
        let output = sandbox.run(["--log", "json"].into_iter().chain(arguments));
        let talk = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{talk}");
        let lines: Vec<serde_json::Value> = talk.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        let told = |line: &serde_json::Value| line["level"] == "ERROR" && line["message"].as_str().is_some_and(|text| text.contains(said));
        assert!(lines.iter().any(told), "{talk}");
    }
}

#[test]
fn enqueue_waits_for_the_end_if_told_to() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "scripted": scripted() })"#);
    let _daemon = sandbox.start(["jobs.ron"]);
    let enqueue = |name: &str, params: &str, wait: &str| {
        let output = sandbox.run(["enqueue", "jobs.ron", "--type", "scripted", "--name", name, "--params", params, "--wait", wait]);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, stdout, stderr) = enqueue("ok", r#"{"n":9007199254740993}"#, "30s");
    assert_eq!((code, stdout.as_str()), (Some(0), "{\"n\":9007199254740993}\n"), "{stderr}");
    let (code, stdout, stderr) = enqueue("ok", "-1", "30s");
    assert_eq!((code, stdout.as_str()), (Some(0), "-1\n"), "{stderr}");
    let (code, stdout, stderr) = enqueue("fail for good", "null", "30s");
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert!(stderr.contains("has failed for good: failed for good as told"), "{stderr}");
    let (code, _, stderr) = enqueue("stop when told", "null", "50ms");
    assert!(code == Some(1) && stderr.contains("has not ended within 50ms"), "{stderr}");
}

#[test]
fn a_job_that_was_not_started_in_time_expires() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("jobs.ron", r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "scripted": scripted() })"#);
    let enqueued = sandbox.run(["enqueue", "jobs.ron", "--type", "scripted", "--name", "ok", "--ttl", "1ms"]);
    assert!(enqueued.status.success(), "{}", text(&enqueued.stderr));
    // A process does not start within a millisecond.
    let run = sandbox.run(["run", "jobs.ron", "--until-idle"]);
    assert!(run.status.success() && text(&run.stdout).starts_with("no jobs in "), "{}{}", text(&run.stdout), text(&run.stderr));
    let expired = sandbox.run(["jobs", "jobs.ron", "--state", "expired", "--format", "json"]);
    let expired: serde_json::Value = serde_json::from_slice(&expired.stdout).unwrap();
    assert_eq!(expired["jobs"].as_array().unwrap().len(), 1);
}
