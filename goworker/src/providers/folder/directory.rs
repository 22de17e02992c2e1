//! The file system's side: files are opened so that no link is followed and nothing blocks, and they go away durably.
//!
//! All is done relative to an open directory, by names without a slash: nothing can lead out of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

/// What tells one file, and one state of it, from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// When the content was changed, in nanoseconds since 1970.
    pub(super) modified: i128,
    /// When the content, the name or the mode was changed, in nanoseconds since 1970.
    pub(super) changed: i128,
}

impl Stamp {
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the types of these fields differ from system to system")]
    fn of(stat: &Stat) -> Self {
        let nanos = |seconds: i128, nanos: i128| seconds * 1_000_000_000 + nanos;
        Stamp {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanos(stat.st_mtime as i128, stat.st_mtime_nsec as i128),
            changed: nanos(stat.st_ctime as i128, stat.st_ctime_nsec as i128),
        }
    }

    /// Whether it is the same file with the same content; its name and its mode may differ.
    pub(super) fn same_content(&self, other: &Stamp) -> bool {
        Stamp { changed: 0, ..*self } == Stamp { changed: 0, ..*other }
    }
}

/// What is found under a name.
#[derive(Debug)]
pub(super) enum Entry {
    /// Nothing any more.
    Gone,
    /// Something that is not to be read, and why.
    Refused(String),
    /// A regular file of this folder alone.
    File(OpenFile),
}

/// A file that is safe to read.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    pub(super) stamp: Stamp,
}

impl OpenFile {
    /// The content; `None` if somebody writes the file just now.
    pub(super) fn read(mut self) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::with_capacity(usize::try_from(self.stamp.size).unwrap_or(0));
        // One byte more than it has had: a file that grows is told without reading after its writer for ever.
        (&mut self.file).take(self.stamp.size + 1).read_to_end(&mut text)?;
        let now = Stamp::of(&fs::fstat(&self.file)?);
        Ok((now.same_content(&self.stamp) && text.len() as u64 == now.size).then_some(text))
    }
}

/// An open directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    handle: OwnedFd,
    stamp: Stamp,
}

impl Directory {
    /// Opens a directory; it is created if only the last part of its path is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = match fs::open(path, flags, Mode::empty()) {
            Err(Errno::NOENT) => {
                create(path)?;
                fs::open(path, flags, Mode::empty())?
            }
            opened => opened?,
        };
        let stamp = Stamp::of(&fs::fstat(&handle)?);
        Ok(Directory { path: path.to_owned(), handle, stamp })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to this directory.
    pub(super) fn is_at_its_path(&self) -> bool {
        fs::stat(&self.path).is_ok_and(|stat| {
            let there = Stamp::of(&stat);
            (there.device, there.inode) == (self.stamp.device, self.stamp.inode)
        })
    }

    pub(super) fn is_on_the_device_of(&self, other: &Directory) -> bool {
        self.stamp.device == other.stamp.device
    }

    /// Makes this process the only one that takes jobs from the directory; `false` if another one is that already.
    /// It ends with the process, however that ends. A file system without locks has to do without.
    pub(super) fn lock(&self) -> bool {
        !matches!(fs::flock(&self.handle, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK))
    }

    /// All names that `wanted` accepts, in order.
    pub(super) fn names(&self, wanted: impl Fn(&OsStr) -> bool) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.handle)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if wanted(name) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Looks what a name stands for, and opens it if that is a regular file with this name only.
    pub(super) fn entry(&self, name: &OsStr) -> io::Result<Entry> {
        // Looked at before it is opened, because opening a device may do something; and again afterwards, because
        // something else may have taken its place meanwhile.
        match fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(Entry::Gone),
            found => {
                if let Some(reason) = self.reason_against(&found?) {
                    return Ok(Entry::Refused(reason));
                }
            }
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let handle = match fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(Entry::Gone),
            Err(Errno::LOOP) => return Ok(Entry::Refused("it is a symbolic link".into())),
            Err(error) => return Err(error.into()),
        };
        let stat = fs::fstat(&handle)?;
        Ok(match self.reason_against(&stat) {
            Some(reason) => Entry::Refused(reason),
            None => Entry::File(OpenFile { file: File::from(handle), stamp: Stamp::of(&stat) }),
        })
    }

    fn reason_against(&self, stat: &Stat) -> Option<String> {
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => None,
            FileType::Symlink => Some("a symbolic link"),
            FileType::Directory => Some("a directory"),
            FileType::Fifo => Some("a FIFO"),
            FileType::Socket => Some("a socket"),
            _ => Some("a device"),
        };
        match what {
            Some(what) => Some(format!("it is {what}")),
            None if stat.st_nlink > 1 => Some(format!("it has {} names (hard links)", stat.st_nlink)),
            None if Stamp::of(stat).device != self.stamp.device => Some("it lies on another file system".into()),
            None => None,
        }
    }

    /// Whether the name still stands for the file that was read; `None` if it stands for nothing.
    pub(super) fn still_is(&self, name: &OsStr, stamp: &Stamp) -> io::Result<Option<bool>> {
        match fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stamp::of(&stat).same_content(stamp))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a file to another directory, under its own name or, if that is taken, one with a number; answers which.
    pub(super) fn move_to(&self, name: &OsStr, target: &Directory) -> io::Result<OsString> {
        let mut number = 1;
        loop {
            let free = numbered(name, number);
            if self.rename(name, target, &free)? {
                target.sync()?;
                return Ok(free);
            }
            number += 1;
        }
    }

    /// Moves a file, with a text beside it that is there before the file is: `NAME` and `NAME.error.txt`.
    pub(super) fn move_with_reason(&self, name: &OsStr, target: &Directory, reason: &str) -> io::Result<OsString> {
        let mut number = 1;
        loop {
            let free = numbered(name, number);
            let beside = with_suffix(&free, ".error.txt");
            if target.create(&beside, reason.as_bytes())? {
                let moved = self.rename(name, target, &free);
                if !matches!(moved, Ok(true)) {
                    target.remove(&beside)?;
                }
                if moved? {
                    target.sync()?;
                    return Ok(free);
                }
            }
            number += 1;
        }
    }

    /// Writes a new file; `false` if the name is taken.
    fn create(&self, name: &OsStr, text: &[u8]) -> io::Result<bool> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file = match fs::openat(&self.handle, name, flags, Mode::from_raw_mode(0o666)) {
            Err(Errno::EXIST) => return Ok(false),
            opened => File::from(opened?),
        };
        file.write_all(text).and_then(|()| file.sync_all()).map(|()| true)
    }

    /// Renames without replacing; `false` if the new name is taken.
    fn rename(&self, name: &OsStr, target: &Directory, new: &OsStr) -> io::Result<bool> {
        match fs::renameat_with(&self.handle, name, &target.handle, new, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // Not every file system can do that in one step.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match fs::statat(&target.handle, new, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => Ok(false),
                Err(_) => fs::renameat(&self.handle, name, &target.handle, new).map(|()| true).map_err(io::Error::from),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Appends whole lines to a file durably; a last line that was left in parts is ended first.
    pub(super) fn append(&self, name: &OsStr, lines: &[u8]) -> io::Result<()> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(fs::openat(&self.handle, name, flags, Mode::from_raw_mode(0o666))?);
        let size = file.metadata()?.len();
        let mut last = *b"\n";
        if size > 0 {
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut last, size - 1)?;
        }
        let end: &[u8] = if last == *b"\n" { b"" } else { b"\n" };
        (&file).write_all(&[end, lines].concat())?;
        file.sync_all()?;
        self.sync()
    }

    /// Makes what was created, renamed or removed here durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        fs::fsync(&self.handle).map_err(io::Error::from)
    }
}

fn create(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "it is not there, nor is the folder to create it in"),
        _ => error,
    })
}

/// The longest name that a file may have, in bytes.
const NAME_MAX: usize = 255;

/// `orders.json`, `orders.2.json`, `orders.3.json`: the extension stays, so that the file can be given in again.
fn numbered(name: &OsStr, number: usize) -> OsString {
    if number == 1 {
        return name.to_owned();
    }
    let bytes = name.as_bytes();
    let dot = bytes.iter().rposition(|byte| *byte == b'.').unwrap_or(bytes.len());
    let (stem, extension) = bytes.split_at(dot);
    let tail = [format!(".{number}").as_bytes(), extension].concat();
    cut(stem, &tail)
}

/// A name with something behind it, cut if it gets too long.
pub(super) fn with_suffix(name: &OsStr, suffix: &str) -> OsString {
    cut(name.as_bytes(), suffix.as_bytes())
}

fn cut(stem: &[u8], tail: &[u8]) -> OsString {
    let kept = stem.len().min(NAME_MAX.saturating_sub(tail.len()));
    OsString::from_vec([&stem[..kept], tail].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_gets_a_number_before_its_extension() {
        assert_eq!(numbered(OsStr::new("a.json"), 1), "a.json");
        assert_eq!(numbered(OsStr::new("a.b.json"), 2), "a.b.2.json");
        let long = OsString::from(format!("{}.json", "x".repeat(250)));
        assert_eq!(numbered(&long, 12).len(), NAME_MAX);
        assert!(numbered(&long, 12).as_bytes().ends_with(b".12.json"));
        assert_eq!(with_suffix(&long, ".error.txt").len(), NAME_MAX);
    }
}
