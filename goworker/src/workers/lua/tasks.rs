//! The coroutines of one job: its script, and what that has spawned. They take turns until the script has ended; then
//! those that are left are dropped with it.
//!
//! A coroutine leaves off in one of three ways. Its turn is over: it yields nothing, and gets another. It waits: it yields
//! [`Marks::wait`] and a ticket, and goes on when somebody wakes who holds that. Or it yields as scripts do to one another, which
//! makes no sense here. What waits inside of coroutines that the script made is passed on by `prelude/waiting.luau`.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::FutureExt;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mlua::{Lua, MultiValue, Table, Thread, Value};
use tokio::sync::oneshot;

use super::events::{Answer, Ask, Event, Reply};
use super::watch::Running;

/// How many coroutines one job may have.
const MOST: usize = 10_000;

/// Names what a coroutine waits for.
type Ticket = i64;

/// The coroutines of a job that do not run now.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    ready: RefCell<VecDeque<(Thread, Next)>>,
    waiting: RefCell<HashMap<Ticket, Thread>>,
    /// Asked for in this turn.
    asks: RefCell<Vec<(Ticket, Ask)>>,
    last: Cell<Ticket>,
    /// Dropped in this turn: coroutines, and what they had asked for.
    dropped: RefCell<(Vec<*const c_void>, Vec<Ticket>)>,
}

/// How a coroutine goes on.
#[derive(Debug)]
enum Next {
    With(MultiValue),
    Raise(&'static str),
}

/// Something that was asked for and will be answered.
#[derive(Debug)]
struct Asked {
    ticket: Ticket,
    answer: oneshot::Receiver<Answer>,
}

impl Future for Asked {
    type Output = (Ticket, Option<Answer>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ticket = self.ticket;
        self.answer.poll_unpin(cx).map(|answer| (ticket, answer.ok()))
    }
}

impl Tasks {
    /// A ticket for something to wait for.
    pub(super) fn ticket(&self) -> Ticket {
        self.last.set(self.last.get() + 1);
        self.last.get()
    }

    /// A ticket for what the worker is asked to do.
    pub(super) fn ask(&self, ask: Ask) -> Ticket {
        let ticket = self.ticket();
        self.asks.borrow_mut().push((ticket, ask));
        ticket
    }

    /// Gives a new coroutine its first turn.
    ///
    /// # Errors
    /// When there are too many.
    pub(super) fn spawn(&self, coroutine: Thread, arguments: MultiValue) -> Result<(), String> {
        let mut ready = self.ready.borrow_mut();
        if ready.len() + self.waiting.borrow().len() >= MOST {
            return Err(format!("more than {MOST} tasks at a time; task.map runs a few at once"));
        }
        ready.push_back((coroutine, Next::With(arguments)));
        Ok(())
    }

    /// Whoever waits with the ticket goes on.
    pub(super) fn wake(&self, ticket: Ticket, values: MultiValue) {
        if let Some(coroutine) = self.waiting.borrow_mut().remove(&ticket) {
            self.ready.borrow_mut().push_back((coroutine, Next::With(values)));
        }
    }

    /// A coroutine gets no more turns, and what it has asked for is not wanted any more.
    pub(super) fn forget(&self, coroutine: &Thread) {
        let is_it = |other: &Thread| other.to_pointer() == coroutine.to_pointer();
        self.ready.borrow_mut().retain(|(other, _)| !is_it(other));
        let mut dropped = self.dropped.borrow_mut();
        dropped.0.push(coroutine.to_pointer());
        dropped.1.extend(self.waiting.borrow_mut().extract_if(|_, other| is_it(other)).map(|(ticket, _)| ticket));
    }

    /// Takes a coroutine off what it waits for, to tell it that this will never come.
    fn despair(&self, coroutine: &Thread) {
        self.waiting.borrow_mut().retain(|_, other| other != coroutine);
        self.ready.borrow_mut().push_back((coroutine.clone(), Next::Raise("every task waits for another one, so none would go on")));
    }
}

/// What scripts never get to see: a coroutine of theirs that yields it wants something of us.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    /// It waits.
    pub(super) wait: Table,
    /// It yields to whoever has resumed it.
    pub(super) script: Table,
}

impl Marks {
    pub(super) fn new(lua: &Lua) -> mlua::Result<Self> {
        Ok(Marks { wait: lua.create_table()?, script: lua.create_table()? })
    }

    /// The ticket, if this was yielded in order to wait.
    fn ticket(&self, first: &Value, second: &Value) -> Option<Ticket> {
        matches!(first, Value::Table(mark) if mark.to_pointer() == self.wait.to_pointer()).then(|| second.as_integer()).flatten()
    }
}

/// What a turn ends with: what was yielded, or whether the script got to its end, and its result or error.
pub(super) type Returned = mlua::Result<(Value, Value)>;

/// The turns of a job.
pub(super) trait Turns {
    /// Lets a coroutine go on until it leaves off.
    fn turn(&self, coroutine: &Thread, arguments: impl mlua::IntoLuaMulti) -> Returned;
    /// Raises an error where it has left off.
    fn raise(&self, coroutine: &Thread, why: &str) -> Returned;
    /// What a script sees of a reply.
    fn values(&self, reply: Reply) -> mlua::Result<MultiValue>;
}

/// Gives all coroutines turns until the first of them, which has left off with `returned`, has ended or the job has to stop.
pub(super) async fn finish(running: &Running, marks: &Marks, turns: &impl Turns, script: &Thread, mut returned: Returned) -> Returned {
    let tasks = &running.tasks;
    let mut asked = FuturesUnordered::new();
    let mut heard = 0;
    let mut current = script.clone();
    loop {
        if running.verdict().is_some() || (current == *script && !script.is_resumable()) {
            return returned;
        }
        // A coroutine catches its own errors, but for what stops the job.
        let (first, second) = returned?;
        let (dropped, forgotten) = tasks.dropped.take();
        if current.is_resumable() && !dropped.contains(&current.to_pointer()) {
            match marks.ticket(&first, &second) {
                Some(ticket) => drop(tasks.waiting.borrow_mut().insert(ticket, current)),
                None if first.is_nil() => tasks.ready.borrow_mut().push_back((current, Next::With(MultiValue::new()))),
                None => tasks.ready.borrow_mut().push_back((current, Next::Raise("attempt to yield from outside a coroutine"))),
            }
        }
        if !forgotten.is_empty() {
            asked.iter_mut().filter(|asked: &&mut Asked| forgotten.contains(&asked.ticket)).for_each(|asked| asked.answer.close());
        }
        if let Some(limit) = running.untold_limit.take() {
            let _ = running.events.send(Event::Limit(limit)).await;
        }
        for (ticket, ask) in tasks.asks.take() {
            let (answer, answered) = oneshot::channel();
            asked.push(Asked { ticket, answer: answered });
            // It fails only if nobody waits for the result any more, which stops the job.
            let _ = running.events.send(Event::Asked(ask, answer)).await;
        }
        let next = loop {
            while let Some(Some((ticket, answer))) = asked.next().now_or_never() {
                heard += hear(running, turns, ticket, answer)?;
            }
            let next = tasks.ready.borrow_mut().pop_front();
            if let Some(next) = next {
                tokio::task::yield_now().await;
                break next;
            }
            if asked.is_empty() {
                tasks.despair(script);
                continue;
            }
            let _ = running.events.send(Event::Waits(heard)).await;
            if let Some((ticket, answer)) = asked.next().await {
                heard += hear(running, turns, ticket, answer)?;
            }
            if running.verdict().is_some() {
                return Err(mlua::Error::runtime("stopped"));
            }
        };
        if running.verdict().is_some() {
            return Err(mlua::Error::runtime("stopped"));
        }
        current = next.0;
        returned = match next.1 {
            Next::With(values) => turns.turn(&current, values),
            Next::Raise(why) => turns.raise(&current, why),
        };
    }
}

/// Passes an answer on; answers how many there were.
fn hear(running: &Running, turns: &impl Turns, ticket: Ticket, answer: Option<Answer>) -> mlua::Result<usize> {
    let Some(Answer { reply, deadline, now }) = answer else { return Ok(0) };
    running.deadline.set(deadline);
    running.time.set((now, Instant::now()));
    running.tasks.wake(ticket, turns.values(reply)?);
    Ok(1)
}
