//! The write side of a file: one connection, and transactions that say how durable they have to be.
//!
//! What happens inside a transaction is in the files beside this one, by subject: accept, claim, settle, change,
//! recover, processes, put, purge.

use std::path::Path;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Result};

use crate::provider::Keep;
use crate::rate::Rate;

use super::processes::OwnerLook;
use super::purge::Tally;
use super::waiting::Stirred;

/// Whether a transaction must be on the disk when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// Yes: something is accepted, or changed by hand.
    Full,
    /// No: a power cut may undo a claim or a settlement, which means a re-run. The next full sync covers it too.
    Normal,
}

/// The connection that writes, and what it keeps in mind between transactions.
pub(super) struct Store {
    conn: Connection,
    sync: Sync,
    pub(super) keep: Keep,
    pub(super) lease_ms: i64,
    pub(super) rate: Option<Rate>,
    /// The time of the transaction under way.
    pub(super) now: i64,
    pub(super) tally: Tally,
    pub(super) owners: OwnerLook,
    /// What happened since the last transaction was told of.
    pub(super) stirred: Stirred,
}

impl Store {
    /// A store on an open, checked connection.
    pub(super) fn new(conn: Connection, path: &Path, lease_ms: i64, keep: Keep, rate: Option<Rate>) -> Result<Self> {
        conn.set_prepared_statement_cache_capacity(64);
        conn.execute_batch("PRAGMA synchronous = FULL")?;
        let owners = OwnerLook::new(path);
        let (tally, stirred) = (Tally::default(), Stirred::default());
        Ok(Store { conn, sync: Sync::Full, keep, lease_ms, rate, now: 0, tally, owners, stirred })
    }

    /// Runs `step` as one transaction at the time `now`. After an error nothing of it has happened.
    pub(super) fn transact<T>(&mut self, sync: Sync, now: i64, step: impl FnOnce(&mut Store) -> Result<T>) -> Result<T> {
        self.now = now;
        self.begin(sync)?;
        let done = step(self).and_then(|value| self.conn.execute_batch("COMMIT").map(|()| value));
        if done.is_err() {
            self.tally.forget();
            self.stirred = Stirred::default();
            // SQLite has rolled back by itself after some errors; if this fails too, the first error says why.
            if !self.conn.is_autocommit() {
                let _ = self.conn.execute_batch("ROLLBACK");
            }
        }
        done
    }

    /// `synchronous` cannot change inside a transaction: it is set before, and only when it differs.
    fn begin(&mut self, sync: Sync) -> Result<()> {
        if sync != self.sync {
            let pragma = if sync == Sync::Full { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            self.conn.execute_batch(pragma)?;
            self.sync = sync;
        }
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(|_| ())
    }

    /// A number that changes when another connection has changed the file.
    pub(super) fn data_version(&self) -> Result<i64> {
        self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
    }

    pub(super) fn run(&self, sql: &str, params: impl Params) -> Result<usize> {
        self.conn.prepare_cached(sql)?.execute(params)
    }

    /// The first column of the first row.
    pub(super) fn one<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<Option<T>> {
        self.conn.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()
    }

    /// The first column of all rows.
    pub(super) fn all<T: FromSql>(&self, sql: &str, params: impl Params) -> Result<Vec<T>> {
        self.conn.prepare_cached(sql)?.query_map(params, |row| row.get(0))?.collect()
    }

    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }
}
