//! What the compiler says to those who make mistakes with the macros. Each file in `ui/` is named after its mistake, and beside it
//! is the answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use goworker_tests::own_crates::{cargo, workshop};
use serde_json::Value;

/// A crate with a binary for each mistake.
const MANIFEST: &str = r#"
[package]
name = "ui"
edition = "2024"

[dependencies]
anyhow = "1"
goworker.path = "WORKSPACE/goworker"
schemars = "1"
serde = { version = "1", features = ["derive"] }

[lints.rust]
dead_code = "allow"
"#;

#[test]
fn each_fault_is_told_at_its_own_place() {
    // Other compilers have other words.
    if !compiler_is(env!("CARGO_PKG_RUST_VERSION")) {
        return eprintln!("skipped: the answers are those of Rust {}", env!("CARGO_PKG_RUST_VERSION"));
    }
    let answers = answers();
    let varying = [("/rustc/[0-9a-f]+", "RUST"), (r"and \d+ others", "and N others")];
    insta::with_settings!({ snapshot_path => "ui", prepend_module_to_snapshot => false, omit_expression => true, filters => varying }, {
        for (mistake, answer) in &answers {
            insta::assert_snapshot!(mistake.as_str(), answer);
        }
    });
}

fn compiler_is(version: &str) -> bool {
    let output = Command::new("rustc").arg("--version").output().expect("cargo has a compiler");
    String::from_utf8_lossy(&output.stdout).starts_with(&format!("rustc {version}."))
}

/// What the compiler says of each file in `ui/`, by its name.
fn answers() -> BTreeMap<String, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = here.parent().unwrap().to_str().unwrap();
    let workshop = workshop(env!("CARGO_BIN_EXE_goworker-chosen"));
    workshop.write("ui/Cargo.toml", &MANIFEST.replace("WORKSPACE", workspace));
    let mut answers = BTreeMap::new();
    for path in std::fs::read_dir(here.join("macros/ui")).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            workshop.write(&format!("ui/src/bin/{name}.rs"), &std::fs::read_to_string(&path).unwrap());
            answers.insert(name.to_owned(), String::new());
        }
    }
    let build = cargo(&workshop, "ui").args(["build", "--bins", "--keep-going", "--message-format=json"]).output().unwrap();
    let messages = build.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for message in messages.map(|line| serde_json::from_slice::<Value>(line).unwrap()) {
        let Some(answer) = message.pointer("/target/name").and_then(|name| answers.get_mut(name.as_str()?)) else { continue };
        match &message["message"] {
            Value::Null => panic!("there is no mistake: {message}"),
            said if said["spans"] == Value::Array(Vec::new()) => {}
            said => {
                let said = portable(said["rendered"].as_str().unwrap(), workspace);
                // An incremental build says some things twice.
                if !answer.contains(&said) {
                    *answer += &said;
                }
            }
        }
    }
    let silent = answers.iter().filter(|(_, answer)| answer.is_empty()).map(|(mistake, _)| mistake);
    assert_eq!(silent.collect::<Vec<_>>(), [""; 0], "{}", String::from_utf8_lossy(&build.stderr));
    answers
}

/// An answer without what differs from place to place, and from day to day: where the repository is, and the lines of code that is
/// not the user's.
fn portable(answer: &str, workspace: &str) -> String {
    let mut foreign = false;
    let mut portable = String::new();
    for line in answer.replace(workspace, "$WORKSPACE").lines() {
        let place = line.trim_start().split_once(' ').filter(|(arrow, _)| ["-->", ":::"].contains(arrow));
        foreign = place.map_or(foreign, |(_, place)| !place.starts_with("src/bin/"));
        let code = line.split_once('|').filter(|(number, _)| number.trim().bytes().all(|byte| byte.is_ascii_digit()));
        portable += &match (place.and_then(|(arrow, place)| Some((arrow, place.split_once(".rs:")?.0))), code) {
            (Some((arrow, file)), _) if foreign => format!("  {arrow} {file}.rs"),
            (_, Some((_, code))) if foreign => format!("   |{code}"),
            _ => line.to_owned(),
        };
        portable.push('\n');
    }
    portable
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
        let answer = std::fs::read_to_string(format!("{path}.snap")).unwrap();
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
