//! What the prelude finds as `host`: the part of the scripts' API that is written in Rust.

use std::rc::Rc;

use goworker::Clock;
use goworker::units::Dur;
use mlua::{IntoLua, Lua, Table, Value};

use super::error::{Ending, Fault};
use super::integer::Integer;
use super::json::Codec;
use super::pool::Event;
use super::script::{Scripts, compile};
use super::watch::Watch;

/// The first value says why there is no second, as the prelude raises errors itself: then they name the script's line.
type Checked<T> = (Option<String>, Option<T>);

fn checked<T>(result: Result<T, String>) -> Checked<T> {
    match result {
        Ok(value) => (None, Some(value)),
        Err(why) => (Some(why), None),
    }
}

/// The table.
pub(super) fn table(lua: &Lua, watch: &Rc<Watch>, codec: &Rc<Codec>, scripts: &Rc<Scripts>, clock: Clock) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    limits(lua, &host, watch)?;
    endings(lua, &host)?;
    json(lua, &host, codec)?;
    chunks(lua, &host, watch, scripts)?;
    host.set(
        "find",
        lua.create_function(|_, (text, needle, from): (mlua::LuaString, mlua::LuaString, Option<i64>)| {
            Ok(find(&text.as_bytes(), &needle.as_bytes(), from))
        })?,
    )?;
    host.set("now", lua.create_function(move |_, ()| Ok(clock.now().as_millis().div_euclid(1_000)))?)?;
    let said = Rc::clone(watch);
    host.set(
        "log",
        lua.create_function(move |_, (level, message): (String, String)| said.job().map(|job| job.say(level_of(&level), message)))?,
    )?;
    Ok(host)
}

fn limits(lua: &Lua, host: &Table, watch: &Rc<Watch>) -> mlua::Result<()> {
    let caught = Rc::clone(watch);
    host.set("caught", lua.create_function(move |_, error: Value| caught.caught(&error))?)?;
    let seen = Rc::clone(watch);
    host.set("seen", lua.create_function(move |_, error: Value| seen.seen(&error))?)?;
    let failed = Rc::clone(watch);
    let note = move |lua: &Lua, error: Value| {
        failed.seen(&error)?;
        let job = failed.job()?;
        job.fault.replace(Some(Fault::raised(lua, &error)));
        Ok(())
    };
    host.set("failed", lua.create_function(note)?)
}

fn endings(lua: &Lua, host: &Table) -> mlua::Result<()> {
    let retry = |_: &Lua, (why, after): (Value, Option<String>)| {
        let after = after.map(|after| after.parse::<Dur>()).transpose();
        Ok(checked(after.and_then(|after| Ok(Ending::Retry(reason(&why)?, after)))))
    };
    host.set("retry", lua.create_function(retry)?)?;
    host.set("discard", lua.create_function(|_, why: Value| Ok(checked(reason(&why).map(Ending::Discard))))?)?;
    host.set("snooze", lua.create_function(|_, delay: Option<String>| Ok(checked(delay.unwrap_or_default().parse().map(Ending::Snooze))))?)
}

fn reason(why: &Value) -> Result<String, String> {
    match why {
        Value::Nil => Ok("no reason given".to_owned()),
        other => other.to_string().map_err(|error| super::error::text(&error)),
    }
}

fn json(lua: &Lua, host: &Table, codec: &Rc<Codec>) -> mlua::Result<()> {
    host.set("null", Value::NULL)?;
    host.set("array", codec.array_mark())?;
    host.set("is_integer", lua.create_function(|_, value: Value| Ok(value.as_userdata().is_some_and(|data| data.is::<Integer>())))?)?;
    let encoder = Rc::clone(codec);
    host.set("encode", lua.create_function(move |_, value: Value| Ok(checked(encoder.encode(&value, "value"))))?)?;
    let decoder = Rc::clone(codec);
    host.set("decode", lua.create_function(move |_, text: mlua::LuaString| decoder.decode(&text.as_bytes()).map(checked))?)
}

fn chunks(lua: &Lua, host: &Table, watch: &Rc<Watch>, scripts: &Rc<Scripts>) -> mlua::Result<()> {
    let loaded = Rc::clone(watch);
    host.set("modules", lua.create_function(move |_, ()| loaded.job().map(|job| job.modules.clone()))?)?;
    let (requiring, scripts) = (Rc::clone(watch), Rc::clone(scripts));
    let module = move |lua: &Lua, name: String| {
        let chunk = match scripts.get(lua, &name) {
            Ok(chunk) => chunk.deep_clone()?,
            Err(Fault::Permanent(why) | Fault::Raised(why)) => return Ok(checked(Err(why))),
            Err(Fault::Ended(_)) => return Ok(checked(Err("it ended itself".to_owned()))),
        };
        chunk.set_environment(requiring.job()?.globals.clone())?;
        Ok(checked(Ok(chunk)))
    };
    host.set("module", lua.create_function(module)?)?;
    let loading = Rc::clone(watch);
    let load = move |lua: &Lua, (text, name, environment): (String, Option<String>, Option<Table>)| {
        let name = name.as_deref().map_or("load", |name| name.trim_start_matches(['=', '@']));
        let chunk = match compile(lua, name, &text) {
            Ok(chunk) => chunk,
            Err(Fault::Permanent(why) | Fault::Raised(why)) => return Ok(checked(Err(why))),
            Err(Fault::Ended(_)) => return Ok(checked(Err("it ended itself".to_owned()))),
        };
        let globals = loading.job()?.globals.clone();
        chunk.set_environment(environment.unwrap_or(globals))?;
        Ok(checked(Ok(chunk)))
    };
    host.set("load", lua.create_function(load)?)
}

/// Where `needle` stands in `text`, from 1, as `string.find` counts: in time that grows with the sum of their lengths.
fn find(text: &[u8], needle: &[u8], from: Option<i64>) -> (Option<usize>, Option<usize>) {
    let from = match from.unwrap_or(1) {
        from if from < 0 => text.len().saturating_sub(usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX)),
        from => usize::try_from(from).unwrap_or(usize::MAX).saturating_sub(1),
    };
    let Some(rest) = text.get(from..) else { return (None, None) };
    match memchr::memmem::find(rest, needle) {
        Some(at) => (Some(from + at + 1), Some(from + at + needle.len())),
        None => (None, None),
    }
}

fn level_of(name: &str) -> tracing::Level {
    match name {
        "debug" => tracing::Level::DEBUG,
        "warn" => tracing::Level::WARN,
        "error" => tracing::Level::ERROR,
        _ => tracing::Level::INFO,
    }
}

impl super::watch::Running {
    /// Sends a line to whoever waits for the job. A script that logs faster than that loses lines, not memory.
    fn say(&self, level: tracing::Level, line: String) {
        if self.events.try_send(Event::Log(level, line)).is_err() {
            self.lost_lines.set(self.lost_lines.get() + 1);
        }
    }
}

/// The job as its script sees it. Its fields cannot be changed.
pub(super) fn job_table(lua: &Lua, codec: &Codec, id: &str, name: &str, attempt: u32, params: &str) -> mlua::Result<Result<Table, String>> {
    let params = match codec.decode(params.as_bytes())? {
        Ok(Value::LightUserData(_)) => Value::Nil,
        Ok(params) => params,
        Err(why) => return Ok(Err(why)),
    };
    let job = lua.create_table_with_capacity(0, 4)?;
    for (field, value) in
        [("id", id.into_lua(lua)?), ("name", name.into_lua(lua)?), ("attempt", attempt.into_lua(lua)?), ("params", params)]
    {
        job.raw_set(field, value)?;
    }
    job.set_readonly(true);
    Ok(Ok(job))
}
