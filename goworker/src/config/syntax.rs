//! What is no RON: told once, at its place, and left out so that the rest can still be checked.

use std::path::Path;

use crate::settings::{
    Diagnostic, Fault, Kind, Notes, Readable, Severity, SourceText, Span, Unbalanced, Variables, explain, extensions, fields, pairs,
    tokens, unclosed_text,
};

/// The text with every broken entry left blank, or nothing if the file as a whole is broken. What is broken is noted.
pub(super) fn readable(text: &str, path: &Path, variables: Variables, notes: &Notes) -> Option<Readable> {
    let mut readable = Readable::new(text);
    loop {
        let source = SourceText::new(path, text, &readable, variables);
        if let Err(fault) = extensions(&source) {
            notes.borrow_mut().push(error(&source, fault.span, explain(&fault.error)));
            return None;
        }
        let Err(fault) = fields(&source, source.text) else { return Some(readable) };
        let (diagnostic, is_local) = diagnose(&source, text, &fault);
        notes.borrow_mut().push(diagnostic);
        readable = readable.without_part_around(fault.span.start).filter(|_| is_local)?;
    }
}

fn error(source: &SourceText<'_>, span: Span, message: String) -> Diagnostic {
    Diagnostic::new(source, Severity::Error, "", span, message, None)
}

/// The mistake, and whether the rest of the file may be fine.
fn diagnose(source: &SourceText<'_>, text: &str, fault: &Fault) -> (Diagnostic, bool) {
    let error = |span: Span, message: String| error(source, span, message);
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
        Ok(_) => (error(fault.span.clone(), explain_syntax(text, fault)), true),
    }
}

fn explain_syntax(text: &str, fault: &Fault) -> String {
    let before = tokens(&text[..fault.span.start]);
    match (&fault.error, before.as_slice()) {
        // `(lease "30s")`: to RON, `lease` is a value.
        (ron::Error::ExpectedComma, [.., before, name]) if name.kind == Kind::Word && is_start(&text[before.span.clone()]) => {
            format!("a colon is missing between `{}` and this", &text[name.span.clone()])
        }
        (ron::Error::TrailingCharacters, [first, ..]) if first.kind != Kind::Open('(') => {
            "a config is written in round brackets: `( providers: { .. }, workers: { .. } )`".to_owned()
        }
        (other, _) => explain(other),
    }
}

/// Whether a name may follow.
fn is_start(word: &str) -> bool {
    matches!(word, "(" | ",")
}
