//! What can go wrong with storage, told apart by what the caller can do about it.

use crate::ids::HearingId;
use std::{io, path::Path};

/// An error of this crate. Each variant says what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database is locked by another transaction, or every connection is taken. Trying again
    /// helps; nothing was written.
    #[error("the database is busy")]
    Busy,
    /// Another process has this data directory open. Stop that one, or choose another directory.
    #[error("the data directory {0} is in use by another process")]
    InUse(String),
    /// No room: the disk, the quota or the largest allowed file is full. What was acknowledged
    /// before stays valid; make room.
    #[error("no room left to write {0}")]
    DiskFull(String),
    /// Writing or reading failed for another reason (rights, a read-only or lost disk).
    #[error("{what} cannot be written or read: {source}")]
    NotWritable {
        /// The file or the database.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is stored is not what was stored. A person must look.
    #[error("{what} is damaged: {reason}")]
    Corrupt {
        /// The file or the row.
        what: String,
        /// In words.
        reason: String,
    },
    /// No such thing.
    #[error("{0} does not exist")]
    NotFound(String),
    /// It contradicts what is there already: a second one, a lost lease, a state that does not
    /// allow it. Trying again does not help.
    #[error("{0}")]
    Conflict(String),
    /// What was given cannot be stored (a path that leaves its folder, a limit passed).
    #[error("{0}")]
    Invalid(String),
    /// The key of a hearing is neither in its folder nor in the database, so that nothing of its
    /// record can be read or written. Bring either back from a backup; other hearings live.
    #[error("the key of hearing {0} is missing: bring its hearing.key or the database back")]
    KeyMissing(HearingId),
    /// The time for which the hearing is kept is over, and its key was destroyed. Nothing helps.
    #[error("the record of hearing {0} is gone: its key was destroyed")]
    KeyDestroyed(HearingId),
    /// The master key is missing or another one. Nothing starts without the right one.
    #[error("{0}")]
    MasterKey(String),
    /// A fault of the database that fits nothing above; an operator must look.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
    /// The schema could not be brought up to date; an operator must look.
    #[error("the database schema could not be brought up to date")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// A fault of the archive's store that fits nothing above; an operator must look.
    #[error("the archive failed")]
    Archive(#[source] object_store::Error),
}

impl StorageError {
    /// The error of a file operation on `path`.
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        // What our own readers say of an encrypted file needs no other words.
        let source = match source.downcast::<Self>() {
            Ok(own) => return own,
            Err(other) => other,
        };
        let what = path.display().to_string();
        match source.kind() {
            // A limit on the size of one file (EFBIG) asks for the same as a full disk.
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull(what),
            io::ErrorKind::NotFound => Self::NotFound(what),
            io::ErrorKind::InvalidData => Self::corrupt(what, source),
            _ => Self::NotWritable { what, source },
        }
    }

    /// What is stored at `what` does not hold, for `reason`.
    pub(crate) fn corrupt(what: impl ToString, reason: impl ToString) -> Self {
        Self::Corrupt {
            what: what.to_string(),
            reason: reason.to_string(),
        }
    }
}

/// For readers and writers that go where files are expected.
impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        let kind = match &error {
            StorageError::DiskFull(_) => io::ErrorKind::StorageFull,
            StorageError::NotWritable { source, .. } => source.kind(),
            StorageError::Corrupt { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::RowNotFound => Self::NotFound("the row".to_owned()),
            sqlx::Error::Io(source) if source.kind() == io::ErrorKind::StorageFull => {
                Self::DiskFull("the database".to_owned())
            }
            sqlx::Error::Database(fault) => {
                if fault.is_unique_violation() || fault.is_foreign_key_violation() {
                    return Self::Conflict(fault.message().to_owned());
                }
                // SQLite's extended result codes carry the primary code in the low byte
                // (https://sqlite.org/rescode.html).
                let code = fault.code().and_then(|code| code.parse::<u32>().ok());
                match code.map(|code| code & 0xff) {
                    // SQLITE_BUSY, SQLITE_LOCKED
                    Some(5 | 6) => Self::Busy,
                    // SQLITE_FULL
                    Some(13) => Self::DiskFull("the database".to_owned()),
                    // SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN
                    Some(8 | 10 | 14) => Self::NotWritable {
                        what: "the database".to_owned(),
                        source: io::Error::other(fault.message().to_owned()),
                    },
                    // SQLITE_CORRUPT, SQLITE_NOTADB
                    Some(11 | 26) => Self::corrupt("the database", fault.message()),
                    // SQLITE_CONSTRAINT: the triggers that keep tables append-only, and checks.
                    Some(19) => Self::Conflict(fault.message().to_owned()),
                    _ => Self::Database(error),
                }
            }
            _ => Self::Database(error),
        }
    }
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { path, .. } => Self::NotFound(path),
            object_store::Error::AlreadyExists { path, .. } => {
                Self::Conflict(format!("{path} exists already"))
            }
            other => Self::Archive(other),
        }
    }
}
