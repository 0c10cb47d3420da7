//! An authority says when a seal was there. What it did not say is not believed.

use crate::{
    authority::{Oddities, TestAuthority},
    common::closed_hearing,
};
use otyrys_storage::{
    Authorities, Bundle, TimeStampQuery, Trust, Verdict, manifest::TIME_STAMP_NAME, verify_trusting,
};
use std::{fs, path::Path};

fn trusted(authority: &TestAuthority) -> Authorities {
    Authorities::from_pem(&fs::read(authority.roots()).unwrap()).unwrap()
}

/// What is said of the answer to a query for this message.
fn said_of(authority: &TestAuthority, answer: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let query = TimeStampQuery::of(b"seal").unwrap();
    let answer = answer(&query.to_der().unwrap());
    match query.answered(&answer, &trusted(authority)) {
        Ok(stamp) => format!("stamped by {}", stamp.authority),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn authorities_with_rsa_and_ecdsa_are_understood() {
    let usual = Oddities::default();
    let old = "signer_digest = sha512\ndigests = sha256\ness_cert_id_alg = sha1\n\
               accuracy = secs:1, millisecs:500\nclock_precision_digits = 3\ntsa_name = yes\n";
    let p384 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
    for oddities in [
        usual,
        Oddities {
            key: &["rsa:2048"],
            ..usual
        },
        Oddities {
            key: &["rsa:2048"],
            settings: old,
            ..usual
        },
        Oddities {
            key: &p384,
            settings: old,
            ..usual
        },
    ] {
        let authority = TestAuthority::with(oddities);
        let said = said_of(&authority, |query| authority.answer(query));
        assert_eq!(said, "stamped by CN=Test authority", "{:?}", oddities.key);
    }
}

#[test]
fn an_answer_that_is_no_stamp_of_this_seal_is_refused_in_words() {
    let authority = TestAuthority::new();
    let another = TestAuthority::new();
    let asked_again = |_: &[u8]| {
        let query = TimeStampQuery::of(b"seal").unwrap();
        authority.answer(&query.to_der().unwrap())
    };
    assert_eq!(
        said_of(&authority, asked_again),
        "it answers another question"
    );
    let of_another = |query: &[u8]| {
        let mut query = query.to_vec();
        // SHA-256 of what is stamped ends 13 bytes before the end: nonce and flag follow.
        let last = query.len() - 20;
        query[last] ^= 1;
        authority.answer(&query)
    };
    assert_eq!(said_of(&authority, of_another), "it stamps something else");
    let unknown = said_of(&authority, |query| another.answer(query));
    assert!(
        unknown.starts_with("the authority is not trusted"),
        "{unknown}"
    );
    for extension in [
        "basicConstraints = CA:FALSE",
        "extendedKeyUsage = critical, codeSigning",
        "extendedKeyUsage = timeStamping",
    ] {
        let said = said_of(&authority, |query| {
            authority.answer_by_another(query, extension)
        });
        assert_eq!(
            said, "its certificate is not one for time stamps alone",
            "{extension}"
        );
    }
    let right = said_of(&authority, |query| {
        authority.answer_by_another(query, "extendedKeyUsage = critical, timeStamping")
    });
    assert_eq!(right, "stamped by CN=Test other");
    let garbage = "it is not the answer of a time-stamping authority";
    for answer in [
        &b""[..],
        b"<html>",
        &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x30; 4096],
    ] {
        assert_eq!(said_of(&authority, |_| answer.to_vec()), garbage);
    }
    assert_eq!(
        said_of(&authority, |_| vec![0x30, 5, 0x30, 3, 2, 1, 0]),
        "it has no token"
    );
}

#[test]
fn an_authority_whose_certificate_was_over_and_one_that_refuses_are_told_apart() {
    let usual = Oddities::default();
    let over = TestAuthority::with(Oddities {
        until: "20210101000000Z",
        ..usual
    });
    let said = said_of(&over, |query| over.answer(query));
    assert!(
        said.starts_with("the authority is not trusted: CertExpired"),
        "{said}"
    );
    let settings = "signer_digest = sha256\ndigests = sha512\n";
    let unwilling = TestAuthority::with(Oddities { settings, ..usual });
    let said = said_of(&unwilling, |query| unwilling.answer(query));
    assert!(
        said.starts_with("the authority refused with status 2"),
        "{said}"
    );
}

/// Where a stamp is signed, named or timed, no bit of it can be another.
#[test]
fn no_bit_of_what_was_signed_can_be_changed() {
    let authority = TestAuthority::new();
    let query = TimeStampQuery::of(b"seal").unwrap();
    let answer = authority.answer(&query.to_der().unwrap());
    let trusted = trusted(&authority);
    let stamp = query.answered(&answer, &trusted).unwrap();
    let mut refused = 0;
    for bit in 0..8 * answer.len() {
        let mut changed = answer.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        match query.answered(&changed, &trusted) {
            // Outside of what the authority signed (the root beside it, say) it changes nothing.
            Ok(same) => assert_eq!(same, stamp, "bit {bit}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 8 * 600, "{refused} bits of {}", 8 * answer.len());
}

#[tokio::test]
async fn a_bundle_tells_who_stamped_its_seal_and_when() {
    let (court, input, key) = closed_hearing().await;
    let authority = TestAuthority::new();
    let folder = |name: &str| court.dir.path().join(name);
    let bundle = Bundle::write(&folder("at-rest"), &input, &court.spool(), &key).unwrap();
    let query = TimeStampQuery::of(&bundle.seal().unwrap()).unwrap();
    let answer = authority.answer(&query.to_der().unwrap());
    let believing = Trust {
        authorities: Some(trusted(&authority)),
        ..Trust::default()
    };
    let export = |name: &str| {
        bundle.export(court.spool().keys(), &folder(name)).unwrap();
        folder(name)
    };
    let said = |dir: &Path, trust: &Trust| match verify_trusting(dir, trust).unwrap() {
        Verdict::Holds(report) => report.to_string(),
        Verdict::Broken(found) => found[0].to_string(),
    };

    let bare = export("bare");
    assert!(said(&bare, &Trust::default()).contains("No authority has stamped the seal"));
    assert_eq!(said(&bare, &believing), "seal.tsr, byte 0: it is missing");

    bundle.attest(TIME_STAMP_NAME, &answer).unwrap();
    let stamped = export("stamped");
    assert!(authority.is_verified_by_openssl(&stamped.join("seal.txt"), &stamped.join("seal.tsr")));
    let stamp = query.answered(&answer, &trusted(&authority)).unwrap();
    let words = said(&stamped, &believing);
    let expected = format!(
        "The seal was there at {}: the authority CN=Test authority",
        stamp.at
    );
    assert!(words.contains(&expected), "{words}");
    let words = said(&stamped, &Trust::default());
    assert!(
        words.contains("nobody vouches for that authority"),
        "{words}"
    );

    let other = TimeStampQuery::of(b"another seal").unwrap();
    let other = authority.answer(&other.to_der().unwrap());
    bundle.attest(TIME_STAMP_NAME, &other).unwrap();
    let mixed_up = export("mixed-up");
    assert_eq!(
        said(&mixed_up, &Trust::default()),
        "seal.tsr, byte 0: it stamps something else"
    );
}

#[test]
fn certificates_that_are_none_are_refused_at_the_start() {
    for pem in [
        &b""[..],
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(Authorities::from_pem(pem).is_err());
    }
}
