//! The parts without a server or a script, together: files come in, commands run, what failed is written down.

use std::fs;
use std::path::{Path, PathBuf};

use goworker::State;
use goworker_tests::pipeline::Pipeline;
use tempfile::TempDir;

/// A folder with an inbox, and a configuration in which `FOLDER` stands for it.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let site = Site { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(site.path("inbox")).unwrap();
        files.iter().for_each(|(name, text)| fs::write(site.path("inbox").join(name), text).unwrap());
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, ron: &str) -> String {
        ron.replace("FOLDER", &self.folder.path().display().to_string())
    }

    fn names(&self, under: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(under)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names.iter().map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const GOOD: &str = r#"{"id":"good","type":"cli","params":{"command":"/bin/sh","params":["-c","echo $JOB_ID"]},"capture_output":true}
{"id":"bad","type":"cli","params":{"command":"/bin/sh","params":["-c","echo no paper >&2; exit 3"]},"retries":1}
{"id":"alien","type":"cli","params":{"command":"/bin/rm","params":["-rf","/nothing/of/that/name"]}}
"#;

#[tokio::test]
async fn files_go_through_a_queue_to_commands_and_what_fails_is_written_down() {
    let site = Site::new(&[("1.jsonl", GOOD), ("2-broken.json", "[{\"type\":\"cli\"},"), (".3.json", "{}")]);
    let pipeline = Pipeline::until_idle(&site.config(
        r#"(
            providers: {
                "jobs": memory(),
                "inbox": folder(path: "FOLDER/inbox", quiet: "10ms", after: move_to("FOLDER/done"), into: "jobs"),
            },
            workers: {
                "cli": cli(allow: ["/bin/sh"], timeout: "1m"),
                "attic": file(path: "FOLDER/attic.jsonl"),
            },
            retry: (backoff: fixed("1ms")),
            failure_handlers: ["attic"],
        )"#,
    ))
    .await;
    let queue = pipeline.queue.clone();
    pipeline.end().await;

    let record = |id: &str| {
        let (queue, id) = (queue.clone(), id.parse().unwrap());
        async move { queue.get(&id).await.unwrap().unwrap() }
    };
    let (good, bad, alien) = (record("good").await, record("bad").await, record("alien").await);
    assert_eq!((good.state, good.output.json()), (State::Done, Some(r#""good\n""#)));
    assert_eq!((bad.state, bad.attempts.len(), alien.state, alien.attempts.len()), (State::Dead, 2, State::Dead, 1));
    let failure = bad.attempts[1].failure.as_ref().unwrap();
    assert_eq!((failure.exit_code, failure.message.as_str()), (Some(3), "/bin/sh exited with 3: no paper"));
    assert_eq!(bad.attempts[1].log, ["no paper"]);
    assert_eq!(site.names("inbox"), [".3.json", "failed"]);
    assert_eq!(site.names("inbox/failed"), ["2-broken.json", "2-broken.json.error.txt"]);
    assert_eq!(site.names("done"), ["1.jsonl"]);
    let mut told: Vec<_> =
        lines(&site.path("attic.jsonl")).iter().map(|line| line["job"]["params"]["failed"]["job"]["id"].clone()).collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, ["alien", "bad"]);
}

#[tokio::test]
async fn files_run_directly_as_well_and_keep_their_dead_jobs_beside_them() {
    let site =
        Site::new(&[("1.jsonl", GOOD), ("2.json", r#"{"id":"last","type":"cli","params":{"command":"/bin/sh","params":["-c","true"]}}"#)]);
    // The queue is there because the harness wants one; nothing goes through it.
    let pipeline = Pipeline::until_idle(&site.config(
        r#"(
            providers: { "jobs": memory(), "inbox": folder(path: "FOLDER/inbox", quiet: "10ms") },
            workers: { "cli": cli(allow: ["/bin/sh"], concurrency: 2) },
            retry: (backoff: fixed("1ms")),
        )"#,
    ))
    .await;
    let queue = pipeline.queue.clone();
    pipeline.end().await;

    assert_eq!(queue.stats().await.unwrap(), goworker::QueueStats::default());
    assert_eq!((site.names("inbox"), site.names("inbox/failed")), (vec!["failed".to_owned()], vec!["1.jsonl.dead.jsonl".to_owned()]));
    let mut dead: Vec<_> = lines(&site.path("inbox/failed/1.jsonl.dead.jsonl")).iter().map(|line| line["job"]["id"].clone()).collect();
    dead.sort_by_key(ToString::to_string);
    assert_eq!(dead, ["alien", "bad"]);
}
