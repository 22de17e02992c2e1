//! Crates as users have them, outside the workspace.
//!
//! cargo builds them with what is here already: the versions, the profile and the target folder of the workspace. So the
//! libraries are those of the tests, and goworker is built once for all such crates, not once for each.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::daemon::Sandbox;

/// The workspace.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A folder in which crates can be written and built. In `bin` are `cargo`, and `goworker`, which is this binary.
pub fn workshop(binary: &str) -> Sandbox {
    let sandbox = Sandbox::new(binary);
    let target = Path::new(binary).ancestors().nth(2).unwrap();
    sandbox.write(
        ".cargo/config.toml",
        &format!("build.target-dir = {target:?}\nnet.offline = true\nterm.quiet = true\n\n{}", profile(repository())),
    );
    // Without the lock file, cargo would take other versions where they happen to be at hand.
    let (lock, cargo) = (repository().join("Cargo.lock"), env!("CARGO"));
    let script = sandbox
        .write("bin/cargo", &format!("#!/bin/sh\n[ ! -e Cargo.toml ] || [ -e Cargo.lock ] || cp {lock:?} .\nexec {cargo:?} \"$@\"\n"));
    std::fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
    symlink(binary, sandbox.path("bin/goworker")).unwrap();
    sandbox
}

/// The profiles of a workspace, in which goworker is what it is there: no foreign package.
fn profile(workspace: &Path) -> String {
    let manifest = std::fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    let (_, profiles) = manifest.split_once("[profile.dev]\n").unwrap();
    let profiles = format!("[profile.dev]\n{profiles}");
    let debug = "debug = \"line-tables-only\"\n";
    profiles + &format!("\n[profile.dev.package.goworker]\n{debug}\n[profile.dev.package.goworker-macros]\n{debug}")
}

/// cargo, to be run in a folder of a [`workshop`].
pub fn cargo(workshop: &Sandbox, folder: &str) -> Command {
    let mut cargo = Command::new(workshop.path("bin/cargo"));
    cargo.current_dir(workshop.path(folder));
    cargo
}
