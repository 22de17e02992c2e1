//! `redis`: a queue on a Redis server, for many processes on many machines.
//!
//! From outside in: this file is the plugin, [`open`] how jobs go out and come back, [`calls`] how scripts are called and repeated, [`script`] and `scripts/` what they do, [`bell`]
//! how waiting goes without polling, [`mod@spill`] when jobs move to another queue, [`server`] the connection, [`route`] the way to it. The page `redis-layout.md` describes the keys.

mod bell;
mod calls;
mod decode;
mod encode;
mod incoming;
mod key_part;
mod list;
mod open;
mod route;
mod script;
mod server;
mod spill;
mod steps;
mod trouble;
mod url;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use goworker::{
    Batch, Change, Cursor, Demand, Enqueued, Filter, Job, JobId, JobRecord, MAX_BULK, Move, Process, ProcessInfo, ProcessRecord,
    Progressed, Provider, ProviderError, Queue, QueueStats, Renewal, Settled, Setup, Token, provider,
};

use self::calls::Calls;
use self::key_part::KeyPart;
use self::open::Open;
use self::route::Route;
use self::server::Server;
use self::spill::Spill;
use self::url::Url;

/// Stores jobs on a Redis or Valkey server, for any number of processes on any number of machines.
#[provider(queue, since = "0.1.0")]
pub(super) struct Redis {
    /// The server: `redis://USER:PASSWORD@HOST:PORT/DB`, of which only the host is needed.
    /// `rediss://` is with TLS, `redis+unix:///PATH` a socket. Several hosts, with `,` between them,
    /// are tried in order; of a cluster one is enough. With sentinels it is
    /// `redis+sentinel://HOST:PORT,HOST:PORT/NAME`, with the name of the master.
    #[config(example = "redis://127.0.0.1:6379")]
    url: Url,
    /// The authority (PEM) by which the server's certificate is; those that the system trusts if left out.
    #[config(example = "ca.pem")]
    ca: Option<PathBuf>,
    /// The queue's name on the server; the name of this entry if left out.
    #[config(example = "jobs")]
    queue: Option<KeyPart>,
    /// A list to which others `LPUSH` jobs as JSON: they are moved to the queue.
    #[config(example = "job_list")]
    list: Option<String>,
    /// What the keys of all queues begin with; `goworker` if left out.
    #[config(example = "goworker")]
    namespace: Option<KeyPart>,
    /// When the server is short of memory, waiting jobs move to another stored queue, and run there.
    spill: Option<Spill>,
    #[state]
    open: Option<Open>,
}

/// When people are told that the server has not answered.
const SOON: Duration = Duration::from_secs(1);

/// The layout of keys that this program reads and writes.
const LAYOUT: &str = "1";

impl Provider for Redis {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let queue = self.queue.as_ref().map_or_else(|| setup.name.clone(), KeyPart::to_string);
        let namespace = self.namespace.as_ref().map_or_else(|| "goworker".to_owned(), KeyPart::to_string);
        let prefix = format!("{{{namespace}:{queue}}}:");
        let owner = Process::new(&setup.random).to_string();
        let server = Server::new(Route::new(&self.url, self.ca.as_deref())?, self.url.to_string());
        let calls = Arc::new(Calls::new(server, prefix, setup.keep, owner.clone()));
        let mut layout = redis::cmd("GET");
        layout.arg(calls.key("layout"));
        let layout: Option<String> = self.answered_soon(calls.ask(layout)).await?;
        if let Some(layout) = layout.filter(|layout| layout != LAYOUT) {
            bail!(
                "the queue `{queue}` on {} has the layout {layout}, which another version of goworker has made; this one knows {LAYOUT}",
                self.url
            );
        }
        calls.warn_of_eviction().await;
        self.open = Some(Open::new(calls, owner, self.list.clone(), self.spill.as_ref(), setup));
        Ok(())
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        self.open()?.fetch(demand).await
    }

    async fn ready(&self, demand: &Demand) {
        // If it was not opened, the fetch that follows says so.
        if let Ok(open) = self.open() {
            open.ready(demand).await;
        }
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        self.open()?.settle(settlements).await
    }

    async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
        self.open()?.renew(leases).await
    }

    fn selects_by_type(&self) -> bool {
        true
    }

    fn keeps_retries(&self) -> bool {
        true
    }

    async fn close(&self) -> anyhow::Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let released = open.release().await?;
        if released > 0 {
            tracing::info!(released, "jobs were given back");
        }
        Ok(())
    }
}

impl Queue for Redis {
    async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, ProviderError> {
        if jobs.len() > MAX_BULK {
            let error = anyhow::anyhow!("{} jobs in one call; at most {MAX_BULK} are taken, so that a call stays short", jobs.len());
            return Err(ProviderError::Failed(error));
        }
        if jobs.is_empty() && cursor.is_none() {
            return Ok(Vec::new());
        }
        let mut call = self.open()?.calls.write(&script::ENQUEUE);
        match cursor {
            None => call.cmd.arg("").arg(0).arg("").arg(""),
            Some(Cursor { name, from, to }) => {
                call.cmd.arg(name).arg(u8::from(from.is_some())).arg(from.as_deref().unwrap_or_default()).arg(to)
            }
        };
        encode::push_jobs(&mut call.cmd, jobs);
        let (ended, answer): (String, Option<String>) = call.answer().await?;
        match (ended.as_str(), answer, cursor) {
            ("moved", at, Some(cursor)) => Err(ProviderError::CursorMoved { name: cursor.name.clone(), at }),
            (_, answers, _) => decode::enqueued(&answers.unwrap_or_default()).map_err(ProviderError::Failed),
        }
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        let calls = &self.open()?.calls;
        let mut cmd = redis::cmd("HGET");
        cmd.arg(calls.key("cursor")).arg(name);
        calls.ask(cmd).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ProviderError> {
        let open = self.present().await?;
        list::list(&open.calls, filter, &open.ids).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        let open = self.present().await?;
        Ok(list::records(&open.calls, &[id.to_string()], true, &open.ids).await?.pop())
    }

    async fn cancel(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.change("cancel", ids).await
    }

    async fn retry(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.change("retry", ids).await
    }

    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.change("delete", ids).await
    }

    async fn note_progress(&self, told: &[Progressed]) -> Result<(), ProviderError> {
        let mut call = self.open()?.calls.read(&script::PROGRESS);
        for Progressed { token, handle, progress } in told {
            call.cmd.arg(token.0).arg(handle).arg(serde_json::to_string(progress).map_err(ProviderError::failed)?);
        }
        call.answer::<()>().await
    }

    async fn pause(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.set_paused("pause", job_type).await
    }

    async fn resume(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.set_paused("resume", job_type).await
    }

    async fn stats(&self) -> Result<QueueStats, ProviderError> {
        let call = self.present().await?.calls.read(&script::STATS);
        let (flat, oldest, paused): (Vec<redis::Value>, Option<i64>, Vec<String>) = call.answer().await?;
        decode::stats(&flat, oldest, &paused).map_err(ProviderError::Failed)
    }

    async fn announce(&self, info: &ProcessInfo) -> Result<(), ProviderError> {
        self.open()?.announce(info).await
    }

    async fn processes(&self) -> Result<Vec<ProcessRecord>, ProviderError> {
        let call = self.open()?.calls.read(&script::PROCESSES);
        decode::processes(call.answer().await?).map_err(ProviderError::Failed)
    }

    fn spills_into(&self) -> Option<&str> {
        self.spill.as_ref().map(|spill| spill.into.0.as_str())
    }

    async fn take_move(&self, target: &str, types: &[Arc<str>]) -> Result<Option<Move>, ProviderError> {
        match &self.open()?.spilling {
            Some(spilling) => spilling.take_move(target, types).await,
            None => Ok(None),
        }
    }

    async fn end_move(&self, target: &str, token: Token, moved: &[JobId], cancelled: &[JobId]) -> Result<Vec<JobId>, ProviderError> {
        match &self.open()?.spilling {
            Some(spilling) => spilling.end_move(target, token, moved, cancelled).await,
            None => Err(ProviderError::Unsupported("this queue has no `spill`, so no job moves".to_owned())),
        }
    }

    fn is_durable(&self) -> bool {
        true
    }
}

impl Redis {
    fn open(&self) -> Result<&Open, ProviderError> {
        self.open.as_ref().ok_or_else(|| ProviderError::Failed(anyhow::anyhow!("the queue on {} was not opened", self.url)))
    }

    /// The queue, brought up to the present: time alone may have changed what is in it.
    async fn present(&self) -> Result<&Open, ProviderError> {
        let open = self.open()?;
        while open.calls.read(&script::CATCH_UP).answer::<u8>().await? == 1 {}
        Ok(open)
    }

    /// Tells that the server does not answer yet, for people who wait for the start.
    async fn answered_soon<T>(&self, asked: impl Future<Output = T>) -> T {
        let mut asked = pin!(asked);
        match tokio::time::timeout(SOON, asked.as_mut()).await {
            Ok(answer) => answer,
            Err(_) => {
                tracing::warn!("Redis at {} does not answer; trying again for a while", self.url);
                asked.await
            }
        }
    }

    async fn set_paused(&self, wish: &str, job_type: Option<&str>) -> Result<(), ProviderError> {
        let mut call = self.open()?.calls.write(&script::PAUSE);
        call.cmd.arg(wish).arg(encode::pausable(job_type));
        call.answer::<()>().await
    }

    async fn change(&self, wish: &str, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        let open = self.present().await?;
        let mut changes = Vec::with_capacity(ids.len());
        for page in ids.chunks(MAX_BULK) {
            let mut call = open.calls.write(&script::CHANGE);
            call.cmd.arg(wish);
            for id in page {
                call.cmd.arg(id.as_str());
            }
            let answers: Vec<String> = call.answer().await?;
            for answer in answers {
                changes.push(decode::change(&answer).map_err(ProviderError::Failed)?);
            }
        }
        Ok(changes)
    }
}
