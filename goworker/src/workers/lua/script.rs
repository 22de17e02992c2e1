//! Scripts: found by name inside one folder, compiled once, and again when the file has changed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua};

use super::hint;

/// How long a file is taken to be unchanged after a look at it.
const TRUSTED: Duration = Duration::from_millis(100);

/// Why there is no chunk to run.
#[derive(Debug)]
pub(super) enum LoadError {
    /// The script is missing, or is no script.
    Bad(String),
    /// The VM has no memory left for it.
    Memory(mlua::Error),
}

impl From<String> for LoadError {
    fn from(why: String) -> Self {
        LoadError::Bad(why)
    }
}

/// The scripts of one folder, as one VM has them.
#[derive(Debug)]
pub(super) struct Scripts {
    folder: PathBuf,
    /// The folder's own name, with which the places in errors begin.
    label: String,
    compiled: RefCell<HashMap<String, Compiled>>,
}

#[derive(Debug)]
struct Compiled {
    chunk: Function,
    file: PathBuf,
    stamp: Stamp,
    looked: Instant,
}

/// Tells one version of a file from the next.
type Stamp = (Option<SystemTime>, u64);

impl Scripts {
    /// The scripts in `folder`, which may appear later.
    pub(super) fn new(folder: PathBuf) -> Self {
        let label = folder.file_name().map_or_else(|| "scripts".to_owned(), |name| name.to_string_lossy().into_owned());
        Scripts { folder, label, compiled: RefCell::default() }
    }

    /// The script of that name, compiled; to be run in a copy with its own globals.
    ///
    /// # Errors
    /// When there is none, it lies outside the folder, or it does not compile. A script that was changed into a broken
    /// one is an error too: the old version is not what its author wants to run.
    pub(super) fn chunk(&self, lua: &Lua, name: &str) -> Result<Function, LoadError> {
        if let Some(compiled) = self.compiled.borrow_mut().get_mut(name) {
            let now = Instant::now();
            let trusted = now.duration_since(compiled.looked) < TRUSTED;
            if trusted || stamp(&compiled.file).is_ok_and(|stamp| stamp == compiled.stamp) {
                if !trusted {
                    compiled.looked = now;
                }
                return Ok(compiled.chunk.clone());
            }
        }
        self.compiled.borrow_mut().remove(name);
        self.load(lua, name)
    }

    fn load(&self, lua: &Lua, name: &str) -> Result<Function, LoadError> {
        let relative = relative(name)?;
        let place = format!("{}/{}", self.label, relative.display());
        let file = self.find(name, &relative, &place)?;
        let looked = Instant::now();
        let unreadable = |error: std::io::Error| format!("{place} cannot be read: {error}");
        // The stamp before the text: a change between the two is then seen at the next look.
        let stamp = stamp(&file).map_err(unreadable)?;
        let source = std::fs::read(&file).map_err(unreadable)?;
        let chunk = compile(lua, &source, &format!("={place}"))?;
        self.compiled.borrow_mut().insert(name.to_owned(), Compiled { chunk: chunk.clone(), file, stamp, looked });
        Ok(chunk)
    }

    /// The file, with links followed, if it is inside the folder.
    fn find(&self, name: &str, relative: &Path, place: &str) -> Result<PathBuf, String> {
        let folder = self.folder.canonicalize().map_err(|error| format!("the scripts folder {}: {error}", self.folder.display()))?;
        match folder.join(relative).canonicalize() {
            Ok(file) if file.starts_with(&folder) => Ok(file),
            Ok(_) => Err(format!("{place} is a link that leaves the scripts folder")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let hint = hint::similar(&folder, name).map(|similar| format!("; did you mean `{similar}`?")).unwrap_or_default();
                Err(format!("there is no script {place}{hint}"))
            }
            Err(error) => Err(format!("{place} cannot be read: {error}")),
        }
    }
}

/// The path that a name means: `a`, `a.b` and `a/b` are names.
fn relative(name: &str) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("the job has no `name`; it says which script runs it".to_owned());
    }
    let segments: Vec<&str> = name.split(['.', '/']).collect();
    if segments.iter().any(|segment| segment.is_empty() || segment.contains(['\0', '\\'])) {
        let name = name.escape_debug();
        return Err(format!(
            "`{name}` is not the name of a script; write `greet` for greet.lua, `mail/send` or `mail.send` for mail/send.lua"
        ));
    }
    Ok(PathBuf::from(format!("{}.lua", segments.join("/"))))
}

fn stamp(file: &Path) -> std::io::Result<Stamp> {
    let metadata = file.metadata()?;
    Ok((metadata.modified().ok(), metadata.len()))
}

/// Compiles text, never bytecode.
///
/// # Errors
/// With the place, and how to write what Luau has no syntax for.
pub(super) fn compile(lua: &Lua, source: &[u8], name: &str) -> Result<Function, LoadError> {
    let source = source.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(source);
    let mut text = source.to_vec();
    // `#!/usr/bin/env lua`: made a comment, so that line numbers hold.
    if text.starts_with(b"#") {
        text.splice(..1, *b"--");
    }
    let loaded = lua.load(text).set_name(name).set_mode(ChunkMode::Text).into_function();
    loaded.map_err(|error| {
        if super::error::is_memory(&error) {
            return LoadError::Memory(error);
        }
        let message = super::error::text(&error);
        LoadError::Bad(match hint::rewrite(&String::from_utf8_lossy(source), &message) {
            Some(hint) => format!("{message}\n  {hint}"),
            None => message,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_dots_and_slashes_mean_files_in_folders() {
        assert_eq!(relative("greet").unwrap(), Path::new("greet.lua"));
        assert_eq!(relative("mail.send").unwrap(), Path::new("mail/send.lua"));
        assert_eq!(relative("mail/send").unwrap(), Path::new("mail/send.lua"));
    }

    #[test]
    fn names_that_could_leave_the_folder_are_no_names() {
        for name in ["", "..", "../up", "a/../b", "/etc/passwd", "a//b", "a\0b", "a\\b", "a/"] {
            assert!(relative(name).is_err(), "{name:?}");
        }
    }
}
