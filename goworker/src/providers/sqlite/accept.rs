//! How jobs come in: an id is taken once, and the cursor of their source moves in the same step.

use rusqlite::Result;

use crate::job::{Job, JobId};
use crate::provider::Cursor;
use crate::queue::Enqueued;

use super::schema::NEVER;
use super::store::Store;
use super::unique::{Entrance, Key};

/// A job as the tables want it, prepared by the caller so that the one thread that writes does not spend time on it.
#[derive(Debug)]
pub(super) struct NewJob {
    id: JobId,
    job_type: String,
    prio: i64,
    start: Start,
    expires: Option<i64>,
    key: Option<Key>,
    body: String,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    Now,
    At(i64),
    After(i64),
}

impl From<&Job> for NewJob {
    fn from(job: &Job) -> Self {
        let start = match (job.run_at, job.delay) {
            (Some(at), _) => Start::At(at.as_millis()),
            (None, Some(delay)) => Start::After(i64::try_from(delay.get().as_millis()).unwrap_or(i64::MAX)),
            (None, None) => Start::Now,
        };
        NewJob {
            id: job.id.clone(),
            job_type: job.job_type.clone(),
            prio: job.priority.into(),
            start,
            expires: job.expires_at.map(|at| at.as_millis()),
            key: Key::of(job),
            body: job.to_json(),
        }
    }
}

impl NewJob {
    /// What it costs to store it, in rows of ordinary size.
    pub(super) fn weight(&self) -> usize {
        1 + self.body.len() / 4096
    }
}

/// The cursor was not where the caller believed. It stands here.
#[derive(Debug)]
pub(super) struct Moved(pub(super) Option<String>);

impl Store {
    /// Stores jobs and moves the cursor; does neither if the cursor stands elsewhere.
    pub(super) fn accept(&mut self, jobs: &[NewJob], cursor: Option<&Cursor>) -> Result<Result<Vec<Enqueued>, Moved>> {
        if let Some(cursor) = cursor {
            let at: Option<String> = self.one("SELECT at FROM cursor WHERE name = ?1", [&cursor.name])?;
            if at != cursor.from {
                return Ok(Err(Moved(at)));
            }
            self.run("INSERT OR REPLACE INTO cursor(name, at) VALUES(?1, ?2)", [&cursor.name, &cursor.to])?;
        }
        let mut replaced = Vec::new();
        let answers = jobs.iter().map(|job| self.accept_one(job, &mut replaced)).collect::<Result<_>>()?;
        self.put_finished("cancelled", replaced)?;
        Ok(Ok(answers))
    }

    /// Stores a job. The one that it replaces is taken out of its place, and added to `replaced`.
    fn accept_one(&mut self, job: &NewJob, replaced: &mut Vec<i64>) -> Result<Enqueued> {
        let mut answer = Enqueued::Created;
        let mut entrance = Entrance::default();
        if let Some(key) = &job.key {
            // An id that is known comes first: its own key is no reason to refuse it.
            if let Some(known) = self.known(job)? {
                return Ok(known);
            }
            match self.entrance(key)? {
                Ok(found) => entrance = found,
                Err(holder) => return Ok(Enqueued::Held(holder)),
            }
            if let Some((id, other, place)) = entrance.replaced.take() {
                self.leave(&other, &place)?;
                replaced.push(other.seq);
                answer = Enqueued::Replaced(id);
            }
        }
        // A time that has passed is no reason to overtake those that wait already.
        let due = match job.start {
            Start::Now => self.now,
            Start::At(at) => at.max(self.now),
            Start::After(delay) => self.now.saturating_add(delay),
        };
        let due = due.max(entrance.earliest.unwrap_or(due));
        let stands_at = if entrance.follows { NEVER } else { due };
        let created = self.run(
            "INSERT INTO job(id, type, prio, queued, due, expires, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(id) DO NOTHING",
            (job.id.as_str(), &job.job_type, job.prio, self.now, stands_at, job.expires, &job.body),
        )?;
        if created == 0 {
            return Ok(self.known(job)?.unwrap_or(Enqueued::Conflict));
        }
        let seq = self.conn().last_insert_rowid();
        if let Some(key) = &job.key {
            match entrance.follows {
                true => self.follow(key, seq, due)?,
                false => self.hold(key, seq, job.id.as_str(), self.now, entrance.earliest)?,
            }
        }
        self.put_expiring(seq, job.expires)?;
        if stands_at > self.now {
            self.put_scheduled(seq, &job.job_type, stands_at, job.prio, false)?;
        } else {
            self.put_ready(seq, &job.job_type, due, job.prio)?;
        }
        Ok(answer)
    }

    /// What is to be answered if the id is there already.
    fn known(&self, job: &NewJob) -> Result<Option<Enqueued>> {
        let same: Option<bool> = self.one("SELECT body = ?2 FROM job WHERE id = ?1", (job.id.as_str(), &job.body))?;
        Ok(same.map(|same| if same { Enqueued::Exists } else { Enqueued::Conflict }))
    }
}
