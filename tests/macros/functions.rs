//! Workers that are functions.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use goworker::config::Config;
use goworker::manager::{Manager, Options, Stop};
use goworker::testing::Pipeline;
use goworker::units::Dur;
use goworker::{Context, Ids, Job, Output, Registry, State, WorkError, WorkResult, schemars, serde, worker};

use super::{built, table};

/// A picture to resize.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "goworker::serde")]
#[schemars(crate = "goworker::schemars")]
struct Picture {
    /// The file.
    path: PathBuf,
    /// Its size.
    sizes: Vec<u32>,
}

#[derive(Debug, PartialEq, serde::Serialize)]
#[serde(crate = "goworker::serde")]
struct Thumbnail {
    path: PathBuf,
    quality: u8,
    labels: usize,
}

/// Makes a thumbnail.
///
/// It keeps its shape.
#[worker(since = "0.1.0")]
async fn thumbnail(
    Picture { path, sizes }: Picture,
    ctx: &Context,
    /// JPEG quality.
    ///
    /// 1 to 100.
    #[config(default = 85, range = 1..=100)]
    quality: u8,
    /// Folder that receives the result.
    #[config]
    output: &Path,
    /// Labels.
    #[config(default = vec!["small".to_owned()])]
    labels: &[String],
    /// How long to wait for the disk.
    #[config(default = "30s", range = "1s"..)]
    patience: Dur,
    /// A line below it.
    #[config]
    caption: Option<String>,
) -> anyhow::Result<Thumbnail> {
    anyhow::ensure!(ctx.attempt() > 1 || caption.is_none(), "captions take a second attempt");
    anyhow::ensure!(patience > Dur::default() && !sizes.is_empty(), "nothing to do");
    Ok(Thumbnail { path: output.join(path), quality, labels: labels.len() })
}

/// Answers with its job.
#[worker(name = "mirror")]
fn show_job(job: &goworker::Job) -> String {
    job.name.clone()
}

/// Does what its params say.
#[worker]
async fn obey(order: String, job: &Job) -> WorkResult {
    match order.as_str() {
        "output" => Ok(Output::of(&job.id)?),
        "nothing" => Ok(Output::none()),
        "panic" => panic!("panicked as told"),
        _ => Err(WorkError::fail(anyhow::anyhow!("nobody told what `{order}` is"))),
    }
}

/// Says nothing.
#[worker]
async fn silent() {}

/// Says what it cannot say.
#[worker]
fn number(params: serde_json::Value) -> Result<Option<u64>, std::num::ParseIntError> {
    params.as_str().map(str::parse).transpose()
}

/// Panics.
#[worker]
fn trip(_: &Context) {
    panic!("tripped over a stone")
}

/// Whether those who wait in [`queue_up`] may go.
static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// Blocks its thread until the gate is open.
#[worker]
fn queue_up() {
    let mut open = GATE.0.lock().unwrap();
    while !*open {
        open = GATE.1.wait(open).unwrap();
    }
}

const CONFIG: &str = r#"(
    providers: { "jobs": memory() },
    workers: {
        "thumbnail": thumbnail(output: "out"),
        "captioned": thumbnail(output: "out", caption: "a cat", quality: 1),
        "mirror": mirror(), "obey": obey(), "silent": silent(), "number": number(), "trip": trip(), "seal": seal(wax: "green"),
    },
    retry: (retries: 2, backoff: fixed("10s")),
)"#;

/// How a job ends: its state, its output or last error, and after how many attempts that failed.
fn ending(job_type: &str, params: &str) -> (State, String, usize) {
    let mut pipeline = Pipeline::new(CONFIG);
    let id = pipeline.feed(&format!(r#"{{"id":"it","type":"{job_type}","name":"a name","params":{params}}}"#));
    pipeline.run();
    let record = pipeline.job(&id);
    let failures: Vec<&str> = record.attempts.iter().filter_map(|attempt| Some(attempt.failure.as_ref()?.message.as_str())).collect();
    let said = record.output.json().or(failures.last().copied());
    (record.state, said.unwrap_or_default().to_owned(), failures.len())
}

fn done(output: &str) -> (State, String, usize) {
    (State::Done, output.to_owned(), 0)
}

#[test]
fn a_function_gets_params_settings_and_context() {
    let folder = std::env::current_dir().unwrap();
    let path = Path::new("").join("out/cat.png");
    let (state, output, _) = ending("thumbnail", r#"{"path":"cat.png","sizes":[1]}"#);
    let output: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(state, State::Done);
    assert_eq!((output["quality"].clone(), output["labels"].clone()), (85.into(), 1.into()));
    assert!(output["path"].as_str().unwrap().ends_with(path.to_str().unwrap()), "{output} in {folder:?}");
}

#[test]
fn an_error_is_tried_again() {
    let (state, output, failures) = ending("captioned", r#"{"path":"cat.png","sizes":[1]}"#);
    assert_eq!((state, failures), (State::Done, 1));
    assert!(output.contains(r#""quality":1"#), "{output}");
    let (state, error, failures) = ending("thumbnail", r#"{"path":"cat.png","sizes":[]}"#);
    assert_eq!((state, error.as_str(), failures), (State::Dead, "nothing to do", 3));
}

#[test]
fn params_that_do_not_fit_fail_at_once_with_their_path() {
    let (state, error, failures) = ending("thumbnail", r#"{"path":"cat.png","sizes":[1,"2"]}"#);
    assert_eq!((state, failures), (State::Dead, 1));
    assert!(error.starts_with("params.sizes[1]: invalid type: string \"2\""), "{error}");
}

#[test]
fn whatever_a_function_returns_is_its_output() {
    assert_eq!(ending("mirror", "null"), done("\"a name\""));
    assert_eq!(ending("obey", "\"output\""), done("\"it\""));
    assert_eq!(ending("obey", "\"nothing\""), done(""));
    assert_eq!(ending("silent", "{\"what\":\"ever\"}"), done(""));
    assert_eq!(ending("number", "\"7\""), done("7"));
    assert_eq!(ending("number", "null"), done(""));
    assert_eq!(ending("seal", r#"{"from":"us"}"#), done("\"green by us\""));
}

#[test]
fn an_error_of_any_type_says_how_it_goes_on() {
    let (state, error, failures) = ending("number", "\"seven\"");
    assert_eq!((state, error.as_str(), failures), (State::Dead, "invalid digit found in string", 3));
    let (state, error, failures) = ending("obey", "\"fly\"");
    assert_eq!((state, error.as_str(), failures), (State::Dead, "nobody told what `fly` is", 1));
}

#[test]
fn a_panic_is_a_failure_of_its_job() {
    assert_eq!(ending("obey", "\"panic\""), (State::Dead, "panicked: panicked as told".to_owned(), 3));
    assert_eq!(ending("trip", "null"), (State::Dead, "panicked: tripped over a stone".to_owned(), 3));
}

/// Virtual time for the manager, real threads for jobs.
#[tokio::test(start_paused = true)]
async fn a_function_that_blocks_its_thread_keeps_its_slot_until_it_returns() {
    let ron = r#"(
        providers: { "jobs": memory() },
        workers: { "queue": queue_up(concurrency: 1, timeout: "1s"), "trip": trip() },
        retry: (retries: 0),
    )"#;
    let config = Config::parse(ron, Path::new("jobs.ron"), &Registry::linked()).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let work = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let manager = Manager::start(config.config, Options::new(work.handle().clone())).await.unwrap();
    let (queue, ids, stop) = (manager.queues()["jobs"].clone(), Ids::system(), Stop::new());
    let run = tokio::spawn({
        let stop = stop.clone();
        async move { manager.run(&stop).await }
    });
    let enqueue = async |job_type: &str| {
        let job = std::sync::Arc::new(Job::new(ids.next(), job_type));
        queue.enqueue(&[std::sync::Arc::clone(&job)], None).await.unwrap();
        job.id.clone()
    };
    let ended = async |id: &goworker::JobId| {
        let looks = async {
            loop {
                let record = queue.get(id).await.unwrap().unwrap();
                if record.state.is_final() {
                    return record;
                }
                // The work is done in real time.
                std::thread::sleep(Duration::from_millis(1));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), looks).await.expect("it ends")
    };

    let first = ended(&enqueue("queue").await).await;
    assert_eq!(first.attempts[0].failure.as_ref().unwrap().message, "timed out after 1s");
    let second = enqueue("queue").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(queue.get(&second).await.unwrap().unwrap().state, State::Ready, "the only slot is taken by a thread that nobody can stop");
    // The only thread of the runtime is blocked, and others do not wait for it.
    assert_eq!(ended(&enqueue("trip").await).await.attempts[0].failure.as_ref().unwrap().message, "panicked: tripped over a stone");

    *GATE.0.lock().unwrap() = true;
    GATE.1.notify_all();
    assert_eq!(ended(&second).await.state, State::Done);
    stop.request();
    run.await.unwrap();
    work.shutdown_background();
}

#[tokio::test]
async fn a_function_is_still_a_function() {
    let picture = Picture { path: "cat.png".into(), sizes: vec![1] };
    let ctx = goworker::testing::context();
    let thumbnail = thumbnail(picture, &ctx, 85, Path::new("out"), &[], Dur::secs(1), None).await.unwrap();
    assert_eq!(thumbnail, Thumbnail { path: "out/cat.png".into(), quality: 85, labels: 0 });
    assert_eq!(number("7".into()), Ok(Some(7)));
    assert_eq!(number(serde_json::Value::Null), Ok(None));
    let worker = ThumbnailWorker::from(ThumbnailWorkerConfig {
        quality: 90,
        output: PathBuf::from("out"),
        labels: Vec::new(),
        patience: Dur::secs(1),
        caption: None,
    });
    assert_eq!((worker.quality, worker.labels.len()), (90, 0));
}

#[test]
fn a_function_is_registered_as_a_struct_is() {
    let registry = Registry::linked();
    let thumbnail = registry.worker("thumbnail").unwrap();
    assert_eq!(thumbnail.doc, "Makes a thumbnail.\n\nIt keeps its shape.");
    assert_eq!(thumbnail.since, Some("0.1.0"));
    insta::assert_snapshot!(table(thumbnail));
    assert!(registry.worker("mirror").is_some() && registry.worker("show_job").is_none());
    assert!(built("thumbnail(output: \"out\", quality: 0)").unwrap_err().contains("`quality` is 0; 1..=100 is allowed"));
    assert!(Registry::empty().with_plugin::<ThumbnailWorker>().worker("thumbnail").is_some());
    assert_eq!(registry.worker("seal").unwrap().origin.crate_name, "alone");
}

#[test]
fn the_params_of_a_function_have_a_schema_if_their_type_has_one() {
    let registry = Registry::linked();
    let schema = |kind: &str| (registry.worker(kind).unwrap().params)();
    insta::assert_json_snapshot!(schema("thumbnail"));
    assert_eq!(schema("obey").unwrap().get("type"), Some(&"string".into()));
    assert_eq!(schema("seal"), None);
    assert_eq!(schema("silent"), None);
}
