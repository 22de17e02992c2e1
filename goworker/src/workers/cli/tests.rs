//! The worker through the public door, with real processes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use goworker::config::Config;
use goworker::{Failure, Ids, Outcome, Plugin, Registry, WorkerHandle};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::workers::context;

/// A worker that may run a shell (so that tests can say what the command does) in a folder of its own.
struct Bench {
    folder: TempDir,
    worker: WorkerHandle,
}

fn settings() -> CliConfig {
    CliConfig {
        allow: Allow::Only(vec!["/bin/sh".into(), "/bin/missing".into()]),
        env: BTreeMap::new(),
        directory: None,
        output_limit: Size(1 << 20),
    }
}

async fn start(cli: CliConfig, folder: &Path) -> anyhow::Result<WorkerHandle> {
    let Plugin::Worker(worker) = Plugin::worker(Cli::from(cli)) else { unreachable!() };
    worker.start(&Setup::new("cli", folder)).await
}

impl Bench {
    async fn new() -> Self {
        Bench::with(settings()).await
    }

    async fn with(cli: CliConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let worker = start(cli, folder.path()).await.unwrap();
        Bench { folder, worker }
    }

    fn job(&self, params: serde_json::Value) -> Job {
        let text = json!({ "id": "a", "type": "cli", "name": "n", "params": params, "capture_output": true }).to_string();
        Job::parse(text.as_bytes(), &Ids::system()).unwrap().job
    }

    fn shell(&self, script: &str) -> Job {
        self.job(json!({ "command": "/bin/sh", "params": ["-c", script] }))
    }

    async fn run(&self, job: &Job) -> Outcome {
        self.worker.work(job, &context(job, CancellationToken::new())).await.into()
    }

    async fn output(&self, script: &str) -> String {
        let outcome = self.run(&self.shell(script)).await;
        let Outcome::Done(output) = outcome else { panic!("{outcome:?}") };
        serde_json::from_str(output.json().unwrap()).unwrap()
    }

    /// Runs the script, and stops it once it has written the file `started`; also tells how long the stop took.
    async fn stopped(&self, script: &str) -> (Outcome, Duration) {
        let (job, cancel) = (self.shell(script), CancellationToken::new());
        let ctx = context(&job, cancel.clone());
        let stop = async {
            self.appears("started").await;
            cancel.cancel();
            Instant::now()
        };
        let (result, stopped) = tokio::join!(self.worker.work(&job, &ctx), stop);
        (result.into(), stopped.elapsed())
    }

    async fn appears(&self, name: &str) -> String {
        until(|| fs::read_to_string(self.folder.path().join(name)).ok().filter(|text| text.ends_with('\n'))).await
    }
}

/// Looks again and again; the test's own time-out is the limit.
async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        match look() {
            Some(found) => return found,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// A process that is gone, or waits as a zombie for an init that does not care (as in a container).
fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

fn retried(outcome: Outcome) -> Failure {
    let Outcome::Retry(failure, None) = outcome else { panic!("{outcome:?}") };
    failure
}

fn failed(outcome: Outcome) -> Failure {
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    failure
}

#[tokio::test]
async fn zero_is_done_65_fails_at_once_and_other_codes_are_tried_again() {
    let bench = Bench::new().await;
    assert!(matches!(bench.run(&bench.shell("exit 0")).await, Outcome::Done(_)));
    for code in [1, 2, 64, 66, 126, 127, 128, 255] {
        let failure = retried(bench.run(&bench.shell(&format!("exit {code}"))).await);
        assert_eq!((failure.exit_code, failure.message), (Some(code), format!("/bin/sh exited with {code}")));
    }
    let failure = failed(bench.run(&bench.shell("echo no such codec >&2; exit 65")).await);
    assert_eq!((failure.exit_code, failure.message.as_str()), (Some(65), "/bin/sh exited with 65: no such codec"));
}

#[tokio::test]
async fn a_command_killed_by_a_signal_is_tried_again() {
    let bench = Bench::new().await;
    let failure = retried(bench.run(&bench.shell("kill -9 $$")).await);
    assert_eq!((failure.exit_code, failure.message.as_str()), (None, "/bin/sh was killed by signal 9"));
}

#[tokio::test]
async fn what_is_not_allowed_fails_at_once_and_runs_nothing() {
    let bench = Bench::new().await;
    let target = bench.folder.path().join("made");
    let tries = ["/usr/bin/touch", "sh", "/bin/../bin/sh", "/bin/sh ", "./sh", ""];
    let mut reasons = Vec::new();
    for command in tries {
        let failure = failed(bench.run(&bench.job(json!({ "command": command, "params": [target] }))).await);
        reasons.push(failure.message);
    }
    assert!(!target.exists());
    insta::assert_snapshot!(reasons.join("\n"));
}

#[tokio::test]
async fn params_that_are_not_a_command_line_fail_and_name_the_place() {
    let bench = Bench::new().await;
    let tries = [
        json!(null),
        json!({ "params": [] }),
        json!({ "command": "/bin/sh", "params": "-c" }),
        json!({ "command": "/bin/sh", "params": ["-c", 7] }),
        json!({ "command": "/bin/sh", "arguments": [] }),
        json!({ "command": "/bin/sh", "params": ["a\0b"] }),
    ];
    let mut reasons = Vec::new();
    for params in tries {
        reasons.push(failed(bench.run(&bench.job(params)).await).message);
    }
    insta::assert_snapshot!(reasons.join("\n"));
}

#[tokio::test]
async fn a_failure_handler_may_be_a_command() {
    let bench = Bench::new().await;
    let job = bench.job(json!({ "command": "/bin/sh", "params": ["-c", "true"], "failed": { "job": {} } }));
    assert!(matches!(bench.run(&job).await, Outcome::Done(_)));
}

#[tokio::test]
async fn arguments_arrive_byte_for_byte_and_no_shell_looks_at_them() {
    let bench = Bench::new().await;
    let hostile =
        ["; touch made", "$(touch made)", "`touch made`", "a b", "", "\n", "*", "~", "$HOME", "'\"\\", "-rf", "ü€😀", "&& exit 3"];
    // `$0` is the name of the script; the arguments follow.
    let mut params = vec!["-c", r#"for a in "$@"; do printf '<%s>\n' "$a"; done"#, "sh"];
    params.extend(hostile);
    let outcome = bench.run(&bench.job(json!({ "command": "/bin/sh", "params": params }))).await;
    let Outcome::Done(output) = outcome else { panic!("{outcome:?}") };
    let text: String = serde_json::from_str(output.json().unwrap()).unwrap();
    assert_eq!(text, hostile.map(|a| format!("<{a}>\n")).concat());
    assert!(!bench.folder.path().join("made").exists());
}

#[tokio::test]
async fn the_environment_is_the_job_and_what_the_configuration_adds() {
    let bench = Bench::with(CliConfig { env: BTreeMap::from([("LANG".into(), "C".into())]), ..settings() }).await;
    // The kernel's own record: a shell adds variables (PWD, `_`) to what it passes on.
    let mut variables: Vec<String> = bench.output("cat /proc/$$/environ").await.split_terminator('\0').map(str::to_owned).collect();
    variables.sort();
    assert_eq!(variables, ["JOB_ATTEMPT=1", "JOB_ID=a", "JOB_NAME=n", "JOB_TOKEN=7", "LANG=C"]);
}

#[tokio::test]
async fn stdin_is_empty_and_open_files_stay_at_home() {
    let bench = Bench::new().await;
    let secret = bench.folder.path().join("secret");
    let _open = fs::File::create(&secret).unwrap();
    let seen = bench.output("cat; ls -l /proc/$$/fd").await;
    assert!(seen.contains("/dev/null") && !seen.contains("secret"), "{seen}");
}

#[tokio::test]
async fn the_working_directory_is_that_of_the_configuration_unless_another_is_set() {
    let real = |folder: &TempDir| folder.path().canonicalize().unwrap().display().to_string();
    let bench = Bench::new().await;
    assert_eq!(bench.output("pwd -P").await.trim(), real(&bench.folder));
    let other = tempfile::tempdir().unwrap();
    let bench = Bench::with(CliConfig { directory: Some(other.path().to_owned()), ..settings() }).await;
    assert_eq!(bench.output("pwd -P").await.trim(), real(&other));
}

#[tokio::test]
async fn output_is_kept_only_if_the_job_asks_for_it() {
    let bench = Bench::new().await;
    let mut job = bench.shell("echo hello");
    assert_eq!(bench.run(&job).await, Outcome::Done(Output::from(json!("hello\n"))));
    for unasked in [None, Some(false)] {
        job.capture_output = unasked;
        assert_eq!(bench.run(&job).await, Outcome::Done(Output::none()));
    }
}

#[tokio::test]
async fn output_beyond_the_limit_is_cut_and_noted_and_does_not_block_the_command() {
    let bench = Bench::with(CliConfig { output_limit: Size(10), ..settings() }).await;
    let job = bench.shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done");
    let ctx = context(&job, CancellationToken::new());
    let output = bench.worker.work(&job, &ctx).await.unwrap();
    assert_eq!(output.json(), Some(r#""0123456789""#));
    assert_eq!(ctx.take_log(), ["the output was longer than 10B; the rest is not kept"]);
}

#[tokio::test]
async fn output_that_is_not_utf_8_is_kept_as_far_as_it_can_be_told() {
    let bench = Bench::new().await;
    assert_eq!(bench.output(r"printf 'a\377b\000c'").await, "a\u{fffd}b\0c");
}

#[tokio::test]
async fn the_end_of_stderr_stays_with_the_attempt_and_its_last_line_is_the_reason() {
    let bench = Bench::new().await;
    let job = bench.shell("i=0; while [ $i -lt 20000 ]; do echo line $i >&2; i=$((i+1)); done; echo >&2; exit 3");
    let ctx = context(&job, CancellationToken::new());
    let failure = retried(bench.worker.work(&job, &ctx).await.into());
    assert_eq!(failure.message, "/bin/sh exited with 3: line 19999");
    let log = ctx.take_log();
    assert_eq!((log.len(), log[0].as_str(), log[49].as_str()), (50, "line 19950", "line 19999"));
}

#[tokio::test]
async fn a_command_that_cannot_be_started_now_is_tried_again() {
    let bench = Bench::new().await;
    let failure = retried(bench.run(&bench.job(json!({ "command": "/bin/missing" }))).await);
    assert_eq!(failure.message, "cannot start /bin/missing: No such file or directory (os error 2)");
    let bench = Bench::with(CliConfig { directory: Some("/nowhere/at/all".into()), ..settings() }).await;
    let failure = retried(bench.run(&bench.shell("true")).await);
    assert_eq!(failure.message, "cannot start /bin/sh: its working directory /nowhere/at/all is not there");
}

#[tokio::test]
async fn a_stop_ends_the_command_and_its_children() {
    let bench = Bench::new().await;
    let (outcome, took) = bench.stopped("sleep 600 & echo $! > started; wait").await;
    assert_eq!(retried(outcome).message, "/bin/sh was stopped before its end");
    assert!(took < Duration::from_secs(2), "{took:?}");
    let grandchild = bench.appears("started").await;
    until(|| has_ended(&grandchild).then_some(())).await;
}

#[tokio::test]
async fn a_command_that_ignores_sigterm_is_killed_two_seconds_later_with_its_children() {
    let bench = Bench::new().await;
    let (outcome, took) = bench.stopped("trap '' TERM; (while :; do sleep 1; done) & echo $! > started; while :; do sleep 1; done").await;
    assert_eq!(retried(outcome).message, "/bin/sh was stopped before its end");
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
    let grandchild = bench.appears("started").await;
    until(|| has_ended(&grandchild).then_some(())).await;
}

#[tokio::test]
async fn a_command_may_clean_up_when_it_is_stopped() {
    let bench = Bench::new().await;
    let (outcome, _) = bench.stopped("trap 'echo cleaned up >&2; exit 0' TERM; echo > started; while :; do sleep 0.01; done").await;
    assert_eq!(retried(outcome).message, "/bin/sh was stopped before its end: cleaned up");
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_delays_nothing_and_is_killed() {
    let bench = Bench::new().await;
    let started = Instant::now();
    assert_eq!(bench.output("sleep 600 & echo $! > pid; echo over").await, "over\n");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let grandchild = bench.appears("pid").await;
    until(|| has_ended(&grandchild).then_some(())).await;
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_no_process_behind() {
    let bench = Bench::new().await;
    let job = bench.shell("trap '' TERM; sleep 600 & echo $$ $! > started; wait");
    let ctx = context(&job, CancellationToken::new());
    tokio::select! {
        result = bench.worker.work(&job, &ctx) => panic!("{result:?}"),
        _ = bench.appears("started") => {}
    }
    let pids = bench.appears("started").await;
    until(|| pids.split_whitespace().all(has_ended).then_some(())).await;
}

#[tokio::test]
async fn any_command_may_be_allowed_and_bare_names_are_looked_up_in_path() {
    let bench = Bench::with(CliConfig { allow: Allow::Any, ..settings() }).await;
    let job = bench.job(json!({ "command": "sh", "params": ["-c", "echo it is found"] }));
    assert_eq!(bench.run(&job).await, Outcome::Done(Output::from(json!("it is found\n"))));
    assert_eq!(bench.output("echo by its path").await, "by its path\n");
    let failure = retried(bench.run(&bench.job(json!({ "command": "no-such-command" }))).await);
    assert_eq!(failure.message, "cannot start no-such-command: it is in no folder of PATH");
    let failure = failed(bench.run(&bench.job(json!({ "command": "./sh" }))).await);
    assert_eq!(failure.message, "`./sh` is neither an absolute path nor a bare name, which would be looked up in PATH");
}

/// What `check` says of a worker with these settings.
fn checked(settings: &str) -> String {
    let ron = format!("(\n    providers: {{ \"jobs\": memory() }},\n    workers: {{ \"cli\": cli({settings}) }},\n)");
    match Config::parse(&ron, Path::new("jobs.ron"), &Registry::builtin()) {
        Ok(loaded) => loaded.warnings.render(false),
        Err(report) => report.render(false),
    }
}

#[test]
fn settings_that_cannot_work_or_are_dangerous_are_told_with_their_place() {
    let told = [
        "allow: []",
        r#"allow: ["/bin/sh", "ffmpeg"]"#,
        "allow: all",
        "allow: \"any\"",
        r#"allow: ["/bin/sh"], env: { "JOB_ID": "x", "A=B": "x", "": "x" }"#,
        "allow: any",
    ];
    insta::assert_snapshot!(told.map(checked).join("\n"));
}
