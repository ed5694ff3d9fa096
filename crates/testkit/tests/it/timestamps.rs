//! Timestamps: what OpenSSL made is believed, and nothing that differs from it; each rule has its refusal.

use std::collections::BTreeSet;
use std::fs;

use testkit::certificates::{
    Draft, Stamp, attribute, attributes, key_usage, oid, purposes, stamping_certificate,
    stamping_root, tlv, tst_info,
};
use trust::timestamp::{self, Timestamp, TimestampError};
use trust::x509::{Certificate, ChainError};

use crate::top;

const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

fn fixture(name: &str) -> Vec<u8> {
    fs::read(top("crates/testkit/fixtures/timestamp").join(name)).unwrap()
}

fn pem(name: &str) -> Vec<Certificate> {
    Certificate::all_from_pem(&String::from_utf8(fixture(name)).unwrap()).unwrap()
}

fn stamped() -> Vec<u8> {
    fixture("stamped.bin")
}

#[test]
fn what_openssl_stamped_is_believed() {
    let (ec, rsa) = (pem("ec-root.pem"), pem("rsa-root.pem"));
    let accepted = |token: &str, untrusted: &[Certificate], anchors: &[Certificate]| {
        timestamp::verify(&fixture(token), &stamped(), untrusted, anchors).unwrap()
    };
    let found = accepted("ec.tsr", &[], &ec);
    assert_eq!(found.time.to_string(), "2026-11-21T14:16:26Z");
    assert_eq!(found.path.leaf().subject().as_str(), "CN=ec-tsa");
    assert_eq!(accepted("rsa.tst", &[], &rsa).path.certificates().len(), 3);
    assert_eq!(
        accepted("bare.tsr", &pem("ec-tsa.pem"), &ec).path,
        found.path
    );

    let refused = |token: &str, stamped: &[u8], anchors: &[Certificate]| {
        timestamp::verify(&fixture(token), stamped, &[], anchors).unwrap_err()
    };
    assert_eq!(
        refused("ec.tsr", b"other bytes", &ec),
        TimestampError::Imprint
    );
    assert_eq!(
        refused("rsa.tst", b"other bytes", &rsa),
        TimestampError::Imprint
    );
    assert_eq!(
        refused("bare.tsr", &stamped(), &ec),
        TimestampError::SignerMissing
    );
    assert_eq!(
        refused("refused.tsr", &stamped(), &ec),
        TimestampError::NotGranted
    );
    let late = refused("late.tsr", &stamped(), &ec);
    assert!(
        matches!(late, TimestampError::Chain(ChainError::Expired { .. })),
        "{late:?}"
    );
    let foreign = refused("ec.tsr", &stamped(), &rsa);
    assert!(matches!(
        foreign,
        TimestampError::Chain(ChainError::IssuerMissing { .. })
    ));
    assert!(timestamp::verify(&fixture("ec.tsr"), &stamped(), &pem("ec-root.pem"), &[]).is_err());
}

/// Where a token can have another byte and says the same: the word for "granted", and certificates that are not needed.
#[test]
fn every_byte_counts_but_those_that_mean_nothing() {
    let ec = fixture("ec.tsr");
    assert_eq!(ec[6..9], [2, 1, 0]);
    let granted_with_changes = BTreeSet::from([(8, 1)]);
    assert_eq!(
        meaningless_changes(&ec, &[], &pem("ec-root.pem")),
        granted_with_changes
    );

    let bare = fixture("bare.tsr");
    let (tsa, root) = (pem("ec-tsa.pem"), pem("ec-root.pem"));
    assert_eq!(
        meaningless_changes(&bare, &tsa, &root),
        granted_with_changes
    );

    // This one has its root in it, which is not looked at: the anchor is.
    let rsa = fixture("rsa.tst");
    let anchor = pem("rsa-root.pem");
    let der = anchor[0].as_der();
    let start = rsa
        .windows(der.len())
        .position(|window| window == der)
        .unwrap();
    let within = start..start + der.len();
    let changes = meaningless_changes(&rsa, &[], &anchor);
    assert!(
        changes.iter().all(|(at, _)| within.contains(at)),
        "{changes:?}"
    );
    // It must still be a certificate.
    assert!(!changes.is_empty() && changes.iter().all(|(at, _)| *at > start + 3));
}

/// All changes of one bit of one byte, and to its inverse, after which the token is accepted with the same answer. One that is
/// accepted with another answer is none that may be.
fn meaningless_changes(
    token: &[u8],
    untrusted: &[Certificate],
    anchors: &[Certificate],
) -> BTreeSet<(usize, u8)> {
    let stamped = stamped();
    let verify = |token: &[u8]| timestamp::verify(token, &stamped, untrusted, anchors);
    let right = verify(token).unwrap();
    let mut found = BTreeSet::new();
    for at in 0..token.len() {
        for change in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff] {
            let mut altered = token.to_vec();
            altered[at] ^= change;
            if let Ok(answer) = verify(&altered) {
                assert_eq!(answer, right, "byte {at} by {change}");
                found.insert((at, change));
            }
        }
        assert!(verify(&token[..at]).is_err(), "cut at {at}");
    }
    assert!(verify(&[token, &[0]].concat()).is_err());
    found
}

fn verdict(stamp: &Stamp) -> Result<Timestamp, TimestampError> {
    let root = Certificate::from_der(&stamping_root()).unwrap();
    timestamp::verify(&stamp.token(), b"stamped", &[], &[root])
}

/// A right stamp, changed before it is signed.
fn changed(change: impl FnOnce(&mut Stamp)) -> Result<Timestamp, TimestampError> {
    let mut stamp = Stamp::of(b"stamped");
    change(&mut stamp);
    verdict(&stamp)
}

/// A right stamp with this content, signed as it should be.
fn stating(info: Vec<u8>) -> Result<Timestamp, TimestampError> {
    changed(|stamp| {
        stamp.attributes = attributes(&info, &stamp.certificate);
        stamp.info = info;
    })
}

fn hash() -> [u8; 32] {
    *digest::Digest::of(b"stamped").raw()
}

#[test]
fn a_stamp_made_by_hand_is_believed() {
    let time = changed(|_| {}).unwrap().time;
    assert_eq!(time.to_string(), "2025-01-01T00:00:00Z");
}

#[test]
fn what_is_signed_must_be_a_time() {
    let malformed = |part| Err(TimestampError::Malformed { part });
    let time = |text: &[u8]| tlv(0x18, &[text]);
    for text in [
        "20250101000000",
        "20250101000000.Z",
        "20250101000000.50Z",
        "20250101000000,5Z",
        "20250101000000+0000",
        "2025010100000Z",
        "20251301000000Z",
        "20250101000060Z",
    ] {
        assert_eq!(
            stating(tst_info(&hash(), &time(text.as_bytes()))),
            malformed("time"),
            "{text}"
        );
    }
    let utc_time = tlv(0x17, &[b"250101000000Z"]);
    assert_eq!(stating(tst_info(&hash(), &utc_time)), malformed("time"));
    let right = time(b"20250101000000Z");
    assert!(stating(tst_info(&hash(), &right)).is_ok());
    let short = tst_info(&hash()[..31], &right);
    assert_eq!(stating(short), Err(TimestampError::Imprint));
    // Accuracy, ordering, nonce, name and an extension may follow; a critical extension may not, nor anything else.
    let extension = |critical: &[u8]| {
        let parts: [&[u8]; 3] = [&oid("1.2.3"), critical, &tlv(0x04, &[])];
        tlv(0xa1, &[&tlv(0x30, &parts)])
    };
    let followed = |rest: &[u8]| stating(tst_info(&hash(), &[right.as_slice(), rest].concat()));
    let name = tlv(0xa0, &[&tlv(0x82, &[b"tsa"])]);
    let all = [
        &tlv(0x30, &[&[2, 1, 1]]),
        [1, 1, 0xff].as_slice(),
        &[2, 1, 7],
        &name,
    ]
    .concat();
    assert!(followed(&[all.as_slice(), &extension(&[])].concat()).is_ok());
    assert_eq!(followed(&extension(&[1, 1, 0xff])), malformed("content"));
    assert_eq!(followed(&[2, 1, 7, 2, 1, 7]), malformed("content"));
    assert_eq!(followed(&[1, 1, 1]), malformed("content"));
    let mut version = tst_info(&hash(), &right);
    version[4] = 2;
    assert_eq!(stating(version), malformed("version"));
}

#[test]
fn the_signature_covers_the_content_and_names_the_certificate() {
    let malformed = |part| Err(TimestampError::Malformed { part });
    let other = tst_info(&hash(), &tlv(0x18, &[b"20300101000000Z"]));
    assert_eq!(
        changed(|s| s.info = other),
        Err(TimestampError::ContentDigest)
    );
    for missing in 0..3 {
        let found = changed(|s| drop(s.attributes.remove(missing)));
        assert_eq!(found, malformed("signed attributes"));
        let found = changed(|s| s.attributes.push(s.attributes[missing].clone()));
        assert_eq!(found, malformed("signed attributes"), "twice");
    }
    let kind = attribute("1.2.840.113549.1.9.3", &oid("1.2.840.113549.1.7.1"));
    assert_eq!(
        changed(|s| s.attributes[0] = kind),
        malformed("content type")
    );
    assert_eq!(
        changed(|s| s.content_type = oid("1.2.840.113549.1.7.1")),
        malformed("content")
    );
    // The same key, certified twice: signed with the one, sent with the other.
    let other = Draft {
        valid: ["20200101000000Z", "20410101000000Z"],
        ..stamping_draft()
    };
    let found = changed(|s| s.certificate = other.signed_by(4));
    assert_eq!(found, Err(TimestampError::SignerBinding));
    let old = attribute("1.2.840.113549.1.9.16.2.12", &bound_by(&[0; 20]));
    let found = changed(|s| s.attributes.push(old));
    assert_eq!(
        found,
        Err(TimestampError::SignerBinding),
        "the older binding, too, if there is one"
    );
    // Another key of the same name and number.
    let other = Draft {
        key: 6,
        ..stamping_draft()
    }
    .signed_by(4);
    let found = changed(|s| {
        s.attributes = attributes(&s.info, &other);
        s.certificate = other;
    });
    assert_eq!(found, Err(TimestampError::Signature));
    let sha384 = tlv(0x30, &[&oid("1.2.840.10045.4.3.3")]);
    let found = changed(|s| s.algorithm = sha384);
    assert_eq!(found, malformed("signature algorithm"), "two hashes");
    let sha1 = tlv(0x30, &[&oid("1.2.840.10045.4.1")]);
    let part = "signature";
    assert_eq!(
        changed(|s| s.algorithm = sha1),
        Err(TimestampError::Algorithm { part })
    );
    for signers in [0, 2] {
        assert_eq!(changed(|s| s.signers = signers), malformed("signer"));
    }
}

fn stamping_draft() -> Draft {
    let extensions = [key_usage(0x80), purposes(true, &[TIME_STAMPING])];
    Draft::new("stamping root", "stamps", 5, &extensions)
}

fn bound_by(hash: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(0x30, &[&tlv(0x30, &[&tlv(0x04, &[hash])])])])
}

#[test]
fn only_who_stamps_may_stamp() {
    for extensions in [
        vec![key_usage(0x80)],
        vec![key_usage(0x80), purposes(false, &[TIME_STAMPING])],
        vec![
            key_usage(0x80),
            purposes(true, &[TIME_STAMPING, "1.3.6.1.5.5.7.3.3"]),
        ],
    ] {
        let certificate = stamping_certificate(&extensions);
        let found = changed(|s| {
            s.attributes = attributes(&s.info, &certificate);
            s.certificate = certificate;
        });
        assert!(
            matches!(found, Err(TimestampError::Chain(ChainError::Leaf { .. }))),
            "{found:?}"
        );
    }
}

#[test]
fn the_chain_must_hold_when_it_stamped() {
    let valid = |from, until| {
        let draft = Draft {
            valid: [from, until],
            ..stamping_draft()
        };
        let certificate = draft.signed_by(4);
        changed(|s| {
            s.attributes = attributes(&s.info, &certificate);
            s.certificate = certificate;
        })
    };
    assert!(valid("20250101000000Z", "20250101000000Z").is_ok());
    for (from, until) in [
        ("20240101000000Z", "20241231235959Z"),
        ("20250101000001Z", "20400101000000Z"),
    ] {
        let found = valid(from, until);
        assert!(matches!(found, Err(TimestampError::Chain(_))), "{found:?}");
    }
}

#[test]
fn nothing_unsigned_comes_along() {
    let token = Stamp::of(b"stamped").token();
    let root = Certificate::from_der(&stamping_root()).unwrap();
    let verify = |token: &[u8]| {
        timestamp::verify(token, b"stamped", &[], std::slice::from_ref(&root))
            .map(|found| found.time)
    };
    let right = verify(&token).unwrap();
    let response = |status: &[u8], token: &[u8]| tlv(0x30, &[&tlv(0x30, &[status]), token]);
    assert_eq!(verify(&response(&[2, 1, 0], &token)), Ok(right));
    assert_eq!(verify(&response(&[2, 1, 1], &token)), Ok(right));
    for status in [&[2, 1, 2][..], &[2, 1, 0, 0x30, 0], &[], &[1, 1, 0]] {
        assert_eq!(
            verify(&response(status, &token)),
            Err(TimestampError::NotGranted)
        );
    }
    assert!(verify(&response(&[2, 1, 0], &[])).is_err());
    assert!(verify(&response(&[2, 1, 0], &token.repeat(2))).is_err());
    let large = tlv(0x30, &[&vec![0; 60_000]]).repeat(5);
    assert!(matches!(
        verify(&large),
        Err(TimestampError::TooLarge { .. })
    ));
}

/// What is only shown is read as strictly as what is believed; that nobody checked it, its name says.
#[test]
fn the_claimed_time_is_that_of_the_token() {
    let token = Stamp::of(b"x").token();
    let claimed = timestamp::claimed_time(&token);
    assert_eq!(claimed.unwrap().to_string(), "2025-01-01T00:00:00Z");
    for length in 0..token.len() {
        assert_eq!(timestamp::claimed_time(&token[..length]), None);
    }
}
