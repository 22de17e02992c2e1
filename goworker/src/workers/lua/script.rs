//! Finds, loads and remembers scripts. An edit is picked up by the next job.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua};

use super::error::{Fault, text};

/// How long a script is trusted not to have changed.
const TRUST: Duration = Duration::from_millis(100);

/// The scripts of one folder, as one VM knows them.
#[derive(Debug)]
pub(super) struct Scripts {
    folder: PathBuf,
    known: RefCell<HashMap<String, Known>>,
}

#[derive(Debug)]
struct Known {
    version: (Option<SystemTime>, u64),
    checked: Instant,
    chunk: Result<Function, Fault>,
}

impl Scripts {
    pub(super) fn new(folder: PathBuf) -> Self {
        Scripts { folder, known: RefCell::new(HashMap::new()) }
    }

    /// The script of that name, compiled: `greet`, `billing.close_month` or `billing/close_month`. Its environment is
    /// shared, so callers clone it and give it one of their own.
    pub(super) fn get(&self, lua: &Lua, name: &str) -> Result<Function, Fault> {
        if let Some(known) = self.known.borrow().get(name).filter(|known| known.checked.elapsed() < TRUST) {
            return known.chunk.clone();
        }
        let path = self.path(name)?;
        let file = path.metadata().map_err(|error| unreadable(&self.shown(name), &error))?;
        let version = (file.modified().ok(), file.len());
        let mut known = self.known.borrow_mut();
        if let Some(known) = known.get_mut(name).filter(|known| known.version == version) {
            known.checked = Instant::now();
            return known.chunk.clone();
        }
        let shown = self.shown(name);
        let chunk =
            std::fs::read_to_string(&path).map_err(|error| unreadable(&shown, &error)).and_then(|source| compile(lua, &shown, &source));
        known.insert(name.to_owned(), Known { version, checked: Instant::now(), chunk: chunk.clone() });
        chunk
    }

    /// The script's path as messages show it: the folder's own name, and what is below it.
    fn shown(&self, name: &str) -> String {
        let folder = self.folder.file_name().map_or("scripts".into(), |name| name.to_string_lossy());
        format!("{folder}/{}.lua", name.replace('.', "/"))
    }

    /// Where the script lies. Never outside of the folder, whatever the name says and links do.
    fn path(&self, name: &str) -> Result<PathBuf, Fault> {
        let refuse = || {
            Fault::Permanent(format!(
                "`{}` is not the name of a script; write `greet`, or `billing.close_month` for scripts in a folder",
                name.escape_debug()
            ))
        };
        let parts: Vec<&str> = name.split(['/', '.']).collect();
        if parts.iter().any(|part| part.is_empty() || part.contains(['\\', '\0'])) {
            return Err(refuse());
        }
        let path = self.folder.join(parts.join("/")).with_extension("lua");
        let real = path.canonicalize().map_err(|_| Fault::Permanent(self.missing(name)))?;
        let folder = self.folder.canonicalize().map_err(|error| unreadable(&self.folder.display().to_string(), &error))?;
        if real.starts_with(&folder) { Ok(real) } else { Err(refuse()) }
    }

    fn missing(&self, name: &str) -> String {
        let mut names = Vec::new();
        collect(&self.folder, "", &mut names);
        let wanted = name.replace('/', ".");
        let near = names
            .iter()
            .map(|known| (strsim::damerau_levenshtein(known, &wanted), known))
            .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
            .min();
        let hint = near.map_or(String::new(), |(_, known)| format!("; did you mean `{known}`?"));
        format!("there is no script {}{hint}", self.shown(name))
    }
}

fn unreadable(shown: &str, error: &std::io::Error) -> Fault {
    Fault::Permanent(format!("cannot read {shown}: {error}"))
}

/// The names of all scripts below a folder. What cannot be read has no names.
fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&path, &format!("{prefix}{stem}."), names);
        } else if path.extension().is_some_and(|extension| extension == "lua") {
            names.push(format!("{prefix}{stem}"));
        }
    }
}

/// Compiles text, never bytecode.
pub(super) fn compile(lua: &Lua, shown: &str, source: &str) -> Result<Function, Fault> {
    // The line of a shebang stays, so that the others keep their numbers.
    let source = if source.starts_with("#!") { format!("--{source}") } else { source.to_owned() };
    lua.load(&source).set_name(format!("={shown}")).set_mode(ChunkMode::Text).into_function().map_err(|error| {
        let message = text(&error);
        let message = message.strip_prefix("syntax error: ").unwrap_or(&message);
        Fault::Permanent(format!("{message}{}", hint(message, shown, &source)))
    })
}

/// What to write instead of what other versions of Lua have and Luau has not.
fn hint(message: &str, shown: &str, source: &str) -> &'static str {
    let line = message.strip_prefix(shown).and_then(|rest| rest.strip_prefix(':')).and_then(|rest| rest.split(':').next());
    let line = line
        .and_then(|number| number.parse::<usize>().ok())
        .and_then(|number| source.lines().nth(number.saturating_sub(1)))
        .unwrap_or_default();
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if has(&["goto ", "::"]) {
        "\n  there is no `goto` here: use a loop with `break` or `continue`"
    } else if has(&["<const>"]) {
        "\n  there is no `<const>` here: leave it out"
    } else if has(&["<close>"]) {
        "\n  there is no `<close>` here: call what closes it yourself, after a `pcall`"
    } else if has(&["&", "|", "~", "<<", ">>"]) {
        "\n  there are no bit operators here: use bit32.band, bit32.bor, bit32.bxor, bit32.bnot, bit32.lshift, bit32.rshift"
    } else {
        ""
    }
}
