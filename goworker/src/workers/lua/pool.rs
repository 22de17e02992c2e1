//! The threads that run scripts: each has its own VM, on which jobs take turns. A VM never leaves its thread.
//!
//! A thread that is lost ([`ticker`](super::ticker)) is left to itself, and another takes its place.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use goworker::units::Dur;
use goworker::{Timestamp, WorkError};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::error;
use super::events::Event;
use super::sandbox::{Finished, Plan, Vm};
use super::ticker::{Lookout, Serial, Signal, Ticker};
use super::watch::Watch;

/// A job on its way to a thread.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) attempt: u32,
    /// JSON.
    pub(super) params: String,
    /// When it has to be over.
    pub(super) deadline: Option<Instant>,
    /// How long it was given, for the error that says so.
    pub(super) limit: Option<Dur>,
    /// What time it is.
    pub(super) now: Timestamp,
    pub(super) cancel: CancellationToken,
    /// Where what it says and its result go. Dropped without a result when the thread could not go on.
    pub(super) events: mpsc::Sender<Event>,
}

/// The threads. They end when the pool is dropped.
#[derive(Debug)]
pub(super) struct Pool {
    plan: Plan,
    ticker: Ticker,
    threads: Mutex<Vec<Handle>>,
    /// The job that was sent last.
    serial: AtomicU64,
    /// How many threads were lost.
    lost: AtomicU64,
}

#[derive(Debug)]
struct Handle {
    requests: mpsc::UnboundedSender<(Serial, Request)>,
    /// Jobs sent and not over.
    load: Arc<AtomicUsize>,
    lookout: Lookout,
}

/// A job's place on a thread.
#[derive(Debug)]
pub(super) struct Seat {
    job: Serial,
    script: String,
    lookout: Lookout,
}

impl Seat {
    /// The job is over, and the thread should have noticed.
    pub(super) fn overdue(&self) {
        self.lookout.overdue(self.job, &self.script);
    }

    /// Cancelled when the thread is lost.
    pub(super) fn lost(&self) -> &CancellationToken {
        self.lookout.lost()
    }

    /// Whether it is this job that the thread was lost with.
    pub(super) fn is_to_blame(&self) -> bool {
        self.lookout.running() == self.job
    }
}

impl Pool {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// When the system gives no thread, or a VM cannot be made.
    pub(super) fn start(count: usize, plan: Plan) -> anyhow::Result<Self> {
        let ticker = Ticker::start()?;
        // Said here once rather than by every job: a memory limit too small for a VM, say.
        let tried = Vm::new(&plan, &Rc::new(Watch::new(ticker.flag().0)));
        tried.map_err(|error| anyhow::anyhow!("no Lua VM can be made: {}", error::text(&error)))?;
        let threads = (0..count).map(|_| Handle::start(plan.clone(), &ticker)).collect::<std::io::Result<_>>()?;
        Ok(Pool { plan, ticker, threads: Mutex::new(threads), serial: AtomicU64::new(0), lost: AtomicU64::new(0) })
    }

    /// The time, as virtual time has it if this is called on its runtime.
    pub(super) fn now(&self) -> Timestamp {
        self.plan.clock.now()
    }

    /// Hands a job to the thread with the fewest. Slots bound how many there are.
    pub(super) fn submit(&self, request: Request) -> Result<Seat, WorkError> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.iter_mut().filter(|thread| thread.lookout.lost().is_cancelled()) {
            *thread = Handle::start(self.plan.clone(), &self.ticker)?;
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!("a thread for Lua was lost and is replaced; {lost} so far");
        }
        let thread = threads.iter().min_by_key(|thread| thread.load.load(Ordering::Relaxed));
        let thread = thread.ok_or_else(|| WorkError::retry(anyhow::anyhow!("the Lua worker has no threads")))?;
        let job = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        let script = request.name.clone();
        thread.load.fetch_add(1, Ordering::Relaxed);
        thread.requests.send((job, request)).map_err(|_| WorkError::retry(anyhow::anyhow!("the Lua thread has ended")))?;
        Ok(Seat { job, script, lookout: thread.lookout.clone() })
    }
}

impl Handle {
    fn start(plan: Plan, ticker: &Ticker) -> std::io::Result<Self> {
        let (requests, inbox) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let (signal, lookout) = ticker.flag();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counted = Arc::clone(&load);
        std::thread::Builder::new()
            .name("lua".to_owned())
            .spawn(move || LocalSet::new().block_on(&runtime, serve(inbox, Rc::new(Thread::new(plan, signal)), counted)))?;
        Ok(Handle { requests, load, lookout })
    }
}

/// Ends when its handle is dropped: then the pool is gone, or the thread was given up.
async fn serve(mut inbox: mpsc::UnboundedReceiver<(Serial, Request)>, thread: Rc<Thread>, load: Arc<AtomicUsize>) {
    while let Some((job, request)) = inbox.recv().await {
        let counted = Counted(Arc::clone(&load));
        let thread = Rc::clone(&thread);
        // Not joined: its result goes over its channel, and a panic closes that without one.
        tokio::task::spawn_local(async move {
            let _counted = counted;
            thread.run(job, request).await;
        });
    }
}

/// A job that counts as load until it is over, however it ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a thread has: the VM for new jobs. A VM that was replaced lives on as long as jobs run in it.
#[derive(Debug)]
struct Thread {
    plan: Plan,
    watch: Rc<Watch>,
    vm: RefCell<Option<Rc<Vm>>>,
}

impl Thread {
    fn new(plan: Plan, signal: Signal) -> Self {
        Thread { plan, watch: Rc::new(Watch::new(signal)), vm: RefCell::new(None) }
    }

    async fn run(&self, job: Serial, request: Request) {
        let events = request.events.clone();
        if request.cancel.is_cancelled() || events.is_closed() {
            // Nobody waits any more; a script that has not begun need not begin.
            return;
        }
        let result = match self.vm() {
            Ok(vm) => {
                let Finished { result, good } = vm.run(job, request).await;
                if !good {
                    self.retire(&vm);
                }
                result
            }
            Err(error) => Err(WorkError::retry(anyhow::anyhow!("no Lua VM can be made: {}", error::text(&error)))),
        };
        // It fails only if nobody waits for the result any more.
        let _ = events.send(Event::Done(result)).await;
    }

    /// The VM for the next job: a new one if there is none that is still good.
    fn vm(&self) -> mlua::Result<Rc<Vm>> {
        let mut vm = self.vm.borrow_mut();
        match &*vm {
            Some(vm) if !vm.is_worn() => Ok(Rc::clone(vm)),
            _ => Ok(Rc::clone(vm.insert(Rc::new(Vm::new(&self.plan, &self.watch)?)))),
        }
    }

    fn retire(&self, used: &Rc<Vm>) {
        let mut vm = self.vm.borrow_mut();
        if vm.as_ref().is_some_and(|vm| Rc::ptr_eq(vm, used)) {
            *vm = None;
        }
    }
}
