//! Bundles with several signatures: any one of somebody whom the root trusts is enough, and it is told whose it was.

use data_encoding::BASE64;
use serde_json::{Value, json};
use testkit::certificates::{Stamp, chain, stamping_root};
use testkit::sigstore::{self, Draught, Rekor};
use testkit::{key, statements};
use trust::predicate::{Form, ModelSignature};
use trust::x509::Certificate;
use trust::{
    Bundle, How, KeyWitnesses, Proof, Role, RootCertificate, RootKey, Signer as _, SigstoreRoot,
    Time, TrustRoot, seal, seal_certified, verify,
};

const NOW: i64 = sigstore::SIGNED_AT + 86_400;

fn now() -> Time {
    Time::from_unix(NOW)
}

fn statement() -> trust::Statement<ModelSignature> {
    ModelSignature::statement("model", &statements::artifact(), Form::Folder, Vec::new())
}

/// The bundle, with signatures by the keys of these seeds before and after its own.
fn among(bundle: &Value, before: &[u8], after: &[u8]) -> Value {
    let envelope = Bundle::parse(bundle.to_string().as_bytes()).unwrap();
    let signed_bytes = envelope.envelope().signed_bytes();
    let signature = |seed: &u8| {
        let signature = key(*seed).sign(signed_bytes).unwrap();
        json!({"sig": BASE64.encode(&signature), "keyid": ""})
    };
    let mut bundle = bundle.clone();
    let signatures = bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
    let own = std::mem::take(signatures);
    signatures.extend(before.iter().map(signature));
    signatures.extend(own);
    signatures.extend(after.iter().map(signature));
    bundle
}

/// The bundle with a bit of this signature turned over.
fn altered(bundle: &Value, at: usize) -> Value {
    let mut bundle = bundle.clone();
    let text = &mut bundle["dsseEnvelope"]["signatures"][at]["sig"];
    let mut signature = BASE64.decode(text.as_str().unwrap().as_bytes()).unwrap();
    *signature.last_mut().unwrap() ^= 1;
    *text = BASE64.encode(&signature).into();
    bundle
}

fn said(bundle: &Value, root: &TrustRoot) -> Result<Proof, &'static str> {
    let verified = verify::<ModelSignature>(bundle.to_string().as_bytes(), root, now());
    let verified = verified.map_err(|error| error.code().as_str())?;
    Ok(verified.proof().clone())
}

fn who(bundle: &Value, root: &TrustRoot) -> Result<String, &'static str> {
    said(bundle, root).map(|proof| proof.key_name)
}

fn empty() -> TrustRoot {
    TrustRoot::new(Time::from_unix(0), Time::from_unix(i64::MAX))
}

fn root_key(seed: u8) -> RootKey {
    RootKey {
        name: format!("key-{seed}"),
        public_key: key(seed).public_key().clone(),
        roles: vec![Role::Sign],
        speaks_for: Vec::new(),
        valid_from: Time::from_unix(0),
        valid_until: Time::from_unix(i64::MAX),
    }
}

fn json_of(bundle: &Bundle) -> Value {
    serde_json::from_slice(&bundle.to_bytes()).unwrap()
}

/// Signed by 1, 2 and 3 in this order; the bundle names 1.
fn by_three_keys() -> Value {
    among(
        &json_of(&seal(&statement(), &key(1)).unwrap()),
        &[],
        &[2, 3],
    )
}

#[test]
fn of_several_keys_the_one_that_is_trusted_is_told() {
    let bundle = by_three_keys();
    for seed in [1, 2, 3] {
        let root = empty().with_key(root_key(seed));
        let proof = said(&bundle, &root).unwrap();
        assert_eq!(proof.key_name, format!("key-{seed}"));
        assert_eq!(proof.key, key(seed).public_key().id());
        let bundle = altered(&bundle, usize::from(seed) - 1);
        assert_eq!(who(&bundle, &root), Err("key_unknown"), "{seed}");
    }
    let stranger = empty().with_key(root_key(4));
    assert_eq!(who(&bundle, &stranger), Err("key_unknown"));
    // Where all are trusted, it is the one that the bundle names.
    let all = [3, 2, 1].map(root_key);
    let all = all.into_iter().fold(empty(), TrustRoot::with_key);
    assert_eq!(who(&bundle, &all).as_deref(), Ok("key-1"));
}

/// One whose time is over, or who may say something else, does not stand in the way of another.
#[test]
fn of_several_keys_one_that_may_sign_is_enough() {
    let ended = RootKey {
        valid_until: now(),
        ..root_key(1)
    };
    let scanner = RootKey {
        roles: vec![Role::Scan],
        ..root_key(2)
    };
    let root = empty().with_key(ended).with_key(scanner);
    assert_eq!(who(&by_three_keys(), &root), Err("key_expired"));
    let root = root.with_key(root_key(3));
    assert_eq!(who(&by_three_keys(), &root).as_deref(), Ok("key-3"));
    let bundle = altered(&by_three_keys(), 2);
    assert_eq!(who(&bundle, &root), Err("key_expired"));
}

fn holder(name: &str, valid_until: Time) -> RootCertificate {
    let [_, _, anchor] = chain();
    RootCertificate {
        name: name.to_owned(),
        anchors: vec![Certificate::from_der(&anchor).unwrap()],
        identity: "email:signer@example.com".parse().ok(),
        timestamp_anchors: Vec::new(),
        roles: vec![Role::Sign],
        speaks_for: Vec::new(),
        valid_from: Time::from_unix(0),
        valid_until,
    }
}

#[test]
fn of_several_signatures_a_certificates_may_be_the_second() {
    let [leaf, middle, _] = chain().map(|der| Certificate::from_der(&der).unwrap());
    let sealed = seal_certified(&statement(), &key(3), &leaf, &[middle], now()).unwrap();
    let bundle = among(&json_of(&sealed), &[1], &[2]);
    let root = empty().with_certificate(holder("team", Time::from_unix(i64::MAX)));
    assert_eq!(who(&bundle, &root).as_deref(), Ok("team"));
    assert_eq!(who(&altered(&bundle, 1), &root), Err("signature_invalid"));
    // Whose keys made the others is nobody's, as long as the root does not know them.
    assert_eq!(who(&altered(&bundle, 0), &root).as_deref(), Ok("team"));
    assert_eq!(who(&bundle, &empty()), Err("key_unknown"));
    let root = empty().with_key(root_key(2));
    assert_eq!(who(&bundle, &root).as_deref(), Ok("key-2"));
    assert_eq!(who(&altered(&bundle, 2), &root), Err("key_unknown"));
}

/// The same people may stand in the root more than once, and one time of theirs may be over.
#[test]
fn of_several_that_a_certificate_fits_one_that_holds_is_enough() {
    let [leaf, middle, _] = chain().map(|der| Certificate::from_der(&der).unwrap());
    let sealed = seal_certified(&statement(), &key(3), &leaf, &[middle], now()).unwrap();
    let root = empty().with_certificate(holder("last year", now()));
    assert_eq!(who(&json_of(&sealed), &root), Err("key_expired"));
    let root = root.with_certificate(holder("this year", now().plus_seconds(1)));
    assert_eq!(who(&json_of(&sealed), &root).as_deref(), Ok("this year"));
}

#[test]
fn of_several_signatures_a_keyless_one_may_be_the_second() {
    let root = sigstore::trusting_identity(&sigstore::root());
    let name = root.identities().next().unwrap().name.clone();
    for rekor in [Rekor::First, Rekor::Second, Rekor::SecondAsFirst] {
        let bundle = among(&Draught::new(rekor).bundle(), &[1], &[2]);
        assert_eq!(who(&bundle, &root).as_ref(), Ok(&name), "{rekor:?}");
        let bad = altered(&bundle, 1);
        assert_eq!(who(&bad, &root), Err("signature_invalid"), "{rekor:?}");
        let by_key = empty().with_key(root_key(2));
        assert_eq!(who(&bad, &by_key).as_deref(), Ok("key-2"), "{rekor:?}");
        // What the log entered is another one's signature.
        let mut other = bundle.clone();
        other["dsseEnvelope"]["signatures"]
            .as_array_mut()
            .unwrap()
            .remove(1);
        assert_eq!(who(&other, &root), Err("signature_invalid"), "{rekor:?}");
    }
}

/// The root, with who is believed about when keys signed and that they did it in the open.
fn witnessed(root: TrustRoot, is_logged: bool) -> TrustRoot {
    let anchor = Certificate::from_der(&stamping_root()).unwrap();
    let sigstore = SigstoreRoot::parse(sigstore::root().to_string().as_bytes()).unwrap();
    root.with_key_witnesses(KeyWitnesses {
        timestamp_anchors: vec![anchor],
        sigstore: is_logged.then_some(sigstore),
    })
}

/// A timestamp and a line of a log are one signature's: they say nothing of those beside it, and do them no harm.
#[test]
fn of_several_keys_each_has_its_own_witnesses() {
    let logged = RootKey {
        name: "logged".into(),
        public_key: sigstore::signer(),
        ..root_key(1)
    };
    let one = |key: RootKey, is_logged| witnessed(empty().with_key(key), is_logged);
    let at = Some(Time::from_unix(sigstore::SIGNED_AT));
    for rekor in [Rekor::First, Rekor::Second] {
        let mut draught = Draught::new(rekor);
        draught.is_by_key = true;
        let bundle = among(&draught.bundle(), &[1], &[2]);
        let times = |root: TrustRoot| match said(&bundle, &root)?.how {
            How::Key { stamped, logged_at } => Ok((stamped, logged_at)),
            how => panic!("{how:?}"),
        };
        assert_eq!(times(one(logged.clone(), true)), Ok((at, at)), "{rekor:?}");
        assert_eq!(times(one(root_key(2), false)), Ok((None, None)));
        assert_eq!(times(one(root_key(2), true)), Err("log_proof_invalid"));
        // One that no log has stands in nobody's way.
        let both = empty().with_key(root_key(2)).with_key(logged.clone());
        assert_eq!(
            who(&bundle, &witnessed(both, true)).as_deref(),
            Ok("logged")
        );
        // A timestamp over none of the signatures is refused, whoever signed.
        let token = Stamp::of(b"other").token();
        let mut other = bundle.clone();
        other["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": [{"signedTimestamp": BASE64.encode(&token)}]});
        for key in [logged.clone(), root_key(2)] {
            assert_eq!(who(&other, &one(key, false)), Err("timestamp_invalid"));
        }
    }
}

/// Beside a keyless signature too.
#[test]
fn a_key_beside_a_keyless_signature_has_its_own_witnesses() {
    let bundle = among(&Draught::new(Rekor::Second).bundle(), &[1], &[2]);
    let root = empty().with_key(root_key(2));
    assert_eq!(
        who(&bundle, &witnessed(root.clone(), false)).as_deref(),
        Ok("key-2")
    );
    assert_eq!(
        who(&bundle, &witnessed(root, true)),
        Err("log_proof_invalid")
    );
}
