//! What becomes of a schedule when clocks are changed.

use croner::Cron;
use jiff::Timestamp as Instant;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::expression::Pattern;
use super::{Schedule, civil};
use crate::clock::Timestamp;

/// The first instant after `instant` that stands for one of these times of day. Each is one instant: of a time that comes twice the
/// first, for one that does not exist the end of the gap. So later times are never earlier instants.
pub(super) fn next_time_of_day(cron: &Cron, zone: &TimeZone, instant: Timestamp) -> Option<Timestamp> {
    let mut shown = zone.to_datetime(exact(instant)?);
    loop {
        shown = civil::next(cron, shown, false)?;
        let due = rounded(meant(zone, shown)?);
        // In what comes twice, the clock shows times that are over.
        if due > instant {
            return Some(due);
        }
    }
}

/// The instant that a time of day means.
fn meant(zone: &TimeZone, shown: DateTime) -> Option<Instant> {
    match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => offset.to_timestamp(shown).ok(),
        AmbiguousOffset::Gap { after, .. } => Some(gap_before(zone, after, shown)?.end),
    }
}

/// The first instant after `instant` at which a clock shows such a time.
pub(super) fn next_reading(cron: &Cron, zone: &TimeZone, instant: Timestamp) -> Option<Timestamp> {
    let (mut start, mut inclusive) = (exact(instant)?, false);
    loop {
        // Until it is changed, a clock is as far from UTC as now.
        let offset = zone.to_offset(start);
        let change = zone.following(start).next().map(|change| change.timestamp());
        let due = offset.to_timestamp(civil::next(cron, offset.to_datetime(start), inclusive)?).ok()?;
        match change.filter(|change| due >= *change) {
            Some(change) => (start, inclusive) = (change, true),
            None => return Some(rounded(due)),
        }
    }
}

/// Times that do not exist.
struct Gap {
    /// The instant at which clocks are put forward.
    end: Instant,
    /// The first time that no clock shows.
    first: DateTime,
}

/// The gap in which `shown` lies, after which clocks are `after` from UTC.
fn gap_before(zone: &TimeZone, after: Offset, shown: DateTime) -> Option<Gap> {
    let end = zone.following(after.to_timestamp(shown).ok()?).next()?.timestamp();
    let just_before = end.checked_sub(jiff::SignedDuration::from_secs(1)).ok()?;
    Some(Gap { end, first: zone.to_offset(just_before).to_datetime(end) })
}

fn exact(instant: Timestamp) -> Option<Instant> {
    Instant::from_millisecond(instant.as_millis()).ok()
}

fn rounded(instant: Instant) -> Timestamp {
    Timestamp::from_millis(instant.as_millisecond())
}

/// One instant of a schedule, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// When.
    pub at: Timestamp,
    /// What clocks show then, with their distance from UTC: `2026-11-25T03:00:00+01:00`.
    pub local: String,
    /// What a change of the clocks has to do with it.
    pub change: Option<String>,
}

impl Schedule {
    /// The instants from `instant` on at which it is due, as people read them.
    pub fn ticks(&self, instant: Timestamp) -> impl Iterator<Item = Tick> {
        let first = self.after(Timestamp::from_millis(instant.as_millis().saturating_sub(1)));
        std::iter::successors(first, |due| self.after(*due)).map_while(|due| self.tick(due))
    }

    fn tick(&self, at: Timestamp) -> Option<Tick> {
        let (instant, zone) = (exact(at)?, self.zone.rules());
        let (offset, shown) = (zone.to_offset(instant), zone.to_datetime(instant));
        let change = match zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Fold { before, .. } => {
                let nth = if offset == before { "first" } else { "second" };
                Some(format!("{} comes twice; this is the {nth}", told(shown)))
            }
            _ => self.carried_to(instant).map(|missing| format!("{} does not exist", told(missing))),
        };
        Some(Tick { at, local: instant.display_with_offset(offset).to_string(), change })
    }

    /// The time of day in a gap that is made up for at this instant.
    fn carried_to(&self, instant: Instant) -> Option<DateTime> {
        let zone = self.zone.rules();
        let second = jiff::SignedDuration::from_secs(1);
        // A second before the first time after the gap is in the gap.
        let in_gap = zone.to_datetime(instant).checked_sub(second).ok()?;
        let AmbiguousOffset::Gap { after, .. } = zone.to_ambiguous_timestamp(in_gap).offset() else { return None };
        let gap = gap_before(zone, after, in_gap).filter(|gap| gap.end == instant)?;
        let missing = self.times.expressions().filter_map(|expression| match &expression.pattern {
            Pattern::TimeOfDay(cron) => civil::next(cron, gap.first, true).filter(|shown| *shown <= in_gap),
            Pattern::Reading(_) | Pattern::Every(_) => None,
        });
        missing.min()
    }
}

/// The time of day, without seconds if there are none.
fn told(shown: DateTime) -> String {
    shown.strftime(if shown.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}
