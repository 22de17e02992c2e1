//! The page for those who come from GoWorker: everything that it had has a row, and each row names the tests that show it.

use std::path::Path;

use crate::command_line::repository;

/// What GoWorker had: how the rows begin.
const HAD: [&str; 24] = [
    "`-conf config.json`",
    "`-print-confs`",
    "`-prof-mem FILE`",
    "plugin registration",
    "plugin interface, provider",
    "plugin interface, worker",
    "`workers: N`",
    "a job:",
    "routing",
    "retry",
    "failure handlers",
    "provider `redis`",
    "`dump_on_limit`, `memory_limit`",
    "load analysis",
    "provider `http`",
    "provider `disk`",
    "provider `file`",
    "worker `cli`",
    "worker `http`",
    "worker `disk`",
    "failure handler `file`",
    "`stats_port`",
    "`manager_to_manager_port`",
    "signals",
];

/// The texts of all sources that hold tests.
fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Whether a function of this name is marked as a test.
fn is_test(text: &str, name: &str) -> bool {
    let Some((before, _)) = text.split_once(&format!("fn {name}()")) else { return false };
    let mut above = before.lines().rev().map(str::trim).skip_while(|line| line.is_empty() || *line == "async");
    above.next().is_some_and(|line| line.starts_with("#[") && line.contains("test"))
}

#[test]
fn everything_that_goworker_had_names_the_tests_that_show_it() {
    let page = std::fs::read_to_string(repository().join("goworker/docs/goworker.md")).unwrap();
    let rows: Vec<Vec<&str>> =
        page.lines().filter_map(|line| line.strip_prefix("| ")).map(|row| row.split(" |").map(str::trim).collect()).collect();
    let rows = &rows[1..];
    let mut texts = Vec::new();
    ["goworker/src", "tests"].iter().for_each(|folder| sources(&repository().join(folder), &mut texts));
    for (had, row) in HAD.iter().zip(rows) {
        let [what, here, shown, ..] = row.as_slice() else { panic!("{row:?} has not three cells") };
        assert!(what.starts_with(had), "the row of {had} is {what}");
        assert!(!here.is_empty(), "{had}: what is here?");
        let tests: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{had} is shown by nothing");
        for test in tests {
            assert!(texts.iter().any(|text| is_test(text, test)), "{had}: there is no test {test}");
        }
    }
    assert_eq!(rows.len(), HAD.len());
}

#[test]
fn a_test_is_told_from_a_function() {
    let text = "#[test]\nfn one() {}\n#[tokio::test]\nasync fn two() {}\n#[cfg(test)]\nmod m {\n    fn three() {}\n}\n";
    assert_eq!(["one", "two", "three", "four"].map(|name| is_test(text, name)), [true, true, false, false]);
}
