//! Where the memory went: the allocator (jemalloc) notes the stack of an allocation now and then, and counts all of them.
//!
//! It does so only if it is told when the process starts, and costs nothing otherwise. So a process that is to be profiled starts itself
//! anew, with that said in its environment.

use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt::Write;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytesize::ByteSize;
use jemalloc_pprof::{PROF_CTL, StackProfile};
use tikv_jemalloc_ctl::{epoch, stats};

use super::Graph;
use super::graph;

/// Where the allocator reads its settings.
const VARIABLE: &str = "_RJEM_MALLOC_CONF";

/// A stack for every 128 KiB (2 to the 17th) that are allocated, on an average.
const SETTINGS: &str = "prof:true,prof_active:true,lg_prof_sample:17";

/// How often to look how much there is.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What was live at one time.
struct Snapshot {
    bytes: usize,
    stacks: StackProfile,
}

/// What was live when most was.
struct Most {
    bytes: usize,
    /// Of a time at which that was so, but for a tenth.
    snapshot: Snapshot,
}

/// Somebody who looks how much there is.
pub(super) struct Profile {
    stop: mpsc::Sender<()>,
    watcher: JoinHandle<Most>,
}

impl Profile {
    pub(super) fn restart_if_needed() -> Result<(), String> {
        if PROF_CTL.is_some() {
            return Ok(());
        }
        let own = std::env::var(VARIABLE).unwrap_or_default();
        if own.contains(SETTINGS) {
            return Err(format!("memory cannot be profiled: the allocator does not take {VARIABLE}={own}"));
        }
        if !counts().map_err(|error| error.to_string())? {
            let help = "a line `goworker::allocator!();` in its main.rs changes that";
            return Err(format!("memory cannot be profiled: this program does not use the allocator that can tell; {help}"));
        }
        let program = std::env::current_exe().map_err(|error| format!("this program cannot start itself anew: {error}"))?;
        let settings = if own.is_empty() { SETTINGS.to_owned() } else { format!("{own},{SETTINGS}") };
        let error = Command::new(program).args(std::env::args_os().skip(1)).env(VARIABLE, settings).exec();
        Err(format!("this program cannot start itself anew: {error}"))
    }

    pub(super) fn start() -> Result<Self, String> {
        let first = snapshot()?;
        let (stop, stopped) = mpsc::channel();
        let watch = move || {
            let mut most = Most { bytes: first.bytes, snapshot: first };
            while stopped.recv_timeout(LOOK_AGAIN) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = most.look() {
                    tracing::warn!("the memory could not be looked at: {error}");
                }
            }
            most
        };
        let watcher = thread::Builder::new().name("goworker-heap".to_owned()).spawn(watch);
        watcher.map(|watcher| Profile { stop, watcher }).map_err(|error| format!("no thread to be had: {error}"))
    }

    pub(super) fn stop(self) -> Result<Seen, String> {
        let end = snapshot()?;
        drop(self.stop);
        let most = self.watcher.join().map_err(|_| "the thread that looked at the memory has panicked".to_owned())?;
        Ok(Seen { most, end, most_resident: most_resident() })
    }
}

/// What there was.
pub(super) struct Seen {
    most: Most,
    end: Snapshot,
    most_resident: Option<u64>,
}

impl Seen {
    pub(super) fn graph(self) -> Result<Graph, String> {
        let Seen { most, end, most_resident } = self;
        // What has grown since the last look counts as well.
        let (most_bytes, most_stacks) = if end.bytes > most.bytes { (end.bytes, &end.stacks) } else { (most.bytes, &most.snapshot.stacks) };
        let told = told(most_bytes, end.bytes, most_resident);
        let mut names = Names::default();
        let mut lines = String::new();
        for (when, stacks) in [("at its most", most_stacks), ("at the end", &end.stacks)] {
            names.fold(when, stacks, &mut lines);
        }
        let svg = graph::svg(&lines, "Live memory by function", &told, "bytes")?;
        Ok(Graph { svg, told })
    }
}

impl Most {
    fn look(&mut self) -> Result<(), String> {
        let bytes = live().map_err(|error| error.to_string())?;
        self.bytes = self.bytes.max(bytes);
        // To note all stacks takes some milliseconds, in which nobody else may allocate.
        if bytes > self.snapshot.bytes + self.snapshot.bytes / 10 {
            self.snapshot = snapshot()?;
            self.bytes = self.bytes.max(self.snapshot.bytes);
        }
        Ok(())
    }
}

fn snapshot() -> Result<Snapshot, String> {
    let profiler = PROF_CTL.as_ref().ok_or("the allocator was not told to note anything")?;
    let bytes = live().map_err(|error| error.to_string())?;
    let stacks = profiler.blocking_lock().dump_profile().map_err(|error| format!("{error:#}"))?;
    Ok(Snapshot { bytes, stacks })
}

/// How much is live now, all allocations of Rust together; Lua's are among them.
fn live() -> tikv_jemalloc_ctl::Result<usize> {
    epoch::advance()?;
    stats::allocated::read()
}

/// Whether the allocator is the one that this program uses.
fn counts() -> tikv_jemalloc_ctl::Result<bool> {
    const PROBE: usize = 4 << 20;
    let before = live()?;
    let probe = std::hint::black_box(vec![1_u8; PROBE]);
    let after = live()?;
    drop(probe);
    Ok(after >= before + PROBE / 2)
}

/// The most memory that the process has had from the system, with its code and what C has allocated.
fn most_resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn told(most: usize, end: usize, resident: Option<u64>) -> String {
    let shown = |bytes: u64| ByteSize::b(bytes).display().iec().to_string();
    let mut told = format!("{} live at its most, {} at the end", shown(most as u64), shown(end as u64));
    if let Some(resident) = resident {
        // Writing to a string cannot fail.
        let _ = write!(told, "; {} resident at its most", shown(resident));
    }
    told
}

/// The functions that are at an address, outermost first, as far as they were looked up.
#[derive(Default)]
struct Names(HashMap<usize, Vec<String>>);

impl Names {
    /// Writes a line for each stack.
    fn fold(&mut self, when: &str, stacks: &StackProfile, lines: &mut String) {
        for (stack, _) in stacks.iter() {
            let mut line = when.to_owned();
            // Those of the allocator itself are at the end of each, and are no news.
            let names = stack.addrs.iter().flat_map(|address| self.at(*address).to_vec());
            for name in names.take_while(|name| !name.starts_with("_rjem_") && name != "do_rallocx") {
                line.push(';');
                line.push_str(&name);
            }
            let _ = writeln!(lines, "{line} {:.0}", stack.weight);
        }
    }

    fn at(&mut self, address: usize) -> &[String] {
        self.0.entry(address).or_insert_with(|| {
            let mut names = Vec::new();
            // It is that of the return, one behind the call.
            backtrace::resolve((address - 1) as *mut c_void, |symbol| {
                let name = symbol.name().map_or_else(|| "?".to_owned(), |name| format!("{name:#}"));
                names.push(name.replace(';', ","));
            });
            names.reverse();
            names
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_words() {
        assert_eq!(
            told(130 << 20, 36_175_872, Some(1 << 30)),
            "130.0 MiB live at its most, 34.5 MiB at the end; 1.0 GiB resident at its most"
        );
    }
}
