//! A queue beside a model of it: random steps, and after each the two must agree on everything.
//!
//! The conformance cases say what a queue does; this finds the sequences of steps that nobody thought of, and makes them
//! as short as it can. Every step makes sense in every state, so plain sequences are enough.
//!
//! From outside in: this file runs walks, [`step`] is what can be done, [`walk`] does it to the queue and to the
//! [`reference`] model, [`compare`] looks at both, [`invariant`] names what does not hold.

mod compare;
mod cut;
mod finish;
mod invariant;
mod keys;
mod known;
mod order;
mod orphans;
mod processes;
mod rating;
mod reference;
mod script;
mod step;
mod trace;
mod unconfirmed;
mod walk;

use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::option;
use proptest::test_runner::{Config, FailurePersistence, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner};

pub(super) use cut::cut_off;

use crate::plugin::AnyQueue;
use crate::provider::Setup;
use crate::rate::Rate;
use rating::rate;
use step::{Step, step};
use walk::{Fall, walk};

/// The most steps of a walk.
const STEPS: usize = 60;
/// How long to look for a shorter walk that fails, in each of two ways.
const SHRINKING: Duration = Duration::from_secs(15);
/// The same for walks that are the same every time: what is found is to be the same on a machine that is busy.
const SEEDED_SHRINKING: Duration = Duration::from_secs(120);

/// How much to walk, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walks {
    pub(super) count: u32,
    /// The same walks every time; otherwise others each time, and those that fail are kept beside `source`.
    pub(super) seed: Option<u64>,
    /// The file of the test.
    pub(super) source: &'static str,
    pub(super) durable: bool,
    pub(super) own_clock: bool,
}

/// How the walks ended.
#[derive(Debug)]
pub(super) struct Walked {
    /// How many steps were taken.
    pub(super) steps: u64,
    /// The invariant that does not hold, and the shortest walk that shows it.
    pub(super) broken: Option<String>,
}

impl Walks {
    fn shrinking(&self) -> Duration {
        if self.seed.is_some() { SEEDED_SHRINKING } else { SHRINKING }
    }

    pub(super) fn run(&self, open: &dyn Fn(&Setup) -> AnyQueue) -> Walked {
        let kept: Box<dyn FailurePersistence> = Box::new(FileFailurePersistence::default());
        let config = Config {
            cases: self.count,
            source_file: Some(self.source),
            failure_persistence: self.seed.is_none().then_some(kept),
            rng_seed: self.seed.map_or(RngSeed::Random, RngSeed::Fixed),
            max_shrink_time: u32::try_from(self.shrinking().as_millis()).unwrap_or(u32::MAX),
            ..Config::default()
        };
        let (taken, hung) = (Cell::new(0), Cell::new(false));
        let course = (option::weighted(0.25, rate()), vec(step(self.durable), 1..=STEPS));
        let walked = TestRunner::new(config).run(&course, |(rate, steps)| {
            if hung.get() {
                // Looking for a shorter one would take for ever.
                return Ok(());
            }
            taken.set(taken.get() + steps.len() as u64);
            self.walk(open, rate, &steps).map_err(|fall| {
                hung.set(fall.hung);
                TestCaseError::fail(fall.text)
            })
        });
        let broken = match walked {
            Ok(()) => None,
            Err(TestError::Abort(why)) => Some(why.to_string()),
            Err(TestError::Fail(why, _)) if hung.get() => Some(why.to_string()),
            Err(TestError::Fail(why, (rate, steps))) => Some(self.shorten(open, rate, steps).unwrap_or_else(|| why.to_string())),
        };
        Walked { steps: taken.get(), broken }
    }

    fn walk(&self, open: &dyn Fn(&Setup) -> AnyQueue, rate: Option<Rate>, steps: &[Step]) -> Result<(), Fall> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Fall { text: format!("no runtime for the walk: {error}"), hung: false })?;
        // By a clock of its own nothing more may start during a walk.
        let rate = rate.filter(|_| !self.own_clock);
        runtime.block_on(walk(open, self.own_clock, rate, steps))
    }

    /// Takes out steps as long as the walk fails without them: proptest tries each once, and one may need another gone.
    fn shorten(&self, open: &dyn Fn(&Setup) -> AnyQueue, rate: Option<Rate>, mut steps: Vec<Step>) -> Option<String> {
        let began = Instant::now();
        let mut why = self.walk(open, rate, &steps).err();
        let mut position = steps.len();
        while position > 0 && began.elapsed() < self.shrinking() {
            position -= 1;
            let mut fewer = steps.clone();
            fewer.remove(position);
            if let Err(still) = self.walk(open, rate, &fewer) {
                (steps, why) = (fewer, Some(still));
                position = steps.len();
            }
        }
        why.map(|fall| fall.text)
    }
}
