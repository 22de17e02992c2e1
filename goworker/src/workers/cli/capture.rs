//! What is kept of a stream of any length: its beginning (stdout) or its end (stderr).

use std::collections::VecDeque;

/// Takes a stream piece by piece.
pub(super) trait Sink {
    fn take(&mut self, bytes: &[u8]);
}

/// The beginning of a stream.
#[derive(Debug)]
pub(super) struct Head {
    limit: usize,
    kept: Vec<u8>,
    cut: bool,
}

impl Head {
    pub(super) fn new(limit: usize) -> Self {
        Head { limit, kept: Vec::new(), cut: false }
    }

    /// Whether there was more than is kept.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// The text, with � for what is not UTF-8. A character that the limit cut through is left out.
    pub(super) fn text(&self) -> String {
        let whole = match std::str::from_utf8(&self.kept) {
            Err(error) if self.cut && error.error_len().is_none() => &self.kept[..error.valid_up_to()],
            _ => &self.kept,
        };
        String::from_utf8_lossy(whole).into_owned()
    }
}

impl Sink for Head {
    fn take(&mut self, bytes: &[u8]) {
        let room = self.limit - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }
}

/// The end of a stream.
#[derive(Debug)]
pub(super) struct Tail {
    limit: usize,
    kept: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    pub(super) fn new(limit: usize) -> Self {
        Tail { limit, kept: VecDeque::new(), cut: false }
    }

    /// The lines kept, without empty ones; the first is left out if its beginning is lost.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let bytes: Vec<u8> = self.kept.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        let first = usize::from(self.cut && lines.len() > 1);
        lines.into_iter().skip(first).filter(|line| !line.is_empty())
    }

    /// The last line that is not empty.
    pub(super) fn last_line(&self) -> Option<String> {
        self.lines().last()
    }
}

impl Sink for Tail {
    fn take(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let excess = self.kept.len().saturating_sub(self.limit);
        self.kept.drain(..excess);
        self.cut |= excess > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_keeps_the_beginning_and_never_half_a_character() {
        let mut head = Head::new(4);
        head.take("ab".as_bytes());
        assert_eq!((head.text(), head.is_cut()), ("ab".to_owned(), false));
        head.take("cü".as_bytes());
        assert_eq!((head.text(), head.is_cut()), ("abc".to_owned(), true));
        head.take(b"more");
        assert_eq!(head.text(), "abc");
    }

    #[test]
    fn a_tail_keeps_the_last_whole_lines() {
        let mut tail = Tail::new(12);
        tail.take(b"first line\nsecond\n");
        tail.take(b"third\n\n");
        assert_eq!(tail.lines().collect::<Vec<_>>(), ["third"]);
        assert_eq!(tail.last_line().as_deref(), Some("third"));
    }

    #[test]
    fn a_single_line_too_long_keeps_its_end() {
        let mut tail = Tail::new(4);
        tail.take(b"abcdefgh");
        assert_eq!(tail.last_line().as_deref(), Some("efgh"));
    }
}
