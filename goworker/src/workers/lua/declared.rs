//! What a script says of itself: the table that its file returns.
//!
//! The file is run for each job, so this is read for each job, before `run`. A mistake in it is the script's, so the job
//! fails at once, and all mistakes are told together.

use std::time::Duration;

use goworker::units::Dur;
use mlua::{Function, Table, Value};

use super::schema;
use crate::spelling;

/// What a script may set, and the key of its function.
const KNOWN: [&str; 4] = ["run", "params", "timeout", "cpu"];
/// What others have in their scripts, and where it is said here.
const ELSEWHERE: [(&str, &str); 12] = [
    ("retries", "set `retries` in the job, or `retry` of the worker"),
    ("backoff", "set `retry` of the worker, or end with retry(why, { after = \"1m\" })"),
    ("concurrency", "set `concurrency` of the worker"),
    ("memory", "set `memory` of the worker"),
    ("queue", "say so where the job is enqueued"),
    ("priority", "say so where the job is enqueued"),
    ("unique", "say so where the job is enqueued"),
    ("schedule", "write a provider `cron`"),
    ("on_failure", "name a worker in `failure_handlers`"),
    ("init", "do it in `run`"),
    ("teardown", "do it in `run`"),
    ("allow", "there is nothing to be allowed yet"),
];

/// A script's function, and its settings.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) run: Function,
    /// How long an attempt may take.
    pub(super) timeout: Option<Dur>,
    /// How much processor time it may use.
    pub(super) cpu: Option<Dur>,
}

/// Whether a table that a file returns is about the script, rather than the job's result: that has no functions.
pub(super) fn is_declaration(table: &Table) -> mlua::Result<bool> {
    // A list may be long.
    if table.raw_len() > 0 {
        return Ok(table.raw_get::<Value>("run")?.is_function());
    }
    for pair in table.pairs::<Value, Value>() {
        if let (Value::String(_), Value::Function(_)) = pair? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads it, and checks the job's params against it.
///
/// # Errors
/// All that is wrong with it, or with the params, a line each.
pub(super) fn read(table: &Table, params: &Value) -> mlua::Result<Result<Declared, String>> {
    let mut wrong = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let key = pair?.0;
        let text = key.as_string().map(|key| key.to_string_lossy());
        match text.as_deref() {
            Some(key) if KNOWN.contains(&key) => {}
            Some(key) => wrong.push(unknown(key)),
            None => wrong.push(format!("{} is not a setting of a script; settings have names", key.type_name())),
        }
    }
    let run = match table.raw_get("run")? {
        Value::Function(run) => Some(run),
        Value::Nil => {
            wrong.push("the table that a script returns has to have a function `run`".to_owned());
            None
        }
        other => {
            wrong.push(format!("`run` has to be a function, not a {}", other.type_name()));
            None
        }
    };
    let timeout = duration(table, "timeout", &mut wrong)?;
    let cpu = duration(table, "cpu", &mut wrong)?;
    match table.raw_get("params")? {
        Value::Nil => {}
        schema => match schema::Schema::read(&schema, "params") {
            Ok(schema) if wrong.is_empty() => schema.check(params, "params", &mut wrong)?,
            Ok(_) => {}
            Err(why) => wrong.push(why),
        },
    }
    wrong.sort();
    Ok(match run {
        Some(run) if wrong.is_empty() => Ok(Declared { run, timeout, cpu }),
        _ => Err(wrong.join("\n")),
    })
}

fn unknown(key: &str) -> String {
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(other, _)| *other == key) {
        return format!("`{key}` cannot be set in a script; {instead}");
    }
    format!("`{key}` is not a setting of a script; {}", spelling::suggest(key, "settings", &KNOWN))
}

fn duration(table: &Table, key: &str, wrong: &mut Vec<String>) -> mlua::Result<Option<Dur>> {
    let text = match table.raw_get(key)? {
        Value::Nil => return Ok(None),
        Value::String(text) => text.to_string_lossy(),
        other => other.to_string()?,
    };
    match text.parse::<Dur>() {
        Ok(duration) if duration.get() > Duration::ZERO => return Ok(Some(duration)),
        Ok(_) => wrong.push(format!("`{key}` has to be longer than nothing")),
        Err(why) => wrong.push(format!("`{key}`: {why}")),
    }
    Ok(None)
}
