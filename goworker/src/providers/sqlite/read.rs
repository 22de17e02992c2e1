//! What people ask: lists, single jobs, numbers. On a connection of its own, so that no question delays the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result, Row};

use crate::clock::Timestamp;
use crate::job::{Ids, Job, JobId};
use crate::outcome::{Attempt, Failure, Output};
use crate::process::ProcessRecord;
use crate::progress::Progress;
use crate::provider::ProviderError;
use crate::queue::{Count, Filter, JobRecord, QueueStats, State};

use super::fault::unreadable;
use super::place::{self, Known, Place, find, locate};
use super::processes::{deaths, processes};
use super::{fault, open, pause, recover, schema};

/// When a job is due that waits for the end of another one.
const NEVER: Timestamp = Timestamp::from_millis(schema::NEVER);

/// The way to the read side of a file.
#[derive(Clone)]
pub(super) struct Reader {
    conn: Arc<Mutex<Option<Connection>>>,
    path: Arc<PathBuf>,
    ids: Ids,
}

impl Reader {
    /// Opens the read side; the write side has been opened before.
    pub(super) fn open(path: &Path, ids: Ids) -> Result<Self> {
        let conn = open::open_reader(path)?;
        Ok(Reader { conn: Arc::new(Mutex::new(Some(conn))), path: Arc::new(path.to_owned()), ids })
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Asks in one snapshot of the file, off the async threads.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection, &Ids) -> Result<T> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let reader = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut conn = reader.conn.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(conn) = conn.as_mut() else { return Err(fault::closed(&reader.path)) };
            let snapshot = conn.transaction().map_err(|error| fault::explain(&error, &reader.path))?;
            question(&snapshot, &reader.ids).map_err(|error| fault::explain(&error, &reader.path))
        });
        asked.await.map_err(ProviderError::failed)?
    }

    /// Whether time has brought about what the tables do not show yet.
    pub(super) async fn is_behind(&self, now: Timestamp) -> Result<bool, ProviderError> {
        self.ask(move |conn, _| recover::is_behind(conn, now.as_millis())).await
    }

    /// Jobs that stand nowhere.
    pub(super) async fn lost(&self) -> Result<Vec<i64>, ProviderError> {
        self.ask(|conn, _| place::lost(conn)).await
    }

    pub(super) async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        let name = name.to_owned();
        let select = "SELECT at FROM cursor WHERE name = ?1";
        self.ask(move |conn, _| conn.prepare_cached(select)?.query_row([name], |row| row.get(0)).optional()).await
    }

    /// What of a job tells where to look for it.
    pub(super) async fn find(&self, id: &JobId) -> Result<Option<Known>, ProviderError> {
        let id = id.clone();
        self.ask(move |conn, _| find(conn, id.as_str())).await
    }

    pub(super) async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        let id = id.clone();
        self.ask(move |conn, ids| {
            let Some(known) = find(conn, id.as_str())? else { return Ok(None) };
            let place = locate(conn, &known)?;
            let at = match place {
                Place::Ready | Place::Lost => None,
                Place::Scheduled => Some(known.due),
                Place::Running { until, .. } => Some(until),
                Place::Finished { at, .. } | Place::Dead { at } => Some(at),
            };
            let mut record = record(conn, ids, known.seq, place.state(), at)?;
            record.attempts = attempts(conn, known.seq)?;
            record.deaths = deaths(conn, known.seq)?;
            Ok(Some(record))
        })
        .await
    }

    pub(super) async fn processes(&self, now: Timestamp) -> Result<Vec<ProcessRecord>, ProviderError> {
        let path = Arc::clone(&self.path);
        self.ask(move |conn, _| processes(conn, &path, now)).await
    }

    pub(super) async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ProviderError> {
        let filter = filter.clone();
        self.ask(move |conn, ids| {
            let (sql, values) = places(&filter);
            let mut select = conn.prepare_cached(&sql)?;
            let mut rows = select.query(rusqlite::params_from_iter(values))?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                let state = place::state(row.get_ref(1)?.as_str()?);
                records.push(record(conn, ids, row.get(0)?, state, row.get(2)?)?);
            }
            Ok(records)
        })
        .await
    }

    pub(super) async fn stats(&self) -> Result<QueueStats, ProviderError> {
        self.ask(|conn, _| stats(conn)).await
    }
}

/// The places that a filter selects, newest first.
fn places(filter: &Filter) -> (String, Vec<Value>) {
    let mut sql = String::from("SELECT seq, state, at FROM place WHERE true");
    let mut values = Vec::new();
    if !filter.states.is_empty() {
        // Our own words, and constant, so that SQLite leaves out the tables that hold no such job.
        let names: Vec<String> = filter.states.iter().map(|state| format!("'{state}'")).collect();
        sql.push_str(&format!(" AND state IN ({})", names.join(", ")));
    }
    if let Some(job_type) = &filter.job_type {
        sql.push_str(" AND type = ?");
        values.push(Value::from(job_type.clone()));
    }
    sql.push_str(" ORDER BY seq DESC");
    if let Some(limit) = filter.limit {
        sql.push_str(" LIMIT ?");
        values.push(Value::from(i64::try_from(limit).unwrap_or(i64::MAX)));
    }
    (sql, values)
}

fn record(conn: &Connection, ids: &Ids, seq: i64, state: State, at: Option<i64>) -> Result<JobRecord> {
    let sql = "SELECT j.body, j.id, j.type, j.attempts, j.crashes, j.queued, o.output, d.failure,
                 (SELECT attempt FROM attempt a WHERE a.seq = j.seq ORDER BY n DESC LIMIT 1)
               FROM job j LEFT JOIN output o USING(seq) LEFT JOIN dead d USING(seq) WHERE j.seq = ?1";
    let at = at.map(Timestamp::from_millis);
    conn.prepare_cached(sql)?.query_row([seq], |row| {
        Ok(JobRecord {
            job: std::sync::Arc::new(job(row, ids)?),
            state,
            // The attempt that succeeded is not noted, because that would be one more write for each job.
            attempt: row.get::<_, u32>(3)?.saturating_add((state == State::Done).into()),
            crashes: row.get(4)?,
            enqueued_at: Timestamp::from_millis(row.get(5)?),
            due_at: at.filter(|due| state == State::Scheduled && *due != NEVER),
            follows: if at == Some(NEVER) { leader(conn, seq)? } else { None },
            leased_until: at.filter(|_| state == State::Running),
            progress: if state == State::Running { progress(conn, seq)? } else { None },
            ended_at: at.filter(|_| state.is_final()),
            output: row.get::<_, Option<String>>(6)?.map(Output::from_json).transpose().map_err(|e| unreadable(6, e))?.unwrap_or_default(),
            failure: failure(row)?,
            attempts: Vec::new(),
            deaths: Vec::new(),
        })
    })
}

/// The job whose end this one waits for.
fn leader(conn: &Connection, seq: i64) -> Result<Option<JobId>> {
    let id: Option<String> =
        conn.prepare_cached("SELECT id FROM unique_key WHERE next = ?1")?.query_row([seq], |row| row.get(0)).optional()?;
    id.map(|id| id.parse().map_err(|error: String| unreadable(0, error))).transpose()
}

/// How far a running job is.
fn progress(conn: &Connection, seq: i64) -> Result<Option<Progress>> {
    let mut select = conn.prepare_cached("SELECT progress FROM progress WHERE seq = ?1")?;
    let told = select.query_row([seq], |row| serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(|error| unreadable(0, error)));
    told.optional()
}

/// The job as it was accepted. One that cannot be read any more is still listed, by what the table knows.
fn job(row: &Row<'_>, ids: &Ids) -> Result<Job> {
    if let Ok(parsed) = Job::parse(row.get_ref(0)?.as_bytes()?, ids) {
        return Ok(parsed.job);
    }
    let id: String = row.get(1)?;
    let id = id.parse().map_err(|error: String| unreadable(1, error))?;
    Ok(Job::new(id, row.get::<_, String>(2)?))
}

/// Why the job failed last: what it died of, or the failure of its last attempt.
fn failure(row: &Row<'_>) -> Result<Option<Failure>> {
    if let Some(failure) = row.get::<_, Option<String>>(7)? {
        return serde_json::from_str(&failure).map(Some).map_err(|e| unreadable(7, e));
    }
    let attempt: Option<Attempt> =
        row.get::<_, Option<String>>(8)?.map(|json| serde_json::from_str(&json)).transpose().map_err(|e| unreadable(8, e))?;
    Ok(attempt.and_then(|attempt| attempt.failure))
}

fn attempts(conn: &Connection, seq: i64) -> Result<Vec<Attempt>> {
    let mut select = conn.prepare_cached("SELECT attempt FROM attempt WHERE seq = ?1 ORDER BY n")?;
    let rows = select.query_map([seq], |row| serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(|error| unreadable(0, error)))?;
    rows.collect()
}

/// Counts by reading the narrow tables only, never the jobs themselves, but for the few that run or have ended.
fn stats(conn: &Connection) -> Result<QueueStats> {
    let mut counts = Vec::new();
    let mut oldest_ready = None;
    let mut ready = conn.prepare_cached("SELECT type, count(*), min(score + prio * 60000) FROM ready GROUP BY type")?;
    let mut rows = ready.query([])?;
    while let Some(row) = rows.next()? {
        counts.push(Count { job_type: row.get(0)?, state: State::Ready, retrying: false, jobs: row.get(1)? });
        let oldest = Timestamp::from_millis(row.get(2)?);
        oldest_ready = Some(oldest_ready.map_or(oldest, |known: Timestamp| known.min(oldest)));
    }
    let rest = "SELECT type, 'scheduled', retrying, count(*) FROM scheduled GROUP BY 1, 3
                UNION ALL SELECT type, state, false, count(*) FROM place WHERE state NOT IN ('ready', 'scheduled') GROUP BY 1, 2";
    let mut rest = conn.prepare_cached(rest)?;
    let mut rows = rest.query([])?;
    while let Some(row) = rows.next()? {
        let state = place::state(row.get_ref(1)?.as_str()?);
        counts.push(Count { job_type: row.get(0)?, state, retrying: row.get(2)?, jobs: row.get(3)? });
    }
    counts.sort_unstable();
    Ok(QueueStats { counts, oldest_ready, paused: pause::paused(conn)? })
}
