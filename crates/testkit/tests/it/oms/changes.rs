//! Every accepted form of a bundle, cut anywhere and changed at any byte: it is refused, or it means exactly the same. Which
//! bytes may change without changing what a bundle means is written down here, form by form; there are no others.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::ops::Range;

use data_encoding::BASE64;
use digest::{Algorithm, Method, ResourceDigest};
use testkit::certificates::{Stamp, chain, stamping_root};
use trust::predicate::{Spelling, Terms};
use trust::x509::Certificate;
use trust::{Bundle, Proof, Role, Statement, seal, seal_certified};

use super::*;

/// What is put in the place of each byte, beside itself with one bit turned over: what means something in JSON or base64.
const OTHERS: &[u8] = b"\0 \t\n\"\\,:{}[]/+=-.019AZafz\x7f\xff";

const DEEP: usize = 40;

struct Sealed {
    name: &'static str,
    bundle: String,
    root: TrustRoot,
    /// What may be another, and why; all else may not.
    free: Vec<(&'static str, Range<usize>)>,
}

impl Sealed {
    fn new(name: &'static str, bundle: String, root: TrustRoot) -> Self {
        Self {
            name,
            bundle,
            root,
            free: vec![],
        }
    }

    /// The only place where this text stands may be another.
    fn free(mut self, why: &'static str, text: &str) -> Self {
        let at = self.bundle.find(text).unwrap();
        assert_eq!(self.bundle.matches(text).count(), 1, "{why}");
        self.free.push((why, at..at + text.len()));
        self
    }

    /// The first byte of the only place where this text stands may be another.
    fn free_first(self, why: &'static str, text: &str) -> Self {
        let mut form = self.free(why, text);
        if let Some((_, range)) = form.free.last_mut() {
            range.end = range.start + 1;
        }
        form
    }

    /// All space outside of strings may be other space.
    fn free_space(mut self) -> Self {
        let (mut is_inside, mut was_backslash) = (false, false);
        for (at, byte) in self.bundle.bytes().enumerate() {
            if byte == b'"' && !was_backslash {
                is_inside = !is_inside;
            }
            was_backslash = byte == b'\\' && !was_backslash;
            if !is_inside && byte.is_ascii_whitespace() {
                self.free.push(("space is space", at..at + 1));
            }
        }
        self
    }

    fn meaning(&self, bundle: &[u8]) -> Option<(Statement<ModelSignature>, Proof)> {
        let verified = verify::<ModelSignature>(bundle, &self.root, now()).ok()?;
        let proof = Proof {
            bundle: Digest::of(b""),
            ..verified.proof().clone()
        };
        Some((verified.value().clone(), proof))
    }
}

fn statement(method: Method) -> Statement<ModelSignature> {
    let names = match method.shard_size {
        None => ["a.json", "weights.bin"],
        Some(_) => ["weights.bin:0:8", "weights.bin:8:10"],
    };
    let digests = names.map(|name| {
        let raw = [0x5a; 64];
        let raw = raw.get(..method.algorithm.size_bytes()).unwrap();
        (
            name,
            ResourceDigest::from_raw(method.algorithm, raw).unwrap(),
        )
    });
    let terms = Terms {
        method,
        follows_links: false,
        ignored: vec![".git".to_owned()],
        spelling: Spelling::Interoperable,
    };
    ModelSignature::of_resources("model", digests.into_iter(), Form::Folder, terms)
}

fn usual() -> Statement<ModelSignature> {
    statement(Method::WHOLE_SHA256)
}

fn text(bundle: &Bundle) -> String {
    String::from_utf8(bundle.to_bytes()).unwrap()
}

/// As releases, other tools and other people write them, signed with a key.
fn by_key() -> Vec<Sealed> {
    let sealed = |statement: &Statement<_>| text(&seal(statement, &key(1)).unwrap());
    let root = || trusting(1, &[]);
    let ours = sealed(&usual());
    let hint = format!("\"hint\":\"{}\"", key(1).public_key().id().hex());
    let pem = BASE64.encode(key(1).public_key().pem().as_bytes());
    let older = format!("\"rawBytes\":\"{pem}\",\"keyDetails\":\"PKIX_ECDSA_P256_SHA_256\"");
    let pieces = Method {
        algorithm: Algorithm::Blake2b,
        shard_size: NonZeroU64::new(8),
    };
    let other_type = "bundle+json;version=0.3";
    let another = "MAYCAQECAQE=";
    vec![
        Sealed::new("ours", ours.clone(), root()),
        Sealed::new("pieces by another hash", sealed(&statement(pieces)), root()),
        Sealed::new("no hint", ours.replace(&hint, ""), root()),
        Sealed::new("before 1.1", ours.replace(&hint, &older), root())
            .free("the key says what it is", "PKIX_ECDSA_P256_SHA_256"),
        Sealed::new(
            "an older name",
            ours.replace("bundle.v0.3+json", other_type),
            root(),
        )
        .free_first(
            "versions 0.1 to 0.3 are one form",
            "3\",\"verificationMaterial",
        ),
        Sealed::new(
            "with space",
            ours.replace(":{\"payload\"", ": {\n\t\"payload\""),
            root(),
        )
        .free_space(),
        Sealed::new(
            "a key's id",
            ours.replace("\"keyid\":\"\"", "\"keyid\":\"mine\""),
            root(),
        )
        .free("the hint names the key", "mine"),
        Sealed::new(
            "somebody else's signature beside",
            ours.replace(
                "\"signatures\":[",
                &format!("\"signatures\":[{{\"sig\":\"{another}\",\"keyid\":\"\"}},"),
            ),
            root(),
        )
        .free("one signature is enough", another)
        .free(
            "of several signatures the hint names one",
            &key(1).public_key().id().hex(),
        ),
    ]
}

/// With certificates, and with a timestamp by an authority that is believed, or by one that nobody knows.
fn by_certificate() -> Vec<Sealed> {
    let [leaf, middle, anchor] = chain().map(|der| Certificate::from_der(&der).unwrap());
    let of = |timestamps: &[Vec<u8>]| {
        let read = |der: &Vec<u8>| Certificate::from_der(der).unwrap();
        let timestamps = timestamps.iter().map(read).collect();
        TrustRoot::of_authorities(vec![anchor.clone()], None, timestamps, Role::Sign)
    };
    let sealed =
        |issuers: &[Certificate]| seal_certified(&usual(), &key(3), &leaf, issuers, now()).unwrap();
    let short = sealed(std::slice::from_ref(&middle));
    let token = BASE64.encode(&Stamp::of(&short.envelope().signatures[0]).token());
    let stamped = format!(
        "\"tlogEntries\":[],\"timestampVerificationData\":{{\"rfc3161Timestamps\":[{{\"signedTimestamp\":\"{token}\"}}]}}"
    );
    let stamped = text(&short).replace("\"tlogEntries\":[]", &stamped);
    let whole = text(&sealed(&[middle.clone(), anchor.clone()]));
    let anchor_text = BASE64.encode(anchor.as_der());
    vec![
        Sealed::new("a certificate", text(&short), of(&[])),
        Sealed::new("a certificate and the anchor", whole, of(&[]))
            .free("the anchor is known from elsewhere", &anchor_text),
        Sealed::new("stamped by nobody known", stamped.clone(), of(&[]))
            .free("a stamp that nobody can check says nothing", &token),
        Sealed::new("stamped", stamped, of(&[stamping_root()])),
    ]
}

/// What released tools wrote, where the public vectors are.
fn of_releases() -> Vec<Sealed> {
    let Some(folder) = vectors::folder().map(|folder| folder.join("python-historical")) else {
        return vec![];
    };
    let keys = folder.join("keys/certificate");
    let read = |name: &'static str| {
        let text = std::fs::read_to_string(folder.join(name).join("model.sig")).unwrap();
        let root = match name.ends_with("-certificate") {
            true => vectors::certified_by(&keys.join("ca-cert.pem")),
            false => vectors::root_of(&keys.join("signing-key-pub.pem")),
        };
        Sealed::new(name, text, root).free_space()
    };
    vec![
        read("v0.2.0-certificate"),
        read("v1.0.1-certificate"),
        read("v1.1.0-certificate"),
        read("v0.3.1-elliptic-key").free("the key says what it is", "PKIX_ECDSA_P384_SHA_384"),
        read("v1.1.0-elliptic-key"),
    ]
}

/// Everything that one byte can do: turned bit by bit, replaced, left out. Deep in a long text of base64 one bit is enough, which
/// makes another letter or the same in the other case.
fn changes(bytes: &[u8], at: usize) -> impl Iterator<Item = Vec<u8>> {
    let was = bytes[at];
    let around = bytes
        .get(at.wrapping_sub(DEEP)..at + DEEP)
        .unwrap_or_default();
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || [b'+', b'/'].contains(b);
    let is_deep = !around.is_empty() && around.iter().all(is_base64);
    let others = if is_deep { &[] } else { OTHERS };
    let bits = match (is_deep, at % 2) {
        (false, _) => &[0, 1, 2, 3, 4, 5, 6, 7][..],
        (true, 0) => &[0],
        (true, _) => &[5],
    };
    let turned = bits.iter().map(|bit| was ^ (1 << bit));
    let others: BTreeSet<u8> = turned
        .chain(others.iter().copied())
        .filter(|b| *b != was)
        .collect();
    let (bytes, shorter) = (bytes.to_vec(), [&bytes[..at], &bytes[at + 1..]].concat());
    let replaced = others.into_iter().map(move |other| {
        let mut changed = bytes.clone();
        changed[at] = other;
        changed
    });
    replaced.chain([shorter])
}

/// How many changed bundles were read, and what is wrong.
fn check(form: &Sealed) -> (usize, Vec<String>) {
    let bytes = form.bundle.as_bytes();
    let meaning = form.meaning(bytes);
    assert!(meaning.is_some(), "{} is not accepted itself", form.name);
    let (mut count, mut wrong, mut met) = (0, vec![], BTreeSet::new());
    for length in 0..bytes.len() {
        count += 1;
        if form.meaning(&bytes[..length]).is_some() {
            wrong.push(format!("{}: cut to {length} bytes", form.name));
        }
    }
    for at in 0..bytes.len() {
        for changed in changes(bytes, at) {
            count += 1;
            let Some(changed) = form.meaning(&changed) else {
                continue;
            };
            let why = form.free.iter().find(|(_, range)| range.contains(&at));
            let is_same = Some(changed) == meaning;
            match why {
                Some((why, _)) if is_same => drop(met.insert(*why)),
                _ => wrong.push(format!("{}: byte {at}, the same: {is_same}", form.name)),
            }
        }
    }
    // A place that is said to be free and is not would hide that it is checked after all.
    for (why, _) in form.free.iter().filter(|(why, _)| !met.contains(why)) {
        wrong.push(format!("{}: not so: {why}", form.name));
    }
    (count, wrong)
}

#[test]
fn a_changed_bundle_is_refused_or_means_the_same() {
    let forms: Vec<Sealed> = by_key()
        .into_iter()
        .chain(by_certificate())
        .chain(of_releases())
        .collect();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = forms
            .iter()
            .map(|form| scope.spawn(move || check(form)))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let count: usize = results.iter().map(|(count, _)| count).sum();
    let wrong: Vec<_> = results.into_iter().flat_map(|(_, wrong)| wrong).collect();
    assert!(
        wrong.is_empty(),
        "{} of {count}: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    assert!(count > 100_000, "{count}");
}
