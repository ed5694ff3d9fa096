//! Certificates and the paths between them: what is read, what is believed, and that nothing else is.

use testkit::certificates::{
    Draft, alternative_names, authority, chain, extension, key_usage, oid, purposes, tlv,
};
use trust::x509::{self, Certificate, CertificateError, ChainError, Identity, Path, Purpose};
use trust::{Signer as _, Time};

mod algorithms;
mod vectors;

/// Within the fixtures' years.
const AT: &str = "2030-01-01T00:00:00Z";
const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

/// The path of these certificates in DER, the leaf first and the anchor last.
fn path_for(ders: &[Vec<u8>], at: &str, purpose: Purpose) -> Result<Path, ChainError> {
    let certificates: Vec<Certificate> = ders.iter().map(|der| read(der)).collect();
    let [leaf, others @ .., anchor] = certificates.as_slice() else {
        return x509::chain::verify(
            &certificates[0],
            &[],
            &certificates,
            at.parse().unwrap(),
            purpose,
        );
    };
    let anchors = std::slice::from_ref(anchor);
    x509::chain::verify(leaf, others, anchors, at.parse().unwrap(), purpose)
}

fn path(ders: &[Vec<u8>]) -> Result<Path, ChainError> {
    path_for(ders, AT, Purpose::Signing)
}

/// Signer, authority and root of [`chain`], to be changed.
fn drafts() -> [Draft; 3] {
    let above = || vec![authority(None), key_usage(0x04)];
    [
        Draft::new("middle", "signer", 3, &[key_usage(0x80)]),
        Draft::new("root", "middle", 2, &above()),
        Draft::new("root", "root", 1, &above()),
    ]
}

fn signed([leaf, middle, root]: &[Draft; 3]) -> Vec<Vec<u8>> {
    vec![leaf.signed_by(2), middle.signed_by(1), root.signed_by(1)]
}

#[test]
fn a_certificate_says_what_it_says() {
    let [leaf, middle, _] = chain().map(|der| read(&der));
    assert_eq!(leaf.subject().as_str(), "CN=signer");
    assert_eq!(leaf.issuer(), middle.subject());
    assert_eq!(leaf.fingerprint(), digest::Digest::of(leaf.as_der()));
    assert_eq!(leaf.not_before().to_string(), "2020-01-01T00:00:00Z");
    assert_eq!(leaf.not_after().to_string(), "2040-01-01T00:00:00Z");
    assert_eq!(leaf.public_key(), Ok(testkit::key(3).public_key()));
    assert!(leaf.extensions().key_usage.unwrap().digital_signature);
    assert!(!leaf.extensions().key_usage.unwrap().key_cert_sign);
    let extended = leaf.extensions().extended_key_usage.as_ref().unwrap();
    assert!(extended.allows(CODE_SIGNING) && !extended.allows(SERVER) && !extended.is_critical);
    assert_eq!(leaf.extensions().basic_constraints, None);
    assert!(middle.extensions().basic_constraints.unwrap().is_authority);
    let path = path(&chain()).unwrap();
    assert_eq!(path.certificates().len(), 3);
    assert_eq!(*path.leaf(), leaf);
}

#[test]
fn paths_are_found_by_who_signed() {
    let [leaf, middle, root] = drafts();
    let all = signed(&drafts());
    let accepted = |what: &str, ders: &[Vec<u8>], length: usize| match path(ders) {
        Ok(path) => assert_eq!(path.certificates().len(), length, "{what}"),
        Err(error) => panic!("{what}: {error}"),
    };
    // Others of the same name stand in the way, and the anchor came along.
    let namesake = Draft {
        key: 9,
        ..middle.clone()
    }
    .signed_by(9);
    let stranger = Draft::new("x", "y", 8, &[]).signed_by(8);
    let [l, m, r] = [all[0].clone(), all[1].clone(), all[2].clone()];
    accepted(
        "others",
        &[
            l.clone(),
            namesake,
            stranger,
            r.clone(),
            m.clone(),
            r.clone(),
        ],
        3,
    );
    accepted(
        "an anchor that is not self-signed",
        &[l.clone(), m.clone()],
        2,
    );
    accepted("a leaf that is the anchor", std::slice::from_ref(&l), 1);
    // As the public suite has it: a leaf that is an authority, and has its issuer's name and another key.
    let mut twin = Draft {
        subject: leaf.issuer.clone(),
        ..leaf.clone()
    };
    twin.extensions.push(authority(None));
    accepted(
        "a leaf of its issuer's name",
        &[twin.signed_by(2), m.clone(), r.clone()],
        3,
    );
    let mut own = Draft::new("signer", "signer", 3, &[key_usage(0x80)]);
    own.extensions.push(authority(None));
    accepted(
        "a self-signed leaf that is the anchor",
        &[own.signed_by(3)],
        1,
    );
    assert!(path(&[own.signed_by(3), r]).is_err());
    // The shorter way to an anchor is blocked, the longer is not.
    let old = Draft {
        valid: ["20200101000000Z", "20210101000000Z"],
        ..middle.clone()
    }
    .signed_by(1);
    accepted("an expired twin", &[l, old, m, root.signed_by(1)], 3);
}

#[test]
fn a_name_is_not_an_anchor() {
    let [leaf, middle, root] = drafts();
    // All of it signed by other keys, up to a root of the anchor's name.
    let forged_middle = Draft {
        key: 8,
        ..middle.clone()
    };
    let forged_root = Draft {
        key: 9,
        ..root.clone()
    };
    let forged = [
        leaf.signed_by(8),
        forged_middle.signed_by(9),
        forged_root.signed_by(9),
        root.signed_by(1),
    ];
    let found = path(&forged);
    assert!(
        matches!(found, Err(ChainError::Signature { .. })),
        "{found:?}"
    );
    // A leaf that looks like the anchor, with another key.
    let own = Draft::new("signer", "signer", 3, &[key_usage(0x80), authority(None)]);
    let twin = Draft {
        key: 9,
        ..own.clone()
    };
    let found = path(&[twin.signed_by(9), own.signed_by(3)]);
    assert!(
        matches!(found, Err(ChainError::Signature { .. })),
        "{found:?}"
    );
}

/// Each change to a chain that is accepted, and a part of what is said of it.
#[test]
fn every_rule_has_its_refusal() {
    type Change = fn(&mut [Draft; 3]);
    let changes: &[(&str, Change)] = &[
        ("`CN=signer` (sha256:", |d| {
            d[0].valid[1] = "20291231235959Z"
        }),
        ("was valid until 2029-12-31T23:59:59Z", |d| {
            d[1].valid[1] = "20291231235959Z"
        }),
        ("`CN=root` (sha256:", |d| d[2].valid[1] = "20291231235959Z"),
        ("is valid from 2030-01-01T00:00:01Z", |d| {
            d[0].valid[0] = "20300101000001Z"
        }),
        ("is valid from 2030-01-01T00:00:01Z", |d| {
            d[1].valid[0] = "20300101000001Z"
        }),
        ("is valid from 2030-01-01T00:00:01Z", |d| {
            d[2].valid[0] = "20300101000001Z"
        }),
        ("says nothing", |d| d[0].extensions.clear()),
        ("lacks the key usage `digitalSignature`", |d| {
            d[0].extensions = vec![key_usage(0x04)]
        }),
        ("for other purposes", |d| {
            d[0].extensions.push(purposes(false, &[SERVER]))
        }),
        ("for other purposes", |d| {
            d[0].extensions = vec![purposes(false, &[SERVER])]
        }),
        ("is no authority", |d| {
            d[1].extensions = vec![key_usage(0x04)]
        }),
        ("is no authority", |d| {
            d[2].extensions = vec![key_usage(0x04)]
        }),
        ("is no authority", |d| {
            d[1].extensions = vec![key_usage(0x04), extension("2.5.29.19", true, &[0x30, 0])];
        }),
        ("lacks the key usage `keyCertSign`", |d| {
            d[1].extensions[1] = key_usage(0x80)
        }),
        ("lacks the key usage `keyCertSign`", |d| {
            d[2].extensions[1] = key_usage(0x80)
        }),
        ("allows 0 authorities below it", |d| {
            d[2].extensions[0] = authority(Some(0))
        }),
        ("for other purposes only", |d| {
            d[1].extensions.push(purposes(false, &[SERVER]))
        }),
        ("name constraints", |d| {
            d[1].extensions
                .push(extension("2.5.29.30", true, &[0x30, 0]))
        }),
        ("name constraints", |d| {
            d[1].extensions
                .push(extension("2.5.29.30", false, &[0x30, 0]))
        }),
        ("critical extension 2.5.29.36", |d| {
            d[0].extensions
                .push(extension("2.5.29.36", true, &[0x30, 0]));
        }),
        ("critical extension 1.2.3.4", |d| {
            d[1].extensions.push(extension("1.2.3.4", true, &[]))
        }),
        ("critical extension 1.2.3.4", |d| {
            d[2].extensions.push(extension("1.2.3.4", true, &[]))
        }),
        ("issued by `CN=other`", |d| {
            d[0].issuer = testkit::certificates::common_name("other")
        }),
        ("issued by `CN=root`", |d| {
            d[2].subject = testkit::certificates::common_name("other")
        }),
        ("was not signed by the key", |d| d[1].key = 7),
        ("was not signed by the key", |d| d[2].key = 7),
    ];
    for (part, change) in changes {
        let mut changed = drafts();
        change(&mut changed);
        let error = path(&signed(&changed)).expect_err(part).to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn what_is_allowed_is_no_refusal() {
    type Change = fn(&mut [Draft; 3]);
    let changes: &[Change] = &[
        |_| {},
        |d| d[0].valid = ["20300101000000Z", "20300101000000Z"],
        |d| d[0].extensions = vec![purposes(false, &[CODE_SIGNING])],
        |d| {
            d[0].extensions
                .push(purposes(true, &[SERVER, CODE_SIGNING]))
        },
        |d| d[0].extensions.push(purposes(false, &["2.5.29.37.0"])),
        |d| d[0].extensions.push(extension("1.2.3.4", false, &[])),
        |d| d[1].extensions = vec![authority(Some(0))],
        |d| d[2].extensions[0] = authority(Some(1)),
        |d| d[1].extensions.push(purposes(false, &[CODE_SIGNING])),
        |d| {
            d[1].extensions
                .push(extension("2.5.29.32", true, &[0x30, 0]))
        },
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut changed = drafts();
        change(&mut changed);
        let found = path(&signed(&changed));
        assert!(found.is_ok(), "change {at}: {found:?}");
    }
}

#[test]
fn stamping_takes_its_own_purpose_alone() {
    let with = |extensions: &[Vec<u8>]| {
        let mut changed = drafts();
        changed[0].extensions = extensions.to_vec();
        path_for(&signed(&changed), AT, Purpose::TimeStamping)
    };
    assert!(with(&[purposes(true, &[TIME_STAMPING])]).is_ok());
    assert!(with(&[key_usage(0x80), purposes(true, &[TIME_STAMPING])]).is_ok());
    for refused in [
        vec![],
        vec![key_usage(0x80)],
        vec![purposes(false, &[TIME_STAMPING])],
        vec![purposes(true, &[TIME_STAMPING, CODE_SIGNING])],
        vec![purposes(true, &["2.5.29.37.0"])],
        vec![purposes(true, &[CODE_SIGNING])],
        vec![key_usage(0x04), purposes(true, &[TIME_STAMPING])],
    ] {
        assert!(
            matches!(with(&refused), Err(ChainError::Leaf { .. })),
            "{refused:?}"
        );
    }
    // And a key that stamps signs no models.
    let mut stamps = drafts();
    stamps[0].extensions.push(purposes(true, &[TIME_STAMPING]));
    assert!(path(&signed(&stamps)).is_err());
}

#[test]
fn a_search_ends() {
    // Fifteen certificates of one name and one key: each is the issuer of each.
    let knot = |serial| Draft {
        serial: vec![serial],
        ..Draft::new("knot", "knot", 2, &[authority(None), key_usage(0x04)])
    };
    let leaf = Draft::new("knot", "signer", 3, &[key_usage(0x80)]).signed_by(2);
    let mut ders = vec![leaf];
    ders.extend((1..=15).map(|serial| knot(serial).signed_by(2)));
    ders.push(drafts()[2].signed_by(1));
    assert_eq!(
        path(&ders),
        Err(ChainError::TooTangled { signatures_max: 64 })
    );
    ders.insert(1, knot(16).signed_by(2));
    assert_eq!(path(&ders), Err(ChainError::TooMany { count_max: 16 }));
    // A loop of two, with no way out.
    let above = || vec![authority(None), key_usage(0x04)];
    let one = Draft::new("two", "one", 2, &above()).signed_by(6);
    let two = Draft::new("one", "two", 6, &above()).signed_by(2);
    let leaf = Draft::new("one", "signer", 3, &[key_usage(0x80)]).signed_by(2);
    let looped = path(&[leaf, one, two, drafts()[2].signed_by(1)]);
    assert!(
        matches!(looped, Err(ChainError::IssuerMissing { .. })),
        "{looped:?}"
    );
}

/// What is no certificate, and the part that is said to be wrong.
#[test]
fn what_is_no_certificate_is_refused() {
    type Change = fn(&mut Draft);
    let changes: &[(&str, Change)] = &[
        ("version", |d| d.version = Some(1)),
        ("version", |d| d.version = Some(0)),
        ("version", |d| d.version = Some(3)),
        ("extensions", |d| d.version = None),
        ("serial number", |d| d.serial = vec![0x80]),
        ("serial number", |d| d.serial = vec![0, 1]),
        ("serial number", |d| d.serial = vec![]),
        ("serial number", |d| d.serial = vec![1; 22]),
        ("validity", |d| {
            d.valid = ["20400101000000Z", "20200101000000Z"]
        }),
        ("validity", |d| d.valid[0] = "20200230000000Z"),
        ("validity", |d| d.valid[0] = "20200101000060Z"),
        ("validity", |d| d.valid[0] = "202001010000Z"),
        ("validity", |d| d.valid[0] = "20200101000000+0100"),
        ("signature algorithm", |d| {
            d.algorithm = tlv(0x30, &[&oid("1.2.840.10045.4.3.2"), &[5, 0]]);
        }),
        ("issuer", |d| d.issuer = tlv(0x30, &[&tlv(0x31, &[])])),
        ("subject", |d| d.subject = tlv(0x30, &[&tlv(0x30, &[])])),
        ("keyUsage", |d| {
            d.extensions = vec![extension("2.5.29.15", true, &[3, 1, 0])]
        }),
        ("extKeyUsage", |d| d.extensions = vec![purposes(true, &[])]),
        ("basicConstraints", |d| {
            d.extensions = vec![extension("2.5.29.19", true, &[0x30, 3, 2, 1, 0])];
        }),
        ("subjectAltName", |d| {
            d.extensions = vec![alternative_names(&[])]
        }),
        ("subjectAltName", |d| {
            d.extensions = vec![alternative_names(&[(0x81, b"a@b\0.c")])]
        }),
        ("subjectAltName", |d| {
            d.extensions = vec![alternative_names(&[(0x86, b"a\nb")])]
        }),
        ("subjectAltName", |d| {
            d.extensions = vec![alternative_names(&[(0x89, b"a")])]
        }),
        ("authorityKeyIdentifier", |d| {
            d.extensions = vec![extension("2.5.29.35", false, &[0x30, 3, 0x82, 1, 1])];
        }),
        ("OIDC issuer", |d| {
            d.extensions = vec![
                extension("1.3.6.1.4.1.57264.1.1", false, b"https://one.example"),
                extension(
                    "1.3.6.1.4.1.57264.1.8",
                    false,
                    &tlv(0x0c, &[b"https://two.example"]),
                ),
            ];
        }),
    ];
    for (part, change) in changes {
        let [mut draft, ..] = drafts();
        change(&mut draft);
        let read = Certificate::from_der(&draft.signed_by(2));
        assert_eq!(read, Err(CertificateError::Malformed { part }), "{part}");
    }
    let [mut draft, ..] = drafts();
    draft.extensions.push(key_usage(0x80));
    assert_eq!(
        Certificate::from_der(&draft.signed_by(2)),
        Err(CertificateError::DoubledExtension {
            oid: "2.5.29.15".to_owned()
        })
    );
    draft.extensions = vec![extension("1.2.3.4", false, &[0; 65_000])];
    let large = [draft.signed_by(2), vec![0; 600]].concat();
    assert!(matches!(
        Certificate::from_der(&large),
        Err(CertificateError::TooLarge { .. })
    ));
    draft.extensions = (0..65)
        .map(|n| extension(&format!("1.2.3.{n}"), false, &[]))
        .collect();
    assert!(Certificate::from_der(&draft.signed_by(2)).is_err());
    draft.extensions = vec![alternative_names(&[(0x81, b"a@b".as_slice()); 257])];
    assert!(Certificate::from_der(&draft.signed_by(2)).is_err());
    draft.extensions = vec![alternative_names(&[(0x81, b"a@b".as_slice()); 256])];
    assert!(Certificate::from_der(&draft.signed_by(2)).is_ok());
}

#[test]
fn a_key_that_is_not_used_here_vouches_for_nobody() {
    let k1 = include_str!("../../fixtures/x509/root-refused-secp256k1.pem");
    let root = Certificate::all_from_pem(k1).unwrap().remove(0);
    assert!(root.public_key().is_err());
    let mut draft = drafts()[0].clone();
    draft.issuer = root.subject().as_der().to_vec();
    let anchors = [root];
    let at: Time = AT.parse().unwrap();
    let at = at.plus_seconds(0);
    let leaf = read(&draft.signed_by(2));
    let found = x509::chain::verify(&leaf, &[], &anchors, at, Purpose::Signing);
    assert!(matches!(found, Err(ChainError::Key { .. })), "{found:?}");
}

#[test]
fn identities_are_compared_to_the_letter() {
    let [leaf, ..] = chain().map(|der| read(&der));
    let own = [
        "subject:CN=signer".to_owned(),
        "email:signer@example.com".to_owned(),
        "dns:signer.example.com".to_owned(),
        "uri:https://example.com/signer".to_owned(),
        format!("sha256:{}", leaf.fingerprint().hex()),
    ];
    let listed: Vec<String> = leaf.identities().iter().map(ToString::to_string).collect();
    assert_eq!(listed, own);
    for text in &own {
        let identity: Identity = text.parse().unwrap();
        assert_eq!(identity.check(&leaf), Ok(()));
    }
    for text in [
        "subject:CN=Signer",
        "subject:CN=signer,O=Example",
        "subject:signer",
        "email:signer@example.com ",
        "email:SIGNER@example.com",
        "dns:example.com",
        "uri:https://example.com/signer/",
        "uri:signer@example.com",
        "username:signer@example.com",
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        let error = text.parse::<Identity>().unwrap().check(&leaf).unwrap_err();
        assert!(
            own.iter().all(|own| error.to_string().contains(own)),
            "{error}"
        );
    }
    for text in [
        "",
        "signer",
        "CN=signer",
        "subject:",
        "sha256:00",
        "SUBJECT:CN=signer",
    ] {
        assert!(text.parse::<Identity>().is_err(), "{text}");
    }
    // A certificate without a subject is nobody's.
    let nameless = Draft {
        subject: tlv(0x30, &[]),
        ..drafts()[0].clone()
    }
    .signed_by(2);
    assert_eq!(read(&nameless).identities().len(), 1);
}

#[test]
fn names_are_written_as_rfc_4514_does() {
    let attribute =
        |dotted: &str, tag: u8, value: &[u8]| tlv(0x30, &[&oid(dotted), &tlv(tag, &[value])]);
    let subject = tlv(
        0x30,
        &[
            &tlv(0x31, &[&attribute("2.5.4.6", 0x13, b"DE")]),
            &tlv(
                0x31,
                &[&attribute("2.5.4.10", 0x0c, b"Sons, Inc. \"+;<>\\")],
            ),
            &tlv(
                0x31,
                &[&attribute("2.5.4.11", 0x1e, &[0x01, 0x0d, 0, b'x'])],
            ),
            &tlv(
                0x31,
                &[
                    &attribute("2.5.4.3", 0x0c, b" #a=b\n "),
                    &attribute("1.2.3", 0x0c, b"z"),
                ],
            ),
            &tlv(0x31, &[&attribute("2.5.4.8", 0x14, b"\xe4")]),
        ],
    );
    let draft = Draft {
        subject,
        ..drafts()[0].clone()
    };
    assert_eq!(
        read(&draft.signed_by(2)).subject().as_str(),
        "ST=#1401e4,CN=\\ #a=b\\0a\\ +1.2.3=#0c017a,OU=\u{10d}x,O=Sons\\, Inc. \\\"\\+\\;\\<\\>\\\\,C=DE"
    );
}

#[test]
fn pem_files_hold_certificates_and_text() {
    let one = include_str!("../../fixtures/x509/leaf-ed25519.pem");
    let other = include_str!("../../fixtures/x509/root-ed25519.pem");
    let both = format!(
        "issuer=x\r\n{one}\nsubject=y\n{}",
        other.replace('\n', "\r\n")
    );
    let read = Certificate::all_from_pem(&both).unwrap();
    assert_eq!(read[0], Certificate::all_from_pem(one).unwrap()[0]);
    assert_eq!(read[1], Certificate::all_from_pem(other).unwrap()[0]);
    assert_eq!(read.len(), 2);
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let refused: &[(String, CertificateError)] = &[
        (String::new(), CertificateError::PemMissing),
        ("nothing".to_owned(), CertificateError::PemMissing),
        (begin.to_owned(), CertificateError::PemEnd),
        (
            one.replace("END CERTIFICATE", "END PRIVATE KEY"),
            CertificateError::PemEnd,
        ),
        (one.replacen('M', "*", 1), CertificateError::PemBase64),
        (
            one.replace("CERTIFICATE", "PRIVATE KEY"),
            CertificateError::PemLabel {
                label: "PRIVATE KEY".to_owned(),
            },
        ),
    ];
    for (pem, error) in refused {
        assert_eq!(Certificate::all_from_pem(pem).as_ref(), Err(error), "{pem}");
    }
    assert!(Certificate::all_from_pem(&both.repeat(513)).is_err());
}

#[test]
fn no_byte_of_an_accepted_chain_can_be_another() {
    let ders = chain().to_vec();
    assert!(path(&ders).is_ok());
    let mut other_bytes_accepted = Vec::new();
    // The root is given by who verifies, and is not taken from anybody.
    for (index, der) in ders[..2].iter().enumerate() {
        for at in 0..der.len() {
            for change in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff, der[at]] {
                let mut altered = der.clone();
                altered[at] ^= change;
                if altered[at] == der[at] {
                    continue;
                }
                if is_accepted_with(&ders, index, &altered) {
                    other_bytes_accepted.push((index, at, change));
                }
            }
            assert!(!is_accepted_with(&ders, index, &der[..at]), "cut at {at}");
        }
        assert!(!is_accepted_with(
            &ders,
            index,
            &[der.as_slice(), &[0]].concat()
        ));
    }
    assert_eq!(other_bytes_accepted, []);
}

fn is_accepted_with(ders: &[Vec<u8>], index: usize, altered: &[u8]) -> bool {
    if Certificate::from_der(altered).is_err() {
        return false;
    }
    let mut changed = ders.to_vec();
    changed[index] = altered.to_vec();
    path(&changed).is_ok()
}
