//! What brings jobs back: leases that are over, processes that are gone, times that have come.

use rusqlite::{Connection, Result};

use super::place::{Place, by_seq, locate, locate_waiting};
use super::schema::NEVER;
use super::seqs::Seqs;
use super::store::Store;

/// The most leases ended in one step.
const MAX_LEASES: usize = 4;
/// The most jobs whose time has come, in one step.
const MAX_PROMOTED: usize = 1_000;
/// The most jobs found too late to be started, in one step.
const MAX_EXPIRED: usize = 1_000;

/// Whether a lost lease counts as a crash of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    Counted,
    NotCounted,
}

/// Whether time has brought about what the tables do not show yet.
pub(super) fn is_behind(conn: &Connection, now: i64) -> Result<bool> {
    let behind = "SELECT EXISTS (SELECT 1 FROM scheduled WHERE due <= ?1) OR EXISTS (SELECT 1 FROM batch WHERE until <= ?1)
                  OR EXISTS (SELECT 1 FROM expiring WHERE at < ?1)";
    conn.prepare_cached(behind)?.query_row([now], |row| row.get(0))
}

impl Store {
    /// Brings the tables up to the present: what is due becomes ready, what was handed out to someone who is gone or
    /// late comes back, what should have been started before ends. Every transaction begins with it.
    pub(super) fn recover(&mut self) -> Result<()> {
        for owner in self.gone_owners()? {
            tracing::warn!(owner, "a process is gone; its jobs are taken up");
            self.end_leases_of(owner, Crash::Counted)?;
            self.note_gone(owner)?;
        }
        if !is_behind(self.conn(), self.now)? {
            return Ok(());
        }
        for _ in 0..MAX_LEASES {
            let over = "SELECT token FROM batch WHERE until <= ?1 ORDER BY until LIMIT 1";
            let Some(token) = self.one::<i64>(over, [self.now])? else { break };
            tracing::warn!(token, "a lease is over; its jobs are handed out again");
            self.end_lease(token, Crash::Counted)?;
        }
        self.promote()?;
        self.expire()
    }

    /// Whether [`recover`](Store::recover) would find something.
    pub(super) fn needs_recovery(&mut self) -> Result<bool> {
        if is_behind(self.conn(), self.now)? {
            return Ok(true);
        }
        let gone = !self.gone_owners()?.is_empty();
        if gone {
            self.owners.looked_at = None;
        }
        Ok(gone)
    }

    /// Lets jobs wait again that stand nowhere.
    pub(super) fn adopt(&mut self, lost: &[i64]) -> Result<()> {
        for seq in lost {
            // Looked at again: it may have been on its way when it was missed.
            let Some(job) = by_seq(self.conn(), *seq)? else { continue };
            if locate(self.conn(), &job)? == Place::Lost {
                tracing::error!(seq, "a job was found in no place; it waits again");
                self.put_expiring(job.seq, job.expires)?;
                if job.due > self.now {
                    let retrying = self.one("SELECT attempts > 0 FROM job WHERE seq = ?1", [seq])?.unwrap_or(false);
                    self.put_scheduled(job.seq, &job.job_type, job.due, job.prio, retrying)?;
                } else {
                    self.put_ready(job.seq, &job.job_type, job.due, job.prio)?;
                }
            }
        }
        Ok(())
    }

    /// When something will be due, or a lease over.
    pub(super) fn next_instant(&self) -> Result<Option<i64>> {
        let earliest = "SELECT min(at) FROM (SELECT min(due) AS at FROM scheduled WHERE due < ?1
                        UNION ALL SELECT min(until) FROM batch UNION ALL SELECT min(at) + 1 FROM expiring)";
        self.one::<Option<i64>>(earliest, [NEVER]).map(Option::flatten)
    }

    /// Ends waiting jobs that should have been started before. A running one is looked at when it is put back.
    fn expire(&mut self) -> Result<()> {
        let late = "DELETE FROM expiring WHERE (at, seq) IN (SELECT at, seq FROM expiring WHERE at < ?1 ORDER BY at, seq LIMIT ?2)
                    RETURNING seq";
        let mut expired = Vec::new();
        for seq in self.all::<i64>(late, (self.now, MAX_EXPIRED))? {
            let Some(job) = by_seq(self.conn(), seq)?.filter(|job| job.expires.is_some_and(|at| at < self.now)) else { continue };
            let place = locate_waiting(self.conn(), &job)?;
            if let Some(place) = place {
                self.leave(&job, &place)?;
                expired.push(seq);
            }
        }
        self.put_finished("expired", expired)
    }

    pub(super) fn end_leases_of(&mut self, owner: i64, crash: Crash) -> Result<()> {
        for token in self.all::<i64>("SELECT token FROM batch WHERE owner = ?1 ORDER BY token", [owner])? {
            self.end_lease(token, crash)?;
        }
        Ok(())
    }

    /// Puts the jobs of a lease that are not settled back to where they were; those that were to be cancelled, are.
    fn end_lease(&mut self, token: i64, crash: Crash) -> Result<()> {
        let Some(Seqs(seqs)) = self.one("SELECT seqs FROM batch WHERE token = ?1", [token])? else { return Ok(()) };
        for seq in seqs {
            if self.one::<i64>("SELECT 1 FROM part WHERE token = ?1 AND seq = ?2", [token, seq])?.is_some() {
                continue;
            }
            if crash == Crash::Counted {
                self.note_death(token, seq)?;
            }
            if self.one::<i64>("SELECT 1 FROM cancel WHERE token = ?1 AND seq = ?2", [token, seq])?.is_some() {
                self.put_finished("cancelled", vec![seq])?;
            } else {
                self.put_back(seq)?;
            }
        }
        self.close_batch(token)
    }

    fn promote(&mut self) -> Result<()> {
        let due: Vec<(i64, i64, String, i64)> = self
            .conn()
            .prepare_cached(
                "DELETE FROM scheduled WHERE (due, seq) IN (SELECT due, seq FROM scheduled WHERE due <= ?1 ORDER BY due, seq LIMIT ?2)
                 RETURNING seq, due, type, prio",
            )?
            .query_map((self.now, MAX_PROMOTED), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<Result<_>>()?;
        for (seq, due, job_type, prio) in due {
            self.put_ready(seq, &job_type, due, prio)?;
        }
        Ok(())
    }
}
