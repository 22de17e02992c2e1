//! The scripts: every change of a job is one of them, and so is one atomic step of the server.
//!
//! Each is put together from files in `scripts/`: first what all share, then parts that are run only when something of
//! them is named, then its own.

use std::sync::LazyLock;

use redis::Script;

macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("scripts/", $name, ".lua"))
    };
}

macro_rules! parts {
    ($($name:literal),*) => {
        [$(($name, text!($name))),*]
    };
}

/// Tables of functions, by name.
const PARTS: [(&str, &str); 9] = parts!["jobs", "find", "moving", "unique", "intake", "overdue", "order", "endings", "rate"];

/// Made when it is first used.
type Made = LazyLock<Script>;

fn made(before: &[&str], own: &[&str]) -> Script {
    let names: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
    let parts = PARTS.map(|(name, text)| format!("{name} = setmetatable({{ function({name})\n{text}end }}, unread)"));
    let declared = format!("local {}", names.join(", "));
    let shared = [declared.as_str(), text!("queue"), text!("batches"), text!("advance")];
    let texts = before.iter().copied().chain(shared).chain(parts.iter().map(String::as_str)).chain(own.iter().copied());
    Script::new(&texts.collect::<Vec<_>>().join("\n"))
}

macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| made(&[], &[text!($name)]))
    };
    // One that writes, and goes on if the server's memory is full.
    (beyond_memory, $($name:literal),+) => {
        LazyLock::new(|| made(&[text!("beyond_memory")], &[$(text!($name)),+]))
    };
}

// Those that have a turn: they may be repeated, because `call.lua` remembers their answers.
pub(super) static ENQUEUE: Made = LazyLock::new(|| made(&[], &[text!("call"), text!("enqueue")]));
pub(super) static ADOPT: Made = LazyLock::new(|| made(&[], &[text!("call"), text!("adopt")]));
pub(super) static STEP: Made = script!(beyond_memory, "call", "settle", "fetch", "step");
pub(super) static CHANGE: Made = script!(beyond_memory, "call", "change");
pub(super) static PAUSE: Made = script!(beyond_memory, "call", "pause");
pub(super) static RELEASE: Made = script!(beyond_memory, "call", "release");

// Those that may be repeated as they are.
pub(super) static ANNOUNCE: Made = script!(beyond_memory, "announce");
pub(super) static PROCESSES: Made = script!("processes");
pub(super) static RENEW: Made = script!(beyond_memory, "renew");
pub(super) static PROGRESS: Made = script!(beyond_memory, "progress");
pub(super) static LOOK: Made = script!(beyond_memory, "look");
pub(super) static CATCH_UP: Made = script!(beyond_memory, "catch_up");
pub(super) static CANDIDATES: Made = script!("candidates");
pub(super) static RECORDS: Made = script!("records");
pub(super) static STATS: Made = script!("stats");
pub(super) static TAKE_MOVE: Made = script!(beyond_memory, "take_move");
pub(super) static END_MOVE: Made = script!(beyond_memory, "end_move");
