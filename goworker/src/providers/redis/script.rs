//! The scripts: every change of a job is one of them, and so is one atomic step of the server.

use std::sync::LazyLock;

use redis::Script;

const BEYOND_MEMORY: &str = include_str!("scripts/beyond_memory.lua");
const PLACES: &str = include_str!("scripts/places.lua");
const BATCHES: &str = include_str!("scripts/batches.lua");
const MOVING: &str = include_str!("scripts/moving.lua");
const CALL: &str = include_str!("scripts/call.lua");
const ADVANCE: &str = include_str!("scripts/advance.lua");
const ACCEPT: &str = include_str!("scripts/accept.lua");
const SETTLE: &str = include_str!("scripts/settle.lua");
const FETCH: &str = include_str!("scripts/fetch.lua");
const FIND: &str = include_str!("scripts/find.lua");
const RATE: &str = include_str!("scripts/rate.lua");
const UNIQUE: &str = include_str!("scripts/unique.lua");

/// Made when it is first used.
type Made = LazyLock<Script>;

fn made(parts: &[&str]) -> Script {
    Script::new(&parts.join("\n"))
}

/// What all scripts need that let time take its course.
const TIME: [&str; 7] = [BEYOND_MEMORY, PLACES, BATCHES, MOVING, FIND, UNIQUE, ADVANCE];

// Those that write: they have `CALL`, and may be repeated.
pub(super) static ENQUEUE: Made =
    LazyLock::new(|| made(&[PLACES, BATCHES, MOVING, FIND, UNIQUE, CALL, ACCEPT, include_str!("scripts/enqueue.lua")]));
pub(super) static STEP: Made =
    LazyLock::new(|| made(&[&TIME.join("\n"), CALL, ACCEPT, SETTLE, RATE, FETCH, include_str!("scripts/step.lua")]));
pub(super) static CHANGE: Made = LazyLock::new(|| made(&[&TIME.join("\n"), CALL, include_str!("scripts/change.lua")]));
pub(super) static ADOPT: Made =
    LazyLock::new(|| made(&[PLACES, BATCHES, MOVING, FIND, UNIQUE, CALL, ACCEPT, include_str!("scripts/adopt.lua")]));
pub(super) static PAUSE: Made = LazyLock::new(|| made(&[BEYOND_MEMORY, PLACES, CALL, include_str!("scripts/pause.lua")]));
pub(super) static RELEASE: Made =
    LazyLock::new(|| made(&[BEYOND_MEMORY, PLACES, BATCHES, MOVING, FIND, UNIQUE, CALL, include_str!("scripts/release.lua")]));

// Those that may be repeated as they are.
pub(super) static ANNOUNCE: Made = LazyLock::new(|| made(&[BEYOND_MEMORY, PLACES, include_str!("scripts/announce.lua")]));
pub(super) static PROCESSES: Made = LazyLock::new(|| made(&[PLACES, include_str!("scripts/processes.lua")]));
pub(super) static RENEW: Made = LazyLock::new(|| made(&[&TIME.join("\n"), include_str!("scripts/renew.lua")]));
pub(super) static PROGRESS: Made = LazyLock::new(|| made(&[PLACES, BATCHES, include_str!("scripts/progress.lua")]));
pub(super) static LOOK: Made = LazyLock::new(|| made(&[&TIME.join("\n"), RATE, include_str!("scripts/look.lua")]));
pub(super) static CATCH_UP: Made = LazyLock::new(|| made(&[&TIME.join("\n"), include_str!("scripts/catch_up.lua")]));
pub(super) static CANDIDATES: Made = LazyLock::new(|| made(&[PLACES, BATCHES, include_str!("scripts/candidates.lua")]));
pub(super) static RECORDS: Made = LazyLock::new(|| made(&[PLACES, BATCHES, MOVING, FIND, UNIQUE, include_str!("scripts/records.lua")]));
pub(super) static STATS: Made = LazyLock::new(|| made(&[PLACES, BATCHES, MOVING, include_str!("scripts/stats.lua")]));
pub(super) static TAKE_MOVE: Made = LazyLock::new(|| made(&[BEYOND_MEMORY, PLACES, MOVING, include_str!("scripts/take_move.lua")]));
pub(super) static END_MOVE: Made = LazyLock::new(|| made(&[BEYOND_MEMORY, PLACES, MOVING, include_str!("scripts/end_move.lua")]));
