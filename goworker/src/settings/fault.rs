//! What is wrong with a value, in the words of this program.

use super::source::{SourceText, Span};

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    /// From the value that was read to the part that is wrong: `backoff.max`, `[1].user`; empty if it is all of it.
    pub(crate) path: String,
    pub(crate) error: ron::Error,
    /// Where the same stands first, if it is given twice. Boxed, as errors are to be small.
    pub(crate) first: Option<Box<Span>>,
}

impl Fault {
    /// A fault that RON found while it read a part of the source.
    pub(super) fn of(source: &SourceText<'_>, part: &str, error: ron::error::SpannedError) -> Self {
        Fault { span: source.span_of_error(part, &error), path: String::new(), error: error.code, first: None }
    }
}

/// A path that goes on: `retry` and `backoff`, `handlers` and `[1]`.
pub(super) fn joined(path: &str, rest: &str) -> String {
    let dot = if path.is_empty() || rest.is_empty() || rest.starts_with('[') { "" } else { "." };
    format!("{path}{dot}{rest}")
}

/// A mistake of RON in the words of this program.
pub(crate) fn explain(error: &ron::Error) -> String {
    match error {
        ron::Error::NoSuchStructField { found, .. } => format!("unknown field `{found}`"),
        ron::Error::NoSuchEnumVariant { found, .. } => format!("unknown word `{found}`"),
        ron::Error::MissingStructField { field, .. } => format!("`{field}` is missing"),
        ron::Error::DuplicateStructField { field, .. } => format!("`{field}` is given twice"),
        ron::Error::ExpectedString => "expected text in quotes".to_owned(),
        ron::Error::ExpectedStringEnd => "the text has no closing quote".to_owned(),
        ron::Error::ExpectedInteger => "expected a whole number".to_owned(),
        ron::Error::ExpectedFloat => "expected a number".to_owned(),
        ron::Error::ExpectedBoolean => "expected `true` or `false`".to_owned(),
        ron::Error::ExpectedArray => "expected a list: `[..]`".to_owned(),
        ron::Error::ExpectedStructLike => "expected values in round brackets: `(..)`".to_owned(),
        ron::Error::ExpectedMap => "expected a map: `{ \"name\": value, .. }`".to_owned(),
        ron::Error::ExpectedComma => "a comma is missing before this".to_owned(),
        ron::Error::ExpectedMapColon => "a colon is missing before this".to_owned(),
        ron::Error::ExpectedMapEnd => "expected `}`".to_owned(),
        ron::Error::ExpectedArrayEnd => "expected `]`".to_owned(),
        ron::Error::ExpectedStructLikeEnd => "there are more values than expected".to_owned(),
        ron::Error::IntegerOutOfBounds => "the number is out of the range of its type".to_owned(),
        ron::Error::Eof => "the file ends here, but a bracket is still open".to_owned(),
        ron::Error::ExceededRecursionLimit => "this is nested too deep".to_owned(),
        ron::Error::TrailingCharacters => "nothing may follow the closing bracket".to_owned(),
        ron::Error::InvalidValueForType { expected, found } => format!("expected {expected}, found {found}"),
        other => {
            let text = other.to_string();
            let mut letters = text.chars();
            letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or(text)
        }
    }
}

/// The words that would be right, if the mistake was in a word.
pub(crate) fn expected_words(error: &ron::Error) -> Option<(&str, &'static [&'static str])> {
    match error {
        ron::Error::NoSuchStructField { expected, found, .. } | ron::Error::NoSuchEnumVariant { expected, found, .. } => {
            Some((found, expected))
        }
        _ => None,
    }
}
