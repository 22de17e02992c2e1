//! In which order jobs may be handed out.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::invariant::{Holds, Invariant};
use super::known::Known;
use crate::provider::Demand;

/// The first of those that are ready came, as many as were asked for and may start; those of one type in order.
pub(super) fn check(demand: &Demand, ready: &[&Known], taken: &[&Known], allowed: RangeInclusive<usize>) -> Holds {
    let types: BTreeSet<&str> = ready.iter().map(|known| known.job.job_type.as_str()).collect();
    let wanted = match demand {
        Demand::Any(slots) => ready.len().min(*slots),
        Demand::ByType(_) => types.iter().map(|name| of_type(ready, name).len().min(demand.of(name))).sum(),
    };
    let expected = wanted.min(*allowed.start())..=wanted.min(*allowed.end());
    // Without a rate what is wrong is told by type.
    if wanted > *allowed.start() && !expected.contains(&taken.len()) {
        return Err(Invariant::Rate.violated(format!("{} jobs came of {wanted}; {allowed:?} may start", taken.len())));
    }
    let is_limited = wanted > *allowed.start();
    if let Demand::Any(slots) = demand {
        let slots = if is_limited { taken.len() } else { *slots };
        Invariant::Order.same("due times less priority of what came", first(taken, usize::MAX), first(ready, slots))?;
    }
    for name in types {
        let (came, could) = (of_type(taken, name), of_type(ready, name));
        if let Demand::ByType(_) = demand {
            let what = format!("due times less priority of what came of type {name}");
            let limited = *allowed.start() < wanted && came.len() < demand.of(name);
            let slots = if limited { came.len() } else { demand.of(name) };
            Invariant::Order.same(&what, first(&came, usize::MAX), first(&could, slots))?;
        }
        if let Some(pair) = came.windows(2).find(|pair| !in_order(pair[0], pair[1])) {
            return Err(Invariant::Order.violated(format!("{} came before {}", pair[0].job.id, pair[1].job.id)));
        }
    }
    Ok(())
}

/// The first scores. Not the jobs: which of equal ones comes first is not told.
fn first(jobs: &[&Known], slots: usize) -> Vec<i64> {
    let mut scores: Vec<i64> = jobs.iter().map(|known| known.score()).collect();
    scores.sort_unstable();
    scores.truncate(slots);
    scores
}

fn of_type<'a>(jobs: &[&'a Known], name: &str) -> Vec<&'a Known> {
    jobs.iter().copied().filter(|known| known.job.job_type == name).collect()
}

fn in_order(one: &Known, next: &Known) -> bool {
    one.score() < next.score() || one.score() == next.score() && (one.moved || next.moved || one.number < next.number)
}
