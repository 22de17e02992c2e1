//! What a job file says: one job, an array of jobs, or a job on each line. Pure; a file is taken whole or not at all.

use std::collections::BTreeSet;
use std::ffi::OsStr;

use goworker::{Ids, Job, JobError, JobId, Layout};

/// The layout that the name of a file promises; `None` if it is not one for jobs, or not yet one: a leading dot
/// (or another extension, as `.part` or `.tmp`) is how writers mark what they have not finished.
pub(super) fn layout(name: &OsStr) -> Option<Layout> {
    let name = name.as_encoded_bytes().to_ascii_lowercase();
    if name.starts_with(b".") {
        return None;
    }
    if name.ends_with(b".json") {
        return Some(Layout::Json);
    }
    (name.ends_with(b".jsonl") || name.ends_with(b".ndjson")).then_some(Layout::Lines)
}

/// The jobs of a file.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) jobs: Vec<Job>,
    /// Fields that the job format does not know; they are in `meta` now.
    pub(super) unknown: BTreeSet<String>,
}

/// Reads a file's text. A job without an id gets one that is the same whenever the same file is read: `origin` and
/// its position, so that a file that was read before a crash brings nothing twice.
pub(super) fn parse(text: &[u8], layout: Layout, origin: &str, ids: &Ids) -> Result<Content, String> {
    let told = |error: JobError| format!("line {}, column {}: {error}", error.line, error.column);
    let mut content = Content::default();
    for (position, mut parsed) in Job::parse_text(text, layout, ids).map_err(told)?.jobs {
        if parsed.id_made {
            parsed.job.id = position_id(origin, position);
        }
        content.jobs.push(parsed.job);
        content.unknown.extend(parsed.unknown);
    }
    Ok(content)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str, layout: Layout) -> Vec<String> {
        let content = parse(text.as_bytes(), layout, "inbox:a.json:1f-2a", &Ids::system()).unwrap();
        content.jobs.iter().map(|job| job.id.to_string()).collect()
    }

    #[test]
    fn a_name_tells_the_format_and_whether_the_file_is_finished() {
        let layout = |name: &str| layout(OsStr::new(name));
        assert_eq!(["a.json", "A.JSON", "a.b.json"].map(layout), [Some(Layout::Json); 3]);
        assert_eq!(["a.jsonl", "a.ndjson"].map(layout), [Some(Layout::Lines); 2]);
        assert_eq!([".a.json", "a.json.tmp", "a.json.part", "a.txt", "json", ".json", "a.json~"].map(layout), [None; 7]);
    }

    #[test]
    fn a_job_without_an_id_gets_one_of_its_file_and_position() {
        assert_eq!(ids("{\"type\":\"x\"}\n", Layout::Json), ["inbox:a.json:1f-2a:1"]);
        let array = ids("[{\"type\":\"x\"},{\"type\":\"x\",\"id\":\"own\"},{\"type\":\"x\"}]", Layout::Json);
        assert_eq!(array, ["inbox:a.json:1f-2a:1", "own", "inbox:a.json:1f-2a:3"]);
        assert_eq!(ids("{\"type\":\"x\"}\r\n\n{\"type\":\"x\"}", Layout::Lines), ["inbox:a.json:1f-2a:1", "inbox:a.json:1f-2a:3"]);
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
