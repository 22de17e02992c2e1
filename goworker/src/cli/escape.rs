//! Text of jobs, made harmless: what a job carries must not move the cursor, forge a log line or hide a word.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` in one line: control characters, line breaks among them, become visible escapes.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "{}", c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// The lines of `text`, each made harmless.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(line)
}

/// Controls, and what Unicode has to reorder text or to break lines.
fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_harmful_gets_through() {
        assert_eq!(line("done\n12:00:00 INFO forged"), r"done\n12:00:00 INFO forged");
        assert_eq!(line("\x1b[2J\u{9b}1m\u{202e}gpj"), r"\u{1b}[2J\u{9b}1m\u{202e}gpj");
        assert_eq!(line("a\tb\r"), r"a\tb\r");
    }

    #[test]
    fn ordinary_text_of_any_language_is_untouched() {
        assert!(matches!(line("größe \"7\" 日本語 🎉 C:\\dir"), Cow::Borrowed(_)));
        assert_eq!(lines("one\ntwo\x07\n").collect::<Vec<_>>(), ["one", r"two\u{7}"]);
    }
}
