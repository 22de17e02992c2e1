//! A queue around another one that misbehaves in exactly one way, to see who notices.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use goworker::{
    AnyQueue, Batch, Change, Clock, Cursor, Delivery, Demand, Enqueued, Filter, Job, JobId, JobRecord, Move, Output, Paused, ProcessInfo,
    ProcessRecord, Progressed, Provider, ProviderError, Queue, QueueHandle, QueueStats, Renewal, Settled, Settlement, Setup, State, Token,
    UniqueMode,
};

/// What is wrong with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nothing, but it goes by a clock of its own.
    OwnClock,
    /// A settlement with an old token is taken for one of the present holder.
    NoTokenCheck,
    /// Nobody looks at tokens, in whatever process: who says what became of a job is believed, and nobody's lease ends for himself.
    NoFencing,
    /// A job that is to be tried again later is ready at once.
    NoDelay,
    /// A job dies first, and its handler jobs come after.
    DeathInTwoSteps,
    /// A lease ends when its time is over, renewed or not.
    NoRenewal,
    /// Jobs come in the order of their due times.
    NoPriority,
    /// No job holds a key.
    NoKeys,
    /// A job that should wait for the end of another one does not.
    NoFollowing,
    /// However many jobs may start, all do.
    NoRate,
    /// When it is opened again, crashes are counted from there.
    CrashesForgotten,
    /// Deaths are noted without a look at who had the lease.
    OneIdentity,
    /// A fetch waits for jobs instead of answering that there are none.
    FetchWaits,
    /// It tells what is paused, and hands it out all the same.
    PausesNothing,
    /// It says that jobs outlive the process.
    OnlySaysDurable,
    /// A job that is handed out is done.
    SettledBeforeRun,
    /// What is handed out is never taken back.
    NoLease,
    /// As long as there is a file `stalled` beside the configuration, it hands out nothing, and says nothing of it.
    Stalls,
    /// The process dies when jobs that are to move have been taken out of it.
    DiesOnceTaken,
    /// The process dies before it accepts jobs that move to it.
    DiesBeforeAccepting,
    /// The process dies when it has accepted jobs that move to it.
    DiesOnceAccepted,
    /// The process dies when a move out of it has ended.
    DiesOnceEnded,
}

/// A queue with a fault.
pub struct Faulty {
    fault: Fault,
    inner: Inner,
    notes: Mutex<Notes>,
    /// Jobs as they were before something was taken from them. Outlives the queue, as its jobs may.
    originals: Originals,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

type Originals = Arc<Mutex<HashMap<(String, JobId), Arc<Job>>>>;

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("fault", &self.fault).finish_non_exhaustive()
    }
}

enum Inner {
    New(Option<AnyQueue>),
    Open(QueueHandle, String),
}

#[derive(Default)]
struct Notes {
    /// Who was handed out a job last.
    holders: HashMap<JobId, (Token, u64)>,
    /// Who was handed out a job last by any process: a line for each fetch of each job.
    shared: PathBuf,
    /// Running jobs that shall be cancelled.
    asked: HashSet<JobId>,
    /// The crashes of jobs when the queue was opened.
    crashes: HashMap<JobId, u32>,
    paused: Paused,
}

/// Makes queues with a fault, for the conformance suite.
pub fn faulty(fault: Fault, inner: impl Fn(&Setup) -> AnyQueue + Send + Sync) -> impl Fn(&Setup) -> Faulty + Send + Sync {
    let originals = Originals::default();
    move |setup| Faulty { originals: Arc::clone(&originals), ..Faulty::new(fault, inner(setup)) }
}

impl Faulty {
    /// A queue with this fault around one that is not yet started.
    pub fn new(fault: Fault, inner: AnyQueue) -> Self {
        Faulty { fault, inner: Inner::New(Some(inner)), notes: Mutex::default(), originals: Originals::default() }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Ends the process as a kill does: nothing is closed, nothing is given back.
    fn die_if(&self, fault: Fault) {
        if self.is(fault) {
            std::process::abort();
        }
    }

    fn is_stalled(&self) -> bool {
        self.is(Fault::Stalls) && self.notes().shared.with_file_name("stalled").exists()
    }

    fn inner(&self) -> &QueueHandle {
        match &self.inner {
            Inner::Open(queue, _) => queue,
            Inner::New(_) => panic!("the queue was not started"),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }

    fn key(&self, id: &JobId) -> (String, JobId) {
        match &self.inner {
            Inner::Open(_, name) => (name.clone(), id.clone()),
            Inner::New(_) => panic!("the queue was not started"),
        }
    }

    /// A job on its way in.
    fn stored(&self, job: &Arc<Job>) -> Arc<Job> {
        match self.fault {
            Fault::NoPriority => Arc::new(Job { priority: 0, ..Job::clone(job) }),
            Fault::NoKeys => Arc::new(Job { unique: None, ..Job::clone(job) }),
            Fault::NoFollowing if job.unique_mode() == UniqueMode::KeepLast => Arc::new(Job { unique: None, ..Job::clone(job) }),
            _ => Arc::clone(job),
        }
    }

    /// A job on its way out.
    fn shown(&self, job: &Arc<Job>) -> Arc<Job> {
        self.originals.lock().unwrap().get(&self.key(&job.id)).unwrap_or(job).clone()
    }

    /// Crashes on their way out.
    fn counted(&self, id: &JobId, crashes: u32) -> u32 {
        crashes.saturating_sub(self.notes().crashes.get(id).copied().unwrap_or(0))
    }

    fn record(&self, record: JobRecord) -> JobRecord {
        let mut deaths = record.deaths;
        if self.is(Fault::OneIdentity) {
            deaths.iter_mut().for_each(|death| death.process.nonce = "always the same".to_owned());
        }
        JobRecord { job: self.shown(&record.job), crashes: self.counted(&record.job.id, record.crashes), deaths, ..record }
    }

    /// Who was handed out a job last, as far as that is to be believed.
    fn holder(&self, id: &JobId) -> Option<(Token, u64)> {
        match self.fault {
            Fault::NoTokenCheck => self.notes().holders.get(id).copied(),
            Fault::NoFencing => {
                let noted = std::fs::read_to_string(&self.notes().shared).unwrap();
                let mut words = noted.lines().rev().find_map(|line| line.strip_prefix(id.as_str())?.strip_prefix(' '))?.split(' ');
                let mut number = || words.next().and_then(|word| word.parse().ok());
                Some((Token(number()?), number()?))
            }
            _ => None,
        }
    }

    fn settled(&self, settled: &Settled) -> Settled {
        let mut settled = settled.clone();
        if let Some((token, handle)) = self.holder(&settled.job.id).filter(|(token, _)| settled.token < *token) {
            (settled.token, settled.handle) = (token, handle);
        }
        match (self.fault, &mut settled.settlement) {
            (Fault::NoDelay, Settlement::Retry { after, .. }) => *after = Duration::ZERO,
            (Fault::DeathInTwoSteps, Settlement::Dead { handlers, .. }) => handlers.clear(),
            _ => {}
        }
        settled
    }

    /// What a renewal would answer, without one.
    async fn looked_at(&self, token: Token) -> Result<Renewal, ProviderError> {
        let its = |(_, holder): &(&JobId, &(Token, u64))| holder.0 == token;
        let ids: Vec<JobId> = self.notes().holders.iter().filter(its).map(|(id, _)| id.clone()).collect();
        let mut held = Vec::new();
        for id in ids {
            let running = self.inner().get(&id).await?.is_some_and(|record| record.state == State::Running);
            held.extend(running.then_some(id));
        }
        let lost = if held.is_empty() { vec![token] } else { vec![] };
        held.retain(|id| self.notes().asked.contains(id));
        Ok(Renewal { lost, cancelled: held })
    }
}

impl Provider for Faulty {
    async fn init(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let Inner::New(new) = &mut self.inner else { anyhow::bail!("the queue was started before") };
        let mut setup = setup.clone();
        if self.fault == Fault::OwnClock {
            setup.clock = Clock::system();
        }
        if self.fault == Fault::NoLease {
            setup.lease = YEAR;
        }
        if self.fault == Fault::NoRate {
            setup.rate = None;
        }
        self.notes.get_mut().unwrap().shared = setup.base.join("holders");
        let queue = new.take().expect("it is started once").start(&setup).await?;
        if self.fault == Fault::CrashesForgotten {
            let records = queue.list(&Filter::default()).await?;
            self.notes().crashes = records.into_iter().map(|record| (record.job.id.clone(), record.crashes)).collect();
        }
        self.inner = Inner::Open(queue, setup.name);
        Ok(())
    }

    async fn fetch(&self, demand: &Demand) -> Result<Batch, ProviderError> {
        if self.is_stalled() {
            return Ok(Batch::empty());
        }
        let mut batch = self.inner().fetch(demand).await?;
        while self.is(Fault::FetchWaits) && batch.deliveries.is_empty() {
            self.inner().ready(demand).await;
            batch = self.inner().fetch(demand).await?;
        }
        if self.is(Fault::SettledBeforeRun) && !batch.deliveries.is_empty() {
            let settlement = || Settlement::Done { output: Output::none() };
            let done = |Delivery { job, handle, .. }: &Delivery| {
                let (token, handle, job) = (batch.lease.token, *handle, Arc::clone(job));
                Settled { token, handle, job, attempt: None, settlement: settlement() }
            };
            let done: Vec<Settled> = batch.deliveries.iter().map(done).collect();
            self.inner().settle(&done).await?;
        }
        for delivery in &mut batch.deliveries {
            delivery.job = self.shown(&delivery.job);
            delivery.crashes = self.counted(&delivery.job.id, delivery.crashes);
            let mut notes = self.notes();
            notes.holders.insert(delivery.job.id.clone(), (batch.lease.token, delivery.handle));
            notes.asked.remove(&delivery.job.id);
            if self.is(Fault::NoFencing) {
                let line = format!("{} {} {}\n", delivery.job.id, batch.lease.token, delivery.handle);
                let mut shared = OpenOptions::new().append(true).create(true).open(&notes.shared).map_err(ProviderError::failed)?;
                shared.write_all(line.as_bytes()).map_err(ProviderError::failed)?;
            }
        }
        if self.is(Fault::NoFencing) {
            batch.lease.duration = Some(YEAR);
        }
        Ok(batch)
    }

    async fn ready(&self, demand: &Demand) {
        while self.is_stalled() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.inner().ready(demand).await;
    }

    async fn settle(&self, settlements: &[Settled]) -> Result<Vec<usize>, ProviderError> {
        if self.is(Fault::SettledBeforeRun) {
            return Ok(Vec::new());
        }
        let settled: Vec<Settled> = settlements.iter().map(|settled| self.settled(settled)).collect();
        let refused = self.inner().settle(&settled).await?;
        if self.is(Fault::DeathInTwoSteps) {
            // Where a process may die.
            tokio::task::yield_now().await;
            for (position, settled) in settlements.iter().enumerate() {
                if let Settlement::Dead { handlers, .. } = &settled.settlement
                    && !refused.contains(&position)
                {
                    self.inner().enqueue(handlers, None).await?;
                }
            }
        }
        Ok(refused)
    }

    async fn renew(&self, leases: &[Token]) -> Result<Renewal, ProviderError> {
        match self.fault {
            Fault::SettledBeforeRun | Fault::NoFencing => return Ok(Renewal::default()),
            Fault::NoRenewal => {}
            _ => return self.inner().renew(leases).await,
        }
        let mut all = Renewal::default();
        for token in leases {
            let one = self.looked_at(*token).await?;
            all.lost.extend(one.lost);
            all.cancelled.extend(one.cancelled);
        }
        Ok(all)
    }

    // All queues that are made worse here do both.
    fn selects_by_type(&self) -> bool {
        true
    }

    fn keeps_retries(&self) -> bool {
        true
    }

    async fn close(&self) -> anyhow::Result<()> {
        self.inner().close().await
    }
}

impl Queue for Faulty {
    async fn enqueue(&self, jobs: &[Arc<Job>], cursor: Option<&Cursor>) -> Result<Vec<Enqueued>, ProviderError> {
        let stored: Vec<Arc<Job>> = jobs.iter().map(|job| self.stored(job)).collect();
        let is_move = cursor.is_some_and(|cursor| cursor.name.starts_with("spill:"));
        if is_move {
            self.die_if(Fault::DiesBeforeAccepting);
        }
        let mut answers = self.inner().enqueue(&stored, cursor).await?;
        if is_move {
            self.die_if(Fault::DiesOnceAccepted);
        }
        if matches!(self.fault, Fault::NoPriority | Fault::NoKeys | Fault::NoFollowing) {
            let mut originals = self.originals.lock().unwrap();
            for (job, answer) in jobs.iter().zip(&mut answers) {
                let key = self.key(&job.id);
                match answer {
                    Enqueued::Created | Enqueued::Replaced(_) => _ = originals.insert(key, Arc::clone(job)),
                    Enqueued::Exists if originals.get(&key) != Some(job) => *answer = Enqueued::Conflict,
                    Enqueued::Exists | Enqueued::Conflict | Enqueued::Held(_) => {}
                }
            }
        }
        Ok(answers)
    }

    async fn cursor(&self, name: &str) -> Result<Option<String>, ProviderError> {
        self.inner().cursor(name).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<JobRecord>, ProviderError> {
        Ok(self.inner().list(filter).await?.into_iter().map(|record| self.record(record)).collect())
    }

    async fn get(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        Ok(self.inner().get(id).await?.map(|record| self.record(record)))
    }

    async fn wait(&self, id: &JobId) -> Result<Option<JobRecord>, ProviderError> {
        Ok(self.inner().wait(id).await?.map(|record| self.record(record)))
    }

    async fn cancel(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        let changes = self.inner().cancel(ids).await?;
        let asked = ids.iter().zip(&changes).filter(|(_, change)| **change == Change::Requested).map(|(id, _)| id.clone());
        self.notes().asked.extend(asked);
        Ok(changes)
    }

    async fn retry(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.inner().retry(ids).await
    }

    async fn delete(&self, ids: &[JobId]) -> Result<Vec<Change>, ProviderError> {
        self.inner().delete(ids).await
    }

    async fn note_progress(&self, told: &[Progressed]) -> Result<(), ProviderError> {
        self.inner().note_progress(told).await
    }

    async fn pause(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.notes().paused.pause(job_type);
        if self.is(Fault::PausesNothing) { Ok(()) } else { self.inner().pause(job_type).await }
    }

    async fn resume(&self, job_type: Option<&str>) -> Result<(), ProviderError> {
        self.notes().paused.resume(job_type);
        self.inner().resume(job_type).await
    }

    async fn stats(&self) -> Result<QueueStats, ProviderError> {
        let stats = self.inner().stats().await?;
        Ok(if self.is(Fault::PausesNothing) { QueueStats { paused: self.notes().paused.clone(), ..stats } } else { stats })
    }

    async fn announce(&self, info: &ProcessInfo) -> Result<(), ProviderError> {
        self.inner().announce(info).await
    }

    async fn processes(&self) -> Result<Vec<ProcessRecord>, ProviderError> {
        self.inner().processes().await
    }

    fn spills_into(&self) -> Option<&str> {
        match &self.inner {
            Inner::New(queue) => queue.as_ref().and_then(AnyQueue::spills_into),
            Inner::Open(queue, _) => queue.spills_into(),
        }
    }

    async fn take_move(&self, target: &str, types: &[Arc<str>]) -> Result<Option<Move>, ProviderError> {
        let open = self.inner().take_move(target, types).await?;
        if open.is_some() {
            self.die_if(Fault::DiesOnceTaken);
        }
        Ok(open)
    }

    async fn end_move(&self, target: &str, token: Token, moved: &[JobId], cancelled: &[JobId]) -> Result<Vec<JobId>, ProviderError> {
        let asked = self.inner().end_move(target, token, moved, cancelled).await?;
        self.die_if(Fault::DiesOnceEnded);
        Ok(asked)
    }

    fn is_durable(&self) -> bool {
        match &self.inner {
            _ if self.is(Fault::OnlySaysDurable) => true,
            Inner::New(queue) => queue.as_ref().is_some_and(AnyQueue::is_durable),
            Inner::Open(queue, _) => queue.is_durable(),
        }
    }
}
