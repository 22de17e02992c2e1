//! How a command ends when it does not end well, and the exit code for it.

use std::io;
use std::process::ExitCode;

use super::terminal;
use crate::client::ClientError;
use crate::config::LoadError;
use crate::provider::ProviderError;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The command line is wrong.
    Usage(String),
    /// The same, found by clap; `--help` and `--version` come this way too.
    Clap(clap::Error),
    /// Jobs failed, or were not found.
    Failed(String),
    /// The same, and the reasons were told as they came up.
    Told,
    /// A store or a port could not be had.
    Unavailable(String),
    /// The configuration is wrong.
    Config(LoadError),
    /// The same, and the mistakes were told as data.
    ConfigTold,
    /// stdout could not be written.
    Output(io::Error),
}

impl Fault {
    /// The store behind `queue` did not do its part.
    pub(super) fn store(queue: &str, error: &ProviderError) -> Self {
        Fault::Unavailable(format!("queue `{queue}`: {error}"))
    }

    /// Says what is wrong, and answers the exit code.
    pub(super) fn report(self) -> ExitCode {
        match &self {
            Fault::Usage(message) | Fault::Failed(message) | Fault::Unavailable(message) => terminal::error(message),
            Fault::Clap(error) => terminal::clap(error),
            Fault::Config(LoadError::Wrong(report)) => terminal::diagnostics(report),
            Fault::Config(error) => terminal::error(&error.to_string()),
            // Whoever reads has had enough, as `head` has: that is not a failure.
            Fault::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Fault::Output(error) => terminal::error(&format!("the output could not be written: {error}")),
            Fault::Told | Fault::ConfigTold => {}
        }
        ExitCode::from(self.exit_code())
    }

    fn exit_code(&self) -> u8 {
        match self {
            Fault::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Fault::Output(_) | Fault::Failed(_) | Fault::Told => 1,
            Fault::Usage(_) => 2,
            Fault::Clap(error) => u8::try_from(error.exit_code()).unwrap_or(2),
            Fault::Unavailable(_) => 69,
            Fault::Config(_) | Fault::ConfigTold => 78,
        }
    }
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Choice(_) | ClientError::Job(_) => Fault::Usage(message),
            ClientError::Conflict { .. } => Fault::Failed(message),
            ClientError::Store { .. } => Fault::Unavailable(message),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Output(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_exit_code() {
        let text = String::new;
        assert_eq!(Fault::Failed(text()).exit_code(), 1);
        assert_eq!(Fault::Told.exit_code(), 1);
        assert_eq!(Fault::Usage(text()).exit_code(), 2);
        assert_eq!(Fault::Unavailable(text()).exit_code(), 69);
        assert_eq!(Fault::Output(io::ErrorKind::BrokenPipe.into()).exit_code(), 0);
        assert_eq!(Fault::Output(io::ErrorKind::StorageFull.into()).exit_code(), 1);
    }
}
