//! `model_signing verify METHOD MODEL_PATH`

use std::collections::BTreeSet;
use std::path::Path;

use trust::predicate::ModelSignature;
use trust::x509::Certificate;
use trust::{
    Bundle, How, Material, PAYLOAD_TYPE, PublicKey, Role, SigstoreRoot, Statement, Time, TrustRoot,
    Verified,
};

use super::manifest;
use super::measure::{self, LeftOut};
use super::methods::{VerifyCertificate, VerifyKey, VerifyMethod, VerifySigstore, VerifyTarget};
use super::refused::{self, Refused, file_error};
use super::voice::Voice;
use crate::believed::{public_sigstore, read_sigstore, too_old};
use crate::commands::verify::{OTHER_ORDER, left_out_when_signed, missing_way, unvouched_line};
use crate::holder::read_certificates;
use crate::model::{default_ignored, left_out, no_twins};

const SIGNATURE_SIZE_BYTES_MAX: u64 = 64 << 20;
const KEY_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Verifies a model, or says why not.
pub(super) fn run(method: &VerifyMethod, voice: &Voice) -> Result<(), Refused> {
    let (target, believed) = believed(method, voice)?;
    let signature = believe(target, &believed, voice)?;
    let model = target.model.path();
    if let Some(artifact) = manifest::named(&model)? {
        return manifest::verify(&artifact, &signature, target.ignores_unsigned(), voice);
    }
    manifest::hint(&model, voice);
    let (left_out, links) = what_is_looked_at(target, &signature)?;
    let links = links.as_deref();
    let signed = &signature.value().predicate;
    let measured = measure::measure(&model, &left_out, links, signed.method())?;
    let name = measure::name(&model)?;
    let (form, resources, empty) = (measured.form, measured.resources, measured.empty);
    let believed = match target.ignores_unsigned() {
        // Its verdict is of another type, that says less.
        true => trust::verify_listed(&signature, signed.method(), resources, form).map(drop),
        false => trust::verify_resources(&signature, signed.method(), resources, form).map(drop),
    };
    believed.map_err(|differences| refused::mismatch(&name, &differences))?;
    tell(target, &signature, &left_out, voice);
    if !empty.is_empty() {
        let empty = empty.join(", ");
        voice.warn(&format!(
            "empty, and covered by no signature, which is of pieces: {empty}"
        ));
    }
    Ok(())
}

/// Who is believed, and how they must have signed.
#[derive(Debug)]
pub(super) struct Believed {
    root: TrustRoot,
    how: Means,
    logs_fingerprints: bool,
}

/// What a signature is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Key,
    Certificate,
    Keyless,
}

impl Means {
    const fn of(material: &Material) -> Self {
        match material {
            Material::Key { .. } => Self::Key,
            Material::Certificate { .. } => Self::Certificate,
            Material::Keyless { .. } => Self::Keyless,
        }
    }

    /// What it is, and the word that verifies it.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Key => ("with a key", "verify key"),
            Self::Certificate => ("with a certificate", "verify certificate"),
            Self::Keyless => ("keylessly, with Sigstore", "verify sigstore"),
        }
    }
}

/// What is to be verified, and by whom it must be signed.
pub(super) fn believed<'a>(
    method: &'a VerifyMethod,
    voice: &Voice,
) -> Result<(&'a VerifyTarget, Believed), Refused> {
    match method {
        VerifyMethod::Key(words) => Ok((&words.target, by_key(words)?)),
        VerifyMethod::Certificate(words) => Ok((&words.target, by_certificate(words, voice)?)),
        VerifyMethod::Sigstore(words) => Ok((&words.target, by_identity(words, voice)?)),
    }
}

fn by_identity(words: &VerifySigstore, voice: &Voice) -> Result<Believed, Refused> {
    let now = host::clock::now()?;
    let sigstore = match (&words.instance.trust_config, words.instance.use_staging) {
        (Some(path), _) => {
            // For the reference's words where there is no such file.
            std::fs::metadata(path).map_err(|e| file_error(path, &e))?;
            read_sigstore(path)?
        }
        (None, true) => staging(now, voice),
        (None, false) => public_sigstore(now, &|warning| voice.warn(warning))?.root,
    };
    let (identity, issuer) = (words.identity.clone(), words.identity_provider.0.clone());
    Ok(Believed {
        root: TrustRoot::of_identity(identity, issuer, sigstore, Role::Sign),
        how: Means::Keyless,
        logs_fingerprints: false,
    })
}

/// The staging instance's root, which nothing refreshes.
fn staging(now: Time, voice: &Voice) -> SigstoreRoot {
    let staging = SigstoreRoot::staging();
    if let Some(warning) = staging.taken().and_then(|taken| too_old(taken, now)) {
        voice.warn(&warning);
    }
    staging
}

fn by_key(words: &VerifyKey) -> Result<Believed, Refused> {
    let path = &words.public_key;
    let bytes = host::named_file::read(path, KEY_SIZE_BYTES_MAX);
    let bytes = bytes.map_err(|e| file_error(path, &e))?;
    let key = PublicKey::from_pem(&String::from_utf8_lossy(&bytes));
    Ok(Believed {
        root: TrustRoot::of_key(key.map_err(|e| refused::key(&e))?, Role::Sign),
        how: Means::Key,
        logs_fingerprints: false,
    })
}

fn by_certificate(words: &VerifyCertificate, voice: &Voice) -> Result<Believed, Refused> {
    if words.certificate_chain.is_empty() {
        return Err(Refused::new(
            "no `--certificate_chain` is given, and the authorities of the web don't say who may sign models",
            "name the certificates of the authorities that you believe: `--certificate_chain CA.pem`",
        ));
    }
    let anchors = all(&words.certificate_chain)?;
    if words.log_fingerprints {
        anchors
            .iter()
            .for_each(|anchor| tell_fingerprint("  init  ", anchor, voice));
    }
    let stamping = all(&words.timestamp_chain)?;
    let expected = words.certificate_identity.clone();
    Ok(Believed {
        root: TrustRoot::of_authorities(anchors, expected, stamping, Role::Sign),
        how: Means::Certificate,
        logs_fingerprints: words.log_fingerprints,
    })
}

fn all(files: &[std::path::PathBuf]) -> Result<Vec<Certificate>, Refused> {
    let mut certificates = Vec::new();
    for file in files {
        // For the reference's words where there is no such file.
        std::fs::metadata(file).map_err(|e| file_error(file, &e))?;
        certificates.extend(read_certificates(file)?);
    }
    Ok(certificates)
}

fn tell_fingerprint(place: &str, certificate: &Certificate, voice: &Voice) {
    let hex = certificate.fingerprint().hex().to_uppercase();
    let pairs: Vec<_> = hex
        .as_bytes()
        .chunks(2)
        .map(String::from_utf8_lossy)
        .collect();
    voice.info(&format!(
        "[{place}] sha256 Fingerprint: {}",
        pairs.join(":")
    ));
}

/// Reads the signature, and believes it or says why not.
pub(super) fn believe(
    target: &VerifyTarget,
    believed: &Believed,
    voice: &Voice,
) -> Result<Verified<Statement<ModelSignature>>, Refused> {
    let path = &target.signature;
    let bytes = host::named_file::read(path, SIGNATURE_SIZE_BYTES_MAX);
    let bytes = bytes.map_err(|e| {
        let refused = file_error(path, &e);
        let way = match e.kind() {
            std::io::ErrorKind::NotFound => {
                missing_way(&target.model.path(), path, "`model_signing sign`")
            }
            _ => refused.way,
        };
        Refused::new(refused.text, way)
    })?;
    let bundle = Bundle::parse(&bytes)?;
    // As the reference, which looks before it verifies: the signature is over the type too, and would be refused for it.
    let kind = bundle.envelope().payload_type();
    if kind != PAYLOAD_TYPE {
        let got = kind.to_owned();
        return Err(trust::Error::PayloadType { got }.into());
    }
    let means = Means::of(bundle.material());
    if means != believed.how {
        let (is, word) = means.words();
        let text = format!(
            "the model was signed {is}, and not {}",
            believed.how.words().0
        );
        return Err(Refused::new(text, format!("verify it with `{word}`")));
    }
    if let (
        true,
        Material::Certificate {
            leaf,
            intermediates,
            ..
        },
    ) = (believed.logs_fingerprints, bundle.material())
    {
        let chain = std::iter::once(leaf).chain(intermediates);
        chain
            .filter_map(|der| Certificate::from_der(der).ok())
            .for_each(|certificate| tell_fingerprint(" verify ", &certificate, voice));
    }
    let now = host::clock::now()?;
    let verified = trust::verify::<ModelSignature>(&bytes, &believed.root, now)?;
    let signed = &verified.value().predicate;
    no_twins(signed.resources().map(|(name, _)| signed.file_of(name)))?;
    if means == Means::Key && bundle.is_older_form() {
        crate::answer::say(
            "WARNING: This model's signature uses an older verification material format. Please re-sign with an \
             updated signer to use a public key identifier hash. ",
        );
    }
    Ok(verified)
}

/// What the signature says is left out and whether links are followed, and what was asked for besides.
pub(super) fn what_is_looked_at(
    target: &VerifyTarget,
    signature: &Verified<Statement<ModelSignature>>,
) -> Result<(LeftOut, Option<std::path::PathBuf>), Refused> {
    let signed = &signature.value().predicate;
    let mut paths = left_out_when_signed(signed);
    // Releases before 1.1 did not say what they left out.
    if signed.ignored().is_empty() && !target.model.ignores_git() {
        paths.retain(|path| !default_ignored().contains(path));
    }
    paths.extend(measure::ignored(&target.model)?);
    let paths = measure::with_signature(paths, &target.model.path(), &target.signature);
    let mut left_out = LeftOut::of(paths);
    if target.ignores_unsigned() {
        let names = signed.resources();
        let names = names.map(|(name, _)| measure::file_of(name, signed.method()).to_owned());
        left_out.others_than = Some(names.collect::<BTreeSet<_>>());
    }
    let links = signed.follows_links();
    let links = links
        .then(|| measure::links_folder(&target.model))
        .transpose()?;
    Ok((left_out, links))
}

/// What a yes leaves open.
pub(super) fn tell(
    target: &VerifyTarget,
    signature: &Verified<Statement<ModelSignature>>,
    looked_past: &LeftOut,
    voice: &Voice,
) {
    let signed = &signature.value().predicate;
    if !signed.is_in_order() {
        voice.warn(OTHER_ORDER);
    }
    let model = target.model.path();
    let own = |path: &&String| !is_signature(&model, path, &target.signature);
    let beside: Vec<String> = looked_past.paths.iter().filter(own).cloned().collect();
    let left_out = left_out(&model, &beside);
    if !left_out.is_empty() {
        voice.warn(&format!(
            "left out, and covered by no signature: {}",
            left_out.join(", ")
        ));
    }
    if let Ok(unsigned) = looked_past.unsigned.lock()
        && !unsigned.is_empty()
    {
        let names: Vec<_> = unsigned.iter().map(String::as_str).collect();
        voice.warn(&format!(
            "nobody signed, and ignored as asked: {}",
            names.join(", ")
        ));
    }
    if let Some(line) = unvouched_line(signature.proof()) {
        voice.warn(&line);
    }
    if let How::Certificate {
        subject,
        fingerprint,
        identity: None,
        ..
    } = &signature.proof().how
    {
        voice.insist(&format!(
            "the certificate is of `{subject}` (sha256:{}), and nobody was expected: its identity was not checked; \
             `--certificate_identity` does",
            fingerprint.hex()
        ));
    }
}

fn is_signature(model: &Path, path: &str, signature: &Path) -> bool {
    let same = |one: &Path, other: &Path| one.canonicalize().ok() == other.canonicalize().ok();
    same(&model.join(path), signature)
}
