//! Cases with their parties and sittings.

use super::Registry;
use crate::{
    database::{micros, timestamp},
    error::StorageError,
};
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};

/// A case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its number, by which everybody calls it.
    pub number: String,
    /// What it is called.
    pub title: String,
    /// Kind of procedure (`criminal`, `civil`, …), in the words of the crate above.
    pub kind: String,
    /// Name of the court.
    pub court: String,
    /// In their order.
    pub parties: Vec<Party>,
    /// In their order.
    pub schedule: Vec<Sitting>,
}

/// A party to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// Name.
    pub name: String,
    /// Role, in the words of the crate above.
    pub role: String,
}

/// A sitting that a case is scheduled for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sitting {
    /// The hearing, as the sender of packages calls it.
    pub hearing: String,
    /// Where.
    pub courtroom: String,
    /// When.
    pub scheduled_at: Timestamp,
}

impl Registry {
    /// Stores a case; one with the same number gets these facts instead of its own, and keeps its
    /// packages.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_case(&self, case: &Case) -> Result<(), StorageError> {
        let mut transaction = self.database.write().await?;
        sqlx::query(
            "INSERT INTO registry_cases (number, title, kind, court) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (number) DO UPDATE SET title = excluded.title, kind = excluded.kind, \
             court = excluded.court",
        )
        .bind(&case.number)
        .bind(&case.title)
        .bind(&case.kind)
        .bind(&case.court)
        .execute(&mut *transaction)
        .await?;
        for delete in [
            "DELETE FROM registry_parties WHERE case_number = $1",
            "DELETE FROM registry_sittings WHERE case_number = $1",
        ] {
            sqlx::query(delete)
                .bind(&case.number)
                .execute(&mut *transaction)
                .await?;
        }
        for (ordinal, party) in (0_i64..).zip(&case.parties) {
            sqlx::query(
                "INSERT INTO registry_parties (case_number, ordinal, name, role) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(&case.number)
            .bind(ordinal)
            .bind(&party.name)
            .bind(&party.role)
            .execute(&mut *transaction)
            .await?;
        }
        for (ordinal, sitting) in (0_i64..).zip(&case.schedule) {
            sqlx::query(
                "INSERT INTO registry_sittings (case_number, ordinal, hearing, courtroom, \
                 scheduled_us) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(&case.number)
            .bind(ordinal)
            .bind(&sitting.hearing)
            .bind(&sitting.courtroom)
            .bind(micros(sitting.scheduled_at))
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// All cases, by number.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn cases(&self) -> Result<Vec<Case>, StorageError> {
        let rows = sqlx::query("SELECT * FROM registry_cases ORDER BY number")
            .fetch_all(&self.database.readers)
            .await?;
        let mut cases = Vec::with_capacity(rows.len());
        for row in &rows {
            cases.push(self.complete(row).await?);
        }
        Ok(cases)
    }

    /// One case.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] if there is none.
    pub async fn case(&self, number: &str) -> Result<Case, StorageError> {
        let row = sqlx::query("SELECT * FROM registry_cases WHERE number = $1")
            .bind(number)
            .fetch_optional(&self.database.readers)
            .await?
            .ok_or_else(|| StorageError::NotFound(format!("case {number}")))?;
        self.complete(&row).await
    }

    async fn complete(&self, row: &SqliteRow) -> Result<Case, StorageError> {
        let number: String = row.try_get("number")?;
        let parties =
            sqlx::query("SELECT * FROM registry_parties WHERE case_number = $1 ORDER BY ordinal")
                .bind(&number)
                .fetch_all(&self.database.readers)
                .await?;
        let sittings =
            sqlx::query("SELECT * FROM registry_sittings WHERE case_number = $1 ORDER BY ordinal")
                .bind(&number)
                .fetch_all(&self.database.readers)
                .await?;
        let party = |row: &SqliteRow| {
            Ok(Party {
                name: row.try_get("name")?,
                role: row.try_get("role")?,
            })
        };
        let sitting = |row: &SqliteRow| {
            Ok(Sitting {
                hearing: row.try_get("hearing")?,
                courtroom: row.try_get("courtroom")?,
                scheduled_at: timestamp(row.try_get("scheduled_us")?)?,
            })
        };
        Ok(Case {
            number,
            title: row.try_get("title")?,
            kind: row.try_get("kind")?,
            court: row.try_get("court")?,
            parties: parties
                .iter()
                .map(party)
                .collect::<Result<_, StorageError>>()?,
            schedule: sittings
                .iter()
                .map(sitting)
                .collect::<Result<_, StorageError>>()?,
        })
    }
}
