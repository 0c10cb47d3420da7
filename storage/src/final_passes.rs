//! What was heard again after a hearing: lines that came in place of others.

use crate::{
    database::{Database, parse},
    draft::{LineRow, insert_line},
    error::StorageError,
    ids::{HearingId, LineId, SegmentId},
};
use sqlx::Row;

/// A file of the record that was heard again as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalPass {
    /// Which.
    pub segment: SegmentId,
    /// The model's file, by name.
    pub model: String,
    /// SHA-256 of the model's file, hexadecimal.
    pub model_sha256: String,
}

impl Database {
    /// Stores, all or nothing, that a file was heard again: the lines that came of it, and those of
    /// before that gave way to them. Of a file that was heard again before, nothing is stored.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] if the hearing, a participant or a line that gives way is unknown,
    /// or if one gave way before.
    pub async fn put_final_pass(
        &self,
        hearing: HearingId,
        pass: &FinalPass,
        lines: &[LineRow],
        replaced: &[LineId],
    ) -> Result<(), StorageError> {
        let mut transaction = self.write().await?;
        let stored = sqlx::query(
            "INSERT INTO final_passes (hearing, segment, model, model_sha256) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (hearing, segment) DO NOTHING",
        )
        .bind(hearing.to_string())
        .bind(pass.segment.to_string())
        .bind(&pass.model)
        .bind(&pass.model_sha256)
        .execute(&mut *transaction)
        .await?;
        if stored.rows_affected() == 0 {
            return Ok(());
        }
        for line in lines {
            insert_line(&mut transaction, hearing, line).await?;
        }
        for line in replaced {
            sqlx::query("INSERT INTO replaced_lines (line, hearing) VALUES ($1, $2)")
                .bind(line.to_string())
                .bind(hearing.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The files of a hearing that were heard again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn final_passes(&self, hearing: HearingId) -> Result<Vec<FinalPass>, StorageError> {
        let rows = sqlx::query("SELECT * FROM final_passes WHERE hearing = $1 ORDER BY segment")
            .bind(hearing.to_string())
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(FinalPass {
                    segment: parse(row.try_get("segment")?)?,
                    model: row.try_get("model")?,
                    model_sha256: row.try_get("model_sha256")?,
                })
            })
            .collect()
    }
}
