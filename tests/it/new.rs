//! What `goworker new` writes works as it is.

use std::process::Output;

use goworker_tests::daemon::Sandbox;
use goworker_tests::own_crates::{cargo, workshop};

use crate::BINARY;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_new_worker_passes_its_test_and_does_jobs() {
    let sandbox = workshop(BINARY);
    let cargo = |arguments: &[&str]| cargo(&sandbox, "send-mail").args(arguments).output().unwrap();
    let written = succeeded(&sandbox.run(["new", "worker", "send-mail"]));
    assert_eq!(
        written,
        "send-mail/Cargo.toml\nsend-mail/.gitignore\nsend-mail/send-mail.ron\nsend-mail/src/main.rs\nsend-mail/src/send_mail.rs\n"
    );
    let tests = succeeded(&cargo(&["test"]));
    assert!(tests.contains("2 passed"), "{tests}");
    let job = ["enqueue", "send-mail.ron", "--type", "send_mail", "--params"];
    succeeded(&cargo(&[&["run", "--"], job.as_slice(), &[r#"{"who": "you"}"#]].concat()));
    let refused = cargo(&[&["run", "--"], job.as_slice(), &[r#"{"how": "loud"}"#]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("`params.who` is missing"), "{}", text(&refused.stderr));
    let summary = succeeded(&cargo(&["run", "--", "send-mail.ron", "--until-idle"]));
    assert!(summary.starts_with("1 done"), "{summary}");
}

#[test]
fn a_new_provider_passes_its_test_and_brings_jobs() {
    let sandbox = workshop(BINARY);
    let cargo = |arguments: &[&str]| cargo(&sandbox, "deep/below").args(arguments).output().unwrap();
    succeeded(&sandbox.run(["new", "provider", "shop", "--path", "deep/below"]));
    let tests = succeeded(&cargo(&["test"]));
    assert!(tests.contains("2 passed"), "{tests}");
    let summary = succeeded(&cargo(&["run", "--", "shop.ron", "--until-idle"]));
    assert!(summary.starts_with("2 done"), "{summary}");
    assert!(sandbox.read("deep/below/orders.jsonl").contains("coffee"));
}

#[test]
fn nothing_is_overwritten_and_no_name_is_taken_twice() {
    let sandbox = Sandbox::new(BINARY);
    sandbox.write("mine/notes.txt", "mine");
    for (command, reason) in [
        (vec!["new", "worker", "mine"], "mine is not empty, and stays as it is"),
        (vec!["new", "worker", "lua"], "`lua` is a kind that this program has already"),
        (vec!["new", "worker", "Send Mail"], "a name is up to 64 characters"),
        (vec!["new", "provider", "shop", "--goworker", "nowhere"], "nowhere is not the folder of a crate"),
    ] {
        let output = sandbox.run(&command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
    }
    assert_eq!(std::fs::read_dir(sandbox.folder()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(sandbox.path("mine")).unwrap().count(), 1);
}

#[test]
fn a_new_configuration_of_any_kind_is_valid() {
    let sandbox = Sandbox::new(BINARY);
    let list = succeeded(&sandbox.run(["list"]));
    let kinds: Vec<&str> = list.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    assert!(kinds.contains(&"sqlite") && kinds.contains(&"vault"), "{kinds:?}");
    for chosen in kinds.iter().map(std::slice::from_ref).chain([kinds.as_slice(), &[]]) {
        let config = succeeded(&sandbox.run([&["new", "config"], chosen].concat()));
        sandbox.write("config.ron", &config);
        let check = sandbox.run(["check", "config.ron"]);
        assert!(check.status.success() && check.stderr.is_empty(), "{config}\n{}", text(&check.stderr));
    }
}
