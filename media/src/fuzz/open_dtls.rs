//! DTLS as two datagrams with a name in each: a handshake of 5 ms would leave a fuzzer little
//! time for what comes after it. The real one has its own tests (`media/tests/sfu`).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
    ProtocolVersion, SrtpProfile,
};

/// Content types of DTLS records (RFC 6347): by them the stack knows DTLS from the rest.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// As RFC 6347 begins.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct OpenDtls;

impl DtlsProvider for OpenDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes().to_vec();
        Some(DtlsCert {
            certificate: name,
            private_key: Vec::new(),
        })
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        _version: DtlsVersion,
        _mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(OpenSession {
            hello: [&[HANDSHAKE], cert.certificate.as_slice()].concat(),
            now,
            active: false,
            hello_due: None,
            peer: None,
            packets: VecDeque::new(),
            told: 0,
            closed: false,
        }))
    }
}

#[derive(Debug)]
struct OpenSession {
    hello: Vec<u8>,
    now: Instant,
    active: bool,
    hello_due: Option<Instant>,
    peer: Option<Vec<u8>>,
    packets: VecDeque<Vec<u8>>,
    /// How much of the handshake's outcome was told.
    told: u8,
    closed: bool,
}

impl DtlsInstance for OpenSession {
    fn set_active(&mut self, active: bool) {
        self.active = active;
        self.hello_due = active.then_some(self.now);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        match packet {
            [HANDSHAKE, name @ ..] if !name.is_empty() => {
                if !self.active {
                    self.packets.push_back(self.hello.clone());
                }
                self.hello_due = None;
                self.peer.get_or_insert_with(|| name.to_vec());
            }
            [ALERT, ..] if self.peer.is_some() => self.closed = true,
            _ => {}
        }
        Ok(())
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        if self.hello_due.is_some_and(|due| due <= self.now) {
            self.hello_due = Some(self.now + AGAIN);
            self.packets.push_back(self.hello.clone());
        }
        let mut fill = |bytes: &[u8]| {
            buf[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        };
        if let Some(packet) = self.packets.pop_front() {
            let length = fill(&packet);
            return DtlsOutput::Packet(&buf[..length]);
        }
        if let Some(peer) = &self.peer {
            self.told += u8::from(self.told < 4);
            match self.told {
                1 => return DtlsOutput::Connected,
                2 => {
                    let length = fill(peer);
                    return DtlsOutput::PeerCert(&buf[..length]);
                }
                3 => {
                    return DtlsOutput::KeyingMaterial(
                        KeyingMaterial::new(&[0; 56]),
                        SrtpProfile::AEAD_AES_128_GCM,
                    );
                }
                _ => {}
            }
        }
        DtlsOutput::Timeout(self.hello_due.unwrap_or(self.now + Duration::from_secs(60)))
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.now = now;
        Ok(())
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        Ok(data.len())
    }

    fn is_active(&self) -> bool {
        self.active
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        None
    }

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.packets.push_back(vec![ALERT, 0]);
        self.closed = true;
        Ok(())
    }
}
