//! The database of one data directory: opening, exclusive use, schema.

use crate::error::StorageError;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{
    Connection, Sqlite, Transaction,
    migrate::Migrator,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    },
};
use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

static MIGRATOR: Migrator = sqlx::migrate!();

/// How long a statement waits for another process's lock before [`StorageError::Busy`].
/// Ours are short; five seconds outlast a backup's checkpoint and stay below a person's patience.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers at once. They run beside the writer (WAL); more than a few only share the same disk.
const READERS: u32 = 4;

/// The database in a data directory (`otyrys.db`), held exclusively by the server's process
/// (`lock`).
///
/// What a method has returned `Ok` for is on disk: every commit is synchronous. Cloning is cheap
/// and shares the connections and the lock. Writers queue in order for one connection.
#[derive(Debug, Clone)]
pub struct Database {
    pub(crate) readers: SqlitePool,
    pub(crate) writer: SqlitePool,
    // Released by the operating system when the last clone goes, also after kill -9.
    _lock: Option<Arc<File>>,
}

impl Database {
    /// Opens or creates the database in `data_dir`. Call [`Database::migrate`] next.
    ///
    /// # Errors
    /// [`StorageError::InUse`] if another process (or another call) holds the directory.
    pub async fn open(data_dir: &Path) -> Result<Self, StorageError> {
        Self::open_with(data_dir, BUSY_TIMEOUT).await
    }

    /// [`Database::open`] with another patience for locks than [`BUSY_TIMEOUT`].
    ///
    /// # Errors
    /// As [`Database::open`].
    pub async fn open_with(data_dir: &Path, busy: Duration) -> Result<Self, StorageError> {
        fs::create_dir_all(data_dir).map_err(|error| StorageError::file(data_dir, error))?;
        let lock = lock(data_dir)?;
        Self::connect(data_dir, busy, Some(Arc::new(lock))).await
    }

    /// Opens the database beside the server that holds it, for a command that reads, or writes what
    /// the server does not keep in memory. The schema stays as it is.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is no database.
    pub async fn open_beside(data_dir: &Path) -> Result<Self, StorageError> {
        let path = Self::path_in(data_dir);
        fs::metadata(&path).map_err(|error| StorageError::file(&path, error))?;
        Self::connect(data_dir, BUSY_TIMEOUT, None).await
    }

    async fn connect(
        data_dir: &Path,
        busy: Duration,
        lock: Option<Arc<File>>,
    ) -> Result<Self, StorageError> {
        let options = SqliteConnectOptions::new()
            .filename(Self::path_in(data_dir))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL, not NORMAL: in WAL mode NORMAL may lose the last commits with the power.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is deleted or overwritten is so in the file, too: keys are, in the end.
            .pragma("secure_delete", "ON")
            .busy_timeout(busy);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(busy.max(Duration::from_secs(1)))
        };
        // After a commit that met a full disk, SQLite may still be in the transaction, so that what
        // follows would be lost with it, or sqlx may still believe so and begin no other. Such a
        // connection is closed when it comes back, and the next writer gets a new one.
        let writer = pool(1)
            .after_release(|connection, _| {
                Box::pin(async move {
                    // Without a transaction SQLite refuses to roll back, as it should here.
                    let rolled_back = sqlx::query("ROLLBACK").execute(&mut *connection).await;
                    Ok(rolled_back.is_err() && !connection.is_in_transaction())
                })
            })
            .connect_with(options.clone())
            .await?;
        let readers = pool(READERS).connect_with(options).await?;
        Ok(Self {
            readers,
            writer,
            _lock: lock,
        })
    }

    /// Where the database file of a data directory lies.
    #[must_use]
    pub fn path_in(data_dir: &Path) -> PathBuf {
        data_dir.join("otyrys.db")
    }

    /// Brings the schema up to date. Does nothing when it is.
    ///
    /// # Errors
    /// [`StorageError::Schema`] if the database was made by a newer version or a migration failed.
    pub async fn migrate(&self) -> Result<(), StorageError> {
        Ok(MIGRATOR.run(&self.writer).await?)
    }

    /// Finishes what runs and closes the connections. The lock goes with the last clone.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that holds the write lock from its first statement, so that what it reads
    /// is still true when it writes.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StorageError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn lock(data_dir: &Path) -> Result<File, StorageError> {
    let path = data_dir.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StorageError::file(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::InUse(data_dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(StorageError::file(&path, error)),
    }
}

/// A time as the database keeps it: microseconds since 1970.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A time from the database.
pub(crate) fn timestamp(micros: i64) -> Result<Timestamp, StorageError> {
    Timestamp::from_microsecond(micros).map_err(|error| StorageError::corrupt("a time", error))
}

/// A value kept as text (an identifier, a digest).
pub(crate) fn parse<T: FromStr<Err: ToString>>(text: &str) -> Result<T, StorageError> {
    text.parse()
        .map_err(|error: T::Err| StorageError::corrupt(format!("{text:?}"), error.to_string()))
}

/// A JSON column.
pub(crate) fn parse_json(text: &str) -> Result<Value, StorageError> {
    serde_json::from_str(text).map_err(|error| StorageError::corrupt("a JSON column", error))
}
