//! What a configuration becomes under test: stores are in memory, sources but schedules are left out, workers can go wrong, and the
//! manager can die.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::EPOCH;
use super::queues::Queues;
use super::scene::Scene;
use super::trace::Recorder;
use super::watched_queue::WatchedQueue;
use super::watched_source::WatchedSource;
use super::watched_worker::{StandIn, WatchedWorker, Work};
use crate::clock::{Clock, Random};
use crate::config::{Config, ProviderEntry, Source, WorkerEntry};
use crate::manager::{Manager, Options, Stop, Summary};
use crate::plugin::{AnyQueue, AnyWorker, QueueHandle};
use crate::provider::Setup;
use crate::registry::Registry;

/// What has not ended by then never will.
const PATIENCE: Duration = Duration::from_secs(366 * 86_400);

pub(super) struct Stage {
    text: String,
    path: PathBuf,
    registry: Registry,
    pub(super) runtime: Runtime,
    pub(super) clock: Clock,
    pub(super) scene: Arc<Scene>,
    /// Ids and jitter draw from one stream, so that no two ids are the same.
    pub(super) random: Random,
    /// Who does the work of a worker, by its name.
    pub(super) stand_ins: BTreeMap<String, Work>,
    /// The job types that have a worker.
    pub(super) types: Vec<String>,
    /// What the queues of the configuration are here. They outlive the manager.
    stores: BTreeMap<String, QueueHandle>,
    /// The same, watched.
    pub(super) queues: Queues,
    running: Option<Running>,
}

/// A manager at work.
struct Running {
    stop: Stop,
    task: JoinHandle<Summary>,
}

impl Stage {
    #[track_caller]
    pub(super) fn new(ron: &str, path: &Path, registry: Registry) -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no event loop to be had: {error}"));
        let clock = runtime.block_on(async { Clock::starting_at(EPOCH) });
        let config = config(ron, path, &registry);
        let mut stage = Stage {
            text: ron.to_owned(),
            path: path.to_owned(),
            registry,
            scene: Arc::new(Scene::new(Recorder::new(clock.clone(), EPOCH, &config.base))),
            clock,
            random: Random::seeded(0),
            stand_ins: BTreeMap::new(),
            types: config.workers.iter().map(|entry| entry.name.clone()).collect(),
            stores: BTreeMap::new(),
            queues: Queues::default(),
            running: None,
            runtime,
        };
        stage.open_stores(config);
        stage
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    #[track_caller]
    fn open_stores(&mut self, config: Config) {
        for ProviderEntry { name, source, rate, lease, keep, .. } in config.providers {
            if let Source::Queue(_) = source {
                let setup = Setup { rate, lease, keep, clock: self.clock.clone(), ..Setup::new(&name, &config.base) };
                let start = |queue: AnyQueue| self.runtime.block_on(queue.start(&setup)).unwrap_or_else(|error| panic!("{error:#}"));
                let store = start(memory(&name));
                let queue = start(self.watched_queue(&name, &store));
                self.stores.insert(name.clone(), store);
                self.queues.insert(name, queue);
            }
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts a manager, if there is none.
    #[track_caller]
    pub(super) fn start(&mut self, until_idle: bool) {
        if self.is_running() {
            return;
        }
        let config = self.watched(config(&self.text, &self.path, &self.registry));
        let options =
            Options { until_idle, clock: self.clock.clone(), random: self.random.clone(), ..Options::new(self.runtime.handle().clone()) };
        let manager = self.runtime.block_on(Manager::start(config, options)).unwrap_or_else(|error| panic!("{error}"));
        let stop = Stop::new();
        let switch = stop.clone();
        let task = self.runtime.spawn(async move { manager.run(&switch).await });
        self.running = Some(Running { stop, task });
    }

    /// The configuration with stores in memory, without sources but schedules, and with workers that can go wrong.
    fn watched(&self, mut config: Config) -> Config {
        let watched = |entry: ProviderEntry| {
            let source = match entry.source {
                Source::Queue(_) => Source::Queue(self.watched_queue(&entry.name, self.stores.get(&entry.name)?)),
                // What goes by the time alone goes by virtual time as well.
                Source::Link(source, _) | Source::Direct(source) if source.schedule().is_none() => return None,
                // What goes into a queue is watched there.
                Source::Link(source, into) => Source::Link(source, into),
                Source::Direct(source) => {
                    Source::Direct(WatchedSource { name: entry.name.clone(), source, scene: Arc::clone(&self.scene) }.into())
                }
            };
            Some(ProviderEntry { source, ..entry })
        };
        config.providers = config.providers.into_iter().filter_map(watched).collect();
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

    /// Lets the manager work until `goal` is reached. One that crashes is replaced.
    #[track_caller]
    pub(super) fn drive<T>(&mut self, what: &str, goal: impl Future<Output = T>) -> T {
        let mut goal = Box::pin(goal);
        loop {
            self.start(false);
            match self.block_on(what, &mut goal) {
                Some(reached) => return reached,
                None => self.crash(),
            }
        }
    }

    /// Waits for something; `None` if the manager shall die first.
    #[track_caller]
    fn block_on<T>(&self, what: &str, goal: impl Future<Output = T>) -> Option<T> {
        let reached = self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.scene.crash.notified() => Ok(None),
                reached = goal => Ok(Some(reached)),
                () = tokio::time::sleep(PATIENCE) => Err(()),
            }
        });
        reached.unwrap_or_else(|()| panic!("not within a year: {what}\n{}", self.scene.recorder.trace()))
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

    /// Asks the manager to stop, so often, and waits until it has. One that crashes is replaced by one like it.
    #[track_caller]
    pub(super) fn end(&mut self, until_idle: bool, requests: usize) -> Summary {
        loop {
            self.start(until_idle);
            let Some(mut running) = self.running.take() else { unreachable!("it was just started") };
            for _ in 0..requests {
                running.stop.request();
                self.note("asked to stop");
            }
            match self.block_on("the manager has stopped", &mut running.task) {
                Some(Ok(summary)) => return summary,
                Some(Err(error)) => panic!("the manager failed: {error}\n{}", self.scene.recorder.trace()),
                None => self.running = Some(running),
            }
            self.crash();
        }
    }

    /// Notes what happens to the manager.
    fn note(&self, what: &str) {
        // Outside of its runtime, virtual time is not known.
        let _context = self.runtime.enter();
        self.scene.recorder.event("manager", what);
    }
}

#[track_caller]
fn config(ron: &str, path: &Path, registry: &Registry) -> Config {
    match Config::parse(ron, path, registry) {
        Ok(loaded) => loaded.config,
        Err(report) => panic!("{}", report.render(false)),
    }
}

/// A queue in memory. Kinds are known by their names only, so it is asked for as a configuration asks; whatever kinds
/// the pipeline has.
#[track_caller]
fn memory(name: &str) -> AnyQueue {
    let ron = format!(r#"(providers: {{ "{name}": memory() }}, workers: {{ "none": cli(allow: ["/bin/true"]) }})"#);
    let built = config(&ron, Path::new("memory.ron"), &Registry::builtin()).providers.into_iter().next().map(|entry| entry.source);
    let Some(Source::Queue(queue)) = built else { unreachable!("`memory` is a queue") };
    queue
}
