//! The text of a config file, places in it, and what must not be shown of it.

use std::cell::RefCell;
use std::env::{self, VarError};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ron::Options;
use ron::error::{Position, SpannedError};
use ron::extensions::Extensions;

use super::mask::{Masked, literals};
use super::tokens::{part_around, tokens};

/// A range of bytes in the text.
pub(crate) type Span = Range<usize>;

/// How a variable of the environment is looked up.
pub(crate) type Variables = fn(&str) -> Result<String, VarError>;

/// The variables of this process.
pub(crate) fn process_variables(name: &str) -> Result<String, VarError> {
    env::var(name)
}

/// The text of a config file. Parts of it are borrowed, so their place is known.
pub(crate) struct SourceText<'a> {
    /// The path as the user wrote it.
    pub(crate) name: String,
    /// What is read: the file, with the parts that are no RON left blank.
    pub(crate) text: &'a str,
    /// The file, which is shown.
    original: &'a str,
    /// Where parts were left blank.
    blanks: &'a [Span],
    /// The folder that paths in it are relative to.
    pub(crate) base: PathBuf,
    /// Extensions of RON that the file turns on.
    pub(crate) extensions: Extensions,
    pub(crate) variables: Variables,
    /// Literals that are secrets.
    secrets: RefCell<Vec<Span>>,
    /// Values that come from the environment.
    foreign: RefCell<Vec<Span>>,
}

/// The text may hold secrets.
impl fmt::Debug for SourceText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceText").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> SourceText<'a> {
    pub(crate) fn new(path: &Path, original: &'a str, readable: &'a Readable, variables: Variables) -> Self {
        SourceText {
            name: path.display().to_string(),
            text: &readable.text,
            original,
            blanks: &readable.blanks,
            // The parent of a bare name is empty, and no folder has an empty name.
            base: path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")).to_owned(),
            extensions: Extensions::IMPLICIT_SOME,
            variables,
            secrets: RefCell::default(),
            foreign: RefCell::default(),
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options::default().with_default_extension(self.extensions)
    }

    /// Where a part of the text stands.
    pub(crate) fn span(&self, part: &str) -> Span {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len());
        start..(start + part.len()).min(self.text.len())
    }

    /// Where an error in a part of the text stands: RON tells it relative to the part.
    pub(crate) fn span_of_error(&self, part: &str, error: &SpannedError) -> Span {
        let base = self.span(part).start;
        let (start, end) = (base + offset(part, error.span.start), base + offset(part, error.span.end));
        let blank = self.text.get(start..end).map_or(0, |text| text.len() - text.trim_start().len());
        start + blank..end.max(start + blank)
    }

    /// Line and column, from 1, in characters.
    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        let before = &self.original[..self.original.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
    }

    /// Where line and column are, from 1, in bytes.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let before: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        (before + column.saturating_sub(1)).min(self.text.len())
    }

    /// Whether the inside of this part was left blank, so that nothing in it may be missed.
    pub(crate) fn is_broken(&self, part: &str) -> bool {
        let span = self.span(part);
        let is_bracket = |around: Option<&str>| around.is_some_and(|around| tokens(around).len() == 1);
        let is_inside = |blank: &Span| is_bracket(self.text.get(span.start..blank.start)) && is_bracket(self.text.get(blank.end..span.end));
        self.blanks.iter().any(is_inside)
    }

    /// Notes that a part of the text is a secret.
    pub(crate) fn hide(&self, part: &str) {
        self.secrets.borrow_mut().push(self.span(part));
    }

    /// Notes that the literals in a part of the text may be secrets.
    pub(crate) fn hide_literals(&self, part: &str) {
        let start = self.span(part).start;
        self.secrets.borrow_mut().extend(literals(part).into_iter().map(|span| start + span.start..start + span.end));
    }

    /// Notes that a value comes from the environment: it is not to be shown.
    pub(crate) fn note_foreign(&self, part: &str) {
        self.foreign.borrow_mut().push(self.span(part));
    }

    /// Whether something in this place comes from the environment.
    pub(crate) fn is_foreign(&self, place: &Span) -> bool {
        self.foreign.borrow().iter().any(|span| place.start <= span.start && span.end <= place.end)
    }

    /// The file with every secret made unreadable.
    pub(crate) fn shown(&self) -> Masked {
        Masked::new(self.original, &self.secrets.borrow())
    }
}

/// The text of a file with the parts that are no RON left blank, so that all others can still be read.
#[derive(Clone, Default)]
pub(crate) struct Readable {
    text: String,
    blanks: Vec<Span>,
}

impl Readable {
    pub(crate) fn new(text: &str) -> Self {
        Readable { text: text.to_owned(), blanks: Vec::new() }
    }

    /// Leaves out the entry or block around a fault; `None` if the fault is not inside of one.
    pub(crate) fn without_part_around(&self, fault: usize) -> Option<Self> {
        let part = part_around(&self.text, fault)?;
        let mut readable = self.clone();
        // Byte for byte, so that all places stay what they are.
        readable.text.replace_range(part.clone(), &" ".repeat(part.len()));
        readable.blanks.push(part);
        Some(readable)
    }
}

fn offset(text: &str, at: Position) -> usize {
    let line: usize = text.split_inclusive('\n').take(at.line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(line..).unwrap_or_default();
    line + rest.char_indices().nth(at.col.saturating_sub(1)).map_or(rest.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let text = "é\r\n\tü: x";
        let readable = Readable::new(text);
        let source = SourceText::new(Path::new("a.ron"), text, &readable, process_variables);
        assert_eq!(source.position(text.find('x').unwrap()), (2, 5));
        assert_eq!(source.position(usize::MAX), (2, 6));
    }

    #[test]
    fn a_part_that_is_left_out_moves_nothing() {
        let text = "(workers: { \"a\": b(ü ü), \"c\": d(e: 1) })";
        let readable = Readable::new(text).without_part_around(text.find(" ü").unwrap()).unwrap();
        assert_eq!(readable.text, "(workers: { \"a\": b(     ), \"c\": d(e: 1) })");
        let source = SourceText::new(Path::new("a.ron"), text, &readable, process_variables);
        assert_eq!(source.position(source.text.find("e: 1").unwrap()), (1, 33));
        let body = &source.text[source.text.find("( ").unwrap()..];
        assert!(source.is_broken(&body[..7]) && !source.is_broken(source.text));
        assert!(readable.without_part_around(20).is_none(), "it is blank already");
    }
}
