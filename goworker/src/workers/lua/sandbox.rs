//! One VM: Luau with the script API, sealed, and how one job runs in it.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use goworker::units::{Dur, Size};
use goworker::{Clock, Output, WorkError, WorkResult};
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Thread, Value};

use super::api::{self, Host};
use super::error::{self, Fault, OWN_CHUNK, is_memory, says_memory};
use super::heap::Heap;
use super::json::Codec;
use super::pool::Request;
use super::script::{LoadError, Scripts};
use super::watch::{Running, Stop, Watch};

/// What every VM of a worker has in common.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The scripts folder.
    pub(super) scripts: PathBuf,
    /// How many bytes a VM may use.
    pub(super) memory: usize,
    /// The time that scripts see.
    pub(super) clock: Clock,
}

/// A VM. Jobs share it, one after the other and in turns; each has its own globals.
#[derive(Debug)]
pub(super) struct Vm {
    lua: Lua,
    watch: Rc<Watch>,
    scripts: Rc<Scripts>,
    codec: Codec,
    heap: Rc<Heap>,
    /// Calls a script with its job, and notes what it raises.
    run: Function,
    /// Lets a job's globals show those of the VM.
    inherit: Table,
    /// Jobs that are running in it.
    jobs: Cell<usize>,
}

impl Vm {
    /// A fresh VM.
    pub(super) fn new(plan: &Plan, watch: &Rc<Watch>) -> mlua::Result<Self> {
        let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::default())?;
        let scripts = Rc::new(Scripts::new(plan.scripts.clone()));
        let codec = Codec::new(&lua)?;
        let host = Host { watch: Rc::clone(watch), scripts: Rc::clone(&scripts), codec: codec.clone(), clock: plan.clock.clone() };
        let globals = lua.globals();
        let prelude = lua.load(include_str!("prelude.luau")).set_name(format!("={OWN_CHUNK}")).into_function()?;
        let run = prelude.call((api::table(&lua, &host)?, &globals))?;
        let inherit = lua.create_table()?;
        inherit.set("__index", &globals)?;
        inherit.set("__metatable", "locked")?;
        inherit.set_readonly(true);
        for table in ["log", "json", "debug"] {
            globals.get::<Table>(table)?.set_readonly(true);
        }
        // Freezes the libraries, their metatables and the globals; `globals` itself is what jobs inherit from.
        lua.sandbox(true)?;
        lua.set_memory_limit(plan.memory)?;
        let heap = Rc::new(Heap::new(plan.memory));
        lua.set_interrupt({
            let (watch, heap) = (Rc::clone(watch), Rc::clone(&heap));
            move |lua| {
                heap.tick(lua)?;
                watch.tick(lua)
            }
        });
        Ok(Vm { lua, watch: Rc::clone(watch), scripts, codec, heap, run, inherit, jobs: Cell::new(0) })
    }

    /// Runs one job to its end, in turns with others. Answers its result, and whether the VM is still good for more.
    pub(super) async fn run(&self, request: Request) -> Finished {
        if self.jobs.get() == 0 && self.heap.tidy(&self.lua).is_err() {
            return Finished { result: Err(self.stopped(Stop::Memory, None)), good: false };
        }
        let _busy = Busy::new(&self.jobs);
        self.finish(&request).await
    }

    async fn finish(&self, request: &Request) -> Finished {
        let (result, stop) = match self.start(request) {
            Ok(Started { running, coroutine, chunk, job }) => {
                let returned = self.drive(&running, &coroutine, (chunk, job)).await;
                let result = self.result(&running, returned);
                running.note_lost_lines();
                (result, running.stop.get())
            }
            Err(Unstarted::Fault(fault)) => (Err(fault), None),
            Err(Unstarted::NoMemory) => return Finished { result: Err(self.stopped(Stop::Memory, None)), good: false },
        };
        match stop {
            Some(stop) => Finished { result: Err(self.stopped(stop, request.limit)), good: false },
            None => Finished { result: result.map_err(WorkError::from), good: true },
        }
    }

    fn start(&self, request: &Request) -> Result<Started, Unstarted> {
        let chunk = self.scripts.chunk(&self.lua, &request.name).map_err(|error| match error {
            LoadError::Bad(why) => Unstarted::Fault(Fault::Permanent(why)),
            LoadError::Memory(error) => Unstarted::from(error),
        })?;
        let params = self.codec.decode(&self.lua, request.params.as_bytes())?;
        let params = params.map_err(|why| Unstarted::Fault(Fault::Permanent(format!("params: {why}"))))?;
        Ok(self.prepare(request, &chunk, params)?)
    }

    fn prepare(&self, request: &Request, chunk: &Function, params: Value) -> mlua::Result<Started> {
        let globals = self.lua.create_table_with_capacity(0, 4)?;
        let job = self.job_table(request, params)?;
        globals.raw_set("job", &job)?;
        globals.raw_set("_G", &globals)?;
        globals.set_metatable(Some(self.inherit.clone()))?;
        // Luau may then use what it looked up when the script was compiled.
        globals.set_safeenv(true);
        let chunk = api::instance(chunk, &globals)?;
        let coroutine = self.lua.create_thread(self.run.clone())?;
        let running = Rc::new(Running {
            deadline: request.deadline,
            cancel: request.cancel.clone(),
            events: request.events.clone(),
            globals,
            modules: OnceCell::new(),
            coroutine: Cell::new(coroutine.to_pointer()),
            stop: Cell::new(None),
            fault: RefCell::new(None),
            lost_lines: Cell::new(0),
        });
        Ok(Started { running, coroutine, chunk, job })
    }

    fn job_table(&self, request: &Request, params: Value) -> mlua::Result<Table> {
        // A job without params: an empty table saves every script a check.
        let params = if params.is_null() { Value::Table(self.lua.create_table()?) } else { params };
        let job = self.lua.create_table_with_capacity(0, 4)?;
        job.raw_set("id", request.id.as_str())?;
        job.raw_set("name", request.name.as_str())?;
        job.raw_set("attempt", request.attempt)?;
        job.raw_set("params", params)?;
        job.set_readonly(true);
        Ok(job)
    }

    /// Resumes the job's coroutine until it has ended, or has to stop: then it is left where it stands.
    async fn drive(&self, running: &Rc<Running>, coroutine: &Thread, arguments: (Function, Table)) -> Returned {
        let mut returned = self.watch.turn(running, || coroutine.resume(arguments));
        while returned.is_ok() && coroutine.is_resumable() && running.verdict().is_none() {
            if !self.watch.took_turn() {
                return Err(mlua::Error::runtime("attempt to yield from outside a coroutine"));
            }
            tokio::task::yield_now().await;
            returned = self.watch.turn(running, || coroutine.resume(()));
        }
        returned
    }

    fn result(&self, running: &Running, returned: Returned) -> Result<Output, Fault> {
        let error = match returned {
            Ok((Some(true), Value::Nil)) => return Ok(Output::none()),
            Ok((Some(true), value)) => {
                let json = self.codec.encode(&value, "result").map_err(Fault::Permanent)?;
                return Output::from_json(json).map_err(|error| Fault::Permanent(format!("result: {error}")));
            }
            Ok((_, error)) => error,
            Err(error) => Value::Error(Box::new(error)),
        };
        if says_memory(&error) {
            running.stop.set(Some(Stop::Memory));
        }
        Err(running.fault.take().unwrap_or_else(|| Fault::late(&error)))
    }

    fn stopped(&self, stop: Stop, limit: Option<Dur>) -> WorkError {
        match stop {
            Stop::Timeout => error::timed_out(limit),
            Stop::Cancelled => error::cancelled(),
            Stop::Memory => {
                let memory = Size(u64::try_from(self.heap.limit()).unwrap_or(u64::MAX));
                WorkError::retry(anyhow::anyhow!("the script needs more memory than its limit of {memory}"))
            }
        }
    }
}

/// What [`Vm::run`] of the prelude returns: whether the script got to its end, and its result or error.
type Returned = mlua::Result<(Option<bool>, Value)>;

/// A job that is ready for its first turn.
struct Started {
    running: Rc<Running>,
    coroutine: Thread,
    chunk: Function,
    job: Table,
}

/// Why a job could not be started.
enum Unstarted {
    Fault(Fault),
    NoMemory,
}

impl From<mlua::Error> for Unstarted {
    fn from(error: mlua::Error) -> Self {
        if is_memory(&error) { Unstarted::NoMemory } else { Unstarted::Fault(Fault::Raised(error::text(&error))) }
    }
}

/// How a job ended.
#[derive(Debug)]
pub(super) struct Finished {
    /// What it answers.
    pub(super) result: WorkResult,
    /// Whether the VM can go on: after a job had to be stopped it is replaced.
    pub(super) good: bool,
}

/// A job that counts as running until it is over, however it ends.
struct Busy<'a>(&'a Cell<usize>);

impl<'a> Busy<'a> {
    fn new(jobs: &'a Cell<usize>) -> Self {
        jobs.set(jobs.get() + 1);
        Busy(jobs)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
