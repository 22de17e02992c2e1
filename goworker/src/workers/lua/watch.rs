//! The job that a thread runs now, and the limits that its script cannot catch: time, cancellation, memory.
//!
//! Luau calls [`Watch::tick`] at every call, every turn of a loop and every step of a pattern. Once a job is stopped,
//! each tick raises the error anew, so a script that catches it gets no further than its next step; and whatever the
//! script answers after that is not taken for a result.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use goworker::Timestamp;
use goworker::units::Dur;
use mlua::{Lua, Table, VmState};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::error::Fault;
use super::events::Event;
use super::tasks::Tasks;
use super::ticker::{Serial, Signal};

/// How long a job may run before other jobs of its thread get their turn.
const SLICE: Duration = Duration::from_millis(1);

/// At how many steps after one in our own code it is tried to end a turn that is over.
const CLOSE: u8 = 20;

/// Why a job was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time is up.
    Timeout,
    /// It has used the processor time that it may.
    Cpu,
    /// It was cancelled, or nobody waits for its result any more.
    Cancelled,
    /// It needed more memory than there is.
    Memory,
}

/// A job that is running.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) serial: Serial,
    pub(super) began: Instant,
    /// When it has to be over, and how long it was given.
    pub(super) deadline: Cell<Option<Instant>>,
    pub(super) limit: Cell<Option<Dur>>,
    /// The limit that it gave itself, if that could not be told yet.
    pub(super) untold_limit: Cell<Option<Dur>>,
    /// What time it was, when that was told last.
    pub(super) time: Cell<(Timestamp, Instant)>,
    /// How much processor time it may use, and has used in turns before this one.
    pub(super) cpu: Cell<Option<Dur>>,
    pub(super) cpu_used: Cell<Duration>,
    /// What the thread's clock for processor time showed when the turn began, if the job has a limit.
    pub(super) turn_began: Cell<Duration>,
    /// How many bytes the heap has grown in its turns. Less what was collected then, of whomever.
    pub(super) grown: Cell<i64>,
    /// Cancelled when it shall stop.
    pub(super) cancel: CancellationToken,
    /// Where its log lines and its result go.
    pub(super) events: Sender<Event>,
    /// Its globals.
    pub(super) globals: Table,
    /// The modules that it has loaded, once it loads any.
    pub(super) modules: OnceCell<Table>,
    /// Its coroutines.
    pub(super) tasks: Tasks,
    /// Set once, when it is stopped.
    pub(super) stop: Cell<Option<Stop>>,
    /// The error that ended it.
    pub(super) fault: RefCell<Option<Fault>>,
    /// Of tasks whose errors nobody has heard yet.
    pub(super) failed_tasks: RefCell<Vec<(i64, String)>>,
    /// Log lines that found no room.
    pub(super) lost_lines: Cell<usize>,
}

impl Running {
    /// Sends a log line on its way. Nothing here may wait: when lines come faster than they are taken, they are counted.
    pub(super) fn log(&self, level: Level, message: String) {
        if self.events.try_send(Event::Log(level, message)).is_err() {
            self.lost_lines.set(self.lost_lines.get() + 1);
        }
    }

    /// Sends on its way how far the job is. When more comes than is taken, it is left out: there will be more.
    pub(super) fn progress(&self, fraction: f64, message: String) {
        let _ = self.events.try_send(Event::Progress(fraction, message));
    }

    /// The modules that it has loaded.
    pub(super) fn modules(&self, lua: &Lua) -> mlua::Result<Table> {
        match self.modules.get() {
            Some(modules) => Ok(modules.clone()),
            None => lua.create_table().map(|modules| self.modules.get_or_init(|| modules).clone()),
        }
    }

    /// Says which tasks failed without anybody hearing of it.
    pub(super) async fn note_failed_tasks(&self) {
        for (_, why) in self.failed_tasks.take() {
            // It fails only if nobody waits for the result any more.
            let _ = self.events.send(Event::Log(Level::WARN, format!("a task that nobody awaited failed: {why}"))).await;
        }
    }

    /// Says how many lines were lost.
    pub(super) async fn note_lost_lines(&self) {
        let lost = self.lost_lines.take();
        if lost > 0 {
            let note = format!("{lost} lines before this one were lost: the script logs faster than they are written");
            // It fails only if nobody waits for the result any more.
            let _ = self.events.send(Event::Log(Level::WARN, note)).await;
        }
    }

    /// Why the job has to stop now, if it has to.
    pub(super) fn verdict(&self) -> Option<Stop> {
        if self.stop.get().is_none() {
            let late = self.deadline.get().is_some_and(|deadline| Instant::now() >= deadline);
            // The deadline first: the manager cancels a job whose time is up.
            self.stop.set(if late {
                Some(Stop::Timeout)
            } else if self.cpu.get().is_some_and(|limit| self.cpu_in_turn() + self.cpu_used.get() >= limit.get()) {
                Some(Stop::Cpu)
            } else if self.cancel.is_cancelled() || self.events.is_closed() {
                Some(Stop::Cancelled)
            } else {
                None
            });
        }
        self.stop.get()
    }

    /// What time it is. The clock is not asked: on this thread it does not know virtual time.
    pub(super) fn now(&self) -> Timestamp {
        let (told, then) = self.time.get();
        told.after(then.elapsed())
    }

    /// The script gives itself no longer than this, in its own turn.
    pub(super) fn limit_time(&self, limit: Dur) {
        let own = self.began.checked_add(limit.get());
        if let Some(own) = own.filter(|own| self.deadline.get().is_none_or(|deadline| *own < deadline)) {
            self.deadline.set(Some(own));
            self.limit.set(Some(limit));
        }
        if self.events.try_send(Event::Limit(limit)).is_err() {
            self.untold_limit.set(Some(limit));
        }
    }

    /// The script gives itself no more processor time than this, from now on, in its own turn.
    pub(super) fn limit_cpu(&self, limit: Dur) {
        if self.cpu.get().is_none() {
            self.turn_began.set(thread_cpu());
        }
        self.cpu.set(Some(self.cpu.get().map_or(limit, |other| other.min(limit))));
    }

    fn cpu_in_turn(&self) -> Duration {
        thread_cpu().saturating_sub(self.turn_began.get())
    }
}

/// How much processor time this thread has used.
fn thread_cpu() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// One thread's view of the job that it runs now.
#[derive(Debug)]
pub(super) struct Watch {
    job: RefCell<Option<Rc<Running>>>,
    stopped: Cell<bool>,
    /// Up when it is time to look at the time.
    signal: Signal,
    turn_ends: Cell<Instant>,
    /// At how many more steps to look whether the turn can end, which it could not.
    close: Cell<u8>,
}

impl Watch {
    pub(super) fn new(signal: Signal) -> Self {
        Watch { job: RefCell::new(None), stopped: Cell::new(false), signal, turn_ends: Cell::new(Instant::now()), close: Cell::new(0) }
    }

    /// Gives `job` a turn: runs `resume` in its name.
    pub(super) fn turn<R>(&self, job: &Rc<Running>, resume: impl FnOnce() -> R) -> R {
        self.stopped.set(job.stop.get().is_some());
        self.turn_ends.set(Instant::now() + SLICE);
        self.close.set(0);
        if job.cpu.get().is_some() {
            job.turn_began.set(thread_cpu());
        }
        *self.job.borrow_mut() = Some(Rc::clone(job));
        self.signal.watch(job.serial);
        let _turn = Turn(self);
        resume()
    }

    /// The job that runs now.
    pub(super) fn job(&self) -> mlua::Result<Rc<Running>> {
        self.job.borrow().clone().ok_or_else(|| mlua::Error::runtime("no job runs"))
    }

    /// What Luau calls at every step.
    pub(super) fn tick(&self, lua: &Lua) -> mlua::Result<VmState> {
        let close = self.close.get();
        if !self.signal.is_up() && !self.stopped.get() && close == 0 {
            return Ok(VmState::Continue);
        }
        self.close.set(close.saturating_sub(1));
        self.signal.lower();
        // Code of a script that runs in nobody's name, such as a `__tostring`, has no limit but this one.
        let job = self.job()?;
        if let Some(stop) = job.verdict() {
            return Err(self.stop(&job, stop));
        }
        if Instant::now() < self.turn_ends.get() {
            return Ok(VmState::Continue);
        }
        // No turn ends in our own code, so that others never see it half done.
        if super::error::is_in_own_code(lua) {
            if close == 0 {
                self.close.set(CLOSE);
            }
            return Ok(VmState::Continue);
        }
        // Where nothing can yield, in a comparison say, Luau goes on.
        Ok(VmState::Yield)
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
            Stop::Cpu => "out of processor time",
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
        if let Some(job) = self.0.job.borrow_mut().take()
            && job.cpu.get().is_some()
        {
            job.cpu_used.set(job.cpu_used.get() + job.cpu_in_turn());
        }
    }
}
