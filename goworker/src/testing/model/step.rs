//! What can be done to a queue, and how often it is.
//!
//! A step names jobs and batches by position, so every step means something in every state, and a sequence stays one
//! when steps are taken out of it.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;

use super::reference::Wish;
use crate::job::UniqueMode;
use crate::provider::Demand;
use crate::queue::MAX_BULK;

/// How long a lease lasts.
pub(super) const LEASE: Duration = Duration::from_millis(200);
/// So few that steps meet.
const IDS: u8 = 8;
/// The types of jobs.
pub(super) const TYPES: [&str; 2] = ["work", "other"];

/// Something that is done to a queue.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) action: Action,
    /// Which of the processes does it.
    pub(super) by: usize,
    /// After being polled this many times, the call is dropped.
    pub(super) cut: Option<u8>,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Enqueue {
        jobs: Vec<Draft>,
        cursor: Option<Mark>,
    },
    /// The very job that is stored under an id.
    Again(u8),
    /// So many new jobs.
    Bulk(usize),
    Fetch(Demand),
    Settle(Vec<Ending>),
    /// The lease of a batch, counted from the newest.
    Renew(usize),
    Change(Wish, Vec<u8>),
    /// Of one type, or of the whole queue.
    Pause(Option<usize>),
    Resume(Option<usize>),
    /// The clock moves by so many milliseconds.
    Clock(i64),
    /// Another process opens the store.
    Open,
    Close,
    Crash,
}

/// A job to be.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) id: u8,
    pub(super) job_type: usize,
    pub(super) priority: i8,
    /// In milliseconds, as are all times here.
    pub(super) delay: Option<u64>,
    pub(super) expires: Option<u64>,
    pub(super) unique: Option<Key>,
}

/// A key that only one job may hold.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// So few that jobs meet; `None` is the one that follows from what the job is.
    pub(super) number: Option<u8>,
    pub(super) window: Option<u64>,
    /// What happens if another job holds it.
    pub(super) mode: UniqueMode,
}

/// A move of a cursor.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) name: bool,
    /// Whether it is moved from where it stands.
    pub(super) right: bool,
}

/// The end of one delivery, of a batch counted from the newest.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub(super) back: usize,
    pub(super) position: usize,
    pub(super) how: How,
}

#[derive(Debug, Clone)]
pub(super) enum How {
    Done,
    Retry { after: u64, charged: bool },
    Dead { tried: bool, handlers: u8 },
    Cancelled,
    Release,
}

/// Steps of all kinds; those that open the store again only where it is durable.
pub(super) fn step(durable: bool) -> impl Strategy<Value = Step> {
    let action = if durable { prop_oneof![16 => action(), 1 => process()].boxed() } else { action() };
    let polls = prop_oneof![4 => Just(1), 2 => Just(2), 1 => 3..=6u8];
    (action, 0..4usize, option::weighted(0.15, polls)).prop_map(|(action, by, cut)| Step { action, by, cut })
}

fn action() -> BoxedStrategy<Action> {
    prop_oneof![
        20 => (vec(draft(), 1..=4), option::weighted(0.2, mark())).prop_map(|(jobs, cursor)| Action::Enqueue { jobs, cursor }),
        3 => (0..IDS).prop_map(Action::Again),
        1 => prop_oneof![30 => 1..=20usize, 1 => Just(MAX_BULK), 1 => Just(MAX_BULK + 1)].prop_map(Action::Bulk),
        24 => demand().prop_map(Action::Fetch),
        30 => vec(ending(), 1..=4).prop_map(Action::Settle),
        8 => (0..3usize).prop_map(Action::Renew),
        12 => (prop_oneof![Just(Wish::Cancel), Just(Wish::Retry), Just(Wish::Delete)], vec(0..IDS, 1..=3))
            .prop_map(|(wish, ids)| Action::Change(wish, ids)),
        3 => option::weighted(0.6, 0..TYPES.len()).prop_map(Action::Pause),
        5 => option::weighted(0.6, 0..TYPES.len()).prop_map(Action::Resume),
        12 => shift().prop_map(Action::Clock),
    ]
    .boxed()
}

fn process() -> BoxedStrategy<Action> {
    prop_oneof![2 => Just(Action::Open), 1 => Just(Action::Close), 3 => Just(Action::Crash)].boxed()
}

fn draft() -> impl Strategy<Value = Draft> {
    let priority = prop_oneof![3 => Just(0), 2 => -2..=2i8, 1 => Just(100), 1 => Just(-100)];
    // Rarely, or little else would ever run.
    let expires = option::weighted(0.1, moment());
    (0..IDS, 0..TYPES.len(), priority, option::weighted(0.3, moment()), expires, option::weighted(0.4, key()))
        .prop_map(|(id, job_type, priority, delay, expires, unique)| Draft { id, job_type, priority, delay, expires, unique })
}

fn key() -> impl Strategy<Value = Key> {
    let mode = prop_oneof![4 => Just(UniqueMode::KeepLast), 3 => Just(UniqueMode::Reject), 3 => Just(UniqueMode::Replace)];
    (option::weighted(0.7, 0..2u8), option::weighted(0.3, moment()), mode).prop_map(|(number, window, mode)| Key { number, window, mode })
}

/// Round numbers mostly, so that what has to happen at the same moment does.
fn moment() -> BoxedStrategy<u64> {
    prop_oneof![6 => (1..6u64).prop_map(|n| n * 50), 1 => 1..300u64].boxed()
}

fn shift() -> BoxedStrategy<i64> {
    prop_oneof![
        10 => (1..5i64).prop_map(|n| n * 50),
        3 => 1..100i64,
        2 => Just(1_500),
        3 => -60..0i64,
    ]
    .boxed()
}

fn mark() -> impl Strategy<Value = Mark> {
    (any::<bool>(), proptest::bool::weighted(0.8)).prop_map(|(name, right)| Mark { name, right })
}

fn demand() -> impl Strategy<Value = Demand> {
    let by_type = |(one, two)| Demand::ByType(vec![(TYPES[1].into(), two), (TYPES[0].into(), one)]);
    prop_oneof![(1..5usize).prop_map(Demand::Any), (0..4usize, 0..4usize).prop_map(by_type)]
}

fn ending() -> impl Strategy<Value = Ending> {
    let how = prop_oneof![
        3 => Just(How::Done),
        4 => (prop_oneof![1 => Just(0), 2 => moment()], proptest::bool::weighted(0.7)).prop_map(|(after, charged)| How::Retry { after, charged }),
        3 => (any::<bool>(), 0..=2u8).prop_map(|(tried, handlers)| How::Dead { tried, handlers }),
        1 => Just(How::Cancelled),
        2 => Just(How::Release),
    ];
    // Mostly of the latest batch.
    (prop_oneof![4 => Just(0), 2 => Just(1), 1 => 2..5usize], 0..4usize, how).prop_map(|(back, position, how)| Ending {
        back,
        position,
        how,
    })
}
