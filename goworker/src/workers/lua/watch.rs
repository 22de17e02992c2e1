//! The job that a thread runs now, and the limits that its script cannot catch: time, cancellation, memory.
//!
//! Luau calls [`Watch::tick`] at every call, every turn of a loop and every step of a pattern. Once a job is stopped,
//! each tick raises the error anew, so a script that catches it gets no further than its next step; and whatever the
//! script answers after that is not taken for a result.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{Lua, Table, VmState};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::error::Fault;
use super::pool::Event;

/// How long a job may run before other jobs of its thread get their turn.
const SLICE: Duration = Duration::from_millis(1);
/// Every how many ticks the time is read: reading it is dearer than all else here.
const STRIDE: u32 = 64;

/// Why a job was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time is up.
    Timeout,
    /// It was cancelled, or nobody waits for its result any more.
    Cancelled,
    /// It needed more memory than it may have.
    Memory,
}

/// A job that is running.
#[derive(Debug)]
pub(super) struct Running {
    /// When it has to be over.
    pub(super) deadline: Option<Instant>,
    /// Cancelled when it shall stop.
    pub(super) cancel: CancellationToken,
    /// Where its log lines and its result go.
    pub(super) events: Sender<Event>,
    /// Its globals.
    pub(super) globals: Table,
    /// The modules that it has loaded.
    pub(super) modules: Table,
    /// Its coroutine, by address.
    pub(super) coroutine: Cell<*const c_void>,
    /// Set once, when it is stopped.
    pub(super) stop: Cell<Option<Stop>>,
    /// The error that ended it.
    pub(super) fault: RefCell<Option<Fault>>,
    /// Log lines that found no room.
    pub(super) lost_lines: Cell<usize>,
}

impl Running {
    /// Why the job has to stop now, if it has to.
    pub(super) fn verdict(&self) -> Option<Stop> {
        if self.stop.get().is_none() {
            let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
            // The deadline first: the manager cancels a job whose time is up.
            self.stop.set(if late {
                Some(Stop::Timeout)
            } else if self.cancel.is_cancelled() || self.events.is_closed() {
                Some(Stop::Cancelled)
            } else {
                None
            });
        }
        self.stop.get()
    }
}

/// One thread's view of the job that it runs now.
#[derive(Debug)]
pub(super) struct Watch {
    job: RefCell<Option<Rc<Running>>>,
    stopped: Cell<bool>,
    ticks: Cell<u32>,
    turn_ends: Cell<Instant>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Watch { job: RefCell::new(None), stopped: Cell::new(false), ticks: Cell::new(0), turn_ends: Cell::new(Instant::now()) }
    }

    /// Gives `job` a turn: runs `resume` in its name.
    pub(super) fn turn<R>(&self, job: &Rc<Running>, resume: impl FnOnce() -> R) -> R {
        self.stopped.set(job.stop.get().is_some());
        self.turn_ends.set(Instant::now() + SLICE);
        *self.job.borrow_mut() = Some(Rc::clone(job));
        let result = resume();
        *self.job.borrow_mut() = None;
        result
    }

    /// The job that runs now.
    pub(super) fn job(&self) -> mlua::Result<Rc<Running>> {
        self.job.borrow().clone().ok_or_else(|| mlua::Error::runtime("no job runs"))
    }

    /// What Luau calls at every step.
    pub(super) fn tick(&self, lua: &Lua) -> mlua::Result<VmState> {
        let ticks = self.ticks.get().wrapping_add(1);
        self.ticks.set(ticks);
        if !ticks.is_multiple_of(STRIDE) && !self.stopped.get() {
            return Ok(VmState::Continue);
        }
        let Ok(job) = self.job() else { return Ok(VmState::Continue) };
        if let Some(stop) = job.verdict() {
            return Err(self.stop(&job, stop));
        }
        // Only the job's own coroutine may be left here: a yield in one that the script made would return to the script.
        let over = Instant::now() >= self.turn_ends.get();
        let own = over && lua.current_thread().to_pointer() == job.coroutine.get();
        Ok(if own { VmState::Yield } else { VmState::Continue })
    }

    /// Looks at an error that a script caught: what stops a job is raised again, and running out of memory stops it.
    pub(super) fn caught(&self, error: &mlua::Value) -> mlua::Result<()> {
        let job = self.job()?;
        if super::error::is_memory(error) {
            job.stop.set(Some(Stop::Memory));
        }
        match job.stop.get() {
            Some(stop) => Err(self.stop(&job, stop)),
            None => Ok(()),
        }
    }

    /// Notes an error while its handler runs, which must not raise another.
    pub(super) fn seen(&self, error: &mlua::Value) -> mlua::Result<()> {
        if super::error::is_memory(error) {
            self.job()?.stop.set(Some(Stop::Memory));
            self.stopped.set(true);
        }
        Ok(())
    }

    fn stop(&self, job: &Running, stop: Stop) -> mlua::Error {
        job.stop.set(Some(stop));
        self.stopped.set(true);
        mlua::Error::runtime(match stop {
            Stop::Timeout => "timed out",
            Stop::Cancelled => "cancelled",
            Stop::Memory => "not enough memory",
        })
    }
}
