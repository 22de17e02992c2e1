//! One VM: Luau with the script API, sealed. How one job runs in it is in [`attempt`].

mod attempt;
#[cfg(test)]
mod reachable;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use goworker::Clock;
use goworker::units::Dur;
use mlua::{Function, Lua, LuaOptions, StdLib, Table};
use slab::Slab;

pub(super) use self::attempt::Finished;
use super::api::{self, Host};
use super::error::OWN_CHUNK;
use super::heap::Heap;
use super::json::Codec;
use super::script::Scripts;
use super::tasks::Marks;
use super::watch::{Running, Watch};

/// The part of the script API that is written in Luau, in the order in which it is run.
const PRELUDE: &[&str] = &[
    include_str!("../prelude/limits.luau"),
    include_str!("../prelude/waiting.luau"),
    include_str!("../prelude/tasks.luau"),
    include_str!("../prelude/job.luau"),
    include_str!("../prelude/json.luau"),
    include_str!("../prelude/chunks.luau"),
    include_str!("../prelude/compatible.luau"),
    include_str!("../prelude/run.luau"),
];
/// After so many jobs a VM is replaced.
const USES: u32 = 10_000;
/// After so long a VM is replaced.
const AGE: Duration = Duration::from_mins(10);

/// What every VM of a worker has in common.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The scripts folder.
    pub(super) scripts: PathBuf,
    /// How many bytes a VM may use.
    pub(super) memory: usize,
    /// How much processor time a job may use.
    pub(super) cpu: Option<Dur>,
    /// The time that scripts see.
    pub(super) clock: Clock,
}

/// A VM. Jobs share it, one after the other and in turns; each has its own globals.
#[derive(Debug)]
pub(super) struct Vm {
    lua: Lua,
    watch: Rc<Watch>,
    scripts: Rc<Scripts>,
    codec: Codec,
    heap: Rc<Heap>,
    /// Calls a script with its job, and notes what it raises.
    run: Function,
    /// Lets a job's globals show those of the VM.
    inherit: Table,
    marks: Marks,
    cpu: Option<Dur>,
    /// Jobs that are running in it.
    jobs: RefCell<Slab<Rc<Running>>>,
    /// Jobs that have begun in it.
    uses: Cell<u32>,
    made: Instant,
}

impl Vm {
    /// A fresh VM.
    pub(super) fn new(plan: &Plan, watch: &Rc<Watch>) -> mlua::Result<Self> {
        let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::default())?;
        let scripts = Rc::new(Scripts::new(plan.scripts.clone()));
        let codec = Codec::new(&lua)?;
        let marks = Marks::new(&lua)?;
        let host = Host { watch: Rc::clone(watch), scripts: Rc::clone(&scripts), codec: codec.clone(), marks: marks.clone() };
        let globals = lua.globals();
        let host = api::table(&lua, &host)?;
        for part in PRELUDE {
            lua.load(*part).set_name(format!("={OWN_CHUNK}")).call::<()>((&host, &globals))?;
        }
        let (run, newindex): (Function, Function) = (host.get("run")?, host.get("newindex")?);
        let inherit = lua.create_table()?;
        inherit.set("__index", &globals)?;
        inherit.set("__newindex", newindex)?;
        inherit.set("__metatable", "locked")?;
        inherit.set_readonly(true);
        for table in ["log", "json", "debug", "task"] {
            globals.get::<Table>(table)?.set_readonly(true);
        }
        // Freezes the libraries, their metatables and the globals; `globals` itself is what jobs inherit from.
        lua.sandbox(true)?;
        lua.set_memory_limit(plan.memory)?;
        let heap = Rc::new(Heap::new(&lua, plan.memory));
        lua.set_interrupt({
            let (watch, heap) = (Rc::clone(watch), Rc::clone(&heap));
            move |lua| {
                heap.tick(lua)?;
                watch.tick(lua)
            }
        });
        Ok(Vm {
            lua,
            watch: Rc::clone(watch),
            scripts,
            codec,
            heap,
            run,
            inherit,
            marks,
            cpu: plan.cpu,
            jobs: RefCell::default(),
            uses: Cell::new(0),
            made: Instant::now(),
        })
    }

    /// Whether a new one is better: garbage that nobody can see gathers in any VM.
    pub(super) fn is_worn(&self) -> bool {
        self.uses.get() >= USES || self.made.elapsed() >= AGE || self.heap.is_worn()
    }
}
