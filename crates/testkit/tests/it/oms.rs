//! OpenSSF model signing: `conformance/oms` over models of our own, and the public vectors where they are.

use std::collections::BTreeMap;

use digest::{Digest, Hasher, Links, Listing, Walk, measure_bytes};
use serde::Deserialize;
use testkit::{key, trusting};
use trust::predicate::{Form, ModelSignature};
use trust::{Artifact, Kind, Signer, Time, TrustRoot, verify, verify_resources, verify_tree};

use crate::table;

mod changes;
mod keyless;
mod parts;
mod vectors;

/// When the vectors were made: their certificates that are to hold, hold then. 2026-11-21.
fn now() -> Time {
    Time::from_unix(1_795_219_200)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    clause: String,
    layout: Option<String>,
    there: Option<Vec<String>>,
    signed: Option<Vec<String>>,
    payload: Option<[String; 2]>,
    bundle: Option<[String; 2]>,
    expect: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failures {
    failure: Vec<Failure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failure {
    case: String,
    reason: String,
}

/// The listed failures: case to reason.
fn known_failures() -> BTreeMap<String, String> {
    let failures: Failures = table("conformance/oms/known-failures.toml");
    let count = failures.failure.len();
    let listed = failures
        .failure
        .into_iter()
        .map(|failure| (failure.case, failure.reason));
    let listed: BTreeMap<_, _> = listed.collect();
    assert!(listed.len() == count && listed.values().all(|reason| !reason.is_empty()));
    listed
}

/// `accept`, or the code of what refuses it.
fn judged(bundle: &[u8], listing: &Listing, root: &TrustRoot) -> String {
    match verify::<ModelSignature>(bundle, root, now()) {
        Err(error) => error.code().to_string(),
        Ok(verified) => match verify_tree(&verified, listing.clone(), form(listing)) {
            Ok(_) => "accept".to_owned(),
            Err(differences) => differences[0].reason().code.to_string(),
        },
    }
}

/// As [`judged`], of a model on disk: measured as the signature says, once it is believed.
fn judged_on_disk(
    bundle: &[u8],
    model: &std::path::Path,
    left_out: &[&str],
    root: &TrustRoot,
) -> String {
    let verified = match verify::<ModelSignature>(bundle, root, now()) {
        Err(error) => return error.code().to_string(),
        Ok(verified) => verified,
    };
    let signed = &verified.value().predicate;
    let is_ignored = |path: &str| {
        left_out.contains(&path) || signed.ignored().iter().any(|ignored| ignored == path)
    };
    let walk = Walk {
        ignore: &is_ignored,
        links: match signed.follows_links() {
            true => Links::Inside(model),
            false => Links::Refuse,
        },
    };
    let Ok(resources) = digest::list_resources(model, &walk, signed.method(), &|_| {}) else {
        return "unreadable".to_owned();
    };
    let form = match model.is_file() {
        true => Form::SingleFile,
        false => Form::Folder,
    };
    match verify_resources(&verified, signed.method(), resources, form) {
        Ok(_) => "accept".to_owned(),
        Err(differences) => differences[0].reason().code.to_string(),
    }
}

/// The models of one file in these tables are files; folders have more.
fn form(listing: &Listing) -> Form {
    if listing.len() == 1 {
        Form::SingleFile
    } else {
        Form::Folder
    }
}

/// What a verdict must be, given what is known to fail: a known failure is refused, and one that passes is no failure.
fn check(case: &str, got: &str, expect: &str, known: &BTreeMap<String, String>) -> Option<String> {
    let is_known = known.contains_key(case);
    let is_right = match (expect, is_known) {
        ("accept", true) => got != "accept",
        ("refuse", false) => got != "accept",
        (_, false) => got == expect,
        (_, true) => false,
    };
    (!is_right)
        .then(|| format!("{case}: {got}, and {expect} was expected (known failure: {is_known})"))
}

impl Case {
    fn listing(&self) -> Listing {
        let usual = || {
            ["config.json", "tokenizer/vocab.txt", "weights.bin"]
                .map(String::from)
                .to_vec()
        };
        let there = self.there.clone().unwrap_or_else(usual);
        there
            .into_iter()
            .map(|name| (name.clone(), measure_bytes(name.as_bytes())))
            .collect()
    }

    fn payload(&self, listing: &Listing) -> Vec<u8> {
        if self.layout.as_deref() == Some("ours") {
            let artifact = Artifact::from_listing(Kind::Model, listing).unwrap();
            return ModelSignature::statement("model", &artifact, Form::Folder, vec![]).to_bytes();
        }
        let names = || listing.keys().map(ToOwned::to_owned).collect();
        let signed: Vec<String> = self.signed.clone().unwrap_or_else(names);
        let digest = |name: &String| match name.as_str() {
            "." => listing.values().next().unwrap().digest(),
            name => Digest::of(name.as_bytes()),
        };
        laid_out(
            &signed
                .iter()
                .map(|name| (name.clone(), digest(name)))
                .collect::<Vec<_>>(),
            self.payload.as_ref(),
        )
    }

    fn bundle(&self, listing: &Listing) -> Vec<u8> {
        let sealed = key(1).seal(self.payload(listing)).unwrap();
        let text = String::from_utf8(sealed.to_bytes()).unwrap();
        let hint = key(1).public_key().id().hex();
        let raw = data_encoding::BASE64.encode(key(1).public_key().pem().as_bytes());
        let signature = data_encoding::BASE64.encode(&sealed.envelope().signatures[0]);
        let real = |text: &str| {
            text.replace("HINT", &hint)
                .replace("RAW", &raw)
                .replace("SIG", &signature)
        };
        replaced(
            text,
            self.bundle
                .as_ref()
                .map(|pair| pair.clone().map(|text| real(&text)))
                .as_ref(),
        )
        .into_bytes()
    }
}

fn replaced(text: String, pair: Option<&[String; 2]>) -> String {
    let Some([from, to]) = pair else { return text };
    let changed = text.replacen(from, to, 1);
    assert_ne!(changed, text, "{from} is not there");
    changed
}

/// A statement as the Python reference prints it, with a change.
fn laid_out(resources: &[(String, Digest)], change: Option<&[String; 2]>) -> Vec<u8> {
    let mut root = Hasher::new();
    resources
        .iter()
        .for_each(|(_, digest)| root.update(digest.raw()));
    let resource = |(name, digest): &(String, Digest)| {
        let name: String = name.encode_utf16().map(escaped).collect();
        let digest = digest.hex();
        format!(
            "      {{\n        \"digest\": \"{digest}\",\n        \"name\": \"{name}\",\n        \"algorithm\": \"sha256\"\n      }}"
        )
    };
    let resources: Vec<String> = resources.iter().map(resource).collect();
    let text = format!(
        "{{\n  \"_type\": \"https://in-toto.io/Statement/v1\",\n  \"subject\": [{{\"name\": \"model\", \"digest\": {{\"sha256\": \"ROOT\"}}}}],\n  \"predicateType\": \"https://model_signing/signature/v1.0\",\n  \"predicate\": {{\n    \"resources\": [\n{}\n    ],\n    \"serialization\": {{\n      \"hash_type\": \"sha256\",\n      \"ignore_paths\": [\".git\"],\n      \"allow_symlinks\": false,\n      \"method\": \"files\"\n    }}\n  }}\n}}",
        resources.join(",\n")
    );
    replaced(text, change)
        .replace("ROOT", &root.finish().hex())
        .into_bytes()
}

fn escaped(unit: u16) -> String {
    match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
        _ => format!("\\u{unit:04x}"),
    }
}

#[test]
fn our_own_cases() {
    let cases: Cases = table("conformance/oms/cases.toml");
    let known = known_failures();
    let root = trusting(1, &[]);
    let mut wrong = Vec::new();
    for case in &cases.case {
        assert!(!case.clause.is_empty());
        let listing = case.listing();
        let bundle = case.bundle(&listing);
        let got = judged(&bundle, &listing, &root);
        wrong.extend(check(&case.case, &got, &case.expect, &known));
        if got == "accept" {
            refuse_twins(&case.case, &bundle, &listing, &root);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What was accepted is refused once anything in it is another: each file, each resource, payload, signature, key.
fn refuse_twins(case: &str, bundle: &[u8], listing: &Listing, root: &TrustRoot) {
    let refused = |what: &str, bundle: &[u8], listing: &Listing| {
        assert_ne!(judged(bundle, listing, root), "accept", "{case}: {what}");
    };
    assert_ne!(
        judged(bundle, listing, &trusting(2, &[])),
        "accept",
        "{case}: another key"
    );
    for name in listing.keys() {
        let mut changed = listing.clone();
        changed.insert(name, measure_bytes(b"another"));
        refused("a file was changed", bundle, &changed);
        let mut missing = listing.clone();
        missing.retain(|other| other != name);
        refused("a file is missing", bundle, &missing);
    }
    let mut more = listing.clone();
    more.insert("more", measure_bytes(b"more"));
    refused("a file more", bundle, &more);
    for (what, twin) in twins(bundle) {
        refused(&what, &twin, listing);
    }
}

/// The bundle with one thing in its envelope changed, and nothing signed again.
fn twins(bundle: &[u8]) -> Vec<(String, Vec<u8>)> {
    let bundle: serde_json::Value = serde_json::from_slice(bundle).unwrap();
    let text = |pointer: &str| {
        bundle
            .pointer(pointer)
            .unwrap()
            .as_str()
            .unwrap()
            .as_bytes()
            .to_vec()
    };
    let payload = data_encoding::BASE64
        .decode(&text("/dsseEnvelope/payload"))
        .unwrap();
    let statement: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let with = |pointer: &str, bytes: &[u8]| {
        let mut twin = bundle.clone();
        *twin.pointer_mut(pointer).unwrap() = data_encoding::BASE64.encode(bytes).into();
        twin.to_string().into_bytes()
    };
    let mut twins = Vec::new();
    for (number, _) in statement["predicate"]["resources"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        for field in ["name", "digest"] {
            let mut statement = statement.clone();
            let value = &mut statement["predicate"]["resources"][number][field];
            let changed = value.as_str().unwrap().replacen(|c| c != '0', "0", 1);
            *value = changed.into();
            let twin = with("/dsseEnvelope/payload", statement.to_string().as_bytes());
            twins.push((format!("{field} of resource {number}"), twin));
        }
    }
    for at in (0..payload.len()).step_by(13) {
        let mut payload = payload.clone();
        payload[at] ^= 1;
        twins.push((
            format!("payload byte {at}"),
            with("/dsseEnvelope/payload", &payload),
        ));
    }
    // Where several signatures stand, the one that counts is the last in our table.
    let signatures = bundle["dsseEnvelope"]["signatures"]
        .as_array()
        .unwrap()
        .len();
    let pointer = format!("/dsseEnvelope/signatures/{}/sig", signatures - 1);
    let signature = data_encoding::BASE64.decode(&text(&pointer)).unwrap();
    for at in 0..signature.len() {
        let mut signature = signature.clone();
        signature[at] ^= 1;
        twins.push((format!("signature byte {at}"), with(&pointer, &signature)));
    }
    twins
}

#[test]
fn a_signer_that_lies_is_refused() {
    // The root is right and the key is ours: only the files tell.
    let root = trusting(1, &[]);
    let names = ["a", "b"];
    let listing: Listing = names
        .map(|name| (name.to_owned(), measure_bytes(name.as_bytes())))
        .into();
    let signed = |digests: [&str; 2]| {
        let resources: Vec<_> = names
            .iter()
            .zip(digests)
            .map(|(name, text)| ((*name).to_owned(), Digest::of(text.as_bytes())))
            .collect();
        key(1).seal(laid_out(&resources, None)).unwrap().to_bytes()
    };
    assert_eq!(judged(&signed(["a", "b"]), &listing, &root), "accept");
    assert_eq!(
        judged(&signed(["b", "a"]), &listing, &root),
        "digest_mismatch"
    );
    assert_eq!(
        judged(&signed(["a", "x"]), &listing, &root),
        "digest_mismatch"
    );
}
