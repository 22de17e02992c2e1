//! The file in use: what is asked of the queue becomes steps for the thread that writes, and questions for the reader.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use goworker::{
    Attempt, Batch, Cause, Change, Clock, Cursor, Delivery, Demand, Enqueued, Failure, Ids, Job, JobId, JobRecord, Lease, MAX_BULK,
    ProcessInfo, ProcessRecord, Progressed, ProviderError, Random, Renewal, Settled, Settlement, Setup, Timestamp, Token,
};
use tokio::sync::OnceCell;

use super::accept::{Moved, NewJob};
use super::change::Wish;
use super::claim::{Claim, Claimed};
use super::inbox::Class;
use super::open;
use super::owner::{self, LifeSign};
use super::read::Reader;
use super::settle::End;
use super::store::{Store, Sync};
use super::waiting::Wanted;
use super::writer::Writer;

/// An open file, and this process' part in it.
pub(super) struct OpenFile {
    path: PathBuf,
    writer: Writer,
    reader: Reader,
    lease: Duration,
    clock: Clock,
    random: Random,
    ids: Ids,
    /// This process among those that run jobs; it registers when it is announced, or with its first fetch.
    owner: OnceCell<Owner>,
}

struct Owner {
    id: i64,
    sign: Mutex<Option<LifeSign>>,
}

/// After so many transactions, what is shown may lag behind: the clock was set back, or the store is overwhelmed.
const MAX_CATCHING_UP: usize = 1_000;

const ACCEPT: Class = Class { urgent: false, sync: Sync::Full, weight: 1 };
const CLAIM: Class = Class { urgent: false, sync: Sync::Normal, weight: 1 };
const RENEW: Class = Class { urgent: true, sync: Sync::Normal, weight: 1 };

impl OpenFile {
    /// Opens the file, or creates it; nothing if it may not be created.
    pub(super) fn open(path: PathBuf, setup: &Setup) -> anyhow::Result<Option<Self>> {
        let path = std::path::absolute(path)?;
        if !setup.create && open::check_place(&path)?.is_none() {
            return Ok(None);
        }
        let conn = open::open(&path)?;
        // Symbolic links are resolved once, so that all processes lock the same files beside the database.
        let path = std::fs::canonicalize(&path)?;
        let lease_ms = i64::try_from(setup.lease.as_millis()).unwrap_or(i64::MAX);
        let store = Store::new(conn, &path, lease_ms, setup.keep, setup.rate)?;
        let reader = Reader::open(&path, setup.ids())?;
        let writer = Writer::start(store, &path, setup.clock.clone())?;
        let (clock, random, ids) = (setup.clock.clone(), setup.random.clone(), setup.ids());
        Ok(Some(OpenFile { path, writer, reader, lease: setup.lease, clock, random, ids, owner: OnceCell::new() }))
    }

    pub(super) async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, ProviderError> {
        if jobs.len() > MAX_BULK {
            let error = anyhow::anyhow!("{} jobs in one call; {MAX_BULK} are allowed", jobs.len());
            return Err(ProviderError::Failed(error));
        }
        let jobs: Vec<NewJob> = jobs.iter().map(|job| NewJob::from(job.as_ref())).collect();
        let cursor = cursor.cloned();
        let name = cursor.as_ref().map(|cursor| cursor.name.clone()).unwrap_or_default();
        let class = Class { weight: jobs.iter().map(NewJob::weight).sum(), ..ACCEPT };
        let accepted = self.writer.call(class, move |store| store.accept(&jobs, cursor.as_ref())).await?;
        accepted.map_err(|Moved(at)| ProviderError::CursorMoved { name, at })
    }

    pub(super) async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        let owner = self.owner.get_or_try_init(|| self.register()).await?.id;
        let demand = demand.clone();
        let class = Class { weight: demand.total().min(MAX_BULK), ..CLAIM };
        let Claim { token, jobs } = self.writer.call(class, move |store| store.claim(&demand, owner)).await?;
        let token = Token(token.unsigned_abs());
        let mut deliveries = Vec::with_capacity(jobs.len());
        for job in jobs {
            let seq = job.seq.unsigned_abs();
            match self.delivery(job) {
                Ok(delivery) => deliveries.push(delivery),
                Err(error) => self.bury_unreadable(token, seq, &error).await?,
            }
        }
        Ok(Batch { lease: Lease { token, duration: Some(self.lease) }, deliveries, cursor: None })
    }

    /// Reads a job as it is stored: on the side that asked for it, so that the one thread that writes does not have to.
    fn delivery(&self, claimed: Claimed) -> anyhow::Result<Delivery> {
        let Claimed { seq, body, crashes, attempts, earlier } = claimed;
        let job = Arc::new(Job::parse(body.as_bytes(), &self.ids)?.job);
        let attempts = attempts.iter().map(|json| serde_json::from_str::<Attempt>(json)).collect::<Result<_, _>>()?;
        Ok(Delivery { job, handle: seq.unsigned_abs(), attempts, earlier, crashes })
    }

    /// A job that cannot be read can never run: it becomes a dead letter, so that it is seen.
    async fn bury_unreadable(&self, token: Token, handle: u64, error: &anyhow::Error) -> Result<(), ProviderError> {
        let failure = Failure::new(Cause::Error, format!("the stored job cannot be read: {error:#}"));
        tracing::error!(path = %self.path.display(), seq = handle, "{failure}");
        let job = Arc::new(Job::new(self.ids.next(), ""));
        let settlement = Settlement::Dead { failure, handlers: Vec::new() };
        self.settle(&[Settled { token, handle, job, attempt: None, settlement }]).await.map(|_| ())
    }

    pub(super) async fn ready(&self, demand: &Demand) {
        let types = match demand {
            Demand::Any(_) => None,
            Demand::ByType(types) => Some(types.iter().filter(|(_, slots)| *slots > 0).map(|(name, _)| name.to_string()).collect()),
        };
        let (next, woken) = self.writer.watch(Wanted::Jobs(types)).await;
        let Some(next) = next else {
            // However it ends, a fetch will tell.
            let _ = woken.await;
            return;
        };
        tokio::select! {
            _ = woken => {}
            () = tokio::time::sleep(next.since(self.clock.now())) => {}
        }
    }

    pub(super) async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
        let leases = leases.to_vec();
        self.writer.call(RENEW, move |store| store.renew(&leases)).await
    }

    pub(super) async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        self.reader.cursor(name).await
    }

    pub(super) async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        let ends: Vec<End> = settlements.iter().map(End::of).collect::<Result<_, _>>().map_err(ProviderError::failed)?;
        let sync = if ends.iter().any(End::accepts) { Sync::Full } else { Sync::Normal };
        let class = Class { urgent: false, sync, weight: ends.len() };
        self.writer.call(class, move |store| store.settle(&ends)).await
    }

    /// The read side, with all in its place that time alone has moved.
    pub(super) async fn present(&self) -> Result<&Reader, ProviderError> {
        let now = self.clock.now();
        // One transaction takes a bounded number of steps.
        for _ in 0..MAX_CATCHING_UP {
            if !self.reader.is_behind(now).await? {
                break;
            }
            // A store that cannot be written can still be read.
            if let Err(error) = self.writer.call(CLAIM, |_| Ok(())).await {
                tracing::warn!(%error, "what is shown is not up to date");
                break;
            }
        }
        Ok(&self.reader)
    }

    /// Waits for a job's end: told of this process' writes at once, of others' by the system.
    pub(super) async fn wait(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        // What is overdue has its end now: nobody else may come by to give it.
        while let Some(job) = self.present().await?.find(id).await? {
            let (_, ended) = self.writer.watch(Wanted::End(job.seq)).await;
            let now = self.clock.now();
            match job.expires.map(Timestamp::from_millis).filter(|at| *at >= now) {
                // The millisecond is the first one that is too late.
                Some(at) => drop(tokio::time::timeout(at.since(now) + Duration::from_millis(1), ended).await),
                None => drop(ended.await),
            }
            match self.present().await?.get(id).await? {
                // Woken for nothing; if that was because the store has stopped, this call says so.
                Some(record) if !record.state.is_final() => self.writer.call(CLAIM, |_| Ok(())).await?,
                ended_or_gone => return Ok(ended_or_gone),
            }
        }
        Ok(None)
    }

    pub(super) async fn change(&self, wish: Wish, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        let mut changes = Vec::with_capacity(ids.len());
        // In pieces, so that a long list does not delay renewals.
        for ids in ids.chunks(500) {
            let class = Class { weight: ids.len(), ..ACCEPT };
            let ids = ids.to_vec();
            changes.extend(self.writer.call(class, move |store| store.change(wish, &ids)).await?);
        }
        Ok(changes)
    }

    pub(super) async fn note_progress(&self, told: &[Progressed]) -> Result<(), ProviderError> {
        let json = |told: &Progressed| serde_json::to_string(&told.progress).map(|json| (told.token, told.handle, json));
        let told = told.iter().map(json).collect::<Result<Vec<_>, _>>().map_err(ProviderError::failed)?;
        let class = Class { weight: told.len(), ..CLAIM };
        self.writer
            .call(class, move |store| told.iter().try_for_each(|(token, handle, json)| store.note_progress(*token, *handle, json)))
            .await
    }

    pub(super) async fn pause(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        let job_type = job_type.map(str::to_owned);
        self.writer.call(ACCEPT, move |store| store.pause(job_type.as_deref())).await
    }

    pub(super) async fn resume(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        let job_type = job_type.map(str::to_owned);
        self.writer.call(ACCEPT, move |store| store.resume(job_type.as_deref())).await
    }

    pub(super) async fn announce(&self, info: &ProcessInfo) -> Result<(), ProviderError> {
        let owner = self.owner.get_or_try_init(|| self.register()).await?.id;
        let info = serde_json::to_string(info).map_err(ProviderError::failed)?;
        self.writer.call(CLAIM, move |store| store.announce(owner, &info)).await
    }

    pub(super) async fn processes(&self) -> Result<Vec<ProcessRecord>, ProviderError> {
        self.reader.processes(self.clock.now()).await
    }

    /// Gives this process an identity, and puts in order what those before it left behind.
    async fn register(&self) -> Result<Owner, ProviderError> {
        let lost = self.reader.lost().await?;
        if !lost.is_empty() {
            self.writer.call(ACCEPT, move |store| store.adopt(&lost)).await?;
        }
        let (path, random) = (self.path.clone(), self.random.clone());
        let sign = tokio::task::spawn_blocking(move || {
            owner::tidy(&path)?;
            LifeSign::give(&path, &random)
        });
        let sign = sign.await.map_err(ProviderError::failed)?.with_context(|| beside(&self.path)).map_err(ProviderError::Unavailable)?;
        let process = sign.process.clone();
        match self.writer.call(ACCEPT, move |store| store.register(&process)).await {
            Ok(id) => Ok(Owner { id, sign: Mutex::new(Some(sign)) }),
            Err(error) => {
                sign.end().with_context(|| beside(&self.path)).map_err(ProviderError::Unavailable)?;
                Err(error)
            }
        }
    }

    pub(super) async fn close(&self) -> anyhow::Result<()> {
        if let Some(owner) = self.owner.get() {
            let released = self.writer.call(CLAIM, Store::unregister).await;
            let sign = owner.sign.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(sign) = sign {
                sign.end().with_context(|| beside(&self.path))?;
            }
            released?;
        }
        self.reader.close();
        self.writer.close().await
    }
}

fn beside(path: &Path) -> String {
    format!("the lock file beside `{}` cannot be used", path.display())
}

#[cfg(test)]
impl OpenFile {
    /// Any step, for tests.
    pub(super) async fn step(&self, step: impl FnMut(&mut Store) -> rusqlite::Result<()> + Send + 'static) -> Result<(), ProviderError> {
        self.writer.call(ACCEPT, step).await
    }

    /// Makes the disk look full, or not.
    pub(super) async fn limit_pages(&self, pages: Option<u32>) {
        let pragma = format!("PRAGMA max_page_count = {}", pages.unwrap_or(u32::MAX - 1));
        let limited = self.step(move |store| store.conn().query_row(&pragma, [], |_| Ok(()))).await;
        assert!(limited.is_ok());
    }
}
