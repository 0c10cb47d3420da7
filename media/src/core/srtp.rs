//! Protects what the forwarding side sends, and opens what clients report about it: SRTP and
//! SRTCP (RFC 3711, RFC 7714) with the cipher primitives of the stack.

use super::keys::{Keys, Master, Masters};
use super::replay::ReplayGuard;
use str0m::crypto::{
    AeadAes128Gcm, AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80,
    Aes128CmSha1_80Cipher, CryptoError, CryptoProvider, Sha1HmacProvider,
};

/// Room in bytes to leave behind an RTP packet for its protection: the tag of GCM. Counter mode
/// adds 10, and some of its implementations need up to 15 to work in.
pub(super) const RTP_OVERHEAD: usize = GCM_TAG;
/// Room in bytes to leave behind a compound RTCP packet for its protection.
pub(super) const RTCP_OVERHEAD: usize = GCM_TAG + INDEX;

const GCM_TAG: usize = AeadAes128Gcm::TAG_LEN;
const COUNTER_TAG: usize = Aes128CmSha1_80::HMAC_TAG_LEN;
/// Bytes of the E bit and the index of SRTCP.
const INDEX: usize = 4;
/// "Encrypted", above the 31 bits of the index (RFC 3711, section 3.4).
const E_BIT: u32 = 1 << 31;
/// Bytes of a compound RTCP packet that stay in clear: the first header and the sender's SSRC.
const CLEAR: usize = 8;
/// Where an RTP header has its SSRC.
const RTP_SSRC: usize = 8;

/// What is derived from a master key (RFC 3711, section 4.3.2).
#[derive(Clone, Copy)]
enum Label {
    CipherKey = 0,
    TagKey = 1,
    Salt = 2,
}

/// The first label of each protocol.
#[derive(Clone, Copy)]
enum Protocol {
    Rtp = 0,
    Rtcp = 3,
}

/// The cryptographic contexts of one session.
///
/// **No SSRC may be used both here and by the stack.** Both have the same keys, and each counts its
/// packets for itself. The nonce of GCM is the SSRC with that count (RFC 7714, sections 8.1 and
/// 9.1): two packets under one nonce give away the key of the tags, and somebody on the line can
/// forge what we send. In counter mode they give away each other (RFC 3711, section 9.1). For RTCP
/// the SSRC that counts is the first of a compound packet. `Rtc` reports on every stream that it
/// may send on, even if it sends nothing there, and names one of them as the sender of its
/// feedback: streams that are sent here are to be taken from it (`DirectApi::remove_stream_tx`).
pub(super) struct Srtp {
    rtp: Cipher,
    rtcp: Cipher,
    /// Of the next compound packet, whichever its sender.
    rtcp_index: u32,
    their_rtcp: Cipher,
    replays: ReplayGuard,
    /// The last opened packet.
    opened: Vec<u8>,
}

impl Srtp {
    /// Derives the session keys.
    pub(super) fn new(keys: &Keys, crypto: &CryptoProvider) -> Self {
        match keys {
            Keys::Aes128CmSha1(masters) => Self::of(masters, |master, protocol, encrypts| {
                Cipher::Counter(Counter::new(crypto, master, protocol, encrypts))
            }),
            Keys::Aes128Gcm(masters) => Self::of(masters, |master, protocol, encrypts| {
                let key = derive(crypto, master, protocol, Label::CipherKey);
                let ciphers = crypto.srtp_provider.aead_aes_128_gcm();
                Cipher::Gcm(Gcm {
                    cipher: GcmCipher::Aes128(ciphers.create_cipher(key, encrypts)),
                    salt: derive(crypto, master, protocol, Label::Salt),
                })
            }),
            Keys::Aes256Gcm(masters) => Self::of(masters, |master, protocol, encrypts| {
                let key = derive(crypto, master, protocol, Label::CipherKey);
                let ciphers = crypto.srtp_provider.aead_aes_256_gcm();
                Cipher::Gcm(Gcm {
                    cipher: GcmCipher::Aes256(ciphers.create_cipher(key, encrypts)),
                    salt: derive(crypto, master, protocol, Label::Salt),
                })
            }),
        }
    }

    fn of<const KEY: usize, const SALT: usize>(
        masters: &Masters<KEY, SALT>,
        cipher: impl Fn(&Master<KEY, SALT>, Protocol, bool) -> Cipher,
    ) -> Self {
        Self {
            rtp: cipher(&masters.ours, Protocol::Rtp, true),
            rtcp: cipher(&masters.ours, Protocol::Rtcp, true),
            rtcp_index: 0,
            their_rtcp: cipher(&masters.theirs, Protocol::Rtcp, false),
            replays: ReplayGuard::default(),
            opened: Vec::new(),
        }
    }

    /// Appends the protected packet to `out`, which needs no new memory if it has room for
    /// `header`, `payload` and [`RTP_OVERHEAD`]. `header` is the whole of it, with its CSRCs and
    /// its extension. `index` is the extended sequence number: 32 bits of roll-over counter above
    /// the 16 bits that `header` says. **The caller gives no index twice for one SSRC,** except
    /// with the very same packet.
    ///
    /// Appends nothing if `header` is too short for one.
    pub(super) fn protect_rtp(
        &mut self,
        header: &[u8],
        payload: &[u8],
        index: u64,
        out: &mut Vec<u8>,
    ) {
        let Some(ssrc) = header.get(RTP_SSRC..).and_then(|it| it.first_chunk()) else {
            return;
        };
        let ssrc = u32::from_be_bytes(*ssrc);
        let start = out.len();
        let body = start + header.len();
        let end = body + payload.len();
        out.extend_from_slice(header);
        out.resize(end + RTP_OVERHEAD, 0);
        let sealed = match &mut self.rtp {
            Cipher::Counter(counter) => counter
                .encrypt(ssrc, index, payload, &mut out[body..])
                .map(|()| {
                    let packet = &mut out[start..];
                    Aes128CmSha1_80::rtp_hmac(
                        counter.hmac(),
                        &counter.tag_key,
                        packet,
                        index,
                        end - start,
                    );
                    end + COUNTER_TAG
                }),
            Cipher::Gcm(gcm) => gcm
                .seal(ssrc, index, header, payload, &mut out[body..])
                .map(|()| end + GCM_TAG),
        };
        out.truncate(sealed.unwrap_or(start));
    }

    /// Appends the protected compound packet to `out`, which needs no new memory if it has room
    /// for `compound` and [`RTCP_OVERHEAD`].
    ///
    /// Appends nothing if `compound` is too short for a packet, or if 2^31 were sent before, after
    /// which there is no safe index left (RFC 3711, section 9.2); at 100 a second that is after
    /// eight months.
    pub(super) fn protect_rtcp(&mut self, compound: &[u8], out: &mut Vec<u8>) {
        let Some((clear, payload)) = compound.split_first_chunk::<CLEAR>() else {
            return;
        };
        if self.rtcp_index == E_BIT {
            return;
        }
        let index = self.rtcp_index;
        self.rtcp_index += 1;
        let ssrc = rtcp_ssrc(clear);
        let trailer = (E_BIT | index).to_be_bytes();
        let start = out.len();
        let body = start + CLEAR;
        let end = body + payload.len();
        out.extend_from_slice(clear);
        out.resize(end + RTCP_OVERHEAD, 0);
        let sealed = match &mut self.rtcp {
            Cipher::Counter(counter) => counter
                .encrypt(ssrc, index.into(), payload, &mut out[body..])
                .map(|()| {
                    out[end..end + INDEX].copy_from_slice(&trailer);
                    let tag = end + INDEX;
                    let packet = &mut out[start..];
                    Aes128CmSha1_80::rtcp_hmac(
                        counter.hmac(),
                        &counter.tag_key,
                        packet,
                        tag - start,
                    );
                    tag + COUNTER_TAG
                }),
            Cipher::Gcm(gcm) => gcm
                .seal(
                    ssrc,
                    index.into(),
                    &rtcp_aad(*clear, trailer),
                    payload,
                    &mut out[body..],
                )
                .map(|()| {
                    let sealed = end + GCM_TAG + INDEX;
                    out[end + GCM_TAG..sealed].copy_from_slice(&trailer);
                    sealed
                }),
        };
        out.truncate(sealed.unwrap_or(start));
    }

    /// Opens a compound packet of the peer. `None` if it is not genuine, not encrypted (which no
    /// client of WebRTC does), or has come before.
    pub(super) fn unprotect_rtcp<'a>(&'a mut self, packet: &[u8]) -> Option<&'a [u8]> {
        let room = packet.len() + RTCP_OVERHEAD;
        if self.opened.len() < room {
            self.opened.resize(room, 0);
        }
        let (clear, _) = packet.split_first_chunk::<CLEAR>()?;
        let ssrc = rtcp_ssrc(clear);
        let (opened_clear, opened) = self.opened.split_first_chunk_mut::<CLEAR>()?;
        *opened_clear = *clear;
        let (index, length) = match &mut self.their_rtcp {
            Cipher::Counter(counter) => {
                let (authenticated, tag) = packet.split_last_chunk::<COUNTER_TAG>()?;
                let (body, trailer) = authenticated.split_last_chunk()?;
                let encrypted = body.get(CLEAR..)?;
                let index = rtcp_index(*trailer)?;
                let genuine = self.replays.admits(ssrc, index)
                    && Aes128CmSha1_80::rtcp_verify(
                        counter.hmac(),
                        &counter.tag_key,
                        authenticated,
                        tag,
                    );
                if !genuine {
                    return None;
                }
                counter
                    .decrypt(ssrc, index.into(), encrypted, opened)
                    .ok()?;
                (index, encrypted.len())
            }
            Cipher::Gcm(gcm) => {
                let (body, trailer) = packet.split_last_chunk()?;
                let sealed = body.get(CLEAR..).filter(|it| it.len() >= GCM_TAG)?;
                let index = rtcp_index(*trailer)?;
                if !self.replays.admits(ssrc, index) {
                    return None;
                }
                let aad = rtcp_aad(*clear, *trailer);
                let length = gcm.open(ssrc, index.into(), &aad, sealed, opened).ok()?;
                (index, length)
            }
        };
        self.replays.note(ssrc, index);
        self.opened.get(..CLEAR + length)
    }
}

/// What protects one protocol in one direction.
enum Cipher {
    Counter(Counter),
    Gcm(Gcm),
}

/// AES in counter mode, with HMAC-SHA1 over it (RFC 3711, section 4).
struct Counter {
    cipher: Box<dyn Aes128CmSha1_80Cipher>,
    salt: [u8; Aes128CmSha1_80::SALT_LEN],
    tag_key: [u8; Aes128CmSha1_80::HMAC_KEY_LEN],
    sha1: &'static dyn Sha1HmacProvider,
}

impl Counter {
    fn new(
        crypto: &CryptoProvider,
        master: &Master<16, 14>,
        protocol: Protocol,
        encrypts: bool,
    ) -> Self {
        let key = derive(crypto, master, protocol, Label::CipherKey);
        let ciphers = crypto.srtp_provider.aes_128_cm_sha1_80();
        Self {
            cipher: ciphers.create_cipher(key, encrypts),
            salt: derive(crypto, master, protocol, Label::Salt),
            tag_key: derive(crypto, master, protocol, Label::TagKey),
            sha1: crypto.sha1_hmac_provider,
        }
    }

    fn hmac(&self) -> impl Fn(&[u8], &[&[u8]]) -> [u8; 20] + use<> {
        let sha1 = self.sha1;
        move |key, parts| sha1.sha1_hmac(key, parts)
    }

    fn encrypt(
        &mut self,
        ssrc: u32,
        index: u64,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let iv = Aes128CmSha1_80::rtp_iv(self.salt, ssrc, index);
        self.cipher.encrypt(&iv, input, output)
    }

    fn decrypt(
        &mut self,
        ssrc: u32,
        index: u64,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let iv = Aes128CmSha1_80::rtp_iv(self.salt, ssrc, index);
        self.cipher.decrypt(&iv, input, output)
    }
}

/// AES in Galois/counter mode (RFC 7714).
struct Gcm {
    cipher: GcmCipher,
    salt: [u8; AeadAes128Gcm::SALT_LEN],
}

enum GcmCipher {
    Aes128(Box<dyn AeadAes128GcmCipher>),
    Aes256(Box<dyn AeadAes256GcmCipher>),
}

impl Gcm {
    /// `output` gets `input` encrypted, and then the tag.
    fn seal(
        &mut self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let iv = self.iv(ssrc, index);
        match &mut self.cipher {
            GcmCipher::Aes128(cipher) => cipher.encrypt(&iv, aad, input, output),
            GcmCipher::Aes256(cipher) => cipher.encrypt(&iv, aad, input, output),
        }
    }

    /// How many bytes `output` got. `input` ends with the tag.
    fn open(
        &mut self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let iv = self.iv(ssrc, index);
        match &mut self.cipher {
            GcmCipher::Aes128(cipher) => cipher.decrypt(&iv, &[aad], input, output),
            GcmCipher::Aes256(cipher) => cipher.decrypt(&iv, &[aad], input, output),
        }
    }

    /// With keys of both lengths, and for both protocols: the nonce of SRTCP (RFC 7714, section
    /// 9.1) is that of SRTP (section 8.1) for an index of 31 bits.
    fn iv(&self, ssrc: u32, index: u64) -> [u8; AeadAes128Gcm::IV_LEN] {
        AeadAes128Gcm::rtp_iv(self.salt, ssrc, (index >> 16) as u32, index as u16)
    }
}

/// Derives a session key (RFC 3711, section 4.3.3). Shorter salts are filled with zeros (RFC 7714,
/// section 11), and keys are never derived anew.
fn derive<const KEY: usize, const SALT: usize, const LENGTH: usize>(
    crypto: &CryptoProvider,
    master: &Master<KEY, SALT>,
    protocol: Protocol,
    label: Label,
) -> [u8; LENGTH] {
    const BLOCK: usize = 16;
    let mut input = [0; BLOCK];
    input[..SALT].copy_from_slice(&master.salt);
    input[7] ^= protocol as u8 + label as u8;
    let mut derived = [0; LENGTH];
    for (number, part) in (0_u16..).zip(derived.chunks_mut(BLOCK)) {
        input[BLOCK - 2..].copy_from_slice(&number.to_be_bytes());
        // Some implementations pad what fills a block with another one.
        let mut output = [0; 2 * BLOCK];
        if KEY == 32 {
            crypto
                .srtp_provider
                .srtp_aes_256_ecb_round(&master.key, &input, &mut output);
        } else {
            crypto
                .srtp_provider
                .srtp_aes_128_ecb_round(&master.key, &input, &mut output);
        }
        part.copy_from_slice(&output[..part.len()]);
    }
    derived
}

fn rtcp_ssrc([_, _, _, _, a, b, c, d]: &[u8; CLEAR]) -> u32 {
    u32::from_be_bytes([*a, *b, *c, *d])
}

/// The index of an encrypted packet.
fn rtcp_index(trailer: [u8; INDEX]) -> Option<u32> {
    let trailer = u32::from_be_bytes(trailer);
    (trailer & E_BIT != 0).then_some(trailer & !E_BIT)
}

/// What GCM authenticates of an SRTCP packet beside what it encrypts (RFC 7714, section 9.2).
fn rtcp_aad(clear: [u8; CLEAR], trailer: [u8; INDEX]) -> [u8; CLEAR + INDEX] {
    let mut aad = [0; CLEAR + INDEX];
    aad[..CLEAR].copy_from_slice(&clear);
    aad[CLEAR..].copy_from_slice(&trailer);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::keys::crypto;
    use proptest::prelude::*;
    use str0m::crypto::dtls::{KeyingMaterial, SrtpProfile};

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// The two ends of a session of which DTLS exported the bytes 0, 1, 2 and so on.
    fn ends(profile: SrtpProfile) -> [Srtp; 2] {
        let bytes: Vec<u8> = (0..=255).take(profile.keying_material_len()).collect();
        let material = KeyingMaterial::new(&bytes);
        [true, false].map(|we_are_client| {
            Srtp::new(
                &Keys::of(&material, profile, we_are_client).unwrap(),
                &crypto(),
            )
        })
    }

    fn any_profile() -> impl Strategy<Value = SrtpProfile> {
        prop::sample::select(SrtpProfile::ALL)
    }

    fn rtp(srtp: &mut Srtp, packet: &[u8], index: u64) -> Vec<u8> {
        let mut out = Vec::new();
        srtp.protect_rtp(&packet[..12], &packet[12..], index, &mut out);
        out
    }

    fn rtcp(srtp: &mut Srtp, compound: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        srtp.protect_rtcp(compound, &mut out);
        out
    }

    /// A sender report of "Mars", as in RFC 7714, section 17.
    fn report() -> Vec<u8> {
        hex(concat!(
            "81c8000d4d6172734e5450314e545032525450200000042a0000e930",
            "4c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
        ))
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711() {
        // Appendix B.3.
        let master = Master::<16, 14> {
            key: hex("E1F97A0D3E018BE0D64FA32C06DE4139").try_into().unwrap(),
            salt: hex("0EC675AD498AFEEBB6960B3AABE6").try_into().unwrap(),
        };
        let key: [u8; 16] = derive(&crypto(), &master, Protocol::Rtp, Label::CipherKey);
        assert_eq!(key.as_slice(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let salt: [u8; 14] = derive(&crypto(), &master, Protocol::Rtp, Label::Salt);
        assert_eq!(salt.as_slice(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let tag_key: [u8; 20] = derive(&crypto(), &master, Protocol::Rtp, Label::TagKey);
        let expected = hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
        assert_eq!(tag_key.as_slice(), expected);
    }

    #[test]
    fn packets_in_counter_mode_are_those_of_libsrtp() {
        // Its test/srtp_driver.c, with the master key of RFC 3711, appendix B.3.
        let master = Master::<16, 14> {
            key: hex("e1f97a0d3e018be0d64fa32c06de4139").try_into().unwrap(),
            salt: hex("0ec675ad498afeebb6960b3aabe6").try_into().unwrap(),
        };
        let masters = Masters {
            ours: master.clone(),
            theirs: master,
        };
        let mut srtp = Srtp::new(&Keys::Aes128CmSha1(masters), &crypto());
        let packet = hex("800f1234decafbadcafebabeabababababababababababababababab");
        assert_eq!(
            rtp(&mut srtp, &packet, 0x1234),
            hex(concat!(
                "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402",
                "b78d6acc99ea179b8dbb",
            ))
        );
        let compound = hex("81c8000bcafebabeabababababababababababababababab");
        srtp.rtcp_index = 1;
        let protected = hex(concat!(
            "81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001",
            "993e08cd54d6c1230798",
        ));
        assert_eq!(rtcp(&mut srtp, &compound), protected);
        assert_eq!(srtp.unprotect_rtcp(&protected), Some(compound.as_slice()));
    }

    #[test]
    fn packets_in_galois_counter_mode_are_those_of_rfc_7714() {
        /// Of section 16 and 17, for the session key 00 01 02 and so on.
        fn check(cipher: impl Fn() -> GcmCipher, rtp_sealed: &str, rtcp_sealed: &str) {
            let [mut srtp, _] = ends(SrtpProfile::AEAD_AES_128_GCM);
            let gcm = || {
                Cipher::Gcm(Gcm {
                    cipher: cipher(),
                    salt: *b"Quid pro quo",
                })
            };
            (srtp.rtp, srtp.rtcp, srtp.their_rtcp) = (gcm(), gcm(), gcm());
            let header = hex("8040f17b8041f8d35501a0b2");
            let mut sealed = Vec::new();
            let payload = b"Gallia est omnis divisa in partes tres";
            srtp.protect_rtp(&header, payload, 0xf17b, &mut sealed);
            assert_eq!(sealed, [header, hex(rtp_sealed)].concat());

            srtp.rtcp_index = 0x5d4;
            let sealed = [&report()[..8], &hex(rtcp_sealed), &hex("800005d4")].concat();
            assert_eq!(rtcp(&mut srtp, &report()), sealed);
            assert_eq!(srtp.unprotect_rtcp(&sealed), Some(report().as_slice()));
        }

        let ciphers = crypto().srtp_provider;
        check(
            || {
                let key = std::array::from_fn(|place| place as u8);
                GcmCipher::Aes128(ciphers.aead_aes_128_gcm().create_cipher(key, true))
            },
            concat!(
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf",
                "8833899d7f27beb16a9152cf765ee4390cce",
            ),
            concat!(
                "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b46",
                "86303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade",
            ),
        );
        check(
            || {
                let key = std::array::from_fn(|place| place as u8);
                GcmCipher::Aes256(ciphers.aead_aes_256_gcm().create_cipher(key, true))
            },
            concat!(
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799",
                "b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
            concat!(
                "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658",
                "c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be",
            ),
        );
    }

    #[test]
    fn a_packet_is_appended_to_what_waits_already() {
        for profile in SrtpProfile::ALL {
            let [mut srtp, mut peer] = ends(*profile);
            let mut out = vec![1, 2, 3];
            srtp.protect_rtcp(&report(), &mut out);
            assert_eq!(out[..3], [1, 2, 3]);
            assert!(out.len() <= 3 + report().len() + RTCP_OVERHEAD);
            assert_eq!(peer.unprotect_rtcp(&out[3..]), Some(report().as_slice()));

            let alone = rtp(&mut srtp, &report(), 9);
            assert!(alone.len() <= report().len() + RTP_OVERHEAD);
            let mut out = vec![1, 2, 3];
            srtp.protect_rtp(&report()[..12], &report()[12..], 9, &mut out);
            assert_eq!(out, [[1, 2, 3].as_slice(), &alone].concat());
        }
    }

    #[test]
    fn what_is_too_short_for_a_packet_is_not_sent() {
        for profile in SrtpProfile::ALL {
            let [mut srtp, _] = ends(*profile);
            let mut out = vec![1];
            srtp.protect_rtp(&[0x80; 11], &[0; 20], 1, &mut out);
            srtp.protect_rtcp(&[0x80; 7], &mut out);
            assert_eq!(out, [1]);
        }
    }

    #[test]
    fn no_index_is_used_twice_at_the_end_of_all_indices() {
        let [mut srtp, mut peer] = ends(SrtpProfile::AEAD_AES_256_GCM);
        srtp.rtcp_index = E_BIT - 1;
        let last = rtcp(&mut srtp, &report());
        assert_eq!(peer.unprotect_rtcp(&last), Some(report().as_slice()));
        assert_eq!(rtcp(&mut srtp, &report()), []);
    }

    #[test]
    fn a_packet_that_comes_again_is_refused() {
        for profile in SrtpProfile::ALL {
            let [mut srtp, mut peer] = ends(*profile);
            let [first, second] = [(); 2].map(|()| rtcp(&mut srtp, &report()));
            assert_ne!(first, second);
            for (packet, genuine) in [(&second, true), (&first, true), (&first, false)] {
                assert_eq!(peer.unprotect_rtcp(packet).is_some(), genuine);
            }
        }
    }

    #[test]
    fn a_packet_that_is_genuine_but_not_encrypted_is_refused() {
        let [srtp, mut peer] = ends(SrtpProfile::AES128_CM_SHA1_80);
        let Cipher::Counter(counter) = &srtp.rtcp else {
            panic!("of another profile");
        };
        for (trailer, accepted) in [(1, false), (E_BIT | 1, true)] {
            let packet = [report(), trailer.to_be_bytes().to_vec()].concat();
            let tag = counter.sha1.sha1_hmac(&counter.tag_key, &[&packet]);
            let packet = [&packet, &tag[..COUNTER_TAG]].concat();
            assert_eq!(peer.unprotect_rtcp(&packet).is_some(), accepted);
        }
    }

    proptest! {
        #[test]
        fn a_packet_with_one_bit_changed_is_refused(
            profile in any_profile(),
            place: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let [mut srtp, mut peer] = ends(profile);
            let genuine = rtcp(&mut srtp, &report());
            let mut forged = genuine.clone();
            forged[place.index(genuine.len())] ^= 1 << bit;
            prop_assert_eq!(peer.unprotect_rtcp(&forged), None);
            prop_assert!(peer.unprotect_rtcp(&genuine).is_some());
        }

        #[test]
        fn garbage_is_refused(
            profile in any_profile(),
            garbage in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let [mut srtp, _] = ends(profile);
            prop_assert_eq!(srtp.unprotect_rtcp(&garbage), None);
        }

        #[test]
        fn compound_packets_of_any_length_come_through(
            profile in any_profile(),
            compound in prop::collection::vec(any::<u8>(), 8..1_500),
        ) {
            let [mut srtp, mut peer] = ends(profile);
            let protected = rtcp(&mut srtp, &compound);
            prop_assert_eq!(peer.unprotect_rtcp(&protected), Some(compound.as_slice()));
        }
    }

    /// An independent implementation at the other end.
    mod against_another_stack {
        use super::*;
        use rtc_srtp::context::Context;
        use rtc_srtp::protection_profile::ProtectionProfile;

        const PROFILES: [(SrtpProfile, ProtectionProfile); 3] = [
            (
                SrtpProfile::AES128_CM_SHA1_80,
                ProtectionProfile::Aes128CmHmacSha1_80,
            ),
            (
                SrtpProfile::AEAD_AES_128_GCM,
                ProtectionProfile::AeadAes128Gcm,
            ),
            (
                SrtpProfile::AEAD_AES_256_GCM,
                ProtectionProfile::AeadAes256Gcm,
            ),
        ];

        /// One direction of the session of [`ends`], of the end that is client or server.
        fn context(profile: ProtectionProfile, server: usize) -> Context {
            let (key, salt) = (profile.key_len(), profile.salt_len());
            let bytes: Vec<u8> = (0..=255).collect();
            Context::new(
                &bytes[server * key..][..key],
                &bytes[2 * key + server * salt..][..salt],
                profile,
                None,
                None,
                rtc_crypto::default_provider().unwrap().crypto(),
            )
            .unwrap()
        }

        #[test]
        fn it_opens_our_packets_beyond_a_roll_over() {
            for (ours, theirs) in PROFILES {
                let [mut srtp, _] = ends(ours);
                let mut peer = context(theirs, 0);
                for index in 0xfff0..0x1_0010_u64 {
                    let [.., high, low] = index.to_be_bytes();
                    // One CSRC, and an extension of one word.
                    let header = [
                        hex("b160").as_slice(),
                        &[high, low],
                        &hex("0000000a0a0b0c0d01020304bede000110aa0000"),
                    ]
                    .concat();
                    let payload = vec![high; usize::from(low)];
                    let mut out = Vec::new();
                    srtp.protect_rtp(&header, &payload, index, &mut out);
                    let opened = peer.decrypt_rtp(&out).unwrap();
                    assert_eq!(opened, [header, payload].concat(), "{ours} {index}");
                }
            }
        }

        #[test]
        fn it_opens_our_reports_and_we_open_its() {
            for (ours, theirs) in PROFILES {
                let [mut srtp, _] = ends(ours);
                let (mut its, mut their) = (context(theirs, 0), context(theirs, 1));
                for _ in 0..100 {
                    let out = rtcp(&mut srtp, &report());
                    assert_eq!(its.decrypt_rtcp(&out).unwrap(), report(), "{ours}");
                    let out = their.encrypt_rtcp(&report()).unwrap();
                    assert_eq!(srtp.unprotect_rtcp(&out), Some(report().as_slice()));
                }
            }
        }
    }
}
