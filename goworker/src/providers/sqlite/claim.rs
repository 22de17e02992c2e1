//! How jobs go out: the first ones of each type that is asked for, all under one new lease.

use std::collections::BTreeMap;

use rusqlite::Result;

use crate::provider::Demand;

use super::pause::paused;
use super::store::Store;

/// The most jobs of one lease, so that the step which takes them, and the one which settles them, stay short.
const MAX_CLAIM: usize = 1_000;
/// The most jobs found expired in one step.
const MAX_EXPIRED: usize = 2_000;

/// What a fetch took.
#[derive(Debug, Default)]
pub(super) struct Claim {
    pub(super) token: i64,
    pub(super) jobs: Vec<Claimed>,
}

/// A job that was taken, as it is stored.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) seq: i64,
    pub(super) body: String,
    pub(super) crashes: u32,
    /// Charged attempts as JSON, in order.
    pub(super) attempts: Vec<String>,
    /// How many were charged before it was retried by hand.
    pub(super) earlier: u32,
}

/// A ready job on its way out.
struct Candidate {
    job: Claimed,
    score: i64,
    expires: Option<i64>,
    tried: bool,
}

impl Store {
    /// Takes ready jobs for `owner`. What should have started before now ends as expired instead.
    pub(super) fn claim(&mut self, demand: &Demand, owner: i64) -> Result<Claim> {
        let mut jobs = Vec::new();
        let mut expired = Vec::new();
        let allowed = self.open_rate()?;
        for (job_type, slots) in self.shares(demand, allowed)? {
            let room = slots.min(MAX_CLAIM - jobs.len());
            self.take_type(&job_type, room, &mut jobs, &mut expired)?;
        }
        self.put_finished("expired", expired)?;
        self.note_started(jobs.len())?;
        if jobs.is_empty() {
            return Ok(Claim::default());
        }
        let seqs = super::seqs::Seqs(jobs.iter().map(|job: &Claimed| job.seq).collect());
        let until = self.now.saturating_add(self.lease_ms);
        self.run("INSERT INTO batch(owner, until, count, seqs) VALUES(?1, ?2, ?3, ?4)", (owner, until, jobs.len(), &seqs))?;
        Ok(Claim { token: self.conn().last_insert_rowid(), jobs })
    }

    /// Whether a job of one of these types is ready to be handed out; of any type, if `None`.
    pub(super) fn has_ready(&self, types: Option<&[String]>) -> Result<bool> {
        let paused = paused(self.conn())?;
        let Some(types) = types else { return Ok(self.ready_types()?.iter().any(|job_type| !paused.holds(job_type))) };
        for job_type in types.iter().filter(|job_type| !paused.holds(job_type)) {
            if self.one::<i64>("SELECT 1 FROM ready WHERE type = ?1 LIMIT 1", [job_type])?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many of which type to take, `most` in all: none of what is paused.
    fn shares(&self, demand: &Demand, most: usize) -> Result<Vec<(String, usize)>> {
        let paused = paused(self.conn())?;
        let offered = |types: Vec<(String, usize)>| types.into_iter().filter(|(job_type, _)| !paused.holds(job_type)).collect::<Vec<_>>();
        match demand {
            Demand::ByType(types) => {
                let types = offered(types.iter().map(|(job_type, slots)| (job_type.to_string(), *slots)).collect());
                if demand.total() <= most { Ok(types) } else { self.first_shares(types, most.min(MAX_CLAIM)) }
            }
            Demand::Any(slots) => {
                let most = (*slots).min(most).min(MAX_CLAIM);
                self.first_shares(offered(self.ready_types()?.into_iter().map(|job_type| (job_type, most)).collect()), most)
            }
        }
    }

    /// The first `most` jobs of these types together, counted by type, and no more of each than is said.
    fn first_shares(&self, types: Vec<(String, usize)>, most: usize) -> Result<Vec<(String, usize)>> {
        let mut first = Vec::new();
        for (job_type, slots) in types {
            let sql = "SELECT score, seq FROM ready WHERE type = ?1 ORDER BY score, seq LIMIT ?2";
            let mut select = self.conn().prepare_cached(sql)?;
            let mut rows = select.query((&job_type, slots.min(most)))?;
            while let Some(row) = rows.next()? {
                first.push((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, job_type.clone()));
            }
        }
        first.sort_unstable();
        let mut shares = BTreeMap::new();
        for (_, _, job_type) in first.into_iter().take(most) {
            *shares.entry(job_type).or_insert(0) += 1;
        }
        Ok(shares.into_iter().collect())
    }

    /// The types that have ready jobs: one look-up each, however many jobs there are.
    fn ready_types(&self) -> Result<Vec<String>> {
        self.all(
            "WITH RECURSIVE t(type) AS (SELECT min(type) FROM ready
               UNION ALL SELECT (SELECT min(type) FROM ready WHERE type > t.type) FROM t WHERE t.type IS NOT NULL)
             SELECT type FROM t WHERE type IS NOT NULL",
            [],
        )
    }

    fn take_type(&mut self, job_type: &str, slots: usize, jobs: &mut Vec<Claimed>, expired: &mut Vec<i64>) -> Result<()> {
        let mut room = slots;
        while room > 0 && expired.len() < MAX_EXPIRED {
            let candidates = self.first_ready(job_type, room)?;
            let is_last = candidates.len() < room;
            match candidates.last() {
                Some(last) if !is_last => {
                    let key = (job_type, last.score, last.job.seq);
                    self.run("DELETE FROM ready WHERE type = ?1 AND (score, seq) <= (?2, ?3)", key)?
                }
                // All of them: also what names a job that someone has deleted with other tools.
                _ => self.run("DELETE FROM ready WHERE type = ?1", [job_type])?,
            };
            for mut candidate in candidates {
                if candidate.expires.is_some_and(|at| at < self.now) {
                    expired.push(candidate.job.seq);
                    continue;
                }
                if candidate.tried {
                    candidate.job.attempts = self.attempts(candidate.job.seq, candidate.job.earlier)?;
                }
                jobs.push(candidate.job);
                room -= 1;
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    fn first_ready(&self, job_type: &str, limit: usize) -> Result<Vec<Candidate>> {
        let sql = "SELECT r.seq, r.score, j.expires, j.attempts > 0, j.earlier, j.crashes, j.body
                   FROM ready r JOIN job j ON j.seq = r.seq WHERE r.type = ?1 ORDER BY r.score, r.seq LIMIT ?2";
        let mut select = self.conn().prepare_cached(sql)?;
        let rows = select.query_map((job_type, limit), |row| {
            let job = Claimed { seq: row.get(0)?, body: row.get(6)?, crashes: row.get(5)?, attempts: Vec::new(), earlier: row.get(4)? };
            Ok(Candidate { job, score: row.get(1)?, expires: row.get(2)?, tried: row.get(3)? })
        })?;
        rows.collect()
    }

    /// The charged attempts of a job as JSON, but for those from before it was retried by hand.
    fn attempts(&self, seq: i64, earlier: u32) -> Result<Vec<String>> {
        self.all("SELECT attempt FROM attempt WHERE seq = ?1 AND n > ?2 ORDER BY n", (seq, earlier))
    }
}
