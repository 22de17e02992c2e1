//! The part of the script API that is written in Rust; the rest is in `prelude/`.
//!
//! A function that can fail answers `why, value`: the prelude raises `why` as an ordinary Lua error with its place.

mod waiting;

use std::rc::Rc;

use goworker::units::Dur;
use mlua::{FromLuaMulti, Function, IntoLua, IntoLuaMulti, Lua, LuaString, Table, Value};
use tracing::Level;

use super::declared::{self, Declared};
use super::error::{Ending, Fault, says_memory};
use super::integer::Integer;
use super::json::Codec;
use super::script::{self, LoadError, Scripts};
use super::tasks::Marks;
use super::watch::{Running, Stop, Watch};

/// The longest text that `load` takes: compiling cannot be interrupted.
const LONGEST_CHUNK: usize = 128 << 10;

/// What the functions work on.
#[derive(Debug, Clone)]
pub(super) struct Host {
    /// The job that runs now.
    pub(super) watch: Rc<Watch>,
    /// The scripts folder.
    pub(super) scripts: Rc<Scripts>,
    /// JSON.
    pub(super) codec: Codec,
    /// What coroutines yield to us.
    pub(super) marks: Marks,
}

impl Host {
    /// A function that does something for the job that calls it.
    fn function<A, R>(&self, lua: &Lua, f: impl Fn(&Lua, &Running, A) -> mlua::Result<R> + 'static) -> mlua::Result<Function>
    where
        A: FromLuaMulti,
        R: IntoLuaMulti,
    {
        let watch = Rc::clone(&self.watch);
        lua.create_function(move |lua, arguments| f(lua, &*watch.job()?, arguments))
    }
}

type Answer = mlua::Result<(Option<String>, Value)>;

fn answer(lua: &Lua, result: Result<impl IntoLua, String>) -> Answer {
    match result {
        Ok(value) => Ok((None, value.into_lua(lua)?)),
        Err(why) => Ok((Some(why), Value::Nil)),
    }
}

/// The table `host` of the prelude.
pub(super) fn table(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    limits(lua, &table, &host.watch)?;
    endings(lua, &table)?;
    json(lua, &table, host)?;
    chunks(lua, &table, host)?;
    waiting::fill(lua, &table, host)?;
    table.set("declared", host.function(lua, |_, job, (table, params)| declare(job, &table, &params))?)?;
    table.set("log", {
        let watch = Rc::clone(&host.watch);
        lua.create_function(move |_, (level, message): (LuaString, LuaString)| {
            watch.job()?.log(level_of(&level.as_bytes()), message.to_string_lossy());
            Ok(())
        })?
    })?;
    table.set("progress", {
        let watch = Rc::clone(&host.watch);
        lua.create_function(move |lua, (fraction, message): (Value, Option<LuaString>)| {
            let number = fraction.as_number().or_else(|| fraction.as_integer().map(|whole| whole as f64));
            let Some(number) = number else {
                let why = format!("progress: a number from 0 to 1 is needed, not a {}", fraction.type_name());
                return answer(lua, Err::<Value, _>(why));
            };
            watch.job()?.progress(number, message.map(|message| message.to_string_lossy()).unwrap_or_default());
            answer(lua, Ok(Value::Nil))
        })?
    })?;
    table.set("find", lua.create_function(find)?)?;
    table.set("now", host.function(lua, |_, job, ()| Ok(job.now().as_millis().div_euclid(1_000)))?)?;
    table.set("is_integer", lua.create_function(|_, value: Value| Ok(value.as_userdata().is_some_and(|data| data.is::<Integer>())))?)?;
    Ok(table)
}

/// The function of a script whose file returns a table about itself; its settings hold from here on.
fn declare(job: &Running, table: &Table, params: &Value) -> mlua::Result<Option<Function>> {
    if !declared::is_declaration(table)? {
        return Ok(None);
    }
    match declared::read(table, params)? {
        Ok(Declared { run, timeout, cpu }) => {
            timeout.into_iter().for_each(|timeout| job.limit_time(timeout));
            cpu.into_iter().for_each(|cpu| job.limit_cpu(cpu));
            Ok(Some(run))
        }
        Err(why) => {
            *job.fault.borrow_mut() = Some(Fault::Permanent(why.clone()));
            Err(mlua::Error::runtime(why))
        }
    }
}

fn level_of(name: &[u8]) -> Level {
    match name {
        b"debug" => Level::DEBUG,
        b"warn" => Level::WARN,
        b"error" => Level::ERROR,
        _ => Level::INFO,
    }
}

/// `caught`, `seen`, `failed`: errors on their way.
fn limits(lua: &Lua, table: &Table, watch: &Rc<Watch>) -> mlua::Result<()> {
    table.set("caught", {
        let watch = Rc::clone(watch);
        lua.create_function(move |_, error: Value| watch.caught(&error))?
    })?;
    // What the handler of an `xpcall` is about to see. It must not raise here: the error would be another one then.
    table.set("seen", {
        let watch = Rc::clone(watch);
        lua.create_function(move |_, error: Value| {
            if says_memory(&error) {
                watch.job()?.stop.set(Some(Stop::Memory));
            }
            Ok(())
        })?
    })?;
    table.set("failed", {
        let watch = Rc::clone(watch);
        lua.create_function(move |lua, error: Value| {
            watch.job()?.fault.borrow_mut().get_or_insert_with(|| Fault::raised(lua, &error));
            Ok(error)
        })?
    })
}

/// `retry`, `discard`, `snooze`: each answers the value that is raised.
fn endings(lua: &Lua, table: &Table) -> mlua::Result<()> {
    table.set(
        "retry",
        lua.create_function(|lua, (why, after): (Value, Value)| {
            let after = if after.is_nil() { Ok(None) } else { duration(&after).map(Some) };
            answer(lua, after.map(|after| Ending::Retry(reason(&why), after)))
        })?,
    )?;
    table.set("discard", lua.create_function(|lua, why: Value| answer(lua, Ok(Ending::Discard(reason(&why)))))?)?;
    table.set("snooze", lua.create_function(|lua, delay: Value| answer(lua, duration(&delay).map(Ending::Snooze)))?)
}

fn reason(why: &Value) -> String {
    match why {
        Value::Nil => "no reason given".to_owned(),
        why => why.to_string().unwrap_or_else(|_| why.type_name().to_owned()),
    }
}

fn duration(value: &Value) -> Result<Dur, String> {
    match value {
        Value::String(text) => text.to_string_lossy().parse(),
        Value::Integer(_) | Value::Number(_) => value.to_string().unwrap_or_default().parse(),
        other => Err(format!("a duration such as \"30s\" is needed, not a {}", other.type_name())),
    }
}

fn json(lua: &Lua, table: &Table, host: &Host) -> mlua::Result<()> {
    let codec = &host.codec;
    table.set("null", Value::NULL)?;
    table.set("array", codec.array_mark())?;
    table.set("encode", {
        let Host { codec, watch, .. } = host.clone();
        lua.create_function(move |lua, value: Value| {
            let job = watch.job()?;
            answer(lua, codec.encode(&value, "json.encode", &|| job.verdict().is_some()))
        })?
    })?;
    table.set("decode", {
        let codec = codec.clone();
        lua.create_function(move |lua, text: Value| match &text {
            Value::String(text) => {
                let value = codec.decode(lua, &text.as_bytes())?;
                answer(lua, value.map_err(|why| format!("json.decode: {why}")))
            }
            other => answer(lua, Err::<Value, _>(format!("json.decode: text is needed, not a {}", other.type_name()))),
        })?
    })
}

/// `modules`, `module`, `load`: code at run time.
fn chunks(lua: &Lua, table: &Table, host: &Host) -> mlua::Result<()> {
    table.set("modules", {
        let watch = Rc::clone(&host.watch);
        lua.create_function(move |lua, ()| watch.job()?.modules(lua))?
    })?;
    table.set("module", {
        let Host { watch, scripts, .. } = host.clone();
        lua.create_function(move |lua, name: Value| {
            let Value::String(name) = &name else {
                return answer(lua, Err::<Value, _>("require: the name of a module is needed".to_owned()));
            };
            match loaded(scripts.chunk(lua, &name.to_string_lossy()))? {
                Ok(chunk) => answer(lua, Ok(instance(&chunk, &watch.job()?.globals)?)),
                Err(why) => answer(lua, Err::<Value, _>(why)),
            }
        })?
    })?;
    // Luau stops using what it looked up when it compiled the code of this environment.
    table.set(
        "no_longer_ours",
        lua.create_function(|_, globals: Table| {
            globals.set_safeenv(false);
            Ok(())
        })?,
    )?;
    table.set("load", {
        let watch = Rc::clone(&host.watch);
        lua.create_function(move |lua, (text, name, globals): (LuaString, Option<LuaString>, Option<Table>)| {
            if text.as_bytes().len() > LONGEST_CHUNK {
                return answer(lua, Err::<Value, _>(format!("load: the text is longer than {LONGEST_CHUNK} bytes")));
            }
            let globals = match globals {
                Some(globals) => globals,
                None => watch.job()?.globals.clone(),
            };
            let name = name.map_or_else(|| "=(load)".to_owned(), |name| name.to_string_lossy());
            let chunk = loaded(script::compile(lua, &text.as_bytes(), &name))?;
            if let Ok(chunk) = &chunk {
                chunk.set_environment(globals)?;
            }
            answer(lua, chunk)
        })?
    })
}

/// Lack of memory is an error of Lua's; what is wrong with a script is an answer.
fn loaded(chunk: Result<Function, LoadError>) -> mlua::Result<Result<Function, String>> {
    match chunk {
        Ok(chunk) => Ok(Ok(chunk)),
        Err(LoadError::Bad(why)) => Ok(Err(why)),
        Err(LoadError::Memory(error)) => Err(error),
    }
}

/// A copy of a chunk with globals of its own.
pub(super) fn instance(chunk: &Function, globals: &Table) -> mlua::Result<Function> {
    let own = chunk.deep_clone()?;
    own.set_environment(globals.clone())?;
    Ok(own)
}

/// Where `needle` is in `text` at or after `init`, in linear time: its first and last byte, counted from 1.
fn find(_: &Lua, (text, needle, init): (LuaString, LuaString, Option<i64>)) -> mlua::Result<(Option<usize>, Option<usize>)> {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let init = init.unwrap_or(1);
    let from = if init < 0 { length.saturating_add(init).max(0) } else { (init - 1).max(0) };
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let found = text.get(from..).and_then(|rest| memchr::memmem::find(rest, &needle));
    let first = found.map(|at| from + at + 1);
    Ok((first, first.map(|first| first + needle.len() - 1)))
}
