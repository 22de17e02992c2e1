//! Who holds which key of unique jobs, and who follows. Whether they still do follows from where they are: nothing is written when a job
//! ends that nobody follows.

use rusqlite::{OptionalExtension, Result, Row};

use crate::clock::Timestamp;
use crate::job::{Ids, Job, JobId, UniqueMode};

use super::place::{Known, Place, by_seq, locate_open};
use super::seqs::Seqs;
use super::store::Store;

/// The most windows forgotten in one step.
const MAX_SWEPT: usize = 1_000;

/// The key of a job, and for how many milliseconds it is held at least.
#[derive(Debug)]
pub(super) struct Key {
    text: String,
    window: Option<i64>,
    /// What happens if another job holds it.
    mode: UniqueMode,
}

impl Key {
    /// The key of a job that is to be unique.
    pub(super) fn of(job: &Job) -> Option<Self> {
        let window = job.unique_until(Timestamp::from_millis(0)).map(Timestamp::as_millis);
        Some(Key { text: job.unique_key()?, window, mode: job.unique_mode() })
    }
}

impl Key {
    /// Until when a job that was accepted at that time holds it even if it has ended.
    fn until(&self, accepted: i64) -> Option<i64> {
        self.window.map(|window| accepted.saturating_add(window))
    }
}

/// A job that holds a key.
#[derive(Debug)]
struct Holder {
    id: JobId,
    /// Where it waits or runs; nothing if only its window lasts.
    place: Option<(Known, Place)>,
    /// Until when it holds the key even if it has ended.
    until: Option<i64>,
    /// When the window of the one before it was over.
    earliest: Option<i64>,
    /// The job that waits for its end.
    next: Option<i64>,
}

/// How a job with a key comes in.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    /// The job that is cancelled for it.
    pub(super) replaced: Option<(JobId, Known, Place)>,
    /// It is not to start before.
    pub(super) earliest: Option<i64>,
    /// It waits for the end of the holder.
    pub(super) follows: bool,
}

/// Whether windows outlive their jobs: not those of jobs that are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Windows {
    Last,
    Over,
}

impl Store {
    /// Which job holds the key now, unless it is `own`.
    fn holder(&self, key: &Key, own: Option<i64>) -> Result<Option<Holder>> {
        let select = "SELECT seq, id, until, earliest, next FROM unique_key WHERE key = ?1";
        let row = |row: &Row<'_>| {
            let (until, earliest, next) = (row.get::<_, Option<i64>>(2)?, row.get(3)?, row.get(4)?);
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, String>(1)?, until, earliest, next))
        };
        let last = self.conn().prepare_cached(select)?.query_row([&key.text], row).optional()?;
        let Some((seq, id, until, earliest, next)) = last.filter(|(seq, ..)| own.is_none() || *seq != own) else { return Ok(None) };
        // Only ids are in the column; what a stranger wrote there holds nothing.
        let Ok(id) = id.parse() else { return Ok(None) };
        let place = self.open_place(seq)?;
        let lasts = until.is_some_and(|until| self.now < until);
        Ok((lasts || place.is_some()).then_some(Holder { id, place, until, earliest, next }))
    }

    /// How a new job with the key comes in. If it does not: the id of the holder.
    pub(super) fn entrance(&self, key: &Key) -> Result<Result<Entrance, JobId>> {
        let Some(Holder { id, place, until, earliest, next }) = self.holder(key, None)? else { return Ok(Ok(Entrance::default())) };
        if key.mode == UniqueMode::KeepLast
            && let Some(replaced) = self.waiting_next(next)?
        {
            return Ok(Ok(Entrance { replaced: Some(replaced), follows: true, ..Entrance::default() }));
        }
        Ok(match (key.mode, place) {
            (UniqueMode::Replace | UniqueMode::KeepLast, Some((known, place @ (Place::Ready | Place::Scheduled)))) => {
                Ok(Entrance { replaced: Some((id, known, place)), earliest, follows: false })
            }
            (UniqueMode::KeepLast, Some(_)) => Ok(Entrance { follows: true, ..Entrance::default() }),
            (UniqueMode::KeepLast, None) => Ok(Entrance { earliest: until, ..Entrance::default() }),
            (UniqueMode::Reject | UniqueMode::Replace, _) => Err(id),
        })
    }

    /// The job that waits for the end of a holder.
    fn waiting_next(&self, next: Option<i64>) -> Result<Option<(JobId, Known, Place)>> {
        let Some(job) = next.map(|next| by_seq(self.conn(), next)).transpose()?.flatten() else { return Ok(None) };
        let id: Option<String> = self.one("SELECT id FROM job WHERE seq = ?1", [job.seq])?;
        Ok(id.and_then(|id| id.parse().ok()).map(|id| (id, job, Place::Scheduled)))
    }

    /// Where a job waits or runs.
    fn open_place(&self, seq: Option<i64>) -> Result<Option<(Known, Place)>> {
        let Some(seq) = seq else { return Ok(None) };
        let Some(job) = by_seq(self.conn(), seq)? else { return Ok(None) };
        Ok(locate_open(self.conn(), &job)?.map(|place| (job, place)))
    }

    /// Gives the key to a job that was accepted at that time, and is not to start before `earliest`. Who follows goes on to wait.
    pub(super) fn hold(&self, key: &Key, seq: i64, id: &str, accepted: i64, earliest: Option<i64>) -> Result<()> {
        let until = key.until(accepted).max(earliest);
        let sql = "INSERT INTO unique_key(key, seq, id, until, earliest) VALUES(?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT(key) DO UPDATE SET seq = ?2, id = ?3, until = ?4, earliest = ?5";
        self.run(sql, (&key.text, seq, id, until, earliest))?;
        Ok(())
    }

    /// Lets a new job wait for the end of the holder.
    pub(super) fn follow(&self, key: &Key, seq: i64, due: i64) -> Result<()> {
        let sql = "UPDATE unique_key SET next = ?2, next_due = ?3, next_until = ?4 WHERE key = ?1";
        self.run(sql, (&key.text, seq, due, key.until(self.now)))?;
        Ok(())
    }

    /// Jobs have ended, or are deleted: those that waited for that take their keys.
    pub(super) fn pass_keys_on(&mut self, ended: &Seqs, windows: Windows) -> Result<()> {
        if self.one::<i64>("SELECT 1 FROM unique_key WHERE next IS NOT NULL LIMIT 1", [])?.is_none() {
            return Ok(());
        }
        self.run("UPDATE unique_key SET next = NULL WHERE next IN (SELECT value FROM json_each(?1))", [ended])?;
        let select =
            "SELECT key, next, next_due, until FROM unique_key WHERE next IS NOT NULL AND seq IN (SELECT value FROM json_each(?1))";
        let row =
            |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, Option<i64>>(3)?));
        let passed: Vec<_> = self.conn().prepare_cached(select)?.query_map([ended], row)?.collect::<Result<_>>()?;
        for (key, next, due, until) in passed {
            self.take_over(&key, next, due, until.filter(|until| windows == Windows::Last && *until > self.now))?;
        }
        Ok(())
    }

    fn take_over(&mut self, key: &str, next: i64, due: i64, earliest: Option<i64>) -> Result<()> {
        let Some(job) = by_seq(self.conn(), next)? else {
            tracing::warn!(seq = next, "a job that was to follow another one has been deleted with other tools");
            self.run("UPDATE unique_key SET next = NULL WHERE key = ?1", [key])?;
            return Ok(());
        };
        let take = "UPDATE unique_key SET seq = next, id = (SELECT id FROM job WHERE seq = next), earliest = ?2, next = NULL,
                      until = CASE WHEN next_until > ?2 OR ?2 IS NULL THEN next_until ELSE ?2 END
                    WHERE key = ?1";
        self.run(take, (key, earliest))?;
        self.leave(&job, &Place::Scheduled)?;
        let due = due.max(earliest.unwrap_or(self.now)).max(self.now);
        self.run("UPDATE job SET due = ?2 WHERE seq = ?1", [next, due])?;
        if due > self.now {
            self.put_scheduled(next, &job.job_type, due, job.prio, false)
        } else {
            self.put_ready(next, &job.job_type, due, job.prio)
        }
    }

    /// Gives a job that has ended its key anew; answers who else holds it.
    pub(super) fn hold_again(&self, seq: i64) -> Result<Option<JobId>> {
        // Few jobs are unique; the others are not read.
        let select = "SELECT id, queued, body FROM job WHERE seq = ?1 AND instr(body, '\"unique\":') > 0";
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found: Option<(String, i64, String)> = self.conn().prepare_cached(select)?.query_row([seq], row).optional()?;
        let Some((id, accepted, body)) = found else { return Ok(None) };
        // One that cannot be read says so when it is run.
        let Some(key) = Job::parse(body.as_bytes(), &Ids::system()).ok().and_then(|parsed| Key::of(&parsed.job)) else { return Ok(None) };
        let holder = self.holder(&key, Some(seq))?;
        if holder.is_none() {
            self.hold(&key, seq, &id, accepted, None)?;
        }
        Ok(holder.map(|holder| holder.id))
    }

    /// Takes their keys from jobs that are deleted.
    pub(super) fn free_keys(&self, seqs: &Seqs) -> Result<()> {
        self.run("DELETE FROM unique_key WHERE seq IN (SELECT value FROM json_each(?1))", [seqs])?;
        Ok(())
    }

    /// Forgets jobs that were kept long enough, but for their windows.
    pub(super) fn forget_keys(&self, seqs: &Seqs) -> Result<()> {
        let over = "DELETE FROM unique_key WHERE seq IN (SELECT value FROM json_each(?1)) AND (until IS NULL OR until <= ?2)";
        self.run(over, (seqs, self.now))?;
        self.run("UPDATE unique_key SET seq = NULL WHERE seq IN (SELECT value FROM json_each(?1))", [seqs])?;
        Ok(())
    }

    /// Forgets windows of forgotten jobs, as far as they are over.
    pub(super) fn sweep_keys(&self) -> Result<()> {
        let over = "DELETE FROM unique_key WHERE key IN (SELECT key FROM unique_key WHERE seq IS NULL AND until <= ?1 LIMIT ?2)";
        self.run(over, (self.now, MAX_SWEPT))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use rusqlite::Connection;

    use super::super::file::OpenFile;
    use super::super::schema::{STEPS, migrate};
    use super::*;
    use crate::clock::Clock;
    use crate::provider::{Bound, Keep, Setup};
    use crate::queue::Enqueued;

    fn unique(id: &str, more: &str) -> Arc<Job> {
        let text = format!(r#"{{"id":"{id}","type":"work","unique":{{{more}}}}}"#);
        Arc::new(Job::parse(text.as_bytes(), &Ids::system()).unwrap().job)
    }

    fn open(setup: &Setup) -> OpenFile {
        OpenFile::open(setup.base.join("jobs.db"), setup).unwrap().unwrap()
    }

    fn keys(folder: &Path) -> Vec<(String, Option<i64>)> {
        let conn = Connection::open(folder.join("jobs.db")).unwrap();
        let mut select = conn.prepare("SELECT key, seq FROM unique_key ORDER BY key").unwrap();
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_>>().unwrap()
    }

    #[tokio::test]
    async fn a_file_from_before_there_were_keys_is_taken_over_and_its_jobs_hold_none() {
        let folder = tempfile::tempdir().unwrap();
        let mut old = Connection::open(folder.path().join("jobs.db")).unwrap();
        migrate(&mut old, &STEPS[..1]).unwrap();
        let body = unique("old", "").to_json();
        old.execute("INSERT INTO job(id, type, prio, queued, due, body) VALUES('old', 'work', 0, 1, 1, ?1)", [&body]).unwrap();
        old.execute_batch("INSERT INTO ready(type, score, seq, prio) VALUES('work', 1, 1, 0)").unwrap();
        drop(old);
        let file = open(&Setup::new("jobs", folder.path()));
        let calls = [unique("old", ""), unique("a", ""), unique("b", "")];
        let answers = [Enqueued::Exists, Enqueued::Created, Enqueued::Held("a".parse().unwrap())];
        assert_eq!(file.enqueue(&calls, None).await.unwrap(), answers);
        file.close().await.unwrap();
    }

    #[tokio::test]
    async fn keys_go_with_their_jobs_and_windows_when_they_are_over() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep { done: Bound { age: Duration::from_secs(60), count: 100 }, ..Keep::default() };
        let clock = Clock::stopped_at(Timestamp::from_millis(1_000_000));
        let file = open(&Setup { keep, clock: clock.clone(), ..Setup::new("jobs", folder.path()) });
        let jobs = [unique("a", r#""key":"k""#), unique("b", r#""key":"l","window":"1h""#)];
        file.enqueue(&jobs, None).await.unwrap();
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
        file.change(super::super::change::Wish::Cancel, &ids).await.unwrap();
        assert_eq!(keys(folder.path()), [("key:k".into(), Some(1)), ("key:l".into(), Some(2))]);
        for (millis, left) in [(61_000, vec![("key:l".to_owned(), None)]), (3_600_000, vec![])] {
            clock.shift(millis);
            // Twice, because a step does only so much.
            file.step(|_| Ok(())).await.unwrap();
            file.step(|_| Ok(())).await.unwrap();
            assert_eq!(keys(folder.path()), left);
        }
        file.close().await.unwrap();
    }
}
