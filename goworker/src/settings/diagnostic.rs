//! What is wrong with a config, and where: shown as rustc shows it, or as JSON.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::mask::{Masked, without_passwords};
use super::source::{SourceText, Span};
use crate::remark::Severity;

/// One mistake, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where in the config's structure: `providers.jobs.lease`.
    pub path: String,
    /// The file, as it was given.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// Where it ends.
    pub end_line: usize,
    /// Where it ends.
    pub end_column: usize,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(skip)]
    span: Span,
    /// Another place that has to do with it, and what is there.
    #[serde(skip)]
    also: Option<(Span, String)>,
}

impl Diagnostic {
    pub(crate) fn new(source: &SourceText<'_>, severity: Severity, path: &str, span: Span, message: String, help: Option<String>) -> Self {
        let (line, column) = source.position(span.start);
        let (end_line, end_column) = source.position(span.end);
        Diagnostic {
            severity,
            message: without_passwords(&message),
            path: without_passwords(path),
            file: source.name.clone(),
            line,
            column,
            end_line,
            end_column,
            help: help.as_deref().map(without_passwords),
            span,
            also: None,
        }
    }

    /// Points to another place too.
    pub(crate) fn and(mut self, place: Span, what: impl Into<String>) -> Self {
        self.also = Some((place, what.into()));
        self
    }
}

/// All that was found in a config, in the order of the file. Holds no secret.
#[derive(Debug, Clone)]
pub struct Report {
    name: String,
    /// The text with every secret made unreadable.
    text: Masked,
    diagnostics: Vec<Diagnostic>,
    /// What follows from errors.
    consequence: &'static str,
}

impl Report {
    pub(crate) fn new(source: &SourceText<'_>, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        Report { name: source.name.clone(), text: source.shown(), diagnostics, consequence: "Nothing was started." }
    }

    /// Says what follows from errors, in a sentence.
    pub(crate) fn with_consequence(self, consequence: &'static str) -> Self {
        Report { consequence, ..self }
    }

    /// All diagnostics, in the order of the file.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// The diagnostics with excerpts of the file, and a line that counts them; empty if there are none.
    pub fn render(&self, styled: bool) -> String {
        if self.diagnostics.is_empty() {
            return String::new();
        }
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let shown: Vec<String> = self.diagnostics.iter().map(|diagnostic| self.render_one(&renderer, diagnostic)).collect();
        format!("{}\n\n{}\n", shown.join("\n\n"), self.verdict())
    }

    fn render_one(&self, renderer: &Renderer, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let annotation = AnnotationKind::Primary.span(self.shown(&diagnostic.span)).label(diagnostic.path.as_str());
        let mut snippet = Snippet::source(self.text.text()).path(self.name.as_str()).annotation(annotation);
        if let Some((span, what)) = &diagnostic.also {
            snippet = snippet.annotation(AnnotationKind::Context.span(self.shown(span)).label(what.as_str()));
        }
        let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str())).element(snippet);
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// A place in the text that is shown. One of no width still wants a caret.
    fn shown(&self, span: &Span) -> Span {
        let text = self.text.text();
        let start = text.floor_char_boundary(self.text.place(span.start));
        let end = text.ceil_char_boundary(self.text.place(span.end).max(start + 1).min(text.len()));
        start..end.max(start)
    }

    fn verdict(&self) -> String {
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        match (self.errors(), self.warnings()) {
            (0, warnings) => count(warnings, "warning"),
            (errors, 0) => format!("{}. {}", count(errors, "error"), self.consequence),
            (errors, warnings) => format!("{}, {}. {}", count(errors, "error"), count(warnings, "warning"), self.consequence),
        }
    }

    /// The diagnostics as a JSON array.
    pub fn to_json(&self) -> serde_json::Value {
        // Strings and numbers always have a JSON form.
        serde_json::to_value(&self.diagnostics).unwrap_or_default()
    }
}
