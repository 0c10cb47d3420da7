//! SRTP without its secret: keys change nothing and every tag is true. What a participant could
//! send with its own keys, a fuzzer can then write as plain bytes. DTLS and STUN stay real.

use super::open_dtls::OpenDtls;
use std::sync::Once;
use str0m::crypto::{
    AeadAes128Gcm, AeadAes128GcmCipher, AeadAes256Gcm, AeadAes256GcmCipher, Aes128CmSha1_80Cipher,
    CryptoError, SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm,
    SupportedAes128CmSha1_80, from_feature_flags,
};

/// Bytes of the tag behind each packet, which nobody checks.
pub(super) const TAG_BYTES: usize = AeadAes128Gcm::TAG_LEN;
const _: () = assert!(AeadAes256Gcm::TAG_LEN == TAG_BYTES);

/// For all sessions of this process from now on.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let mut provider = from_feature_flags();
        provider.srtp_provider = &Open;
        provider.dtls_provider = &OpenDtls;
        provider.install_process_default();
    });
}

#[derive(Debug)]
struct Open;

fn seal(input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
    output[..input.len()].copy_from_slice(input);
    output[input.len()..input.len() + TAG_BYTES].fill(0);
    Ok(())
}

fn open(input: &[u8], output: &mut [u8]) -> Result<usize, CryptoError> {
    let length = input.len() - TAG_BYTES;
    output[..length].copy_from_slice(&input[..length]);
    Ok(length)
}

impl SrtpProvider for Open {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Open
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Open
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Open
    }

    fn srtp_aes_128_ecb_round(&self, _key: &[u8], _input: &[u8], output: &mut [u8]) {
        output.fill(0);
    }

    fn srtp_aes_256_ecb_round(&self, _key: &[u8], _input: &[u8], output: &mut [u8]) {
        output.fill(0);
    }
}

impl SupportedAes128CmSha1_80 for Open {
    fn create_cipher(&self, _key: [u8; 16], _encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        Box::new(Open)
    }
}

impl SupportedAeadAes128Gcm for Open {
    fn create_cipher(&self, _key: [u8; 16], _encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Open)
    }
}

impl SupportedAeadAes256Gcm for Open {
    fn create_cipher(&self, _key: [u8; 32], _encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Open)
    }
}

impl Aes128CmSha1_80Cipher for Open {
    fn encrypt(
        &mut self,
        _iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        output[..input.len()].copy_from_slice(input);
        Ok(())
    }

    fn decrypt(
        &mut self,
        _iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        output[..input.len()].copy_from_slice(input);
        Ok(())
    }
}

/// Two traits of the same shape, which differ in the length of the key.
macro_rules! open_gcm {
    ($($cipher:ident),*) => {$(
        impl $cipher for Open {
            fn encrypt(
                &mut self,
                _iv: &[u8; 12],
                _aad: &[u8],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<(), CryptoError> {
                seal(input, output)
            }

            fn decrypt(
                &mut self,
                _iv: &[u8; 12],
                _aads: &[&[u8]],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<usize, CryptoError> {
                open(input, output)
            }
        }
    )*};
}

open_gcm!(AeadAes128GcmCipher, AeadAes256GcmCipher);
