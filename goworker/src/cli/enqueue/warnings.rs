//! What deserves a warning about enqueued jobs, each said once.

use std::collections::BTreeSet;

use crate::cli::escape;
use crate::config::Config;
use crate::job::Parsed;
use crate::settings::did_you_mean;

/// Remembers what was said.
#[derive(Debug)]
pub(super) struct Warnings {
    file: String,
    workers: Vec<String>,
    types: BTreeSet<String>,
    fields: BTreeSet<String>,
}

impl Warnings {
    /// Nothing was said yet.
    pub(super) fn new(config: &Config) -> Self {
        let workers = config.workers.iter().map(|entry| entry.name.clone()).collect();
        Warnings { file: config.path.display().to_string(), workers, types: BTreeSet::new(), fields: BTreeSet::new() }
    }

    /// Nothing was said yet, and these are the workers.
    #[cfg(test)]
    pub(super) fn knowing<const N: usize>(file: &str, workers: [&str; N]) -> Self {
        let workers = workers.map(str::to_owned).to_vec();
        Warnings { file: file.to_owned(), workers, types: BTreeSet::new(), fields: BTreeSet::new() }
    }

    /// What there is to say about a job that a line brought, and was not said before.
    pub(super) fn of(&mut self, source: &str, line: u64, parsed: &Parsed) -> Vec<String> {
        let mut said: Vec<String> = Vec::new();
        for field in &parsed.unknown {
            if self.fields.insert(field.clone()) {
                said.push(format!("{source}:{line}: the field `{}` is unknown; it is kept in `meta`", escape::line(field)));
            }
        }
        said.extend(self.of_type(&parsed.job.job_type));
        said
    }

    /// What there is to say about the type of a job.
    pub(super) fn of_type(&mut self, job_type: &str) -> Option<String> {
        // A URL tells of no workers, and a configuration without any is warned of as a whole.
        if self.workers.is_empty() || self.workers.iter().any(|worker| worker == job_type) || !self.types.insert(job_type.to_owned()) {
            return None;
        }
        let hint = did_you_mean(job_type, self.workers.iter().map(String::as_str)).map(|hint| format!("; {hint}")).unwrap_or_default();
        Some(format!("no worker of {} runs jobs of type `{}`; they wait until one does{hint}", self.file, escape::line(job_type)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Ids, Job};

    #[test]
    fn each_warning_is_said_once() {
        let mut warnings = Warnings::knowing("c.ron", ["lua", "resize"]);
        let parsed = Job::parse(br#"{"type":"resise","colour":"red"}"#, &Ids::system()).unwrap();
        assert_eq!(
            warnings.of("jobs.jsonl", 7, &parsed),
            [
                "jobs.jsonl:7: the field `colour` is unknown; it is kept in `meta`",
                "no worker of c.ron runs jobs of type `resise`; they wait until one does; did you mean `resize`?"
            ]
        );
        assert_eq!(warnings.of("jobs.jsonl", 8, &parsed), Vec::<String>::new());
        assert_eq!(warnings.of_type("lua"), None);
    }
}
