//! The SRTP keys of a session. The stack keeps them to itself, but its DTLS is pluggable: ours is
//! the usual one with a keyhole in it.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use str0m::Rtc;
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
    ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

/// The master key and the master salt of one direction (RFC 3711, section 3.2.1).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Master<const KEY: usize, const SALT: usize> {
    /// The key.
    pub(super) key: [u8; KEY],
    /// The salt.
    pub(super) salt: [u8; SALT],
}

impl<const KEY: usize, const SALT: usize> fmt::Debug for Master<KEY, SALT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Master").finish_non_exhaustive()
    }
}

/// Both directions of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Masters<const KEY: usize, const SALT: usize> {
    /// Protects what we send.
    pub(super) ours: Master<KEY, SALT>,
    /// Protects what the peer sends.
    pub(super) theirs: Master<KEY, SALT>,
}

impl<const KEY: usize, const SALT: usize> Masters<KEY, SALT> {
    /// Tells apart what DTLS exported: client key, server key, client salt, server salt
    /// (RFC 5764, section 4.2). `None` if it is of another length.
    fn of(material: &[u8], we_are_client: bool) -> Option<Self> {
        let (client_key, material) = material.split_first_chunk()?;
        let (server_key, material) = material.split_first_chunk()?;
        let (client_salt, material) = material.split_first_chunk()?;
        let (server_salt, []) = material.split_first_chunk()? else {
            return None;
        };
        let [client, server] =
            [(client_key, client_salt), (server_key, server_salt)].map(|(key, salt)| Master {
                key: *key,
                salt: *salt,
            });
        Some(if we_are_client {
            Self {
                ours: client,
                theirs: server,
            }
        } else {
            Self {
                ours: server,
                theirs: client,
            }
        })
    }
}

/// The keys of a session, by the protection profile that DTLS agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keys {
    /// `SRTP_AES128_CM_HMAC_SHA1_80` (RFC 5764, section 4.1.2).
    Aes128CmSha1(Masters<16, 14>),
    /// `SRTP_AEAD_AES_128_GCM` (RFC 7714, section 14.2).
    Aes128Gcm(Masters<16, 12>),
    /// `SRTP_AEAD_AES_256_GCM` (RFC 7714, section 14.2).
    Aes256Gcm(Masters<32, 12>),
}

impl Keys {
    /// Of what DTLS exported. `None` for a profile that is not known here, or too much or too little material for it.
    pub(super) fn of(
        material: &KeyingMaterial,
        profile: SrtpProfile,
        we_are_client: bool,
    ) -> Option<Self> {
        match profile {
            SrtpProfile::AES128_CM_SHA1_80 => {
                Masters::of(material, we_are_client).map(Self::Aes128CmSha1)
            }
            SrtpProfile::AEAD_AES_128_GCM => {
                Masters::of(material, we_are_client).map(Self::Aes128Gcm)
            }
            SrtpProfile::AEAD_AES_256_GCM => {
                Masters::of(material, we_are_client).map(Self::Aes256Gcm)
            }
            _ => None,
        }
    }
}

/// Where the keys of one session appear when its handshake is done.
#[derive(Debug, Clone, Default)]
pub(super) struct Keyhole(Arc<OnceLock<Keys>>);

impl Keyhole {
    /// The keys; there before the stack says that it is connected.
    pub(super) fn keys(&self) -> Option<&Keys> {
        self.0.get()
    }
}

thread_local! {
    /// The keyhole for the next DTLS instance of this thread. Providers are `'static` and know
    /// nothing of sessions, but the stack makes its instance while it is built.
    static NEXT: Cell<Option<Keyhole>> = const { Cell::new(None) };
}

/// The cryptography of this process: its default, or else the stack's own.
pub(super) fn crypto() -> CryptoProvider {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(from_feature_flags)
}

/// Builds a stack whose keys can be seen. `build` must set the provider that it is given
/// (`RtcConfig::set_crypto_provider`): without it no keys ever appear.
pub(super) fn watched(build: impl FnOnce(Arc<CryptoProvider>) -> Rtc) -> (Rtc, Keyhole) {
    let keyhole = Keyhole::default();
    NEXT.set(Some(keyhole.clone()));
    let rtc = build(Arc::new(CryptoProvider {
        dtls_provider: &Watched,
        ..crypto()
    }));
    NEXT.take();
    (rtc, keyhole)
}

/// The DTLS of [`crypto`], watched.
#[derive(Debug)]
struct Watched;

impl DtlsProvider for Watched {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        crypto().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let dtls = crypto().dtls_provider.new_dtls(cert, now, version, mtu)?;
        Ok(match NEXT.take() {
            Some(keyhole) => Box::new(WatchedDtls { dtls, keyhole }),
            None => dtls,
        })
    }

    fn is_test(&self) -> bool {
        crypto().dtls_provider.is_test()
    }
}

#[derive(Debug)]
struct WatchedDtls {
    dtls: Box<dyn DtlsInstance>,
    keyhole: Keyhole,
}

impl DtlsInstance for WatchedDtls {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.dtls.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output
            && let Some(keys) = Keys::of(material, *profile, self.dtls.is_active())
        {
            self.keyhole.0.get_or_init(|| keys);
        }
        output
    }

    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.dtls.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.dtls.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.dtls.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rtcp::{self, Message, SenderReport};
    use crate::core::srtp::Srtp;
    use std::net::SocketAddr;
    use std::time::Duration;
    use str0m::media::{Direction, KeyframeRequestKind, MediaKind};
    use str0m::net::{Protocol, Receive};
    use str0m::{Candidate, Event, Input, Output};

    /// Two keys of 16 bytes and two salts of 14, each byte the number of its part.
    fn material() -> KeyingMaterial {
        KeyingMaterial::new(&[[1; 16].as_slice(), &[2; 16], &[3; 14], &[4; 14]].concat())
    }

    fn keys(we_are_client: bool) -> Masters<16, 14> {
        match Keys::of(&material(), SrtpProfile::AES128_CM_SHA1_80, we_are_client) {
            Some(Keys::Aes128CmSha1(masters)) => masters,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_key_and_the_first_salt_are_the_clients() {
        let client = Master {
            key: [1; 16],
            salt: [3; 14],
        };
        let server = Master {
            key: [2; 16],
            salt: [4; 14],
        };
        let masters = keys(true);
        assert_eq!((&masters.ours, &masters.theirs), (&client, &server));
        let masters = keys(false);
        assert_eq!((&masters.ours, &masters.theirs), (&server, &client));
    }

    #[test]
    fn material_of_another_length_gives_no_keys() {
        for length in 0..=100 {
            let material = KeyingMaterial::new(&vec![0; length]);
            let fits = |profile| Keys::of(&material, profile, true).is_some();
            assert_eq!(fits(SrtpProfile::AES128_CM_SHA1_80), length == 60);
            assert_eq!(fits(SrtpProfile::AEAD_AES_128_GCM), length == 56);
            assert_eq!(fits(SrtpProfile::AEAD_AES_256_GCM), length == 88);
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let keyhole = Keyhole::default();
        assert!(keyhole.0.set(Keys::Aes128CmSha1(keys(true))).is_ok());
        let printed = format!("{keyhole:?}");
        assert!(printed.contains("Aes128CmSha1"), "{printed}");
        assert!(!printed.contains('['), "{printed}");
    }

    /// The stack of one end.
    struct End {
        rtc: Rtc,
        keyhole: Keyhole,
        address: SocketAddr,
        events: Vec<Event>,
        sent: Vec<Vec<u8>>,
    }

    impl End {
        fn new(port: u16, now: Instant) -> Self {
            let address = SocketAddr::from(([192, 0, 2, 1], port));
            let (mut rtc, keyhole) = watched(|crypto| {
                let config = Rtc::builder().set_rtp_mode(true);
                config.set_crypto_provider(crypto).build(now)
            });
            rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
            Self {
                rtc,
                keyhole,
                address,
                events: Vec::new(),
                sent: Vec::new(),
            }
        }

        fn receive(&mut self, from: SocketAddr, now: Instant, datagram: &[u8]) {
            let receive = Receive::new(Protocol::Udp, from, self.address, datagram).unwrap();
            self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
        }

        fn drive(&mut self, other: &mut Self, now: Instant) {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            loop {
                match self.rtc.poll_output().unwrap() {
                    Output::Timeout(_) => break,
                    Output::Event(event) => {
                        let connected = matches!(event, Event::Connected);
                        assert!(!connected || self.keyhole.keys().is_some());
                        self.events.push(event);
                    }
                    Output::Transmit(transmit) => {
                        other.receive(self.address, now, &transmit.contents);
                        self.sent.push(transmit.contents.to_vec());
                    }
                }
            }
        }
    }

    /// A connected session on which we send a picture, past our stack.
    struct Call {
        us: End,
        client: End,
        now: Instant,
        srtp: Srtp,
        ssrc: u32,
        payload_type: u8,
    }

    impl Call {
        fn new() -> Self {
            let now = Instant::now();
            let (mut us, mut client) = (End::new(1_000, now), End::new(2_000, now));
            let mut change = us.rtc.sdp_api();
            let mid = change.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
            let (offer, pending) = change.apply().unwrap();
            let answer = client.rtc.sdp_api().accept_offer(offer).unwrap();
            us.rtc.sdp_api().accept_answer(pending, answer).unwrap();
            let payload_type = *us.rtc.media(mid).unwrap().remote_pts()[0];
            let mut api = us.rtc.direct_api();
            let ssrc = api.stream_tx_by_mid(mid, None).unwrap().ssrc();
            // It would send reports of its own under our SSRC.
            assert!(api.remove_stream_tx(ssrc));
            assert_eq!(us.keyhole.keys(), None, "before the handshake");
            let end = now + Duration::from_secs(2);
            let now = drive(&mut us, &mut client, now, end);
            let srtp = Srtp::new(us.keyhole.keys().unwrap(), &crypto());
            Self {
                us,
                client,
                now,
                srtp,
                ssrc: *ssrc,
                payload_type,
            }
        }

        fn send_picture(&mut self, seq: u16, payload: &[u8]) {
            let [high, low] = seq.to_be_bytes();
            let mut header = vec![0x80, self.payload_type, high, low, 0, 0, 0, 9];
            header.extend(self.ssrc.to_be_bytes());
            let mut out = Vec::new();
            self.srtp
                .protect_rtp(&header, payload, seq.into(), &mut out);
            self.deliver(&out);
        }

        fn send_report(&mut self, ntp: u64) {
            let report = SenderReport {
                ssrc: self.ssrc,
                ntp,
                rtp_timestamp: 9,
                packets: 3,
                octets: 36,
            };
            let (mut compound, mut out) = (Vec::new(), Vec::new());
            report.write(&mut compound);
            self.srtp.protect_rtcp(&compound, &mut out);
            self.deliver(&out);
        }

        fn deliver(&mut self, datagram: &[u8]) {
            self.client.receive(self.us.address, self.now, datagram);
            self.client.drive(&mut self.us, self.now);
        }

        fn wait(&mut self, time: Duration) {
            self.now = drive(&mut self.us, &mut self.client, self.now, self.now + time);
        }
    }

    fn drive(left: &mut End, right: &mut End, mut now: Instant, end: Instant) -> Instant {
        while now < end {
            now += Duration::from_millis(5);
            left.drive(right, now);
            right.drive(left, now);
        }
        now
    }

    #[test]
    fn what_is_ours_at_one_end_is_theirs_at_the_other() {
        let call = Call::new();
        let ends = [&call.us, &call.client].map(|end| end.keyhole.keys());
        let [Some(Keys::Aes256Gcm(us)), Some(Keys::Aes256Gcm(client))] = ends else {
            panic!("{ends:?}");
        };
        assert_eq!((&us.ours, &us.theirs), (&client.theirs, &client.ours));
        assert_ne!(us.ours, us.theirs);
    }

    #[test]
    fn a_stack_that_was_built_without_the_provider_shows_nothing() {
        let now = Instant::now();
        let (_rtc, keyhole) = watched(|_| Rtc::builder().build(now));
        assert!(NEXT.take().is_none(), "the next stack would fill it");
        assert_eq!(Arc::strong_count(&keyhole.0), 1);
    }

    #[test]
    fn the_stack_of_a_client_reads_our_packets() {
        let mut call = Call::new();
        let payloads = [b"Quid".as_slice(), b"pro", b"quo"];
        for (seq, payload) in (1..).zip(payloads) {
            call.send_picture(seq, payload);
        }
        let received: Vec<_> = call
            .client
            .events
            .iter()
            .filter_map(|event| match event {
                Event::RtpPacket(packet) => Some(packet.payload.as_ref()),
                _ => None,
            })
            .collect();
        assert_eq!(received, payloads);
    }

    #[test]
    fn we_read_what_the_stack_of_a_client_says_about_our_packets() {
        let mut call = Call::new();
        call.send_picture(3, b"Quid pro quo");
        call.send_report(0xe123_4567_8000_0000);
        let mut api = call.client.rtc.direct_api();
        let stream = api.stream_rx(&call.ssrc.into()).unwrap();
        stream.request_keyframe(KeyframeRequestKind::Pli);
        call.us.sent.clear();
        call.client.sent.clear();
        call.wait(Duration::from_secs(6));

        let (mut asked, mut reported) = (0, 0);
        for datagram in &call.client.sent {
            for message in rtcp::read(call.srtp.unprotect_rtcp(datagram).unwrap_or_default()) {
                match message {
                    Message::Pli { ssrc } if ssrc == call.ssrc => asked += 1,
                    Message::ReportBlock(block) => {
                        assert_eq!((block.ssrc, block.last_sr), (call.ssrc, 0x4567_8000));
                        reported += 1;
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(asked, 1);
        assert!(reported > 1, "{reported}");

        let keys = call.client.keyhole.keys().unwrap();
        let mut client = Srtp::new(keys, &crypto());
        let ours = |datagram: &Vec<u8>| client.unprotect_rtcp(datagram).is_some();
        assert!(!call.us.sent.iter().any(ours), "the stack reports as well");
    }
}
