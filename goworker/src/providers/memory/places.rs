//! Where jobs wait, and where they are listed when they have ended: places that keep keys in order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use goworker::{Bound, Count, Demand, Paused, State, Timestamp, Token};

use super::entry::{Entry, Key, Place, Rank};

/// The jobs of one type: those that are ready, in order, and how many there are in each state.
#[derive(Debug)]
pub(super) struct Lane {
    job_type: Arc<str>,
    pub(super) ready: BTreeMap<Rank, Key>,
    counts: [u64; State::ALL.len()],
    /// How many of the scheduled ones wait for another attempt.
    retrying: u64,
    /// The lowest priority that was ever seen, or 0: with it the search for the oldest job knows when to end.
    lowest: i8,
}

impl Lane {
    /// Counts a job that came to a place, or left it.
    pub(super) fn count(&mut self, place: Place, by: i64) {
        let count = &mut self.counts[place.state() as usize];
        *count = count.saturating_add_signed(by);
        if let Place::Scheduled { retrying: true, .. } = place {
            self.retrying = self.retrying.saturating_add_signed(by);
        }
    }

    /// When the job became ready that is ready for the longest time.
    fn oldest_ready(&self, due: impl Fn(Key) -> Timestamp) -> Option<Timestamp> {
        let mut oldest: Option<Timestamp> = None;
        for (rank, &key) in &self.ready {
            // No job from here on can have become ready earlier than this.
            let earliest = Timestamp::from_millis(rank.score.saturating_add(Rank::lead(self.lowest)));
            if oldest.is_some_and(|oldest| oldest <= earliest) {
                break;
            }
            oldest = Some(oldest.map_or(due(key), |oldest| oldest.min(due(key))));
        }
        oldest
    }
}

/// All lanes, by type.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    by_type: HashMap<Arc<str>, usize>,
    lanes: Vec<Lane>,
    /// Of these nothing is taken.
    pub(super) paused: Paused,
}

impl Lanes {
    /// The number of the lane for jobs of this type and priority.
    pub(super) fn admit(&mut self, job_type: &str, priority: i8) -> usize {
        let number = self.by_type.get(job_type).copied().unwrap_or_else(|| {
            let job_type: Arc<str> = Arc::from(job_type);
            self.by_type.insert(Arc::clone(&job_type), self.lanes.len());
            let counts = [0; State::ALL.len()];
            self.lanes.push(Lane { job_type, ready: BTreeMap::new(), counts, retrying: 0, lowest: 0 });
            self.lanes.len() - 1
        });
        let lane = &mut self.lanes[number];
        lane.lowest = lane.lowest.min(priority);
        number
    }

    pub(super) fn of(&mut self, entry: &Entry) -> &mut Lane {
        &mut self.lanes[entry.lane]
    }

    /// The lanes that hold jobs to be handed out.
    fn offered(&self) -> impl Iterator<Item = usize> {
        let offers = |(number, lane): (usize, &Lane)| self.offers(lane).then_some(number);
        self.lanes.iter().enumerate().filter_map(offers)
    }

    fn offers(&self, lane: &Lane) -> bool {
        !lane.ready.is_empty() && !self.paused.holds(&lane.job_type)
    }

    /// The lane of a type, if it holds jobs to be handed out.
    fn typed(&self, job_type: &str) -> Option<usize> {
        self.by_type.get(job_type).copied().filter(|number| self.offers(&self.lanes[*number]))
    }

    /// Takes out what was asked for and is ready.
    pub(super) fn take(&mut self, demand: &Demand) -> Vec<Key> {
        match demand {
            Demand::ByType(types) => {
                let mut taken = Vec::new();
                for (job_type, slots) in types {
                    if let Some(number) = self.typed(job_type) {
                        let lane = &mut self.lanes[number];
                        taken.extend(std::iter::from_fn(|| lane.ready.pop_first()).map(|(_, key)| key).take(*slots));
                    }
                }
                taken
            }
            Demand::Any(slots) => self.take_first(demand, *slots),
        }
    }

    /// Takes out the first `most` of what was asked for and is ready, whichever of the types they are.
    pub(super) fn take_first(&mut self, demand: &Demand, most: usize) -> Vec<Key> {
        let mut room: Vec<(usize, usize)> = match demand {
            Demand::ByType(types) => types.iter().filter_map(|(name, slots)| Some((self.typed(name)?, *slots))).collect(),
            Demand::Any(slots) => self.offered().map(|number| (number, *slots)).collect(),
        };
        let first = || {
            let rank = |number: usize| self.lanes[number].ready.first_key_value().map(|(rank, _)| *rank);
            let open = room.iter_mut().filter(|(_, slots)| *slots > 0).filter_map(|lane| Some((rank(lane.0)?, lane)));
            let (number, slots) = open.min_by_key(|(rank, _)| *rank)?.1;
            *slots -= 1;
            self.lanes[*number].ready.pop_first().map(|(_, key)| key)
        };
        std::iter::from_fn(first).take(most).collect()
    }

    /// Whether a job is ready that was asked for.
    pub(super) fn any_ready(&self, demand: &Demand) -> bool {
        match demand {
            Demand::ByType(types) => types.iter().any(|(name, slots)| *slots > 0 && self.typed(name).is_some()),
            Demand::Any(slots) => *slots > 0 && self.offered().next().is_some(),
        }
    }

    /// How many jobs there are of each type and state, in order.
    pub(super) fn counts(&self) -> Vec<Count> {
        let mut counts = Vec::new();
        for lane in &self.lanes {
            for state in State::ALL {
                let all = lane.counts[state as usize];
                let retrying = if state == State::Scheduled { lane.retrying } else { 0 };
                for (retrying, jobs) in [(false, all - retrying), (true, retrying)] {
                    if jobs > 0 {
                        counts.push(Count { job_type: lane.job_type.to_string(), state, retrying, jobs });
                    }
                }
            }
        }
        counts.sort();
        counts
    }

    pub(super) fn oldest_ready(&self, due: impl Fn(Key) -> Timestamp) -> Option<Timestamp> {
        self.lanes.iter().filter_map(|lane| lane.oldest_ready(&due)).min()
    }
}

/// The jobs that one fetch handed out: the place of those that run.
#[derive(Debug)]
struct Held {
    /// Until when, unless the lease is renewed.
    until: Timestamp,
    /// By handle; `None` once it is settled.
    jobs: Vec<Option<Key>>,
    /// How many are not settled.
    left: usize,
}

/// Running jobs, by the token of their lease.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: HashMap<Token, Held>,
    ends: BTreeSet<(Timestamp, Token)>,
}

impl Leases {
    pub(super) fn grant(&mut self, token: Token, keys: impl Iterator<Item = Key>, until: Timestamp) {
        let jobs: Vec<Option<Key>> = keys.map(Some).collect();
        let left = jobs.len();
        self.held.insert(token, Held { until, jobs, left });
        self.ends.insert((until, token));
    }

    /// Takes a job out of its batch. `None` if the lease is lost, or the job was taken before: the token check.
    pub(super) fn take(&mut self, token: Token, handle: u64) -> Option<Key> {
        let held = self.held.get_mut(&token)?;
        let key = held.jobs.get_mut(usize::try_from(handle).ok()?)?.take()?;
        held.left -= 1;
        if held.left == 0 {
            self.ends.remove(&(held.until, token));
            self.held.remove(&token);
        }
        Some(key)
    }

    /// A job that is not settled.
    pub(super) fn get(&self, token: Token, handle: u64) -> Option<Key> {
        *self.held.get(&token)?.jobs.get(usize::try_from(handle).ok()?)?
    }

    /// Extends a lease; answers what is still held under it, or nothing if it is lost.
    pub(super) fn renew(&mut self, token: Token, until: Timestamp) -> Option<impl Iterator<Item = Key> + '_> {
        let held = self.held.get_mut(&token)?;
        self.ends.remove(&(held.until, token));
        held.until = until;
        self.ends.insert((until, token));
        Some(held.jobs.iter().flatten().copied())
    }

    /// Takes the jobs of one lease that is over.
    pub(super) fn take_lost(&mut self, now: Timestamp) -> Option<Vec<Key>> {
        let &(until, token) = self.ends.first()?;
        if until > now {
            return None;
        }
        self.ends.pop_first();
        Some(self.held.remove(&token)?.jobs.into_iter().flatten().collect())
    }

    pub(super) fn until(&self, token: Token) -> Option<Timestamp> {
        self.held.get(&token).map(|held| held.until)
    }

    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(until, _)| *until)
    }
}

/// Jobs that have ended, oldest first.
#[derive(Debug)]
pub(super) struct Ended {
    keep: Bound,
    jobs: VecDeque<(u64, Timestamp, Key)>,
}

impl Ended {
    pub(super) fn new(keep: Bound) -> Self {
        Ended { keep, jobs: VecDeque::new() }
    }

    /// Adds the newest; tickets grow.
    pub(super) fn push(&mut self, ticket: u64, at: Timestamp, key: Key) {
        self.jobs.push_back((ticket, at, key));
    }

    pub(super) fn remove(&mut self, ticket: u64) {
        if let Ok(position) = self.jobs.binary_search_by_key(&ticket, |(ticket, ..)| *ticket) {
            self.jobs.remove(position);
        }
    }

    /// The oldest, if it is listed for too long or there are too many.
    pub(super) fn over(&self, now: Timestamp) -> Option<Key> {
        let &(_, at, key) = self.jobs.front()?;
        (self.jobs.len() > self.keep.count || now.since(at) > self.keep.age).then_some(key)
    }
}
