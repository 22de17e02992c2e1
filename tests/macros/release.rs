//! What link-time optimisation leaves of plugins that nobody calls by name.

use std::path::Path;
use std::process::Command;

/// Takes minutes, so it has to be asked for: `GOWORKER_LTO=1`.
#[test]
fn a_release_build_with_lto_has_all_plugins() {
    if std::env::var_os("GOWORKER_LTO").is_none() {
        return eprintln!("skipped: GOWORKER_LTO=1 runs it");
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lto");
    let build = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--package=goworker-tests", "--bin=goworker-under-test"])
        .args(["--config=profile.release.lto=\"fat\"", "--config=profile.release.codegen-units=1"])
        .arg("--target-dir")
        .arg(&target)
        .status()
        .unwrap();
    assert!(build.success());
    let listed = Command::new(target.join("release/goworker-under-test")).arg("list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let kinds: Vec<&str> = listed.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    // Of goworker itself; of a library that is linked and not named; of private modules, and of a function in one.
    for kind in ["sqlite", "lua", "noop", "parrot", "stamp", "seal"] {
        assert!(kinds.contains(&kind), "{kind} is not in {listed}");
    }
}
