//! Profiles of a run: where its processor time went, and its memory. Both are flame graphs, written when the run has ended.

#[cfg(not(all(feature = "profile", target_os = "linux")))]
mod absent;
#[cfg(feature = "profile")]
mod cpu;
#[cfg(feature = "profile")]
mod graph;
#[cfg(all(feature = "profile", target_os = "linux"))]
mod heap;

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

#[cfg(not(feature = "profile"))]
use absent as cpu;
#[cfg(not(all(feature = "profile", target_os = "linux")))]
use absent as heap;

use crate::cli::fault::Fault;

/// Which profiles to write.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Profiles")]
pub(super) struct ProfileArgs {
    /// When the run ends, write a flame graph of the processor time of all its threads: an SVG, for a browser
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    profile: Option<PathBuf>,
    /// The same of its memory: what was live at its most, looked at each second, and at the end
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    profile_heap: Option<PathBuf>,
}

/// A flame graph, and in a few words what it shows.
#[derive(Debug)]
struct Graph {
    svg: Vec<u8>,
    told: String,
}

/// Profiles that are being taken.
pub(super) struct Profiles {
    cpu: Option<(cpu::Profile, PathBuf)>,
    heap: Option<(heap::Profile, PathBuf)>,
}

impl ProfileArgs {
    /// Has this process begin anew if its memory can be profiled only so. To be called before anything else.
    pub(super) fn restart_if_needed(&self) -> Result<(), Fault> {
        if self.profile_heap.is_some() { heap::Profile::restart_if_needed().map_err(Fault::Unavailable) } else { Ok(()) }
    }

    /// Starts them. That a file cannot be written is told now, and not after hours.
    pub(super) fn start(self) -> Result<Profiles, Fault> {
        if self.profile.is_some() && self.profile == self.profile_heap {
            return Err(Fault::Usage("`--profile` and `--profile-heap` need a file each".to_owned()));
        }
        for path in self.profile.iter().chain(&self.profile_heap) {
            check(path).map_err(|error| Fault::Usage(format!("no profile can be written to {}: {error}", path.display())))?;
        }
        let cpu = self.profile.map(|path| cpu::Profile::start().map(|profile| (profile, path))).transpose();
        let heap = self.profile_heap.map(|path| heap::Profile::start().map(|profile| (profile, path))).transpose();
        Ok(Profiles { cpu: cpu.map_err(Fault::Unavailable)?, heap: heap.map_err(Fault::Unavailable)? })
    }
}

impl Profiles {
    /// Writes them. The run has ended, and is judged by itself: what goes wrong here is told, and makes the command fail.
    pub(super) fn write(self) -> Result<(), Fault> {
        // Both are stopped before either is drawn, which takes time and memory.
        let heap = self.heap.map(|(profile, path)| (profile.stop(), path));
        let cpu = self.cpu.map(|(profile, path)| (profile.stop(), path));
        let cpu = cpu.map(|(samples, path)| written("processor time", samples.and_then(|samples| samples.graph()), &path));
        let heap = heap.map(|(seen, path)| written("memory", seen.and_then(|seen| seen.graph()), &path));
        if [cpu, heap].into_iter().flatten().all(|written| written) { Ok(()) } else { Err(Fault::Told) }
    }
}

fn written(what: &str, graph: Result<Graph, String>, path: &Path) -> bool {
    let written = graph.and_then(|graph| fs::write(path, graph.svg).map(|()| graph.told).map_err(|error| error.to_string()));
    match &written {
        Ok(told) => tracing::info!("a profile of {what} is in {}: {told}", path.display()),
        Err(error) => tracing::error!("no profile of {what} was written to {}: {error}", path.display()),
    }
    written.is_ok()
}

/// Whether the file can be written. If it is not there yet, it is not there afterwards either.
fn check(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        opened => return opened.map(drop),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.exists()) {
        return Err(io::Error::other(format!("there is no folder {}", folder.display())));
    }
    OpenOptions::new().write(true).create_new(true).open(path)?;
    fs::remove_file(path)
}
