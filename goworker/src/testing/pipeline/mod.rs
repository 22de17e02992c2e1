//! A whole pipeline in a test: a configuration, jobs that are fed in, faults that are made to happen, virtual time.

mod fault;
mod queues;
mod scene;
mod stage;
mod trace;
mod watched_queue;
mod watched_source;
mod watched_worker;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use self::stage::Stage;
use crate::client::Client;
use crate::clock::{Random, Timestamp};
use crate::job::{Ids, Job, JobId};
use crate::manager::Summary;
use crate::outcome::WorkResult;
use crate::plugin::QueueHandle;
use crate::queue::{Enqueued, JobRecord, State};
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
/// * **Sources** (`folder`, ...) are not started: a test [feeds](Pipeline::feed) the jobs. Schedules (`cron`) are: they go by virtual time.
/// * **Workers** are the real ones, unless a test [stands in](Pipeline::stand_in) for them.
///
/// It panics where a test should fail: a configuration with mistakes, a plugin that cannot start, a job that never
/// ends.
pub struct Pipeline {
    stage: Stage,
    ids: Ids,
}

/// Virtual time begins here: 2026-01-01T00:00:00Z.
pub const EPOCH: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// How soon to look for what is told to nobody, and how seldom, in virtual time.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_secs(600);

impl Pipeline {
    /// A pipeline of the configuration in a file.
    ///
    /// # Panics
    /// When it cannot be read or has mistakes.
    #[track_caller]
    pub fn load(path: impl AsRef<Path>) -> Self {
        Pipeline::load_with(path, Registry::linked())
    }

    /// The same with the kinds of this registry, and no others.
    ///
    /// # Panics
    /// Those of [`load`](Pipeline::load).
    #[track_caller]
    pub fn load_with(path: impl AsRef<Path>, registry: Registry) -> Self {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        Pipeline::parse(&text, path, registry)
    }

    /// A pipeline of the configuration in a text. Paths in it are relative to the current folder.
    ///
    /// # Panics
    /// When it has mistakes.
    #[track_caller]
    pub fn new(ron: &str) -> Self {
        Pipeline::new_with(ron, Registry::linked())
    }

    /// The same with the kinds of this registry, and no others.
    ///
    /// # Panics
    /// When it has mistakes.
    #[track_caller]
    pub fn new_with(ron: &str, registry: Registry) -> Self {
        Pipeline::parse(ron, Path::new("./pipeline.ron"), registry)
    }

    /// The same for a text that is said to be in the file `path`, which its paths are relative to.
    ///
    /// # Panics
    /// When it has mistakes.
    #[track_caller]
    pub fn parse(ron: &str, path: &Path, registry: Registry) -> Self {
        let stage = Stage::new(ron, path, registry);
        let ids = Ids::new(stage.clock.clone(), stage.random.clone());
        Pipeline { stage, ids }
    }

    /// Draws jitter and ids from another seed. To be said before the first job.
    pub fn seed(&mut self, seed: u64) {
        self.stage.random = Random::seeded(seed);
        self.ids = Ids::new(self.stage.clock.clone(), self.stage.random.clone());
    }

    /// Does the work of the worker that the configuration calls `name`. To be said before the first run.
    ///
    /// # Panics
    /// When there is no such worker, or it has been started.
    #[track_caller]
    pub fn stand_in(&mut self, name: &str, work: impl Fn(&Job, &Context) -> WorkResult + Send + Sync + 'static) {
        let types = &self.stage.types;
        assert!(types.iter().any(|known| known == name), "there is no worker `{name}`; there are {}", types.join(", "));
        assert!(!self.stage.is_running(), "the worker `{name}` was started already; say who stands in for it before the first run");
        self.stage.stand_ins.insert(name.to_owned(), Arc::new(work));
    }

    /// Makes something go wrong: `fail lua/charge twice`, `panic`, `time out lua`, `lose the lease of lua/charge`,
    /// `crash the manager in lua/charge`. See [`Fault`]. Of several that fit a job, the first one said happens first.
    ///
    /// # Panics
    /// When it is none of these.
    #[track_caller]
    pub fn fault(&mut self, fault: &str) {
        match fault.parse() {
            Ok(fault) => self.stage.scene.faults.add(fault),
            Err(error) => panic!("{error}"),
        }
    }

    /// Puts a job, as JSON, into the only queue; answers its id, or that of the job that holds its key.
    ///
    /// # Panics
    /// When it is no job, or there is not one queue.
    #[track_caller]
    pub fn feed(&mut self, job: &str) -> JobId {
        let names = self.stage.queues.names();
        let &[name] = names.as_slice() else {
            panic!("there are {} queues ({}): say which, by `feed_into`", names.len(), names.join(", "))
        };
        let name = name.to_owned();
        self.feed_into(&name, job)
    }

    /// Puts a job, as JSON, into the queue of that name; answers its id, or that of the job that holds its key.
    ///
    /// # Panics
    /// When it is no job, or there is no such queue.
    #[track_caller]
    pub fn feed_into(&mut self, queue: &str, job: &str) -> JobId {
        let queue = self.queue(queue);
        let accepted = self.block_on(async {
            let parsed = Job::parse(job.as_bytes(), &self.ids)?;
            let id = parsed.job.id.clone();
            match queue.enqueue(&[Arc::new(parsed.job)], None).await?.pop() {
                Some(Enqueued::Held(holder)) => anyhow::Ok(holder),
                _ => anyhow::Ok(id),
            }
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
        let (queues, types, scene) = (self.stage.queues.clone(), self.stage.types.clone(), Arc::clone(&self.stage.scene));
        self.stage.drive("all jobs have ended", async move {
            let mut pause = FIRST_LOOK;
            loop {
                let changed = scene.changed.notified();
                if queues.are_idle(&types).await {
                    return;
                }
                // A job that expires tells nobody.
                pause = match tokio::time::timeout(pause, changed).await {
                    Ok(()) => FIRST_LOOK,
                    Err(_) => (pause * 2).min(LAST_LOOK),
                };
            }
        });
        self.trace()
    }

    /// Runs for so long, in virtual time. Answers what has happened since the pipeline was made.
    #[track_caller]
    pub fn run_for(&mut self, duration: Duration) -> Trace {
        self.stage.drive("the time is over", async move { tokio::time::sleep(duration).await });
        self.trace()
    }

    /// Runs until a job is in a state.
    ///
    /// # Panics
    /// When it is not within a year.
    #[track_caller]
    pub fn wait(&mut self, id: &JobId, state: State) -> JobRecord {
        let (queues, wanted) = (self.stage.queues.clone(), id.clone());
        self.stage.drive(&format!("{id} is {state}"), async move {
            loop {
                match queues.find(&wanted).await {
                    Some(record) if record.state == state => return record,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
    }

    /// Runs until something outside is ready, such as what a [`client`](Pipeline::client) waits for.
    ///
    /// # Panics
    /// When it is not within a year.
    #[track_caller]
    pub fn run_until<T>(&mut self, goal: impl Future<Output = T>) -> T {
        self.stage.drive("what was waited for", goal)
    }

    /// Asks the manager to stop, once as by the first Ctrl-C or more often, and runs until it has.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn shut_down(&mut self, requests: usize) -> Summary {
        self.stage.end(false, requests)
    }

    /// Runs as `goworker run --until-idle` does: delayed jobs and those of unknown types are not waited for.
    ///
    /// # Panics
    /// When it runs already, or does not end.
    #[track_caller]
    pub fn run_until_idle(&mut self) -> Summary {
        assert!(!self.stage.is_running(), "it runs already");
        self.stage.end(true, 0)
    }

    /// What has happened so far.
    ///
    /// # Panics
    /// When a queue cannot be read.
    #[track_caller]
    pub fn trace(&self) -> Trace {
        let recorder = &self.stage.scene.recorder;
        for (queue, record) in self.block_on(self.stage.queues.expired()) {
            if let Some(at) = record.ended_at {
                recorder.expired(&queue, &record.job, at);
            }
        }
        recorder.trace()
    }

    /// A job as its queue knows it.
    ///
    /// # Panics
    /// When no queue knows it.
    #[track_caller]
    pub fn job(&self, id: &JobId) -> JobRecord {
        self.block_on(self.stage.queues.find(id)).unwrap_or_else(|| panic!("no queue has a job `{id}`"))
    }

    /// All jobs of all queues, the oldest first.
    ///
    /// # Panics
    /// When a queue cannot be read.
    #[track_caller]
    pub fn jobs(&self) -> Vec<JobRecord> {
        self.block_on(self.stage.queues.jobs())
    }

    /// A client of the queues, as an application has one. Its calls are awaited by [`run_until`](Pipeline::run_until),
    /// while jobs run, or by [`block_on`](Pipeline::block_on).
    pub fn client(&self) -> Client {
        self.stage.queues.client(self.stage.path().display().to_string(), &self.ids)
    }

    /// A queue, to cancel or retry jobs by hand: `pipeline.block_on(queue.cancel(&[id]))`.
    ///
    /// # Panics
    /// When there is no such queue.
    #[track_caller]
    pub fn queue(&self, name: &str) -> QueueHandle {
        let queues = &self.stage.queues;
        queues.get(name).cloned().unwrap_or_else(|| panic!("there is no queue `{name}`; there are: {}", queues.names().join(", ")))
    }

    /// Waits for something within the pipeline's virtual time. The manager goes on meanwhile, if it was started; one that
    /// crashes is replaced only when the pipeline runs on, so what needs a running one is for
    /// [`run_until`](Pipeline::run_until).
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.stage.runtime.block_on(future)
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("path", &self.stage.path()).field("queues", &self.stage.queues.names()).finish_non_exhaustive()
    }
}
