//! A pipeline in this process, under virtual time: hours pass in milliseconds, and every run is the same.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use goworker::config::Config;
use goworker::manager::{Manager, Options, Stop, Summary};
use goworker::{Client, Clock, Filter, Ids, Job, JobId, JobRecord, QueueHandle, Random, Registry, State, Timestamp};
use tokio::task::JoinHandle;

/// A configuration that runs. Its first queue is called `jobs`.
#[derive(Debug)]
pub struct Pipeline {
    /// The queue.
    pub queue: QueueHandle,
    /// A client of it.
    pub client: Client,
    /// Asks for the end.
    pub stop: Stop,
    manager: Option<Manager>,
    run: Option<JoinHandle<Summary>>,
}

/// Virtual time begins here: 2026-01-01T00:00:00Z.
pub const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

impl Pipeline {
    /// Starts the plugins of a configuration, but no jobs yet.
    pub async fn new(ron: &str) -> Self {
        Pipeline::with(ron, false).await
    }

    /// The same for a run that ends by itself.
    pub async fn until_idle(ron: &str) -> Self {
        Pipeline::with(ron, true).await
    }

    async fn with(ron: &str, until_idle: bool) -> Self {
        let loaded =
            Config::parse(ron, Path::new("test.ron"), &Registry::linked()).unwrap_or_else(|report| panic!("{}", report.render(false)));
        let options = Options {
            until_idle,
            clock: Clock::starting_at(EPOCH),
            random: Random::seeded(7),
            ..Options::new(tokio::runtime::Handle::current())
        };
        let manager = Manager::start(loaded.config, options).await.unwrap();
        let queue = manager.queues()["jobs"].clone();
        Pipeline { queue, client: manager.client(), stop: Stop::new(), manager: Some(manager), run: None }
    }

    /// Puts a job into the queue.
    pub async fn enqueue(&self, json: &str) -> JobId {
        let job = Job::parse(json.as_bytes(), &Ids::new(Clock::system(), Random::seeded(3))).unwrap().job;
        let id = job.id.clone();
        self.queue.enqueue(&[Arc::new(job)], None).await.unwrap();
        id
    }

    /// Lets jobs run.
    pub fn start(&mut self) {
        let (manager, stop) = (self.manager.take().expect("started once"), self.stop.clone());
        self.run = Some(tokio::spawn(async move { manager.run(&stop).await }));
    }

    /// Waits until the run has ended.
    pub async fn end(mut self) -> Summary {
        if self.run.is_none() {
            self.start();
        }
        self.run.take().expect("it was started").await.unwrap()
    }

    /// Waits until the job is in a state, at most a day of virtual time.
    pub async fn wait(&self, id: &JobId, state: State) -> JobRecord {
        let wait = async {
            loop {
                match self.queue.get(id).await.unwrap() {
                    Some(record) if record.state == state => return record,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(86_400), wait).await {
            Ok(record) => record,
            Err(_) => panic!("{id} never became {state}: {:#?}", self.queue.get(id).await),
        }
    }

    /// All jobs, by id.
    pub async fn jobs(&self) -> Vec<JobRecord> {
        let mut jobs = self.queue.list(&Filter::default()).await.unwrap();
        jobs.sort_by(|a, b| a.job.id.cmp(&b.job.id));
        jobs
    }
}
