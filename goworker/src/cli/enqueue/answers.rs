//! What a queue has answered, as lines for stdout.

use serde::Serialize;

use crate::cli::{Format, terminal};
use crate::job::JobId;
use crate::queue::Enqueued;

/// The form of the lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answers(pub(super) Format);

/// The line of a job for programs.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    answer: &'static str,
    /// The job that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<&'a str>,
    /// The job that was cancelled for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<&'a str>,
}

impl Answers {
    /// Adds the line of a job. As text it is the id of the job that is there: its own, or that of the holder of its key;
    /// one that was refused has none.
    pub(super) fn add(self, lines: &mut String, id: &JobId, answer: &Enqueued) {
        let (word, held_by, replaces) = match answer {
            Enqueued::Created => ("created", None, None),
            Enqueued::Replaced(other) => ("created", None, Some(other.as_str())),
            Enqueued::Exists => ("exists", None, None),
            Enqueued::Conflict => ("conflict", None, None),
            Enqueued::Held(holder) => ("held", Some(holder.as_str()), None),
        };
        match (self.0, answer) {
            (Format::Json, _) => lines.push_str(&terminal::json_line(&Line { id: id.as_str(), answer: word, held_by, replaces })),
            (Format::Text, Enqueued::Conflict) => return,
            (Format::Text, _) => lines.push_str(held_by.unwrap_or(id.as_str())),
        }
        lines.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_ids_and_programs_get_answers() {
        let id = |text: &str| text.parse::<JobId>().unwrap();
        let told = |format| {
            let mut lines = String::new();
            for answer in [Enqueued::Created, Enqueued::Exists, Enqueued::Conflict, Enqueued::Held(id("a")), Enqueued::Replaced(id("c"))] {
                Answers(format).add(&mut lines, &id("b"), &answer);
            }
            lines
        };
        assert_eq!(told(Format::Text), "b\nb\na\nb\n");
        insta::assert_snapshot!(told(Format::Json));
    }
}
