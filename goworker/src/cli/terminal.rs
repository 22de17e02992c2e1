//! What stdout and stderr are, and writing to them: data to stdout, talk to stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::fault::Fault;
use super::log;
use crate::settings::Report;

/// Whom a text is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person before a terminal that is so wide.
    Person { width: Option<u16> },
    /// A program behind a pipe, or a file.
    Program,
}

impl Reader {
    /// Who reads stdout.
    pub(super) fn of_stdout() -> Self {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Reader::Program;
        }
        let width = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| size.ws_col).filter(|columns| *columns > 0);
        Reader::Person { width }
    }
}

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const RED: Style = AnsiColor::Red.on_default();
const ERROR: Style = RED.bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Writes data to stdout; styles are taken out where nobody would see them.
pub(super) fn print(text: &str) -> Result<(), Fault> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Writes data that is JSON already: nothing in it is a style.
pub(super) fn print_json(text: &str) -> Result<(), Fault> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// `value` as JSON for people and programs, with a line break at the end.
pub(super) fn json(value: &impl Serialize) -> String {
    // What commands print is made of strings, numbers and JSON: it always has a JSON form.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// The same in one line, without a line break.
pub(super) fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Tells what went wrong.
pub(super) fn error(message: &str) {
    if log::is_json() {
        return tracing::error!("{message}");
    }
    say(format_args!("{ERROR}error:{ERROR:#} {message}\n"));
}

/// Tells what deserves attention.
pub(super) fn warning(message: &str) {
    if log::is_json() {
        return tracing::warn!("{message}");
    }
    say(format_args!("{WARNING}warning:{WARNING:#} {message}\n"));
}

/// Tells what is good to know.
pub(super) fn note(message: &str) {
    if log::is_json() {
        return tracing::info!("{message}");
    }
    say(format_args!("{message}\n"));
}

/// Shows the mistakes and warnings of a configuration.
pub(super) fn diagnostics(report: &Report) {
    if log::is_json() {
        let text = report.render(false);
        return if report.errors() > 0 { tracing::error!("{text}") } else { tracing::warn!("{text}") };
    }
    say(report.render(has_colour(&io::stderr())));
}

/// Shows what clap has to say: help on stdout, errors on stderr.
pub(super) fn clap(error: &clap::Error) {
    // Where help cannot be written, neither can the news of that.
    let _ = error.print();
}

/// Whether the stream shows colours: a terminal, and nobody said `NO_COLOR`.
pub(super) fn has_colour<S: anstream::stream::RawStream>(stream: &S) -> bool {
    AutoStream::choice(stream) != ColorChoice::Never
}

fn say(text: impl Display) {
    // A closed stderr leaves nowhere to tell it.
    let _ = write!(anstream::stderr(), "{text}");
}
