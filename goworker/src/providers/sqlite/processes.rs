//! The processes on a file: who has leases and says so, who is gone, who died on a job.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result};

use crate::clock::Timestamp;
use crate::process::{Death, Process, ProcessRecord};
use crate::queue::MAX_DEATHS;

use super::fault::unreadable;
use super::owner;
use super::recover::Crash;
use super::store::Store;

/// How often to look whether other processes are still there.
const LOOK_MS: i64 = 1_000;

/// What to know about the processes on this file.
#[derive(Debug)]
pub(super) struct OwnerLook {
    db: PathBuf,
    own: Option<i64>,
    pub(super) looked_at: Option<i64>,
}

impl OwnerLook {
    pub(super) fn new(db: &Path) -> Self {
        OwnerLook { db: db.to_owned(), own: None, looked_at: None }
    }
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

/// The processes that have announced themselves, in the order of their start. One whose lock is gone is, too.
pub(super) fn processes(conn: &Connection, db: &Path, now: Timestamp) -> Result<Vec<ProcessRecord>> {
    let sql = "SELECT host, pid, nonce, info, since, seen, gone FROM owner WHERE info IS NOT NULL ORDER BY id";
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query([])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let process = Process { host: row.get(0)?, pid: row.get(1)?, nonce: row.get(2)? };
        let (since, seen) = (Timestamp::from_millis(row.get(4)?), Timestamp::from_millis(row.get(5)?));
        let info = serde_json::from_str(row.get_ref(3)?.as_str()?).map_err(|error| unreadable(3, error))?;
        let Some(mut record) = ProcessRecord::at(now, process, info, since, seen) else { continue };
        // If it cannot be told, its silence will tell.
        record.gone |= row.get(6)? || owner::is_gone(db, &record.process.nonce).unwrap_or(false);
        records.push(record);
    }
    Ok(records)
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
            self.run("DELETE FROM owner WHERE id = ?1", [own])?;
            self.owners.own = None;
        }
        Ok(())
    }

    /// Notes what a process tells of itself.
    pub(super) fn announce(&self, owner: i64, info: &str) -> Result<()> {
        self.run("UPDATE owner SET info = ?2, seen = ?3 WHERE id = ?1", (owner, info, self.now))?;
        Ok(())
    }

    /// Other processes on this file that are gone. Looks once a second: each look opens their files.
    pub(super) fn gone_owners(&mut self) -> Result<Vec<i64>> {
        if self.owners.looked_at.is_some_and(|at| (self.now - at).abs() < LOOK_MS) {
            return Ok(Vec::new());
        }
        self.owners.looked_at = Some(self.now);
        let mut gone = Vec::new();
        let mut select = self.conn().prepare_cached("SELECT id, nonce FROM owner WHERE id IS NOT ?1 AND NOT gone")?;
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

    /// Notes that a process is gone. One that has announced itself stays listed for a while.
    pub(super) fn note_gone(&self, owner: i64) -> Result<()> {
        let silent = self.now.saturating_sub(i64::try_from(ProcessRecord::LISTED.as_millis()).unwrap_or(i64::MAX));
        self.run("UPDATE owner SET gone = true WHERE id = ?1", [owner])?;
        self.run("DELETE FROM owner WHERE gone AND (info IS NULL OR seen < ?1)", [silent])?;
        Ok(())
    }

    /// Counts a crash, and notes who held the lease.
    pub(super) fn note_death(&self, token: i64, seq: i64) -> Result<()> {
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
}
