//! Short-lived credentials for TURN servers.
//!
//! The scheme of draft-uberti-behave-turn-rest-00, which coturn calls `use-auth-secret`: the name
//! says until when it is good, and the password is its HMAC under a secret that only this server
//! and the TURN server have. The TURN server keeps no list of people.

use crate::config::TurnConfig;
use crate::secrets::Private;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use otyrys_signaling::wire::IceServer;
use otyrys_storage::ids::ParticipantId;
use sha1::Sha1;
use std::{fs, io, path::PathBuf, time::Duration};

/// A `[turn]` that cannot be used; the text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// Addresses without a secret.
    #[error("turn.urls is set and turn.secret is not: it must be the secret of these servers")]
    NoSecret,
    /// Both kinds of secret.
    #[error("turn.secret and turn.secret_file are both set: keep one")]
    TwoSecrets,
    /// The file of the secret.
    #[error("turn.secret_file {path} cannot be read: {source}", path = path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No address of a TURN server (RFC 7065).
    #[error("turn.urls: {url:?} does not begin with turn: or turns:")]
    WrongUrl {
        /// As configured.
        url: String,
    },
}

/// The TURN servers that clients are told of.
#[derive(Debug, Clone)]
pub struct Turn {
    urls: Vec<String>,
    secret: Private,
    lifetime: Duration,
}

impl Turn {
    /// Reads the secret.
    ///
    /// # Errors
    /// A configuration that would give clients credentials that no server takes.
    pub fn new(config: &TurnConfig) -> Result<Self, TurnError> {
        if let Some(url) = config
            .urls
            .iter()
            .find(|url| !url.starts_with("turn:") && !url.starts_with("turns:"))
        {
            return Err(TurnError::WrongUrl { url: url.clone() });
        }
        let secret = match (&config.secret_file, config.secret.reveal()) {
            (None, _) => config.secret.clone(),
            (Some(path), "") => fs::read_to_string(path)
                .map_err(|source| TurnError::SecretFile {
                    path: path.clone(),
                    source,
                })?
                .trim()
                .to_owned()
                .into(),
            (Some(_), _) => return Err(TurnError::TwoSecrets),
        };
        if !config.urls.is_empty() && secret.reveal().is_empty() {
            return Err(TurnError::NoSecret);
        }
        Ok(Self {
            urls: config.urls.clone(),
            secret,
            lifetime: Duration::from_secs(config.lifetime_seconds),
        })
    }

    /// What a person's client is told at `now`. Nothing if there are no servers.
    #[must_use]
    pub fn ice_servers(&self, now: Timestamp, participant: ParticipantId) -> Vec<IceServer> {
        if self.urls.is_empty() {
            return Vec::new();
        }
        let expires = now
            .as_second()
            .saturating_add_unsigned(self.lifetime.as_secs());
        let username = format!("{expires}:{participant}");
        vec![IceServer {
            urls: self.urls.clone(),
            credential: self.credential(&username),
            username,
        }]
    }

    fn credential(&self, username: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret.reveal().as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(username.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TurnConfig {
        TurnConfig {
            urls: vec!["turns:turn.court.example:443?transport=tcp".into()],
            secret: "north".to_owned().into(),
            ..TurnConfig::default()
        }
    }

    #[test]
    fn a_credential_is_what_coturn_computes() {
        let turn = Turn::new(&config()).unwrap();
        // printf 1700043200:alice | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            turn.credential("1700043200:alice"),
            "01Pv2e5apc0HX4gVDY1wJke35Uc="
        );
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let servers = turn.ice_servers(now, ParticipantId::generate());
        assert!(servers[0].username.starts_with("1700043200:"));
        let told = format!("{servers:?} {turn:?}");
        assert!(!told.contains("north") && !told.contains(&servers[0].credential));
    }

    #[test]
    fn a_configuration_that_no_client_could_use_is_refused() {
        assert!(Turn::new(&TurnConfig::default()).is_ok());
        let no_secret = TurnConfig {
            secret: Private::default(),
            ..config()
        };
        assert!(matches!(Turn::new(&no_secret), Err(TurnError::NoSecret)));
        let wrong = TurnConfig {
            urls: vec!["https://turn.court.example".into()],
            ..config()
        };
        assert!(matches!(Turn::new(&wrong), Err(TurnError::WrongUrl { .. })));
        let missing = TurnConfig {
            secret: Private::default(),
            secret_file: Some("/nowhere/secret".into()),
            ..config()
        };
        assert!(matches!(
            Turn::new(&missing),
            Err(TurnError::SecretFile { .. })
        ));
        let both = TurnConfig {
            secret_file: Some("/nowhere/secret".into()),
            ..config()
        };
        assert!(matches!(Turn::new(&both), Err(TurnError::TwoSecrets)));
    }

    #[test]
    fn the_secret_may_stand_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        fs::write(&file, "north\n").unwrap();
        let from_file = TurnConfig {
            secret: Private::default(),
            secret_file: Some(file),
            ..config()
        };
        let [one, other] = [from_file, config()]
            .map(|config| Turn::new(&config).unwrap().credential("1700043200:alice"));
        assert_eq!(one, other);
    }
}
