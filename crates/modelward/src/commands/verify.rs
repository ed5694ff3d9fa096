//! `modelward verify MODEL|MODEL.sig`

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use digest::{Digest, Method};
use serde_json::json;
use trust::artifact::FILES_MAX;
use trust::predicate::ModelSignature;
use trust::{
    Artifact, Code, Denied, Difference, How, KeyId, Kind, Proof, Statement, Time, Verified,
};

use crate::answer::{Answer, Failure};
use crate::believed::Believed;
use crate::cli::Common;
use crate::glob::Glob;
use crate::lines::Lines;
use crate::model::{
    Model, Resources, default_ignored, left_out, left_out_line, no_twins, unreadable,
};
use crate::remembered::{Remembered, from_cache_line};
use crate::ui::Ui;
use crate::workspace::Workspace;

mod manifest;
mod obstacles;
mod part;
mod place;
mod several;

pub(crate) use place::missing_way;

const SIGNATURE_SIZE_BYTES_MAX: u64 = 64 << 20;

/// Verify that a model has exactly the files that were signed
///
/// The signature says how the files were hashed, whether links were followed and what was left out; that is what is
/// done here. What it leaves out is not looked at and may be anything: as a rule `.git`, `.gitattributes`, `.github` and
/// `.gitignore` at the model's root. What of it is there is told, and so are empty files where pieces were signed: they have
/// none.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward verify out/digits")]
pub(crate) struct Args {
    /// The model, or its signature `MODEL.sig`; or the manifest of an OCI artifact, whose blobs are not read:
    /// `oci://HOST/NAME@DIGEST`, `oci-layout://FOLDER:TAG` or `oci-manifest://FILE`
    model: PathBuf,
    /// The signature; `MODEL.sig` by default, and of an artifact in a registry or layout what refers to it there. Of several,
    /// given one by one, any that is believed and holds is enough; which one is said
    #[arg(long = "signature", value_name = "FILE")]
    signatures: Vec<PathBuf>,
    /// Look for the signatures of an artifact in this repository, `oci://HOST/NAME`, and not beside it
    #[arg(long, value_name = "REPOSITORY", conflicts_with = "signatures")]
    statements_from: Option<String>,
    #[command(flatten)]
    believed: Believed,
    /// Where links of a model that was signed through links may lead; the model itself by default
    #[arg(long, value_name = "FOLDER")]
    links_inside: Option<PathBuf>,
    /// Verify only the files that fit this pattern, such as `tokenizer/**` or `*.json`, and read no others. The answer says
    /// which were not checked, and is none for a whole model
    #[arg(long, value_name = "GLOB")]
    only: Vec<Glob>,
    /// Don't read files again that are, as the system says, as they were when they were read last: their digests are kept
    /// in this folder, which only you may be able to write
    #[arg(long, value_name = "DIR", conflicts_with = "only")]
    cache: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    if let Some(reference) = crate::artifact::reference(&args.model)? {
        return manifest::verify(args, reference, common, ui);
    }
    let (model, signatures) = place::paths(args)?;
    several::any(&signatures, ui, |signature| {
        let asked = Asked::of(args, (&model, signature, &signatures), common, ui)?;
        by_one(args, &asked, ui)
    })
}

/// Holds the model against one signature.
fn by_one(args: &Args, asked: &Asked, ui: &Ui) -> Result<Answer, Failure> {
    if !args.only.is_empty() {
        return part::verify(asked, &args.only, ui);
    }
    let signed = &asked.verified.value().predicate;
    let found = match &args.cache {
        Some(_) if signed.follows_links() => {
            ui.warn("the cache is not used: the model was signed through links");
            measured(asked, ui)
        }
        Some(folder) => remembered(asked, folder, ui),
        None => measured(asked, ui),
    };
    let found = found.map_err(|failure| obstacles::told(asked, failure))?;
    Ok(answer(asked, &found))
}

/// What is held against what.
struct Asked {
    model: PathBuf,
    signature: PathBuf,
    verified: Verified<Statement<ModelSignature>>,
    /// The paths that are not part of the model.
    ignored: Vec<String>,
    /// Which of those are there.
    left_out: Vec<String>,
    /// Where links may lead, if they were followed when it was signed.
    links: Option<PathBuf>,
    /// The store, unless it was said whom to believe.
    workspace: Option<Workspace>,
}

impl Asked {
    fn of(
        args: &Args,
        (model, signature, signatures): (&Path, &Path, &[PathBuf]),
        common: &Common,
        ui: &Ui,
    ) -> Result<Self, Failure> {
        let now = host::clock::now()?;
        let (root, now, workspace) = match args.believed.root(now, ui)? {
            Some(root) => (root, now, None),
            None => {
                let workspace = Workspace::open_if_there(common)?.ok_or_else(nobody_named)?;
                (workspace.root.clone(), workspace.now, Some(workspace))
            }
        };
        let bundle = place::signature_of(model, signature)?;
        let verified = trust::verify_taken::<ModelSignature>(bundle, &root, now)
            .map_err(|e| args.believed.refused(&root, e))?;
        if let Some(workspace) = &workspace {
            workspace.tell_of_root(verified.proof(), ui);
        }
        let signed = &verified.value().predicate;
        no_twins(signed.resources().map(|(name, _)| signed.file_of(name)))?;
        if !signed.is_in_order() {
            ui.warn(OTHER_ORDER);
        }
        let beside = left_out_when_signed(signed);
        let follows = signed.follows_links();
        let links = follows.then(|| args.links_inside.as_deref().unwrap_or(model).to_owned());
        let inside = inside(model, signatures);
        let told = beside.iter().filter(|path| !inside.contains(path));
        let told: Vec<String> = told.cloned().collect();
        Ok(Self {
            left_out: left_out(model, &told),
            ignored: [beside, inside].concat(),
            links,
            verified,
            workspace,
            model: model.to_owned(),
            signature: signature.to_owned(),
        })
    }

    /// What the signature calls the model.
    fn name(&self) -> &str {
        let subject = self.verified.value().subjects.first();
        subject.map_or("", |subject| &subject.name)
    }

    /// Who signed, for a program.
    fn who_as_json(&self) -> serde_json::Value {
        let signature = self.signature.display().to_string();
        who_as_json(self.verified.proof(), &signature, self.workspace.as_ref())
    }

    /// Who signed, for a person.
    fn who(&self) -> String {
        who(self.verified.proof())
    }
}

/// Of a signature that is read, and that stricter verifiers refuse.
pub(crate) const OTHER_ORDER: &str = "the signature lists the files in another order than the specification, as model_signing does; the port to Go refuses it";

/// Whoever has no store says whom to believe.
fn nobody_named() -> Failure {
    Failure::error(
        Code::StoreMissing,
        "it is not said whom to believe: there is no store here whose trust root would say so",
        "name the signer: `--public-key FILE`; `--certificate-chain FILE --certificate-identity WHO`; or `--identity WHO --identity-provider URL`. Or name a store: `--store DIR`",
    )
}

/// Reads a signature's file.
pub(crate) fn read_signature(path: &Path) -> Result<Vec<u8>, Failure> {
    host::named_file::read(path, SIGNATURE_SIZE_BYTES_MAX).map_err(|e| unreadable(path, &e))
}

/// What was found to be as it was signed.
struct Found {
    /// The model's digest, or the one that stands for it in the signature.
    digest: Digest,
    files: usize,
    from_cache: usize,
    /// Files of which a signature of pieces can't say anything.
    empty: Vec<String>,
}

fn measured(asked: &Asked, ui: &Ui) -> Result<Found, Failure> {
    let signed = &asked.verified.value().predicate;
    let (model, ignored, links) = (&asked.model, &asked.ignored, asked.links.as_deref());
    let whole = || Model::measure_through(model, Kind::Model, ignored, links, ui);
    // Of more files nothing is made that a stage could take.
    let is_artifact = signed.resources().take(FILES_MAX + 1).count() <= FILES_MAX;
    if signed.method() == Method::WHOLE_SHA256 && is_artifact {
        let listed = crate::model::list(model, ignored, links, ui)?;
        let files = listed.found.len();
        let artifact = trust::verify_tree(&asked.verified, listed.found, listed.form)
            .map_err(|differences| differs(&differences))?;
        asked.not_recalled(|| Ok(Cow::Borrowed(artifact.value())))?;
        return Ok(Found {
            digest: artifact.value().digest(),
            files,
            from_cache: 0,
            empty: Vec::new(),
        });
    }
    let method = signed.method();
    let measured = Resources::measure(model, ignored, links, method, ui)?;
    let files = measured.files(method);
    let (resources, form, empty) = (measured.resources, measured.form, measured.empty);
    trust::verify_resources(&asked.verified, method, resources, form)
        .map_err(|differences| differs(&differences))?;
    asked.not_recalled(|| Ok(Cow::Owned(whole()?.artifact)))?;
    Ok(Found {
        digest: signed.root(),
        files,
        from_cache: 0,
        empty,
    })
}

/// As [`measured`], but for files that the cache knows: nothing but this answer comes of it.
fn remembered(asked: &Asked, folder: &Path, ui: &Ui) -> Result<Found, Failure> {
    let signed = &asked.verified.value().predicate;
    let (model, ignored, method) = (&asked.model, &asked.ignored, signed.method());
    let found = Remembered::measure(model, ignored, folder, method, ui)?;
    let differences = trust::differences(signed, method, found.resources(), found.form);
    if !differences.is_empty() {
        return Err(differs(&differences));
    }
    let is_whole = method == Method::WHOLE_SHA256 && found.files <= FILES_MAX;
    asked.not_recalled(|| {
        let whole = || Remembered::measure(model, ignored, folder, Method::WHOLE_SHA256, ui);
        let model = match is_whole {
            true => found.artifact()?,
            false => whole()?.artifact()?,
        };
        Ok(Cow::Owned(model))
    })?;
    Ok(Found {
        digest: match is_whole {
            true => found.artifact()?.digest(),
            false => signed.root(),
        },
        files: found.files - found.empty.len(),
        from_cache: found.from_cache,
        empty: found.empty,
    })
}

fn answer(asked: &Asked, found: &Found) -> Answer {
    let signed = &asked.verified.value().predicate;
    let method = match signed.method() {
        Method::WHOLE_SHA256 => String::new(),
        method => format!(", {method},"),
    };
    let (files, are, them) = match found.files {
        1 => ("1 file".to_owned(), "is", "it"),
        count => (format!("{count} files"), "are", "them"),
    };
    let mut text = Lines::from(format!(
        "verified: {files} of `{}` {are}{method} as {} signed {them}",
        asked.name(),
        asked.who(),
    ));
    text.extend(asked.workspace.as_ref().and_then(Workspace::decided_line));
    text.extend(from_cache_line(found.from_cache));
    text.extend(unvouched_line(asked.verified.proof()));
    if signed.follows_links() {
        text.push("links were followed, as when it was signed");
    }
    let left_out = [asked.left_out.as_slice(), &found.empty].concat();
    text.extend(left_out_line(&left_out, "covered by no signature"));
    let mut data = json!({"model": found.digest.to_string(), "files": found.files, "cached": found.from_cache,
                          "partial": false, "ignored": left_out, "method": signed.method().to_string()});
    if let (Some(members), Some(who)) = (data.as_object_mut(), asked.who_as_json().as_object()) {
        members.extend(who.clone());
    }
    Answer::new(text, data)
}

/// Who signed, and whose word it is that they are to be believed, for a program.
fn who_as_json(proof: &Proof, signature: &str, workspace: Option<&Workspace>) -> serde_json::Value {
    let store = workspace.map(|workspace| workspace.store.path().display().to_string());
    json!({"signature": signature, "key": proof.key.to_string(), "keyName": proof.key_name, "certificate": certificate(&proof.how),
           "identity": identity(&proof.how), "witnessed": witnessed(&proof.how), "timestampUnvouched": proof.has_unvouched_timestamp,
           "root": proof.root.to_string(), "store": store})
}

/// A line for a person about a timestamp that counted for nothing; nothing if there was none.
pub(crate) fn unvouched_line(proof: &Proof) -> Option<String> {
    let line = "a timestamp came along that is not believed, for nobody was named who vouches for its authority: the time of now counted; `--timestamp-chain` names somebody";
    proof.has_unvouched_timestamp.then(|| line.to_owned())
}

/// Who signed keylessly, for a program.
pub(crate) fn identity(how: &How) -> serde_json::Value {
    match how {
        How::Keyless {
            identity,
            issuer,
            logged_at,
        } => json!({"who": identity, "provider": issuer, "loggedAt": logged_at.to_string()}),
        How::Key { .. } | How::Certificate { .. } => serde_json::Value::Null,
    }
}

/// What those say of a key's signature who are believed about it, for a program.
fn witnessed(how: &How) -> serde_json::Value {
    let text = |time: &Option<Time>| time.map(|time| time.to_string());
    match how {
        How::Key { stamped, logged_at } if stamped.is_some() || logged_at.is_some() => {
            json!({"stamped": text(stamped), "loggedAt": text(logged_at)})
        }
        _ => serde_json::Value::Null,
    }
}

/// What is known of the certificate that a signer's key has, for a program.
pub(crate) fn certificate(how: &How) -> serde_json::Value {
    match how {
        How::Key { .. } | How::Keyless { .. } => serde_json::Value::Null,
        How::Certificate {
            subject,
            fingerprint,
            identity,
            stamped,
        } => {
            json!({"subject": subject, "fingerprint": fingerprint.to_string(), "identity": identity,
                    "stamped": stamped.map(|time| time.to_string())})
        }
    }
}

/// Who signed, for a person.
pub(crate) fn who(proof: &Proof) -> String {
    match &proof.how {
        How::Key { stamped, logged_at } => {
            let said = [("stamped", stamped), ("logged", logged_at)];
            let said = said.map(|(what, time)| time.map(|time| format!("{what} {time}")));
            // A key that has no name but its own is not named twice.
            let has_name = proof.key_name != proof.key.short();
            let id = has_name.then(|| proof.key.short());
            let beside: Vec<String> = id.into_iter().chain(said.into_iter().flatten()).collect();
            match beside.as_slice() {
                [] => format!("`{}`", proof.key_name),
                beside => format!("`{}` ({})", proof.key_name, beside.join(", ")),
            }
        }
        How::Certificate {
            subject, stamped, ..
        } => {
            let stamped = stamped.map_or(String::new(), |time| format!(", stamped {time}"));
            format!("`{}` (certificate of `{subject}`{stamped})", proof.key_name)
        }
        How::Keyless {
            issuer, logged_at, ..
        } => {
            format!(
                "`{}` (by word of {issuer}, logged {logged_at})",
                proof.key_name
            )
        }
    }
}

fn differs(differences: &[Difference]) -> Failure {
    let reasons = differences.iter().map(Difference::reason).collect();
    Denied::from_reasons(reasons).map_or_else(
        || {
            Failure::error(
                Code::Internal,
                "the model differs in nothing and is not the same",
                "",
            )
        },
        Failure::from,
    )
}

impl Asked {
    /// Where there is a store, its log may know more than the signature says.
    fn not_recalled<'a>(
        &self,
        model: impl FnOnce() -> Result<Cow<'a, Artifact>, Failure>,
    ) -> Result<(), Failure> {
        let key = self.verified.proof().key;
        match &self.workspace {
            Some(workspace) => not_recalled([&*model()?], key, workspace),
            None => Ok(()),
        }
    }
}

fn not_recalled<'a>(
    models: impl IntoIterator<Item = &'a Artifact>,
    key: KeyId,
    workspace: &Workspace,
) -> Result<(), Failure> {
    let ledger = workspace.ledger()?;
    let mut reasons = chain::recall::recalled_key(&ledger, key)?;
    for model in models {
        for reason in chain::recall::recalled(&ledger, model)? {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    Denied::from_reasons(reasons).map_or(Ok(()), |denied| Err(denied.into()))
}

/// What was left out when it was signed. Releases of the reference before 1.1 left git's files out and did not say so;
/// where they were signed after all, they are not left out.
pub(crate) fn left_out_when_signed(signed: &ModelSignature) -> Vec<String> {
    if !signed.ignored().is_empty() {
        return signed.ignored().to_vec();
    }
    let is_signed = |ignored: &String| {
        let is_below = |name: &str| {
            let rest = name.strip_prefix(ignored.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
        };
        signed.resources().any(|(name, _)| is_below(name))
    };
    let mut ignored = default_ignored();
    ignored.retain(|path| !is_signed(path));
    ignored
}

/// The signatures that lie inside the model: they are no part of it.
fn inside(model: &Path, signatures: &[PathBuf]) -> Vec<String> {
    let inside = signatures
        .iter()
        .filter_map(|it| it.strip_prefix(model).ok());
    let inside = inside.filter_map(Path::to_str).map(ToOwned::to_owned);
    inside.collect()
}
