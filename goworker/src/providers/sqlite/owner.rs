//! Who holds leases: an identity that is new on every start, and a lock that the system drops when the process is gone.
//!
//! Each process that fetches jobs keeps a file `NAME-owner-NONCE` beside the database locked (`flock`) as long as it
//! lives. Whoever can lock that file, or does not find it, knows that the process is gone, whatever its number is used
//! for now. Child processes do not inherit the lock: the file is closed when they start another program.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::clock::Random;
use crate::process::Process;

/// A locked file that says: this process lives.
#[derive(Debug)]
pub(super) struct LifeSign {
    pub(super) process: Process,
    path: PathBuf,
    file: File,
}

impl LifeSign {
    /// A new identity for the database at `db`.
    pub(super) fn give(db: &Path, random: &Random) -> io::Result<Self> {
        loop {
            let process = Process::new(random);
            let path = path_of(db, &process.nonce);
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            file.lock()?;
            // Someone who tidies up may have taken the file for a dead one's before it was locked.
            if file.metadata()?.nlink() > 0 {
                return Ok(LifeSign { process, path, file });
            }
        }
    }

    /// Ends this identity.
    pub(super) fn end(self) -> io::Result<()> {
        // Removed before it is unlocked, so that nobody finds a file without a lock.
        std::fs::remove_file(&self.path)?;
        self.file.unlock()
    }
}

/// Whether the process behind `nonce` is gone. Its file goes too.
pub(super) fn is_gone(db: &Path, nonce: &str) -> io::Result<bool> {
    is_unlocked(&path_of(db, nonce))
}

/// Removes the files of processes that are gone.
pub(super) fn tidy(db: &Path) -> io::Result<()> {
    let (Some(folder), Some(prefix)) = (db.parent(), path_of(db, "").file_name().map(ToOwned::to_owned)) else { return Ok(()) };
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            is_unlocked(&entry.path())?;
        }
    }
    Ok(())
}

fn is_unlocked(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    }
}

fn path_of(db: &Path, nonce: &str) -> PathBuf {
    let mut path = db.as_os_str().to_owned();
    path.push(format!("-owner-{nonce}"));
    path.into()
}
