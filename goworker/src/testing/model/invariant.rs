//! What has to hold after every step, by name. What a manager decides (how often to try, how many at once) is not in it.

use std::fmt;

use crate::provider::ProviderError;

/// A property of queues that no sequence of steps may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invariant {
    Conservation,
    Leases,
    Fencing,
    Ends,
    Counting,
    Identity,
    Order,
    Durability,
    Statistics,
    Liveness,
    Rate,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invariant::Conservation => "I1 conservation: every accepted job is kept whole, in exactly one place",
            Invariant::Leases => "I2 leases: a job runs as long as it is leased, and no longer",
            Invariant::Fencing => "I3 fencing: tokens grow, and an old one changes nothing",
            Invariant::Ends => "I4 ends: what has ended stays as it is, unless a person changes it",
            Invariant::Counting => "I5 counting: attempts and crashes are those that happened",
            Invariant::Identity => "I6 identity: an id is one job, a key has one holder, and a cursor one position",
            Invariant::Order => "I7 order: jobs are handed out in time, in order, and no more than were asked for",
            Invariant::Durability => {
                "I8 durability: after a crash or a cut a call was done whole or not at all, and what was confirmed stays"
            }
            Invariant::Statistics => "I9 statistics: the counts are those of the jobs",
            Invariant::Rate => "I11 rate: no more jobs start than the rate allows, and no fewer",
            Invariant::Liveness => "I10 liveness: calls are answered, and every job ends once nothing goes wrong any more",
        })
    }
}

/// An invariant that does not hold.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    /// What the queue says, and what it should.
    pub(super) what: String,
    /// A call was not answered.
    pub(super) hung: bool,
}

/// How a step ends.
pub(super) type Holds = Result<(), Violation>;

impl From<ProviderError> for Violation {
    fn from(error: ProviderError) -> Self {
        Invariant::Liveness.violated(format!("the queue answered an error: {error}"))
    }
}

impl Invariant {
    pub(super) fn violated(self, what: impl Into<String>) -> Violation {
        Violation { invariant: self, what: what.into(), hung: false }
    }

    /// Violated unless what the queue says is what the model does.
    pub(super) fn same<T: PartialEq<U> + fmt::Debug, U: fmt::Debug>(self, what: &str, queue: T, model: U) -> Holds {
        if queue == model { Ok(()) } else { Err(self.violated(format!("{what}: the queue says {queue:?}, the model {model:?}"))) }
    }
}
