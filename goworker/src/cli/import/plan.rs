//! The new configuration while it is made, and what is to be said of it.

/// The whole of it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Queues first.
    pub(super) providers: Vec<Entry>,
    pub(super) workers: Vec<Entry>,
    /// Names of workers.
    pub(super) failure_handlers: Vec<String>,
    /// What is said of the failure handlers that are none here.
    pub(super) of_handlers: Vec<Line>,
    /// Where a run tells of itself.
    pub(super) admin: Option<Entry>,
    /// What is beside all these.
    pub(super) rest: Vec<Line>,
    names: Vec<String>,
}

/// An entry of `providers` or `workers`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: &'static str,
    /// What it was: `providers[0].redis`; empty for what GoWorker had no entry for.
    pub(super) origin: String,
    /// What it is for.
    pub(super) about: String,
    pub(super) lines: Vec<Line>,
}

/// Something in an entry.
#[derive(Debug)]
pub(super) enum Line {
    /// A setting, and why it is so.
    Set { name: &'static str, value: String, why: String },
    /// A setting for whoever wants it.
    Off { name: &'static str, value: String },
    /// What has no setting here.
    Note { origin: String, text: String },
    /// What somebody has to see to.
    Todo(String),
    /// A part of the old file.
    Quote(String),
}

impl Entry {
    pub(super) fn new(name: String, kind: &'static str, origin: &str, about: impl Into<String>) -> Self {
        Entry { name, kind, origin: origin.to_owned(), about: about.into(), lines: Vec::new() }
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl Into<String>, why: impl Into<String>) {
        self.lines.push(Line::Set { name, value: value.into(), why: why.into() });
    }

    pub(super) fn off(&mut self, name: &'static str, value: impl Into<String>) {
        self.lines.push(Line::Off { name, value: value.into() });
    }

    pub(super) fn note(&mut self, key: &str, text: impl Into<String>) {
        self.lines.push(Line::Note { origin: self.origin_of(key), text: text.into() });
    }

    pub(super) fn todo(&mut self, text: impl Into<String>) {
        self.lines.push(Line::Todo(text.into()));
    }

    fn origin_of(&self, key: &str) -> String {
        match (self.origin.as_str(), key) {
            (origin, "") => origin.to_owned(),
            ("", key) => key.to_owned(),
            (origin, key) => format!("{origin}.{key}"),
        }
    }
}

/// Text as a value of RON.
pub(super) fn text(value: &str) -> String {
    ron::to_string(value).unwrap_or_else(|_| format!("{value:?}"))
}

impl Plan {
    /// A name for a provider that no other one has: the first of these that is a name, perhaps with a number.
    pub(super) fn name(&mut self, wanted: &[&str]) -> String {
        let name = free(wanted, |name| self.names.iter().any(|known| known == name));
        self.names.push(name.clone());
        name
    }

    /// The same for a worker.
    pub(super) fn worker_name(&self, wanted: &[&str]) -> String {
        free(wanted, |name| self.workers.iter().any(|known| known.name == name))
    }

    /// What somebody has to see to.
    pub(super) fn todos(&self) -> usize {
        let of_entries = self.providers.iter().chain(&self.workers).chain(&self.admin).flat_map(|entry| &entry.lines);
        let lines = of_entries.chain(&self.of_handlers).chain(&self.rest);
        lines.filter(|line| matches!(line, Line::Todo(_))).count()
    }
}

/// The first of these that is a name, with a number if it is taken.
fn free(wanted: &[&str], is_taken: impl Fn(&str) -> bool) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_name = |name: &&&str| (1..=60).contains(&name.len()) && name.chars().all(allowed);
    let mut name = wanted.iter().find(is_name).copied().unwrap_or("other").to_owned();
    let first = name.clone();
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        name = format!("{first}-{number}");
    }
    name
}
