//! The one verb: bytes and a trust root in, a [`Verified`] out.

use digest::Digest;

use crate::predicate::FIRST_RELEASE_TYPE;
use crate::{
    Bundle, Envelope, Error, How, KeyId, Material, Opaque, PAYLOAD_TYPE, Predicate, Proof, Role,
    Statement, Time, TrustRoot, Verified,
};

mod any;
mod manifest;
mod signed;
mod signer;

pub use any::{verify_any, verify_any_as_made};
pub use manifest::{ManifestError, Named, verify_manifest};
pub use signed::{
    Difference, Listed, Part, differences, verify_listed, verify_part, verify_resources,
    verify_sealed, verify_tree,
};
use signer::{Encoding, Signer, When, signers};

/// Believes a bundle, or says why not. Every statement, of whatever stage, comes through here.
///
/// # Errors
/// One of the numbered checks fails; each has its own variant and code.
pub fn verify<P: Predicate>(
    bundle_bytes: &[u8],
    root: &TrustRoot,
    now: Time,
) -> Result<Verified<Statement<P>>, Error> {
    believe(bundle_bytes.to_vec(), root, now, Purpose::Allow)
}

/// As [`verify()`], of bytes that nobody else needs: a bundle over many files is long, and is not held twice.
///
/// # Errors
/// As [`verify()`].
pub fn verify_taken<P: Predicate>(
    bundle_bytes: Vec<u8>,
    root: &TrustRoot,
    now: Time,
) -> Result<Verified<Statement<P>>, Error> {
    believe(bundle_bytes, root, now, Purpose::Allow)
}

/// As [`verify()`], where the bundle was read or made before: what is believed are the bytes that it writes.
///
/// # Errors
/// As [`verify()`].
pub fn verify_bundle<P: Predicate>(
    bundle: &Bundle,
    root: &TrustRoot,
    now: Time,
) -> Result<Verified<Statement<P>>, Error> {
    root.check_time(now)?;
    believe_parsed(bundle, bundle.digest(), root, now, Purpose::Allow)
}

/// Believes a bundle though its key's time may be over, or its role taken away: only for what forbids. A recall does not
/// end with the key that made it, nor what a model was made from with its builder's.
///
/// # Errors
/// As [`verify`], but for the key's own time and role.
pub fn verify_to_forbid<P: Predicate>(
    bundle_bytes: &[u8],
    root: &TrustRoot,
    now: Time,
) -> Result<Verified<Statement<P>>, Error> {
    believe(bundle_bytes.to_vec(), root, now, Purpose::Forbid)
}

/// Whether what a key of the root signs now will be believed: asked before there is anything to sign.
///
/// # Errors
/// As [`verify`] of a statement that is said in this role and, if one is given, in this name.
pub fn verify_to_speak(
    root: &TrustRoot,
    key: KeyId,
    role: Role,
    claimed: Option<&str>,
    now: Time,
) -> Result<(), Error> {
    root.check_time(now)?;
    let known = root.key(key);
    let signer = Signer::of_key(known.ok_or(Error::KeyUnknown { key: Some(key) })?);
    may_say(&signer, role, now, Purpose::Allow)?;
    may_speak(&signer, claimed)
}

/// What a statement is believed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To let something through: its key must hold, and have the role, now.
    Allow,
    /// To keep something out: that its key did so at some time is enough.
    Forbid,
}

fn believe<P: Predicate>(
    bundle_bytes: Vec<u8>,
    root: &TrustRoot,
    now: Time,
    purpose: Purpose,
) -> Result<Verified<Statement<P>>, Error> {
    // (1) The root itself holds now. Stops: an old root whose keys have been lost since.
    root.check_time(now)?;
    let digest = Digest::of(&bundle_bytes);
    let bundle = Bundle::take(bundle_bytes)?;
    believe_parsed(&bundle, digest, root, now, purpose)
}

fn believe_parsed<P: Predicate>(
    bundle: &Bundle,
    digest: Digest,
    root: &TrustRoot,
    now: Time,
    purpose: Purpose,
) -> Result<Verified<Statement<P>>, Error> {
    // (2) Somebody of the root made a signature over the very bytes received. Stops: altered and self-signed statements.
    let signers = signers(bundle, root, When::of(purpose, now))?;
    // Of several, one is enough: that of them counts of whom all that follows is true.
    let signers = those(signers, |signer| may_say(signer, P::ROLE, now, purpose))?;
    // (5) The bytes that were signed are what is parsed, as the type that was asked for. Stops: one statement read as another.
    check_type(bundle.envelope())?;
    let statement = Statement::<Opaque<'_>>::parse(bundle.envelope().payload())?;
    let said = statement.predicate.predicate_type.clone();
    let signers = those(signers, |signer| read_as_signed(signer, &said))?;
    let statement = P::of_statement(statement)?;
    // (6) The name in the statement is one that the key may speak for. Stops: one builder that poses as another.
    let signers = those(signers, |signer| {
        may_speak(signer, statement.predicate.speaker())
    })?;
    Ok(Verified::new(
        statement,
        proof(signers, root, (bundle, digest), now)?,
    ))
}

/// Nothing else is a statement.
fn check_type(envelope: &Envelope) -> Result<(), Error> {
    if envelope.payload_type() == PAYLOAD_TYPE {
        return Ok(());
    }
    Err(Error::PayloadType {
        got: envelope.payload_type().to_owned(),
    })
}

/// Of those who may say it, the first.
fn proof(
    signers: Vec<Signer<'_>>,
    root: &TrustRoot,
    (bundle, digest): (&Bundle, Digest),
    at: Time,
) -> Result<Proof, Error> {
    // `those` are at least one.
    let signer = signers.into_iter().next();
    let signer = signer.ok_or(Error::KeyUnknown { key: None })?;
    Ok(Proof {
        key: signer.key,
        key_name: signer.name.to_owned(),
        speaks_for: signer.speaks_for.to_vec(),
        root: root.digest(),
        bundle: digest,
        at,
        has_unvouched_timestamp: has_unvouched_timestamp(bundle.material(), &signer.how),
        how: signer.how,
    })
}

/// Whether there is a timestamp, and no time that was taken from one. A keyless signature's are all believed, or refused.
fn has_unvouched_timestamp(material: &Material, how: &How) -> bool {
    let (Material::Key { timestamps, .. }
    | Material::Certificate { timestamps, .. }
    | Material::Keyless { timestamps, .. }) = material;
    let is_believed = match how {
        How::Key { stamped, .. } | How::Certificate { stamped, .. } => stamped.is_some(),
        How::Keyless { .. } => true,
    };
    !timestamps.is_empty() && !is_believed
}

/// Those of whom it is true, at least one; else what was said against the first.
fn those<'a>(
    signers: Vec<Signer<'a>>,
    check: impl Fn(&Signer<'_>) -> Result<(), Error>,
) -> Result<Vec<Signer<'a>>, Error> {
    let refused = signers.first().map(&check);
    let fitting: Vec<_> = signers.into_iter().filter(|s| check(s).is_ok()).collect();
    match refused {
        Some(Err(error)) if fitting.is_empty() => Err(error),
        _ => Ok(fitting),
    }
}

fn may_say(signer: &Signer<'_>, role: Role, now: Time, purpose: Purpose) -> Result<(), Error> {
    if purpose == Purpose::Forbid {
        return Ok(());
    }
    // (3) The root believes them now. Stops: keys that were retired.
    check_time(signer, now)?;
    // (4) That key may say what is said here. Stops: a scanner's key that publishes.
    if signer.roles.contains(&role) {
        return Ok(());
    }
    Err(Error::KeyRole {
        key_name: signer.name.to_owned(),
        role,
    })
}

/// Only the first release's own statements were signed as it did.
fn read_as_signed(signer: &Signer<'_>, said: &str) -> Result<(), Error> {
    if signer.encoding == Encoding::FirstRelease && said != FIRST_RELEASE_TYPE {
        return Err(Error::Signature {
            key_name: signer.name.to_owned(),
        });
    }
    Ok(())
}

fn may_speak(signer: &Signer<'_>, claimed: Option<&str>) -> Result<(), Error> {
    match claimed {
        Some(claimed) if !signer.speaks_for.iter().any(|name| name == claimed) => {
            Err(Error::Speaker {
                key_name: signer.name.to_owned(),
                claimed: claimed.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

fn check_time(signer: &Signer<'_>, now: Time) -> Result<(), Error> {
    let key_name = signer.name.to_owned();
    let (valid_from, valid_until) = (signer.valid_from, signer.valid_until);
    if now < valid_from {
        return Err(Error::KeyNotYetValid {
            key_name,
            valid_from,
            now,
        });
    }
    if now >= valid_until {
        return Err(Error::KeyExpired {
            key_name,
            valid_until,
            now,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use digest::{Listing, measure_bytes};

    use super::*;
    use crate::predicate::{
        BuildDefinition, BuilderRef, Form, ModelSignature, Provenance, RunDetails, RunMetadata,
    };
    use crate::{Artifact, Kind, PrivateKey, Role, RootKey, Signer as _, Subject, seal};

    const NOW: i64 = 500;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_random(&[seed; 32]).unwrap()
    }

    fn root_key(name: &str, seed: u8, roles: &[Role]) -> RootKey {
        RootKey {
            name: name.into(),
            public_key: key(seed).public_key().clone(),
            roles: roles.to_vec(),
            speaks_for: vec!["https://example.com/builder".into()],
            valid_from: Time::from_unix(100),
            valid_until: Time::from_unix(900),
        }
    }

    fn root() -> TrustRoot {
        TrustRoot::new(Time::from_unix(0), Time::from_unix(1000))
            .with_key(root_key("signer", 1, &[Role::Sign]))
            .with_key(root_key("builder", 2, &[Role::Build]))
    }

    fn listing(files: &[(&str, &str)]) -> Listing {
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), measure_bytes(text.as_bytes())))
            .collect()
    }

    fn signature(seed: u8) -> Vec<u8> {
        let artifact =
            Artifact::from_listing(Kind::Model, &listing(&[("a", "1"), ("b/c", "2")])).unwrap();
        let statement =
            ModelSignature::statement("model", &artifact, Form::Folder, vec![".git".into()]);
        seal(&statement, &key(seed)).unwrap().to_bytes()
    }

    fn provenance(builder: &str) -> Statement<Provenance> {
        let build_definition = BuildDefinition {
            build_type: "https://example.com/type".into(),
            external_parameters: BTreeMap::new(),
            internal_parameters: BTreeMap::new(),
            resolved_dependencies: vec![],
        };
        let builder = BuilderRef {
            id: builder.into(),
            version: BTreeMap::new(),
        };
        let run_details = RunDetails {
            builder,
            metadata: RunMetadata::default(),
            byproducts: vec![],
        };
        let subject = Subject {
            name: "m".into(),
            digest: Digest::of(b"m"),
        };
        Statement {
            subjects: vec![subject],
            predicate: Provenance {
                build_definition,
                run_details,
            },
        }
    }

    fn check(bundle: &[u8], now: i64) -> Result<Verified<Statement<ModelSignature>>, &'static str> {
        verify(bundle, &root(), Time::from_unix(now)).map_err(|e: Error| e.code().as_str())
    }

    #[test]
    fn believes_the_right_key_at_the_right_time() {
        let verified = check(&signature(1), NOW).unwrap();
        assert_eq!(
            (verified.proof().key_name.as_str(), verified.proof().at),
            ("signer", Time::from_unix(NOW))
        );
        for (seed, now, code) in [
            (1, -1, "root_not_yet_valid"),
            (1, 1000, "root_expired"),
            (1, 99, "key_not_yet_valid"),
            (1, 900, "key_expired"),
            (2, NOW, "key_role"),
            (3, NOW, "key_unknown"),
        ] {
            assert_eq!(
                check(&signature(seed), now).err(),
                Some(code),
                "{seed} {now}"
            );
        }
    }

    #[test]
    fn every_altered_byte_of_a_bundle_is_refused() {
        let good = signature(1);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(
                check(&bad, NOW).is_err(),
                "byte {at}: {}",
                String::from_utf8_lossy(&bad)
            );
        }
        assert!(check(&[good.as_slice(), b" {}"].concat(), NOW).is_err());
    }

    #[test]
    fn a_key_speaks_only_for_its_names() {
        let sealed = |builder| seal(&provenance(builder), &key(2)).unwrap().to_bytes();
        let said = |builder| {
            verify::<Provenance>(&sealed(builder), &root(), Time::from_unix(NOW))
                .map(|_| ())
                .map_err(|e| e.code().as_str())
        };
        assert_eq!(said("https://example.com/builder"), Ok(()));
        assert_eq!(said("https://example.com/other"), Err("speaker_mismatch"));
    }

    #[test]
    fn who_will_be_believed_can_be_told_before() {
        let builder = Some("https://example.com/builder");
        for (seed, role, claimed, now, code) in [
            (2, Role::Build, builder, NOW, None),
            (2, Role::Build, None, NOW, None),
            (2, Role::Build, Some("other"), NOW, Some("speaker_mismatch")),
            (2, Role::Sign, builder, NOW, Some("key_role")),
            (2, Role::Build, builder, 99, Some("key_not_yet_valid")),
            (2, Role::Build, builder, 900, Some("key_expired")),
            (3, Role::Build, builder, NOW, Some("key_unknown")),
            (2, Role::Build, builder, 1000, Some("root_expired")),
        ] {
            let id = key(seed).public_key().id();
            let told = verify_to_speak(&root(), id, role, claimed, Time::from_unix(now));
            assert_eq!(
                told.err().map(|e| e.code().as_str()),
                code,
                "{seed} {role} {now}"
            );
        }
    }

    #[test]
    fn a_statement_is_not_read_as_another() {
        let both = TrustRoot::new(Time::from_unix(0), Time::from_unix(1000)).with_key(root_key(
            "k",
            2,
            &[Role::Build, Role::Sign],
        ));
        let sealed = seal(&provenance("https://example.com/builder"), &key(2))
            .unwrap()
            .to_bytes();
        let read = verify::<ModelSignature>(&sealed, &both, Time::from_unix(NOW));
        assert!(matches!(read, Err(Error::PredicateType { .. })));
    }

    #[test]
    fn all_differences_are_told_in_order() {
        let verified = check(&signature(1), NOW).unwrap();
        assert!(
            verify_tree(
                &verified,
                listing(&[("a", "1"), ("b/c", "2")]),
                Form::Folder
            )
            .is_ok()
        );
        let differences = verify_tree(
            &verified,
            listing(&[("a", "x"), (".DS_Store", "")]),
            Form::Folder,
        )
        .unwrap_err();
        let codes: Vec<_> = differences
            .iter()
            .map(|d| d.reason().code.as_str())
            .collect();
        assert_eq!(codes, ["file_extra", "digest_mismatch", "file_missing"]);
    }

    #[test]
    fn a_single_file_has_any_name_and_is_no_folder() {
        let one = listing(&[("a.pkl", "1")]);
        let artifact = Artifact::from_listing(Kind::Model, &one).unwrap();
        let statement = ModelSignature::statement("a.pkl", &artifact, Form::SingleFile, vec![]);
        let verified = check(&seal(&statement, &key(1)).unwrap().to_bytes(), NOW).unwrap();
        let renamed = listing(&[("b.pkl", "1")]);
        assert!(verify_tree(&verified, renamed.clone(), Form::SingleFile).is_ok());
        assert!(verify_tree(&verified, renamed, Form::Folder).is_err());
        let unfit = verify_tree(&verified, listing(&[("a\u{7}", "1")]), Form::SingleFile);
        assert_eq!(unfit.unwrap_err().len(), 1);
        assert!(verify_tree(&verified, listing(&[("a.pkl", "2")]), Form::SingleFile).is_err());
    }

    #[test]
    fn a_signature_names_each_file_once_and_its_root() {
        let artifact = Artifact::from_listing(Kind::Model, &listing(&[("a", "1")])).unwrap();
        let statement = ModelSignature::statement("m", &artifact, Form::Folder, vec![]);
        let good = String::from_utf8(statement.to_bytes()).unwrap();
        let read = |text: &str| {
            let bundle = key(1).seal(text.as_bytes().to_vec()).unwrap().to_bytes();
            check(&bundle, NOW).map(|_| ())
        };
        assert_eq!(read(&good), Ok(()));
        let root = artifact.signing_root().hex();
        let resource = good
            .split("\"resources\":[")
            .nth(1)
            .unwrap()
            .split(']')
            .next()
            .unwrap()
            .to_owned();
        for (from, to) in [
            (root.as_str(), "0".repeat(64)),
            ("\"name\":\"a\"", "\"name\":\"../a\"".into()),
            ("\"name\":\"a\"", "\"name\":\"/a\"".into()),
            ("\"method\":\"files\"", "\"method\":\"magic\"".into()),
            ("\"allow_symlinks\":false", "\"allow_symlinks\":0".into()),
            ("\"method\":\"files\"", "\"method\":\"shards\"".into()),
            (
                "\"hash_type\":\"sha256\"",
                "\"hash_type\":\"blake3\"".into(),
            ),
            (resource.as_str(), format!("{resource},{resource}")),
            (resource.as_str(), String::new()),
        ] {
            let bad = good.replace(from, &to);
            assert_ne!(bad, good);
            assert_eq!(read(&bad), Err("statement_invalid"), "{from} -> {to}");
        }
    }
}
