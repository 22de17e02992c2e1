//! Which of a configuration's queues is meant.

use crate::settings::did_you_mean;

/// Which queues of a configuration are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    /// The one of that name.
    Named(&'a str),
    /// The only one there is.
    Only,
    /// All that are stored.
    All,
}

/// Why there is no queue to choose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is none at all.
    #[error("{config} has no queue; one is written `providers: {{ \"jobs\": sqlite(path: \"jobs.db\") }}`")]
    None {
        /// The configuration.
        config: String,
    },
    /// There is none of that name.
    #[error("{config} has no queue `{name}`, only {}{}", .known.join(", "), hint(name, known))]
    Unknown {
        /// The configuration.
        config: String,
        /// The name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// What has that name is no queue, or none that this program can open.
    #[error("{config} has no queue `{name}`: {why}")]
    NotAQueue {
        /// The configuration.
        config: String,
        /// The name.
        name: String,
        /// What it is.
        why: String,
    },
    /// There are several, and none was named.
    #[error("{config} has several queues: {}; name one", .known.join(", "))]
    Several {
        /// The configuration.
        config: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// Only the process that runs them can reach them.
    #[error(
        "{}: a memory queue lives only inside the process that runs it, so nobody else can read it or put jobs into it; \
         a stored one, such as `sqlite`, can be shared",
        quoted(.0)
    )]
    InMemory(Vec<String>),
}

fn hint(name: &str, known: &[String]) -> String {
    did_you_mean(name, known.iter().map(String::as_str)).map(|hint| format!("; {hint}")).unwrap_or_default()
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What a choice needs to know about a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) name: &'a str,
    /// Whether other processes can have it too.
    pub(super) is_shared: bool,
}

impl ChoiceError {
    /// Says more of a name that one of the other providers has, each with the reason why it is no queue.
    pub(super) fn explained_by(self, others: &[(String, String)]) -> Self {
        match self {
            ChoiceError::Unknown { config, name, known } => match others.iter().find(|(other, _)| *other == name) {
                Some((_, why)) => ChoiceError::NotAQueue { config, name, why: why.clone() },
                None => ChoiceError::Unknown { config, name, known },
            },
            other => other,
        }
    }
}

/// The positions of the chosen queues, or why there is none to choose.
pub(super) fn pick(queues: &[Known<'_>], choice: Choice<'_>, config: &str) -> Result<Vec<usize>, ChoiceError> {
    let config = || config.to_owned();
    let known = || queues.iter().map(|queue| queue.name.to_owned()).collect();
    if queues.is_empty() {
        return Err(ChoiceError::None { config: config() });
    }
    let index = match choice {
        Choice::All => {
            let shared: Vec<usize> = (0..queues.len()).filter(|index| queues[*index].is_shared).collect();
            return if shared.is_empty() { Err(ChoiceError::InMemory(known())) } else { Ok(shared) };
        }
        Choice::Named(name) => {
            let unknown = || ChoiceError::Unknown { config: config(), name: name.to_owned(), known: known() };
            queues.iter().position(|queue| queue.name == name).ok_or_else(unknown)?
        }
        Choice::Only if queues.len() > 1 => return Err(ChoiceError::Several { config: config(), known: known() }),
        Choice::Only => 0,
    };
    if queues[index].is_shared { Ok(vec![index]) } else { Err(ChoiceError::InMemory(vec![queues[index].name.to_owned()])) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: Known<'_> = Known { name: "jobs", is_shared: true };
    const ORDERS: Known<'_> = Known { name: "orders", is_shared: true };
    const SCRATCH: Known<'_> = Known { name: "scratch", is_shared: false };

    #[test]
    fn the_only_queue_needs_no_name() {
        assert_eq!(pick(&[JOBS], Choice::Only, "c.ron"), Ok(vec![0]));
        assert_eq!(pick(&[SCRATCH, JOBS, ORDERS], Choice::All, "c.ron"), Ok(vec![1, 2]));
        assert_eq!(pick(&[JOBS, ORDERS], Choice::Named("orders"), "c.ron"), Ok(vec![1]));
    }

    #[test]
    fn a_queue_that_cannot_be_chosen_is_explained() {
        let errors = [
            pick(&[], Choice::Only, "c.ron"),
            pick(&[JOBS, ORDERS], Choice::Only, "c.ron"),
            pick(&[JOBS, ORDERS], Choice::Named("order"), "c.ron"),
            pick(&[JOBS, SCRATCH], Choice::Named("scratch"), "c.ron"),
            pick(&[SCRATCH], Choice::All, "c.ron"),
        ];
        let errors: Vec<String> = errors.into_iter().map(|error| error.unwrap_err().to_string()).collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
