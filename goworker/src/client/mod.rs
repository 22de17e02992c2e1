//! The client for applications: puts jobs into queues, and waits for what becomes of them.
//!
//! It opens the queues of a configuration and nothing else: no provider is started, no worker, and no job is run or held.
//! Kinds of queues are looked up among those that are linked; `open_with` and its like look them up in a registry.
//! A daemon runs the jobs, in whatever process; a [`Manager`](crate::manager::Manager) in the same one has a client too.
//!
//! ```
//! use std::time::Duration;
//!
//! use goworker::Job;
//! use goworker::client::Client;
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.ron");
//! # std::fs::write(&path, r#"(providers: { "jobs": sqlite(path: "jobs.db") }, workers: { "lua": lua() })"#)?;
//! let client = Client::open(&path).await?;
//! let id = client.enqueue(Job::of("lua").name("greet").params(json!({ "who": "world" }))).await?;
//!
//! match client.wait(&id, Duration::from_millis(50)).await {
//!     Ok(output) => println!("{}", output.json().unwrap_or("no output")),
//!     Err(error) => println!("{error}"), // dead, and why; cancelled; not over in time; …
//! }
//! # client.close().await?;
//! # Ok(())
//! # }
//! ```

mod choice;
mod error;
mod open_queue;
mod target;
pub(crate) mod url;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{LoadError, QueueConfig};
use crate::job::{JobBuilder, JobId};
use crate::outcome::Output;
use crate::plugin::QueueHandle;
use crate::provider::Setup;
use crate::queue::{Change, Filter, JobRecord, QueueStats};
use crate::registry::Registry;

use choice::Known;

pub(crate) use choice::Choice;
pub use choice::ChoiceError;
pub use error::{ClientError, OpenError, WaitError};
pub use open_queue::OpenQueue;

/// Open queues. Clones share them.
///
/// What is asked of the client itself is asked of its only queue; if there are several, [`queue`](Client::queue) names one.
#[derive(Debug, Clone)]
pub struct Client(Arc<Queues>);

#[derive(Debug)]
struct Queues {
    /// What errors call the place where the queues are described.
    config: String,
    open: Vec<OpenQueue>,
    /// Queues in which only jobs are looked for that have moved there, by name.
    beside: Vec<(String, QueueHandle)>,
    /// Queues that live in the memory of another process.
    elsewhere: Vec<String>,
    /// Providers that are no queues here, and why.
    others: Vec<(String, String)>,
}

impl Client {
    /// Opens all stored queues of a configuration. Its workers and sources may be of kinds that this program does not have.
    ///
    /// # Errors
    /// When the file cannot be read, its queues are described wrongly, there are none, or one cannot be opened.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Client::open_with(path, &Registry::linked()).await
    }

    /// The same with the kinds of this registry, and no others.
    ///
    /// # Errors
    /// Those of [`open`](Client::open).
    pub async fn open_with(path: impl AsRef<Path>, registry: &Registry) -> Result<Self, OpenError> {
        Client::open_queues(QueueConfig::load(path.as_ref(), registry)?, Choice::All, true).await
    }

    /// Opens all stored queues of a configuration that is said to be at `path`, which its own paths are relative to.
    ///
    /// # Errors
    /// Those of [`open`](Client::open).
    pub async fn open_text(text: &str, path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Client::open_text_with(text, path, &Registry::linked()).await
    }

    /// The same with the kinds of this registry, and no others.
    ///
    /// # Errors
    /// Those of [`open`](Client::open).
    pub async fn open_text_with(text: &str, path: impl AsRef<Path>, registry: &Registry) -> Result<Self, OpenError> {
        let config = QueueConfig::parse(text, path.as_ref(), registry).map_err(LoadError::Wrong)?;
        Client::open_queues(config, Choice::All, true).await
    }

    /// Opens one queue without a configuration: `sqlite:jobs.db`, `sqlite:///var/lib/app/jobs.db`, or
    /// `redis://HOST:PORT/0?queue=orders`, which stands for `redis(url: "redis://HOST:PORT/0", queue: "orders")`. Without `?queue=` it is the
    /// queue `jobs`; `namespace` and `ca` may be set in the same way.
    ///
    /// How long jobs stay listed is left to the program that runs them.
    ///
    /// # Errors
    /// When the URL names no store of this program, or it cannot be opened.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Client::connect_with(url, &Registry::linked()).await
    }

    /// The same with the kinds of this registry, and no others.
    ///
    /// # Errors
    /// Those of [`connect`](Client::connect).
    pub async fn connect_with(url: &str, registry: &Registry) -> Result<Self, OpenError> {
        Client::open_queues(url::config(url, registry)?.into(), Choice::All, true).await
    }

    /// Opens the chosen queues of a configuration. A store that is not there is made, or, without `create`, is empty.
    /// Those that it opened are closed again if one cannot be.
    ///
    /// # Errors
    /// When there is none to choose, or one cannot be opened.
    pub(crate) async fn open_queues(config: QueueConfig, choice: Choice<'_>, create: bool) -> Result<Self, OpenError> {
        let QueueConfig { path, base, entries, others } = config;
        let file = if path.as_os_str().is_empty() { "this client".to_owned() } else { path.display().to_string() };
        let known: Vec<Known<'_>> = entries.iter().map(|entry| Known { name: &entry.name, is_shared: entry.queue.is_durable() }).collect();
        let picked = choice::pick(&known, choice, &file).map_err(|error| error.explained_by(&others))?;
        let elsewhere = known.iter().filter(|queue| !queue.is_shared).map(|queue| queue.name.to_owned()).collect();
        let mut queues = Queues { config: file, open: Vec::with_capacity(picked.len()), beside: Vec::new(), elsewhere, others };
        let targets: Vec<String> = picked.iter().filter_map(|index| entries[*index].queue.spills_into().map(str::to_owned)).collect();
        for (index, entry) in entries.into_iter().enumerate() {
            let is_picked = picked.contains(&index);
            if !is_picked && !targets.contains(&entry.name) {
                continue;
            }
            let setup = Setup {
                rate: entry.rate,
                lease: entry.lease,
                keep: entry.keep,
                create: create && is_picked,
                ..Setup::new(&entry.name, &base)
            };
            match entry.queue.start(&setup).await {
                Ok(handle) if is_picked => queues.open.push(OpenQueue::new(entry.name, entry.kind, handle, setup.ids())),
                Ok(handle) => queues.beside.push((entry.name, handle)),
                Err(error) if !is_picked => {
                    // Nobody has asked for it; jobs that moved there are not found.
                    tracing::debug!(queue = entry.name, "cannot be opened: {error:#}");
                }
                Err(error) => {
                    // That it cannot be opened is what matters.
                    let _ = Client(Arc::new(queues)).close().await;
                    return Err(OpenError::Queue { queue: entry.name, error });
                }
            }
        }
        Ok(Client(Arc::new(queues.joined())))
    }

    /// A client of queues that are open in this process, whatever they store their jobs in.
    pub(crate) fn of(config: String, open: Vec<OpenQueue>) -> Self {
        Client(Arc::new(Queues { config, open, beside: Vec::new(), elsewhere: Vec::new(), others: Vec::new() }.joined()))
    }

    /// All open queues, in the order of the configuration.
    pub fn queues(&self) -> &[OpenQueue] {
        &self.0.open
    }

    /// The names of queues that were left out, because they live in the memory of the process that runs them.
    pub fn left_out(&self) -> &[String] {
        &self.0.elsewhere
    }

    /// The queue of that name.
    ///
    /// # Errors
    /// When there is none; the error lists those there are.
    pub fn queue(&self, name: &str) -> Result<&OpenQueue, ClientError> {
        self.choose(Choice::Named(name))
    }

    /// The only queue.
    ///
    /// # Errors
    /// When there are several; the error lists them.
    pub fn only_queue(&self) -> Result<&OpenQueue, ClientError> {
        self.choose(Choice::Only)
    }

    fn choose(&self, choice: Choice<'_>) -> Result<&OpenQueue, ClientError> {
        let Queues { config, open, elsewhere, others, .. } = &*self.0;
        let elsewhere = elsewhere.iter().filter(|name| choice == Choice::Named(name));
        let known: Vec<Known<'_>> = open
            .iter()
            .map(|queue| Known { name: queue.name(), is_shared: true })
            .chain(elsewhere.map(|name| Known { name, is_shared: false }))
            .collect();
        let picked = choice::pick(&known, choice, config).map_err(|error| error.explained_by(others))?;
        picked.first().and_then(|index| open.get(*index)).ok_or_else(|| ChoiceError::None { config: config.clone() }.into())
    }

    /// See [`OpenQueue::enqueue`].
    ///
    /// # Errors
    /// Those of [`OpenQueue::enqueue`]; or there are several queues.
    pub async fn enqueue(&self, job: impl Into<JobBuilder>) -> Result<JobId, ClientError> {
        self.only_queue()?.enqueue(job).await
    }

    /// See [`OpenQueue::enqueue_all`].
    ///
    /// # Errors
    /// Those of [`OpenQueue::enqueue_all`]; or there are several queues.
    pub async fn enqueue_all<J: Into<JobBuilder>>(&self, jobs: impl IntoIterator<Item = J>) -> Result<Vec<JobId>, ClientError> {
        self.only_queue()?.enqueue_all(jobs).await
    }

    /// See [`OpenQueue::wait`].
    ///
    /// # Errors
    /// Those of [`OpenQueue::wait`]; or there are several queues.
    pub async fn wait(&self, id: &JobId, at_most: Duration) -> Result<Output, WaitError> {
        self.only_queue()?.wait(id, at_most).await
    }

    /// See [`OpenQueue::get`].
    ///
    /// # Errors
    /// When the store cannot be read, or there are several queues.
    pub async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ClientError> {
        self.only_queue()?.get(id).await
    }

    /// See [`OpenQueue::list`].
    ///
    /// # Errors
    /// When the store cannot be read, or there are several queues.
    pub async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ClientError> {
        self.only_queue()?.list(filter).await
    }

    /// See [`OpenQueue::cancel`].
    ///
    /// # Errors
    /// When the store cannot be written, or there are several queues.
    pub async fn cancel(&self, id: &JobId) -> Result<Change, ClientError> {
        self.only_queue()?.cancel(id).await
    }

    /// See [`OpenQueue::retry`].
    ///
    /// # Errors
    /// When the store cannot be written, or there are several queues.
    pub async fn retry(&self, id: &JobId) -> Result<Change, ClientError> {
        self.only_queue()?.retry(id).await
    }

    /// See [`OpenQueue::delete`].
    ///
    /// # Errors
    /// When the store cannot be written, or there are several queues.
    pub async fn delete(&self, id: &JobId) -> Result<Change, ClientError> {
        self.only_queue()?.delete(id).await
    }

    /// See [`OpenQueue::pause`].
    ///
    /// # Errors
    /// When the store cannot be written, or there are several queues.
    pub async fn pause(&self, job_type: Option<&str>) -> Result<(), ClientError> {
        self.only_queue()?.pause(job_type).await
    }

    /// See [`OpenQueue::resume`].
    ///
    /// # Errors
    /// When the store cannot be written, or there are several queues.
    pub async fn resume(&self, job_type: Option<&str>) -> Result<(), ClientError> {
        self.only_queue()?.resume(job_type).await
    }

    /// See [`OpenQueue::stats`].
    ///
    /// # Errors
    /// When the store cannot be read, or there are several queues.
    pub async fn stats(&self) -> Result<QueueStats, ClientError> {
        self.only_queue()?.stats().await
    }

    /// Closes the queues, for all clones. Dropping the last clone does too, but tells of no error.
    ///
    /// # Errors
    /// The first queue that did not close; the others are closed.
    pub async fn close(&self) -> Result<(), OpenError> {
        let mut closed = Ok(());
        for queue in self.queues() {
            if let Err(error) = queue.handle().close().await {
                closed = closed.and(Err(OpenError::Close { queue: queue.name().to_owned(), error }));
            }
        }
        for (queue, handle) in &self.0.beside {
            if let Err(error) = handle.close().await {
                closed = closed.and(Err(OpenError::Close { queue: queue.clone(), error }));
            }
        }
        closed
    }
}

impl Queues {
    /// Tells each queue that spills where its jobs go.
    fn joined(mut self) -> Self {
        let open = self.open.iter().map(|queue| (queue.name(), queue.handle()));
        let all: Vec<(String, QueueHandle)> = open
            .chain(self.beside.iter().map(|(name, handle)| (name.as_str(), handle)))
            .map(|(name, handle)| (name.to_owned(), handle.clone()))
            .collect();
        let target = |queue: &OpenQueue| {
            let into = queue.handle().spills_into()?;
            all.iter().find(|(name, _)| name == into).map(|(_, handle)| handle.clone())
        };
        self.open = self.open.into_iter().map(|queue| (target(&queue), queue)).map(|(spill, queue)| queue.spilling(spill)).collect();
        self
    }
}
