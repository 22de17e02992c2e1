//! Through the worker, over real script files.

mod corpus;
mod declared;
mod ending;
mod json;
mod language;
mod limits;
mod scripts;
mod sharing;
mod waiting;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use goworker::units::{Dur, Size};
use goworker::{Clock, Context, Ids, Job, Outcome, Params, Plugin, ProviderError, Run, Services, Setup, Token, WorkerHandle};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Lua, LuaConfig};

/// A started worker over a folder of scripts.
struct Bench {
    folder: TempDir,
    worker: WorkerHandle,
}

impl Bench {
    async fn new(scripts: &[(&str, &str)]) -> Self {
        Bench::with(1, scripts).await
    }

    async fn with(threads: usize, scripts: &[(&str, &str)]) -> Self {
        Bench::set(|config| config.threads = Some(threads), scripts).await
    }

    /// A worker on one thread, with other settings.
    async fn set(set: impl FnOnce(&mut LuaConfig), scripts: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("scripts")).unwrap();
        let scripts_folder = folder.path().join("scripts");
        let mut config = LuaConfig { scripts: scripts_folder, memory: Size::literal("64MiB"), cpu: None, threads: Some(1) };
        set(&mut config);
        let Plugin::Worker(worker) = Plugin::worker(Lua::from(config)) else { unreachable!() };
        let worker = worker.start(&Setup::new("lua", folder.path())).await.unwrap();
        let bench = Bench { folder, worker };
        for (name, text) in scripts {
            bench.write(name, text);
        }
        bench
    }

    fn scripts(&self) -> std::path::PathBuf {
        self.folder.path().join("scripts")
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.scripts().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// Runs a job without a time limit.
    async fn run(&self, name: &str, params: &str) -> Outcome {
        self.attempt(name, params, None, CancellationToken::new()).await.0
    }

    /// Runs a job; answers its outcome and what it logged.
    async fn attempt(&self, name: &str, params: &str, limit: Option<Duration>, cancel: CancellationToken) -> (Outcome, Vec<String>) {
        let mut job = Job::new("job-1".parse().unwrap(), "lua");
        job.name = name.to_owned();
        job.params = Params::from_json(params.to_owned()).unwrap();
        let run =
            Run { job: Arc::new(job.clone()), attempt: 2, token: Token(7), deadline: limit.map(|limit| Instant::now() + limit), cancel };
        let refuse = |_, _| Box::pin(async { Err(ProviderError::Unsupported("no queue here".to_owned())) }) as _;
        let services = Services { worker: "lua".to_owned(), clock: Clock::system(), ids: Ids::system(), enqueue: Box::new(refuse) };
        let ctx = Context::new(run, Arc::new(services));
        let outcome = Outcome::from(self.worker.work(&job, &ctx).await);
        (outcome, ctx.take_log())
    }
}

/// Runs one script; answers its outcome as a line of text.
async fn outcome(script: &str, params: &str) -> String {
    let bench = Bench::new(&[("test.lua", script)]).await;
    show(bench.run("test", params).await)
}

/// Runs one script; answers its output.
async fn output(script: &str, params: &str) -> String {
    let shown = outcome(script, params).await;
    shown.strip_prefix("done ").unwrap_or(&shown).to_owned()
}

fn show(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done(output) => format!("done {}", output.json().unwrap_or("-")),
        Outcome::Retry(failure, None) => format!("retry: {failure}"),
        Outcome::Retry(failure, Some(after)) => format!("retry after {}: {failure}", Dur(after)),
        Outcome::Failed(failure) => format!("failed: {failure}"),
        Outcome::Snoozed(after) => format!("snoozed {}", Dur(after)),
        other => format!("{other:?}"),
    }
}

/// The scripts that come with goworker.
fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name)).unwrap()
}
