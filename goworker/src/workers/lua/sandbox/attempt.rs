//! One attempt of a job in a VM, from its request to its result.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use goworker::units::Size;
use goworker::{Level, Output, WorkError, WorkResult};
use mlua::{Function, IntoLuaMulti, MultiValue, Table, Thread, Value};
use slab::Slab;
use tokio::sync::mpsc;

use super::super::api;
use super::super::error::{self, Fault, is_memory, says_memory};
use super::super::events::{Event, Reply};
use super::super::pool::Request;
use super::super::script::LoadError;
use super::super::tasks::{self, Returned, Tasks, Turns};
use super::super::ticker::Serial;
use super::super::watch::{Running, Stop};
use super::Vm;

impl Vm {
    /// Runs one job to its end, in turns with others. Answers its result, and whether the VM is still good for more.
    pub(in super::super) async fn run(&self, serial: Serial, request: Request) -> Finished {
        self.uses.set(self.uses.get() + 1);
        let alone = self.jobs.borrow().is_empty();
        if alone && self.heap.tidy(&self.lua).is_err() {
            return Finished { result: Err(self.stopped(Stop::Memory, None)), good: false };
        }
        let Started { running, coroutine, chunk, job } = match self.start(serial, &request) {
            Ok(started) => started,
            Err(Unstarted::Fault(fault)) => return Finished { result: Err(fault.into()), good: true },
            Err(Unstarted::NoMemory) if alone => return Finished { result: Err(self.stopped(Stop::Memory, None)), good: false },
            Err(Unstarted::NoMemory) => return Finished { result: Err(hurt(&request.events).await), good: false },
        };
        let entry = Entry::new(&self.jobs, Rc::clone(&running));
        let turns = Job { vm: self, running: &running };
        let mut returned = turns.turn(&coroutine, (chunk, job));
        if coroutine.is_resumable() {
            returned = tasks::finish(&running, &self.marks, &turns, &coroutine, returned).await;
        }
        let result = self.result(&running, returned);
        running.note_failed_tasks().await;
        running.note_lost_lines().await;
        match running.stop.get() {
            Some(Stop::Memory) if entry.another_has_grown_more() => Finished { result: Err(hurt(&request.events).await), good: false },
            Some(stop) => Finished { result: Err(self.stopped(stop, Some(&running))), good: false },
            None => Finished { result: result.map_err(WorkError::from), good: true },
        }
    }

    fn start(&self, serial: Serial, request: &Request) -> Result<Started, Unstarted> {
        let chunk = self.scripts.chunk(&self.lua, &request.name).map_err(|error| match error {
            LoadError::Bad(why) => Unstarted::Fault(Fault::Permanent(why)),
            LoadError::Memory(error) => Unstarted::from(error),
        })?;
        let params = self.codec.decode(&self.lua, request.params.as_bytes())?;
        let params = params.map_err(|why| Unstarted::Fault(Fault::Permanent(format!("params: {why}"))))?;
        Ok(self.prepare(serial, request, &chunk, params)?)
    }

    fn prepare(&self, serial: Serial, request: &Request, chunk: &Function, params: Value) -> mlua::Result<Started> {
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
            serial,
            began: Instant::now(),
            deadline: Cell::new(request.deadline),
            limit: Cell::new(request.limit),
            untold_limit: Cell::new(None),
            time: Cell::new((request.now, Instant::now())),
            cpu: Cell::new(self.cpu),
            cpu_used: Cell::new(Duration::ZERO),
            turn_began: Cell::new(Duration::ZERO),
            grown: Cell::new(0),
            cancel: request.cancel.clone(),
            events: request.events.clone(),
            globals,
            modules: OnceCell::new(),
            tasks: Tasks::default(),
            stop: Cell::new(None),
            fault: RefCell::new(None),
            failed_tasks: RefCell::default(),
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

    fn result(&self, running: &Running, returned: Returned) -> Result<Output, Fault> {
        let error = match returned {
            Ok((Value::Boolean(true), Value::Nil)) => return Ok(Output::none()),
            Ok((Value::Boolean(true), value)) => {
                let json = self.codec.encode(&value, "result", &|| running.verdict().is_some()).map_err(Fault::Permanent)?;
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

    fn stopped(&self, stop: Stop, running: Option<&Running>) -> WorkError {
        match stop {
            Stop::Timeout => error::timed_out(running.and_then(|running| running.limit.get())),
            Stop::Cpu => error::out_of_processor_time(running.and_then(|running| running.cpu.get())),
            Stop::Cancelled => error::cancelled(),
            Stop::Memory => {
                let memory = Size(u64::try_from(self.heap.limit()).unwrap_or(u64::MAX));
                WorkError::retry(anyhow::anyhow!("the script needs more memory than its limit of {memory}"))
            }
        }
    }
}

/// The turns of a job in its VM.
struct Job<'a> {
    vm: &'a Vm,
    running: &'a Rc<Running>,
}

impl Job<'_> {
    fn go(&self, resume: impl FnOnce() -> Returned) -> Returned {
        let before = self.vm.lua.used_memory();
        let returned = self.vm.watch.turn(self.running, resume);
        let difference = |a: usize, b: usize| i64::try_from(a).unwrap_or(i64::MAX) - i64::try_from(b).unwrap_or(i64::MAX);
        self.running.grown.set(self.running.grown.get() + difference(self.vm.lua.used_memory(), before));
        returned
    }
}

impl Turns for Job<'_> {
    fn turn(&self, coroutine: &Thread, arguments: impl IntoLuaMulti) -> Returned {
        self.go(|| coroutine.resume(arguments))
    }

    fn raise(&self, coroutine: &Thread, why: &str) -> Returned {
        self.go(|| coroutine.resume_error(why))
    }

    fn values(&self, reply: Reply) -> mlua::Result<MultiValue> {
        reply.err().into_lua_multi(&self.vm.lua)
    }
}

/// The end of a job that another one has left no memory to.
async fn hurt(events: &mpsc::Sender<Event>) -> WorkError {
    let note = "another script used up the memory of the VM, so this one begins anew; that is no attempt";
    // It fails only if nobody waits for the result any more.
    let _ = events.send(Event::Log(Level::WARN, note.to_owned())).await;
    WorkError::snooze(Duration::ZERO)
}

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
pub(in super::super) struct Finished {
    /// What it answers.
    pub(in super::super) result: WorkResult,
    /// Whether the VM can go on: after a job had to be stopped it is replaced.
    pub(in super::super) good: bool,
}

/// A job that counts as running in its VM until it is over, however it ends.
struct Entry<'a> {
    jobs: &'a RefCell<Slab<Rc<Running>>>,
    key: usize,
}

impl<'a> Entry<'a> {
    fn new(jobs: &'a RefCell<Slab<Rc<Running>>>, running: Rc<Running>) -> Self {
        Entry { jobs, key: jobs.borrow_mut().insert(running) }
    }

    /// Whether more of the memory in use is another job's. Who shares a VM shares its limit, and is to blame for what he holds.
    fn another_has_grown_more(&self) -> bool {
        let jobs = self.jobs.borrow();
        let own = jobs.get(self.key).map_or(0, |own| own.grown.get());
        jobs.iter().any(|(_, job)| job.grown.get() > own)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.jobs.borrow_mut().remove(self.key);
    }
}
