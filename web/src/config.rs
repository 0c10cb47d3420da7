//! The configuration: defaults, `otyrys.toml`, then environment variables.
//!
//! `otyrys.toml` at the top of the repository shows every knob with its default and its reason.
//! A variable `OTYRYS_SERVER__LISTEN` overrides `listen` of `[server]`.

mod corrections;
mod final_pass;
mod limits;
mod reconcile;
mod retention;
mod room_file;
mod seal;

use crate::{hub::LineTestLimits, secrets::Private};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use otyrys_signaling::Language;
use otyrys_storage::KeySource;
use otyrys_transcribe::CorrectionError;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

pub use corrections::CorrectionConfig;
pub use final_pass::FinalPassConfig;
pub use limits::LimitsConfig;
pub use reconcile::ReconcileConfig;
pub use retention::RetentionConfig;
pub use room_file::RoomFileConfig;
pub use seal::{OwnWitnessConfig, SealConfig, TimeStampConfig, WitnessConfig};

/// Everything that an operator can set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTPS edge.
    pub server: ServerConfig,
    /// Sound and picture.
    pub media: MediaConfig,
    /// What one person, one address and one hearing may take.
    pub limits: LimitsConfig,
    /// Relays for networks that let neither UDP nor the media port through.
    pub turn: TurnConfig,
    /// The record.
    pub record: RecordConfig,
    /// Who, outside of the court, vouches for its seal.
    pub seal: SealConfig,
    /// Where this program is a witness of other courts (`otyrys witness`).
    pub witness: OwnWitnessConfig,
    /// For how long records are kept.
    pub retention: RetentionConfig,
    /// The end of the day.
    pub reconcile: ReconcileConfig,
    /// One film of the whole session.
    pub room_file: RoomFileConfig,
    /// The draft protocol.
    pub draft: DraftConfig,
    /// The case registry that results are delivered to.
    pub registry: RegistryConfig,
    /// The log.
    pub log: LogConfig,
}

/// The HTTPS edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address of pages, API and signalling (TCP).
    pub listen: SocketAddr,
    /// Address at which operators read metrics (HTTP, `GET /metrics`). None: nowhere.
    pub metrics: Option<SocketAddr>,
    /// How people reach this server: `https://host[:port]`. Invitation links begin with it.
    /// Empty: the first address of this machine.
    pub public_url: String,
    /// Where everything is kept: database, record, archive, keys.
    pub data_dir: PathBuf,
    /// Certificate chain (PEM). Empty: one is made at the first start in `data_dir/tls`.
    pub certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    pub private_key: Option<PathBuf>,
    /// How long running connections get at shutdown.
    pub shutdown_seconds: u64,
    /// Largest signalling message that a client may send, in bytes. An offer with 50 slots has
    /// about 60 kB.
    pub message_bytes: usize,
    /// Most messages that one client may send in a second; more ends its connection.
    pub messages_per_second: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443)),
            metrics: None,
            public_url: String::new(),
            data_dir: PathBuf::from("data"),
            certificate: None,
            private_key: None,
            shutdown_seconds: 10,
            message_bytes: 256 * 1024,
            messages_per_second: 50,
        }
    }
}

/// Sound and picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaConfig {
    /// Address of all sound and picture: UDP, and TCP for networks that block UDP. The TCP port
    /// may be that of [`ServerConfig::listen`].
    pub listen: SocketAddr,
    /// Addresses under which people reach `listen`. Empty: all addresses of this machine.
    pub advertise: Vec<IpAddr>,
    /// Sessions of line tests (`otyrys rehearse --site`) at once; 0 switches them off.
    pub line_tests: usize,
    /// How long a line test lasts at most.
    pub line_test_seconds: u64,
}

impl MediaConfig {
    pub(crate) fn line_test_limits(&self) -> LineTestLimits {
        LineTestLimits {
            sessions: self.line_tests,
            duration: Duration::from_secs(self.line_test_seconds),
        }
    }
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443)),
            advertise: Vec::new(),
            line_tests: 8,
            line_test_seconds: 120,
        }
    }
}

/// TURN servers (RFC 8656) that clients may use, and how they are let in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TurnConfig {
    /// `turn:` and `turns:` addresses (RFC 7065). Empty: clients are given none.
    pub urls: Vec<String>,
    /// The secret that is shared with these servers (coturn: `static-auth-secret`).
    pub secret: Private,
    /// A file with that secret, in place of `secret`.
    pub secret_file: Option<PathBuf>,
    /// How long a client's credential is good, from its `welcome` on.
    pub lifetime_seconds: u64,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            secret: Private::default(),
            secret_file: None,
            lifetime_seconds: 12 * 60 * 60,
        }
    }
}

/// The record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordConfig {
    /// A track that arrives and is not written for so long takes the session off the record.
    pub fault_after_ms: u64,
    /// File of the master key. Empty: `keys/master.key` in the data folder, made at the first
    /// start.
    pub master_key_file: Option<PathBuf>,
    /// A program and its arguments that write the master key to their output, in place of a file.
    pub master_key_command: Vec<String>,
    /// Where a second copy of the sound is written. None: nowhere.
    pub backup_path: Option<PathBuf>,
}

impl RecordConfig {
    /// Where the master key of a data folder comes from.
    #[must_use]
    pub fn master_key(&self, data_dir: &Path) -> KeySource {
        if !self.master_key_command.is_empty() {
            return KeySource::Command(self.master_key_command.clone());
        }
        let file = self.master_key_file.clone();
        KeySource::File(file.unwrap_or_else(|| data_dir.join("keys").join("master.key")))
    }

    /// [`Self::fault_after_ms`] as a duration.
    #[must_use]
    pub fn fault_after(&self) -> Duration {
        Duration::from_millis(self.fault_after_ms)
    }
}

impl Default for RecordConfig {
    fn default() -> Self {
        Self {
            fault_after_ms: 3_000,
            master_key_file: None,
            master_key_command: Vec::new(),
            backup_path: None,
        }
    }
}

/// The draft protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftConfig {
    /// Whether speech is recognised.
    pub enabled: bool,
    /// Whether it is recognised in processes of their own, `otyrys worker`.
    pub apart: bool,
    /// Recognisers at work at once, in this process or in each worker; each keeps one processor core busy while people speak.
    pub workers: usize,
    /// Width of the search for the likeliest words; 1 is the quickest.
    pub beam: u8,
    /// Whether words are shown while they are being spoken.
    pub live: bool,
    /// Languages that anybody may speak beside their own.
    pub languages: Vec<Language>,
    /// ggml model for every language without one of its own. Empty: `ggml-base.bin` in
    /// [`Self::models_dir`].
    pub model: Option<PathBuf>,
    /// ggml model fitted to Kazakh. Without it Kazakh lines are marked as weak.
    pub model_kk: Option<PathBuf>,
    /// ggml model fitted to Russian.
    pub model_ru: Option<PathBuf>,
    /// ggml model fitted to English.
    pub model_en: Option<PathBuf>,
    /// Where `otyrys model fetch` puts models. Empty: `otyrys/models` in the user's cache folder.
    pub models_dir: Option<PathBuf>,
    /// The court's dictionary: what is written in place of what recognisers hear.
    pub corrections: Vec<CorrectionConfig>,
    /// With what the record is heard again after the hearing.
    pub final_pass: FinalPassConfig,
}

impl DraftConfig {
    /// The folder of models.
    #[must_use]
    pub fn models_dir(&self) -> PathBuf {
        self.models_dir
            .clone()
            .unwrap_or_else(|| cache_dir().join("models"))
    }

    /// Refuses a search that whisper does not do, and a dictionary that cannot be meant.
    fn check(&self) -> Result<(), ConfigError> {
        let (least, most) = (1, 8);
        let value = u64::from(self.beam);
        if !(least..=most).contains(&value) {
            return Err(ConfigError::OutOfRange {
                knob: "draft.beam".to_owned(),
                value,
                least,
                most,
            });
        }
        self.final_pass.check()?;
        self.corrections().map(drop)
    }

    /// The model for languages without one of their own.
    #[must_use]
    pub fn model(&self) -> PathBuf {
        self.model
            .clone()
            .unwrap_or_else(|| self.models_dir().join("ggml-base.bin"))
    }
}

impl Default for DraftConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            apart: false,
            workers: 1,
            beam: 5,
            live: true,
            languages: vec![Language::Kk, Language::Ru],
            model: None,
            model_kk: None,
            model_ru: None,
            model_en: None,
            models_dir: None,
            corrections: Vec::new(),
            final_pass: FinalPassConfig::default(),
        }
    }
}

/// The case registry that results are delivered to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Base address of the registry's API. Empty: the registry embedded in this server.
    pub url: String,
    /// Bearer token for deliveries. Empty: one is made at the first start (embedded registry).
    pub token: String,
    /// Certificate (PEM) to trust for `url` beside the system's. The embedded registry's is trusted
    /// as it is.
    pub trust: Option<PathBuf>,
    /// First pause before a failed delivery is tried again; it doubles each time.
    pub retry_seconds: u64,
    /// Longest pause between two tries.
    pub retry_max_seconds: u64,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            token: String::new(),
            trust: None,
            retry_seconds: 2,
            retry_max_seconds: 600,
        }
    }
}

/// The log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What to log, in the syntax of tracing's `EnvFilter`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info,str0m=error,rtc=error,webrtc=error".into(),
            json: false,
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that is missing or not TOML, an unknown knob, or a value of the wrong kind.
    #[error("the configuration cannot be used: {0}")]
    Unreadable(Box<figment::Error>),
    /// A limit that no server can keep or no hearing can be held with.
    #[error(
        "the configuration cannot be used: {knob} is {value}; it may be from {least} to {most}"
    )]
    OutOfRange {
        /// Its section and name.
        knob: String,
        /// As set.
        value: u64,
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
    },
    /// An entry of the court's dictionary that cannot be meant.
    #[error("the configuration cannot be used: draft.corrections: {0}")]
    Correction(#[from] CorrectionError),
    /// A model of the final pass for one language and none for the others.
    #[error(
        "the configuration cannot be used: draft.final_pass has a model for one language; set draft.final_pass.model for the others"
    )]
    FinalPassModel,
}

impl Config {
    /// Defaults, then `file` (which must exist if named), then the environment.
    ///
    /// # Errors
    /// A file that is missing or not TOML, an unknown knob, a value of the wrong kind or out of its
    /// range; the text names the knob.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        figment = match file {
            Some(file) => figment.merge(Toml::file_exact(file)),
            None => figment.merge(Toml::file("otyrys.toml")),
        };
        let config: Self = figment
            .merge(
                Env::prefixed("OTYRYS_")
                    .filter(|key| key.as_str().contains("__"))
                    .split("__"),
            )
            .extract()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))?;
        config.limits.check()?;
        config.retention.check()?;
        config.draft.check()?;
        config.seal.check()?;
        Ok(config)
    }
}

/// The user's cache folder for things that can be fetched again.
#[must_use]
pub fn cache_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("OTYRYS_CACHE") {
        return dir.into();
    }
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/var/cache"), PathBuf::from);
    home.join(".cache/otyrys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_file_says_exactly_the_defaults() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../otyrys.toml");
        assert_eq!(Config::load(Some(&sample)).unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_knob_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("otyrys.toml");
        std::fs::write(&file, "[server]\nlisten_on = \"0.0.0.0:1\"\n").unwrap();
        let error = Config::load(Some(&file)).unwrap_err().to_string();
        assert!(error.contains("listen_on"), "{error}");
    }

    #[test]
    fn a_limit_that_cannot_be_kept_is_refused_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("otyrys.toml");
        std::fs::write(&file, "[limits]\nsound_kbps = 8\n").unwrap();
        let error = Config::load(Some(&file)).unwrap_err().to_string();
        assert!(
            error.ends_with("limits.sound_kbps is 8; it may be from 24 to 1000"),
            "{error}"
        );
    }
}
