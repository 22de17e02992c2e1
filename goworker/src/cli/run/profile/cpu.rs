//! Where the processor time went: now and then a signal has the thread that runs note where it is.

use std::collections::HashMap;
use std::time::Duration;

use rpprof::{Frames, ProfilerGuard, ProfilerGuardBuilder, UnresolvedReport};

use super::Graph;
use super::graph;
use crate::cli::when;

/// Samples in a second of processor time. No round number, lest it be in step with what jobs do at round times.
const FREQUENCY: i32 = 99;

/// Samples that are being taken.
pub(super) struct Profile(ProfilerGuard<'static>);

impl Profile {
    pub(super) fn start() -> Result<Self, String> {
        let guard = ProfilerGuardBuilder::default().frequency(FREQUENCY).build();
        guard.map(Profile).map_err(|error| format!("processor time cannot be profiled here: {error}"))
    }

    pub(super) fn stop(self) -> Result<Samples, String> {
        self.0.report().build_unresolved().map(Samples).map_err(|error| error.to_string())
    }
}

/// Samples that were taken.
pub(super) struct Samples(UnresolvedReport);

impl Samples {
    pub(super) fn graph(self) -> Result<Graph, String> {
        let mut stacks: HashMap<String, isize> = HashMap::new();
        let mut samples = 0;
        for (frames, count) in self.0.data {
            *stacks.entry(folded(&Frames::from(frames))).or_default() += count;
            samples += count;
        }
        let lines: String = stacks.into_iter().map(|(stack, count)| format!("{stack} {count}\n")).collect();
        let time = Duration::from_secs_f64(samples as f64 / f64::from(FREQUENCY));
        let told = format!("{samples} samples, which are {} of processor time", when::took(time));
        let svg = graph::svg(&lines, "Processor time by thread and function", &told, "samples")?;
        Ok(Graph { svg, told })
    }
}

/// The thread and its functions, outermost first.
fn folded(frames: &Frames) -> String {
    let functions = frames.frames.iter().rev().flat_map(|inlined| inlined.iter().rev());
    let names = functions.map(|function| function.name().replace(';', ","));
    std::iter::once(frames.thread_name_or_id()).chain(names).collect::<Vec<_>>().join(";")
}
