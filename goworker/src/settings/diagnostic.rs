//! What is wrong with a config, and where: shown as rustc shows it, or as JSON.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use super::source::{SourceText, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is started.
    Error,
    /// It runs, but probably not as meant.
    Warning,
}

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
}

impl Diagnostic {
    pub(crate) fn new(source: &SourceText<'_>, severity: Severity, path: &str, span: Span, message: String, help: Option<String>) -> Self {
        let (line, column) = source.position(span.start);
        let (end_line, end_column) = source.position(span.end);
        Diagnostic { severity, message, path: path.to_owned(), file: source.name.clone(), line, column, end_line, end_column, help, span }
    }
}

/// All that was found in a config, in the order of the file. Holds no secret.
#[derive(Debug, Clone)]
pub struct Report {
    name: String,
    /// The text with every secret made unreadable.
    text: String,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(source: &SourceText<'_>, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        Report { name: source.name.clone(), text: source.shown(), diagnostics }
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
        // A span of no width, or one that ends inside a character, still wants a caret.
        let start = self.text.floor_char_boundary(diagnostic.span.start);
        let end = self.text.ceil_char_boundary(diagnostic.span.end.max(start + 1).min(self.text.len()));
        let annotation = AnnotationKind::Primary.span(start..end.max(start)).label(diagnostic.path.as_str());
        let snippet = Snippet::source(self.text.as_str()).path(self.name.as_str()).annotation(annotation);
        let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str())).element(snippet);
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    fn verdict(&self) -> String {
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        match (self.errors(), self.warnings()) {
            (0, warnings) => count(warnings, "warning"),
            (errors, 0) => format!("{}. Nothing was started.", count(errors, "error")),
            (errors, warnings) => format!("{}, {}. Nothing was started.", count(errors, "error"), count(warnings, "warning")),
        }
    }

    /// The diagnostics as a JSON array.
    pub fn to_json(&self) -> serde_json::Value {
        // Strings and numbers always have a JSON form.
        serde_json::to_value(&self.diagnostics).unwrap_or_default()
    }
}

/// `did you mean ..?`, if one of the known words is near.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let found = found.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&found, &known.to_lowercase());
    let near = known.into_iter().map(|known| (distance(known), known)).filter(|(distance, known)| *distance <= 1 + known.len() / 4);
    near.min().map(|(_, known)| format!("did you mean `{known}`?"))
}

/// `did you mean ..?`, or else what is known.
pub(crate) fn suggest(found: &str, what: &str, known: &[&str]) -> String {
    let listed = || known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
    did_you_mean(found, known.iter().copied())
        .unwrap_or_else(|| if known.is_empty() { format!("there are no {what}") } else { format!("{what}: {}", listed()) })
}
