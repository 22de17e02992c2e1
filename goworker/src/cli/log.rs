//! The program's log on stderr: one readable line an event, or JSON for machines.

use std::fmt::{self, Debug, Write};
use std::io::{self, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::escape;
use super::fault::Fault;
use super::terminal::{self, DIM};
use crate::clock::{Clock, Timestamp};

/// The options that every command has.
#[derive(Debug, clap::Args)]
pub(super) struct LogOptions {
    /// How the log on stderr is written: lines for people, or JSON for programs
    #[arg(id = "log_format", long = "log", global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    #[arg(help_heading = "Log options")]
    format: LogFormat,
    /// Log this and what is graver; overrides RUST_LOG, which can also set modules apart
    #[arg(id = "log_level", long = "log-level", global = true, value_name = "LEVEL", help_heading = "Log options")]
    #[arg(value_parser = ["off", "error", "warn", "info", "debug", "trace"])]
    level: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// Whether the log is JSON: then all that is told on stderr is, because programs read it.
static IS_JSON: AtomicBool = AtomicBool::new(false);

pub(super) fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Starts the log; it stays for the life of the process.
pub(super) fn start(options: &LogOptions, default: &str) -> Result<(), Fault> {
    let variable = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let filter = filter(options.level.as_deref(), variable.as_deref(), default).map_err(Fault::Usage)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    IS_JSON.store(options.format == LogFormat::Json, Ordering::Relaxed);
    let started = match options.format {
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => log.event_format(TextLines::for_stderr()).try_init(),
    };
    // A program that calls `main` may have a log of its own: then that one stays.
    if let Err(error) = started {
        tracing::debug!("the log was there already: {error}");
    }
    Ok(())
}

fn filter(option: Option<&str>, variable: Option<&str>, default: &str) -> Result<EnvFilter, String> {
    let directives = option.or(variable.filter(|text| !text.trim().is_empty())).unwrap_or(default);
    // The crates that watch files and take samples tell at `info` and `warn` what only their authors want to know.
    let directives = if directives == "info" { "info,notify=error,rpprof=warn" } else { directives };
    EnvFilter::try_new(directives).map_err(|error| {
        format!("RUST_LOG is `{}`: {error}; write a level, such as `debug`, or `warn,goworker=debug`", escape::line(directives))
    })
}

/// Writes events as lines of text.
#[derive(Debug)]
struct TextLines {
    layout: Layout,
    clock: Clock,
}

/// How a line looks.
#[derive(Debug, Clone)]
struct Layout {
    /// On a terminal the time is the local one, without the day, and ids are shortened.
    zone: Option<TimeZone>,
    colour: bool,
}

impl TextLines {
    fn for_stderr() -> Self {
        let stderr = io::stderr();
        let zone = stderr.is_terminal().then(TimeZone::system);
        TextLines { layout: Layout { zone, colour: terminal::has_colour(&stderr) }, clock: Clock::system() }
    }
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let values = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            fields.spans.push(format!("{}{{{values}}}", span.name()));
        }
        writeln!(writer, "{}", self.layout.line(self.clock.now(), *event.metadata().level(), &fields))
    }
}

/// The fields of an event. Those that say what it is about stand before the message.
#[derive(Debug, Default)]
struct Fields {
    /// The type of the job, or the provider.
    subject: String,
    name: String,
    id: String,
    message: String,
    others: Vec<(&'static str, String)>,
    spans: Vec<String>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        match field.name() {
            "job_type" | "provider" => self.subject = value,
            "name" => self.name = value,
            "id" => self.id = value,
            "message" => self.message = value,
            // That it is the first one is no news.
            "attempt" if value == "1" => {}
            // Where in its source another crate's record was made.
            other if other.starts_with("log.") => {}
            other => self.others.push((other, value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, format!("{value:?}"));
    }
}

impl Layout {
    fn line(&self, now: Timestamp, level: Level, fields: &Fields) -> String {
        let mut line = String::with_capacity(120);
        self.styled(&mut line, DIM, &self.time(now));
        self.styled(&mut line, style_of(level), &format!(" {level:<5}"));
        self.subject(&mut line, fields);
        if !fields.message.is_empty() {
            line.push(' ');
            line.push_str(&escape::line(&fields.message));
        }
        for (key, value) in &fields.others {
            self.styled(&mut line, DIM, &format!(" {key}="));
            line.push_str(&quoted(value));
        }
        for span in &fields.spans {
            self.styled(&mut line, DIM, &format!(" {}", escape::line(span)));
        }
        line
    }

    /// What it is about: `lua/greet 0193…`.
    fn subject(&self, line: &mut String, fields: &Fields) {
        let words: Vec<_> =
            [&fields.subject, &fields.name].into_iter().filter(|word| !word.is_empty()).map(|word| escape::line(word)).collect();
        if !words.is_empty() {
            line.push(' ');
            line.push_str(&words.join("/"));
        }
        if !fields.id.is_empty() {
            let id = escape::line(&fields.id);
            let shown = if self.zone.is_some() { shortened(&id) } else { id.into_owned() };
            self.styled(line, DIM, &format!(" {shown}"));
        }
    }

    fn time(&self, now: Timestamp) -> String {
        let local =
            self.zone.clone().and_then(|zone| Some(jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned_datetime(zone)));
        local.map_or_else(|| now.to_string(), |local| local.strftime("%H:%M:%S").to_string())
    }

    fn styled(&self, line: &mut String, style: Style, text: &str) {
        // Writing to a string cannot fail.
        let _ = if self.colour { write!(line, "{style}{text}{style:#}") } else { line.write_str(text) };
    }
}

fn style_of(level: Level) -> Style {
    match level {
        Level::ERROR => AnsiColor::Red.on_default().bold(),
        Level::WARN => AnsiColor::Yellow.on_default(),
        Level::INFO => AnsiColor::Green.on_default(),
        Level::DEBUG | Level::TRACE => DIM,
    }
}

/// The end of a long id: in a UUID v7 it is the random part.
fn shortened(id: &str) -> String {
    const SHOWN: usize = 8;
    const LONG: usize = 20;
    match id.char_indices().rev().nth(SHOWN - 1) {
        Some((start, _)) if id.chars().count() > LONG => format!("…{}", &id[start..]),
        _ => id.to_owned(),
    }
}

/// A value, in quotes if its end would not be seen otherwise.
fn quoted(value: &str) -> String {
    let value = escape::line(value);
    if value.is_empty() || value.contains([' ', '=', '"']) { format!("\"{}\"", value.replace('"', "\\\"")) } else { value.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(layout: &Layout) -> String {
        let job = Fields {
            subject: "lua".into(),
            name: "greet".into(),
            id: "0193571e-8c5e-7cc1-9d5a-3f1b4fa2b1c0".into(),
            message: "done in 3ms".into(),
            ..Fields::default()
        };
        let hostile = Fields {
            message: "bad\n12:00:00 INFO  all is well\x1b[2J".into(),
            others: vec![("queue", "jobs".into()), ("error", "no such \"file\"".into())],
            spans: vec!["request{path=\"/\"}".into()],
            ..Fields::default()
        };
        let now = "2026-11-24T12:03:44.5Z".parse().unwrap();
        [layout.line(now, Level::INFO, &job), layout.line(now, Level::ERROR, &hostile)].join("\n")
    }

    #[test]
    fn a_terminal_shows_short_lines() {
        insta::assert_snapshot!(lines(&Layout { zone: Some(TimeZone::UTC), colour: false }));
    }

    #[test]
    fn a_pipe_gets_whole_ids_and_instants() {
        insta::assert_snapshot!(lines(&Layout { zone: None, colour: false }));
    }

    #[test]
    fn colours_are_styles_around_the_same_text() {
        let layout = |colour| Layout { zone: Some(TimeZone::UTC), colour };
        let coloured = lines(&layout(true));
        assert!(coloured.contains("\x1b["));
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), lines(&layout(false)));
    }

    #[test]
    fn short_ids_stay_whole() {
        assert_eq!(shortened("order-7"), "order-7");
        assert_eq!(shortened("invoice-2026-11-24:7"), "invoice-2026-11-24:7");
        assert_eq!(shortened("größe-größe-größe-größe"), "…ße-größe");
    }

    #[test]
    fn the_option_counts_more_than_the_variable() {
        let text = |option, variable| filter(option, variable, "info").map(|filter| filter.to_string());
        assert_eq!(text(Some("debug"), Some("trace")), Ok("debug".into()));
        assert_eq!(text(None, Some("warn")), Ok("warn".into()));
        assert_eq!(text(None, Some(" ")), Ok("rpprof=warn,notify=error,info".into()));
        assert!(text(None, Some("goworker=loud")).unwrap_err().starts_with("RUST_LOG is `goworker=loud`"));
    }
}
