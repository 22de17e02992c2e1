//! `goworker CONFIG` means `goworker run CONFIG`: the arguments as they were meant.

use std::ffi::{OsStr, OsString};

use super::fault::Fault;
use crate::settings::did_you_mean;

/// Inserts `run` where the first word is a file and no command. A word that is neither is explained.
pub(super) fn with_implied_run(
    mut arguments: Vec<OsString>,
    command: &clap::Command,
    exists: impl Fn(&OsStr) -> bool,
) -> Result<Vec<OsString>, Fault> {
    let Some(word) = first_word(&arguments) else { return Ok(arguments) };
    if command.get_subcommands().any(|known| word == known.get_name()) || word == "help" {
        return Ok(arguments);
    }
    let shown = command.get_subcommands().filter(|known| !known.is_hide_set());
    let commands: Vec<&str> = shown.map(clap::Command::get_name).chain(["help"]).collect();
    if !exists(word) && !looks_like_a_path(word) {
        return Err(Fault::Usage(neither(&word.to_string_lossy(), &commands)));
    }
    arguments.insert(1, "run".into());
    Ok(arguments)
}

/// The first argument that is neither an option nor an option's value.
fn first_word(arguments: &[OsString]) -> Option<&OsStr> {
    // Only the options that may stand before a command take part here.
    const WITH_VALUE: [&str; 2] = ["--log", "--log-level"];
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        if WITH_VALUE.iter().any(|option| argument == *option) {
            rest.next();
        } else if !argument.as_encoded_bytes().starts_with(b"-") {
            return Some(argument);
        }
    }
    None
}

fn looks_like_a_path(word: &OsStr) -> bool {
    word.as_encoded_bytes().iter().any(|byte| matches!(byte, b'.' | b'/'))
}

fn neither(word: &str, commands: &[&str]) -> String {
    let word = super::escape::line(word);
    match did_you_mean(&word, commands.iter().copied()) {
        Some(hint) => format!("there is no file `{word}`, and no command of that name; {hint}"),
        None => format!("there is no file `{word}`, and no command of that name; the commands are {}", commands.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The arguments as they were meant, with only `config` and `x.ron` as files.
    fn meant(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        let exists = |word: &OsStr| word == "config" || word == "x.ron";
        match with_implied_run(arguments, &crate::cli::Cli::command(), exists) {
            Ok(arguments) => arguments.join(OsStr::new(" ")).into_string().unwrap(),
            Err(Fault::Usage(message)) => message,
            Err(fault) => panic!("{fault:?}"),
        }
    }

    #[test]
    fn a_file_as_the_first_word_is_run() {
        assert_eq!(meant("goworker x.ron"), "goworker run x.ron");
        assert_eq!(meant("goworker config"), "goworker run config");
        assert_eq!(meant("goworker --log json x.ron --until-idle"), "goworker run --log json x.ron --until-idle");
        assert_eq!(meant("goworker --until-idle x.ron"), "goworker run --until-idle x.ron");
        assert_eq!(meant("goworker missing.ron"), "goworker run missing.ron");
    }

    #[test]
    fn commands_and_options_are_left_alone() {
        for line in ["goworker", "goworker --help", "goworker check x.ron", "goworker --log json jobs x.ron", "goworker help check"] {
            assert_eq!(meant(line), line);
        }
    }

    #[test]
    fn a_word_that_is_neither_is_explained() {
        assert_eq!(meant("goworker chekc x.ron"), "there is no file `chekc`, and no command of that name; did you mean `check`?");
        assert_eq!(
            meant("goworker frobnicate"),
            "there is no file `frobnicate`, and no command of that name; \
             the commands are run, check, list, describe, new, import, enqueue, jobs, queue, cron, completions, help"
        );
    }
}
