//! The shapes that a command line may have, and what `--help` says.

use std::ffi::OsString;

use clap::CommandFactory;

use super::*;

fn parsed(line: &str) -> Result<Cli, String> {
    parse(line.split(' ').map(OsString::from).collect()).map_err(|fault| match fault {
        Fault::Clap(error) => error.to_string(),
        Fault::Usage(message) => message,
        other => panic!("{other:?}"),
    })
}

fn debug(line: &str) -> String {
    format!("{:?}", parsed(line).unwrap().command)
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn a_file_alone_is_run() {
    assert_eq!(debug("goworker c.ron"), debug("goworker run c.ron"));
    assert_eq!(debug("goworker c.ron --until-idle"), debug("goworker run --until-idle c.ron"));
}

#[test]
fn log_options_stand_before_and_after_the_command() {
    let lines = [
        "goworker --log json --log-level debug check c.ron",
        "goworker check --log json c.ron --log-level=debug",
        "goworker --log=json jobs --log-level debug show c.ron x",
        "goworker --log json c.ron --log-level debug",
        "goworker jobs show c.ron x --log json --log-level debug",
    ];
    for line in lines {
        let log = format!("{:?}", parsed(line).unwrap().log);
        assert_eq!(log, r#"LogOptions { format: Json, level: Some("debug") }"#, "{line}");
    }
}

#[test]
fn jobs_takes_a_file_or_a_command() {
    assert!(debug("goworker jobs c.ron --state dead,expired --limit 3").contains("state: [Dead, Expired]"));
    assert!(debug("goworker jobs --state dead --type lua c.ron").contains(r#"job_type: Some("lua")"#));
    assert!(debug("goworker jobs show c.ron a b").contains("command: Some(Show("));
    assert!(debug("goworker jobs retry c.ron --state dead --type lua").contains("command: Some(Retry("));
    assert!(debug("goworker jobs delete c.ron a --queue jobs").contains(r#"queue: Some("jobs")"#));
}

#[test]
fn stats_is_short_for_queue_stats() {
    let arguments = |line: &str| debug(line).split_once('(').unwrap().1.trim_start_matches("QueueArgs { command: Stats(").to_owned();
    assert!(arguments("goworker queue stats c.ron --queue q").starts_with(&arguments("goworker stats c.ron --queue q")));
}

#[test]
fn a_job_may_be_described_by_options_or_come_from_a_file() {
    let line = "goworker enqueue c.ron --into q --type lua --name n --params {} --retries 2 --priority -5 --delay 30s --id a:1";
    let text = debug(line);
    assert!(text.contains("priority: Some(-5)") && text.contains("delay: Some(30s)"), "{text}");
    assert!(debug("goworker enqueue c.ron --file - --into q").contains("job: None"));
}

#[test]
fn wrong_shapes_are_refused_with_a_reason() {
    let lines = [
        "goworker jobs",
        "goworker jobs c.ron --state ded",
        "goworker jobs retry c.ron",
        "goworker jobs retry c.ron a --state dead",
        "goworker jobs retry c.ron a --type lua",
        "goworker enqueue c.ron --file - --type lua",
        "goworker enqueue c.ron --name n",
        "goworker enqueue c.ron --type lua --priority 101",
        "goworker enqueue c.ron --type lua --delay 30",
        "goworker enqueue c.ron --type lua --id a/b",
        "goworker check c.ron --formt json",
        "goworker run",
        "goworker chekc c.ron",
        "goworker --log xml c.ron",
    ];
    let errors = lines.map(|line| format!("$ {line}\n{}\n", parsed(line).unwrap_err().trim_end()));
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn the_options_of_a_list_do_not_vanish_before_a_command() {
    let Command::Jobs(jobs) = parsed("goworker jobs --queue q show c.ron a").unwrap().command else { panic!("not jobs") };
    assert!(matches!(jobs.execute(&Registry::empty()), Err(Fault::Clap(_))));
}

#[test]
fn help_is_complete_and_reads_well() {
    let mut command = Cli::command().term_width(100);
    command.build();
    insta::assert_snapshot!("help", command.render_long_help());
    for path in ["run", "check", "list", "describe", "new", "import", "enqueue", "jobs", "queue", "cron", "completions"] {
        let sub = command.find_subcommand_mut(path).unwrap();
        insta::assert_snapshot!(format!("help_{path}"), sub.render_long_help());
    }
    let new = command.find_subcommand_mut("new").unwrap();
    for path in ["config", "worker"] {
        insta::assert_snapshot!(format!("help_new_{path}"), new.find_subcommand_mut(path).unwrap().render_long_help());
    }
    let jobs = command.find_subcommand_mut("jobs").unwrap();
    for path in ["show", "retry"] {
        insta::assert_snapshot!(format!("help_jobs_{path}"), jobs.find_subcommand_mut(path).unwrap().render_long_help());
    }
    let queue = command.find_subcommand_mut("queue").unwrap();
    for path in ["stats", "pause", "resume"] {
        insta::assert_snapshot!(format!("help_queue_{path}"), queue.find_subcommand_mut(path).unwrap().render_long_help());
    }
}
