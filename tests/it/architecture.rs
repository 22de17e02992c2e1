//! The architecture, as ARCHITECTURE.md promises it: imports point one way, so the modules can be read in order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The modules of the library; each may import those before it only.
const ORDER: [&str; 29] = [
    "spelling",
    "units",
    "clock",
    "egress",
    "job",
    "rate",
    "schedule",
    "retry",
    "outcome",
    "remark",
    "provider",
    "process",
    "progress",
    "spill",
    "queue",
    "worker",
    "function",
    "settings",
    "listener",
    "plugin",
    "registry",
    "config",
    "client",
    "manager",
    "testing",
    "cli",
    "macros",
    "providers",
    "workers",
];
/// Whom nobody imports: they register themselves, as the plugins of users do.
const PLUGINS: [&str; 2] = ["providers", "workers"];

#[test]
fn imports_point_one_way() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goworker/src");
    let mut wrong = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for file in rust_files(&source) {
        let module = module_of(file.strip_prefix(&source).unwrap());
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let own = place(&module).unwrap_or_else(|| panic!("the module `{module}` has no place in the order"));
        for imported in imports(&std::fs::read_to_string(&file).unwrap()) {
            let Some(place) = place(&imported) else { continue };
            if place > own || (place != own && PLUGINS.contains(&imported.as_str())) {
                wrong.insert(format!("{} imports {imported}", file.display()));
            }
        }
        seen.insert(module);
    }
    assert_eq!(seen, ORDER.map(str::to_owned).into(), "every module has a place in the order, and every place a module");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn place(module: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == module)
}

/// The first part of a path in `src`: a file or a folder.
fn module_of(path: &Path) -> String {
    path.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}

/// The modules that a file names as `crate::module`, in `use` or in passing; those in comments are not imports.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let module = |path: &str| path.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let modules: BTreeSet<String> = code.flat_map(|line| line.split("crate::").skip(1)).map(module).collect();
    assert!(!modules.contains(""), "name the module, as in `crate::job::Job`, so that this test can read it");
    modules
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let text =
        "use crate::job::Job;\n    let x = crate::clock::now(); // crate::x\n/// [`crate::queue`]\npub(crate) fn f(q: crate::queue::Q)";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["clock", "job", "queue", "x"]);
}
