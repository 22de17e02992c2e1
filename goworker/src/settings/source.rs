//! The text of a config file, places in it, and what must not be shown of it.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ron::Options;
use ron::error::{Position, SpannedError};
use ron::extensions::Extensions;

/// A range of bytes in the text.
pub(crate) type Span = Range<usize>;

/// The text of a config file. Parts of it are borrowed, so their place is known.
#[derive(Debug)]
pub(crate) struct SourceText<'a> {
    /// The path as the user wrote it.
    pub(crate) name: String,
    pub(crate) text: &'a str,
    /// The folder that paths in it are relative to.
    pub(crate) base: PathBuf,
    /// Extensions of RON that the file turns on.
    pub(crate) extensions: Extensions,
    /// Literals that are secrets.
    secrets: RefCell<Vec<Span>>,
}

impl<'a> SourceText<'a> {
    pub(crate) fn new(path: &Path, text: &'a str) -> Self {
        SourceText {
            name: path.display().to_string(),
            text,
            base: path.parent().map(Path::to_owned).unwrap_or_default(),
            extensions: Extensions::IMPLICIT_SOME,
            secrets: RefCell::new(Vec::new()),
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
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
    }

    /// Notes that a part of the text is a secret.
    pub(crate) fn hide(&self, part: &str) {
        self.secrets.borrow_mut().push(self.span(part));
    }

    /// The text with every secret made unreadable, byte for byte as long as it was.
    pub(crate) fn shown(&self) -> String {
        let mut bytes = self.text.as_bytes().to_vec();
        let secrets = self.secrets.borrow();
        for span in secrets.iter().cloned().chain(suspects(self.text)) {
            bytes[span].iter_mut().filter(|byte| !matches!(byte, b'"' | b'\n' | b'\r')).for_each(|byte| *byte = b'*');
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn offset(text: &str, at: Position) -> usize {
    let line: usize = text.split_inclusive('\n').take(at.line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(line..).unwrap_or_default();
    line + rest.char_indices().nth(at.col.saturating_sub(1)).map_or(rest.len(), |(index, _)| index)
}

/// What looks like a secret, whatever it is: the password in `scheme://user:password@host`, and the text that is given
/// to a setting with a telling name. It need not belong to a kind that we know.
fn suspects(text: &str) -> Vec<Span> {
    const TELLING: [&str; 5] = ["password", "passwd", "secret", "token", "api_key"];
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = &text[start..];
        let authority = &rest[..rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '?' | '#')).unwrap_or(rest.len())];
        if let Some((login, _)) = authority.rsplit_once('@')
            && let Some(colon) = login.find(':')
        {
            found.push(start + colon + 1..start + login.len());
        }
    }
    for name in TELLING {
        for (at, _) in text.match_indices(name) {
            let rest = &text[at + name.len()..];
            let value = rest.trim_start_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '"')).trim_start();
            if let Some(value) = value.strip_prefix(':').map(str::trim_start).and_then(|value| value.strip_prefix('"')) {
                let start = text.len() - value.len();
                found.push(start..start + value.find('"').unwrap_or(value.len()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_masked_whatever_they_belong_to() {
        let text = r#"(url: "redis://user:hunter2@host/0", "api_key": "kéy", note: "a:b@c")"#;
        let source = SourceText::new(Path::new("a.ron"), text);
        let shown = source.shown();
        assert_eq!(shown, r#"(url: "redis://user:*******@host/0", "api_key": "****", note: "a:b@c")"#);
        assert_eq!(shown.len(), text.len());
    }

    #[test]
    fn positions_count_characters_from_one() {
        let source = SourceText::new(Path::new("a.ron"), "é\r\n\tü: x");
        assert_eq!(source.position(source.text.find('x').unwrap()), (2, 5));
        assert_eq!(source.position(usize::MAX), (2, 6));
    }
}
