//! The server's certificate: given by the operator, or made at the first start.

use crate::config::ServerConfig;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Where certificate and key lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub private_key: PathBuf,
}

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Only one of the two files was named.
    #[error("set both server.certificate and server.private_key, or neither")]
    HalfGiven,
    /// A named file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The made certificate cannot be stored.
    #[error("no certificate can be stored in {path}: {source}")]
    NotWritable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate cannot be made.
    #[error("no certificate can be made: {0}")]
    Make(#[from] rcgen::Error),
}

/// The operator's files, or the ones in `data_dir/tls`, which are made if they do not exist.
///
/// A made certificate names `addresses` and `localhost`; it lasts ten years, so that a courtroom
/// unit that trusted it once is not locked out in the middle of a hearing.
///
/// # Errors
/// See [`CertificateError`].
pub fn certificate_files(
    config: &ServerConfig,
    addresses: &[IpAddr],
) -> Result<CertificateFiles, CertificateError> {
    match (&config.certificate, &config.private_key) {
        (Some(certificate), Some(private_key)) => {
            for path in [certificate, private_key] {
                fs::File::open(path).map_err(|source| CertificateError::Unreadable {
                    path: path.clone(),
                    source,
                })?;
            }
            Ok(CertificateFiles {
                certificate: certificate.clone(),
                private_key: private_key.clone(),
            })
        }
        (None, None) => made_files(&config.data_dir.join("tls"), addresses),
        _ => Err(CertificateError::HalfGiven),
    }
}

fn made_files(dir: &Path, addresses: &[IpAddr]) -> Result<CertificateFiles, CertificateError> {
    let files = CertificateFiles {
        certificate: dir.join("certificate.pem"),
        private_key: dir.join("private-key.pem"),
    };
    if files.certificate.exists() && files.private_key.exists() {
        return Ok(files);
    }
    let mut names = vec!["localhost".to_owned()];
    names.extend(addresses.iter().map(ToString::to_string));
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Otyrys");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2036, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;

    let not_writable = |source| CertificateError::NotWritable {
        path: dir.to_path_buf(),
        source,
    };
    fs::create_dir_all(dir).map_err(not_writable)?;
    write_private(&files.private_key, key.serialize_pem().as_bytes()).map_err(not_writable)?;
    fs::write(&files.certificate, certificate.pem()).map_err(not_writable)?;
    Ok(files)
}

/// Writes a file that only its owner can read, whole or not at all.
///
/// # Errors
/// Those of the file system.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}
