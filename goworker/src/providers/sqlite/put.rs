//! How a job comes to its place.

use rusqlite::{OptionalExtension, Params, Result, Row};

use super::place::score;
use super::seqs::Seqs;
use super::store::Store;
use super::unique::Windows;

/// What of a job tells where to put it.
struct Waiting {
    job_type: String,
    prio: i64,
    due: i64,
}

impl Store {
    /// Puts a job among the ready ones, at the place that its due time and priority give it.
    pub(super) fn put_ready(&mut self, seq: i64, job_type: &str, due: i64, prio: i64) -> Result<()> {
        self.run("INSERT INTO ready(type, score, seq, prio) VALUES(?1, ?2, ?3, ?4)", (job_type, score(due, prio), seq, prio))?;
        self.stirred.add_type(job_type);
        Ok(())
    }

    /// Puts a job among those that wait for their time. Who waits for jobs may have to wake earlier.
    pub(super) fn put_scheduled(&mut self, seq: i64, job_type: &str, due: i64, prio: i64, retrying: bool) -> Result<()> {
        self.run("INSERT INTO scheduled(due, seq, type, prio, retrying) VALUES(?1, ?2, ?3, ?4, ?5)", (due, seq, job_type, prio, retrying))?;
        self.stirred.add_type(job_type);
        Ok(())
    }

    /// Remembers when a waiting job will be too late to be started.
    pub(super) fn put_expiring(&self, seq: i64, expires: Option<i64>) -> Result<()> {
        if let Some(at) = expires {
            self.run("INSERT OR IGNORE INTO expiring(at, seq) VALUES(?1, ?2)", [at, seq])?;
        }
        Ok(())
    }

    /// Puts a job back to where it stood when it was taken. It is ready, even if the clock was set back since.
    pub(super) fn put_back(&mut self, seq: i64) -> Result<()> {
        let Some(job) = self.waiting(seq, "SELECT type, prio, due, expires FROM job WHERE seq = ?1", [seq])? else { return Ok(()) };
        self.put_ready(seq, &job.job_type, job.due, job.prio)
    }

    /// Puts a job among those that wait to be tried again, or among the ready ones if its time has come.
    pub(super) fn put_retrying(&mut self, seq: i64, due: i64) -> Result<()> {
        let sql = "UPDATE job SET due = ?2 WHERE seq = ?1 RETURNING type, prio, due, expires";
        let Some(Waiting { job_type, prio, due }) = self.waiting(seq, sql, [seq, due])? else { return Ok(()) };
        if due > self.now { self.put_scheduled(seq, &job_type, due, prio, true) } else { self.put_ready(seq, &job_type, due, prio) }
    }

    /// What of a job that waits again tells where to put it. It may expire again.
    fn waiting(&self, seq: i64, sql: &str, params: impl Params) -> Result<Option<Waiting>> {
        let row = |row: &Row<'_>| Ok((Waiting { job_type: row.get(0)?, prio: row.get(1)?, due: row.get(2)? }, row.get(3)?));
        let Some((waiting, expires)) = self.conn().prepare_cached(sql)?.query_row(params, row).optional()? else {
            tracing::warn!(seq, "a job that was running has been deleted with other tools");
            return Ok(None);
        };
        self.put_expiring(seq, expires)?;
        Ok(Some(waiting))
    }

    /// Puts a job among the dead letters.
    pub(super) fn put_dead(&mut self, seq: i64, failure: &str) -> Result<()> {
        self.tally.add_dead(1);
        self.stirred.ended.push(seq);
        self.run("INSERT INTO dead(seq, type, at, failure) SELECT seq, type, ?2, ?3 FROM job WHERE seq = ?1", (seq, self.now, failure))?;
        self.pass_keys_on(&Seqs(vec![seq]), Windows::Last)
    }

    /// Notes jobs that ended together: done, cancelled or expired.
    pub(super) fn put_finished(&mut self, state: &str, seqs: Vec<i64>) -> Result<()> {
        if seqs.is_empty() {
            return Ok(());
        }
        self.tally.add_done(seqs.len());
        self.stirred.ended.extend_from_slice(&seqs);
        let seqs = Seqs(seqs);
        let (lowest, highest) = seqs.span();
        self.run(
            "INSERT INTO finished(state, at, count, lowest, highest, seqs) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            (state, self.now, seqs.0.len(), lowest, highest, &seqs),
        )?;
        self.pass_keys_on(&seqs, Windows::Last)
    }
}
