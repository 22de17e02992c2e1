//! The job that a thread runs now, and the limits that its script cannot catch: time, cancellation, memory.
//!
//! Luau calls [`Watch::tick`] at every call, every turn of a loop and every step of a pattern. Once a job is stopped,
//! each tick raises the error anew, so a script that catches it gets no further than its next step; and whatever the
//! script answers after that is not taken for a result.

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{Lua, Table, VmState};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::error::Fault;
use super::pool::Event;
use super::ticker::Signal;

/// How long a job may run before other jobs of its thread get their turn.
const SLICE: Duration = Duration::from_millis(1);

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
    /// The modules that it has loaded, once it loads any.
    pub(super) modules: OnceCell<Table>,
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
    /// Sends a log line on its way. Nothing here may wait: when lines come faster than they are taken, they are counted.
    pub(super) fn log(&self, level: Level, message: String) {
        // The last place is kept for the result.
        let sent = self.events.capacity() > 1 && self.events.try_send(Event::Log(level, message)).is_ok();
        if !sent {
            self.lost_lines.set(self.lost_lines.get() + 1);
        }
    }

    /// Sends on its way how far the job is. When more comes than is taken, it is left out: there will be more.
    pub(super) fn progress(&self, fraction: f64, message: String) {
        if self.events.capacity() > 1 {
            // The capacity was looked at on the only thread that sends.
            let _ = self.events.try_send(Event::Progress(fraction, message));
        }
    }

    /// The modules that it has loaded.
    pub(super) fn modules(&self, lua: &Lua) -> mlua::Result<Table> {
        match self.modules.get() {
            Some(modules) => Ok(modules.clone()),
            None => lua.create_table().map(|modules| self.modules.get_or_init(|| modules).clone()),
        }
    }

    /// Says how many lines were lost.
    pub(super) fn note_lost_lines(&self) {
        let lost = self.lost_lines.take();
        if lost > 0 && self.events.capacity() > 1 {
            let note = format!("{lost} lines before this one were lost: the script logs faster than they are written");
            // If there is no room for the note either, the job's end matters more.
            let _ = self.events.try_send(Event::Log(Level::WARN, note));
        }
    }

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
    /// Up when it is time to look at the time.
    signal: Signal,
    turn_ends: Cell<Instant>,
    /// Whether the turn was ended here, rather than by the script.
    took_turn: Cell<bool>,
}

impl Watch {
    pub(super) fn new(signal: Signal) -> Self {
        Watch {
            job: RefCell::new(None),
            stopped: Cell::new(false),
            signal,
            turn_ends: Cell::new(Instant::now()),
            took_turn: Cell::new(false),
        }
    }

    /// Gives `job` a turn: runs `resume` in its name.
    pub(super) fn turn<R>(&self, job: &Rc<Running>, resume: impl FnOnce() -> R) -> R {
        self.stopped.set(job.stop.get().is_some());
        self.took_turn.set(false);
        self.turn_ends.set(Instant::now() + SLICE);
        *self.job.borrow_mut() = Some(Rc::clone(job));
        self.signal.watch();
        let _turn = Turn(self);
        resume()
    }

    /// Whether the last turn ended because it was over, and the script would have gone on.
    pub(super) fn took_turn(&self) -> bool {
        self.took_turn.get()
    }

    /// The job that runs now.
    pub(super) fn job(&self) -> mlua::Result<Rc<Running>> {
        self.job.borrow().clone().ok_or_else(|| mlua::Error::runtime("no job runs"))
    }

    /// What Luau calls at every step.
    pub(super) fn tick(&self, lua: &Lua) -> mlua::Result<VmState> {
        if !self.signal.is_up() && !self.stopped.get() {
            return Ok(VmState::Continue);
        }
        self.signal.lower();
        // Code of a script that runs in nobody's name, such as a `__tostring`, has no limit but this one.
        let job = self.job()?;
        if let Some(stop) = job.verdict() {
            return Err(self.stop(&job, stop));
        }
        // Only the job's own coroutine may be left here: a yield in one that the script made would return to the script.
        let over = Instant::now() >= self.turn_ends.get();
        let own = over && lua.current_thread().to_pointer() == job.coroutine.get();
        self.took_turn.set(own);
        Ok(if own { VmState::Yield } else { VmState::Continue })
    }

    /// Looks at an error that a script caught: what stops a job is raised again, and running out of memory stops it.
    pub(super) fn caught(&self, error: &mlua::Value) -> mlua::Result<()> {
        let job = self.job()?;
        if super::error::says_memory(error) {
            job.stop.set(Some(Stop::Memory));
        }
        match job.stop.get() {
            Some(stop) => Err(self.stop(&job, stop)),
            None => Ok(()),
        }
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

/// Ends a turn, even if by a panic: a job that is kept would never be known to be over.
struct Turn<'a>(&'a Watch);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.signal.rest();
        *self.0.job.borrow_mut() = None;
    }
}
