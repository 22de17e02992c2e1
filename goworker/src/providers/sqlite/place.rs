//! Where a job stands, found by key.

use rusqlite::{Connection, OptionalExtension, Params, Result, Row};

use crate::queue::State;

use super::schema::PRIORITY_STEP_MS;

/// What of a job tells where to look for it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) seq: i64,
    pub(super) job_type: String,
    pub(super) due: i64,
    pub(super) prio: i64,
    pub(super) expires: Option<i64>,
}

impl Known {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Known { seq: row.get(0)?, job_type: row.get(1)?, due: row.get(2)?, prio: row.get(3)?, expires: row.get(4)? })
    }
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Ready,
    Scheduled,
    Running {
        token: i64,
        until: i64,
    },
    Finished {
        n: i64,
        state: State,
        at: i64,
    },
    Dead {
        at: i64,
    },
    /// Nowhere: the file was changed by someone else.
    Lost,
}

impl Place {
    /// The state that the place means.
    pub(super) fn state(&self) -> State {
        match self {
            // Such a job is made ready as soon as it is found.
            Place::Ready | Place::Lost => State::Ready,
            Place::Scheduled => State::Scheduled,
            Place::Running { .. } => State::Running,
            Place::Finished { state, .. } => *state,
            Place::Dead { .. } => State::Dead,
        }
    }
}

/// Where a ready job stands among those of its type: smaller is earlier.
pub(super) const fn score(due: i64, prio: i64) -> i64 {
    due.saturating_sub(prio.saturating_mul(PRIORITY_STEP_MS))
}

/// The job with an id.
pub(super) fn find(conn: &Connection, id: &str) -> Result<Option<Known>> {
    first(conn, "SELECT seq, type, due, prio, expires FROM job WHERE id = ?1", [id], Known::read)
}

/// The job with a number.
pub(super) fn by_seq(conn: &Connection, seq: i64) -> Result<Option<Known>> {
    first(conn, "SELECT seq, type, due, prio, expires FROM job WHERE seq = ?1", [seq], Known::read)
}

/// Where a job waits, if it does.
pub(super) fn locate_waiting(conn: &Connection, job: &Known) -> Result<Option<Place>> {
    let ready = "SELECT 1 FROM ready WHERE type = ?1 AND score = ?2 AND seq = ?3";
    if first::<i64>(conn, ready, (&job.job_type, score(job.due, job.prio), job.seq), |row| row.get(0))?.is_some() {
        return Ok(Some(Place::Ready));
    }
    let scheduled = "SELECT 1 FROM scheduled WHERE due = ?1 AND seq = ?2";
    Ok(first::<i64>(conn, scheduled, [job.due, job.seq], |row| row.get(0))?.map(|_| Place::Scheduled))
}

/// Where a job stands that has not ended, without a look at those that have: these may be many.
pub(super) fn locate_open(conn: &Connection, job: &Known) -> Result<Option<Place>> {
    match locate_waiting(conn, job)? {
        Some(waiting) => Ok(Some(waiting)),
        None => locate_running(conn, job),
    }
}

/// Under which lease a job runs, if it does.
fn locate_running(conn: &Connection, job: &Known) -> Result<Option<Place>> {
    let running = "SELECT token, until FROM batch b WHERE EXISTS (SELECT 1 FROM json_each(b.seqs) WHERE value = ?1)
                   AND NOT EXISTS (SELECT 1 FROM part p WHERE p.token = b.token AND p.seq = ?1)";
    first(conn, running, [job.seq], |row| Ok(Place::Running { token: row.get(0)?, until: row.get(1)? }))
}

/// Where a job stands. Look-ups by key, but for running and finished ones: these read the lists whose span has room for it.
pub(super) fn locate(conn: &Connection, job: &Known) -> Result<Place> {
    if let Some(waiting) = locate_waiting(conn, job)? {
        return Ok(waiting);
    }
    if let Some(at) = first(conn, "SELECT at FROM dead WHERE seq = ?1", [job.seq], |row| row.get(0))? {
        return Ok(Place::Dead { at });
    }
    if let Some(running) = locate_running(conn, job)? {
        return Ok(running);
    }
    let finished = "SELECT n, state, at FROM finished f WHERE ?1 BETWEEN lowest AND highest
                    AND EXISTS (SELECT 1 FROM json_each(f.seqs) WHERE value = ?1)";
    let entry = |row: &Row<'_>| Ok(Place::Finished { n: row.get(0)?, state: state(row.get_ref(1)?.as_str()?), at: row.get(2)? });
    Ok(first(conn, finished, [job.seq], entry)?.unwrap_or(Place::Lost))
}

/// Jobs that stand nowhere, so that nobody would ever run them. The transitions leave none; other tools might.
pub(super) fn lost(conn: &Connection) -> Result<Vec<i64>> {
    let sql = "SELECT seq FROM job j
               WHERE NOT EXISTS (SELECT 1 FROM ready r WHERE r.type = j.type AND r.score = j.due - j.prio * ?1 AND r.seq = j.seq)
                 AND NOT EXISTS (SELECT 1 FROM scheduled s WHERE s.due = j.due AND s.seq = j.seq)
                 AND seq NOT IN (SELECT seq FROM place WHERE state NOT IN ('ready', 'scheduled'))
               LIMIT 1000";
    conn.prepare(sql)?.query_map([PRIORITY_STEP_MS], |row| row.get(0))?.collect()
}

/// A state as the tables spell it.
pub(super) fn state(name: &str) -> State {
    // Only our own words are in the column; a stranger's is shown as the plainest end.
    name.parse().unwrap_or(State::Done)
}

fn first<T>(conn: &Connection, sql: &str, params: impl Params, row: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
    conn.prepare_cached(sql)?.query_row(params, row).optional()
}
