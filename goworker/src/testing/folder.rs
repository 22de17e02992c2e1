//! An empty folder for one test.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// An empty folder of its own, removed at the end.
pub(super) struct Folder {
    name: String,
    path: PathBuf,
}

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("goworker-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(&name);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // What stood there was left by a process of the same number that was killed.
            _ => std::fs::create_dir_all(&path)?,
        }
        Ok(Folder { name, path })
    }

    /// A name that no other folder has.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind harms nobody, and a test has better things to report.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
