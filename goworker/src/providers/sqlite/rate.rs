//! How many jobs have started lately, in all processes on the file: counted in the step that hands them out.

use std::time::Duration;

use rusqlite::Result;

use crate::rate::Rate;

use super::store::Store;

impl Store {
    /// How many jobs the rate allows to start, for who is about to start them.
    pub(super) fn open_rate(&self) -> Result<usize> {
        if let Some(rate) = self.rate {
            self.run("DELETE FROM started WHERE last <= ?1", [self.now.saturating_sub(window(rate))])?;
            // If the clock was set back, nothing counts longer than it would have.
            self.run("UPDATE started SET first = min(first, ?1), last = ?1 WHERE last > ?1", [self.now])?;
        }
        self.allowed()
    }

    /// How many jobs the rate allows to start.
    fn allowed(&self) -> Result<usize> {
        let Some(rate) = self.rate else { return Ok(usize::MAX) };
        let lately = "SELECT coalesce(sum(jobs), 0) FROM started WHERE last > ?1";
        let started = self.one(lately, [self.now.saturating_sub(window(rate))])?.unwrap_or(0);
        Ok(rate.jobs().saturating_sub(started))
    }

    /// When the rate allows more jobs to start; nothing if it does now.
    pub(super) fn opens_at(&self) -> Result<Option<i64>> {
        let Some(rate) = self.rate else { return Ok(None) };
        if self.allowed()? > 0 {
            return Ok(None);
        }
        let window = window(rate);
        let oldest: Option<i64> = self.one("SELECT min(last) FROM started WHERE last > ?1", [self.now.saturating_sub(window)])?.flatten();
        Ok(oldest.map(|oldest| oldest.min(self.now).saturating_add(window)))
    }

    /// Notes that so many jobs start.
    pub(super) fn note_started(&self, jobs: usize) -> Result<()> {
        let Some(rate) = self.rate.filter(|_| jobs > 0) else { return Ok(()) };
        let grain = millis(rate.grain());
        let together = "UPDATE started SET last = ?1, jobs = jobs + ?2
                        WHERE rowid = (SELECT max(rowid) FROM started) AND first > ?1 - ?3";
        if self.run(together, (self.now, jobs, grain))? == 0 {
            self.run("INSERT INTO started(first, last, jobs) VALUES(?1, ?1, ?2)", (self.now, jobs))?;
        }
        Ok(())
    }
}

fn window(rate: Rate) -> i64 {
    millis(rate.window())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
