//! `import`: the configuration of GoWorker, of 2015, as one of this program. What is different is told, and nothing is dropped without a word.
//!
//! From outside in: this file reads and writes, [`document`] is the old file with places, [`providers`] and [`workers`] decide what
//! becomes of each part, [`plan`] is what they decide, and [`write`] how that is read.

mod address;
mod document;
mod plan;
mod providers;
mod units;
mod workers;
mod write;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::fault::Fault;
use super::terminal;
use crate::config::LoadError;
use crate::settings::{Masked, Readable, Report, SourceText, did_you_mean, process_variables};

use document::{Document, Object};
use plan::{Entry, Line, Plan};
use providers::Queues;

/// Take over a configuration of GoWorker (2015): JSON becomes RON, and what is different is told
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The new file goes to stdout, unless `-o` names a file; the summary goes to stderr. In the file the reason for each change stands beside it, \
and TODO marks what somebody has to see to. `goworker check` accepts it as it is.

Examples:
  goworker import config.json -o config.ron
  goworker check config.ron
  goworker config.ron

Exit code 78 if the old file cannot be read.")]
pub(super) struct ImportArgs {
    /// GoWorker's configuration, such as config.json
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// The file to write; one that is there already stays as it is
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Overwrite the file that is there
    #[arg(long, requires = "output")]
    force: bool,
}

impl ImportArgs {
    pub(super) fn execute(self) -> Result<(), Fault> {
        let unreadable = |error| Fault::Config(LoadError::Unreadable { path: self.file.clone(), error });
        let json = std::fs::read_to_string(&self.file).map_err(unreadable)?;
        let json = json.strip_prefix('\u{feff}').unwrap_or(&json);
        let (plan, report) = import(json, &self.file).map_err(|report| Fault::Config(LoadError::Wrong(report)))?;
        let ron = plan.ron(&self.file.file_name().unwrap_or_default().to_string_lossy());
        match &self.output {
            Some(output) => self.write(output, &ron)?,
            None => terminal::print(&ron)?,
        }
        terminal::diagnostics(&report);
        terminal::note(&summary(&plan, self.output.as_deref()));
        Ok(())
    }

    fn write(&self, output: &Path, ron: &str) -> Result<(), Fault> {
        if let (Ok(old), Ok(new)) = (self.file.canonicalize(), output.canonicalize())
            && old == new
        {
            return Err(Fault::Usage(format!("{} is the file that is read; write another one", output.display())));
        }
        let mut options = OpenOptions::new();
        let options = if self.force { options.write(true).create(true).truncate(true) } else { options.write(true).create_new(true) };
        let written = options.open(output).and_then(|mut file| file.write_all(ron.as_bytes()));
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Fault::Usage(format!("{} is there already, and stays as it is; `--force` overwrites it", output.display()))
            }
            _ => Fault::Failed(format!("{} cannot be written: {error}", output.display())),
        })
    }
}

/// An entry of one of the lists: `{"redis": {..}}`.
struct Old<'a> {
    /// What it is.
    kind: String,
    /// The same as it is written: GoWorker knew its worker `cli` as `cli.cli`.
    name: String,
    object: Object<'a>,
}

/// What becomes of the file, with warnings; or all mistakes.
fn import(json: &str, path: &Path) -> Result<(Plan, Report), Report> {
    let readable = Readable::new(json);
    let source = SourceText::new(path, json, &readable, process_variables);
    let document = Rc::new(Document::new(&source));
    let mut plan = Plan::default();
    if let Some(top) = document.top() {
        fill(&mut plan, &top);
    }
    let report = Report::new(&source, document.notes.take()).with_consequence("Nothing was written.");
    if report.errors() == 0 { Ok((plan, report)) } else { Err(report) }
}

fn fill(plan: &mut Plan, top: &Object<'_>) {
    let mut queues = Queues::default();
    providers::providers(&entries(top, "providers"), &mut queues, plan);
    workers::workers(&entries(top, "workers"), &mut queues, plan);
    workers::failure_handlers(&entries(top, "failure_handler"), plan);
    if plan.providers.iter().all(|entry| entry.kind.is_empty()) {
        queues.local(plan);
    }
    let why = "GoWorker tried a job again at once, and only if the job said so; here it is after a growing delay. `retries: 3` in a job means three \
               more attempts, where it meant two. For jobs that say nothing, the default here is 5.";
    plan.rest.push(Line::Set { name: "retry", value: "(retries: 0)".to_owned(), why: why.to_owned() });
    plan.admin = Some(providers::admin(top));
    let unused = [
        ("manager_to_manager_port", "was never used. Managers that use one Redis share its work without knowing each other"),
        ("man_to_man", "was in GoWorker's sample configuration, and never read"),
        ("lua_path", "is where GoWorker had its scripts for Redis; they are in the program now"),
    ];
    for (key, told) in unused {
        if top.text(key).is_some() {
            plan.rest.push(Line::Note { origin: key.to_owned(), text: format!("`{key}` {told}.") });
        }
    }
    let known = ["providers", "workers", "failure_handler", "stats_port", "manager_to_manager_port", "lua_path"];
    plan.rest.extend(unknown(top, &known));
}

/// The entries of a list, each an object with the kind as its only name.
fn entries<'a>(top: &Object<'a>, list: &str) -> Vec<Old<'a>> {
    let mut olds = Vec::new();
    for element in top.list(list) {
        if element.fields().len() != 1 {
            let told = match element.fields().len() {
                0 => "there is nothing in it, so it is left out",
                _ => "GoWorker took one of several kinds, by chance; all are taken over",
            };
            element.warn("", told, Some("an entry has one name: `{\"redis\": {..}}`".to_owned()));
        }
        for field in element.fields() {
            let Some(object) = element.inner(field) else { continue };
            let kind = match field.name.split_once('.') {
                Some((package, kind)) if package == kind => kind,
                _ => &field.name,
            };
            olds.push(Old { kind: kind.to_owned(), name: field.name.clone(), object });
        }
    }
    olds
}

/// An entry of a kind that GoWorker itself did not have: it stays to be read.
fn leave_out(name: &str, role: &str, old: &Object<'_>) -> Entry {
    let known = if role == "provider" { ["redis", "http", "disk", "file"] } else { ["cli", "http", "disk", "file"] };
    let told = format!("`{name}` is no {role} of GoWorker itself; it is left out");
    let help = did_you_mean(name, known)
        .unwrap_or_else(|| format!("write it by `goworker new {role} NAME`, or, if it is a script, for the worker `lua`"));
    old.warn("", told.clone(), Some(help.clone()));
    let mut entry = Entry::new(String::new(), "", &old.path, "");
    let end = if help.ends_with('?') { "" } else { "." };
    entry.todo(format!("{told}; {help}{end} It was:"));
    entry.lines.push(Line::Quote(quoted(name, old)));
    entry
}

/// The text of an entry, without what looks secret.
fn quoted(name: &str, old: &Object<'_>) -> String {
    let masked = Masked::new(old.raw, &[]);
    let text = format!("\"{name}\": {}", masked.text());
    let depth = |line: &str| line.len() - line.trim_start().len();
    // The first line begins in the middle of one, so the last one tells how deep it is.
    let deep = text.lines().last().map_or(0, depth);
    let line = |line: &str| line.get(deep.min(depth(line))..).unwrap_or_default().to_owned();
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What is in an object that GoWorker passed over.
fn unknown(old: &Object<'_>, known: &[&str]) -> Vec<Line> {
    let text = |key: &str| {
        let meant = did_you_mean(key, known.iter().copied()).map_or_else(|| ".".to_owned(), |meant| format!("; {meant}"));
        format!("`{key}` meant nothing to GoWorker; it is left out{meant}")
    };
    old.unknown(known).into_iter().map(|field| Line::Note { origin: old.path_to(&field.name), text: text(&field.name) }).collect()
}

/// The same, as a part of the new entry.
fn list_unknown(old: &Object<'_>, known: &[&str], entry: Option<&mut Entry>) {
    let lines = unknown(old, known);
    if let Some(entry) = entry {
        entry.lines.extend(lines);
    }
}

/// What is told at the end.
fn summary(plan: &Plan, output: Option<&Path>) -> String {
    let file = output.map_or_else(|| "FILE".to_owned(), |output| output.display().to_string());
    let todos = match plan.todos() {
        0 => String::new(),
        1 => "One thing is marked TODO in it. ".to_owned(),
        todos => format!("{todos} things are marked TODO in it. "),
    };
    format!("What has become of it; the reasons are in the file:\n{}{todos}Next: `goworker check {file}`", plan.changes())
}
