//! The token in an answer: what the authority signed, and with which certificate.

use super::{
    Authorities, TimeStamp, TimeStampFault,
    asn1::{
        CONTENT_TYPE, MESSAGE_DIGEST, RSA, RSA_SHA_256, RSA_SHA_384, RSA_SHA_512, SHA_1, SHA_256,
        SHA_384, SHA_512, SIGNED_DATA, SIGNING_CERTIFICATE, SIGNING_CERTIFICATE_V2,
        SigningCertificate, SigningCertificateV2, TIME_STAMPING, TST_INFO, TstInfo,
    },
};
use aws_lc_rs::digest;
use cms::{
    cert::CertificateChoices,
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use der::{
    Decode, DecodeOwned, Encode, Tag, Tagged,
    asn1::{ObjectIdentifier, OctetString},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_cert::{
    Certificate,
    attr::Attributes,
    ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier},
};

/// The contents of the object identifier `id-kp-timeStamping`.
const TIME_STAMPING_BYTES: &[u8] = TIME_STAMPING.as_bytes();

/// What an authority signed.
pub(super) struct SignedInfo {
    pub(super) info: TstInfo,
    pub(super) stamp: TimeStamp,
}

/// Opens a token (RFC 3161, section 2.4.2, in the form of RFC 5652).
pub(super) fn open(
    token: &ContentInfo,
    trusted: Option<&Authorities>,
) -> Result<SignedInfo, TimeStampFault> {
    let wrong = TimeStampFault::Wrong;
    let signed = (token.content_type == SIGNED_DATA)
        .then(|| token.content.decode_as::<SignedData>().ok())
        .flatten()
        .ok_or(wrong("its token is not signed data"))?;
    let content = &signed.encap_content_info;
    let content = (content.econtent_type == TST_INFO)
        .then(|| content.econtent.as_ref()?.decode_as::<OctetString>().ok())
        .flatten()
        .ok_or(wrong("its token holds no time stamp"))?;
    let info = TstInfo::from_der(content.as_bytes())
        .ok()
        .filter(|info| info.version == 1)
        .ok_or(wrong("its token holds no time stamp"))?;
    let unknown = info.extensions.iter().flatten().any(|more| more.critical);
    if unknown {
        return Err(wrong("it says something that is not known here"));
    }
    let at = gen_time(&info).ok_or(wrong("its time is not a time"))?;
    let [signer] = signed.signer_infos.0.as_slice() else {
        return Err(wrong("its token is not signed by one authority"));
    };
    let certificates: Vec<&Certificate> = signed
        .certificates
        .iter()
        .flat_map(|set| set.0.iter())
        .filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(certificate),
            CertificateChoices::Other(_) => None,
        })
        .collect();
    let of_signer = certificates.iter().find(|of| is_of(&signer.sid, of));
    let of_signer = of_signer.ok_or(wrong("the certificate of its authority is missing"))?;
    let encoded = |certificate: &Certificate| certificate.to_der().map(CertificateDer::from);
    let (Ok(own), Ok(all)) = (
        encoded(of_signer),
        certificates
            .iter()
            .map(|one| encoded(one))
            .collect::<Result<Vec<_>, _>>(),
    ) else {
        return Err(wrong("its certificates are not certificates"));
    };
    is_signed(signer, content.as_bytes(), &own)?;
    is_for_time_stamps(of_signer)?;
    if let Some(Authorities(roots)) = trusted {
        leads_to(roots, &own, &all, at).map_err(TimeStampFault::NotTrusted)?;
    }
    let name = of_signer.tbs_certificate().subject().to_string();
    let stamp = TimeStamp {
        at,
        authority: name.chars().filter(|sign| !sign.is_control()).collect(),
        trusted: trusted.is_some(),
    };
    Ok(SignedInfo { info, stamp })
}

/// RFC 3161, section 2.4.2: `YYYYMMDDhhmmss[.s...]Z`.
fn gen_time(info: &TstInfo) -> Option<Timestamp> {
    if info.gen_time.tag() != Tag::GeneralizedTime {
        return None;
    }
    let text = std::str::from_utf8(info.gen_time.value()).ok()?;
    let time = DateTime::strptime("%Y%m%d%H%M%S%.fZ", text).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

/// Whether a certificate is the one by which a signer calls itself.
fn is_of(signer: &SignerIdentifier, certificate: &Certificate) -> bool {
    let tbs = certificate.tbs_certificate();
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            *tbs.issuer() == named.issuer && *tbs.serial_number() == named.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(named) => tbs
            .get_extension::<SubjectKeyIdentifier>()
            .is_ok_and(|found| found.is_some_and(|(_, id)| id == *named)),
    }
}

/// Whether the signer signed this content, with this certificate.
fn is_signed(
    signer: &SignerInfo,
    content: &[u8],
    certificate: &CertificateDer<'_>,
) -> Result<(), TimeStampFault> {
    let wrong = TimeStampFault::Wrong;
    let attributes = signer
        .signed_attrs
        .as_ref()
        .ok_or(wrong("its signature covers no attributes"))?;
    let digest = digest_of(signer.digest_alg.oid, content)
        .ok_or(wrong("it is signed with a method that is not known here"))?;
    if attribute::<ObjectIdentifier>(attributes, CONTENT_TYPE) != Some(TST_INFO)
        || attribute::<OctetString>(attributes, MESSAGE_DIGEST)
            .is_none_or(|signed| signed.as_bytes() != digest.as_ref())
    {
        return Err(wrong("what it says is not what was signed"));
    }
    if !names(attributes, certificate) {
        return Err(wrong("it does not name the certificate that signed it"));
    }
    let signed = attributes
        .to_der()
        .map_err(|_| wrong("its signature covers no attributes"))?;
    let certificate = EndEntityCert::try_from(certificate)
        .map_err(|_| wrong("its certificates are not certificates"))?;
    let mut methods = methods(signer).peekable();
    if methods.peek().is_none() {
        return Err(wrong("it is signed with a method that is not known here"));
    }
    let holds = |method| {
        let signature = signer.signature.as_bytes();
        certificate
            .verify_signature(method, &signed, signature)
            .is_ok()
    };
    match methods.any(holds) {
        true => Ok(()),
        false => Err(wrong("its signature does not hold")),
    }
}

/// The one value of an attribute that is there once.
fn attribute<T: DecodeOwned>(attributes: &Attributes, named: ObjectIdentifier) -> Option<T> {
    let mut found = attributes.iter().filter(|one| one.oid == named);
    let (only, None) = (found.next()?, found.next()) else {
        return None;
    };
    let [value] = only.values.as_slice() else {
        return None;
    };
    T::from_der(&value.to_der().ok()?).ok()
}

/// Whether the signed attributes name this certificate as the signer's (RFC 5816, section 2.2.1).
fn names(attributes: &Attributes, certificate: &CertificateDer<'_>) -> bool {
    let named = attribute::<SigningCertificateV2>(attributes, SIGNING_CERTIFICATE_V2)
        .and_then(|named| named.certificates.into_iter().next())
        .map(|first| {
            (
                first.hash_algorithm.map_or(SHA_256, |method| method.oid),
                first.hash,
            )
        })
        .or_else(|| {
            let named = attribute::<SigningCertificate>(attributes, SIGNING_CERTIFICATE)?;
            Some((SHA_1, named.certificates.into_iter().next()?.hash))
        });
    named.is_some_and(|(method, hash)| {
        digest_of(method, certificate).is_some_and(|digest| digest.as_ref() == hash.as_bytes())
    })
}

fn digest_of(method: ObjectIdentifier, bytes: &[u8]) -> Option<digest::Digest> {
    let method = match method {
        // Of a certificate only, which the signature names besides.
        SHA_1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        SHA_256 => &digest::SHA256,
        SHA_384 => &digest::SHA384,
        SHA_512 => &digest::SHA512,
        _ => return None,
    };
    Some(digest::digest(method, bytes))
}

/// The methods that a signature may have been made with. Which fits the key, the certificate knows.
fn methods(
    signer: &SignerInfo,
) -> impl Iterator<Item = &'static dyn SignatureVerificationAlgorithm> {
    let named = match (signer.signature_algorithm.oid, signer.digest_alg.oid) {
        // RFC 3370, section 3.2: the digest is named apart.
        (RSA, SHA_256) => RSA_SHA_256,
        (RSA, SHA_384) => RSA_SHA_384,
        (RSA, SHA_512) => RSA_SHA_512,
        (other, _) => other,
    };
    let named = named.to_der().unwrap_or_default();
    let known = ALL_VERIFICATION_ALGS.iter().copied();
    known.filter(move |method| {
        let id = method.signature_alg_id();
        !named.is_empty() && id.as_ref().starts_with(&named)
    })
}

/// RFC 3161, section 2.3: the certificate is for time stamps, and says that it is for nothing else.
fn is_for_time_stamps(certificate: &Certificate) -> Result<(), TimeStampFault> {
    let usage = certificate.tbs_certificate().get_extension();
    match usage {
        Ok(Some((true, ExtendedKeyUsage(purposes)))) if purposes == [TIME_STAMPING] => Ok(()),
        _ => Err(TimeStampFault::Wrong(
            "its certificate is not one for time stamps alone",
        )),
    }
}

/// Whether a certificate led to one of the roots at that time.
fn leads_to(
    roots: &[CertificateDer<'_>],
    certificate: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    at: Timestamp,
) -> Result<(), webpki::Error> {
    let anchors = roots
        .iter()
        .map(webpki::anchor_from_trusted_cert)
        .collect::<Result<Vec<_>, _>>()?;
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    EndEntityCert::try_from(certificate)?
        .verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            between,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            // Of the authorities above it; its own was looked at more strictly.
            KeyUsage::required_if_present(TIME_STAMPING_BYTES),
            None,
            None,
        )
        .map(|_| ())
}
