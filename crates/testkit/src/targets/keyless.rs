//! The parsers of `trust` that read what a Sigstore says.

use std::sync::LazyLock;

use trust::predicate::ModelSignature;
use trust::{Bundle, Role, SigstoreRoot, Time, TrustRoot, verify};

use crate::sigstore::{Draught, Rekor, SIGNED_AT, root, trusting_identity};
use crate::statements;

static ROOT: LazyLock<TrustRoot> = LazyLock::new(|| trusting_identity(&root()));

/// The root of a Sigstore. What is accepted is kept as it was, in a trust root's file too.
pub(super) fn sigstore_root(bytes: &[u8]) {
    let Ok(root) = SigstoreRoot::parse(bytes) else {
        return;
    };
    assert_eq!(root.text().as_bytes(), bytes);
    let (identity, issuer) = ("a@example.com".to_owned(), "https://example.com".to_owned());
    let trust_root = TrustRoot::of_identity(identity, issuer, root, Role::Sign);
    let text = trust_root.to_toml();
    // The file has its own limit, and writes some characters with several.
    if text.len() <= 1 << 20 {
        let again = TrustRoot::parse(text.as_bytes()).expect("what we write we read");
        assert!(again.identities().eq(trust_root.identities()));
    }
}

pub(super) fn sigstore_root_seeds() -> Vec<Vec<u8>> {
    let root = root();
    let config = serde_json::json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root,
        "signingConfig": {},
    });
    vec![
        root.to_string().into_bytes(),
        config.to_string().into_bytes(),
        SigstoreRoot::production().text().as_bytes().to_vec(),
        SigstoreRoot::staging().text().as_bytes().to_vec(),
    ]
}

/// A keyless bundle. Whatever is believed was signed by the one who signs here, at the one time.
pub(super) fn keyless_bundle(bytes: &[u8]) {
    let Ok(bundle) = Bundle::parse(bytes) else {
        return;
    };
    let now = Time::from_unix(SIGNED_AT + 1);
    let Ok(verified) = verify::<ModelSignature>(bytes, &ROOT, now) else {
        return;
    };
    let signed = statements::payloads().swap_remove(0);
    assert_eq!(bundle.envelope().payload(), signed, "a forged payload");
    assert!(matches!(
        verified.proof().how,
        trust::How::Keyless { logged_at, .. } if logged_at.unix() == SIGNED_AT
    ));
}

pub(super) fn keyless_bundle_seeds() -> Vec<Vec<u8>> {
    let mut unstamped = Draught::new(Rekor::First);
    unstamped.is_stamped = false;
    let draughts = [
        Draught::new(Rekor::First),
        Draught::new(Rekor::Second),
        Draught::new(Rekor::SecondAsFirst),
        unstamped,
    ];
    let bundle = |draught: &Draught| draught.bundle().to_string().into_bytes();
    draughts.iter().map(bundle).collect()
}
