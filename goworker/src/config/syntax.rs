//! What is no RON: told once, at its place, and left out so that the rest can still be checked.

use std::path::Path;

use crate::settings::{
    Diagnostic, Fault, Notes, Readable, Severity, SourceText, Span, Unbalanced, Variables, explain, extensions, fields, pairs,
    unclosed_text,
};

/// The text with every broken entry left blank, or nothing if the file as a whole is broken. What is broken is noted.
pub(super) fn readable(text: &str, path: &Path, variables: Variables, notes: &Notes) -> Option<Readable> {
    let mut readable = Readable::new(text);
    loop {
        let source = SourceText::new(path, text, &readable, variables);
        let Err(fault) = extensions(&source).and_then(|_| fields(&source, source.text)) else { return Some(readable) };
        let (diagnostic, is_local) = diagnose(&source, text, &fault);
        notes.borrow_mut().push(diagnostic);
        readable = readable.without_part_around(fault.span.start).filter(|_| is_local)?;
    }
}

/// The mistake, and whether the rest of the file may be fine.
fn diagnose(source: &SourceText<'_>, text: &str, fault: &Fault) -> (Diagnostic, bool) {
    let error = |span: Span, message: String| Diagnostic::new(source, Severity::Error, "", span, message, None);
    if let Some(open) = unclosed_text(text) {
        return (error(open, "the text has no closing quote".to_owned()), false);
    }
    // RON tells where it noticed, which may be far from the bracket that was forgotten.
    match pairs(text) {
        Err(Unbalanced::Open(open, close)) => {
            let diagnostic = error(open.clone(), format!("this `{}` is never closed", &text[open]));
            let diagnostic = match close {
                Some(close) => diagnostic.and(close.clone(), format!("`{}` is here instead", &text[close])),
                None => diagnostic,
            };
            (diagnostic, false)
        }
        Err(Unbalanced::Close(close)) => (error(close.clone(), format!("this `{}` closes nothing", &text[close])), false),
        Ok(_) => (error(fault.span.clone(), explain(&fault.error)), true),
    }
}
