//! What brings jobs back: leases that are over, processes that are gone, times that have come.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result};

use crate::clock::Timestamp;
use crate::process::{Death, Process};
use crate::queue::MAX_DEATHS;

use super::owner;
use super::place::{Place, by_seq, locate, locate_waiting};
use super::seqs::Seqs;
use super::store::Store;

/// The most leases ended in one step.
const MAX_LEASES: usize = 4;
/// The most jobs whose time has come, in one step.
const MAX_PROMOTED: usize = 1_000;
/// The most jobs found too late to be started, in one step.
const MAX_EXPIRED: usize = 1_000;
/// How often to look whether other processes are still there.
const LOOK_MS: i64 = 1_000;

/// What to know about the processes on this file.
#[derive(Debug)]
pub(super) struct OwnerLook {
    db: PathBuf,
    own: Option<i64>,
    looked_at: Option<i64>,
}

impl OwnerLook {
    pub(super) fn new(db: &Path) -> Self {
        OwnerLook { db: db.to_owned(), own: None, looked_at: None }
    }
}

/// Whether a lost lease counts as a crash of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    Counted,
    NotCounted,
}

/// Whether time has brought about what the tables do not show yet.
pub(super) fn is_behind(conn: &Connection, now: i64) -> Result<bool> {
    let behind = "SELECT EXISTS (SELECT 1 FROM scheduled WHERE due <= ?1) OR EXISTS (SELECT 1 FROM batch WHERE until <= ?1)
                  OR EXISTS (SELECT 1 FROM expiring WHERE at < ?1)";
    conn.prepare_cached(behind)?.query_row([now], |row| row.get(0))
}

/// The processes that died on a job.
pub(super) fn deaths(conn: &Connection, seq: i64) -> Result<Vec<Death>> {
    let mut select = conn.prepare_cached("SELECT at, host, pid, nonce FROM death WHERE seq = ?1 ORDER BY n")?;
    let rows = select.query_map([seq], |row| {
        let process = Process { host: row.get(1)?, pid: row.get(2)?, nonce: row.get(3)? };
        Ok(Death { at: Timestamp::from_millis(row.get(0)?), process })
    })?;
    rows.collect()
}

impl Store {
    /// Notes this process as one that holds leases; answers its number, which no other ever had.
    pub(super) fn register(&mut self, Process { host, pid, nonce }: &Process) -> Result<i64> {
        self.run("INSERT INTO owner(nonce, host, pid, since) VALUES(?1, ?2, ?3, ?4)", (nonce, host, pid, self.now))?;
        let own = self.conn().last_insert_rowid();
        self.owners = OwnerLook { own: Some(own), looked_at: None, ..OwnerLook::new(&self.owners.db) };
        Ok(own)
    }

    /// Gives back what this process still holds. Nothing has crashed.
    pub(super) fn unregister(&mut self) -> Result<()> {
        if let Some(own) = self.owners.own {
            self.end_leases_of(own, Crash::NotCounted)?;
            self.owners.own = None;
        }
        Ok(())
    }

    /// Brings the tables up to the present: what is due becomes ready, what was handed out to someone who is gone or
    /// late comes back, what should have been started before ends. Every transaction begins with it.
    pub(super) fn recover(&mut self) -> Result<()> {
        for owner in self.gone_owners()? {
            tracing::warn!(owner, "a process is gone; its jobs are taken up");
            self.end_leases_of(owner, Crash::Counted)?;
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
        let earliest = "SELECT min(at) FROM (SELECT min(due) AS at FROM scheduled
                        UNION ALL SELECT min(until) FROM batch UNION ALL SELECT min(at) + 1 FROM expiring)";
        self.one::<Option<i64>>(earliest, []).map(Option::flatten)
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

    /// Other processes on this file that are gone. Looks once a second: each look opens their files.
    fn gone_owners(&mut self) -> Result<Vec<i64>> {
        if self.owners.looked_at.is_some_and(|at| (self.now - at).abs() < LOOK_MS) {
            return Ok(Vec::new());
        }
        self.owners.looked_at = Some(self.now);
        let mut gone = Vec::new();
        let mut select = self.conn().prepare_cached("SELECT id, nonce FROM owner WHERE id IS NOT ?1")?;
        let mut rows = select.query([self.owners.own])?;
        while let Some(row) = rows.next()? {
            let (id, nonce): (i64, String) = (row.get(0)?, row.get(1)?);
            match owner::is_gone(&self.owners.db, &nonce) {
                Ok(true) => gone.push(id),
                Ok(false) => {}
                // Its leases end by time in any case.
                Err(error) => tracing::warn!(owner = id, %error, "it cannot be told whether a process is still there"),
            }
        }
        Ok(gone)
    }

    fn end_leases_of(&mut self, owner: i64, crash: Crash) -> Result<()> {
        for token in self.all::<i64>("SELECT token FROM batch WHERE owner = ?1 ORDER BY token", [owner])? {
            self.end_lease(token, crash)?;
        }
        self.run("DELETE FROM owner WHERE id = ?1", [owner])?;
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

    /// Counts a crash, and notes who held the lease.
    fn note_death(&self, token: i64, seq: i64) -> Result<()> {
        self.run("UPDATE job SET crashes = crashes + 1 WHERE seq = ?1", [seq])?;
        self.run(
            "INSERT INTO death(seq, n, at, host, pid, nonce)
             SELECT ?2, coalesce((SELECT max(n) FROM death WHERE seq = ?2), 0) + 1, ?3, host, pid, nonce
             FROM batch b JOIN owner o ON o.id = b.owner WHERE b.token = ?1",
            (token, seq, self.now),
        )?;
        self.run("DELETE FROM death WHERE seq = ?1 AND n <= (SELECT max(n) FROM death WHERE seq = ?1) - ?2", (seq, MAX_DEATHS))?;
        Ok(())
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
