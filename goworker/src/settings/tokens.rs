//! The words of RON, for what has to work on text that RON itself cannot read: which bracket is never closed, where the
//! broken entry ends, which literals are secrets.

use std::ops::Range;

use super::source::Span;

/// One word of the text. White space and comments are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `(`, `[` or `{`
    Open(char),
    /// `)`, `]` or `}`
    Close(char),
    /// A name, or a number.
    Word,
    /// A literal in quotes, with them.
    Text,
    /// Anything else: `:`, `,`, `#`.
    Sign,
}

/// Takes the text apart. Never fails: what is not closed goes to the end.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = if let Some(length) = blank(rest, first) {
            (None, length)
        } else if let Some(length) = literal(rest) {
            (Some(Kind::Text), length)
        } else {
            match first {
                '(' | '[' | '{' => (Some(Kind::Open(first)), 1),
                ')' | ']' | '}' => (Some(Kind::Close(first)), 1),
                _ if is_word(first) => (Some(Kind::Word), rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
                _ => (Some(Kind::Sign), first.len_utf8()),
            }
        };
        tokens.extend(kind.map(|kind| Token { kind, span: at..at + length }));
        at += length;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the white space or comment that the text begins with.
fn blank(text: &str, first: char) -> Option<usize> {
    if first.is_whitespace() {
        return Some(first.len_utf8());
    }
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    loop {
        let rest = &text[at..];
        match rest.chars().next() {
            None => return Some(text.len()),
            Some(_) if rest.starts_with("/*") => (depth, at) = (depth + 1, at + 2),
            Some(_) if rest.starts_with("*/") => (depth, at) = (depth - 1, at + 2),
            Some(other) => at += other.len_utf8(),
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The length of the literal in quotes that the text begins with: `".."`, `r#".."#`, `b".."`, `'x'`.
fn literal(text: &str) -> Option<usize> {
    let unprefixed = text.strip_prefix('b').unwrap_or(text);
    let start = text.len() - unprefixed.len();
    let quoted = |quote: char| {
        let inner = unprefixed.strip_prefix(quote)?;
        let mut escaped = false;
        let end = inner.char_indices().find(|&(_, c)| {
            let ends = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        Some(end.map_or(text.len(), |(end, _)| start + 1 + end + 1))
    };
    raw(unprefixed).map(|length| start + length).or_else(|| quoted('"')).or_else(|| quoted('\''))
}

/// The length of the raw string that the text begins with.
fn raw(text: &str) -> Option<usize> {
    let fenced = text.strip_prefix('r')?;
    let inner = fenced.trim_start_matches('#');
    let fence = &fenced[..fenced.len() - inner.len()];
    let inner = inner.strip_prefix('"')?;
    let start = text.len() - inner.len();
    let closing = format!("\"{fence}");
    Some(inner.find(&closing).map_or(text.len(), |end| start + end + closing.len()))
}

/// Where the literal begins that has no closing quote.
pub(crate) fn unclosed_text(text: &str) -> Option<Span> {
    let last = tokens(text).pop().filter(|token| token.kind == Kind::Text)?;
    // With a quote behind it, an open literal ends there; a closed one does not notice.
    let is_closed = ['"', '\''].iter().all(|quote| {
        let longer = format!("{text}{quote}");
        tokens(&longer).last().is_some_and(|token| token.span.start == text.len())
    });
    let start = last.span.start;
    (!is_closed).then(|| start..start + text[start..].find('\n').unwrap_or(last.span.len()))
}

/// A bracket without its partner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unbalanced {
    /// It is never closed; where another closes instead, if one does.
    Open(Span, Option<Span>),
    /// It closes nothing.
    Close(Span),
}

/// All pairs of brackets, the inner before the outer.
pub(crate) fn pairs(text: &str) -> Result<Vec<(Span, Span)>, Unbalanced> {
    let mut open: Vec<(char, Span)> = Vec::new();
    let mut pairs = Vec::new();
    for token in tokens(text) {
        match token.kind {
            Kind::Open(bracket) => open.push((partner(bracket), token.span)),
            Kind::Close(bracket) => match open.pop() {
                Some((expected, span)) if expected == bracket => pairs.push((span, token.span)),
                Some((_, span)) => return Err(Unbalanced::Open(span, Some(token.span))),
                None => return Err(Unbalanced::Close(token.span)),
            },
            Kind::Word | Kind::Text | Kind::Sign => {}
        }
    }
    match open.pop() {
        Some((_, span)) => Err(Unbalanced::Open(span, None)),
        None => Ok(pairs),
    }
}

const fn partner(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// The inside of the part around `at` that can be left out without the rest falling apart: the settings of an entry of
/// `providers` or `workers`, or the value of another field.
pub(crate) fn part_around(text: &str, at: usize) -> Option<Range<usize>> {
    let mut around: Vec<Range<usize>> = pairs(text)
        .ok()?
        .into_iter()
        .filter(|(open, close)| open.end <= at && at <= close.start)
        .map(|(open, close)| open.end..close.start)
        .collect();
    around.sort_by_key(|inside| inside.start);
    let section = around.get(1)?;
    let part = around.get(2).or_else(|| (!is_section(text, section.start)).then_some(section))?;
    (!text[part.clone()].trim().is_empty()).then(|| part.clone())
}

/// Whether the bracket that ends at `start` is that of `providers` or `workers`.
fn is_section(text: &str, start: usize) -> bool {
    let before = tokens(&text[..start]);
    let name = before.len().checked_sub(3).map(|at| &text[before[at].span.clone()]);
    matches!(name, Some("providers" | "workers" | "\"providers\"" | "\"workers\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| &text[token.span]).collect()
    }

    #[test]
    fn literals_and_comments_hide_brackets() {
        assert_eq!(words(r##"a: "(\")" /* ( /* ) */ */ r#"("#, // )"##), ["a", ":", r#""(\")""#, r##"r#"("#"##, ","]);
        assert_eq!(words("'\"' b'\\'' br\"x\" brr #"), ["'\"'", "b'\\''", "br\"x\"", "brr", "#"]);
        assert_eq!(words("\"open ("), ["\"open ("]);
        assert_eq!(words("/* open ("), [""; 0]);
        assert_eq!(words("/*/ x"), [""; 0]);
        assert_eq!(words("ü::é_1"), ["ü", ":", ":", "é_1"]);
    }

    #[test]
    fn a_bracket_without_its_partner_is_found() {
        assert_eq!(pairs("( a[ } )"), Err(Unbalanced::Open(3..4, Some(5..6))));
        assert_eq!(pairs("( ()"), Err(Unbalanced::Open(0..1, None)));
        assert_eq!(pairs("())"), Err(Unbalanced::Close(2..3)));
        assert_eq!(pairs("([])"), Ok(vec![(1..2, 2..3), (0..1, 3..4)]));
    }

    #[test]
    fn a_broken_part_is_an_entry_or_a_block() {
        let text = r#"(providers: { "a": memory(lease keep: ()), }, retry: (x y))"#;
        let part = |needle: &str| part_around(text, text.find(needle).unwrap()).map(|part| &text[part]);
        assert_eq!(part("keep"), Some("lease keep: ()"));
        assert_eq!(part("()"), Some("lease keep: ()"));
        assert_eq!(part("x y"), Some("x y"));
        assert_eq!(part("\"a\""), None);
        assert_eq!(part("retry"), None);
    }
}
