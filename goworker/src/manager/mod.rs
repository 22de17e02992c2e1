//! The manager: takes jobs from providers, gives them to workers, and settles what became of them.
//!
//! ```text
//!              a slot before a job                    spawn
//! Provider ◀────── fetch(demand) ────── Engine ──────────────────▶ Worker
//!     │                                  │  ▲                         │
//!     └────────── deliveries ───────────▶│  └──────── ends ───────────┘
//! Provider ◀─ settle(batch), renew ──────┘      decide(job, outcome)
//!
//! Source ──fetch──▶ Link ──enqueue──▶ Queue        (`into:`)
//! Queue ──take──▶ Spill ──enqueue──▶ Queue         (`spill:`)
//! ```
//!
//! The engine runs on the *control* runtime, job code on the *work* runtime: a job that blocks its thread delays
//! neither a renewal nor a shutdown.

mod admin;
mod engine;
mod health;
mod lane;
mod link;
mod numbers;
mod report;
mod spill;
mod stats;
mod stop;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, ClientError, OpenQueue};
use crate::clock::{Clock, Random};
use crate::config::{AdminSettings, Config, ProviderEntry, Source, WorkerEntry};
use crate::job::{Ids, Job, JobId};
use crate::listener::Listener;
use crate::plugin::{DynProvider, ProviderHandle, QueueHandle, WorkerHandle};
use crate::provider::{ProviderError, Setup, Target};
use crate::rate::{Rate, Starts};
use crate::worker::Services;

use engine::{Engine, Pool, Rulebook, Slots};
use lane::Lane;
use link::{Carrier, Link, LinkState};
use numbers::Asker;
use spill::Spill;

pub use stats::{Stats, Summary, Tally, Waiting};
pub use stop::Stop;

/// How long a plugin may take to close, and a move of jobs to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a manager runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// End when nothing is left to do. Providers that wait for the outside world are not started.
    pub until_idle: bool,
    /// The time.
    pub clock: Clock,
    /// Randomness, for jitter and ids.
    pub random: Random,
    /// The runtime that runs job code. The manager itself runs on the one that calls it.
    pub work: Handle,
}

impl Options {
    /// Runs until asked to stop, on the system's clock, with job code on `work`.
    pub fn new(work: Handle) -> Self {
        Options { until_idle: false, clock: Clock::system(), random: Random::system(), work }
    }
}

/// A plugin could not be started.
#[derive(Debug, thiserror::Error)]
#[error("{role} `{name}` ({kind}) cannot start: {error:#}")]
pub struct StartError {
    role: &'static str,
    name: String,
    kind: &'static str,
    error: anyhow::Error,
}

/// Everything a configuration names, started and ready to run.
#[derive(Debug)]
pub struct Manager {
    /// What the configuration is called in errors.
    file: String,
    queues: Vec<OpenQueue>,
    providers: Vec<ProviderHandle>,
    workers: Vec<WorkerHandle>,
    lanes: Vec<LaneParts>,
    pools: Vec<Pool>,
    links: Vec<Link>,
    spills: Vec<Spill>,
    rulebook: Rulebook,
    /// The port that tells of the run, if there is one.
    admin: Option<Listener>,
}

/// What a lane is made of.
#[derive(Debug)]
struct LaneParts {
    name: String,
    provider: ProviderHandle,
    queue: Option<QueueHandle>,
    /// How many jobs may start, if that is not the provider's business.
    rate: Option<Rate>,
    /// For how long its rate may let nothing start.
    rest: Duration,
}

impl Manager {
    /// Starts all plugins of a configuration: queues and sources first, then workers.
    ///
    /// # Errors
    /// The first plugin that cannot start. Those started before are closed again.
    pub async fn start(config: Config, options: Options) -> Result<Self, StartError> {
        let mut manager = Manager {
            file: config.path.display().to_string(),
            queues: Vec::new(),
            providers: Vec::new(),
            workers: Vec::new(),
            lanes: Vec::new(),
            pools: Vec::new(),
            links: Vec::new(),
            spills: Vec::new(),
            rulebook: Rulebook {
                handlers: config.failure_handlers,
                poison: config.poison,
                grace: config.grace,
                until_idle: options.until_idle,
                stopping: CancellationToken::new(),
                clock: options.clock,
                random: options.random,
                work: options.work,
            },
            admin: None,
        };
        // A run that ends by itself may go beside one that does not, with the same configuration.
        let admin = config.admin.filter(|_| !options.until_idle);
        match manager.start_all(&config.base, config.providers, config.workers, admin).await {
            Ok(()) => Ok(manager),
            Err(error) => {
                manager.close().await;
                Err(error)
            }
        }
    }

    /// A client of the queues that run here, `memory` ones too. It is of use until the manager has ended.
    pub fn client(&self) -> Client {
        Client::of(self.file.clone(), self.queues.clone())
    }

    /// The queues, by name.
    pub fn queues(&self) -> BTreeMap<String, QueueHandle> {
        self.queues.iter().map(|queue| (queue.name().to_owned(), queue.handle().clone())).collect()
    }

    /// Runs until `stop` is requested, or until nothing is left to do if that is what was wanted; then closes all plugins.
    pub async fn run(mut self, stop: &Stop) -> Summary {
        let only_queue = match self.queues.as_slice() {
            [only] => Some(only.handle().clone()),
            _ => None,
        };
        let lanes = std::mem::take(&mut self.lanes).into_iter().map(|parts| {
            let handlers_to = if parts.queue.is_some() { None } else { only_queue.clone() };
            let mut lane = Lane::new(&parts.name, parts.provider.0, parts.queue, handlers_to);
            lane.starts = parts.rate.map(Starts::new);
            lane.rest = parts.rest;
            lane
        });
        let (mut links, mut spills) = (JoinSet::new(), JoinSet::new());
        let mut carriers = Vec::new();
        let mut carrier = |name: &str, target: Option<Target>| {
            let (sender, state) = watch::channel(LinkState::default());
            carriers.push(Carrier { name: name.to_owned(), is_spill: target.is_none(), state, target });
            sender
        };
        for link in std::mem::take(&mut self.links) {
            let sender = carrier(&link.name, Some(link.target.clone()));
            links.spawn(link.run(stop.watch(), sender));
        }
        for spill in std::mem::take(&mut self.spills) {
            let sender = carrier(&spill.name, None);
            spills.spawn(spill.run(stop.watch(), sender));
        }
        let rulebook = self.rulebook.clone();
        let (asker, asked) = Asker::new();
        let admin = self.admin.take().map(|listener| admin::serve(listener, asker));
        let engine = Engine::new(rulebook, lanes.collect(), std::mem::take(&mut self.pools), carriers, asked);
        let summary = engine.run(stop.watch()).await;
        // Links and spills hear of the end from the same switch as the engine; a run that ended by itself has to tell them.
        let was_asked = stop.is_requested();
        if !was_asked {
            stop.request();
        }
        // The jobs of a move that is left open wait until this process runs again.
        let _left_open = tokio::time::timeout(PATIENCE, async { while spills.join_next().await.is_some() {} }).await;
        if was_asked {
            stop.request();
        }
        while links.join_next().await.is_some() {}
        self.close().await;
        if let Some(admin) = admin {
            admin.close().await;
        }
        summary
    }

    async fn start_all(
        &mut self,
        base: &Path,
        providers: Vec<ProviderEntry>,
        workers: Vec<WorkerEntry>,
        admin: Option<AdminSettings>,
    ) -> Result<(), StartError> {
        // A link needs its queue, so the queues come first.
        let (queues, sources): (Vec<_>, Vec<_>) = providers.into_iter().partition(|entry| matches!(entry.source, Source::Queue(_)));
        for entry in queues {
            self.start_provider(base, entry).await?;
        }
        let targets: Vec<_> = self.queues.iter().map(|queue| self.spill_target(queue).map(|(_, target)| target)).collect();
        self.queues = std::mem::take(&mut self.queues).into_iter().zip(targets).map(|(queue, target)| queue.spilling(target)).collect();
        for entry in sources {
            self.start_provider(base, entry).await?;
        }
        for entry in workers {
            self.start_worker(base, entry).await?;
        }
        // Once it is bound, all else is.
        if let Some(settings) = admin {
            let failed = |error| StartError { role: "listener", name: "admin".to_owned(), kind: "http", error };
            self.admin = Some(admin::bind(settings).await.map_err(failed)?);
        }
        self.spills = self.queues.iter().filter_map(|queue| self.spill(queue)).collect();
        Ok(())
    }

    /// What moves jobs out of a queue when it is short of room, if it is to be done.
    fn spill(&self, queue: &OpenQueue) -> Option<Spill> {
        let (target_name, target) = self.spill_target(queue)?;
        Some(Spill {
            name: queue.name().to_owned(),
            source: queue.handle().clone(),
            target_name,
            target,
            types: self.pools.iter().map(|pool| Arc::clone(&pool.job_type)).collect(),
            ids: self.ids(),
            random: self.rulebook.random.clone(),
            known_target: OnceCell::new(),
        })
    }

    /// Where the jobs of a queue move when it is short of room.
    fn spill_target(&self, queue: &OpenQueue) -> Option<(String, QueueHandle)> {
        let name = queue.handle().spills_into()?.to_owned();
        let target = self.queues.iter().find(|other| other.name() == name)?.handle().clone();
        Some((name, target))
    }

    fn ids(&self) -> Ids {
        Ids::new(self.rulebook.clock.clone(), self.rulebook.random.clone())
    }

    async fn start_provider(&mut self, base: &Path, entry: ProviderEntry) -> Result<(), StartError> {
        let ProviderEntry { name, kind, source, rate, lease, keep } = entry;
        let rest = rate.map_or(Duration::ZERO, Rate::window);
        let setup = Setup { rate, lease, keep, ..self.setup(&name, base) };
        let failed = |error| StartError { role: "provider", name: name.clone(), kind, error };
        match source {
            Source::Queue(queue) => {
                let queue = queue.start(&setup).await.map_err(failed)?;
                self.providers.push(queue.provider());
                self.lanes.push(LaneParts { name: name.clone(), provider: queue.provider(), queue: Some(queue.clone()), rate: None, rest });
                self.queues.push(OpenQueue::new(name, kind, queue, setup.ids()));
            }
            Source::Link(provider, into) => {
                let target = Target::of(self.client().queue(&into).map_err(|error| failed(error.into()))?.clone());
                let setup = Setup { target: Some(target.clone()), ..setup };
                if let Some(source) = self.start_source(&name, provider, &setup).await.map_err(failed)? {
                    let queue = target.queue().handle().clone();
                    let (clock, random) = (self.rulebook.clock.clone(), self.rulebook.random.clone());
                    let starts = rate.map(Starts::new);
                    self.links.push(Link { name, source, queue, queue_name: into, target, told: None, refused: 0, starts, clock, random });
                }
            }
            Source::Direct(provider) => {
                if let Some(source) = self.start_source(&name, provider, &setup).await.map_err(failed)? {
                    self.lanes.push(LaneParts { name, provider: ProviderHandle(source), queue: None, rate, rest });
                }
            }
        }
        Ok(())
    }

    /// Starts a source, unless the run is to end by itself and the source never would.
    async fn start_source(
        &mut self,
        name: &str,
        provider: crate::plugin::AnyProvider,
        setup: &Setup,
    ) -> anyhow::Result<Option<Arc<dyn DynProvider>>> {
        if self.rulebook.until_idle && !provider.0.finite() {
            tracing::info!(target: "goworker::manager", provider = name, "not started: it has no end, and this run ends when idle");
            return Ok(None);
        }
        let handle = provider.start(setup).await?;
        self.providers.push(handle.clone());
        Ok(Some(handle.0))
    }

    async fn start_worker(&mut self, base: &Path, entry: WorkerEntry) -> Result<(), StartError> {
        let WorkerEntry { name, kind, worker, concurrency, timeout, retry, poison } = entry;
        let setup = Setup { concurrency, ..self.setup(&name, base) };
        let worker = worker.start(&setup).await.map_err(|error| StartError { role: "worker", name: name.clone(), kind, error })?;
        self.workers.push(worker.clone());
        let client = self.client();
        let services = Services {
            worker: name.clone(),
            clock: self.rulebook.clock.clone(),
            ids: self.ids(),
            enqueue: Box::new(move |job, queue| {
                let client = client.clone();
                Box::pin(async move { enqueue(&client, job, queue.as_deref()).await })
            }),
        };
        let (services, slots) = (Arc::new(services), Slots::new(concurrency));
        self.pools.push(Pool { job_type: name.into(), worker, timeout, retry, poison, services, slots });
        Ok(())
    }

    fn setup(&self, name: &str, base: &Path) -> Setup {
        let Rulebook { clock, random, stopping, .. } = &self.rulebook;
        Setup { clock: clock.clone(), random: random.clone(), stopping: stopping.clone(), ..Setup::new(name, base) }
    }

    async fn close(&self) {
        for worker in &self.workers {
            closed("worker", tokio::time::timeout(PATIENCE, worker.0.close_boxed()).await);
        }
        for provider in &self.providers {
            closed("provider", tokio::time::timeout(PATIENCE, provider.close()).await);
        }
    }
}

/// Puts a job of a job into the named queue, or the only one.
async fn enqueue(client: &Client, job: Arc<Job>, queue: Option<&str>) -> Result<JobId, ProviderError> {
    let accept = async {
        let queue = queue.map_or_else(|| client.only_queue(), |name| client.queue(name))?;
        queue.accept_one(&job).await
    };
    match accept.await {
        Ok(id) => Ok(id),
        Err(ClientError::Store { error, .. }) => Err(error),
        Err(error) => Err(ProviderError::Unsupported(error.to_string())),
    }
}

fn closed(role: &str, result: Result<anyhow::Result<()>, tokio::time::error::Elapsed>) {
    match result {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(target: "goworker::manager", "a {role} did not close: {error:#}"),
        Err(_) => tracing::warn!(target: "goworker::manager", "a {role} did not close in time"),
    }
}

impl fmt::Debug for Spill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spill").field("from", &self.name).field("into", &self.target_name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("from", &self.name).field("into", &self.queue_name).finish_non_exhaustive()
    }
}
