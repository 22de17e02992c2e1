//! Opening a file: one of ours, or a new one; anything else is refused and left as it is.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema::{self, APPLICATION_ID, STEPS};

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How often, and after what pause, a file is opened again that others are making.
const BUSY_TRIES: u32 = 200;
const BUSY_PAUSE: Duration = Duration::from_millis(10);
/// Files up to this size are checked as a whole when they are opened; larger ones as they are read.
const CHECKED_BYTES: u64 = 16 << 20;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("`{0}` is in a folder that does not exist; create the folder, or correct `path`")]
    NoFolder(PathBuf),
    #[error("`{0}` is not a file; `path` names the file that the jobs are stored in")]
    NotAFile(PathBuf),
    #[error("`{0}` is not a database, and stays as it is; name another file in `path`")]
    NotADatabase(PathBuf),
    #[error("`{0}` is the SQLite database of another program, and stays as it is; name another file in `path`")]
    Foreign(PathBuf),
    #[error(
        "`{path}` was written by a newer goworker (schema {found}, this one knows {known}); run that one, or name another file in `path`"
    )]
    Newer { path: PathBuf, found: usize, known: usize },
    #[error("`{path}` is damaged ({found}); restore a backup, or save what can be read: sqlite3 {path} .recover")]
    Damaged { path: PathBuf, found: String },
    #[error("`{0}` cannot be written; make the file and its folder writable for this user")]
    ReadOnly(PathBuf),
    #[error("`{path}` cannot be looked at: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("`{path}` cannot be opened: {error}")]
    Other { path: PathBuf, error: rusqlite::Error },
}

/// Opens the connection that writes; creates the file, or brings it to the newest schema.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let mut tries = 0;
    loop {
        let size = check_place(path)?.unwrap_or(0);
        match connect(path, size) {
            // SQLite does not wait by itself while another process turns a new file into one with a write-ahead log.
            Err(Fault::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tries < BUSY_TRIES => {
                tries += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            result => return result.map_err(|fault| fault.at(path)),
        }
    }
}

/// Opens a connection that only reads. The file has been opened by [`open`] before.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(32);
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
    Ok(conn)
}

/// Which file a path named when it was opened, to notice that it was replaced or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|meta| Identity { device: meta.dev(), inode: meta.ino() })
    }
}

/// What is wrong, without the path.
enum Fault {
    Foreign,
    Newer(usize),
    Damaged(String),
    ReadOnly,
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sqlite(error)
    }
}

impl Fault {
    fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Fault::Foreign => OpenError::Foreign(path),
            Fault::Newer(found) => OpenError::Newer { path, found, known: STEPS.len() },
            Fault::Damaged(found) => OpenError::Damaged { path, found },
            Fault::ReadOnly => OpenError::ReadOnly(path),
            Fault::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => OpenError::NotADatabase(path),
                Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, found: error.to_string() },
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => OpenError::ReadOnly(path),
                _ => OpenError::Other { path, error },
            },
        }
    }
}

/// Answers the size of the file, if there is one. The path is absolute.
pub(super) fn check_place(path: &Path) -> Result<Option<u64>, OpenError> {
    let unreadable = |error| OpenError::Unreadable { path: path.to_owned(), error };
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
        Ok(_) => Err(OpenError::NotAFile(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parent().map(fs::metadata) {
            Some(Ok(_)) => Ok(None),
            _ => Err(OpenError::NoFolder(path.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(OpenError::NoFolder(path.to_owned())),
        Err(error) => Err(unreadable(error)),
    }
}

fn connect(path: &Path, size: u64) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    check_ours(&conn)?;
    if conn.is_readonly("main")? {
        return Err(Fault::ReadOnly);
    }
    if size > 0 && size <= CHECKED_BYTES {
        check_sound(&conn)?;
    }
    configure(&conn)?;
    schema::migrate(&mut conn, STEPS)?;
    Ok(conn)
}

/// Reads only, so that a file that is not ours stays as it is.
fn check_ours(conn: &Connection) -> Result<(), Fault> {
    // All in one transaction: another process may be making the file at this moment, and half of that looks foreign.
    let seen = conn.unchecked_transaction()?;
    let application: i32 = seen.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = seen.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let found = schema::version(&seen)?;
    seen.finish()?;
    match application {
        APPLICATION_ID if found > STEPS.len() => Err(Fault::Newer(found)),
        APPLICATION_ID => Ok(()),
        0 if tables == 0 && found == 0 => Ok(()),
        _ => Err(Fault::Foreign),
    }
}

fn check_sound(conn: &Connection) -> Result<(), Fault> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    // The first line may be a headline.
    let found = verdict.lines().last().unwrap_or_default();
    if found == "ok" { Ok(()) } else { Err(Fault::Damaged(found.to_owned())) }
}

fn configure(conn: &Connection) -> Result<(), Fault> {
    // `fullfsync`: on macOS an ordinary sync does not reach the disk. Elsewhere the pragma does nothing.
    // No mmap: a file that is cut short by someone else would kill the process instead of answering an error.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;
         PRAGMA cache_size = -32000; PRAGMA mmap_size = 0;
         PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
    )?;
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode == "wal" { Ok(()) } else { Err(Fault::Damaged(format!("its journal mode is `{mode}` and cannot be changed to `wal`"))) }
}
