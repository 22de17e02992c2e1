//! What became of jobs that were handed out. Whoever lost the lease changes nothing; a batch that ends well as a whole
//! costs two rows, whatever its size.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Result;

use crate::job::{Job, JobId};
use crate::outcome::Settlement;
use crate::provider::{Renewal, Settled, Token};

use super::accept::NewJob;
use super::seqs::Seqs;
use super::store::Store;

/// A settlement as the tables want it, prepared by the caller.
#[derive(Debug)]
pub(super) struct End {
    token: i64,
    seq: i64,
    /// The attempt as JSON, where one is kept.
    attempt: Option<String>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Done { output: Option<String> },
    Retry { after: i64, charged: bool },
    Dead { failure: String, handlers: Vec<NewJob> },
    Cancelled,
    Release,
}

impl End {
    /// Prepares a settlement.
    ///
    /// # Errors
    /// When an attempt or a failure has no JSON form.
    pub(super) fn of(settled: &Settled) -> serde_json::Result<Self> {
        let kind = match &settled.settlement {
            Settlement::Done { output } => Kind::Done { output: output.json().map(str::to_owned) },
            Settlement::Retry { after, charged } => Kind::Retry { after: millis(*after), charged: *charged },
            Settlement::Dead { failure, handlers } => {
                let handlers = handlers.iter().map(|job: &Arc<Job>| NewJob::from(job.as_ref())).collect();
                Kind::Dead { failure: serde_json::to_string(failure)?, handlers }
            }
            Settlement::Cancelled => Kind::Cancelled,
            Settlement::Release => Kind::Release,
        };
        let kept = matches!(kind, Kind::Retry { charged: true, .. } | Kind::Dead { .. });
        let attempt = settled.attempt.as_ref().filter(|_| kept).map(serde_json::to_string).transpose()?;
        Ok(End { token: key(settled.token.0), seq: key(settled.handle), attempt, kind })
    }

    /// Whether jobs are accepted in the same step, which then has to be on the disk.
    pub(super) fn accepts(&self) -> bool {
        matches!(&self.kind, Kind::Dead { .. })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A number from outside as a key; one too large names nothing.
fn key(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

impl Store {
    /// Settles jobs; answers the positions of those whose lease is lost or that are settled already.
    pub(super) fn settle(&mut self, ends: &[End]) -> Result<Vec<usize>> {
        let mut by_token: Vec<(i64, Vec<usize>)> = Vec::new();
        let mut groups: HashMap<i64, usize> = HashMap::new();
        for (position, end) in ends.iter().enumerate() {
            let group = *groups.entry(end.token).or_insert_with(|| {
                by_token.push((end.token, Vec::new()));
                by_token.len() - 1
            });
            by_token[group].1.push(position);
        }
        let mut refused = Vec::new();
        for (token, positions) in by_token {
            self.settle_batch(token, ends, positions, &mut refused)?;
        }
        refused.sort_unstable();
        Ok(refused)
    }

    fn settle_batch(&mut self, token: i64, ends: &[End], positions: Vec<usize>, refused: &mut Vec<usize>) -> Result<()> {
        let Some(Seqs(mut seqs)) = self.one::<Seqs>("SELECT seqs FROM batch WHERE token = ?1", [token])? else {
            refused.extend(positions);
            return Ok(());
        };
        if self.is_whole(token, &seqs, ends, &positions)? {
            for end in positions.iter().map(|position| &ends[*position]) {
                self.keep_output(end)?;
            }
            self.put_finished("done", seqs)?;
            return self.close_batch(token);
        }
        seqs.sort_unstable();
        let mut done = Vec::new();
        let mut cancelled = Vec::new();
        for position in positions {
            let end = &ends[position];
            let member = seqs.binary_search(&end.seq).is_ok();
            if !member || self.run("INSERT OR IGNORE INTO part(token, seq) VALUES(?1, ?2)", [token, end.seq])? == 0 {
                refused.push(position);
                continue;
            }
            self.run("DELETE FROM progress WHERE seq = ?1", [end.seq])?;
            self.end(end, &mut done, &mut cancelled)?;
        }
        self.put_finished("done", done)?;
        self.put_finished("cancelled", cancelled)?;
        if self.one("SELECT count(*) FROM part WHERE token = ?1", [token])? == Some(seqs.len()) {
            self.close_batch(token)?;
        }
        Ok(())
    }

    /// Whether these settlements say of exactly the jobs of the batch, none settled before, that they are done.
    fn is_whole(&self, token: i64, seqs: &[i64], ends: &[End], positions: &[usize]) -> Result<bool> {
        let done = |position: &usize| matches!(ends[*position].kind, Kind::Done { .. });
        if positions.len() != seqs.len() || !positions.iter().all(done) {
            return Ok(false);
        }
        let settled: HashSet<i64> = positions.iter().map(|position| ends[*position].seq).collect();
        if settled.len() != seqs.len() || !seqs.iter().all(|seq| settled.contains(seq)) {
            return Ok(false);
        }
        Ok(self.one::<i64>("SELECT 1 FROM part WHERE token = ?1 LIMIT 1", [token])?.is_none())
    }

    fn end(&mut self, end: &End, done: &mut Vec<i64>, cancelled: &mut Vec<i64>) -> Result<()> {
        let asked = self.run("DELETE FROM cancel WHERE token = ?1 AND seq = ?2", [end.token, end.seq])? > 0;
        match &end.kind {
            Kind::Done { .. } => {
                self.keep_output(end)?;
                done.push(end.seq);
            }
            Kind::Dead { failure, handlers } => {
                self.charge(end, end.attempt.is_some())?;
                self.put_dead(end.seq, failure)?;
                // In the same step, so that no dead job goes unheard. A handler job that is there already is as good.
                self.accept(handlers, None)?.ok();
            }
            Kind::Cancelled => cancelled.push(end.seq),
            Kind::Retry { charged, .. } if asked => {
                self.charge(end, *charged)?;
                cancelled.push(end.seq);
            }
            Kind::Release if asked => cancelled.push(end.seq),
            Kind::Retry { after, charged } => {
                self.charge(end, *charged)?;
                self.put_retrying(end.seq, self.now.saturating_add(*after))?;
            }
            Kind::Release => self.put_back(end.seq)?,
        }
        Ok(())
    }

    fn keep_output(&self, end: &End) -> Result<()> {
        if let Kind::Done { output: Some(output) } = &end.kind {
            self.run("INSERT OR REPLACE INTO output(seq, output) VALUES(?1, ?2)", (end.seq, output))?;
        }
        Ok(())
    }

    fn charge(&self, end: &End, charged: bool) -> Result<()> {
        if charged {
            self.run("UPDATE job SET attempts = attempts + 1 WHERE seq = ?1", [end.seq])?;
        }
        if let Some(attempt) = &end.attempt {
            self.run(
                "INSERT INTO attempt(seq, n, attempt) SELECT ?1, coalesce(max(n), 0) + 1, ?2 FROM attempt WHERE seq = ?1",
                (end.seq, attempt),
            )?;
        }
        Ok(())
    }

    /// Ends a lease.
    pub(super) fn close_batch(&self, token: i64) -> Result<()> {
        self.run("DELETE FROM part WHERE token = ?1", [token])?;
        self.run("DELETE FROM cancel WHERE token = ?1", [token])?;
        self.run("DELETE FROM progress WHERE token = ?1", [token])?;
        self.run("DELETE FROM batch WHERE token = ?1", [token])?;
        Ok(())
    }

    /// Notes how far a job is, if it runs under this lease.
    pub(super) fn note_progress(&self, token: Token, handle: u64, progress: &str) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO progress(seq, token, progress) SELECT ?2, ?1, ?3
                   WHERE EXISTS (SELECT 1 FROM batch b, json_each(b.seqs) WHERE b.token = ?1 AND value = ?2)
                     AND NOT EXISTS (SELECT 1 FROM part WHERE token = ?1 AND seq = ?2)";
        self.run(sql, (key(token.0), key(handle), progress))?;
        Ok(())
    }

    /// Extends leases; answers which are lost, and whose jobs shall be cancelled.
    pub(super) fn renew(&self, tokens: &[Token]) -> Result<Renewal> {
        let mut renewal = Renewal::default();
        let until = self.now.saturating_add(self.lease_ms);
        for token in tokens {
            if self.run("UPDATE batch SET until = ?2 WHERE token = ?1", [key(token.0), until])? == 0 {
                renewal.lost.push(*token);
                continue;
            }
            let asked = self.all::<String>("SELECT id FROM cancel JOIN job USING(seq) WHERE token = ?1", [key(token.0)])?;
            renewal.cancelled.extend(asked.iter().filter_map(|id| id.parse::<JobId>().ok()));
        }
        Ok(renewal)
    }
}
