//! The second copy of each hearing's wrapped key.

use crate::{
    at_rest::WrappedKey,
    database::{Database, micros},
    error::StorageError,
    ids::HearingId,
};

impl Database {
    /// The wrapped key of a hearing, or what is left of it.
    pub(crate) async fn hearing_key(
        &self,
        hearing: HearingId,
    ) -> Result<Option<WrappedKey>, StorageError> {
        let line: Option<String> =
            sqlx::query_scalar("SELECT wrapped FROM hearing_keys WHERE hearing = $1")
                .bind(hearing.to_string())
                .fetch_optional(&self.readers)
                .await?;
        line.map(|line| WrappedKey::from_line(&line, hearing))
            .transpose()
    }

    /// Stores the key of a hearing that has none yet; tells which one it has now.
    pub(crate) async fn put_hearing_key(
        &self,
        hearing: HearingId,
        key: WrappedKey,
    ) -> Result<WrappedKey, StorageError> {
        sqlx::query(
            "INSERT INTO hearing_keys (hearing, wrapped, destroyed_us) VALUES ($1, $2, $3) \
             ON CONFLICT (hearing) DO NOTHING",
        )
        .bind(hearing.to_string())
        .bind(key.to_line()?)
        .bind(key.destroyed_at().map(micros))
        .execute(&self.writer)
        .await?;
        Ok(self.hearing_key(hearing).await?.unwrap_or(key))
    }

    /// Whether any hearing has a key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_hearing_keys(&self) -> Result<bool, StorageError> {
        Ok(
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM hearing_keys)")
                .fetch_one(&self.readers)
                .await?,
        )
    }
}
