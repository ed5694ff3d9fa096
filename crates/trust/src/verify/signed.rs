//! What was signed, held against what is there.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use digest::{Digest, Listing, Method, ResourceDigest, Resources, Sealed};

use crate::artifact::{ArtifactError, FileEntry};
use crate::predicate::{Admission, Form, ModelSignature};
use crate::{Artifact, Code, Kind, Reason, Statement, TreePath, Verified};

/// How a folder differs from what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Signed, and not there.
    Missing {
        /// Which file.
        path: String,
    },
    /// There, and not signed.
    Extra {
        /// Which file.
        path: String,
    },
    /// There, with other bytes.
    Changed {
        /// Which file.
        path: String,
        /// What was signed.
        want: ResourceDigest,
        /// What is there.
        got: ResourceDigest,
    },
    /// All were signed in another way than they were measured.
    Method {
        /// How it was signed.
        want: Method,
        /// How it was measured.
        got: Method,
    },
    /// Of a part that was asked for, nothing was signed.
    Nothing,
}

impl Difference {
    /// Which file or piece of one; empty where it is all of them.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Missing { path } | Self::Extra { path } | Self::Changed { path, .. } => path,
            Self::Method { .. } | Self::Nothing => "",
        }
    }

    /// The difference as a reason for a no.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Missing { path } => Reason::new(
                Code::FileMissing,
                format!("`{path}` was signed and is not there"),
                gits_way(path).unwrap_or("get the file again from where it was signed"),
            ),
            Self::Extra { path } => Reason::new(
                Code::FileExtra,
                format!("`{path}` is there and was not signed"),
                extra_way(path),
            ),
            Self::Changed { path, want, got } => Reason::new(
                Code::DigestMismatch,
                format!("`{path}` is not the file that was signed: expected {want}, got {got}"),
                gits_way(path).unwrap_or(
                    "get the file again from where it was signed; if the change is yours, sign again",
                ),
            ),
            Self::Method { want, got } => Reason::new(
                Code::SignatureMethod,
                format!("the model was signed {want}, and is asked for {got}"),
                "sign it again without `--hash` and `--shard-size`",
            ),
            Self::Nothing => Reason::new(
                Code::FileMissing,
                "none of the files that were asked for was signed",
                "`modelward inspect` lists the files that were",
            ),
        }
    }
}

/// What git or its hosts keep was signed as if it were the model's, and changes without anybody's touching the model.
fn gits_way(path: &str) -> Option<&'static str> {
    is_gits(path).then_some(
        "it is git's and not the model's, and git changes such files by itself: have the model signed again without them, as is usual (who signed may have said `--no-ignore-git-paths`)",
    )
}

/// What is left out unless the signer wants it, and the books of repositories within.
fn is_gits(path: &str) -> bool {
    let usual = [".gitattributes", ".github", ".gitignore"];
    let first = path.split(['/', ':']).next().unwrap_or(path);
    usual.contains(&first) || path.split('/').any(|name| name == ".git")
}

/// The files that systems leave behind have their own advice.
fn extra_way(path: &str) -> &'static str {
    let name = path.rsplit('/').next().unwrap_or(path);
    if is_gits(path) {
        return "it is git's and not the model's: delete it, or have the model signed again without such files, as is usual";
    }
    if name == ".DS_Store" || name.starts_with("._") || name == "Thumbs.db" {
        "the operating system left it there: delete it"
    } else {
        "delete it, or sign again if it belongs to the model"
    }
}

/// Joins a model's signature with files that were measured, of a folder or of one file: they are the signed ones, all
/// of them and no others.
///
/// # Errors
/// All differences, in the order of their paths.
pub fn verify_tree(
    signature: &Verified<Statement<ModelSignature>>,
    listing: Listing,
    form: Form,
) -> Result<Verified<Artifact>, Vec<Difference>> {
    let files = listing.iter();
    let files = files.map(|(path, measured)| (path, measured.digest().into()));
    let differences = differences(
        &signature.value().predicate,
        Method::WHOLE_SHA256,
        files,
        form,
    );
    if !differences.is_empty() {
        return Err(differences);
    }
    let first = listing.keys().next().map(ToOwned::to_owned);
    match Artifact::of_listing(Kind::Model, listing) {
        Ok(artifact) => Ok(Verified::new(artifact, signature.proof().clone())),
        // Signed names are fit; the own name of a single file, which is not signed, may be not.
        Err(_) => Err(first
            .map(|path| Difference::Extra { path })
            .into_iter()
            .collect()),
    }
}

/// Joins a model's signature with what was measured as the signature says: these are the signed files or pieces, all of
/// them and no others. By other digests than SHA-256 of whole files a model is not known to any gate: see
/// [`verify_tree`] for those.
///
/// # Errors
/// All differences, in the order of their names.
pub fn verify_resources(
    signature: &Verified<Statement<ModelSignature>>,
    method: Method,
    resources: Resources,
    form: Form,
) -> Result<Verified<Resources>, Vec<Difference>> {
    let signed = &signature.value().predicate;
    let differences = differences(signed, method, stated(&resources), form);
    if differences.is_empty() {
        Ok(Verified::new(resources, signature.proof().clone()))
    } else {
        Err(differences)
    }
}

/// The signed files, all of them, as they were signed, and the names of files beside them of which nobody said anything.
#[derive(Debug)]
pub struct Listed {
    resources: Resources,
    unsigned: Vec<String>,
}

impl Listed {
    /// The signed files or pieces, as they were measured.
    #[must_use]
    pub const fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The files that are there and were not signed, in the order of their names. They may hold anything.
    #[must_use]
    pub fn unsigned(&self) -> &[String] {
        &self.unsigned
    }
}

/// As [`verify_resources`], where other files may lie beside the signed ones: it says which do. A signed file that has
/// become longer by a piece is no other file. No gate takes the answer.
///
/// # Errors
/// All differences but files that were not signed, in the order of their names.
pub fn verify_listed(
    signature: &Verified<Statement<ModelSignature>>,
    method: Method,
    mut resources: Resources,
    form: Form,
) -> Result<Verified<Listed>, Vec<Difference>> {
    let signed = &signature.value().predicate;
    let files = signed.signed_files();
    let is_other_file = |difference: &Difference| match difference {
        Difference::Extra { path } => !files.contains(signed.file_of(path)),
        _ => false,
    };
    let differences = differences(signed, method, stated(&resources), form);
    let (extra, differences): (Vec<_>, Vec<_>) = differences.into_iter().partition(is_other_file);
    if !differences.is_empty() {
        return Err(differences);
    }
    let beside: BTreeSet<&str> = extra.iter().map(Difference::path).collect();
    resources.retain(|name| !beside.contains(name));
    let mut unsigned: Vec<String> = extra
        .iter()
        .map(|difference| signed.file_of(difference.path()).to_owned())
        .collect();
    unsigned.dedup();
    let listed = Listed {
        resources,
        unsigned,
    };
    Ok(Verified::new(listed, signature.proof().clone()))
}

/// Files of a model that are as they were signed, and the names of those of which nothing is known but that they were
/// signed: not a model.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    checked: Vec<String>,
    unchecked: Vec<String>,
}

impl Part {
    /// The files that are as they were signed, in the order of their names; at least one.
    #[must_use]
    pub fn checked(&self) -> &[String] {
        &self.checked
    }

    /// The files that were signed and that nobody looked at, in the order of their names.
    #[must_use]
    pub fn unchecked(&self) -> &[String] {
        &self.unchecked
    }
}

/// Joins a signature of a folder with those of its files that were chosen by their names: they are the signed ones, and
/// there are no others whose names would have been chosen. Of the rest it says nothing, and no gate takes the answer.
///
/// # Errors
/// All differences of the chosen files, in the order of their names; or no signed file was chosen.
pub fn verify_part(
    signature: &Verified<Statement<ModelSignature>>,
    method: Method,
    chosen: &dyn Fn(&str) -> bool,
    resources: &Resources,
) -> Result<Verified<Part>, Vec<Difference>> {
    let signed = &signature.value().predicate;
    let is_chosen = |name: &str| chosen(signed.file_of(name));
    let there = stated(resources).filter(|(name, _)| is_chosen(name));
    let mut differences = differences(signed, method, there, Form::Folder);
    differences.retain(|difference| match difference {
        Difference::Missing { path } => is_chosen(path),
        _ => true,
    });
    if !differences.is_empty() {
        return Err(differences);
    }
    let files = signed.signed_files();
    let files = files.into_iter().map(ToOwned::to_owned);
    let (checked, unchecked): (Vec<_>, Vec<_>) = files.partition(|file| chosen(file));
    if checked.is_empty() {
        return Err(vec![Difference::Nothing]);
    }
    let part = Part { checked, unchecked };
    Ok(Verified::new(part, signature.proof().clone()))
}

fn stated(resources: &Resources) -> impl Iterator<Item = (&str, ResourceDigest)> {
    let stated = resources.iter();
    stated.map(|(name, measured)| (name, measured.digest()))
}

/// How what is there, in the order of its names, differs from what was signed, in that order too: none if these are the
/// signed resources, all of them and no others. A model that was signed as one file, and is one file, may have another
/// name.
#[must_use]
pub fn differences<'a>(
    signed: &ModelSignature,
    method: Method,
    there: impl Iterator<Item = (&'a str, ResourceDigest)>,
    form: Form,
) -> Vec<Difference> {
    if signed.method() != method {
        return vec![Difference::Method {
            want: signed.method(),
            got: method,
        }];
    }
    let is_single = signed.form() == Form::SingleFile && form == Form::SingleFile;
    let called = |name: &'a str| match is_single {
        true => Cow::Owned(signed.as_single(name)),
        false => Cow::Borrowed(name),
    };
    let mut there = there
        .map(|(name, digest)| (called(name), digest))
        .peekable();
    let mut signed = signed.by_name().peekable();
    let mut differences = Vec::new();
    loop {
        let order = match (signed.peek(), there.peek()) {
            (None, None) => return differences,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((want, _)), Some((got, _))) => (*want).cmp(got),
        };
        let want = signed.next_if(|_| order != Ordering::Greater);
        let got = there.next_if(|_| order != Ordering::Less);
        match (want, got) {
            (Some((_, want)), Some((_, got))) if want == got => {}
            (Some((path, want)), Some((_, got))) => differences.push(Difference::Changed {
                path: path.to_owned(),
                want,
                got,
            }),
            (Some((path, _)), None) => differences.push(Difference::Missing {
                path: path.to_owned(),
            }),
            (None, Some((path, _))) => differences.push(Difference::Extra {
                path: path.into_owned(),
            }),
            (None, None) => {}
        }
    }
}

/// Joins an admission with sealed bytes: these bytes are the admitted model's file of this name.
///
/// # Errors
/// The admission is of another model, or the bytes are others than it names.
pub fn verify_sealed(
    admission: &Verified<Statement<Admission>>,
    manifest: &[u8],
    name: &str,
    sealed: Sealed,
) -> Result<Verified<Sealed>, Reason> {
    let admitted = |digest| admission.value().is_about(digest);
    let unknown = |cause: ArtifactError| {
        Reason::new(
            Code::SubjectMismatch,
            format!("the model's manifest can't be used: {cause}"),
            "",
        )
    };
    if !admitted(Digest::of(manifest)) {
        return Err(not_admitted(Digest::of(manifest)));
    }
    let artifact = Artifact::from_manifest(manifest).map_err(unknown)?;
    let path = TreePath::new(name).map_err(unknown)?;
    match artifact.files().get(path.as_str()) {
        Some(FileEntry { digest, .. }) if *digest == sealed.digest() => {
            Ok(Verified::new(sealed, admission.proof().clone()))
        }
        Some(FileEntry { digest, .. }) => Err(Difference::Changed {
            path: name.to_owned(),
            want: (*digest).into(),
            got: sealed.digest().into(),
        }
        .reason()),
        None => Err(Difference::Extra {
            path: name.to_owned(),
        }
        .reason()),
    }
}

fn not_admitted(model: Digest) -> Reason {
    Reason::new(
        Code::SubjectMismatch,
        format!("the admission is not about the model {model}"),
        "admit this model with `modelward admit`",
    )
}
