//! Invitation links.

use crate::secrets::Secret;
use jiff::Timestamp;
use otyrys_storage::{Database, StorageError, ids::ParticipantId};
use std::sync::Arc;

/// Makes invitation links. Only the hash of a link's secret is kept, so a link is seen once.
#[derive(Clone)]
pub struct Links {
    database: Database,
    public_url: Arc<str>,
}

impl Links {
    /// Links that begin with `public_url`.
    #[must_use]
    pub fn new(database: Database, public_url: &str) -> Self {
        Self {
            database,
            public_url: public_url.trim_end_matches('/').into(),
        }
    }

    /// How people reach this server.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Makes a new link for a person. An earlier link and the seat that it opened stop working.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn renew(&self, participant: ParticipantId) -> Result<String, StorageError> {
        let token = Secret::generate();
        self.database
            .create_invitation(participant, token.hash().into(), Timestamp::now())
            .await?;
        Ok(format!("{}/j/{}", self.public_url, token.reveal()))
    }
}
