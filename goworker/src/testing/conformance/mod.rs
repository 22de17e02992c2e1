//! The contract of a [`Queue`](crate::Queue), run against any implementation through its public trait.
//!
//! Needs the feature `testing`; put it under `[dev-dependencies]`. In an ordinary `#[test]`:
//!
//! ```
//! # fn main() {
//! # use goworker::{AnyQueue, Registry, Setup, config};
//! # fn my_queue(_: &Setup) -> AnyQueue {
//! #     let text = r#"(providers: { "jobs": memory() }, workers: { "attic": file(path: "attic.jsonl") })"#;
//! #     let loaded = config::Config::parse(text, "jobs.ron".as_ref(), &Registry::linked()).unwrap();
//! #     match loaded.config.providers.into_iter().next().unwrap().source {
//! #         config::Source::Queue(queue) => queue,
//! #         other => unreachable!("{other:?}"),
//! #     }
//! # }
//! goworker::testing::conformance::run(|setup| my_queue(setup));
//! # }
//! ```
//!
//! The closure makes a queue that is not started yet, such as `MyQueue { path: setup.base.join("jobs.db") }`. It is called for
//! every case and every walk with an empty folder in [`Setup::base`] and a name in [`Setup::name`] that no other has:
//! a store that is no file keeps its jobs under that name. The same setup given again means the same store.
//!
//! # What it asks of a queue
//!
//! * **Cases**, one a property: they are named in the report when they do not hold. Their files, in this folder, are the
//!   contract in detail, and short.
//! * **Walks** of random steps, compared with a model after each: every kind of call, late and double settlements, calls
//!   that are dropped, clocks that jump, processes that crash. The walk that fails is made as short as can be and printed.
//! * `fetch` answers at once with what is there, and `ready` waits. A call that is not answered is a fault, too.
//! * If [`Queue::is_durable`](crate::Queue::is_durable): it is opened again after a crash, and by two processes at once. A crash is that
//!   the queue is dropped without [`close`](crate::Provider::close).
//! * That time is [`Setup::clock`], or the store's own; which of the two is found out. With a clock of its own, which
//!   has to agree with this machine's to 20 ms, what takes minutes cannot be told, and nothing becomes due during a walk.
//!
//! # When it fails
//!
//! The seed of a walk that fails is kept in `proptest-regressions/`, as [proptest](https://docs.rs/proptest) does: commit that file, and the walk is
//! taken first from then on. `GOWORKER_CASES=5000 cargo test` walks more; 48 walks are usual.

mod accepting;
mod announcing;
mod cutting_off;
mod deaths;
mod durability;
mod following;
mod handing_out;
mod keeping;
mod leases;
mod managing;
mod pausing;
mod progressing;
mod rating;
mod replacing;
mod report;
mod settling;
mod subject;
mod trial;
mod uniqueness;
mod waiting;

use std::fmt;
use std::panic::{AssertUnwindSafe, Location, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt, stream};

use self::subject::job;
use self::trial::{Fault, Nature, Open, Trial, Verdict, expect};
use super::model::Walks;
use crate::clock::{Clock, Timestamp};
use crate::plugin::AnyQueue;
use crate::provider::Setup;

pub use self::report::{Broken, Report};

/// Runs the whole suite, and prints how many cases hold.
///
/// # Panics
/// If something does not hold: with a list of all that does not.
#[track_caller]
pub fn run<Q: Into<AnyQueue>>(open: impl Fn(&Setup) -> Q + Send + Sync + 'static) {
    Suite::new(open).run();
}

/// The suite, for those who want to set more.
pub struct Suite {
    open: Arc<Open>,
    /// For the report.
    queue: String,
    /// The file of the test.
    source: &'static str,
    virtual_time: bool,
    seeded: Option<(u64, u32)>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("queue", &self.queue).field("seeded", &self.seeded).finish_non_exhaustive()
    }
}

/// How many cases run at once: most of their time they wait.
const AT_ONCE: usize = 6;
/// How long a case may take: what it waits for itself, it waits for less.
const ENOUGH: Duration = Duration::from_secs(60);
/// How many walks are taken if `GOWORKER_CASES` does not say.
const WALKS: u32 = 48;

impl Suite {
    /// A suite for the queue that `open` makes.
    #[track_caller]
    pub fn new<Q: Into<AnyQueue>>(open: impl Fn(&Setup) -> Q + Send + Sync + 'static) -> Self {
        let name = std::any::type_name::<Q>();
        let queue = name.rsplit("::").next().unwrap_or(name).to_owned();
        let open: Arc<Open> = Arc::new(move |setup| open(setup).into());
        Suite { open, queue, source: Location::caller().file(), virtual_time: false, seeded: None }
    }

    /// Runs the cases under tokio's paused time, so that they need not wait. Only for queues that wait by nothing else:
    /// no threads of their own, no servers, no files.
    #[must_use]
    pub fn in_virtual_time(mut self) -> Self {
        self.virtual_time = true;
        self
    }

    /// Takes the same walks every time, so many, and keeps no seeds. Otherwise others each time.
    #[must_use]
    pub fn seeded(mut self, seed: u64, walks: u32) -> Self {
        self.seeded = Some((seed, walks));
        self
    }

    /// Runs the whole suite, and prints how many cases hold.
    ///
    /// # Panics
    /// If something does not hold: with a list of all that does not.
    pub fn run(self) {
        let report = self.report();
        assert!(report.broken.is_empty(), "{report}");
        println!("{report}");
    }

    /// Runs the whole suite and tells how it ended.
    ///
    /// # Panics
    /// If `GOWORKER_CASES` is no number, or the system gives no thread.
    pub fn report(&self) -> Report {
        // In a thread of its own, so that it may be called where a runtime is, too.
        let ended = std::thread::scope(|scope| scope.spawn(|| self.judge()).join());
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn judge(&self) -> Report {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(self.virtual_time).build().expect("a runtime for the cases");
        let mut report = Report { queue: self.queue.clone(), ..Report::default() };
        let nature = match runtime.block_on(probe(&self.open)) {
            Ok(nature) => nature,
            Err(Fault::Broken(what)) => {
                report.broken.push(Broken { case: "it starts and accepts a job".into(), what });
                return report;
            }
            Err(Fault::CannotTell) => unreachable!("no time passes while this is found out"),
        };
        runtime.block_on(judge_cases(nature, &self.open, &mut report));
        report.walks = self.seeded.map_or_else(walks, |(_, walks)| walks);
        let Nature { durable, own_clock } = nature;
        let seed = self.seeded.map(|(seed, _)| seed);
        let walked = Walks { count: report.walks, seed, source: self.source, durable, own_clock }.run(&*self.open);
        report.steps = walked.steps;
        report.broken.extend(walked.broken.as_deref().map(Broken::headed));
        report
    }
}

fn walks() -> u32 {
    match std::env::var("GOWORKER_CASES") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("GOWORKER_CASES is `{text}`; write a number, such as {WALKS}")),
        Err(_) => WALKS,
    }
}

/// Finds out what kind of queue it is.
async fn probe(open: &Arc<Open>) -> Result<Nature, Fault> {
    let mut trial = Trial::new(false, open)?;
    // A time that no store's own clock shows.
    trial.setup.clock = Clock::stopped_at(Timestamp::from_millis(1_000_000_000_000));
    let queue = trial.open().await?;
    queue.accept([job("first")]).await?;
    let record = queue.record("first").await?;
    expect("the job as stored", &*record.job, &job("first"))?;
    let nature = Nature { durable: queue.is_durable(), own_clock: record.enqueued_at != trial.now() };
    queue.shut().await?;
    Ok(nature)
}

async fn judge_cases(nature: Nature, open: &Arc<Open>, report: &mut Report) {
    let groups = [
        accepting::CASES,
        handing_out::CASES,
        settling::CASES,
        leases::CASES,
        deaths::CASES,
        announcing::CASES,
        managing::CASES,
        pausing::CASES,
        progressing::CASES,
        rating::CASES,
        uniqueness::CASES,
        replacing::CASES,
        following::CASES,
        waiting::CASES,
        keeping::CASES,
        cutting_off::CASES,
    ];
    let durable = if nature.durable { durability::CASES } else { &[] };
    let cases = groups.into_iter().flatten().chain(durable);
    let verdicts: Vec<(String, Verdict)> =
        stream::iter(cases.map(|case| judge(case, nature.own_clock, open))).buffered(AT_ONCE).collect().await;
    for (case, verdict) in verdicts {
        match verdict {
            Ok(()) => report.passed.push(case),
            Err(Fault::CannotTell) => report.skipped.push(case),
            Err(Fault::Broken(what)) => report.broken.push(Broken { case, what }),
        }
    }
}

async fn judge(case: &Case, own_clock: bool, open: &Arc<Open>) -> (String, Verdict) {
    let name = case.name.replace('_', " ");
    let trial = match Trial::new(own_clock, open) {
        Ok(trial) => trial,
        Err(fault) => return (name, Err(fault)),
    };
    let run = AssertUnwindSafe((case.run)(trial)).catch_unwind();
    let verdict = match tokio::time::timeout(ENOUGH, run).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(panic)) => Err(Fault::Broken(format!("it panicked: {}", panic_message(&*panic)))),
        Err(_) => Err(Fault::Broken(format!("a call was not answered within {ENOUGH:?}"))),
    };
    (name, verdict)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied()).unwrap_or("no message")
}

/// One property of the contract.
struct Case {
    /// The property: a sentence, with underscores.
    name: &'static str,
    run: fn(Trial) -> LocalBoxFuture<'static, Verdict>,
}

/// Lists functions as cases; their names are the sentences.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        pub(super) const CASES: &[super::Case] =
            &[$(super::Case { name: stringify!($case), run: |trial| Box::pin($case(trial)) }),*];
    };
}
use cases;
