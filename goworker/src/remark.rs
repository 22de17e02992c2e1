//! What a plugin has to say of its settings, before it is started.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is started.
    Error,
    /// It runs, but probably not as meant.
    Warning,
}

/// Something about a setting that its type cannot tell: it does not go with another one, or is dangerous. `goworker check` and
/// `goworker run` show it with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// How bad it is.
    pub severity: Severity,
    /// The setting.
    pub setting: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Remark {
    /// With this setting nothing can be started.
    pub fn error(setting: &'static str, message: impl Into<String>) -> Self {
        Remark { severity: Severity::Error, setting, message: message.into(), help: None }
    }

    /// With this setting it runs, but probably not as meant.
    pub fn warning(setting: &'static str, message: impl Into<String>) -> Self {
        Remark { severity: Severity::Warning, ..Remark::error(setting, message) }
    }

    /// Says what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
