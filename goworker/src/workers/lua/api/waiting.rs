//! What waits, and the coroutines that do.

use std::time::Duration;

use goworker::units::Dur;
use mlua::{Lua, MultiValue, Table, Thread, Value};

use super::super::error;
use super::super::events::Ask;
use super::{Host, answer, duration};

/// `wait`, `script`, `ticket`, `wake`, `spawn`, `forget`, `task_failed`, `task_heard`, `sleep`.
pub(super) fn fill(lua: &Lua, table: &Table, host: &Host) -> mlua::Result<()> {
    table.set("wait", &host.marks.wait)?;
    table.set("script", &host.marks.script)?;
    table.set("ticket", host.function(lua, |_, job, ()| Ok(job.tasks.ticket()))?)?;
    table.set(
        "wake",
        host.function(lua, |_, job, ticket| {
            job.tasks.wake(ticket, MultiValue::new());
            Ok(())
        })?,
    )?;
    table.set(
        "spawn",
        host.function(lua, |lua, job, (coroutine, arguments): (Thread, MultiValue)| {
            answer(lua, job.tasks.spawn(coroutine, arguments).map(|()| Value::Nil))
        })?,
    )?;
    table.set(
        "forget",
        host.function(lua, |_, job, coroutine: Thread| {
            job.tasks.forget(&coroutine);
            Ok(())
        })?,
    )?;
    table.set(
        "task_failed",
        host.function(lua, |_, job, (task, why): (i64, Value)| {
            job.failed_tasks.borrow_mut().push((task, error::message(&why)));
            Ok(())
        })?,
    )?;
    table.set(
        "task_heard",
        host.function(lua, |_, job, task: i64| {
            job.failed_tasks.borrow_mut().retain(|(failed, _)| *failed != task);
            Ok(())
        })?,
    )?;
    table.set(
        "sleep",
        host.function(lua, |lua, job, delay: Value| answer(lua, sleep_time(&delay).map(|delay| job.tasks.ask(Ask::Sleep(delay)))))?,
    )
}

/// Of a duration with a unit, or of a number of seconds, as scripts have always had it.
fn sleep_time(delay: &Value) -> Result<Duration, String> {
    let seconds = match delay {
        Value::Integer(seconds) => *seconds as f64,
        Value::Number(seconds) => *seconds,
        delay => return duration(delay).map(Dur::get).map_err(|why| format!("sleep: {why}")),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("sleep: {seconds} is no number of seconds"))
}
