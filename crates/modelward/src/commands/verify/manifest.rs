//! `modelward verify oci://…`, `oci-layout://…`, `oci-manifest://…`: what a manifest names, and none of it read.

use std::ops::ControlFlow;

use host::oci::{Registry, Searched, Source};
use serde_json::json;
use trust::oci::Reference;
use trust::predicate::ModelSignature;
use trust::{
    Bundle, Code, Denied, ManifestError, Named, Opaque, Reason, Statement, TrustRoot, Verified,
};

use super::{
    Args, differs, left_out_when_signed, nobody_named, not_recalled, read_signature, several,
    unvouched_line, who, who_as_json,
};
use crate::answer::{Answer, Failure};
use crate::artifact::{Artifact, repository};
use crate::believed::Believed;
use crate::cli::Common;
use crate::lines::{Lines, counted};
use crate::model::left_out_line;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// The types of all statements of model signing begin so, those of its first release too.
const MODEL_SIGNING: &str = "https://model_signing/";

pub(super) fn verify(
    args: &Args,
    reference: Reference,
    common: &Common,
    ui: &Ui,
) -> Result<Answer, Failure> {
    check_words(args)?;
    let beside = Artifact::signature_path(&reference);
    let signatures = match args.signatures.is_empty() {
        true => beside.into_iter().collect(),
        false => args.signatures.clone(),
    };
    let judge = Judge::of(args, common, ui)?;
    let artifact = Artifact::read(reference)?;
    let elsewhere = args
        .statements_from
        .as_deref()
        .map(repository)
        .transpose()?;
    let elsewhere = elsewhere.map(|it| Registry::open(&it)).transpose()?;
    if let (true, Some(registry)) = (signatures.is_empty(), &elsewhere) {
        return by_referrers(&judge, &artifact, registry);
    }
    match (signatures.is_empty(), &artifact.source) {
        (false, _) => several::any(&signatures, ui, |path| {
            let found = judge.judge(&artifact, &read_signature(path)?)?;
            Ok(answer(
                &judge,
                &artifact,
                &found,
                &path.display().to_string(),
            ))
        }),
        (true, Some(source)) => by_referrers(&judge, &artifact, source.as_ref()),
        (true, None) => Err(Failure::error(
            Code::Internal,
            "an artifact without a place",
            "",
        )),
    }
}

/// Verifies by whichever signature beside the artifact is believed.
fn by_referrers(
    judge: &Judge<'_>,
    artifact: &Artifact,
    source: &dyn Source,
) -> Result<Answer, Failure> {
    let mut verified = None;
    let mut failures: Vec<Failure> = Vec::new();
    let searched = host::oci::statements(source, artifact.digest, &mut |found| {
        // Other statements about the artifact, such as provenance, are no signatures of a model.
        let Some(bundle) = found.bundle().filter(|bundle| is_model_signature(bundle)) else {
            return ControlFlow::Continue(());
        };
        match judge.judge(artifact, &bundle) {
            Ok(judged) => {
                verified = Some(answer(judge, artifact, &judged, &found.place()));
                ControlFlow::Break(())
            }
            Err(failure) => {
                failures.push(failure);
                ControlFlow::Continue(())
            }
        }
    });
    verified.map_or_else(|| Err(unsigned(artifact, failures, searched)), Ok)
}

/// Whether somebody says that it is one: nothing of it is believed yet.
fn is_model_signature(bundle: &[u8]) -> bool {
    let Ok(bundle) = Bundle::parse(bundle) else {
        // It says of itself what is wrong with it.
        return true;
    };
    let statement = Statement::<Opaque<'_>>::parse(bundle.envelope().payload());
    statement.is_ok_and(|statement| {
        statement
            .predicate
            .predicate_type
            .starts_with(MODEL_SIGNING)
    })
}

/// Why no signature is believed. What could not be read may be one: then there is no answer.
fn unsigned(artifact: &Artifact, failures: Vec<Failure>, searched: Searched) -> Failure {
    if let Some(error) = searched.unread.into_iter().next() {
        return error.into();
    }
    if !searched.is_whole {
        let message = "more refers to the artifact than is looked at, and no signature of what was is believed";
        let way = "fetch the signature that you mean, and name it with `--signature FILE`";
        return Failure::error(Code::TooLarge, message, way);
    }
    let mut reasons: Vec<Reason> = Vec::new();
    for failure in failures {
        match failure {
            Failure::Denied(denied) => {
                let new = denied
                    .reasons()
                    .filter(|reason| !reasons.contains(reason))
                    .cloned();
                let new: Vec<Reason> = new.collect();
                reasons.extend(new);
            }
            error => return error,
        }
    }
    let nobody = || {
        let message = format!("no signature refers to `{}`", artifact.reference);
        let way = "attach one: docs/guides/sign-oci.md; or name a file with `--signature`";
        Denied::because(Reason::new(Code::SignatureMissing, message, way))
    };
    Denied::from_reasons(reasons).unwrap_or_else(nobody).into()
}

fn check_words(args: &Args) -> Result<(), Failure> {
    if args.only.is_empty() && args.cache.is_none() && args.links_inside.is_none() {
        return Ok(());
    }
    let message = "no blob of an artifact is read when it is verified by its manifest";
    let way = "leave out `--only`, `--cache` and `--links-inside`";
    Err(Failure::error(Code::Usage, message, way))
}

/// Who is believed, and now.
struct Judge<'a> {
    believed: &'a Believed,
    root: TrustRoot,
    now: trust::Time,
    /// The store, unless it was said whom to believe.
    workspace: Option<Workspace>,
    ui: &'a Ui,
}

/// A signature that is believed, and that is about what the manifest names.
struct Found {
    signature: Verified<Statement<ModelSignature>>,
    named: Verified<Named>,
}

impl<'a> Judge<'a> {
    fn of(args: &'a Args, common: &Common, ui: &'a Ui) -> Result<Self, Failure> {
        let now = host::clock::now()?;
        if let Some(root) = args.believed.root(now, ui)? {
            return Ok(Self {
                believed: &args.believed,
                root,
                now,
                workspace: None,
                ui,
            });
        }
        let workspace = Workspace::open_if_there(common)?.ok_or_else(nobody_named)?;
        Ok(Self {
            believed: &args.believed,
            root: workspace.root.clone(),
            now: workspace.now,
            workspace: Some(workspace),
            ui,
        })
    }

    fn judge(&self, artifact: &Artifact, bundle: &[u8]) -> Result<Found, Failure> {
        let signature = trust::verify::<ModelSignature>(bundle, &self.root, self.now)
            .map_err(|e| self.believed.refused(&self.root, e))?;
        let signed = &signature.value().predicate;
        let ignored = left_out_when_signed(signed);
        let named = trust::verify_manifest(&signature, &artifact.manifest, &ignored);
        let named = named.map_err(|error| match error {
            ManifestError::Unfit(error) => error.into(),
            ManifestError::Differs(differences) => differs(&differences),
        })?;
        if let Some(workspace) = &self.workspace {
            workspace.tell_of_root(signature.proof(), self.ui);
            let known = workspace.artifacts()?.into_iter();
            let known: Vec<_> = known
                .filter(|artifact| artifact.signing_root() == signed.root())
                .collect();
            not_recalled(&known, signature.proof().key, workspace)?;
        }
        Ok(Found { signature, named })
    }
}

fn answer(judge: &Judge<'_>, artifact: &Artifact, found: &Found, place: &str) -> Answer {
    let workspace = judge.workspace.as_ref();
    let named = found.named.value();
    let names: Vec<&String> = named.blobs().keys().collect();
    let proof = found.signature.proof();
    let mut text = Lines::from([
        format!(
            "verified by manifest: the names and digests of {} of `{}` are as {} signed them",
            counted(names.len(), "blob"),
            artifact.name,
            who(proof)
        ),
        "not read: the blobs, so that this is none for a whole model; when they are here, verify the files with the same signature".to_owned(),
        format!("manifest: {}", artifact.digest),
        format!("signature: {place}"),
    ]);
    text.extend(workspace.and_then(Workspace::decided_line));
    text.extend(unvouched_line(proof));
    text.extend(left_out_line(named.left_out(), "covered by no signature"));
    let mut data = json!({"partial": true, "read": false, "artifact": artifact.reference.to_string(),
                          "manifest": artifact.digest.to_string(), "blobs": names, "ignored": named.left_out()});
    if let (Some(members), Some(who)) = (
        data.as_object_mut(),
        who_as_json(proof, place, workspace).as_object(),
    ) {
        members.extend(who.clone());
    }
    Answer::new(text, data)
}
