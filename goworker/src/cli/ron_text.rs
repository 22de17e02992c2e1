//! A configuration while it is written: lines and comments, each at its depth.

use std::fmt::Write;

/// How wide a comment gets.
const WIDTH: usize = 110;

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct RonText(String);

impl RonText {
    pub(super) fn line(&mut self, depth: usize, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{:1$}{line}", "", 4 * depth);
    }

    pub(super) fn gap(&mut self) {
        self.0.push('\n');
    }

    /// Words, in as many lines as they need.
    pub(super) fn comment(&mut self, depth: usize, text: &str) {
        let width = WIDTH - 4 * depth;
        for paragraph in text.trim().lines() {
            let mut line = String::from("//");
            for word in paragraph.split_whitespace() {
                if line.len() + word.len() >= width {
                    self.line(depth, &line);
                    line.truncate(2);
                }
                line.push(' ');
                line.push_str(word);
            }
            self.line(depth, &line);
        }
    }

    /// Another text in a comment, line by line as it is.
    pub(super) fn quote(&mut self, depth: usize, text: &str) {
        text.lines().for_each(|line| self.line(depth, &format!("// {line}")));
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}
