//! What a job file says: one job, an array of jobs, or a job on each line. Pure; a file is taken whole or not at all.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;

use goworker::{Ids, Job, JobError, JobId};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// How jobs stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One job, or an array of them.
    Json,
    /// A job on each line.
    Lines,
}

impl Format {
    /// The format that the name of a file promises; `None` if it is not one for jobs, or not yet one: a leading dot
    /// (or another extension, as `.part` or `.tmp`) is how writers mark what they have not finished.
    pub(super) fn of(name: &OsStr) -> Option<Format> {
        let name = name.as_encoded_bytes().to_ascii_lowercase();
        if name.starts_with(b".") {
            return None;
        }
        if name.ends_with(b".json") {
            return Some(Format::Json);
        }
        (name.ends_with(b".jsonl") || name.ends_with(b".ndjson")).then_some(Format::Lines)
    }
}

/// The jobs of a file.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) jobs: Vec<Job>,
    /// Fields that the job format does not know; they are in `meta` now.
    pub(super) unknown: BTreeSet<String>,
}

/// Why a file cannot be taken, and where the reason stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    line: usize,
    column: usize,
    /// The JSON path, such as `[3].priority`.
    path: String,
    message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Reads a file's text. A job without an id gets one that is the same whenever the same file is read: `origin` and
/// its position, so that a file that was read before a crash brings nothing twice.
pub(super) fn parse(text: &[u8], format: Format, origin: &str, ids: &Ids) -> Result<Content, Fault> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = Reader { origin, ids, content: Content::default() };
    match (format, text.trim_ascii_start().first()) {
        (_, None) => return Err(Place { line: 1, column: 1 }.fault("the file is empty")),
        (Format::Lines, _) => reader.read_lines(text)?,
        (Format::Json, Some(b'[')) => reader.read_array(text)?,
        (Format::Json, Some(_)) => reader.read_one(text)?,
    }
    Ok(reader.content)
}

struct Reader<'a> {
    origin: &'a str,
    ids: &'a Ids,
    content: Content,
}

impl Reader<'_> {
    fn read_lines(&mut self, text: &[u8]) -> Result<(), Fault> {
        for (line, json) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            if !json.trim_ascii().is_empty() {
                self.read_job(json, line, Place { line, column: 1 }, "")?;
            }
        }
        Ok(())
    }

    fn read_array(&mut self, text: &[u8]) -> Result<(), Fault> {
        let elements: Vec<&RawValue> = serde_json::from_slice(text).map_err(|error| Place::of(&error).fault(message(&error)))?;
        for (index, element) in elements.iter().enumerate() {
            let json = element.get().as_bytes();
            // The element is a part of the text, so its address tells where it stands.
            let start = Place::at(text, json.as_ptr().addr() - text.as_ptr().addr());
            self.read_job(json, index + 1, start, &format!("[{index}]"))?;
        }
        Ok(())
    }

    fn read_one(&mut self, text: &[u8]) -> Result<(), Fault> {
        let mut json = serde_json::Deserializer::from_slice(text);
        if IgnoredAny::deserialize(&mut json).is_ok()
            && let Err(error) = json.end()
        {
            return Err(Place::of(&error).fault("text follows the job; a file with a job on each line is named `.jsonl`"));
        }
        self.read_job(text, 1, Place { line: 1, column: 1 }, "")
    }

    fn read_job(&mut self, json: &[u8], position: usize, start: Place, path: &str) -> Result<(), Fault> {
        let mut parsed = Job::parse(json, self.ids).map_err(|error| start.fault_within(error, path))?;
        if parsed.id_made {
            parsed.job.id = position_id(self.origin, position);
        }
        self.content.jobs.push(parsed.job);
        self.content.unknown.extend(parsed.unknown);
        Ok(())
    }
}

fn position_id(origin: &str, position: usize) -> JobId {
    format!("{origin}:{position}").parse().expect("`origin` has allowed characters only, and leaves room for a number")
}

/// The beginning of the ids of a file's jobs: where it lay, its name, and what tells it from others of that name.
pub(super) fn origin(provider: &str, name: &OsStr, inode: u64, changed: i128) -> String {
    let inode = format!("{inode:x}-{changed:x}");
    format!("{}:{}:{inode}", allowed(provider, 20), allowed(&name.to_string_lossy(), 48))
}

/// The beginning of a text, with `_` for what must not stand in an id.
fn allowed(text: &str, length: usize) -> String {
    let replace = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '_' };
    text.chars().take(length).map(replace).collect()
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

    fn fault(self, message: impl Into<String>) -> Fault {
        Fault { line: self.line, column: self.column, path: String::new(), message: message.into() }
    }

    /// The fault of a job that begins here.
    fn fault_within(self, error: JobError, path: &str) -> Fault {
        let place = match error.line {
            // The whole job is meant.
            0 => self,
            1 => Place { line: self.line, column: self.column + error.column.max(1) - 1 },
            line => Place { line: self.line + line - 1, column: error.column.max(1) },
        };
        let path = [path, &error.path].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
        Fault { path, ..place.fault(error.message) }
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

    fn read(text: &str, format: Format) -> Result<Content, Fault> {
        parse(text.as_bytes(), format, "inbox:a.json:1f-2a", &Ids::system())
    }

    fn ids(content: &Content) -> Vec<&str> {
        content.jobs.iter().map(|job| job.id.as_str()).collect()
    }

    #[test]
    fn a_name_tells_the_format_and_whether_the_file_is_finished() {
        let format = |name: &str| Format::of(OsStr::new(name));
        assert_eq!(["a.json", "A.JSON", "a.b.json"].map(format), [Some(Format::Json); 3]);
        assert_eq!(["a.jsonl", "a.ndjson"].map(format), [Some(Format::Lines); 2]);
        assert_eq!([".a.json", "a.json.tmp", "a.json.part", "a.txt", "json", ".json", "a.json~"].map(format), [None; 7]);
    }

    #[test]
    fn one_job_an_array_and_lines_are_read() {
        let one = read("\u{feff} {\"type\":\"x\"}\n", Format::Json).unwrap();
        assert_eq!(ids(&one), ["inbox:a.json:1f-2a:1"]);
        let array = read("[ {\"type\":\"x\"},\n {\"type\":\"x\",\"id\":\"own\"}, {\"type\":\"x\"} ]", Format::Json).unwrap();
        assert_eq!(ids(&array), ["inbox:a.json:1f-2a:1", "own", "inbox:a.json:1f-2a:3"]);
        let lines = read("{\"type\":\"x\"}\r\n\n{\"type\":\"x\"}", Format::Lines).unwrap();
        assert_eq!(ids(&lines), ["inbox:a.json:1f-2a:1", "inbox:a.json:1f-2a:3"]);
        assert!(read("[]", Format::Json).unwrap().jobs.is_empty());
    }

    #[test]
    fn a_fault_names_line_column_and_path() {
        let texts = [
            ("", Format::Json),
            (" \n ", Format::Lines),
            ("{\"type\":", Format::Json),
            ("hello", Format::Json),
            ("[{\"type\":\"x\"},\n  {\"type\":\"x\",\n   \"priority\":200}]", Format::Json),
            ("[{\"type\":\"x\"},\n  {\"type\":\"x\", \"retries\":-1}]", Format::Json),
            ("[{\"type\":\"x\"}, 7]", Format::Json),
            ("[{\"type\":\"x\"},]", Format::Json),
            ("[{\"type\":\"x\"}", Format::Json),
            ("{\"type\":\"x\"}\n{\"type\":\"x\"}\n", Format::Json),
            ("{\"type\":\"x\"}\n{\"name\":\"x\"}\n", Format::Lines),
            ("{\"type\":\"x\"}\n\n{\"type\":\"x\",\"tags\":[1]}\n", Format::Lines),
            ("{\"type\":\"x\"}\n{\"type\":\"x\"", Format::Lines),
        ];
        let faults: Vec<String> = texts.iter().map(|(text, format)| read(text, *format).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(faults.join("\n"));
    }

    #[test]
    fn every_name_makes_an_id() {
        for name in ["a b\n.json", "ü€😀.json", &"x".repeat(255)] {
            let origin = origin(&"p".repeat(200), OsStr::new(name), u64::MAX, i128::from(i64::MIN));
            assert!(position_id(&origin, 9_999_999).as_str().len() <= JobId::MAX);
        }
        assert_eq!(origin("inbox", OsStr::new("a b.json"), 31, 42), "inbox:a_b.json:1f-2a");
    }
}
