//! The contract of a [`Queue`], as cases that run against any implementation through its public trait.
//!
//! ```no_run
//! # async fn example<MyQueue: goworker::Queue>(open: impl Fn(&goworker::Setup) -> MyQueue + Send + Sync + 'static) {
//! use goworker::testing::{Capabilities, Time, conformance};
//!
//! // In a `#[tokio::test]`. `open` makes a queue that keeps its jobs in `setup.base`, or under the name `setup.name`.
//! conformance(Capabilities { durable: true, time: Time::Setup }, open).await;
//! # }
//! ```
//!
//! Every case has a fresh store: its own [`Setup::base`](crate::provider::Setup::base), an empty folder, and its own
//! [`Setup::name`](crate::provider::Setup::name). The same setup given again means the same store: a durable queue must find its jobs.

mod accepting;
mod durability;
mod handing_out;
mod keeping;
mod leases;
mod managing;
mod settling;
mod trial;
mod waiting;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt, stream};

use self::trial::{Fault, Make, Trial, Verdict};
use crate::plugin::AnyQueue;
use crate::queue::Queue;

/// What the queue can do, so that the suite knows what to ask of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether its jobs outlive the process.
    pub durable: bool,
    /// How its time passes.
    pub time: Time,
}

/// How time passes for the queue under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The test runs under tokio's paused time and the queue waits by nothing else: hours pass at once.
    Paused,
    /// Time is real and the queue asks [`Setup::clock`](crate::provider::Setup::clock): opened again with a later clock, it believes it.
    Setup,
    /// Time is real and the store has a clock of its own: cases that take minutes are left out.
    Store,
}

/// Runs the whole suite.
///
/// # Panics
/// If a case fails: with a list of all that do.
pub async fn conformance<Q: Queue>(capabilities: Capabilities, make: impl Fn(&crate::provider::Setup) -> Q + Send + Sync + 'static) {
    let report = conformance_report(capabilities, make).await;
    assert!(report.broken.is_empty(), "{report}");
}

/// Runs the whole suite and tells how each case ended.
pub async fn conformance_report<Q: Queue>(
    capabilities: Capabilities,
    make: impl Fn(&crate::provider::Setup) -> Q + Send + Sync + 'static,
) -> Report {
    let make: Arc<Make> = Arc::new(move |setup| AnyQueue(Box::new(make(setup))));
    run(capabilities, &make).await
}

/// How many cases run at once: most of their time they wait.
const AT_ONCE: usize = 6;

async fn run(capabilities: Capabilities, make: &Arc<Make>) -> Report {
    let groups = [accepting::CASES, handing_out::CASES, settling::CASES, leases::CASES, managing::CASES, waiting::CASES, keeping::CASES];
    let durable = if capabilities.durable { durability::CASES } else { &[] };
    let cases = groups.into_iter().flatten().chain(durable);
    let verdicts: Vec<(String, Verdict)> =
        stream::iter(cases.map(|case| judge(case, capabilities, make))).buffered(AT_ONCE).collect().await;

    let mut report = Report::default();
    for (case, verdict) in verdicts {
        match verdict {
            Ok(()) => report.passed.push(case),
            Err(Fault::CannotTell) => report.skipped.push(case),
            Err(Fault::Broken(what)) => report.broken.push(Broken { case, what }),
        }
    }
    report
}

async fn judge(case: &Case, capabilities: Capabilities, make: &Arc<Make>) -> (String, Verdict) {
    let name = case.name.replace('_', " ");
    let trial = match Trial::new(capabilities, Arc::clone(make)) {
        Ok(trial) => trial,
        Err(fault) => return (name, Err(fault)),
    };
    let verdict = AssertUnwindSafe((case.run)(trial)).catch_unwind().await;
    (name, verdict.unwrap_or_else(|panic| Err(Fault::Broken(format!("it panicked: {}", panic_message(&*panic))))))
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

/// How the cases ended.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Those that hold.
    pub passed: Vec<String>,
    /// Those that cannot be told in this kind of time.
    pub skipped: Vec<String>,
    /// Those that do not hold.
    pub broken: Vec<Broken>,
}

/// A case that does not hold.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The property.
    pub case: String,
    /// What was expected, and what came instead.
    pub what: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.passed.len() + self.skipped.len() + self.broken.len();
        writeln!(f, "{} of {all} cases hold, {} were left out, {} are broken", self.passed.len(), self.skipped.len(), self.broken.len())?;
        for Broken { case, what } in &self.broken {
            writeln!(f, "  {case}\n      {what}")?;
        }
        Ok(())
    }
}
