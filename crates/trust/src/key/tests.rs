//! Keys and signatures that OpenSSL, and cosign's scheme by PyNaCl and hashlib, made: throw-away keys in `testdata/keys`.

use data_encoding::HEXUPPER;
use pkcs8::der::Decode;
use pkcs8::spki::SubjectPublicKeyInfoRef;

use super::private::Secret;
use super::*;

macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../../testdata/keys/", $name, ".pem"))
    };
}
macro_rules! signature {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/keys/", $name, ".sig"))
    };
}

/// One public key of each kind, with what OpenSSL signed.
const MADE_BY_OPENSSL: [(KeyAlgorithm, &str, &[u8]); 6] = [
    (KeyAlgorithm::P256, text!("p256.pub"), signature!("p256")),
    (KeyAlgorithm::P384, text!("p384.pub"), signature!("p384")),
    (KeyAlgorithm::P521, text!("p521.pub"), signature!("p521")),
    (KeyAlgorithm::Ed25519, text!("ed.pub"), signature!("ed")),
    (
        KeyAlgorithm::Rsa,
        text!("rsa2048.pub"),
        signature!("rsa2048"),
    ),
    (
        KeyAlgorithm::Rsa,
        text!("rsa4096.pub"),
        signature!("rsa4096"),
    ),
];

#[test]
fn verifies_what_openssl_signed_with_each_kind_and_no_altered_byte() {
    for (algorithm, pem, signature) in MADE_BY_OPENSSL {
        let key = PublicKey::from_pem(pem).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.pem(), pem, "the name is over this very text");
        assert_eq!(key.id(), Digest::of(pem.as_bytes()));
        assert_eq!(PublicKey::from_spki_der(key.der()).unwrap(), key);
        assert!(key.verifies(b"statement", signature), "{algorithm}");
        assert!(!key.verifies(b"Statement", signature), "{algorithm}");
        for at in 0..signature.len() {
            let mut altered = signature.to_vec();
            altered[at] ^= 1;
            assert!(!key.verifies(b"statement", &altered), "{algorithm} {at}");
        }
        for cut in 0..signature.len() {
            assert!(!key.verifies(b"statement", &signature[..cut]));
        }
        for other in MADE_BY_OPENSSL.iter().filter(|other| other.1 != pem) {
            assert!(!key.verifies(b"statement", other.2), "{algorithm}");
        }
    }
}

#[test]
fn ecdsa_signatures_are_strict_der() {
    let key = PublicKey::from_pem(text!("p256.pub")).unwrap();
    let signature = signature!("p256");
    let numbers = ecdsa_from_der(KeyAlgorithm::P256, signature).unwrap();
    let (r, s) = numbers.split_at(32);
    let der = |length: &[u8], r: &[u8], s: &[u8]| {
        let mut der = vec![0x30];
        der.extend_from_slice(length);
        for number in [r, s] {
            der.push(2);
            der.push(u8::try_from(number.len()).unwrap());
            der.extend_from_slice(number);
        }
        der
    };
    let [r, s] = [r, s].map(|number| {
        let high = number[0] >= 0x80;
        [vec![0; usize::from(high)], number.to_vec()].concat()
    });
    let length = u8::try_from(r.len() + s.len() + 4).unwrap();
    let strict = der(&[length], &r, &s);
    assert!(key.verifies(b"statement", &strict));
    let padded = [vec![0], r.clone()].concat();
    let lax = [
        der(&[0x81, length], &r, &s),
        der(&[length + 1], &padded, &s),
        [strict.clone(), vec![0]].concat(),
        [r, s].concat(),
        numbers,
    ];
    for lax in lax {
        assert!(!key.verifies(b"statement", &lax), "{lax:02x?}");
    }
}

#[test]
fn tokens_signatures_become_der_and_come_back() {
    for (algorithm, pem, der) in &MADE_BY_OPENSSL[..3] {
        let numbers = ecdsa_from_der(*algorithm, der).unwrap();
        assert_eq!(numbers.len(), 2 * algorithm.coordinate_len().unwrap());
        let again = ecdsa_to_der(*algorithm, &numbers).unwrap();
        assert_eq!(again, *der);
        let key = PublicKey::from_pem(pem).unwrap();
        assert!(key.verifies(b"statement", &again));
        assert!(ecdsa_to_der(*algorithm, &numbers[1..]).is_err());
        assert!(ecdsa_to_der(*algorithm, &vec![0; numbers.len()]).is_err());
        assert!(ecdsa_from_der(*algorithm, &der[..der.len() - 1]).is_err());
    }
    // A small number is written short, and filled up again.
    let mut small = [0; 64];
    small[31] = 1;
    small[32] = 0x80;
    let der = ecdsa_to_der(KeyAlgorithm::P256, &small).unwrap();
    assert_eq!(&der[..7], [0x30, 38, 2, 1, 1, 2, 33]);
    assert_eq!(ecdsa_from_der(KeyAlgorithm::P256, &der).unwrap(), small);
    assert!(ecdsa_to_der(KeyAlgorithm::Rsa, &small).is_err());
}

#[test]
fn a_key_is_put_together_of_curve_and_point() {
    let key = PublicKey::from_pem(text!("p384.pub")).unwrap();
    let p384 = [6, 5, 0x2b, 0x81, 4, 0, 34];
    assert_eq!(
        PublicKey::from_point(&p384, key.key_bytes()).as_ref(),
        Ok(&key)
    );
    let p521 = [6, 5, 0x2b, 0x81, 4, 0, 35];
    let refused = |curve, point| PublicKey::from_point(curve, point).unwrap_err();
    assert_eq!(refused(&p521, key.key_bytes()), KeyError::OddPoint);
    assert_eq!(
        refused(&p384[..6], key.key_bytes()),
        KeyError::ExplicitCurve
    );
    assert_eq!(refused(&p384, &key.key_bytes()[1..]), KeyError::OddPoint);
}

#[test]
fn refuses_public_keys_that_are_not_used_here_and_says_why() {
    let refused = |pem: &str| PublicKey::from_pem(pem).unwrap_err();
    let curve = |curve: &str| KeyError::UnknownCurve {
        curve: curve.to_owned(),
    };
    assert_eq!(refused(text!("k1.pub")), curve("secp256k1"));
    assert_eq!(
        refused(text!("rsa1024.pub")),
        KeyError::RsaSize { bits: 1024 }
    );
    assert_eq!(refused(text!("p256.compressed")), KeyError::OddPoint);
    assert_eq!(refused(text!("p256.hybrid")), KeyError::OddPoint);
    assert_eq!(refused(text!("p256.explicit")), KeyError::ExplicitCurve);
    for unknown in [text!("pss.pub"), text!("x.pub")] {
        assert!(matches!(refused(unknown), KeyError::UnknownKind { .. }));
    }
    for text in ["", "hello", text!("p256.sec1"), text!("p256.pk8")] {
        assert_eq!(refused(text), KeyError::NotAPublicKey);
    }
    let pem = text!("p256.pub");
    for text in [
        format!("{pem}{pem}"),
        format!("{pem}x"),
        pem.replace("PUBLIC KEY", "CERTIFICATE"),
        pem.replacen('M', "", 1),
        " ".repeat(PEM_SIZE_BYTES_MAX) + pem,
    ] {
        assert_eq!(refused(&text), KeyError::NotAPublicKey);
    }
}

#[test]
fn a_public_key_has_one_encoding() {
    for (algorithm, pem, _) in MADE_BY_OPENSSL {
        let key = PublicKey::from_pem(pem).unwrap();
        let der = key.der();
        assert!(PublicKey::from_spki_der(&[der, &[0]].concat()).is_err());
        for cut in 0..der.len() {
            assert!(PublicKey::from_spki_der(&der[..cut]).is_err());
        }
        for at in 0..der.len() {
            let mut altered = der.to_vec();
            altered[at] ^= 0x40;
            let read = PublicKey::from_spki_der(&altered);
            assert!(
                read.is_err() || read.unwrap().id() != key.id(),
                "{algorithm} {at}"
            );
        }
        // The point, changed, is not on its curve.
        if algorithm.coordinate_len().is_some() {
            let mut altered = der.to_vec();
            *altered.last_mut().unwrap() ^= 1;
            assert_eq!(
                PublicKey::from_spki_der(&altered).unwrap_err(),
                KeyError::OddPoint
            );
        }
    }
}

#[test]
fn ed25519_keys_that_anybody_can_sign_for_are_refused() {
    let good = PublicKey::from_pem(text!("ed.pub")).unwrap();
    let spki = |key: [u8; 32]| {
        let mut der = good.der().to_vec();
        let at = der.len() - 32;
        der[at..].copy_from_slice(&key);
        assert!(SubjectPublicKeyInfoRef::from_der(&der).is_ok());
        der
    };
    // The neutral element, for which (neutral element, 0) signs everything: with AWS-LC alone it would hold.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let forged = [neutral.as_slice(), &[0; 32]].concat();
    let bare = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ED25519,
        neutral.as_slice(),
    );
    assert!(bare.verify(b"anything", &forged).is_ok());
    let mut above_prime = [0xff; 32];
    above_prime[0] = 0xee;
    for key in [[0; 32], neutral, above_prime] {
        for sign in [0, 0x80] {
            let mut key = key;
            key[31] = (key[31] & 0x7f) | sign;
            let refused = PublicKey::from_spki_der(&spki(key)).unwrap_err();
            assert_eq!(refused, KeyError::OddPoint, "{key:02x?}");
        }
    }
}

#[test]
fn every_form_of_a_key_file_opens_to_the_same_key() {
    let p256 = [
        text!("p256.sec1"),
        text!("p256.pk8"),
        text!("legacy.aes-128-cbc"),
        text!("legacy.aes-192-cbc"),
        text!("legacy.aes-256-cbc"),
        text!("legacy.des-ede3-cbc"),
        text!("p8.aes-128-cbc"),
        text!("p8.aes-256-cbc"),
        text!("p8.des-ede3-cbc"),
        text!("p8.sha1"),
        text!("sigstore"),
        text!("cosign"),
    ];
    let p384 = [
        text!("p384.sec1"),
        text!("p384.pk8"),
        text!("legacy384"),
        text!("p8.scrypt"),
    ];
    let p521 = [
        text!("p521.sec1"),
        text!("p521.pk8"),
        text!("legacy521"),
        text!("p8.sha512"),
    ];
    let forms: [(&[&str], &str); 3] = [
        (&p256, text!("p256.pub")),
        (&p384, text!("p384.pub")),
        (&p521, text!("p521.pub")),
    ];
    for (texts, public) in forms {
        for text in texts {
            let key = PrivateKey::from_pem(text, Some("secret")).expect(text);
            assert_eq!(key.public_key().pem(), public);
            let signature = key.sign(b"statement").unwrap();
            assert_eq!(signature, key.sign(b"statement").unwrap());
            assert!(key.public_key().verifies(b"statement", &signature));
            let again = PrivateKey::from_pem(&key.to_pem(None).unwrap(), None).unwrap();
            assert_eq!(again.public_key(), key.public_key());
        }
    }
}

#[test]
fn encrypted_files_ask_for_their_password_and_refuse_a_wrong_one() {
    for text in [
        text!("legacy.aes-256-cbc"),
        text!("legacy.des-ede3-cbc"),
        text!("p8.aes-256-cbc"),
        text!("cosign"),
    ] {
        assert!(looks_encrypted(text));
        let refused = |password| PrivateKey::from_pem(text, password).unwrap_err();
        assert_eq!(refused(None), KeyError::PasswordMissing);
        for wrong in ["", "Secret", "secret "] {
            assert_eq!(refused(Some(wrong)), KeyError::PasswordWrong);
        }
    }
    for text in [text!("p256.sec1"), text!("p256.pk8"), text!("p256.params")] {
        assert!(!looks_encrypted(text));
    }
}

#[test]
fn the_block_of_parameters_before_a_key_has_to_name_its_curve() {
    for text in [
        text!("p256.params"),
        text!("p384.params"),
        text!("p521.params"),
    ] {
        assert!(PrivateKey::from_pem(text, None).is_ok());
    }
    let (parameters, _) = text!("p256.params")
        .split_once("-----BEGIN EC PRIVATE")
        .unwrap();
    let refused = |text: String| PrivateKey::from_pem(&text, None).unwrap_err();
    let mixed = format!("{parameters}{}", text!("p384.sec1"));
    assert_eq!(refused(mixed), KeyError::NotAPrivateKey);
    assert_eq!(refused(parameters.to_owned()), KeyError::NotAPrivateKey);
    let twice = format!("{parameters}{}", text!("p256.params"));
    assert_eq!(refused(twice), KeyError::NotAPrivateKey);
}

#[test]
fn refuses_private_keys_that_do_not_sign_here_and_says_why() {
    let refused = |text: &str| PrivateKey::from_pem(text, Some("secret")).unwrap_err();
    assert_eq!(
        refused(text!("k1")),
        KeyError::UnknownCurve {
            curve: "secp256k1".to_owned()
        }
    );
    assert_eq!(refused(text!("rsa2048")), KeyError::RsaSigns);
    assert_eq!(
        refused(&text!("legacy.aes-256-cbc").replace("AES-256-CBC", "DES-CBC")),
        KeyError::UnknownEncryption
    );
    assert_eq!(refused(text!("p8.v1")), KeyError::UnknownEncryption);
    for text in [
        String::new(),
        "hello".to_owned(),
        text!("p256.pub").to_owned(),
        format!("{}{}", text!("p256.pk8"), text!("p256.pk8")),
        text!("p256.sec1").replacen('M', "", 1),
        text!("legacy.aes-256-cbc").replace("DEK-Info: AES-256-CBC,", "DEK-Info: AES-256-CBC,00"),
        text!("legacy.aes-256-cbc").replace("DEK-Info: AES-256-CBC,", "DEK-Info: AES-256-CBC;"),
        " ".repeat(PEM_SIZE_BYTES_MAX) + text!("p256.sec1"),
    ] {
        assert_eq!(refused(&text), KeyError::NotAPrivateKey, "{text}");
    }
}

#[test]
fn ed25519_signs_only_if_somebody_says_so() {
    for text in [text!("ed"), text!("ed.enc")] {
        let refused = PrivateKey::from_pem(text, Some("secret"));
        assert_eq!(refused.unwrap_err(), KeyError::Ed25519);
        let key = PrivateKey::from_pem_also_ed25519(text, Some("secret")).unwrap();
        assert_eq!(key.public_key().pem(), text!("ed.pub"));
        assert_eq!(key.sign(b"statement").unwrap(), signature!("ed"));
        let again = PrivateKey::from_pem_also_ed25519(&key.to_pem(None).unwrap(), None).unwrap();
        assert_eq!(again.public_key(), key.public_key());
    }
}

/// A file in cosign's form: what it says of its cost, and of its cipher, is believed before anything is opened.
#[test]
fn cosign_files_that_cost_too_much_or_are_altered_are_refused() {
    let (_, json) = pkcs8::der::pem::decode_vec(text!("cosign").as_bytes()).unwrap();
    let json = String::from_utf8(json).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(json.contains(from), "{from}");
        let altered = json.replacen(from, to, 1);
        let label = "ENCRYPTED COSIGN PRIVATE KEY";
        let ending = pkcs8::der::pem::LineEnding::LF;
        let pem = pkcs8::der::pem::encode_string(label, ending, altered.as_bytes()).unwrap();
        PrivateKey::from_pem(&pem, Some("secret")).unwrap_err()
    };
    for cost in ["1048576", "18446744073709551615"] {
        let refused = refused("\"N\":1024", &format!("\"N\":{cost}"));
        assert_eq!(refused, KeyError::TooCostly, "{cost}");
    }
    assert_eq!(refused("\"p\":1", "\"p\":17"), KeyError::TooCostly);
    assert_eq!(refused("\"r\":8", "\"r\":4294967295"), KeyError::TooCostly);
    for (from, to) in [
        ("\"N\":1024", "\"N\":1000"),
        ("\"N\":1024", "\"N\":0"),
        ("\"r\":8", "\"r\":0"),
        ("{\"kdf\"", "{\"more\":1,\"kdf\""),
        ("{\"kdf\"", "{\"ciphertext\":\"\",\"kdf\""),
        ("\"nonce\":\"", "\"nonce\":\"AAAA"),
        ("\"ciphertext\":\"", "\"ciphertext\":\"_"),
    ] {
        assert_eq!(refused(from, to), KeyError::NotAPrivateKey, "{to}");
    }
    assert_eq!(refused("secretbox", "aead"), KeyError::UnknownEncryption);
    let box_of = json.split("\"ciphertext\":\"").nth(1).unwrap();
    let first = box_of.get(..1).unwrap();
    let other = if first == "A" { "B" } else { "A" };
    let altered = refused(
        &format!("\"ciphertext\":\"{first}"),
        &format!("\"ciphertext\":\"{other}"),
    );
    assert_eq!(altered, KeyError::PasswordWrong);
}

/// What is written is what cosign's own files are, member for member, and opens again by its password alone.
#[test]
fn keys_are_written_as_cosign_writes_them() {
    let key = PrivateKey::from_random(&[7; 32]).unwrap();
    let seed = CosignSeed {
        salt: [1; 32],
        nonce: [2; 24],
    };
    for password in ["secret", ""] {
        let pem = key.to_cosign_pem(password, seed).unwrap();
        let (label, json) = pkcs8::der::pem::decode_vec(pem.as_bytes()).unwrap();
        assert_eq!(label, "ENCRYPTED SIGSTORE PRIVATE KEY");
        let json = String::from_utf8(json).unwrap();
        let begins = r#"{"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},"salt":"AQEB"#;
        assert!(json.starts_with(begins), "{json}");
        assert!(json.contains(r#""},"cipher":{"name":"nacl/secretbox","nonce":"AgIC"#));
        let opened = PrivateKey::from_pem(&pem, Some(password)).unwrap();
        assert_eq!(opened.public_key(), key.public_key());
        let wrong = PrivateKey::from_pem(&pem, Some("other")).unwrap_err();
        assert_eq!(wrong, KeyError::PasswordWrong);
        let none = PrivateKey::from_pem(&pem, None).unwrap_err();
        assert_eq!(none, KeyError::PasswordMissing);
    }
}

/// RFC 6979, A.2.5 to A.2.7: "sample" under each curve with its own hash.
#[test]
fn signatures_are_those_of_rfc_6979() {
    let bytes = |hex: &str| HEXUPPER.decode(hex.as_bytes()).unwrap();
    let cases = [
        (
            Secret::P256(
                p256::ecdsa::SigningKey::from_slice(&bytes(
                    "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
                ))
                .unwrap(),
            ),
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
             F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            Secret::P384(
                p384::ecdsa::SigningKey::from_slice(&bytes(
                    "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8\
                     96D5724E4C70A825F872C9EA60D2EDF5",
                ))
                .unwrap(),
            ),
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C\
             81A648152E44ACF96E36DD1E80FABE4699EF4AEB15F178CEA1FE40DB2603138F\
             130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
        ),
        (
            Secret::P521(
                p521::ecdsa::SigningKey::from_slice(&bytes(
                    "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75\
                     CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B8\
                     3538",
                ))
                .unwrap(),
            ),
            "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F\
             174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E3\
             77FA00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B\
             68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E4\
             4DA4A67A",
        ),
    ];
    for (secret, expected) in cases {
        let key = PrivateKey::from_secret(secret).unwrap();
        let der = key.sign(b"sample").unwrap();
        let numbers = ecdsa_from_der(key.public_key().algorithm(), &der).unwrap();
        assert_eq!(HEXUPPER.encode(&numbers), expected);
    }
}
