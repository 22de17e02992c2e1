//! What an error of SQLite means to the one who asked: try again, or not.

use std::path::Path;

use anyhow::anyhow;
use rusqlite::{Error, ErrorCode};

use crate::provider::ProviderError;

/// The bytes of an extended code that name an I/O error of the shared memory file, which holds no data.
const SHARED_MEMORY_FULL: i32 = 10 | 19 << 8;
const IO_OUT_OF_MEMORY: i32 = 10 | 12 << 8;

/// Whether nothing may be written to the file any more by this process: what reached the disk is not known.
pub(super) fn is_final(error: &Error) -> bool {
    let Some(found) = error.sqlite_error() else { return false };
    match found.code {
        ErrorCode::SystemIoFailure => !matches!(found.extended_code, SHARED_MEMORY_FULL | IO_OUT_OF_MEMORY),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => true,
        _ => false,
    }
}

/// Whether the error has nothing to do with what was to be done.
pub(super) fn concerns_all(error: &Error) -> bool {
    is_final(error) || matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// The error as the caller is told.
pub(super) fn explain(error: &Error, path: &Path) -> ProviderError {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ProviderError::Unavailable(anyhow!("`{path}` cannot grow: the disk is full")),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ProviderError::Unavailable(anyhow!("`{path}` is being written by another process for too long"))
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ProviderError::Failed(anyhow!("`{path}` is damaged: {error}")),
        Some(
            ErrorCode::OutOfMemory
            | ErrorCode::CannotOpen
            | ErrorCode::SchemaChanged
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::SystemIoFailure,
        ) if !is_final(error) => ProviderError::Unavailable(anyhow!("`{path}` cannot be used for now: {error}")),
        _ => ProviderError::Failed(anyhow!("`{path}` cannot be used: {error}")),
    }
}

/// What is answered once an error was final.
pub(super) fn stopped(path: &Path, why: &str) -> ProviderError {
    ProviderError::Failed(anyhow!("`{}` is not used any more since an earlier error ({why}); mend it and start again", path.display()))
}

/// What is answered after the queue was closed.
pub(super) fn closed(path: &Path) -> ProviderError {
    ProviderError::Failed(anyhow!("`{}` is closed", path.display()))
}

/// What stands in a column cannot be read.
pub(super) fn unreadable(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}
