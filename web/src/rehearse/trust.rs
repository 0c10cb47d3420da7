//! Which server a rehearsal participant believes.

use super::RehearseError;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    net::{IpAddr, UdpSocket},
    path::Path,
    sync::Arc,
};

/// Which server certificates are believed.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    certificates: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// The certificates of a PEM file: authorities, or the server's own.
    ///
    /// # Errors
    /// [`RehearseError::Trust`] when the file cannot be read or holds no certificate.
    pub fn from_pem_file(path: &Path) -> Result<Self, RehearseError> {
        let fault = |reason: String| RehearseError::Trust {
            path: path.to_owned(),
            reason,
        };
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| fault(e.to_string()))?;
        if certificates.is_empty() {
            return Err(fault("no certificate in it".into()));
        }
        Ok(Self { certificates })
    }

    /// TLS settings for `host`. Without certificates of its own, a server elsewhere is held to
    /// the operating system's authorities; one on this very machine is believed as it is, since
    /// nobody stands between.
    pub(super) fn client_config(&self, host: &str) -> Result<ClientConfig, RehearseError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if !self.certificates.is_empty() {
            Arc::new(Given::new(self.certificates.clone(), provider.clone())?)
        } else if is_this_machine(host) {
            Arc::new(SameMachine {
                provider: provider.clone(),
            })
        } else {
            Arc::new(
                rustls_platform_verifier::Verifier::new(provider.clone())
                    .map_err(RehearseError::tls)?,
            )
        };
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(RehearseError::tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth())
    }
}

/// Whether a host of a URL is this very machine: loopback, or an address of its own.
pub(super) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    // Only an address of its own can be bound.
    bare == "localhost" || address.is_ok_and(|address| UdpSocket::bind((address, 0)).is_ok())
}

/// Believes the given certificates: as the server's own, or as authorities over it.
#[derive(Debug)]
struct Given {
    certificates: Vec<CertificateDer<'static>>,
    authorities: Arc<WebPkiServerVerifier>,
}

impl Given {
    fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, RehearseError> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(RehearseError::tls)?;
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(RehearseError::tls)?;
        Ok(Self {
            certificates,
            authorities,
        })
    }
}

impl ServerCertVerifier for Given {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The very certificate was handed over: nothing is left that a name could prove.
        if self
            .certificates
            .iter()
            .any(|certificate| certificate == end_entity)
        {
            return Ok(ServerCertVerified::assertion());
        }
        self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Believes any certificate whose key the server has: only for servers on this machine.
#[derive(Debug)]
struct SameMachine {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for SameMachine {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(trust: &Trust, host: &str, shown: &CertificateDer<'_>) -> bool {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let name = ServerName::try_from(host.to_owned()).unwrap();
        Given::new(trust.certificates.clone(), provider)
            .unwrap()
            .verify_server_cert(shown, &[], &name, &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn only_the_given_certificate_is_believed() {
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(vec!["court.test".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["court.test".to_owned()]).unwrap();
        let file = folder.path().join("server.pem");
        std::fs::write(&file, own.cert.pem()).unwrap();
        let trust = Trust::from_pem_file(&file).unwrap();
        assert!(verdict(&trust, "court.test", own.cert.der()));
        assert!(
            verdict(&trust, "127.0.0.1", own.cert.der()),
            "the certificate itself was given"
        );
        assert!(!verdict(&trust, "court.test", other.cert.der()));
    }

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty.pem");
        std::fs::write(&file, "nothing here").unwrap();
        assert!(matches!(
            Trust::from_pem_file(&file),
            Err(RehearseError::Trust { .. })
        ));
    }

    #[test]
    fn other_machines_are_not_taken_for_this_one() {
        assert!(is_this_machine("localhost") && is_this_machine("127.0.0.1"));
        // Documentation addresses (RFC 5737) belong to nobody.
        assert!(!is_this_machine("court.example") && !is_this_machine("192.0.2.1"));
        assert!(!is_this_machine("localhost.court.example"));
    }
}
