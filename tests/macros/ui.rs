//! What the compiler says to those who make mistakes with the macros. Each file in `ui/` is named after its mistake.
//!
//! `TRYBUILD=overwrite` writes the answers down: read them as a user would.

use std::process::Command;

#[test]
fn each_fault_is_told_at_its_own_place() {
    // Other compilers have other words.
    if !compiler_is(env!("CARGO_PKG_RUST_VERSION")) {
        return eprintln!("skipped: the answers are those of Rust {}", env!("CARGO_PKG_RUST_VERSION"));
    }
    trybuild::TestCases::new().compile_fail("macros/ui/*.rs");
}

fn compiler_is(version: &str) -> bool {
    let output = Command::new("rustc").arg("--version").output().expect("cargo has a compiler");
    String::from_utf8_lossy(&output.stdout).starts_with(&format!("rustc {version}."))
}
