//! What ran when, and whether that is as promised: the jobs' own notes beside those of the kills.

use std::collections::BTreeMap;

/// One run of a job, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The process.
    pub(super) pid: u32,
    pub(super) start: i64,
    pub(super) end: Option<i64>,
    /// Whether it ended in failure, as told.
    pub(super) failed: bool,
}

/// The runs of each job, in order.
pub(super) fn read(text: &str) -> BTreeMap<String, Vec<Run>> {
    let mut jobs: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let &[what, id, pid, at] = words.as_slice() else { panic!("a torn line in the ledger: {line:?}") };
        let (pid, at) = (pid.parse().unwrap(), at.parse().unwrap());
        let runs = jobs.entry(id.to_owned()).or_default();
        match (what, runs.iter_mut().rfind(|run| run.pid == pid && run.end.is_none())) {
            ("start", _) => runs.push(Run { pid, start: at, end: None, failed: false }),
            ("end" | "failed", Some(run)) => (run.end, run.failed) = (Some(at), what == "failed"),
            _ => panic!("a line out of order in the ledger: {line:?}"),
        }
    }
    jobs
}

/// A result that is this old, in milliseconds, has been settled, also on a machine that is busy with other tests.
pub(super) const SETTLED: i64 = 1_000;
/// So long after a server has come back, its clients have too.
const RECONNECTED: i64 = 2_000;

/// What was done to processes and servers, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Blows {
    /// When each process was killed. It was gone by then.
    pub(super) deaths: BTreeMap<u32, i64>,
    /// From when to when the server was away, in order.
    pub(super) outages: Vec<(i64, i64)>,
}

impl Blows {
    /// When the result of a run that ended at `end` has surely been stored.
    fn settled_by(&self, end: i64) -> i64 {
        self.outages.iter().fold(end + SETTLED, |by, &(from, to)| if from <= by { by.max(to + RECONNECTED) } else { by })
    }

    /// Whether the process of this run was killed in it, or so soon after it that the result may not have been stored.
    fn cut_off(&self, run: &Run, next: &Run) -> bool {
        let death = self.deaths.get(&run.pid).filter(|death| run.start <= **death && **death <= next.start);
        death.is_some_and(|death| run.end.is_none_or(|end| *death < self.settled_by(end)))
    }

    /// Whether the server was away in between for longer than a lease that was just renewed for the last time can bear.
    fn outlasted(&self, run: &Run, next: &Run, lease: i64) -> bool {
        self.outages.iter().any(|&(from, to)| run.start <= to && from <= next.start && to + RECONNECTED - from > lease * 2 / 3)
    }
}

/// What is wrong with the runs of a job that has ended, if anything is.
///
/// A run may follow another one only if that failed, or if its process was killed before its result was surely stored. A
/// server that is killed explains nothing, unless it was away for so long that leases ended: what it confirmed is on disk.
pub(super) fn wrong_with(runs: &[Run], died: bool, blows: &Blows, lease: i64) -> Option<&'static str> {
    let explained = |pair: &[Run]| {
        let [run, next] = pair else { return false };
        run.failed || blows.cut_off(run, next) || blows.outlasted(run, next, lease)
    };
    match runs.last() {
        None => Some("it never ran"),
        Some(last) if last.end.is_none() => Some("its last run did not end"),
        Some(last) if last.failed != died => Some("it ended otherwise than its last run"),
        Some(_) if !runs.windows(2).all(explained) => Some("it ran again, and no kill explains that"),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: i64 = 6_000;
    const TWICE: Option<&str> = Some("it ran again, and no kill explains that");

    fn run(pid: u32, start: i64, end: Option<i64>) -> Run {
        Run { pid, start, end, failed: false }
    }

    fn killed(deaths: &[(u32, i64)]) -> Blows {
        Blows { deaths: deaths.iter().copied().collect(), outages: Vec::new() }
    }

    fn told(runs: &[Run], blows: &Blows) -> Option<&'static str> {
        wrong_with(runs, false, blows, LEASE)
    }

    #[test]
    fn a_run_that_no_kill_explains_is_told() {
        let (first, again) = (run(1, 1_000, Some(1_010)), run(2, 5_000, Some(5_010)));
        assert_eq!(told(&[first], &killed(&[])), None);
        assert_eq!(told(&[], &killed(&[(1, 1)])), Some("it never ran"));
        assert_eq!(told(&[first, again], &killed(&[])), TWICE);
        assert_eq!(told(&[first, again], &killed(&[(1, 1_020)])), None, "killed before the settlement was stored");
        assert_eq!(told(&[first, again], &killed(&[(1, 4_000)])), TWICE, "killed long after it must have been stored");
        assert_eq!(told(&[first, again], &killed(&[(1, 6_000)])), TWICE, "killed when the next one ran already");
        assert_eq!(told(&[first, again], &killed(&[(2, 1_020)])), TWICE, "another process was killed");
        let cut = run(1, 1_000, None);
        assert_eq!(told(&[cut, again], &killed(&[(1, 4_000)])), None, "killed while it ran");
        let middle = run(3, 3_000, None);
        assert_eq!(told(&[cut, middle, again], &killed(&[(1, 1_200)])), TWICE, "one kill explains one repetition");
    }

    #[test]
    fn the_end_has_to_fit_the_last_run() {
        let failed = Run { failed: true, ..run(1, 1_000, Some(1_010)) };
        let again = run(1, 5_000, Some(5_010));
        assert_eq!(told(&[run(1, 1_000, None)], &killed(&[(1, 1_005)])), Some("its last run did not end"));
        assert_eq!(told(&[again, run(1, 6_000, None)], &killed(&[])), Some("its last run did not end"));
        assert_eq!(told(&[failed, again], &killed(&[])), None, "a failure is tried again");
        assert_eq!(told(&[failed], &killed(&[])), Some("it ended otherwise than its last run"));
        assert_eq!(wrong_with(&[failed], true, &killed(&[]), LEASE), None);
    }

    #[test]
    fn an_outage_delays_settlements_and_explains_a_repetition_only_if_it_is_long() {
        let (first, again) = (run(1, 1_000, Some(1_010)), run(2, 9_000, Some(9_010)));
        let away = |from, to, deaths: &[(u32, i64)]| Blows { outages: vec![(from, to)], ..killed(deaths) };
        assert_eq!(told(&[first, again], &away(1_005, 2_000, &[])), TWICE);
        assert_eq!(told(&[first, again], &away(1_005, 2_000, &[(1, 3_900)])), None, "the settlement waited for the server");
        assert_eq!(told(&[first, again], &away(1_005, 2_000, &[(1, 4_100)])), TWICE, "it was back for long enough");
        assert_eq!(told(&[first, again], &away(2_500, 3_000, &[(1, 3_900)])), TWICE, "it went when the result was stored");
        assert_eq!(told(&[first, again], &away(1_005, 3_500, &[])), None, "no lease outlasts that");
    }

    #[test]
    fn runs_of_several_processes_are_told_apart() {
        let runs = read("start a 1 10\nstart a 2 20\nfailed a 1 30\nend a 2 40\n");
        let expected = [Run { failed: true, ..run(1, 10, Some(30)) }, run(2, 20, Some(40))];
        assert_eq!(runs["a"], expected);
    }
}
