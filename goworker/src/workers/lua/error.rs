//! What a script raised, as people read it: the message with its place, then who called.

use mlua::{Lua, Value};

use goworker::WorkError;
use goworker::units::Dur;

/// The name of chunks that are not the script's.
pub(super) const OWN_CHUNK: &str = "[goworker]";
/// How many callers are shown.
const CALLERS: usize = 16;
/// How deep the stack is searched for them.
const LEVELS: usize = 200;

/// How a script ended itself: `retry`, `discard` or `snooze`. Raised as a value, so it works at any depth.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// Try again, after the delay if there is one.
    Retry(String, Option<Dur>),
    /// Do not try again.
    Discard(String),
    /// Not now; this is no attempt.
    Snooze(Dur),
}

impl mlua::UserData for Ending {
    fn add_fields<F: mlua::UserDataFields<Self>>(fields: &mut F) {
        fields.add_field_method_get("kind", |_, this| Ok(this.kind()));
    }

    fn add_methods<M: mlua::UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(mlua::MetaMethod::ToString, |_, this, ()| {
            Ok(match this {
                Ending::Retry(why, _) | Ending::Discard(why) => format!("{}: {why}", this.kind()),
                Ending::Snooze(delay) => format!("snooze: {delay}"),
            })
        });
    }
}

impl Ending {
    fn kind(&self) -> &'static str {
        match self {
            Ending::Retry(..) => "retry",
            Ending::Discard(_) => "discard",
            Ending::Snooze(_) => "snooze",
        }
    }
}

/// Why a job has no result.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The script ended itself.
    Ended(Ending),
    /// The script, or something it called, raised an error.
    Raised(String),
    /// Trying again cannot help: no such script, a script that does not load, a result that is not JSON.
    Permanent(String),
}

impl From<Fault> for WorkError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Ended(Ending::Retry(why, None)) | Fault::Raised(why) => WorkError::retry(anyhow::Error::msg(why)),
            Fault::Ended(Ending::Retry(why, Some(delay))) => WorkError::retry_after(anyhow::Error::msg(why), delay.get()),
            Fault::Ended(Ending::Discard(why)) | Fault::Permanent(why) => WorkError::fail(anyhow::Error::msg(why)),
            Fault::Ended(Ending::Snooze(delay)) => WorkError::snooze(delay.get()),
        }
    }
}

impl Fault {
    /// What `error` says. Called where it was raised, so that the stack still shows who called.
    pub(super) fn raised(lua: &Lua, error: &Value) -> Self {
        if let Some(ending) = ending(error) {
            return Fault::Ended(ending);
        }
        let frames = frames(lua);
        let mut message = message(error);
        let shown = match frames.iter().position(|frame| message.starts_with(&format!("{}:", frame.place))) {
            Some(frame) => frame + 1,
            // A table or a value of ours carries no place: it gets that of the innermost frame.
            None if !matches!(error, Value::String(_)) && !frames.is_empty() => {
                message = format!("{}: {message}", frames[0].place);
                1
            }
            None => 0,
        };
        for frame in frames.iter().skip(shown).take(CALLERS) {
            message.push_str("\n  called from ");
            message.push_str(&frame.place);
            if let Some(function) = &frame.function {
                message.push_str(" in ");
                message.push_str(function);
            }
        }
        Fault::Raised(message)
    }

    /// What `error` says, when the stack is gone.
    pub(super) fn late(error: &Value) -> Self {
        ending(error).map_or_else(|| Fault::Raised(message(error)), Fault::Ended)
    }
}

/// The error of a job whose time is up.
pub(super) fn timed_out(limit: Option<Dur>) -> WorkError {
    let limit = limit.map(|limit| format!(" after {limit}")).unwrap_or_default();
    WorkError::timeout(anyhow::anyhow!("timed out{limit}"))
}

/// The error of a job that has used its processor time.
pub(super) fn out_of_processor_time(limit: Option<Dur>) -> WorkError {
    let limit = limit.map(|limit| format!(" ({limit})")).unwrap_or_default();
    WorkError::timeout(anyhow::anyhow!("the script has used up its processor time{limit}"))
}

/// The error of a job that was told to stop.
pub(super) fn cancelled() -> WorkError {
    WorkError::retry(anyhow::anyhow!("cancelled"))
}

/// Whether a value that was raised says that the memory limit was reached.
pub(super) fn says_memory(error: &Value) -> bool {
    match error {
        Value::String(text) => *text == "not enough memory",
        Value::Error(error) => is_memory(error),
        _ => false,
    }
}

/// Whether the memory limit was reached.
pub(super) fn is_memory(error: &mlua::Error) -> bool {
    matches!(root(error), mlua::Error::MemoryError(_))
}

/// The text of an error of mlua, without its decoration.
pub(super) fn text(error: &mlua::Error) -> String {
    match root(error) {
        mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => text.clone(),
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

fn root(error: &mlua::Error) -> &mlua::Error {
    match error {
        mlua::Error::CallbackError { cause, .. } => root(cause),
        other => other,
    }
}

fn ending(error: &Value) -> Option<Ending> {
    error.as_userdata().and_then(|data| data.borrow::<Ending>().ok()).map(|ending| ending.clone())
}

/// What an error says.
pub(super) fn message(error: &Value) -> String {
    match error {
        Value::String(text) => text.to_string_lossy(),
        Value::Error(error) => text(error),
        Value::Nil => "an error without a message (nil)".to_owned(),
        Value::Table(table) => match table.raw_get::<Value>("message") {
            Ok(Value::Nil) | Err(_) => error.to_string().unwrap_or_else(|_| "an error table without a `message`".to_owned()),
            Ok(message) => message.to_string().unwrap_or_else(|_| message.type_name().to_owned()),
        },
        other => other.to_string().unwrap_or_else(|_| format!("a {} as an error", other.type_name())),
    }
}

/// Whether what runs now is of the prelude.
pub(super) fn is_in_own_code(lua: &Lua) -> bool {
    lua.inspect_stack(0, |debug| debug.source().short_src.is_some_and(|source| source == OWN_CHUNK)).unwrap_or(false)
}

/// A place in a script, and the function that it is in.
struct Frame {
    place: String,
    function: Option<String>,
}

/// The script's frames, innermost first; those of C and of ours are left out.
fn frames(lua: &Lua) -> Vec<Frame> {
    let mut frames = Vec::new();
    for level in 0..LEVELS {
        let Some(frame) = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let file = source.short_src.as_deref().unwrap_or("").to_owned();
            let line = debug.current_line().filter(|_| source.what != "C" && file != OWN_CHUNK)?;
            let function = debug.names().name.map(|name| name.into_owned()).filter(|name| !name.is_empty());
            Some(Frame { place: format!("{file}:{line}"), function })
        }) else {
            break;
        };
        frames.extend(frame);
    }
    frames
}
