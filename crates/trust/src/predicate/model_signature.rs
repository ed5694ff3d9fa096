//! `https://model_signing/signature/v1.0` of OpenSSF model signing: the files that a model has.

use std::collections::{BTreeMap, BTreeSet};

use decode::json::Raw;
use digest::{Digest, Hasher, Method, ResourceDigest};
use serde::{Serialize, Serializer};

use super::Predicate;
use crate::statement::Opaque;
use crate::{Artifact, Error, Role, Statement, Subject};

pub(crate) mod first_release;
mod name;
mod read;
mod resources;

pub use name::Span;
use name::{Name, SINGLE_FILE};
use resources::Resources;

/// The files of a model, or pieces of them, each with its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSignature {
    method: Method,
    follows_links: bool,
    ignored: Vec<String>,
    resources: Resources,
    spelling: Spelling,
    is_first_release: bool,
}

/// How the two things are written that the specification and its released implementations write differently: the name of
/// a model of one file, and the algorithm of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// As the implementations verify it: `.`, and `sha256-sharded-N`.
    #[default]
    Interoperable,
    /// As the specification says: the file's own name, and `sha256`.
    Specification,
}

/// What was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A folder and what is in it.
    Folder,
    /// One file.
    SingleFile,
}

/// How a model is signed.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What is hashed, and how.
    pub method: Method,
    /// Whether symbolic links were followed.
    pub follows_links: bool,
    /// The paths that were left out.
    pub ignored: Vec<String>,
    /// How it is written.
    pub spelling: Spelling,
}

impl Terms {
    /// Whole files by SHA-256, no links: what every verifier takes.
    #[must_use]
    pub const fn usual(ignored: Vec<String>) -> Self {
        Self {
            method: Method::WHOLE_SHA256,
            follows_links: false,
            ignored,
            spelling: Spelling::Interoperable,
        }
    }
}

impl ModelSignature {
    /// The statement that signs a model's files whole and by SHA-256, with the model's name and the paths in it that were
    /// left out.
    #[must_use]
    pub fn statement(
        name: &str,
        artifact: &Artifact,
        form: Form,
        ignored: Vec<String>,
    ) -> Statement<Self> {
        let files = artifact.files().iter();
        let files = files.map(|(path, file)| (path, file.digest.into()));
        Self::of_resources(name, files, form, Terms::usual(ignored))
    }

    /// The statement that signs resources: files by their paths, or pieces by `PATH:START:END`. A single file goes by any
    /// name.
    #[must_use]
    pub fn of_resources<'a>(
        model: &str,
        resources: impl Iterator<Item = (&'a str, ResourceDigest)>,
        form: Form,
        terms: Terms,
    ) -> Statement<Self> {
        let is_dot = form == Form::SingleFile && terms.spelling == Spelling::Interoperable;
        let mut listed = Resources::new(terms.method.algorithm);
        for (name, digest) in resources {
            let listed = match is_dot {
                true => listed.push(&single(name, terms.method), &digest),
                false => listed.push(name, &digest),
            };
            debug_assert!(
                listed.is_some(),
                "whoever measures does so as the terms say"
            );
        }
        let resources = listed.sorted();
        let predicate = Self {
            method: terms.method,
            follows_links: terms.follows_links,
            ignored: terms.ignored,
            resources,
            spelling: terms.spelling,
            is_first_release: false,
        };
        let subject = Subject {
            name: model.to_owned(),
            digest: predicate.root(),
        };
        Statement {
            subjects: vec![subject],
            predicate,
        }
    }

    /// What was hashed, and how.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Whether symbolic links were followed.
    #[must_use]
    pub const fn follows_links(&self) -> bool {
        self.follows_links
    }

    /// The signed resources by their names: paths, or `PATH:START:END`.
    pub fn resources(&self) -> impl Iterator<Item = (&str, ResourceDigest)> {
        self.resources.iter()
    }

    /// The same, in the order of their names.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, ResourceDigest)> {
        self.resources.by_name()
    }

    /// The file that a resource is, or is a piece of.
    #[must_use]
    pub fn file_of<'a>(&self, name: &'a str) -> &'a str {
        Name::of(name, self.method).map_or(name, |name| name.path)
    }

    /// The files that were signed, whole or in pieces.
    #[must_use]
    pub fn signed_files(&self) -> BTreeSet<&str> {
        self.resources()
            .map(|(name, _)| self.file_of(name))
            .collect()
    }

    /// The signed files, if they were signed whole and by SHA-256, as artifacts are.
    #[must_use]
    pub fn files(&self) -> Option<BTreeMap<&str, Digest>> {
        if self.method != Method::WHOLE_SHA256 {
            return None;
        }
        self.resources()
            .map(|(name, digest)| Some((name, digest.sha256()?)))
            .collect()
    }

    /// The paths that were left out when it was signed, with all below them.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether the first release (0.2) signed it: without a root digest, ignored paths or a word about links.
    #[must_use]
    pub const fn is_first_release(&self) -> bool {
        self.is_first_release
    }

    /// Whether a file rather than a folder was signed. A file that was signed by its own name, as the specification has
    /// it, looks like a folder with one file.
    #[must_use]
    pub fn form(&self) -> Form {
        let mut names = self
            .resources()
            .map(|(name, _)| Name::of(name, self.method));
        match names.all(|name| name.is_some_and(|name| name.path == SINGLE_FILE)) {
            true => Form::SingleFile,
            false => Form::Folder,
        }
    }

    /// What the resource of a single file, or a piece of it, goes by where the model was signed as one file.
    #[must_use]
    pub(crate) fn as_single(&self, name: &str) -> String {
        single(name, self.method)
    }

    /// OpenSSF model signing's root digest: SHA-256 over the raw digests in the order they are listed.
    #[must_use]
    pub fn root(&self) -> Digest {
        let mut hasher = Hasher::new();
        for (_, digest) in self.resources() {
            hasher.update(digest.raw());
        }
        hasher.finish()
    }

    /// Whether the resources are in the specification's order. The reference wrote another, which is read as well.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        let names = self.resources().map(|(name, _)| name);
        names.is_sorted_by(|a, b| a < b)
    }

    /// What a piece's or a file's algorithm is called.
    fn algorithm_name(&self) -> String {
        let plain = self.method.algorithm.as_str();
        match (self.method.shard_size, self.spelling) {
            (Some(size), Spelling::Interoperable) => format!("{plain}-sharded-{size}"),
            _ => plain.to_owned(),
        }
    }
}

fn single(name: &str, method: Method) -> String {
    match method.shard_size {
        None => SINGLE_FILE.to_owned(),
        Some(_) => name::renamed(name, SINGLE_FILE),
    }
}

impl Predicate for ModelSignature {
    const TYPE: &'static str = "https://model_signing/signature/v1.0";
    const ROLE: Role = Role::Sign;

    fn read(predicate: Raw<'_>) -> Result<Self, Error> {
        read::predicate(predicate, true)
    }

    fn fits(&self, subjects: &[Subject]) -> Result<(), Error> {
        match subjects {
            [only] if only.name.is_empty() => Err(Error::StatementShape(
                "it gives the model no name".to_owned(),
            )),
            [only] if only.digest == self.root() => Ok(()),
            [only] => Err(Error::StatementShape(format!(
                "its root digest is {}, and its files make {}",
                only.digest,
                self.root()
            ))),
            several => {
                let names: Vec<_> = several.iter().map(|one| one.name.as_str()).collect();
                Err(Error::StatementShape(format!(
                    "it names more than one model: `{}`",
                    names.join("`, `")
                )))
            }
        }
    }

    fn of_statement(statement: Statement<Opaque<'_>>) -> Result<Statement<Self>, Error> {
        if statement.predicate.predicate_type == first_release::TYPE {
            return first_release::read(statement);
        }
        // A later minor version says what this one says, and may say more (the specification's VERSIONING.md).
        let is_strict = statement.predicate.predicate_type == Self::TYPE;
        if !is_strict && !read::is_later_minor(&statement.predicate.predicate_type) {
            return Err(Error::PredicateType {
                want: Self::TYPE,
                got: statement.predicate.predicate_type,
            });
        }
        let predicate = read::predicate(statement.predicate.predicate, is_strict)?;
        predicate.fits(&statement.subjects)?;
        Ok(Statement {
            subjects: statement.subjects,
            predicate,
        })
    }
}

impl Serialize for ModelSignature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let signature = wire::Signature {
            serialization: wire::Serialization {
                method: match self.method.shard_size {
                    None => read::WHOLE,
                    Some(_) => read::SHARDS,
                },
                hash_type: self.method.algorithm.as_str(),
                shard_size: self.method.shard_size.map(std::num::NonZeroU64::get),
                allow_symlinks: self.follows_links,
                ignore_paths: &self.ignored,
            },
            resources: wire::Resources {
                algorithm: &self.algorithm_name(),
                resources: &self.resources,
            },
        };
        signature.serialize(serializer)
    }
}

/// What is written.
mod wire {
    use super::{Serialize, Serializer};

    #[derive(Serialize)]
    pub(super) struct Signature<'a> {
        pub(super) serialization: Serialization<'a>,
        pub(super) resources: Resources<'a>,
    }

    /// Each is put into its form when it is written: they may be many.
    pub(super) struct Resources<'a> {
        pub(super) algorithm: &'a str,
        pub(super) resources: &'a super::Resources,
    }

    impl Serialize for Resources<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.resources.iter().map(|(name, digest)| Resource {
                name,
                algorithm: self.algorithm,
                digest: digest.hex(),
            }))
        }
    }

    #[derive(Serialize)]
    pub(super) struct Serialization<'a> {
        pub(super) method: &'static str,
        pub(super) hash_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) shard_size: Option<u64>,
        pub(super) allow_symlinks: bool,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        pub(super) ignore_paths: &'a [String],
    }

    #[derive(Serialize)]
    struct Resource<'a> {
        name: &'a str,
        algorithm: &'a str,
        digest: String,
    }
}
