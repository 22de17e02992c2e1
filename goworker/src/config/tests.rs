//! What cannot be tried through the public door: the environment, and settings of all shapes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env::VarError;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Config, LoadError, Loaded};
use crate::job::Job;
use crate::outcome::WorkResult;
use crate::registry::{Origin, Registration, Registry};
use crate::settings::{Diagnostic, Field, Reader, Report, Secret, Settings};
use crate::units::Dur;
use crate::worker::{Context, Worker};

/// A worker with settings of many shapes, which it shows to the test.
struct Probe;

thread_local! {
    static SEEN: RefCell<String> = const { RefCell::new(String::new()) };
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown, and nothing else")]
struct ProbeConfig {
    port: u16,
    every: Dur,
    mode: Mode,
    folder: Option<PathBuf>,
    token: Option<Secret>,
    logins: Vec<Login>,
    labels: BTreeMap<String, i64>,
    pair: (String, bool),
    filter: Option<Filter>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "shown, and nothing else")]
struct Filter {
    name: String,
    rule: Rule,
}

/// A type that has no end, if one always takes its first variant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "shown, and nothing else")]
enum Rule {
    Not(Box<Rule>),
    Word(String),
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[allow(dead_code, reason = "shown, and nothing else")]
enum Mode {
    #[default]
    Fast,
    Slow(Dur),
    Deep {
        level: u8,
    },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "shown, and nothing else")]
struct Login {
    user: String,
    phrase: Secret,
}

impl Settings for ProbeConfig {
    fn fields() -> Vec<Field> {
        vec![
            Field::new::<u16>("port", "u16", "").or("1"),
            Field::new::<Dur>("every", "Dur", "").or("\"1s\""),
            Field::new::<Mode>("mode", "Mode", "").or("fast"),
            Field::new::<Option<PathBuf>>("folder", "Option<PathBuf>", "").or("None"),
            Field::new::<Option<Secret>>("token", "Option<Secret>", "").or("None"),
            Field::new::<Vec<Login>>("logins", "Vec<Login>", "").or("[]"),
            Field::new::<BTreeMap<String, i64>>("labels", "BTreeMap<String, i64>", "").or("{}"),
            Field::new::<(String, bool)>("pair", "(String, bool)", "").or("(\"\", false)"),
            Field::new::<Option<Filter>>("filter", "Option<Filter>", "").or("None"),
        ]
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let port = reader.optional("port", || 1);
        let port = reader.within("port", port, 1..=1023);
        let every = reader.optional("every", || Dur::secs(1));
        let mode = reader.optional("mode", Mode::default);
        let folder = reader.optional("folder", || None);
        let token = reader.optional("token", || None);
        let logins = reader.optional("logins", Vec::new);
        let labels = reader.optional("labels", BTreeMap::new);
        let pair = reader.optional("pair", Default::default);
        let filter = reader.optional("filter", || None);
        let (port, every, mode, folder, token) = (port?, every?, mode?, folder?, token?);
        Some(ProbeConfig { port, every, mode, folder, token, logins: logins?, labels: labels?, pair: pair?, filter: filter? })
    }
}

impl From<ProbeConfig> for Probe {
    fn from(config: ProbeConfig) -> Self {
        SEEN.set(format!("{config:?}"));
        Probe
    }
}

impl Worker for Probe {
    async fn work(&self, _: &Job, _: &Context) -> WorkResult {
        Ok(().into())
    }
}

const ORIGIN: Origin = Origin { crate_name: "probe", crate_version: "1.0.0", file: "src/probe.rs", line: 7 };
const PROBE: Registration = Registration::worker::<Probe, ProbeConfig>("probe", "Tries settings.", ORIGIN);

/// What `env(..)` gives in these tests.
fn variables(name: &str) -> Result<String, VarError> {
    match name {
        "PORT" => Ok("80"),
        "HIGH" => Ok("40404"),
        "MODE" => Ok("fast"),
        "HOME" => Ok("home/of/jobs"),
        "YES" => Ok("true"),
        "CANARY" => Ok(CANARY),
        _ => Err(VarError::NotPresent),
    }
    .map(str::to_owned)
}

/// Must be seen nowhere.
const CANARY: &str = "c4n4ry";

fn parse(text: &str) -> Result<Loaded, Report> {
    Config::parse_with(text, Path::new("etc/jobs.ron"), &Registry::linked().with(PROBE), variables)
}

fn wrong(text: &str) -> Report {
    parse(text).map(|_| ()).unwrap_err()
}

/// A config in which only the settings of a probe matter.
fn probe(settings: &str) -> String {
    format!("(providers: {{ \"q\": memory() }},\nworkers: {{ \"p\": probe({settings}) }})")
}

/// What is said, without excerpts.
fn said(text: &str) -> String {
    let report = parse(text).map(|loaded| loaded.warnings).unwrap_or_else(|report| report);
    let line = |d: &Diagnostic| {
        let help = d.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{}-{}:{} {}: {}{help}\n", d.line, d.column, d.end_line, d.end_column, d.path, d.message)
    };
    report.diagnostics().iter().map(line).collect()
}

/// The settings of a probe, as they are read; or what is said of them.
fn read(settings: &str) -> String {
    match parse(&probe(settings)) {
        Ok(_) => SEEN.take(),
        Err(_) => said(&probe(settings)),
    }
}

#[test]
fn values_of_all_shapes_are_read_as_they_are_meant() {
    insta::assert_snapshot!([
        read(""),
        read(r#" /* none */ "#),
        read(r#"port: 1_0, mode: slow("3s"), folder: "a/../b", token: "t", labels: { "a": -1 }, pair: ("x", true)"#),
        read(r#"mode: deep(level: 3), folder: Some("/abs",), token: Some(secret(env("CANARY"))), logins: [(user: "u", phrase: env("CANARY"))]"#),
        read(r#"port: env("PORT"), mode: env("MODE"), folder: env("HOME"), labels: { "a": env("PORT") }, pair: (env("HOME"), env("YES"))"#),
        read(r#"port: env("NONE", "0x1F"), every: env("NONE", "5s"), folder: None"#),
    ].join("\n"));
}

#[test]
fn what_the_environment_gives_is_checked_and_never_quoted() {
    insta::assert_snapshot!(
        [
            read(r#"port: env("CANARY"), every: env("CANARY"), mode: env("CANARY")"#),
            read(r#"port: env("HIGH"), labels: env("CANARY"), pair: (env("NONE"), env("HIGH"))"#),
            read(r#"port: env(PORT), mode: slow(env("CANARY")), folder: Env("HOME")"#),
            read(r#"labels: { "a": env("CANARY") }, pair: (secret(env("CANARY")), true), folder: secret(file("x"))"#),
            read(r#"token: secret(env("NONE")), logins: [(user: "u", phrase: secret(file("no/such/file")))]"#),
            read(r#"token: secret(42), every: env("NONE", "5")"#),
        ]
        .join("\n")
    );
}

#[test]
fn a_mistake_inside_a_value_has_its_own_place() {
    insta::assert_snapshot!(
        [
            read(r#"logins: [(user: "u", phrase: "p"), (usr: "u", phrase: "p")]"#),
            read(r#"logins: [(user: "u", phrase: "p"), (user: "u")]"#),
            read(r#"logins: [(user: "u", user: "v", phrase: "p")]"#),
            read(r#"labels: { "a": 1, "b": "two" }, pair: ("x", yes), mode: deep(level: 300)"#),
            read(r#"labels: { "a": 1.5 }, pair: ("x", true, 3), mode: dep(level: 3)"#),
            read(r#"port: [1], every: 5, mode: "fast", folder: 7, labels: (a: 1)"#),
            read(r#"port: 1024, prot: 3, retries: 3, into: "q", grace: "1s""#),
        ]
        .join("\n")
    );
}

#[test]
fn a_value_with_several_mistakes_tells_them_all() {
    insta::assert_snapshot!(
        [
            read(r#"retry: (backoff: exponential(inital: "1s", factor: "two", max: 10, jitter: 2.0))"#),
            read(r#"retry: (retries: -1, backof: fixed("1s"), backoff: linear(initial: 5, max: "1 parsec"))"#),
            read(r#"retry: (backoff: linear(step: "1s", step: "2s", stp: 3))"#),
            read(r#"logins: [(usr: "u", phrase: "p"), "x", (user: 5, user: "v"), (user: "u", phrase: "p", x: 1)]"#),
            read(r#"labels: { "a": "one", "b": 2, "a": 1, 5: 5, "c": 1.5 }, pair: (1, 2)"#),
            read(r#"mode: deep(level: 300, depth: 1), logins: (user: "u"), pair: (1, true, 3)"#),
            read(r#"mode: fast("x"), labels: [1]"#),
            read(r#"mode: slow, pair: [1, 2]"#),
            read(r#"mode: slow(1, 2), pair: ("x")"#),
        ]
        .join("\n")
    );
}

#[test]
fn a_back_off_that_begins_beyond_its_longest_delay_is_warned_of() {
    let said = |backoff: &str| said(&probe(&format!("retry: (backoff: {backoff})")));
    let warned = |place: &str| {
        format!(
            "{place} workers.p.retry.backoff.initial: `initial` is longer than `max`, so every delay is cut to `max` \
             (raise `max`, which is \"10m\" if left out)\n"
        )
    };
    assert_eq!(said(r#"exponential(initial: "1h")"#), warned("2:61-2:65"));
    assert_eq!(said(r#"linear(initial: "3s", step: "1s", max: "2s")"#), warned("2:56-2:60"));
    for right in [r#"exponential(initial: "10m")"#, r#"exponential(initial: "1h", max: "1d")"#, r#"fixed("1h")"#] {
        assert_eq!(said(right), "");
    }
}

#[test]
fn a_worker_that_names_a_queue_has_to_name_one_that_there_is() {
    let registry = Registry::linked();
    let told = |worker: &str| {
        let text = format!("(providers: {{ \"jobs\": memory() }}, workers: {{ \"later\": {worker} }})");
        Config::parse(&text, Path::new("c.ron"), &registry).map_or_else(|report| report.render(false), |_| String::new())
    };
    assert_eq!([told(r#"enqueue(queue: "jobs")"#), told("enqueue()"), told("enqueue(queue: None)")], [""; 3]);
    let wrong = told(r#"enqueue(queue: "jbs")"#);
    assert!(
        wrong.contains("c.ron:1:70") && wrong.contains("there is no provider `jbs`") && wrong.contains("did you mean `jobs`?"),
        "{wrong}"
    );
}

#[test]
fn the_core_tells_all_mistakes_in_its_own_blocks() {
    let text = r#"(
    providers: { "q": memory(keep: (done: (age: 5, cont: 3), dead: (count: "x"), daed: ())) },
    workers: { "p": probe() },
    retry: (retires: 3, retries: "x", backoff: exponential(initial: 5, factr: 2.0)),
    shutdown: (grace: 30, grcae: "1s"),
    failure_handlers: [7, (type: 5, nme: "x", params: (a: env("NONE"), b: [env("NONE")])), "p", (name: "x"), (type: "w", params: 5)],
)"#;
    let report = wrong(text);
    insta::assert_snapshot!(format!("{}\n{}", said(text), report.render(false)));
}

#[test]
fn a_rate_says_how_many_jobs_in_what_time() {
    let rates = [
        r#"per(200, "1s")"#,
        r#"per(0, "1s")"#,
        r#"per(2000000, "1s")"#,
        r#"per(-1, "1s")"#,
        r#"per(200, "1ms")"#,
        r#"per(200, "2d")"#,
        r#"per(200, 1)"#,
        r#"per(0, "1 sec")"#,
        r#"per("1s", 200)"#,
        r#"per(200)"#,
        r#"pre(200, "1s")"#,
        r#"Per(200, "1s")"#,
        r#"200"#,
        r#""200/s""#,
        r#"(jobs: 200, per: "1s")"#,
    ];
    let mut told = String::new();
    for rate in rates {
        let text = format!("(providers: {{ \"q\": memory(rate: {rate}) }}, workers: {{ \"p\": probe() }})");
        told += &format!("{rate}\n{}", said(&text));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn places_are_right_behind_wide_letters_tabs_and_comments() {
    let text = "(\r\n\tproviders: { /* ü { */ \"q\": memory(), // (\r\n\t\"é\\u{e9}\": memory() },\r\n\tworkers: { \"p\": /* ( */ probe /* ) */ ( /*日本*/ prt: 1, labels: { \"日本\": \"ü\" }) },\r\n)";
    insta::assert_snapshot!(format!("{}\n{}", said(text), wrong(text).render(false)));
}

#[test]
fn a_broken_entry_does_not_hide_the_mistakes_in_others() {
    let text = r#"(
    providers: {
        "q": memory(lease "30s"),
        "in": folder(path: "ü", lease: "1ms", into: "q"),
        "x": sqlite(),
    },
    workers: {
        "p": probe(port: 0, mode: deep(level 3)),
        "b": probe(port: 0),
    },
    retry: (retries 3),
    failure_handlers: ["p", "c"],
)"#;
    insta::assert_snapshot!(wrong(text).render(false));
}

#[test]
fn brackets_and_quotes_that_are_not_closed_are_found_where_they_open() {
    insta::assert_snapshot!(
        [
            wrong("(\n  providers: {\n    \"q\": memory(),\n  workers: {},\n)").render(false),
            wrong("(providers: { \"q\": memory() })\n)").render(false),
            wrong("(\n  providers: { \"q\": sqlite(path: \"a, keep: ()) },\n  workers: {},\n)").render(false),
            wrong("(providers: { q: memory() })").render(false),
            wrong("#![enable(magic)]\n(providers: {})").render(false),
            wrong("// nothing").render(false),
        ]
        .join("\n")
    );
}

#[test]
fn secrets_are_seen_nowhere() {
    let c = CANARY;
    let mistakes = [
        format!(r#"token: "a\"{c}", port: 0"#),
        format!("token: r#\"{c}\"#, port: 0"),
        format!(r#"token: {c}"#),
        format!(r#"token: ("{c}")"#),
        format!(r#"token: secret("{c}")"#),
        format!(r#"folder: secret("{c}")"#),
        format!(r#"token: secret(env("NONE", "{c}")), port: 0"#),
        format!(r#"token: env("NONE", "{c}"), port: 0"#),
        format!(r#"toke: "{c}""#),
        format!(r#"key: ["x", ("{c}")]"#),
        format!(r#"logins: [(usr: 1, phrase: "{c}")]"#),
        format!(r#"logins: [(user: 1, phrase: "{c}"), (user: "{c}", phrase: 3)]"#),
        format!(r#"logins: {{ "{c}": 1 }}"#),
        format!(r#"every: "redis://u:{c}@host""#),
        format!(r#"mode: slow("redis://u:p/{c}#@host"), port: 0"#),
        format!(r#"port: 0 /* http://a:{c}@b */"#),
        format!(r#"password: "{c}" port: 0"#),
        r#"port: env("CANARY"), every: env("CANARY"), mode: env("CANARY"), labels: { "a": env("CANARY") }"#.to_owned(),
        r#"token: secret(env("CANARY")), port: 0"#.to_owned(),
    ];
    for mistake in mistakes {
        let text = probe(&mistake);
        let report = wrong(&text);
        let everything = format!("{} {} {} {report:?} {report:#?}", report.render(false), report.render(true), report.to_json());
        assert!(!everything.contains(c), "{mistake}\n{everything}");
        assert!(report.diagnostics().iter().all(|d| d.line == 2), "{mistake}\n{everything}");
    }
    let loaded = parse(&probe(&format!(r#"token: "{c}", logins: [(user: "u", phrase: env("CANARY"))]"#))).unwrap();
    assert!(!format!("{loaded:?} {}", SEEN.take()).contains(c));
}

#[test]
fn what_is_masked_moves_no_caret() {
    let text = probe(r#"token: "日本語", port: 0"#);
    let report = wrong(&text);
    insta::assert_snapshot!(report.render(false));
    assert_eq!(report.diagnostics()[0].column, 43);
}

#[test]
fn references_are_checked_even_if_their_entries_are_wrong() {
    let with = |providers: &str, rest: &str| {
        said(&format!("(providers: {{ {providers} }}, workers: {{ \"w\": probe(), \"bad\": prob() }}, {rest})"))
    };
    insta::assert_snapshot!(
        [
            with(r#""q": memory(leas: 1), "in": folder(path: "x", into: "q")"#, r#"failure_handlers: ["bad", "bda"]"#),
            with(r#""q": memry(), "in": folder(path: "x", into: "q")"#, ""),
            with(r#""q": memory(), "in": folder(path: "x", into: "qq"), "on": folder(path: "x", into: "in")"#, ""),
            with(r#""in": folder(path: "x")"#, r#"failure_handlers: ["w"]"#),
            with(r#""in": folder(path: "x"), "q": memory(), "r": memory()"#, r#"failure_handlers: ["w"]"#),
            with(r#""in": folder(path: "x"), "q": memory()"#, r#"failure_handlers: ["w"]"#),
            with(r#""in": folder(path: "x"), "q": memry()"#, r#"failure_handlers: ["w"]"#),
            with(r#""q": memory()"#, r#"failure_handlers: ["w", (type: "w", name: "x"), "w", (type: "t")]"#),
            with(r#""q": lua(), "r": rabbit()"#, ""),
        ]
        .join("---\n")
    );
}

#[test]
fn failure_handlers_of_one_type_have_different_names() {
    let text = r#"(providers: { "q": memory() }, workers: { "w": probe(), "w-2": probe() },
        failure_handlers: ["w", "w-2", (type: "w", name: "x", params: { "n": 1, "to": ["a"] }), (type: "w", params: (a: env("PORT")))])"#;
    let handlers = parse(text).unwrap().config.failure_handlers;
    insta::assert_debug_snapshot!(handlers);
}

#[test]
fn two_plugins_of_one_name_are_an_error_of_the_program() {
    let other = Registration { origin: Origin { line: 70, ..ORIGIN }, ..PROBE };
    let registry = Registry::linked().with(PROBE).with(other);
    let report = Config::parse_with(&probe(""), Path::new("jobs.ron"), &registry, variables).map(|_| ()).unwrap_err();
    insta::assert_snapshot!(report.diagnostics()[0].message);
}

#[test]
fn a_file_is_read_relative_to_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.ron");
    std::fs::write(folder.path().join("phrase"), "swordfish\n").unwrap();
    std::fs::write(&path, format!("\u{feff}{}", probe(r#"token: secret(file("phrase")), folder: "out""#))).unwrap();
    let registry = Registry::linked().with(PROBE);
    Config::load(&path, &registry).unwrap();
    let base = |path: &str| Config::parse(&probe(""), Path::new(path), &registry).unwrap().config.base;
    assert_eq!([base("jobs.ron"), base("etc/jobs.ron")], [Path::new("."), Path::new("etc")]);
    Config::load(&path, &registry).unwrap();
    let seen = SEEN.take();
    assert!(seen.contains(&format!("{:?}", folder.path().join("out"))) && seen.contains("Secret(***)"), "{seen}");

    std::fs::write(&path, b"(\n  providers: \xff").unwrap();
    let error = Config::load(&path, &registry).map(|_| ()).unwrap_err();
    assert!(matches!(&error, LoadError::Unreadable { .. }) && error.to_string().ends_with("line 2 is not UTF-8"), "{error}");
}

#[test]
fn a_field_whose_type_has_no_end_may_be_missing() {
    let told = [r#"filter: (name: "a")"#, r#"filter: (rule: not(word(5)))"#, r#"filter: (name: "a", rule: not(not(word("b"))))"#];
    let told = told.map(|settings| said(&probe(settings)));
    insta::assert_snapshot!(told.join("---\n"));
}

#[test]
fn no_nesting_is_too_deep_to_be_refused() {
    for (open, close) in [("[", "]"), ("(", ")"), ("Some(", ")"), ("{ \"a\": ", "}")] {
        let deep = format!("{}1{}", open.repeat(5_000), close.repeat(5_000));
        assert!(wrong(&probe(&format!("labels: {{ \"a\": {deep} }}"))).errors() > 0);
    }
}

#[test]
fn no_mutation_of_a_config_panics() {
    let good = probe(
        r##"port: env("PORT"), mode: deep(level: 3), folder: Some("ü"), token: secret(env("CANARY")), /* (é */
            logins: [(user: r#"u"#, phrase: "p\\"")], labels: { "a": -1 }, pair: ('x', true), retry: (backoff: fixed("1s"))"##,
    );
    for at in (0..good.len()).filter(|at| good.is_char_boundary(*at)) {
        let (before, rest) = good.split_at(at);
        let after = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
        let mutations = ["", "(", ")", "\"", "'", "\\", "{", "}", ":", ",", "#", "/*", "é"].map(|put| format!("{before}{put}{after}"));
        for text in mutations.into_iter().chain([before.to_owned(), after.to_owned()]) {
            if let Err(report) = parse(&text) {
                assert!(report.errors() > 0 && !report.render(true).is_empty());
            }
        }
    }
}
