//! The plan as it is read: a file with the reasons beside the settings, and a list of what has become of what.

use super::plan::{Entry, Line, Plan, text};
use crate::cli::ron_text::RonText;

impl Plan {
    /// The file; it was made from `from`.
    pub(super) fn ron(&self, from: &str) -> String {
        let mut ron = RonText::default();
        ron.comment(0, &format!("Taken over from GoWorker's {from} by `goworker import`. What is different is told where it is."));
        if self.todos() > 0 {
            ron.comment(0, "TODO marks what somebody has to see to.");
        }
        ron.comment(0, "Paths are relative to the folder of this file; in GoWorker they were to where it was started.");
        ron.line(0, "(");
        ron.line(1, "providers: {");
        self.providers.iter().for_each(|entry| write_entry(&mut ron, entry));
        ron.line(1, "},");
        ron.gap();
        ron.comment(1, "What runs jobs. The key is the `type` of the jobs.");
        ron.line(1, "workers: {");
        self.workers.iter().for_each(|entry| write_entry(&mut ron, entry));
        ron.line(1, "},");
        if !self.failure_handlers.is_empty() {
            ron.gap();
            ron.comment(1, "Each receives a job that has failed for good; it stays listed as a dead letter, too.");
            let names: Vec<String> = self.failure_handlers.iter().map(|name| text(name)).collect();
            ron.line(1, &format!("failure_handlers: [{}],", names.join(", ")));
        }
        self.of_handlers.iter().for_each(|line| write_line(&mut ron, 1, line));
        for line in &self.rest {
            ron.gap();
            write_line(&mut ron, 1, line);
        }
        if let Some(Entry { name, about, lines, .. }) = &self.admin {
            ron.gap();
            ron.comment(1, about);
            ron.line(1, &format!("{name}: ("));
            lines.iter().for_each(|line| write_line(&mut ron, 2, line));
            ron.line(1, "),");
        }
        ron.line(0, ")");
        ron.into_text()
    }

    /// What has become of everything; the reasons are in the file.
    pub(super) fn changes(&self) -> String {
        let entries = self.providers.iter().chain(&self.workers);
        let mut changes: Vec<Change> = entries.flat_map(changes_of).collect();
        changes.extend(self.rest.iter().filter_map(|line| match line {
            Line::Set { name, value, .. } => Some(("new".to_owned(), format!("{name}: {value}"))),
            line => note(line),
        }));
        if let Some(Entry { origin, lines, .. }) = &self.admin {
            let lines = lines.iter().filter(|line| matches!(line, Line::Set { .. }));
            changes.push((origin.clone(), lines.map(|line| in_one_line("admin: ", std::slice::from_ref(line))).collect()));
        }
        let width = changes.iter().map(|(origin, _)| origin.chars().count()).max().unwrap_or_default();
        changes.iter().map(|(origin, told)| format!("  {origin:width$}  {told}\n")).collect()
    }
}

/// What something was, and what has become of it.
type Change = (String, String);

fn write_entry(ron: &mut RonText, entry: &Entry) {
    let Entry { name, kind, about, lines, .. } = entry;
    ron.comment(2, about);
    if kind.is_empty() {
        lines.iter().for_each(|line| write_line(ron, 2, line));
        return ron.gap();
    }
    if lines.iter().all(|line| matches!(line, Line::Set { why, .. } if why.is_empty())) {
        return ron.line(2, &format!("{}: {},", text(name), in_one_line(kind, lines)));
    }
    ron.line(2, &format!("{}: {kind}(", text(name)));
    lines.iter().for_each(|line| write_line(ron, 3, line));
    ron.line(2, "),");
}

fn write_line(ron: &mut RonText, depth: usize, line: &Line) {
    match line {
        Line::Set { name, value, why, .. } => {
            if !why.is_empty() {
                ron.comment(depth, why);
            }
            ron.line(depth, &format!("{name}: {value},"));
        }
        Line::Off { name, value } => ron.line(depth, &format!("//{name}: {value},")),
        Line::Note { text, .. } => ron.comment(depth, text),
        Line::Todo(text) => ron.comment(depth, &format!("TODO: {text}")),
        Line::Quote(text) => ron.quote(depth, text),
    }
}

/// An entry in one line, and under it what has no setting here.
fn changes_of(entry: &Entry) -> Vec<Change> {
    let Entry { name, kind, origin, lines, .. } = entry;
    let origin = if origin.is_empty() { "new" } else { origin };
    let whole = (!kind.is_empty()).then(|| (origin.to_owned(), format!("{}: {}", text(name), in_one_line(kind, lines))));
    whole.into_iter().chain(lines.iter().filter_map(note)).collect()
}

fn in_one_line(kind: &str, lines: &[Line]) -> String {
    let setting = |line: &Line| match line {
        Line::Set { name, value, .. } => Some(format!("{name}: {value}")),
        _ => None,
    };
    format!("{kind}({})", lines.iter().filter_map(setting).collect::<Vec<_>>().join(", "))
}

fn note(line: &Line) -> Option<Change> {
    match line {
        Line::Note { origin, text } if !origin.is_empty() => Some((origin.clone(), text.clone())),
        _ => None,
    }
}
