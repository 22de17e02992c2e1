//! Threads that run scripts: each has a VM of its own, in which jobs are coroutines. Only text crosses threads.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use goworker::Clock;
use goworker::units::Size;
use mlua::thread::ThreadStatus;
use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Table, Value};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::error::{Fault, OWN_CHUNK, text};
use super::host;
use super::json::Codec;
use super::script::Scripts;
use super::watch::{Running, Stop, Watch};

/// A job for a thread.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) attempt: u32,
    pub(super) params: String,
    pub(super) deadline: Option<Instant>,
    pub(super) cancel: CancellationToken,
    pub(super) events: Sender<Event>,
}

/// What a thread says of a job. The last event is its end.
#[derive(Debug)]
pub(super) enum Event {
    /// A line that it logs.
    Log(tracing::Level, String),
    /// Its result as JSON, if it has one, or why it has none.
    Ended(Result<Option<String>, Why>),
}

/// Why a job has no result.
#[derive(Debug)]
pub(super) enum Why {
    /// Its script failed, or ended itself.
    Fault(Fault),
    /// It broke a limit.
    Stopped(Stop),
}

/// What the threads share.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) folder: PathBuf,
    pub(super) memory: Size,
    pub(super) clock: Clock,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Pool {
    threads: Vec<UnboundedSender<Request>>,
    next: AtomicUsize,
}

impl Pool {
    /// Starts the threads; they end when the pool is dropped.
    pub(super) fn start(threads: usize, limits: &Limits) -> anyhow::Result<Self> {
        // A first VM here, so that a fault of the set-up is an error of the start and not of every job.
        Vm::new(limits).map_err(|error| anyhow::anyhow!("Lua cannot start: {}", text(&error)))?;
        let spawn = |index| {
            // Bounded by the worker's slots: a job is sent only when it has one.
            let (sender, receiver) = unbounded_channel();
            let limits = limits.clone();
            std::thread::Builder::new().name(format!("goworker-lua-{index}")).spawn(move || serve(&limits, receiver))?;
            Ok(sender)
        };
        Ok(Pool { threads: (0..threads.max(1)).map(spawn).collect::<anyhow::Result<_>>()?, next: AtomicUsize::new(0) })
    }

    /// Gives a job to the next thread in turn.
    pub(super) fn send(&self, request: Request) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        // A thread that is gone drops the request, and with it the channel by which its end is told.
        let _gone = self.threads[next].send(request);
    }
}

fn serve(limits: &Limits, mut requests: UnboundedReceiver<Request>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!("a thread for Lua cannot start: {error}"),
    };
    let current: Rc<RefCell<Option<Rc<Vm>>>> = Rc::default();
    LocalSet::new().block_on(&runtime, async {
        while let Some(request) = requests.recv().await {
            let known = current.borrow().clone();
            let vm = match known.map_or_else(|| Vm::new(limits).map(Rc::new), Ok) {
                Ok(vm) => vm,
                Err(error) => {
                    let why = Why::Fault(Fault::Raised(format!("Lua cannot start: {}", text(&error))));
                    // If nobody waits for it any more, nobody needs to know.
                    let _nobody = request.events.try_send(Event::Ended(Err(why)));
                    continue;
                }
            };
            *current.borrow_mut() = Some(Rc::clone(&vm));
            let current = Rc::clone(&current);
            tokio::task::spawn_local(async move {
                let events = request.events.clone();
                let result = vm.run(request).await;
                if matches!(result, Err(Why::Stopped(_))) {
                    // Whatever the job has left behind goes with its VM; jobs that run in it may finish.
                    current.borrow_mut().take_if(|current| Rc::ptr_eq(current, &vm));
                }
                let _nobody = events.send(Event::Ended(result)).await;
            });
        }
    });
}

/// A sealed Lua state.
struct Vm {
    lua: Lua,
    watch: Rc<Watch>,
    codec: Rc<Codec>,
    scripts: Rc<Scripts>,
    /// Runs a chunk with a job, and notes what it raises.
    runner: Function,
    /// Gives a job its own globals, and Luau's and ours behind them.
    behind: Table,
}

impl Vm {
    fn new(limits: &Limits) -> mlua::Result<Self> {
        let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::new())?;
        let (watch, scripts) = (Rc::new(Watch::new()), Rc::new(Scripts::new(limits.folder.clone())));
        let codec = Rc::new(Codec::new(&lua)?);
        let host = host::table(&lua, &watch, &codec, &scripts, limits.clock.clone())?;
        let prelude = lua.load(include_str!("prelude.luau")).set_name(format!("={OWN_CHUNK}"));
        let runner = prelude.call((host, lua.globals()))?;
        let behind = lua.create_table()?;
        behind.raw_set("__index", lua.globals())?;
        behind.raw_set("__metatable", "sealed")?;
        behind.set_readonly(true);
        lua.sandbox(true)?;
        let ticking = Rc::clone(&watch);
        lua.set_interrupt(move |lua| ticking.tick(lua));
        lua.set_memory_limit(usize::try_from(limits.memory.bytes()).unwrap_or(usize::MAX))?;
        Ok(Vm { lua, watch, codec, scripts, runner, behind })
    }

    async fn run(&self, request: Request) -> Result<Option<String>, Why> {
        let chunk = self.scripts.get(&self.lua, &request.name).map_err(Why::Fault)?;
        let started = self.prepare(&request, &chunk).map_err(|error| self.broken(&error))?;
        let (job, thread, arguments) = started?;
        let mut arguments = Some(arguments);
        loop {
            if let Some(stop) = job.verdict() {
                return Err(Why::Stopped(stop));
            }
            let resumed = self.watch.turn(&job, || thread.resume::<MultiValue>(arguments.take().unwrap_or_default()));
            if let Some(stop) = job.stop.get() {
                return Err(Why::Stopped(stop));
            }
            if resumed.is_ok() && thread.status() == ThreadStatus::Resumable {
                // Its slice is over: others have their turn.
                tokio::task::yield_now().await;
                continue;
            }
            return self.conclude(&job, resumed);
        }
    }

    /// What the script sees, and the coroutine that it runs in.
    #[allow(clippy::type_complexity, reason = "an error of Lua, or of the job, or all that a run needs")]
    fn prepare(&self, request: &Request, chunk: &Function) -> mlua::Result<Result<(Rc<Running>, mlua::Thread, MultiValue), Why>> {
        let lua = &self.lua;
        let table = match host::job_table(lua, &self.codec, &request.id, &request.name, request.attempt, &request.params)? {
            Ok(table) => table,
            Err(why) => return Ok(Err(Why::Fault(Fault::Permanent(format!("params: {why}"))))),
        };
        let globals = lua.create_table()?;
        globals.raw_set("job", &table)?;
        globals.raw_set("_G", &globals)?;
        globals.set_metatable(Some(self.behind.clone()))?;
        let chunk = chunk.deep_clone()?;
        chunk.set_environment(globals.clone())?;
        let thread = lua.create_thread(self.runner.clone())?;
        let job = Running {
            deadline: request.deadline,
            cancel: request.cancel.clone(),
            events: request.events.clone(),
            globals,
            modules: lua.create_table()?,
            coroutine: Cell::new(thread.to_pointer()),
            stop: Cell::new(None),
            fault: RefCell::new(None),
            lost_lines: Cell::new(0),
        };
        let arguments = [Value::Function(chunk), Value::Table(table)].into_iter().collect();
        Ok(Ok((Rc::new(job), thread, arguments)))
    }

    /// The runner answers `true` and the result, or `false` and has noted why.
    fn conclude(&self, job: &Running, resumed: mlua::Result<MultiValue>) -> Result<Option<String>, Why> {
        if job.lost_lines.get() > 0 {
            let line = format!("{} lines were logged too fast and are lost", job.lost_lines.get());
            let _full = job.events.try_send(Event::Log(tracing::Level::WARN, line));
        }
        let mut values = resumed.map_err(|error| self.broken(&error))?.into_iter();
        let (ok, result) = (values.next(), values.next().unwrap_or(Value::Nil));
        if ok != Some(Value::Boolean(true)) {
            return Err(Why::Fault(job.fault.take().unwrap_or_else(|| Fault::late(&result))));
        }
        if result.is_nil() {
            return Ok(None);
        }
        self.codec.encode(&result, "result").map(Some).map_err(|why| Why::Fault(Fault::Permanent(why)))
    }

    /// An error of Lua itself: out of memory, as a rule.
    fn broken(&self, error: &mlua::Error) -> Why {
        match error {
            mlua::Error::MemoryError(_) => Why::Stopped(Stop::Memory),
            error => Why::Fault(Fault::Raised(text(error))),
        }
    }
}
