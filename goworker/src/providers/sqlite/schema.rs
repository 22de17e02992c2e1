//! The tables: where the id of a job stands is its state.
//!
//! A `job` row is written once and changed only when something goes wrong. A lease is one `batch` row over all jobs of
//! a fetch, and a batch that ends well becomes one `finished` row: so a job that succeeds costs hardly more than its
//! own two inserts. Every job is named in exactly one of `ready`, `scheduled`, `batch` (less `part`), `finished`, `dead`.
//!
//! Keys are derived from `job`, so that any job is found in its place by key: in `scheduled` it stands under `due`, in
//! `ready` under the score `due - prio * 60000`.

use rusqlite::{Connection, Result, TransactionBehavior};

/// Marks a file as one of goworker's, in the header of the database: "gowk".
pub(super) const APPLICATION_ID: i32 = 0x676f_776b;

/// By how much one step of priority shifts a job in its queue: as if it had been due a minute earlier.
pub(super) const PRIORITY_STEP_MS: i64 = 60_000;

/// When a job is due that waits for the end of another one: never. Exact in JSON, too.
pub(super) const NEVER: i64 = (1 << 53) - 1;

/// What leads from each version of the schema to the next. `user_version` tells how many of them a file has seen.
///
/// A step that was released is never changed: new ones are appended.
pub(super) const STEPS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7];

const VERSION_1: &str = "
CREATE TABLE job(                       -- every job that is known
  seq INTEGER PRIMARY KEY AUTOINCREMENT, -- grows with acceptance; never returns
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  prio INTEGER NOT NULL,
  queued INTEGER NOT NULL,              -- when it was accepted; all times are milliseconds since 1970
  due INTEGER NOT NULL,                 -- when it may start, or might have
  expires INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,  -- that failed and were charged, since it was accepted or retried by hand
  earlier INTEGER NOT NULL DEFAULT 0,   -- attempts from before it was retried by hand
  crashes INTEGER NOT NULL DEFAULT 0,
  body TEXT NOT NULL                    -- the job as JSON
) STRICT;
CREATE TABLE ready(
  type TEXT NOT NULL, score INTEGER NOT NULL, seq INTEGER NOT NULL, prio INTEGER NOT NULL,
  PRIMARY KEY(type, score, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE scheduled(
  due INTEGER NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, prio INTEGER NOT NULL,
  retrying INTEGER NOT NULL,            -- 1: waits for another attempt
  PRIMARY KEY(due, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE expiring(                  -- waiting jobs that are not to be started later than that, and some that wait no more
  at INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(at, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE owner(                     -- processes that hold leases; each also holds a lock on its own file
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  nonce TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL, since INTEGER NOT NULL
) STRICT;
CREATE TABLE batch(                     -- leases: the jobs of one fetch
  token INTEGER PRIMARY KEY AUTOINCREMENT, -- AUTOINCREMENT: a token never returns
  owner INTEGER NOT NULL,
  until INTEGER NOT NULL,
  count INTEGER NOT NULL,
  seqs TEXT NOT NULL
) STRICT;
CREATE INDEX batch_until ON batch(until);
CREATE TABLE part(                      -- jobs of a batch that have been settled before the others
  token INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(token, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE cancel(                    -- asked of a running job
  token INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(token, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE finished(                  -- jobs that ended together: done, cancelled or expired
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  state TEXT NOT NULL,
  at INTEGER NOT NULL,
  count INTEGER NOT NULL,
  lowest INTEGER NOT NULL, highest INTEGER NOT NULL, -- of seqs, so that a look-up skips what cannot match
  seqs TEXT NOT NULL
) STRICT;
CREATE TABLE dead(
  seq INTEGER PRIMARY KEY,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  failure TEXT NOT NULL
) STRICT;
CREATE INDEX dead_at ON dead(at);
CREATE TABLE output(seq INTEGER PRIMARY KEY, output TEXT NOT NULL) STRICT;
CREATE TABLE attempt(                   -- attempts that failed, as JSON
  seq INTEGER NOT NULL, n INTEGER NOT NULL, attempt TEXT NOT NULL,
  PRIMARY KEY(seq, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE cursor(name TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE VIEW place AS                    -- where each job stands
  SELECT seq, type, 'ready' AS state, NULL AS at FROM ready
  UNION ALL SELECT seq, type, 'scheduled', due FROM scheduled
  UNION ALL SELECT seq, type, 'dead', at FROM dead
  UNION ALL SELECT j.seq, j.type, 'running', b.until FROM batch b, json_each(b.seqs) e CROSS JOIN job j ON j.seq = e.value
    WHERE NOT EXISTS (SELECT 1 FROM part p WHERE p.token = b.token AND p.seq = e.value)
  UNION ALL SELECT j.seq, j.type, f.state, f.at FROM finished f, json_each(f.seqs) e CROSS JOIN job j ON j.seq = e.value;
CREATE VIEW jobs AS                     -- for people with standard tools: one row per job
  SELECT j.id, j.type, p.state, j.attempts + (p.state = 'done') AS attempts, j.crashes,
    strftime('%Y-%m-%dT%H:%M:%fZ', j.queued / 1000.0, 'unixepoch') AS enqueued_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', p.at / 1000.0, 'unixepoch') AS state_at, -- due, leased until, or ended
    o.output, d.failure, j.body AS job
  FROM place p JOIN job j USING(seq) LEFT JOIN output o USING(seq) LEFT JOIN dead d USING(seq);
";

const VERSION_2: &str = "
CREATE TABLE unique_key(                -- who took a key last; whether it still holds it follows from its place
  key TEXT PRIMARY KEY,
  seq INTEGER,                          -- NULL: the job is forgotten, and only its window lasts
  id TEXT NOT NULL,
  until INTEGER                         -- held until then, even if the job has ended
) STRICT, WITHOUT ROWID;
CREATE INDEX unique_key_seq ON unique_key(seq);
CREATE INDEX unique_key_left ON unique_key(until) WHERE seq IS NULL;
";

const VERSION_3: &str = "
CREATE TABLE paused(type TEXT) STRICT;  -- types that are not handed out; NULL: none is
";

const VERSION_4: &str = "
CREATE TABLE progress(                  -- how far running jobs are
  seq INTEGER PRIMARY KEY,
  token INTEGER NOT NULL,
  progress TEXT NOT NULL                -- as JSON
) STRICT;
CREATE INDEX progress_token ON progress(token);
";

const VERSION_5: &str = "
CREATE TABLE death(                     -- the last processes that died on a job
  seq INTEGER NOT NULL, n INTEGER NOT NULL,
  at INTEGER NOT NULL,                  -- when that was noticed
  host TEXT NOT NULL, pid INTEGER NOT NULL, nonce TEXT NOT NULL,
  PRIMARY KEY(seq, n)
) STRICT, WITHOUT ROWID;
ALTER TABLE owner ADD COLUMN info TEXT;                       -- what it tells of itself, as JSON; NULL: it never did
ALTER TABLE owner ADD COLUMN seen INTEGER NOT NULL DEFAULT 0; -- when it told last
ALTER TABLE owner ADD COLUMN gone INTEGER NOT NULL DEFAULT 0; -- 1: it holds nothing any more, and is listed for a while
";

const VERSION_6: &str = "
ALTER TABLE unique_key ADD COLUMN earliest INTEGER;   -- when the window of the holder before was over: who takes its place starts no earlier
ALTER TABLE unique_key ADD COLUMN next INTEGER;       -- the job that waits for the end of the holder; it is scheduled for no time
ALTER TABLE unique_key ADD COLUMN next_due INTEGER;   -- when that one may start, as it was accepted
ALTER TABLE unique_key ADD COLUMN next_until INTEGER; -- until when it will hold the key even if it has ended
CREATE INDEX unique_key_next ON unique_key(next) WHERE next IS NOT NULL;
";

const VERSION_7: &str = "
CREATE TABLE started(                   -- how many jobs have started lately, if there is a rate
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,                -- so near to the first that they count as started together, then
  jobs INTEGER NOT NULL
) STRICT;
";

/// Which version of the schema a file has, if it is one of ours.
pub(super) fn version(conn: &Connection) -> Result<usize> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a file to the newest version, in one transaction; does nothing if it is there already.
pub(super) fn migrate(conn: &mut Connection, steps: &[&str]) -> Result<()> {
    if version(conn)? == steps.len() {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again under the lock: another process may have been faster.
    for step in steps.iter().skip(version(&tx)?) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", steps.len())?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::providers::sqlite::processes;

    #[test]
    fn an_older_file_is_brought_to_the_newest_schema() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &[VERSION_1]).unwrap();
        conn.execute_batch("INSERT INTO job(id, type, prio, queued, due, body) VALUES('a', 'x', 0, 1, 1, '{}')").unwrap();
        let steps = [VERSION_1, "ALTER TABLE job ADD COLUMN colour TEXT", "UPDATE job SET colour = 'red'"];
        migrate(&mut conn, &steps).unwrap();
        migrate(&mut conn, &steps).unwrap();
        let colour: String = conn.query_row("SELECT colour FROM job WHERE id = 'a'", [], |row| row.get(0)).unwrap();
        assert_eq!((version(&conn).unwrap(), colour.as_str()), (3, "red"));
    }

    #[test]
    fn a_file_from_before_pauses_has_none() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &[VERSION_1, VERSION_2]).unwrap();
        migrate(&mut conn, STEPS).unwrap();
        assert!(crate::providers::sqlite::pause::paused(&conn).unwrap().is_empty());
        conn.execute_batch("INSERT INTO paused(type) VALUES(NULL), ('x')").unwrap();
        assert!(crate::providers::sqlite::pause::paused(&conn).unwrap().queue);
    }

    #[test]
    fn a_file_from_before_progress_was_noted_has_room_for_it() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &[VERSION_1, VERSION_2, VERSION_3]).unwrap();
        migrate(&mut conn, STEPS).unwrap();
        conn.execute_batch("INSERT INTO progress(seq, token, progress) VALUES(1, 1, '{}')").unwrap();
    }

    #[test]
    fn a_file_from_before_processes_were_noted_has_room_for_them() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &STEPS[..4]).unwrap();
        conn.execute_batch("INSERT INTO job(id, type, prio, queued, due, crashes, body) VALUES('a', 'x', 0, 1, 1, 2, '{}')").unwrap();
        conn.execute_batch("INSERT INTO owner(nonce, host, pid, since) VALUES('n', 'h', 1, 1)").unwrap();
        migrate(&mut conn, STEPS).unwrap();
        conn.execute_batch("INSERT INTO death(seq, n, at, host, pid, nonce) VALUES(1, 1, 1, 'h', 1, 'n')").unwrap();
        assert_eq!(processes::deaths(&conn, 1).unwrap().len(), 1);
        // One of an older program announces nothing.
        assert_eq!(processes::processes(&conn, "jobs.db".as_ref(), Timestamp::from_millis(1)).unwrap(), []);
    }

    #[test]
    fn a_file_from_before_jobs_could_follow_others_has_none_that_do() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &[VERSION_1, VERSION_2, VERSION_3, VERSION_4]).unwrap();
        conn.execute_batch("INSERT INTO unique_key(key, seq, id, until) VALUES('key:k', 1, 'a', 5)").unwrap();
        migrate(&mut conn, STEPS).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let key: (String, i64, Option<i64>) = conn.query_row("SELECT id, until, next FROM unique_key", [], row).unwrap();
        assert_eq!(key, ("a".into(), 5, None));
    }

    #[test]
    fn a_file_from_before_rates_has_started_nothing() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &STEPS[..STEPS.len() - 1]).unwrap();
        migrate(&mut conn, STEPS).unwrap();
        let started: i64 = conn.query_row("SELECT count(*) FROM started", [], |row| row.get(0)).unwrap();
        assert_eq!(started, 0);
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &[VERSION_1]).unwrap();
        migrate(&mut conn, &[VERSION_1, "ALTER TABLE job ADD COLUMN colour TEXT", "no SQL"]).unwrap_err();
        assert_eq!(version(&conn).unwrap(), 1);
        conn.execute_batch("SELECT colour FROM job").unwrap_err();
    }
}
