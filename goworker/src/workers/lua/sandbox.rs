//! One VM: Luau with the script API, sealed, and how one job runs in it.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::ptr;
use std::rc::Rc;

use goworker::{Clock, Output, WorkError, WorkResult};
use mlua::{Function, Lua, LuaOptions, StdLib, Table, Thread, Value};

use super::api::{self, Host};
use super::error::Fault;
use super::error::OWN_CHUNK;
use super::json::Codec;
use super::pool::Request;
use super::script::Scripts;
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
    memory: usize,
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
        let ticking = Rc::clone(watch);
        lua.set_interrupt(move |lua| ticking.tick(lua));
        Ok(Vm { lua, watch: Rc::clone(watch), scripts, codec, memory: plan.memory, run, inherit, jobs: Cell::new(0) })
    }

    /// Runs one job to its end, in turns with others. Answers its result, and whether the VM is still good for more.
    pub(super) async fn run(&self, request: Request) -> Finished {
        self.tidy();
        self.jobs.set(self.jobs.get() + 1);
        let finished = match self.start(&request) {
            Ok((running, thread, arguments)) => self.drive(&running, &thread, arguments).await,
            Err(Fault::Raised(why)) if why == "not enough memory" => Finished { result: Err(self.stopped(Stop::Memory)), good: false },
            Err(fault) => Finished { result: Err(fault.into()), good: true },
        };
        self.jobs.set(self.jobs.get() - 1);
        finished
    }

    /// Frees what jobs have left behind before it counts against the next one.
    fn tidy(&self) {
        if self.jobs.get() == 0 && self.lua.used_memory() > self.memory / 4 {
            // A full collection cannot fail here: no script has finalizers.
            let _ = self.lua.gc_collect();
        }
    }

    fn start(&self, request: &Request) -> Result<(Rc<Running>, Thread, (Function, Table)), Fault> {
        let chunk = self.scripts.chunk(&self.lua, &request.name).map_err(Fault::Permanent)?;
        self.prepare(request, &chunk).map_err(|error| Fault::Raised(super::error::text(&error)))
    }

    fn prepare(&self, request: &Request, chunk: &Function) -> mlua::Result<(Rc<Running>, Thread, (Function, Table))> {
        let globals = self.lua.create_table_with_capacity(0, 4)?;
        let job = self.job_table(request)?;
        globals.raw_set("job", &job)?;
        globals.raw_set("_G", &globals)?;
        globals.set_metatable(Some(self.inherit.clone()))?;
        // Luau may then use what it looked up when the script was compiled.
        globals.set_safeenv(true);
        let chunk = api::instance(chunk, &globals)?;
        let thread = self.lua.create_thread(self.run.clone())?;
        let running = Rc::new(Running {
            deadline: request.deadline,
            cancel: request.cancel.clone(),
            events: request.events.clone(),
            globals,
            modules: self.lua.create_table()?,
            coroutine: Cell::new(thread.to_pointer()),
            stop: Cell::new(None),
            fault: RefCell::new(None),
            lost_lines: Cell::new(0),
        });
        Ok((running, thread, (chunk, job)))
    }

    fn job_table(&self, request: &Request) -> mlua::Result<Table> {
        let params = match self.codec.decode(request.params.as_bytes())?.map_err(mlua::Error::runtime)? {
            // A job without params: an empty table saves every script a check.
            params if params.is_null() => Value::Table(self.lua.create_table()?),
            params => params,
        };
        let job = self.lua.create_table_with_capacity(0, 4)?;
        job.raw_set("id", request.id.as_str())?;
        job.raw_set("name", request.name.as_str())?;
        job.raw_set("attempt", request.attempt)?;
        job.raw_set("params", params)?;
        job.set_readonly(true);
        Ok(job)
    }

    /// Resumes the job's coroutine until it has ended.
    async fn drive(&self, running: &Rc<Running>, thread: &Thread, arguments: (Function, Table)) -> Finished {
        let mut returned = self.watch.turn(running, || thread.resume::<(Option<bool>, Value)>(arguments));
        while returned.is_ok() && thread.is_resumable() && running.verdict().is_none() {
            tokio::task::yield_now().await;
            returned = self.watch.turn(running, || thread.resume(()));
        }
        let good = running.stop.get().is_none();
        running.coroutine.set(ptr::null());
        let result = self.result(running, returned);
        running.note_lost_lines();
        Finished { good: good && running.stop.get().is_none(), result }
    }

    fn result(&self, running: &Running, returned: mlua::Result<(Option<bool>, Value)>) -> WorkResult {
        let fault = match returned {
            _ if running.stop.get().is_some() => Fault::Raised(String::new()),
            Ok((Some(true), Value::Nil)) => return Ok(Output::none()),
            Ok((Some(true), value)) => match self.watch.turn_of(running, || self.codec.encode(&value, "result")) {
                Ok(json) => return Output::from_json(json).map_err(WorkError::fail),
                Err(why) => Fault::Permanent(why),
            },
            Ok((_, error)) => {
                if super::error::is_memory(&error) {
                    running.stop.set(Some(Stop::Memory));
                }
                running.fault.take().unwrap_or_else(|| Fault::late(&error))
            }
            Err(error) => Fault::late(&Value::Error(Box::new(error))),
        };
        match running.stop.get() {
            Some(stop) => Err(self.stopped(stop)),
            None => Err(fault.into()),
        }
    }

    fn stopped(&self, stop: Stop) -> WorkError {
        WorkError::retry(anyhow::Error::msg(match stop {
            // The worker knows how long the job was given, and says so instead.
            Stop::Timeout => "timed out".to_owned(),
            Stop::Cancelled => "cancelled".to_owned(),
            Stop::Memory => format!("the script needs more than its {} of memory", show(self.memory)),
        }))
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

fn show(bytes: usize) -> String {
    bytesize::ByteSize(u64::try_from(bytes).unwrap_or(u64::MAX)).display().iec().to_string()
}
