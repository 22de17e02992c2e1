//! A text with jobs: one, an array, or a job on each line. Pure; a text is taken whole or not at all.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{Ids, Job, JobError, Parsed};

/// How jobs stand in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One job, or an array of them.
    Json,
    /// A job on each line: JSON Lines.
    Lines,
}

/// The jobs of a text.
#[derive(Debug, Clone, Default)]
pub struct ParsedText {
    /// Each with its position: the number of its line or its element, from 1.
    pub jobs: Vec<(usize, Parsed)>,
    /// Whether it was one job that stood for itself, not a list of one.
    pub is_one: bool,
}

impl Job {
    /// Reads all jobs of a text; those without an `id` get one of `ids`.
    ///
    /// # Errors
    /// When one of them is not a job. The error has its place in the whole text, and the JSON path from there, such as `[3].priority`.
    pub fn parse_text(text: &[u8], layout: Layout, ids: &Ids) -> Result<ParsedText, JobError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = Reader { ids, parsed: ParsedText::default() };
        match (layout, text.trim_ascii_start().first()) {
            (_, None) => return Err(Place { line: 1, column: 1 }.error("the text is empty; there is no job in it")),
            (Layout::Lines, _) => reader.read_lines(text)?,
            (Layout::Json, Some(b'[')) => reader.read_array(text)?,
            (Layout::Json, Some(_)) => reader.read_one(text)?,
        }
        Ok(reader.parsed)
    }
}

struct Reader<'a> {
    ids: &'a Ids,
    parsed: ParsedText,
}

impl Reader<'_> {
    fn read_lines(&mut self, text: &[u8]) -> Result<(), JobError> {
        for (line, json) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if !json.trim_ascii().is_empty() {
                self.read_job(json, line, Place { line, column: 1 }, "")?;
            }
        }
        Ok(())
    }

    fn read_array(&mut self, text: &[u8]) -> Result<(), JobError> {
        let elements: Vec<&RawValue> = serde_json::from_slice(text).map_err(|error| Place::of(&error).error(message(&error)))?;
        for (index, element) in elements.iter().enumerate() {
            let json = element.get().as_bytes();
            // The element is a part of the text, so its address tells where it stands.
            let start = Place::at(text, json.as_ptr().addr() - text.as_ptr().addr());
            self.read_job(json, index + 1, start, &format!("[{index}]"))?;
        }
        Ok(())
    }

    fn read_one(&mut self, text: &[u8]) -> Result<(), JobError> {
        let mut json = serde_json::Deserializer::from_slice(text);
        if IgnoredAny::deserialize(&mut json).is_ok()
            && let Err(error) = json.end()
        {
            return Err(
                Place::of(&error).error("text follows the job; with a job on each line it is JSON Lines: `.jsonl`, or `application/jsonl`")
            );
        }
        self.parsed.is_one = true;
        self.read_job(text, 1, Place { line: 1, column: 1 }, "")
    }

    fn read_job(&mut self, json: &[u8], position: usize, start: Place, path: &str) -> Result<(), JobError> {
        let parsed = Job::parse(json, self.ids).map_err(|error| start.within(error, path))?;
        self.parsed.jobs.push((position, parsed));
        Ok(())
    }
}

/// A place in a text, from 1.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
}

impl Place {
    fn at(text: &[u8], offset: usize) -> Self {
        let before = &text[..offset];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        Place { line: 1 + before.iter().filter(|byte| **byte == b'\n').count(), column: 1 + offset - line_start }
    }

    fn of(error: &serde_json::Error) -> Self {
        Place { line: error.line().max(1), column: error.column().max(1) }
    }

    fn error(self, message: impl Into<String>) -> JobError {
        JobError { path: String::new(), message: message.into(), line: self.line, column: self.column }
    }

    /// The fault of a job that begins here.
    fn within(self, error: JobError, path: &str) -> JobError {
        let place = match error.line {
            // The whole job is meant.
            0 => self,
            1 => Place { line: self.line, column: self.column + error.column.max(1) - 1 },
            line => Place { line: self.line + line - 1, column: error.column.max(1) },
        };
        let path = [path, &error.path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
        JobError { path, ..place.error(error.message) }
    }
}

/// The message of serde_json without the place, which it appends.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, layout: Layout) -> Result<ParsedText, JobError> {
        Job::parse_text(text.as_bytes(), layout, &Ids::system())
    }

    #[test]
    fn one_job_an_array_and_lines_are_read() {
        let positions = |parsed: &ParsedText| parsed.jobs.iter().map(|(position, _)| *position).collect::<Vec<_>>();
        let one = read("\u{feff} {\"type\":\"x\"}\n", Layout::Json).unwrap();
        assert!(one.is_one && positions(&one) == [1]);
        let array = read("[ {\"type\":\"x\"},\n {\"type\":\"x\",\"id\":\"own\"}, {\"type\":\"x\"} ]", Layout::Json).unwrap();
        assert!(!array.is_one && positions(&array) == [1, 2, 3]);
        assert_eq!((array.jobs[1].1.job.id.as_str(), array.jobs[1].1.id_made), ("own", false));
        let lines = read("{\"type\":\"x\"}\r\n\n{\"type\":\"x\"}", Layout::Lines).unwrap();
        assert!(!lines.is_one && positions(&lines) == [1, 3]);
        assert!(read("[]", Layout::Json).unwrap().jobs.is_empty());
    }

    #[test]
    fn a_fault_names_line_column_and_path() {
        let texts = [
            ("", Layout::Json),
            (" \n ", Layout::Lines),
            ("{\"type\":", Layout::Json),
            ("hello", Layout::Json),
            ("[{\"type\":\"x\"},\n  {\"type\":\"x\",\n   \"priority\":200}]", Layout::Json),
            ("[{\"type\":\"x\"},\n  {\"type\":\"x\", \"retries\":-1}]", Layout::Json),
            ("[{\"type\":\"x\"}, 7]", Layout::Json),
            ("[{\"type\":\"x\"},]", Layout::Json),
            ("[{\"type\":\"x\"}", Layout::Json),
            ("{\"type\":\"x\"}\n{\"type\":\"x\"}\n", Layout::Json),
            ("{\"type\":\"x\"}\n{\"name\":\"x\"}\n", Layout::Lines),
            ("{\"type\":\"x\"}\n\n{\"type\":\"x\",\"tags\":[1]}\n", Layout::Lines),
            ("{\"type\":\"x\"}\n{\"type\":\"x\"", Layout::Lines),
        ];
        let told = |error: JobError| format!("line {}, column {}: {error}", error.line, error.column);
        let faults: Vec<String> = texts.iter().map(|(text, layout)| told(read(text, *layout).unwrap_err())).collect();
        insta::assert_snapshot!(faults.join("\n"));
    }
}
