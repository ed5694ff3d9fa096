//! The parsers of `trust` that read what a Sigstore says.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use trust::predicate::ModelSignature;
use trust::tuf::Update;
use trust::{Bundle, Role, SigstoreRoot, Time, TrustRoot, verify};

use crate::sigstore::{Draught, Rekor, SIGNED_AT, root, trusting_identity};
use crate::statements;
use crate::tuf::Repository;

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
    let mut by_key = Draught::new(Rekor::First);
    by_key.is_by_key = true;
    let mut draughts = Rekor::ALL.map(Draught::new).to_vec();
    // Seeds that are there keep their numbers.
    draughts.splice(3..3, [unstamped]);
    draughts.push(by_key);
    let bundle = |draught: &Draught| draught.bundle().to_string().into_bytes();
    draughts.iter().map(bundle).collect()
}

/// How many files an update of [`Repository`] asks for, without the root that is not there.
const UPDATE_FILES: usize = 4;

/// Each file by its path.
type Files = BTreeMap<String, Vec<u8>>;

/// The first root, and all files.
static REPOSITORY: LazyLock<(Vec<u8>, Files)> = LazyLock::new(|| {
    let repository = Repository::of("trusted_root.json", b"what is wanted");
    (repository.first_root(), repository.files())
});

/// An update, up to the file of this number.
fn begun(number: usize) -> Update {
    let (root, files) = &*REPOSITORY;
    let now = Time::from_unix(crate::tuf::NOW);
    let update = Update::begin(root, None, ("trusted_root.json", &[]), now);
    let mut update = update.expect("its root is one");
    for _ in 0..number {
        let wanted = update.wants().expect("there are so many");
        let bytes = files.get(&wanted.path).map(Vec::as_slice);
        update.take(bytes).expect("it is right");
    }
    update
}

/// A file of an update, the first byte saying which. What is taken is what was signed: the next one asked for is the same as
/// after the right file.
pub(super) fn update(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let number = usize::from(*which) % (UPDATE_FILES + 1);
    let mut update = begun(number);
    if update.take(Some(bytes)).is_ok() {
        assert_ne!(number, 0, "nobody signed another root");
        assert_eq!(update.wants(), begun(number + 1).wants(), "a forged file");
    }
}

pub(super) fn update_seeds() -> Vec<Vec<u8>> {
    let (root, files) = &*REPOSITORY;
    let mut seeds = vec![[&[0], &root[..]].concat()];
    for number in 1..=UPDATE_FILES {
        let wanted = begun(number).wants().expect("there are so many");
        let number = u8::try_from(number).expect("there are few");
        seeds.push([&[number], &files[&wanted.path][..]].concat());
    }
    seeds
}
