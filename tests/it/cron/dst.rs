//! Schedules over changes of the clocks, beside a scan that looks at a clock again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use goworker::{Schedule, Timestamp};
use jiff::civil::{DateTime, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp as Instant};

/// Far from and near to UTC, by hours, half hours and quarters; clocks put forward by an hour, half of one, two, at night, at midnight,
/// on a day that differs each year, in winter, and never.
const ZONES: [&str; 18] = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Los_Angeles",
    "America/New_York",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "UTC",
];

/// An expression, and whether a clock that shows this is meant.
type Case = (&'static str, fn(DateTime) -> bool);

/// Those that name times of day.
const TIMES_OF_DAY: [Case; 8] = [
    ("0 0 * * *", |at| at.minute() == 0 && at.hour() == 0),
    ("30 2 * * *", |at| at.minute() == 30 && at.hour() == 2),
    ("15 1 * * *", |at| at.minute() == 15 && at.hour() == 1),
    ("0,30 1-3 * * *", |at| at.minute() % 30 == 0 && (1..=3).contains(&at.hour())),
    ("0 0-23 * * *", |at| at.minute() == 0),
    ("15 0,12 * * SUN", |at| at.minute() == 15 && at.hour() % 12 == 0 && sunday(at)),
    ("45 2 L * *", |at| at.minute() == 45 && at.hour() == 2 && at.day() == at.days_in_month()),
    ("30 2 1,15 * SUN", |at| at.minute() == 30 && at.hour() == 2 && (at.day() == 1 || at.day() == 15 || sunday(at))),
];

/// Those that go by the time that passes.
const READINGS: [Case; 5] = [
    ("*/15 0-4 * * *", |at| at.minute() % 15 == 0 && at.hour() <= 4),
    ("@hourly", |at| at.minute() == 0),
    ("0 */2 * * *", |at| at.minute() == 0 && at.hour() % 2 == 0),
    ("*/30 2 * * *", |at| at.minute() % 30 == 0 && at.hour() == 2),
    ("* 1 * 10,11 SUN", |at| at.hour() == 1 && matches!(at.month(), 10 | 11) && sunday(at)),
];

fn sunday(at: DateTime) -> bool {
    at.weekday() == jiff::civil::Weekday::Sunday
}

/// What a clock on the wall shows, every quarter of an hour for two years.
struct Scan {
    shown: Vec<(Instant, DateTime)>,
    /// When it shows a time: once as a rule.
    instants: BTreeMap<DateTime, Vec<Instant>>,
    /// All times from the first to the last, those too that it never shows.
    times: Vec<DateTime>,
}

const STEP: SignedDuration = SignedDuration::from_mins(15);

impl Scan {
    fn of(zone: &str) -> Self {
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        let (first, last) = (start(), start() + SignedDuration::from_hours(2 * 365 * 24));
        let mut scan = Scan { shown: Vec::new(), instants: BTreeMap::new(), times: Vec::new() };
        let mut instant = first;
        while instant <= last {
            let shown = zone.to_datetime(instant);
            scan.shown.push((instant, shown));
            scan.instants.entry(shown).or_default().push(instant);
            instant += STEP;
        }
        let end = scan.shown.last().unwrap().1;
        scan.times = std::iter::successors(Some(scan.shown[0].1), |time| Some(*time + STEP)).take_while(|time| *time <= end).collect();
        scan
    }

    /// What is due if each time of day is one instant: the first, or the next that there is.
    fn times_of_day(&self, is_meant: fn(DateTime) -> bool) -> BTreeSet<Instant> {
        let mut due = BTreeSet::new();
        let mut from = 0;
        for time in self.times.iter().filter(|time| is_meant(**time)) {
            let instant = self.instants.get(time).map(|instants| instants[0]);
            while instant.is_none() && self.shown[from].1 < *time {
                from += 1;
            }
            due.insert(instant.unwrap_or(self.shown[from].0));
        }
        due
    }

    /// What is due if it is whenever a clock shows such a time.
    fn readings(&self, is_meant: fn(DateTime) -> bool) -> BTreeSet<Instant> {
        self.shown.iter().filter(|(_, shown)| is_meant(*shown)).map(|(instant, _)| *instant).collect()
    }
}

fn start() -> Instant {
    TimeZone::UTC.to_timestamp(date(2026, 1, 1).at(0, 0, 0, 0)).unwrap()
}

fn stamp(instant: Instant) -> Timestamp {
    Timestamp::from_millis(instant.as_millisecond())
}

/// All that is due by a schedule, one after the other, from after the first to the last instant of a scan.
fn all_due(text: &str, zone: &str, scan: &Scan) -> BTreeSet<Instant> {
    let schedule = Schedule::new(text.parse().unwrap(), zone.parse().unwrap());
    let last = stamp(scan.shown.last().unwrap().0);
    let due = std::iter::successors(schedule.after(stamp(start())), |due| schedule.after(*due));
    due.take_while(|due| *due <= last).map(|due| Instant::from_millisecond(due.as_millis()).unwrap()).collect()
}

#[test]
fn over_two_years_in_many_zones_schedules_are_due_when_a_scan_of_the_clock_says_so() {
    let compared = std::thread::scope(|scope| {
        let halves: Vec<_> =
            ZONES.chunks(ZONES.len() / 2).map(|zones| scope.spawn(|| zones.iter().map(|zone| compared(zone)).collect())).collect();
        halves.into_iter().map(|half| half.join().unwrap()).collect::<Vec<String>>()
    });
    insta::assert_snapshot!(compared.concat());
}

/// Compares all schedules in a zone; answers how many instants were due by each, in one line.
fn compared(zone: &str) -> String {
    let scan = Scan::of(zone);
    let twice = scan.instants.values().filter(|instants| instants.len() > 1).count();
    let missing = scan.times.len() - scan.instants.len();
    let mut line = format!("{zone:20} {:>3} min missing, {:>3} min twice; due", missing * 15, twice * 15);
    for (is_reading, (text, is_meant)) in TIMES_OF_DAY.map(|case| (false, case)).into_iter().chain(READINGS.map(|case| (true, case))) {
        let mut expected = if is_reading { scan.readings(is_meant) } else { scan.times_of_day(is_meant) };
        expected.remove(&start());
        let mut found = all_due(text, zone, &scan);
        if text.starts_with("* ") {
            found.retain(|due| due.as_second() % STEP.as_secs() == 0);
        }
        let odd: Vec<_> = found.symmetric_difference(&expected).take(5).collect();
        assert!(odd.is_empty(), "{text} in {zone}: {odd:?}");
        write!(line, " {}", found.len()).unwrap();
    }
    line + "\n"
}

#[test]
fn a_day_that_did_not_exist_is_made_up_for_at_its_end() {
    // In Samoa, the 29th of December 2011 was followed by the 31st.
    let samoa = |text: &str| Schedule::new(text.parse().unwrap(), "Pacific/Apia".parse().unwrap());
    let runs = |text| samoa(text).ticks("2011-12-29T15:00:00Z".parse().unwrap()).take(3).map(|tick| tick.local).collect::<Vec<_>>();
    assert_eq!(runs("0 3 * * *"), ["2011-12-31T00:00:00+14:00", "2011-12-31T03:00:00+14:00", "2012-01-01T03:00:00+14:00"]);
    assert_eq!(runs("0 12 30 12 *")[..1], ["2011-12-31T00:00:00+14:00"]);
    assert_eq!(runs("0 */12 * * *"), ["2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"]);
}

#[test]
fn what_is_due_next_is_later_wherever_one_begins() {
    let schedules = ["30 2 * * *", "0,30 1-3 * * *", "*/15 * * * *", "@every 7m", "*/10 59 1 * * *"];
    for zone in ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"] {
        for text in schedules {
            let schedule = Schedule::new(text.parse().unwrap(), zone.parse().unwrap());
            // Each of a million seconds is as good as any other.
            for n in 0..2_000 {
                let instant = Timestamp::from_millis(start().as_millisecond() + n * 31_556_123);
                let due = schedule.after(instant).unwrap();
                assert!(due > instant, "{text} in {zone}: {due} after {instant}");
                let just_before = Timestamp::from_millis(due.as_millis() - 1);
                assert_eq!(schedule.after(just_before), Some(due), "{text} in {zone}: nothing between {instant} and {due}");
            }
        }
    }
}

#[test]
fn the_last_ones_of_many_are_the_end_of_all() {
    for text in ["30 2 * * *", "*/15 * * * *", "0 0 1 * *", "@every 90m", "* 3 * * SUN"] {
        let schedule = Schedule::new(text.parse().unwrap(), "Europe/Berlin".parse().unwrap());
        let (from, until) = (stamp(start()), Timestamp::from_millis(start().as_millisecond() + 100 * 86_400_000));
        let all: Vec<_> = std::iter::successors(schedule.after(from), |due| schedule.after(*due)).take_while(|due| *due <= until).collect();
        for at_most in [1, 2, 3, 50, 100_000] {
            assert_eq!(schedule.latest(from, until, at_most), all[all.len().saturating_sub(at_most)..], "{at_most} of {text}");
        }
    }
}
