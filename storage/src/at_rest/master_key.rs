//! The one key that wraps all others: 256 random bits, in a file or with a program of the operator.

use super::file_key::{derive, random};
use crate::{error::StorageError, files};
use aws_lc_rs::{
    aead::LessSafeKey,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use std::{
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{process::Command, time};
use zeroize::Zeroizing;

const KEY_LEN: usize = 32;
/// Bytes of a master key's name: enough to tell two keys apart, and too few to tell one.
const NAME_LEN: usize = 8;
const NAME_INFO: &[u8] = b"otyrys-master-key/1";
const REGISTRY_INFO: &[u8] = b"otyrys-registry/1";
/// How long the operator's program may take: a key service that does not answer within it is down,
/// and whoever starts the server should know.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the master key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file with mode 0600: 64 hexadecimal digits.
    File(PathBuf),
    /// A program and its arguments, run without a shell, that writes them to its output.
    Command(Vec<String>),
}

/// The master key. `Debug` does not show it.
pub struct MasterKey {
    secret: Zeroizing<[u8; KEY_LEN]>,
    /// Where it came from, for people.
    source: String,
}

impl MasterKey {
    /// Gets the key.
    ///
    /// # Errors
    /// [`StorageError::MasterKey`] if there is none, [`StorageError::Invalid`] if others may read
    /// the file.
    pub async fn load(source: &KeySource) -> Result<Self, StorageError> {
        match source {
            KeySource::File(path) => Self::read(path)?.ok_or_else(|| {
                let path = path.display();
                StorageError::MasterKey(format!("the master key {path} is missing"))
            }),
            KeySource::Command(command) => Self::ask(command).await,
        }
    }

    /// [`MasterKey::load`], but a file that is not there is made. Only where nothing was encrypted
    /// yet: a new key opens nothing old.
    ///
    /// # Errors
    /// As [`MasterKey::load`], and those of the disk.
    pub async fn load_or_create(source: &KeySource) -> Result<Self, StorageError> {
        if let KeySource::File(path) = source
            && Self::read(path)?.is_none()
        {
            let secret: Zeroizing<[u8; KEY_LEN]> = Zeroizing::new(random()?);
            let text = Zeroizing::new(hex::encode(secret) + "\n");
            files::write_private(path, &text)?;
        }
        Self::load(source).await
    }

    fn read(path: &Path) -> Result<Option<Self>, StorageError> {
        let source = path.display().to_string();
        files::read_private(path)?
            .map(|text| Self::parse(&text, source))
            .transpose()
    }

    async fn ask(command: &[String]) -> Result<Self, StorageError> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(StorageError::MasterKey(
                "the command for the master key is empty".to_owned(),
            ));
        };
        let failed =
            |why: String| StorageError::MasterKey(format!("{program} gave no master key: {why}"));
        let running = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output();
        let output = time::timeout(PATIENCE, running)
            .await
            .map_err(|_| failed(format!("it took more than {} s", PATIENCE.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        let text = Zeroizing::new(output.stdout);
        if !output.status.success() {
            return Err(failed(output.status.to_string()));
        }
        let text = str::from_utf8(&text).map_err(|error| failed(error.to_string()))?;
        Self::parse(text, program.clone())
    }

    fn parse(text: &str, source: String) -> Result<Self, StorageError> {
        let mut secret = Zeroizing::new([0; KEY_LEN]);
        hex::decode_to_slice(text.trim(), secret.as_mut()).map_err(|_| {
            StorageError::MasterKey(format!(
                "what {source} holds is no master key: it has 64 hexadecimal digits"
            ))
        })?;
        Ok(Self { secret, source })
    }

    /// Where it came from.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The key that wraps the keys of hearings; `info` keeps it apart from every other use.
    pub(super) fn wrapping(&self, info: &[u8]) -> Result<LessSafeKey, StorageError> {
        derive(self.secret.as_slice(), &[], info)
            .map_err(|_| super::file_key::failed("no key was derived"))
    }

    /// Its name: tells whether something was wrapped with it, and nothing about it.
    pub(super) fn name(&self) -> Result<String, StorageError> {
        self.expand::<NAME_LEN>(NAME_INFO).map(hex::encode)
    }

    /// What the packages of the embedded registry are encrypted under.
    pub(crate) fn registry_secret(&self) -> Result<Zeroizing<[u8; KEY_LEN]>, StorageError> {
        self.expand(REGISTRY_INFO).map(Zeroizing::new)
    }

    /// Other bytes for each `info` (HKDF-SHA-256 without salt).
    fn expand<const N: usize>(&self, info: &[u8]) -> Result<[u8; N], StorageError> {
        let mut bytes = [0; N];
        Salt::new(HKDF_SHA256, &[])
            .extract(self.secret.as_slice())
            .expand(&[info], Len(N))
            .and_then(|made| made.fill(&mut bytes))
            .map_err(|_| super::file_key::failed("nothing was derived from the master key"))?;
        Ok(bytes)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey(of {})", self.source)
    }
}

/// How many bytes are derived.
struct Len(usize);

impl KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}
