//! Mistakes in schedules: each at its place, with what would be right.

use std::path::Path;

use goworker::Registry;
use goworker::config::Config;

/// What is said of an entry `cron(..)`.
fn said(entry: &str) -> String {
    let text = format!("(\n    providers: {{ \"jobs\": memory(), \"c\": cron({entry}) }},\n    workers: {{ \"lua\": lua() }},\n)");
    match Config::parse(&text, Path::new("jobs.ron"), &Registry::builtin()) {
        Ok(loaded) => loaded.warnings.render(false),
        Err(report) => report.render(false),
    }
}

/// The same of a schedule, in one line.
fn of(schedule: &str) -> String {
    let text = format!(r#"(providers: {{ "c": cron(schedule: {schedule}, job: (type: "lua")) }}, workers: {{ "lua": lua() }})"#);
    let report = match Config::parse(&text, Path::new("jobs.ron"), &Registry::builtin()) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    };
    let line = |d: &goworker::settings::Diagnostic| {
        let help = d.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}-{} {}: {}{help}", d.column, d.end_column, d.path, d.message)
    };
    let lines: Vec<String> = report.diagnostics().iter().map(line).collect();
    format!("{schedule}\n    {}", lines.join("\n    "))
}

#[test]
fn each_mistake_in_an_entry_is_told_where_it_is() {
    insta::assert_snapshot!(
        [
            said(r#"schedule: "61 3 * * *", timezone: "Europe/Berln", misfire: all(max: 0), overlap: wait, job: (type: "lau", nam: "x"), into: "jobs""#),
            said(r#"schedule: ["0 3 * * *", "0 25 * * *"], into: "jobs", job: (type: "lau", params: [1])"#),
            said(r#"schedule: ["0 0 30 2 *", "@daily"], into: "jobs", job: (type: "lau")"#),
            said(r#"schedule: "0 3 * * *", job: (type: "lau", priority: 101), misfire: al, jitter: "2d""#),
            said(r#"schedule: "0 3 * * *", job: (type: "lau")"#),
            said(r#"schedul: "0 3 * * *""#),
        ]
        .join("\n---\n")
    );
}

#[test]
fn each_mistake_in_a_schedule_says_what_would_be_right() {
    let wrong = [
        r#""""#,
        r#""0 3 * *""#,
        r#""0 0 3 * * * *""#,
        r#""x 3 * * *""#,
        r#""0 24 * * *""#,
        r#""0 3 0 * *""#,
        r#""0 3 * 13 *""#,
        r#""0 3 * MON *""#,
        r#""0 3 * * MOM""#,
        r#""0 3 * * 8""#,
        r#""0 3 * JANUARY *""#,
        r#""0/15 * * * *""#,
        r#""*/0 * * * *""#,
        r#""*/90 * * * *""#,
        r#""0 22-4 * * *""#,
        r#""0 3 * * MON-FRY""#,
        r#""60 0 3 * * *""#,
        r#""0 3 L 2 5X""#,
        r#""@hourley""#,
        r#""@reboot""#,
        r#""@every""#,
        r#""@every 15""#,
        r#""@every 0s""#,
        r#""@every 1us""#,
        r#""@every 3 parsecs""#,
        r#""3 ö * * *""#,
        r#"5"#,
        r#"[]"#,
        r#"["0 3 * * *", 7]"#,
        r#"every("15m")"#,
        r#"env("PATH")"#,
    ];
    insta::assert_snapshot!(wrong.map(of).join("\n"));
}

#[test]
fn what_people_write_is_taken() {
    let right = [
        "0 3 * * *",
        "  0   3 * *   * ",
        "*/15 9-17 * * MON-FRI",
        "0 0 1,15 jan-jun ?",
        "0 9 * * mon#1",
        "0 18 L * *",
        "0 18 LW * *",
        "0 18 15W * *",
        "0 18 * * 5L",
        "0 18 * * FRIL",
        "0 0 * * 7",
        "0 0 * * FRI-SUN",
        "*/10 * * * * *",
        "0 0 29 2 *",
        "0 0 13 * +FRI",
        "@Hourly",
        "@midnight",
        "@every 1h 30m",
    ];
    for text in right {
        let schedule = goworker::Schedule::new(text.parse().unwrap_or_else(|error| panic!("{text}: {error}")), goworker::Zone::default());
        assert!(schedule.after(goworker::Timestamp::from_millis(0)).is_some(), "{text}");
    }
}
