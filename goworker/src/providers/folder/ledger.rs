//! Which jobs are out, and to which files they belong. Pure: it neither reads nor writes the folder.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use goworker::{Batch, Delivery, Job, Lease, Settled, Settlement, Token};

use super::directory::Stamp;

/// A file as it was read: only this one may be removed when its jobs are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) name: OsString,
    pub(super) stamp: Stamp,
}

/// The files in hand and their jobs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    next_token: u64,
    next_file: u64,
    files: BTreeMap<FileNo, InHand>,
    /// The names of the files.
    names: HashSet<OsString>,
    /// Jobs to hand out next: read and not yet handed out, or given back.
    pending: VecDeque<(FileNo, Arc<Job>)>,
    /// What was handed out, at the position that is its handle.
    batches: HashMap<Token, Vec<Out>>,
}

type FileNo = u64;

#[derive(Debug)]
struct InHand {
    seen: Seen,
    unsettled: usize,
}

#[derive(Debug)]
struct Out {
    file: FileNo,
    settled: bool,
    /// Whether its dead letter is written already; settling may still fail after that, and is then repeated.
    noted: bool,
}

/// What a call of `settle` will change, once the disk has followed.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The positions of settlements that count.
    pub(super) accepted: Vec<usize>,
    /// The positions of settlements that do not: unknown, or settled before.
    pub(super) refused: Vec<usize>,
    /// The positions of those whose dead letters have to be written, with their file's name.
    pub(super) dead: Vec<(usize, OsString)>,
    /// The files that have no unsettled jobs afterwards.
    pub(super) finished: Vec<Seen>,
    finished_numbers: BTreeSet<FileNo>,
}

impl Ledger {
    /// Nothing in hand. Tokens count on from `first_token`.
    pub(super) fn new(first_token: u64) -> Self {
        Ledger { next_token: first_token, ..Ledger::default() }
    }

    /// Whether a file of that name is in hand.
    pub(super) fn holds(&self, name: &OsStr) -> bool {
        self.names.contains(name)
    }

    /// How many jobs can be handed out.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes the jobs of a file in hand. There has to be at least one: the file is finished with its last.
    pub(super) fn take_in(&mut self, seen: Seen, jobs: Vec<Job>) {
        let number = self.next_file;
        self.next_file += 1;
        self.names.insert(seen.name.clone());
        self.files.insert(number, InHand { seen, unsettled: jobs.len() });
        self.pending.extend(jobs.into_iter().map(|job| (number, Arc::new(job))));
    }

    /// Hands out up to `limit` jobs, in the order of their files.
    pub(super) fn hand_out(&mut self, limit: usize) -> Batch {
        let count = limit.min(self.pending.len());
        if count == 0 {
            return Batch::empty();
        }
        let token = Token(self.next_token);
        self.next_token += 1;
        let (outs, jobs): (Vec<Out>, Vec<Arc<Job>>) =
            self.pending.drain(..count).map(|(file, job)| (Out { file, settled: false, noted: false }, job)).unzip();
        self.batches.insert(token, outs);
        let deliveries = (0..).zip(jobs).map(|(handle, job)| Delivery::first(job, handle)).collect();
        Batch { lease: Lease { token, duration: None }, deliveries, cursor: None }
    }

    /// What these settlements will change. Changes nothing yet, so that a failure on the way can be repeated.
    pub(super) fn plan(&self, settlements: &[Settled]) -> Plan {
        let mut plan = Plan::default();
        let mut taken = BTreeSet::new();
        let mut unsettled: BTreeMap<FileNo, usize> = BTreeMap::new();
        for (position, settled) in settlements.iter().enumerate() {
            let Some(out) = self.out(settled).filter(|_| taken.insert((settled.token, settled.handle))) else {
                plan.refused.push(position);
                continue;
            };
            plan.accepted.push(position);
            let Some(file) = self.files.get(&out.file) else { continue };
            let left = unsettled.entry(out.file).or_insert(file.unsettled);
            *left = (*left + follow_ups(&settled.settlement)).saturating_sub(1);
            if matches!(settled.settlement, Settlement::Dead { .. }) && !out.noted {
                plan.dead.push((position, file.seen.name.clone()));
            }
        }
        plan.finished_numbers = unsettled.into_iter().filter(|(_, left)| *left == 0).map(|(number, _)| number).collect();
        plan.finished = plan.finished_numbers.iter().filter_map(|number| self.files.get(number)).map(|file| file.seen.clone()).collect();
        plan
    }

    /// Remembers that the dead letters of a plan are on the disk.
    pub(super) fn note_dead(&mut self, plan: &Plan, settlements: &[Settled]) {
        for (position, _) in &plan.dead {
            if let Some(out) = self.out_mut(&settlements[*position]) {
                out.noted = true;
            }
        }
    }

    /// Makes the changes of a plan. Jobs given back, and those for failure handlers, are handed out next.
    pub(super) fn commit(&mut self, plan: &Plan, settlements: &[Settled]) {
        let mut again = Vec::new();
        for settled in plan.accepted.iter().map(|position| &settlements[*position]) {
            let Some(out) = self.out_mut(settled) else { continue };
            out.settled = true;
            let number = out.file;
            let Some(file) = self.files.get_mut(&number) else { continue };
            file.unsettled = (file.unsettled + follow_ups(&settled.settlement)).saturating_sub(1);
            match &settled.settlement {
                Settlement::Release | Settlement::Retry { .. } => again.push((number, Arc::clone(&settled.job))),
                Settlement::Dead { handlers, .. } => again.extend(handlers.iter().map(|job| (number, Arc::clone(job)))),
                Settlement::Done { .. } | Settlement::Cancelled => {}
            }
        }
        again.into_iter().rev().for_each(|job| self.pending.push_front(job));
        if !plan.finished.is_empty() {
            self.forget(plan);
        }
    }

    fn forget(&mut self, plan: &Plan) {
        let files = &mut self.files;
        files.retain(|number, _| !plan.finished_numbers.contains(number));
        self.batches.retain(|_, outs| outs.iter().any(|out| files.contains_key(&out.file)));
        plan.finished.iter().for_each(|seen| {
            self.names.remove(&seen.name);
        });
    }

    fn out(&self, settled: &Settled) -> Option<&Out> {
        let outs = self.batches.get(&settled.token)?;
        outs.get(usize::try_from(settled.handle).ok()?).filter(|out| !out.settled)
    }

    fn out_mut(&mut self, settled: &Settled) -> Option<&mut Out> {
        let outs = self.batches.get_mut(&settled.token)?;
        outs.get_mut(usize::try_from(settled.handle).ok()?).filter(|out| !out.settled)
    }
}

/// How many jobs of the file a settlement leaves to be settled: the job itself if it is given back, or one for each
/// failure handler. The folder stores nothing but files, so a file stays until its handlers have run as well.
fn follow_ups(settlement: &Settlement) -> usize {
    match settlement {
        Settlement::Release | Settlement::Retry { .. } => 1,
        Settlement::Dead { handlers, .. } => handlers.len(),
        Settlement::Done { .. } | Settlement::Cancelled => 0,
    }
}
