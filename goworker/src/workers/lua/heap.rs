//! The memory of a VM. Luau does not collect garbage when an allocation fails, so it is done before it comes to that:
//! what counts against the limit is what a script holds, not what it has dropped.

use std::cell::Cell;

use mlua::Lua;

/// Watches how full a VM is.
#[derive(Debug)]
pub(super) struct Heap {
    limit: usize,
    /// Garbage is collected when so much is in use.
    collect_at: Cell<usize>,
    /// How much was in use when there was nothing but what the VM needs itself.
    fresh: usize,
    /// How much was in use when it was collected last without a job.
    standing: Cell<usize>,
}

impl Heap {
    /// The heap of a fresh VM, of at most `limit` bytes.
    pub(super) fn new(lua: &Lua, limit: usize) -> Self {
        let fresh = lua.used_memory();
        Heap { limit, collect_at: Cell::new(limit / 2), fresh, standing: Cell::new(fresh) }
    }

    /// Its size at most, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Called at every step of a script.
    pub(super) fn tick(&self, lua: &Lua) -> mlua::Result<()> {
        if lua.used_memory() >= self.collect_at.get() { self.collect(lua) } else { Ok(()) }
    }

    /// Called when no job runs: the next one starts with what the VM needs itself.
    pub(super) fn tidy(&self, lua: &Lua) -> mlua::Result<()> {
        if lua.used_memory() >= self.limit / 4 {
            self.collect(lua)?;
            self.standing.set(lua.used_memory());
        }
        Ok(())
    }

    /// Whether jobs have left so much behind that a new VM is better.
    pub(super) fn is_worn(&self) -> bool {
        self.standing.get().saturating_sub(self.fresh) >= self.limit / 4
    }

    /// The next time is when half of what is free now is used: a script that holds much is not collected all the time.
    fn collect(&self, lua: &Lua) -> mlua::Result<()> {
        lua.gc_collect()?;
        let used = lua.used_memory();
        let free = self.limit.saturating_sub(used);
        self.collect_at.set((self.limit / 2).max(used + free / 2));
        Ok(())
    }
}
