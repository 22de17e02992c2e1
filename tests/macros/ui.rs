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

/// Ten of the mistakes, those that people make first.
const MISTAKES: [&str; 10] = [
    "struct_without_doc",
    "setting_without_doc",
    "argument_with_doc_that_is_no_setting",
    "argument_that_is_a_reference",
    "context_by_value",
    "default_out_of_range",
    "unknown_key_of_config",
    "reserved_setting",
    "missing_impl",
    "params_that_no_json_becomes",
];

/// The page of [`MISTAKES`], made of the files in `ui/`.
fn page() -> String {
    let mut page =
        "# Ten mistakes with the macros, and what the compiler says\n\n| mistake | the compiler says | at |\n|---|---|---|\n".to_owned();
    for mistake in MISTAKES {
        let path = format!("{}/macros/ui/{mistake}", env!("CARGO_MANIFEST_DIR"));
        let answer = std::fs::read_to_string(format!("{path}.stderr")).unwrap();
        let mut lines = answer.lines();
        let said = lines.find_map(|line| line.strip_prefix("error").and_then(|error| error.split_once(": "))).unwrap().1;
        let line: usize = lines.next().unwrap().rsplit(':').nth(1).unwrap().parse().unwrap();
        let source = std::fs::read_to_string(format!("{path}.rs")).unwrap();
        let place = source.lines().nth(line - 1).unwrap().trim();
        let cell = |text: &str| text.replace('|', "\\|");
        page += &format!("| {} | {} | ``{}`` |\n", mistake.replace('_', " "), cell(said), cell(place));
    }
    page
}

/// With GOWORKER_WRITE_REFERENCE=1 the page is written anew.
#[test]
fn the_page_of_mistakes_is_up_to_date() {
    let (page, path) = (page(), concat!(env!("CARGO_MANIFEST_DIR"), "/../goworker/docs/macro-mistakes.md"));
    if std::env::var_os("GOWORKER_WRITE_REFERENCE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/macro-mistakes.md is not what tests/macros/ui says; GOWORKER_WRITE_REFERENCE=1 writes it");
}
