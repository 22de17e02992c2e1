//! Configurations with mistakes: every mistake in one run, each at its place.

use std::path::Path;

use goworker::Registry;
use goworker::config::{Config, Loaded};
use goworker::settings::Report;

fn parse(ron: &str) -> Result<Loaded, Report> {
    // The registry holds what is linked: the built-in kinds, and the workers of the tests.
    use goworker_tests as _;
    Config::parse(ron, Path::new("jobs.ron"), &Registry::linked())
}

fn wrong(ron: &str) -> String {
    parse(ron).map(|_| ()).unwrap_err().render(false)
}

/// What is said, without the excerpt: for mistakes of which only the words matter.
fn said(ron: &str) -> String {
    let report = parse(ron).map(|loaded| loaded.warnings).unwrap_or_else(|report| report);
    let line = |d: &goworker::settings::Diagnostic| {
        format!(
            "{}:{} {}: {}{}\n",
            d.line,
            d.column,
            d.path,
            d.message,
            d.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default()
        )
    };
    report.diagnostics().iter().map(line).collect()
}

const TEN_MISTAKES: &str = r#"(
    providers: {
        "jobs":  memory(lease: 30),
        "inbox": foldr(path: "inbox", into: "jobs"),
        "other": memory(keep: (dome: (age: "1h"))),
        "jobs":  memory(),
    },
    workers: {
        "näh": scripted(),
        "ledger": ledger(path: "l", millis: "five"),
        "scripted": scripted(concurency: 4, timeout: "3 parsecs"),
    },
    retry: (backoff: exponential(inital: "1s")),
    failure_handlers: ["atic"],
)"#;

#[test]
fn ten_different_mistakes_are_told_in_one_run() {
    let report = parse(TEN_MISTAKES).map(|_| ()).unwrap_err();
    assert_eq!(report.errors(), 10);
    insta::assert_snapshot!(report.render(false));
}

#[test]
fn diagnostics_have_a_json_form() {
    let report = parse("(providers: { \"jobs\": memory(leas: \"1s\") }, workers: {})").map(|_| ()).unwrap_err();
    insta::assert_json_snapshot!(report.to_json());
}

#[test]
fn a_small_file_is_complete() {
    let loaded = parse(r#"(providers: { "jobs": memory }, workers: { "scripted": scripted })"#).unwrap();
    assert_eq!(loaded.warnings.diagnostics(), []);
    assert_eq!(loaded.config.workers[0].concurrency, 20);
}

#[test]
fn the_workers_retry_overrides_the_configs_part_by_part() {
    let loaded = parse(
        r#"(providers: { "jobs": memory() }, workers: { "scripted": scripted(retry: (retries: 9)) }, retry: (backoff: fixed("3s")))"#,
    )
    .unwrap();
    let retry = &loaded.config.workers[0].retry;
    assert_eq!((retry.retries, format!("{:?}", retry.backoff).as_str()), (9, "Fixed(3s)"));
}

#[test]
fn syntax_errors_are_told_where_they_are() {
    insta::assert_snapshot!(
        [
            wrong("(\n  providers: {\n    \"jobs\": memory(lease: \"3s\" keep: ())\n  },\n)"),
            wrong("(\n  providers: {\n    \"jobs\": memory(\n  },\n)"),
            wrong("providers: {}"),
            wrong(""),
        ]
        .join("\n---\n")
    );
}

#[test]
fn each_mistake_says_what_would_be_right() {
    let one = |providers: &str| said(&format!("(providers: {{ {providers} }}, workers: {{ \"scripted\": scripted() }})"));
    insta::assert_snapshot!([
        one(r#""a": lua()"#),
        one(r#""a": kafka()"#),
        one(r#""a": "memory""#),
        one(r#""a": 5"#),
        one(r#""a b": memory()"#),
        one(r#""a": memory(lease: "1ms")"#),
        one(r#""a": memory(lease: "2s")"#),
        one(r#""a": memory(into: "b"), "b": memory()"#),
        one(r#""a": memory(rate: 3)"#),
        one(r#""a": memory(5)"#),
        one(r#""a": memory(lease: "5s", lease: "6s")"#),
        one(r#""a": memory(keep: (done: (count: -1)))"#),
        said("(provider: {}, providers: {}, workers: {})"),
        said("(providers: [], workers: {})"),
        said(r#"(providers: { "a": memory() }, workers: { "s": ledger(millis: 3) })"#),
        said(r#"(providers: { "a": memory() }, workers: { "s": scripted() }, failure_handlers: [7, "s", (type: "s", name: "x", params: { "a": 1 }), (name: "x")])"#),
        said(r#"(providers: { "a": memory() }, workers: { "s": scripted() }, shutdown: (grace: 30), poison: 0)"#),
        said(r#"(providers: { "a": memory() }, workers: { "s": scripted() }, failure_handlers: [(type: "s", params: { "a": word })])"#),
        said(r#"(providers: { "a": memory() }, workers: { "s": scripted() }, retry: (backoff: exponentiall(initial: "1s"), retries: 1.5))"#),
        said(r#"(providers: { "a": memory() }, workers: { "s": scripted() }, retry: (backoff: exponential(initial: "1s", jitter: 2.0)))"#),
        said(r#"(providers: { "a": memory() }, workers: { "s": scripted() }, retry: (backoff: linear(initial: "1s")))"#),
    ].join("---\n"));
}

#[test]
fn environment_variables_are_values_not_text() {
    // PATH is there wherever tests run, and is no number.
    let worker = |setting: &str| said(&format!("(providers: {{ \"a\": memory() }}, workers: {{ \"s\": ledger({setting}) }})"));
    insta::assert_snapshot!(
        [
            worker(r#"path: env("PATH")"#),
            worker(r#"path: env("GOWORKER_NO_SUCH", "x"), millis: env("GOWORKER_NO_SUCH", "7")"#),
            worker(r#"path: env("GOWORKER_NO_SUCH")"#),
            worker(r#"path: "x", millis: env("PATH")"#),
            worker(r#"path: env(PATH)"#),
            worker(r#"path: secret(env("PATH"))"#),
            worker(r#"path: "x", timeout: env("PATH")"#),
            worker(r#"path: "x", timeout: env("GOWORKER_NO_SUCH", "5s")"#),
        ]
        .join("---\n")
    );
}

#[test]
fn secrets_are_shown_in_no_form() {
    let canary = "canary-4711";
    let text = format!(
        r#"(providers: {{ "a": memory() }}, workers: {{
            "s": vault(token: "{canary}", lvl: 3), "t": vault(token: 5, url: "amqp://u:{canary}@h"), "u": vualt(password: "{canary}"),
            "v": vault(token: secret(file("{canary}.no-such-file.txt")))  }})"#
    );
    let report = parse(&text).map(|_| ()).unwrap_err();
    insta::assert_snapshot!(report.render(false).replace(&format!("{canary}.no-such-file"), "FILE"));
    let all = format!("{report:?} {} {}", report.render(true), report.to_json()).replace(&format!("{canary}.no-such-file"), "FILE");
    assert!(!all.contains(canary), "{all}");
}

#[test]
fn no_mutation_of_a_config_panics() {
    let good = include_str!("../../config/quickstart.ron");
    for at in 0..good.len() {
        for text in
            [good[..good.floor_char_boundary(at)].to_owned(), mutated(good, at, "("), mutated(good, at, "\""), mutated(good, at, "é")]
        {
            if let Err(report) = parse(&text) {
                assert!(report.errors() > 0);
                report.render(true);
            }
        }
    }
}

fn mutated(text: &str, at: usize, with: &str) -> String {
    let at = text.floor_char_boundary(at);
    format!("{}{with}{}", &text[..at], &text[text.ceil_char_boundary(at + 1)..])
}
