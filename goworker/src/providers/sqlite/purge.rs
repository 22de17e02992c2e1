//! What `keep` says: jobs that have ended are forgotten by age and by number, oldest first, a bounded number at a time.

use std::time::Duration;

use rusqlite::Result;

use super::seqs::Seqs;
use super::store::Store;

/// The most jobs forgotten in one step: a long step would delay those who wait for the next.
const MAX_PURGED: usize = 2_000;
/// How long a count may be off when other processes finish jobs too.
const RECOUNT_MS: i64 = 1_000;

/// How many jobs have ended: counted once, then kept up to date, because counting reads all of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: Option<usize>,
    dead: Option<usize>,
    /// Of the file when it was counted: a change by another process makes the count doubtful.
    version: i64,
    counted_at: i64,
}

impl Tally {
    /// Counts again at the next opportunity.
    pub(super) fn forget(&mut self) {
        self.done = None;
        self.dead = None;
    }

    pub(super) fn add_done(&mut self, count: usize) {
        self.done = self.done.map(|done| done + count);
    }

    pub(super) fn remove_done(&mut self, count: usize) {
        self.done = self.done.map(|done| done.saturating_sub(count));
    }

    pub(super) fn add_dead(&mut self, count: usize) {
        self.dead = self.dead.map(|dead| dead + count);
    }

    pub(super) fn remove_dead(&mut self, count: usize) {
        self.dead = self.dead.map(|dead| dead.saturating_sub(count));
    }
}

impl Store {
    /// Forgets what is over, up to a bound; the rest goes with the next step.
    pub(super) fn purge(&mut self) -> Result<()> {
        self.doubt_tally()?;
        self.purge_finished()?;
        self.purge_dead()?;
        self.sweep_keys()
    }

    fn doubt_tally(&mut self) -> Result<()> {
        let version = self.data_version()?;
        if version != self.tally.version && (self.now - self.tally.counted_at).abs() >= RECOUNT_MS {
            self.tally = Tally { version, counted_at: self.now, ..Tally::default() };
        }
        Ok(())
    }

    fn purge_finished(&mut self) -> Result<()> {
        let mut excess = self.count_done()?.saturating_sub(self.keep.done.count);
        let too_old = self.before(self.keep.done.age);
        let mut room = MAX_PURGED;
        while room > 0 {
            let oldest = self.one::<i64>("SELECT at FROM finished ORDER BY n LIMIT 1", [])?;
            let Some(at) = oldest.filter(|at| excess > 0 || *at < too_old) else { return Ok(()) };
            let Some(n) = self.one::<i64>("SELECT min(n) FROM finished", [])? else { return Ok(()) };
            let Some(Seqs(mut seqs)) = self.one("SELECT seqs FROM finished WHERE n = ?1", [n])? else { return Ok(()) };
            let over = if at < too_old { seqs.len() } else { excess.min(seqs.len()) };
            let rest = seqs.split_off(over.min(room));
            let over = Seqs(seqs);
            self.forget_keys(&over)?;
            self.forget(&over)?;
            self.keep_finished(n, &Seqs(rest))?;
            let count = over.0.len();
            self.tally.remove_done(count);
            excess = excess.saturating_sub(count);
            // An entry without jobs cannot be, but must not turn this into an endless loop.
            room = room.saturating_sub(count.max(1));
        }
        Ok(())
    }

    fn purge_dead(&mut self) -> Result<()> {
        let excess = self.count_dead()?.saturating_sub(self.keep.dead.count);
        let too_old = self.before(self.keep.dead.age);
        let old = self.one::<i64>("SELECT at FROM dead ORDER BY at LIMIT 1", [])?.is_some_and(|at| at < too_old);
        if excess == 0 && !old {
            return Ok(());
        }
        let mut seqs: Vec<i64> = self.all("SELECT seq FROM dead ORDER BY at, seq LIMIT ?1", [excess.min(MAX_PURGED)])?;
        if old {
            seqs.extend(self.all::<i64>("SELECT seq FROM dead WHERE at < ?1 ORDER BY at, seq LIMIT ?2", (too_old, MAX_PURGED))?);
            seqs.sort_unstable();
            seqs.dedup();
        }
        tracing::warn!(count = seqs.len(), "dead letters go, as `keep` says");
        self.tally.remove_dead(seqs.len());
        let seqs = Seqs(seqs);
        self.run("DELETE FROM dead WHERE seq IN (SELECT value FROM json_each(?1))", [&seqs])?;
        self.forget_keys(&seqs)?;
        self.forget(&seqs)
    }

    /// Deletes all that is known of jobs, but for their place and their keys.
    pub(super) fn forget(&self, seqs: &Seqs) -> Result<()> {
        self.run("DELETE FROM job WHERE seq IN (SELECT value FROM json_each(?1))", [seqs])?;
        self.run("DELETE FROM output WHERE seq IN (SELECT value FROM json_each(?1))", [seqs])?;
        self.run("DELETE FROM attempt WHERE seq IN (SELECT value FROM json_each(?1))", [seqs])?;
        self.run("DELETE FROM death WHERE seq IN (SELECT value FROM json_each(?1))", [seqs])?;
        Ok(())
    }

    /// Leaves only `rest` in an entry of jobs that ended together.
    pub(super) fn keep_finished(&self, n: i64, rest: &Seqs) -> Result<()> {
        if rest.0.is_empty() {
            self.run("DELETE FROM finished WHERE n = ?1", [n])?;
            return Ok(());
        }
        let (lowest, highest) = rest.span();
        self.run(
            "UPDATE finished SET count = ?2, lowest = ?3, highest = ?4, seqs = ?5 WHERE n = ?1",
            (n, rest.0.len(), lowest, highest, rest),
        )?;
        Ok(())
    }

    fn count_done(&mut self) -> Result<usize> {
        if self.tally.done.is_none() {
            self.tally.done = self.one("SELECT coalesce(sum(count), 0) FROM finished", [])?;
        }
        Ok(self.tally.done.unwrap_or(0))
    }

    fn count_dead(&mut self) -> Result<usize> {
        if self.tally.dead.is_none() {
            self.tally.dead = self.one("SELECT count(*) FROM dead", [])?;
        }
        Ok(self.tally.dead.unwrap_or(0))
    }

    fn before(&self, age: Duration) -> i64 {
        self.now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
    }
}
