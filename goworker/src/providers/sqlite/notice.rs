//! How a process hears that another one has written: the system tells of each change of the write-ahead log.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// Keeps a watch on a file as long as it lives.
pub(super) struct Notice {
    _watcher: RecommendedWatcher,
}

impl Notice {
    /// Calls `heard` when the write-ahead log of `db` changes while someone is `listening`.
    ///
    /// The log itself is watched, not its folder: it stays in its place as long as a connection is open.
    pub(super) fn of(db: &Path, listening: Arc<AtomicBool>, heard: impl Fn() + Send + 'static) -> notify::Result<Self> {
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // This process' own writes are told too: under load nobody listens, and nothing is done about them.
            let changed = event.map_or(true, |event| !matches!(event.kind, EventKind::Access(_)));
            if changed && listening.load(Ordering::Acquire) {
                heard();
            }
        })?;
        let mut log = db.as_os_str().to_owned();
        log.push("-wal");
        watcher.watch(Path::new(&log), RecursiveMode::NonRecursive)?;
        Ok(Notice { _watcher: watcher })
    }
}
