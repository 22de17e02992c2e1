//! What happened in a pipeline, as a timeline.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::clock::{Clock, Timestamp};
use crate::job::{Job, JobId};

/// A timeline of what happened: one line an event when printed, a list of [`Event`]s when serialized.
///
/// Ids that the program made are numbered, `#1` the first, and the folder of the configuration is left out of texts,
/// so that the same run gives the same trace on any machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Trace(Vec<Event>);

impl Trace {
    /// The events, in the order in which they happened.
    pub fn events(&self) -> &[Event] {
        &self.0
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, in milliseconds of virtual time since the pipeline was made.
    pub at: u64,
    /// Who tells it: a queue or provider, a worker, or the manager.
    pub who: String,
    /// What happened: `accepted`, `delivered`, `attempt 2`, ...
    pub what: String,
    /// The job, if it is about one: `lua/charge #1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// More about it, in one line: an error, an output, a delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
}

/// How much is printed of what is said about an event.
const SHOWN: usize = 100;

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |part: fn(&Event) -> &str| self.0.iter().map(|event| part(event).chars().count()).max().unwrap_or(0);
        let who = width(|event| &event.who);
        let what = width(|event| &event.what);
        let job = width(|event| event.job.as_deref().unwrap_or_default());
        let times: Vec<String> = self.0.iter().map(|event| format!("t+{}.{:03}s", event.at / 1_000, event.at % 1_000)).collect();
        let time = times.iter().map(String::len).max().unwrap_or(0);
        for (at, event) in times.iter().zip(&self.0) {
            let line = format!(
                "{at:<time$}  {:<who$}  {:<what$}  {:<job$}  {}",
                event.who,
                event.what,
                event.job.as_deref().unwrap_or_default(),
                shortened(event.more.as_deref().unwrap_or_default()),
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Writes the trace while the pipeline runs. Clones write the same one.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    clock: Clock,
    began: Timestamp,
    /// The folder of the configuration, with a separator behind it; empty if it is the current one.
    folder: String,
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug, Default)]
struct Notes {
    events: Vec<Event>,
    /// What ids that the program made are called.
    numbers: HashMap<String, String>,
    /// Jobs that have expired, with their queues.
    expired: HashSet<(String, JobId)>,
}

impl Recorder {
    /// The clock has just begun, at `began`.
    pub(super) fn new(clock: Clock, began: Timestamp, folder: &Path) -> Self {
        let folder = if folder == Path::new(".") { String::new() } else { format!("{}/", folder.display()) };
        Recorder { clock, began, folder, notes: Arc::default() }
    }

    /// Notes what happened to a job.
    pub(super) fn job(&self, who: &str, what: impl Into<String>, job: &Job, more: impl Into<String>) {
        self.note(who, what.into(), Some(job), &more.into());
    }

    /// Notes what is about no job.
    pub(super) fn event(&self, who: &str, what: &str) {
        self.note(who, what.to_owned(), None, "");
    }

    /// The virtual time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Notes that a job has expired, once, however often it is told. It comes to light later than it happens.
    pub(super) fn expired(&self, who: &str, job: &Job, at: Timestamp) {
        if self.notes().expired.insert((who.to_owned(), job.id.clone())) {
            self.note_at(at, who, "expired".to_owned(), Some(job), "");
        }
    }

    pub(super) fn trace(&self) -> Trace {
        let mut events = self.notes().events.clone();
        events.sort_by_key(|event| event.at);
        Trace(events)
    }

    fn note(&self, who: &str, what: String, job: Option<&Job>, more: &str) {
        self.note_at(self.clock.now(), who, what, job, more);
    }

    fn note_at(&self, at: Timestamp, who: &str, what: String, job: Option<&Job>, more: &str) {
        let at = u64::try_from(at.since(self.began).as_millis()).unwrap_or(u64::MAX);
        let mut notes = self.notes();
        let job = job.map(|job| {
            let name = if job.name.is_empty() { String::new() } else { format!("/{}", job.name) };
            format!("{}{name} {}", job.job_type, notes.number(&job.id))
        });
        let more = notes.told(&without(more, &self.folder));
        notes.events.push(Event { at, who: who.to_owned(), what, job, more: (!more.is_empty()).then_some(more) });
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// What an id is called here: as its producer said, or `#1` for one that was made. A failure handler's job has the
    /// id of the job that failed, and its own name behind that.
    fn number(&mut self, id: &JobId) -> String {
        let (root, rest) = match id.as_str().split_once(':') {
            Some((root, _)) => (root, &id.as_str()[root.len()..]),
            None => (id.as_str(), ""),
        };
        if uuid::Uuid::parse_str(root).is_err() {
            return id.to_string();
        }
        let next = self.numbers.len() + 1;
        let number = self.numbers.entry(root.to_owned()).or_insert_with(|| format!("#{next}"));
        format!("{number}{rest}")
    }

    /// A text in one line, with ids called as in the rest of the trace.
    fn told(&self, text: &str) -> String {
        let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        self.numbers.iter().fold(line, |line, (id, number)| line.replace(id, number))
    }
}

/// A text in which paths into `folder` begin behind it.
fn without(text: &str, folder: &str) -> String {
    if folder.is_empty() {
        return text.to_owned();
    }
    let mut pieces = text.split(folder);
    let mut rest = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        // In the middle of another path, it is a part of that.
        if rest.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-')) {
            rest.push_str(folder);
        }
        rest.push_str(piece);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_left_out_where_a_path_begins() {
        assert_eq!(without("/srv/app/scripts/a.lua:1: no /srv/app/x", "/srv/app/"), "scripts/a.lua:1: no x");
        assert_eq!(without("/mnt/srv/app/x, ../app/y", "app/"), "/mnt/srv/app/x, ../app/y");
        assert_eq!(without("cannot read ../data/in.csv", ""), "cannot read ../data/in.csv");
    }
}
