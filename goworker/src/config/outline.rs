//! The outline of a config: `"name": kind(..)` entries, each kept as raw text with its place.

use std::rc::Rc;

use crate::registry::{Registration, Registry, Role};
use crate::settings::{Notes, Reader, SourceText, Span, suggest};

/// One entry of `providers` or `workers`.
pub(super) struct Entry<'a> {
    pub(super) name: String,
    pub(super) name_span: Span,
    pub(super) kind: &'static str,
    pub(super) registration: Registration,
    body: &'a str,
    kind_span: Span,
}

/// Which of the two maps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Providers,
    Workers,
}

impl Section {
    const fn name(self) -> &'static str {
        match self {
            Section::Providers => "providers",
            Section::Workers => "workers",
        }
    }

    const fn role(self) -> &'static str {
        match self {
            Section::Providers => "provider",
            Section::Workers => "worker",
        }
    }

    fn find<'r>(self, registry: &'r Registry, kind: &str) -> Option<&'r Registration> {
        match self {
            Section::Providers => registry.provider(kind),
            Section::Workers => registry.worker(kind),
        }
    }

    fn kinds(self, registry: &Registry) -> Vec<&'static str> {
        match self {
            Section::Providers => registry.providers().map(|registration| registration.kind).collect(),
            Section::Workers => registry.workers().map(|registration| registration.kind).collect(),
        }
    }

    const fn other(self) -> Section {
        match self {
            Section::Providers => Section::Workers,
            Section::Workers => Section::Providers,
        }
    }
}

/// The entries of a section, and all names in it: a name can be referred to even if its entry is wrong.
pub(super) struct Entries<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) names: Vec<String>,
    is_broken: bool,
}

impl<'a> Entries<'a> {
    pub(super) fn read(source: &'a SourceText<'a>, top: &mut Reader<'a>, section: Section, registry: &Registry) -> Self {
        let mut map = top.block(section.name());
        let names = map.names();
        let mut entries = Vec::new();
        for name in &names {
            check_name(&map, name);
            if let Some(raw) = map.take(name) {
                entries.extend(Entry::read(source, &map, section, registry, name, raw));
            }
        }
        Entries { entries, names, is_broken: map.is_broken() }
    }

    /// Whether nothing is in it, and nothing was meant to be.
    pub(super) fn is_left_empty(&self) -> bool {
        self.names.is_empty() && !self.is_broken
    }

    pub(super) fn of_role(&self, role: Role) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(move |entry| entry.registration.role == role)
    }
}

fn check_name(map: &Reader<'_>, name: &str) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(allowed) {
        let message = format!("`{}` is not a name", name.escape_debug());
        map.error(name, map.name_span_of(name), message, Some("1 to 64 characters of A-Z a-z 0-9 _ . - are allowed".to_owned()));
    }
}

impl<'a> Entry<'a> {
    fn read(source: &SourceText<'a>, map: &Reader<'a>, section: Section, registry: &Registry, name: &str, raw: &'a str) -> Option<Self> {
        let (kind, body) = split(raw);
        let kind_span = source.span(kind);
        if kind.is_empty() {
            let message = format!("expected a kind of {} and its settings", section.role());
            map.error(
                name,
                source.span(raw),
                message,
                Some(format!("write `\"{name}\": kind(..)`; {}", suggest("", "kinds", &section.kinds(registry)))),
            );
            return None;
        }
        let Some(registration) = section.find(registry, kind) else {
            map.error(
                name,
                kind_span,
                format!("there is no {} kind `{kind}`", section.role()),
                Some(explain_unknown(section, registry, kind)),
            );
            return None;
        };
        Some(Entry {
            name: name.to_owned(),
            name_span: map.name_span_of(name),
            kind: registration.kind,
            registration: *registration,
            body,
            kind_span,
        })
    }

    /// Where its kind and settings stand.
    pub(super) fn span(&self, source: &SourceText<'a>) -> Span {
        self.kind_span.start..source.span(self.body).end
    }

    /// The entry's fields.
    pub(super) fn reader(&self, source: &'a SourceText<'a>, notes: &Notes, section: Section) -> Reader<'a> {
        let path = format!("{}.{}", section.name(), self.name);
        Reader::new(source, Rc::clone(notes), path, self.kind_span.clone(), self.body)
    }
}

/// `kind(..)` into its kind and what follows.
fn split(raw: &str) -> (&str, &str) {
    let end = raw.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(raw.len());
    if raw.starts_with(|c: char| c.is_alphabetic() || c == '_') { raw.split_at(end) } else { ("", raw) }
}

fn explain_unknown(section: Section, registry: &Registry, kind: &str) -> String {
    if section.other().find(registry, kind).is_some() {
        return format!("`{kind}` is a {}, not a {}", section.other().role(), section.role());
    }
    let help = suggest(kind, "kinds in this binary", &section.kinds(registry));
    if help.starts_with("did you mean") {
        help
    } else {
        format!("{help}; is its crate in the binary? say `goworker::plugins![its_crate];` in main.rs")
    }
}
