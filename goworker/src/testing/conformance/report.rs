//! How the suite ended.

use std::fmt;

/// How the cases and the walks ended.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The type of the queue.
    pub queue: String,
    /// The cases that hold.
    pub passed: Vec<String>,
    /// Those that cannot be told, because the store's clock is its own.
    pub skipped: Vec<String>,
    /// How many walks were begun.
    pub walks: u32,
    /// How many steps they had.
    pub steps: u64,
    /// What does not hold: cases, and at most one invariant.
    pub broken: Vec<Broken>,
}

/// A case, or an invariant, that does not hold.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The property.
    pub case: String,
    /// What was expected, and what came instead; for an invariant with all steps that led to it.
    pub what: String,
}

impl Broken {
    /// Of a text whose first line tells the property.
    pub(super) fn headed(text: &str) -> Self {
        let (case, what) = text.split_once('\n').unwrap_or(("the walks", text));
        Broken { case: case.into(), what: what.into() }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { queue, passed, skipped, walks, steps, broken } = self;
        write!(f, "{queue}: {} cases hold", passed.len())?;
        if !skipped.is_empty() {
            write!(f, ", {} cannot be told", skipped.len())?;
        }
        write!(f, "; {walks} walks beside the model, {steps} steps")?;
        if !broken.is_empty() {
            write!(f, "; {} broken", broken.len())?;
        }
        for Broken { case, what } in broken {
            write!(f, "\n\n  {case}\n    {}", what.replace('\n', "\n    "))?;
        }
        Ok(())
    }
}
