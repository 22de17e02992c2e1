//! A whole pipeline in a test: a configuration, jobs that are fed in, faults that are made to happen, virtual time.

mod fault;
mod scene;
mod trace;
mod watched_queue;
mod watched_worker;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use self::scene::Scene;
use self::trace::Recorder;
use self::watched_queue::WatchedQueue;
use self::watched_worker::{StandIn, WatchedWorker, Work};
use crate::clock::{Clock, Random, Timestamp};
use crate::config::{Config, ProviderEntry, Source, WorkerEntry};
use crate::job::{Ids, Job, JobId};
use crate::manager::{Manager, Options, Stop, Summary};
use crate::outcome::WorkResult;
use crate::plugin::{AnyQueue, AnyWorker, QueueHandle};
use crate::provider::Setup;
use crate::queue::{Filter, JobRecord, State};
use crate::registry::Registry;
use crate::worker::Context;

pub use fault::{Fault, FaultError, Mishap};
pub use trace::{Event, Trace};

/// A pipeline under test: the plugins of a configuration, run by the real manager under virtual time.
///
/// ```
/// use goworker::testing::Pipeline;
///
/// let mut pipeline = Pipeline::new(
///     r#"(
///         providers: { "jobs": memory() },
///         workers: { "mail": cli(allow: ["/usr/sbin/sendmail"]), "attic": cli(allow: ["/bin/true"]) },
///         retry: (retries: 1, backoff: fixed("1h")),
///         failure_handlers: ["attic"],
///     )"#,
/// );
/// pipeline.stand_in("attic", |_, _| Ok(().into()));
/// pipeline.fault("fail mail always");
/// pipeline.feed(r#"{"id": "welcome", "type": "mail"}"#);
/// assert_eq!(
///     pipeline.run().to_string(),
///     "\
/// t+0.000s     jobs   accepted   mail welcome
/// t+0.000s     jobs   delivered  mail welcome
/// t+0.000s     mail   attempt 1  mail welcome         again in 1h: failed, as told
/// t+3600.000s  jobs   delivered  mail welcome
/// t+3600.000s  mail   attempt 2  mail welcome         dead: failed, as told
/// t+3600.000s  jobs   accepted   attic welcome:attic
/// t+3600.000s  jobs   delivered  attic welcome:attic
/// t+3600.000s  attic  attempt 1  attic welcome:attic  done
/// "
/// );
/// ```
///
/// With insta the expectation writes itself: `insta::assert_snapshot!(pipeline.run())`.
///
/// * **Stores** are swapped for memory, so nothing of the real one is touched. It outlives a manager that crashes.
/// * **Time** is virtual: an hour's back-off takes no time, and begins at [`EPOCH`]. While a job does foreign work (runs a
///   script, a command, blocking code), the clock stands still; such jobs run one at a time. A plugin that waits
///   for a server says so by [`Context::foreign_work`].
/// * **Randomness** is seeded, so jitter and ids are the same in every run.
/// * **Sources** (`folder`, ...) are not started: a test [feeds](Pipeline::feed) the jobs.
/// * **Workers** are the real ones, unless a test [stands in](Pipeline::stand_in) for them.
///
/// It panics where a test should fail: a configuration with mistakes, a plugin that cannot start, a job that never
/// ends.
pub struct Pipeline {
    text: String,
    path: PathBuf,
    registry: Registry,
    seed: u64,
    stand_ins: BTreeMap<String, Work>,
    runtime: Runtime,
    scene: Arc<Scene>,
    clock: Clock,
    ids: Ids,
    /// The job types that have a worker.
    types: Vec<String>,
    /// What the queues of the configuration are here. They outlive the manager.
    stores: BTreeMap<String, QueueHandle>,
    /// The same, watched.
    queues: BTreeMap<String, QueueHandle>,
    running: Option<Running>,
}

/// A manager at work.
struct Running {
    stop: Stop,
    task: JoinHandle<Summary>,
}

/// Virtual time begins here: 2026-01-01T00:00:00Z.
pub const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// What has not ended by then never will.
const PATIENCE: Duration = Duration::from_secs(366 * 86_400);

impl Pipeline {
    /// A pipeline of the configuration in a file.
    ///
    /// # Panics
    /// When it cannot be read or has mistakes.
    #[track_caller]
    pub fn load(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        Pipeline::parse(&text, path, Registry::linked())
    }

    /// A pipeline of the configuration in a text. Paths in it are relative to the current folder.
    ///
    /// # Panics
    /// When it has mistakes.
    #[track_caller]
    pub fn new(ron: &str) -> Self {
        Pipeline::parse(ron, Path::new("./pipeline.ron"), Registry::linked())
    }

    /// The same for a text that is said to be in the file `path`, with the kinds of `registry`.
    ///
    /// # Panics
    /// When it has mistakes.
    #[track_caller]
    pub fn parse(ron: &str, path: &Path, registry: Registry) -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no event loop to be had: {error}"));
        let clock = runtime.block_on(async { Clock::starting_at(EPOCH) });
        let config = config(ron, path, &registry);
        let folder = format!("{}/", config.base.display());
        let types = config.workers.iter().map(|entry| entry.name.clone()).collect();
        let mut pipeline = Pipeline {
            text: ron.to_owned(),
            path: path.to_owned(),
            registry,
            seed: 0,
            stand_ins: BTreeMap::new(),
            scene: Arc::new(Scene::new(Recorder::new(clock.clone(), EPOCH, folder))),
            ids: Ids::new(clock.clone(), Random::seeded(0)),
            clock,
            types,
            stores: BTreeMap::new(),
            queues: BTreeMap::new(),
            running: None,
            runtime,
        };
        pipeline.open_stores(config);
        pipeline
    }

    /// Draws jitter and ids from another seed. To be said before the first job.
    pub fn seed(&mut self, seed: u64) {
        self.seed = seed;
        self.ids = Ids::new(self.clock.clone(), Random::seeded(seed));
    }

    /// Does the work of the worker that the configuration calls `name`. To be said before the first run.
    ///
    /// # Panics
    /// When there is no such worker, or it has been started.
    #[track_caller]
    pub fn stand_in(&mut self, name: &str, work: impl Fn(&Job, &Context) -> WorkResult + Send + Sync + 'static) {
        assert!(self.types.iter().any(|known| known == name), "there is no worker `{name}`; there are {}", self.types.join(", "));
        assert!(self.running.is_none(), "the worker `{name}` was started already; say who stands in for it before the first run");
        self.stand_ins.insert(name.to_owned(), Arc::new(work));
    }

    /// Makes something go wrong: `fail lua/charge twice`, `panic`, `time out lua`, `lose the lease of lua/charge`,
    /// `crash the manager in lua/charge`. See [`Fault`]. Of several that fit a job, the first one said happens first.
    ///
    /// # Panics
    /// When it is none of these.
    #[track_caller]
    pub fn fault(&mut self, fault: &str) {
        match fault.parse() {
            Ok(fault) => self.scene.faults.add(fault),
            Err(error) => panic!("{error}"),
        }
    }

    /// Puts a job, as JSON, into the only queue.
    ///
    /// # Panics
    /// When it is no job, or there is not one queue.
    #[track_caller]
    pub fn feed(&mut self, job: &str) -> JobId {
        let names: Vec<&str> = self.queues.keys().map(String::as_str).collect();
        let &[name] = names.as_slice() else {
            panic!("there are {} queues ({}): say which, by `feed_into`", names.len(), names.join(", "))
        };
        let name = name.to_owned();
        self.feed_into(&name, job)
    }

    /// Puts a job, as JSON, into the queue of that name.
    ///
    /// # Panics
    /// When it is no job, or there is no such queue.
    #[track_caller]
    pub fn feed_into(&mut self, queue: &str, job: &str) -> JobId {
        let queue = self.queue(queue);
        let accepted = self.block_on(async {
            let parsed = Job::parse(job.as_bytes(), &self.ids)?;
            let id = parsed.job.id.clone();
            queue.enqueue(&[Arc::new(parsed.job)], None).await?;
            anyhow::Ok(id)
        });
        accepted.unwrap_or_else(|error| panic!("{error:#}\nin the job {job}"))
    }

    /// Runs until there is nothing left to do: all jobs that anyone here runs have ended, retried and delayed ones
    /// too. Answers what has happened since the pipeline was made.
    ///
    /// # Panics
    /// When jobs have not ended after a year.
    #[track_caller]
    pub fn run(&mut self) -> Trace {
        let (queues, types, scene) = (self.queues.clone(), self.types.clone(), Arc::clone(&self.scene));
        self.drive("all jobs have ended", async move {
            loop {
                let changed = scene.changed.notified();
                if is_idle(&queues, &types).await {
                    return;
                }
                changed.await;
            }
        });
        self.trace()
    }

    /// Runs for so long, in virtual time. Answers what has happened since the pipeline was made.
    #[track_caller]
    pub fn run_for(&mut self, duration: Duration) -> Trace {
        self.drive("the time is over", async move { tokio::time::sleep(duration).await });
        self.trace()
    }

    /// Runs until a job is in a state.
    ///
    /// # Panics
    /// When it is not within a year.
    #[track_caller]
    pub fn wait(&mut self, id: &JobId, state: State) -> JobRecord {
        let (queues, wanted) = (self.queues.clone(), id.clone());
        self.drive(&format!("{id} is {state}"), async move {
            loop {
                match find(&queues, &wanted).await {
                    Some(record) if record.state == state => return record,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
    }

    /// Asks the manager to stop, once as by the first Ctrl-C or more often, and runs until it has.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn shut_down(&mut self, requests: usize) -> Summary {
        self.start();
        let Some(running) = self.running.take() else { unreachable!("it was just started") };
        for _ in 0..requests {
            running.stop.request();
            self.note("asked to stop");
        }
        match self.runtime.block_on(async { tokio::time::timeout(PATIENCE, running.task).await }) {
            Ok(Ok(summary)) => summary,
            Ok(Err(error)) => panic!("the manager failed: {error}\n{}", self.trace()),
            Err(_) => panic!("the manager does not stop\n{}", self.trace()),
        }
    }

    /// Runs as `goworker run --until-idle` does: delayed jobs and those of unknown types are not waited for.
    ///
    /// # Panics
    /// When it runs already, or does not end.
    #[track_caller]
    pub fn run_until_idle(&mut self) -> Summary {
        assert!(self.running.is_none(), "it runs already");
        self.start_with(true);
        self.shut_down(0)
    }

    /// What has happened so far.
    pub fn trace(&self) -> Trace {
        self.scene.recorder.trace()
    }

    /// A job as its queue knows it.
    ///
    /// # Panics
    /// When no queue knows it.
    #[track_caller]
    pub fn job(&self, id: &JobId) -> JobRecord {
        self.block_on(find(&self.queues, id)).unwrap_or_else(|| panic!("no queue has a job `{id}`"))
    }

    /// All jobs of all queues, the oldest first.
    ///
    /// # Panics
    /// When a queue cannot be read.
    #[track_caller]
    pub fn jobs(&self) -> Vec<JobRecord> {
        let mut jobs = Vec::new();
        for queue in self.queues.values() {
            let listed = self.block_on(async { queue.list(&Filter::default()).await });
            jobs.extend(listed.unwrap_or_else(|error| panic!("a queue cannot be read: {error}")).into_iter().rev());
        }
        jobs
    }

    /// A queue, to cancel or retry jobs by hand: `pipeline.block_on(queue.cancel(&[id]))`.
    ///
    /// # Panics
    /// When there is no such queue.
    #[track_caller]
    pub fn queue(&self, name: &str) -> QueueHandle {
        let known = || self.queues.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        self.queues.get(name).cloned().unwrap_or_else(|| panic!("there is no queue `{name}`; there are: {}", known()))
    }

    /// Waits for something within the pipeline's virtual time. The manager goes on meanwhile, if it was started.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Lets the manager work until `goal` is reached. One that crashes is replaced.
    #[track_caller]
    fn drive<T>(&mut self, what: &str, goal: impl Future<Output = T>) -> T {
        enum Next<T> {
            Reached(T),
            Crash,
            TooLate,
        }
        let mut goal = Box::pin(goal);
        loop {
            self.start();
            let scene = Arc::clone(&self.scene);
            let next = self.runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = scene.crash.notified() => Next::Crash,
                    reached = &mut goal => Next::Reached(reached),
                    () = tokio::time::sleep(PATIENCE) => Next::TooLate,
                }
            });
            match next {
                Next::Reached(reached) => return reached,
                Next::Crash => self.crash(),
                Next::TooLate => panic!("not within a year: {what}\n{}", self.trace()),
            }
        }
    }

    /// Lets the manager die as by `kill -9`: nothing is settled or closed, its leases end by time.
    fn crash(&mut self) {
        if let Some(Running { task, .. }) = self.running.take() {
            task.abort();
            // It was aborted, or has just ended by itself.
            let _aborted = self.runtime.block_on(task);
        }
        self.note("crashed");
    }

    /// Notes what happens to the manager.
    fn note(&self, what: &str) {
        // Outside of its runtime, virtual time is not known.
        let _context = self.runtime.enter();
        self.scene.recorder.event("manager", what);
    }

    #[track_caller]
    fn start(&mut self) {
        if self.running.is_none() {
            self.start_with(false);
        }
    }

    #[track_caller]
    fn start_with(&mut self, until_idle: bool) {
        let config = self.watched(config(&self.text, &self.path, &self.registry));
        let options = Options {
            until_idle,
            clock: self.clock.clone(),
            random: Random::seeded(self.seed),
            ..Options::new(self.runtime.handle().clone())
        };
        let manager = self.runtime.block_on(Manager::start(config, options)).unwrap_or_else(|error| panic!("{error}"));
        let stop = Stop::new();
        let switch = stop.clone();
        let task = self.runtime.spawn(async move { manager.run(&switch).await });
        self.running = Some(Running { stop, task });
    }

    /// The configuration with stores in memory, without sources, and with workers that can go wrong.
    fn watched(&self, mut config: Config) -> Config {
        config.providers.retain_mut(|entry| match self.stores.get(&entry.name) {
            Some(store) => {
                entry.source = Source::Queue(self.watched_queue(&entry.name, store));
                true
            }
            None => false,
        });
        let watched = |entry: WorkerEntry| {
            let stand_in = self.stand_ins.get(&entry.name).map(|work| AnyWorker::from(StandIn(Arc::clone(work))));
            let worker = WatchedWorker { worker: stand_in.unwrap_or(entry.worker), scene: Arc::clone(&self.scene) };
            WorkerEntry { worker: AnyWorker::from(worker), ..entry }
        };
        config.workers = config.workers.into_iter().map(watched).collect();
        config
    }

    fn watched_queue(&self, name: &str, store: &QueueHandle) -> AnyQueue {
        AnyQueue::from(WatchedQueue { name: name.to_owned(), queue: store.clone(), scene: Arc::clone(&self.scene) })
    }

    #[track_caller]
    fn open_stores(&mut self, config: Config) {
        for ProviderEntry { name, source, lease, keep, .. } in config.providers {
            if let Source::Queue(_) = source {
                let setup = Setup { lease, keep, clock: self.clock.clone(), ..Setup::new(&name, &config.base) };
                let start = |queue: AnyQueue| self.runtime.block_on(queue.start(&setup)).unwrap_or_else(|error| panic!("{error:#}"));
                let store = start(memory(&name, &self.registry));
                let queue = start(self.watched_queue(&name, &store));
                self.stores.insert(name.clone(), store);
                self.queues.insert(name, queue);
            }
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("path", &self.path).field("queues", &self.queues.keys()).finish_non_exhaustive()
    }
}

#[track_caller]
fn config(ron: &str, path: &Path, registry: &Registry) -> Config {
    match Config::parse(ron, path, registry) {
        Ok(loaded) => loaded.config,
        Err(report) => panic!("{}", report.render(false)),
    }
}

/// A queue in memory. Kinds are known by their names only, so it is asked for as a configuration asks.
#[track_caller]
fn memory(name: &str, registry: &Registry) -> AnyQueue {
    let ron = format!(r#"(providers: {{ "{name}": memory() }}, workers: {{ "none": cli(allow: ["/bin/true"]) }})"#);
    let built = config(&ron, Path::new("memory.ron"), registry).providers.into_iter().next().map(|entry| entry.source);
    let Some(Source::Queue(queue)) = built else { unreachable!("`memory` is a queue") };
    queue
}

/// Whether nothing is left to do for anyone here.
async fn is_idle(queues: &BTreeMap<String, QueueHandle>, types: &[String]) -> bool {
    for queue in queues.values() {
        let stats = queue.stats().await.unwrap_or_else(|error| panic!("a queue cannot be read: {error}"));
        if stats.counts.iter().any(|count| !count.state.is_final() && types.contains(&count.job_type)) {
            return false;
        }
    }
    true
}

async fn find(queues: &BTreeMap<String, QueueHandle>, id: &JobId) -> Option<JobRecord> {
    for queue in queues.values() {
        if let Some(record) = queue.get(id).await.unwrap_or_else(|error| panic!("a queue cannot be read: {error}")) {
            return Some(record);
        }
    }
    None
}
