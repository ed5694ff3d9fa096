//! `modelward verify-attestation --type TYPE --certificate-identity WHO --certificate-oidc-issuer URL IMAGE`

use std::ops::ControlFlow;

use data_encoding::BASE64;
use serde_json::{Value, json};
use trust::oci::{Reference, Version};
use trust::{AnyStatement, Bundle, Code, Denied, Reason, Verified};

use super::believing::{Believed, BelievingWords, certificate_lines, described};
use super::predicate::{PredicateType, predicate_type};
use super::{Everywhere, NamedDigest, fits};
use crate::answer::{Answer, Failure};
use crate::artifact::{Artifact, reference};
use crate::lines::Lines;
use crate::ui::Ui;

/// Verify what somebody signed about an OCI image, in cosign's words
///
/// As `cosign verify-attestation` does: of the bundles that refer to the image, wherever it is, those are printed, each as its
/// envelope on a line, that the expected signer made, whose statement is about the image's digest and of the type that is asked
/// for. No service is asked but the registry, and none where the image is in a layout.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: modelward verify-attestation --type slsaprovenance1 --certificate-oidc-issuer https://token.actions.githubusercontent.com --certificate-identity URI registry.example.com/model@sha256:DIGEST"
)]
pub(crate) struct Args {
    /// The image: `HOST/NAME@sha256:…`, `HOST/NAME:TAG` or `oci-layout://FOLDER`
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Of which type it must be: slsaprovenance, slsaprovenance02, slsaprovenance1, link, spdx, spdxjson, cyclonedx, vuln, openvex,
    /// custom, or a URI
    #[arg(long = "type", value_name = "TYPE", default_value = "custom", value_parser = predicate_type)]
    kind: PredicateType,
    #[command(flatten)]
    believing: BelievingWords,
    /// The image is in this folder, an OCI image layout
    #[arg(long)]
    local_image: bool,
    #[command(flatten)]
    everywhere: Everywhere,
}

/// An image, and what a statement calls it.
pub(super) struct Image {
    pub(super) artifact: Artifact,
    pub(super) name: String,
}

impl Image {
    /// cosign names images without a scheme.
    pub(super) fn read(word: &str) -> Result<Self, Failure> {
        let word = match Reference::is_meant(word) {
            true => word.to_owned(),
            false => format!("oci://{word}"),
        };
        let meant = reference(word.as_ref())?;
        let unfit = || Failure::error(Code::Usage, format!("`{word}` names no image"), "");
        let reference = meant.ok_or_else(unfit)?;
        let name = match &reference {
            Reference::Registry(repository, _) => {
                Some(format!("{}/{}", repository.host, repository.name))
            }
            Reference::Layout(..) | Reference::Manifest(_) => None,
        };
        let artifact = Artifact::read(reference)?;
        let name = name.unwrap_or_else(|| artifact.name.clone());
        Ok(Self { artifact, name })
    }
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let believed = args.believing.believed(ui)?;
    let word = match args.local_image {
        true => format!("oci-layout://{}", args.image),
        false => args.image.clone(),
    };
    let image = Image::read(&word)?;
    if let Reference::Registry(_, Version::Tag(_)) = &image.artifact.reference {
        let digest = image.artifact.digest;
        ui.warn(&format!(
            "a tag may mean another image tomorrow: this was `{digest}`"
        ));
    }
    let found = Found::of(&image.artifact, &believed, &args.kind)?;
    ui.note(said(&args.image, &believed, &found));
    let statements = found.statements.iter();
    let described: Vec<Value> = statements
        .map(|(_, statement)| described(statement))
        .collect();
    let text: Lines = found
        .statements
        .iter()
        .map(|(bundle, _)| envelope(bundle))
        .collect();
    let data = json!({"image": image.artifact.reference.to_string(), "digest": image.artifact.digest.to_string(),
                      "statements": described});
    Ok(Answer::new(text, data))
}

/// The statements about an image that are believed and were asked for; at least one.
struct Found {
    statements: Vec<(Bundle, Verified<AnyStatement>)>,
}

impl Found {
    fn of(artifact: &Artifact, believed: &Believed, kind: &PredicateType) -> Result<Self, Failure> {
        let no_place = || {
            let way = "name it in its registry or layout: `oci-layout://FOLDER`";
            Failure::error(Code::Usage, "nothing refers to a manifest alone", way)
        };
        let source = artifact.source.as_deref().ok_or_else(no_place)?;
        let digest = NamedDigest::sha256(artifact.digest);
        let (mut statements, mut refused) = (Vec::new(), Vec::new());
        let searched = host::oci::statements(source, artifact.digest, &mut |found| {
            let Some(bundle) = found.bundle() else {
                return ControlFlow::Continue(());
            };
            match judge(&bundle, believed, &digest, kind) {
                Ok(judged) => statements.push(judged),
                Err(failure) => refused.push(failure),
            }
            ControlFlow::Continue(())
        });
        if !statements.is_empty() {
            return Ok(Self { statements });
        }
        // What could not be read may be what was asked for: then there is no answer.
        if let Some(error) = searched.unread.into_iter().next() {
            return Err(error.into());
        }
        if !searched.is_whole {
            let message =
                "more refers to the image than is looked at, and nothing of what was is believed";
            let way = "fetch the bundle that you mean, and verify it with `verify-blob-attestation --digest`";
            return Err(Failure::error(Code::TooLarge, message, way));
        }
        Err(none(refused))
    }
}

fn judge(
    bytes: &[u8],
    believed: &Believed,
    digest: &NamedDigest,
    kind: &PredicateType,
) -> Result<(Bundle, Verified<AnyStatement>), Failure> {
    let bundle = Bundle::parse(bytes)?;
    let verified = believed.believe(&bundle)?;
    fits(&verified, digest, kind)?;
    Ok((bundle, verified))
}

/// Why none is believed: what was said against each, once.
fn none(refused: Vec<Failure>) -> Failure {
    let mut reasons: Vec<Reason> = Vec::new();
    for failure in refused {
        match failure {
            Failure::Denied(denied) => {
                let known = |reason: &&Reason| !reasons.contains(reason);
                let new: Vec<Reason> = denied.reasons().filter(known).cloned().collect();
                reasons.extend(new);
            }
            error => return error,
        }
    }
    let nobody = || {
        let message = "no matching attestations: no bundle refers to the image";
        let way = "attach what was signed to the image, or give `verify-blob-attestation` its bundle and `--digest`";
        Denied::because(Reason::new(Code::SignatureMissing, message, way))
    };
    Denied::from_reasons(reasons).unwrap_or_else(nobody).into()
}

/// What cosign says on standard error.
fn said(image: &str, believed: &Believed, found: &Found) -> Lines {
    let mut lines = Lines::from(format!("Verification for {image} --"));
    lines.push("The following checks were performed on each of these signatures:");
    lines.extend(believed.checks().into_iter().map(ToOwned::to_owned));
    for (_, statement) in &found.statements {
        lines.extend(certificate_lines(statement.proof()));
    }
    lines
}

/// The envelope of a bundle, as cosign prints it.
fn envelope(bundle: &Bundle) -> String {
    let envelope = bundle.envelope();
    let signatures = envelope.signatures.iter();
    let signatures: Vec<Value> = signatures
        .map(|signature| json!({"sig": BASE64.encode(signature)}))
        .collect();
    json!({"payload": BASE64.encode(envelope.payload()), "payloadType": envelope.payload_type(), "signatures": signatures})
        .to_string()
}
