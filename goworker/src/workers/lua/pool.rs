//! The threads that run scripts: each has its own VM, on which jobs take turns. A VM never leaves its thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use goworker::units::Dur;
use goworker::{WorkError, WorkResult};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::error;
use super::sandbox::{Finished, Plan, Vm};
use super::ticker::{self, Signal};
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
    pub(super) cancel: CancellationToken,
    /// Where its log lines and its result go. Dropped without a result when the thread could not go on.
    pub(super) events: mpsc::Sender<Event>,
}

/// What comes back.
#[derive(Debug)]
pub(super) enum Event {
    /// A line that the script logged.
    Log(Level, String),
    /// How far it says that it is.
    Progress(f64, String),
    /// The end.
    Done(WorkResult),
}

/// The threads. They end when the pool is dropped.
#[derive(Debug, Default)]
pub(super) struct Pool {
    threads: Vec<Handle>,
}

#[derive(Debug)]
struct Handle {
    requests: mpsc::UnboundedSender<Request>,
    /// Jobs sent and not over.
    load: Arc<AtomicUsize>,
}

impl Pool {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// When the system gives no thread, or a VM cannot be made.
    pub(super) fn start(count: usize, plan: &Plan) -> anyhow::Result<Self> {
        let mut signals = ticker::start(count + 1)?;
        // Said here once rather than by every job: a memory limit too small for a VM, say.
        if let Some(signal) = signals.pop() {
            let tried = Vm::new(plan, &Rc::new(Watch::new(signal)));
            tried.map_err(|error| anyhow::anyhow!("no Lua VM can be made: {}", error::text(&error)))?;
        }
        let threads = signals.into_iter().enumerate().map(|(index, signal)| Handle::start(index, plan.clone(), signal));
        let threads = threads.collect::<std::io::Result<_>>()?;
        Ok(Pool { threads })
    }

    /// Hands a job to the thread with the fewest. Slots bound how many there are.
    pub(super) fn submit(&self, request: Request) -> Result<(), WorkError> {
        let thread = self.threads.iter().min_by_key(|thread| thread.load.load(Ordering::Relaxed));
        let thread = thread.ok_or_else(|| WorkError::retry(anyhow::anyhow!("the Lua worker was not started")))?;
        thread.load.fetch_add(1, Ordering::Relaxed);
        thread.requests.send(request).map_err(|_| WorkError::retry(anyhow::anyhow!("the Lua thread has ended")))
    }
}

impl Handle {
    fn start(index: usize, plan: Plan, signal: Signal) -> std::io::Result<Self> {
        let (requests, inbox) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counted = Arc::clone(&load);
        std::thread::Builder::new()
            .name(format!("lua-{index}"))
            .spawn(move || LocalSet::new().block_on(&runtime, serve(inbox, Rc::new(Thread::new(plan, signal)), counted)))?;
        Ok(Handle { requests, load })
    }
}

/// Ends when the pool is dropped: no job can be running then, as each borrows the worker that owns the pool.
async fn serve(mut inbox: mpsc::UnboundedReceiver<Request>, thread: Rc<Thread>, load: Arc<AtomicUsize>) {
    while let Some(request) = inbox.recv().await {
        let counted = Counted(Arc::clone(&load));
        let thread = Rc::clone(&thread);
        // Not joined: its result goes over its channel, and a panic closes that without one.
        tokio::task::spawn_local(async move {
            let _counted = counted;
            thread.run(request).await;
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

    async fn run(&self, request: Request) {
        let events = request.events.clone();
        if request.cancel.is_cancelled() || events.is_closed() {
            // Nobody waits any more; a script that has not begun need not begin.
            return;
        }
        let result = match self.vm() {
            Ok(vm) => {
                let Finished { result, good } = vm.run(request).await;
                if !good {
                    self.retire(&vm);
                }
                result
            }
            Err(error) => Err(WorkError::retry(anyhow::anyhow!("no Lua VM can be made: {}", error::text(&error)))),
        };
        // It fails only if nobody waits for the result any more.
        let _ = events.try_send(Event::Done(result));
    }

    fn vm(&self) -> mlua::Result<Rc<Vm>> {
        let mut vm = self.vm.borrow_mut();
        match &*vm {
            Some(vm) => Ok(Rc::clone(vm)),
            None => Ok(Rc::clone(vm.insert(Rc::new(Vm::new(&self.plan, &self.watch)?)))),
        }
    }

    fn retire(&self, used: &Rc<Vm>) {
        let mut vm = self.vm.borrow_mut();
        if vm.as_ref().is_some_and(|vm| Rc::ptr_eq(vm, used)) {
            *vm = None;
        }
    }
}
