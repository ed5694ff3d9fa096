//! The log and the statements it names, checked together before a gate looks at any of them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use digest::Digest;
use trust::log::{Checkpoint, Entry, Frontier, LogKey, leaf_hash};
use trust::predicate::{Provenance, Recall};
use trust::{
    Artifact, Bundle, Code, Denied, Error, How, KeyId, Opaque, Predicate, Proof, Reason, Statement,
    Time, TrustRoot, Verdict, Verified,
};

/// Where things are that are too long to be gathered beside all others: each is read when it is needed, and let go. Each
/// certifies itself by its digest.
pub trait Shelf {
    /// A statement's bundle, if it is there and whole.
    fn bundle(&self, digest: Digest) -> Option<Vec<u8>>;
    /// An artifact, if it is there and whole.
    fn artifact(&self, digest: Digest) -> Option<Artifact>;
}

impl fmt::Debug for dyn Shelf + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

/// What was gathered for a decision. None of it is trusted.
#[derive(Debug, Clone, Default)]
pub struct Dossier<'a> {
    /// The log's last checkpoint; `None` when there is no log yet.
    pub checkpoint: Option<String>,
    /// Every line of the log, in order.
    pub entries: Vec<Vec<u8>>,
    /// The bundles that the lines name, by digest; others of them may be on the shelf.
    pub bundles: BTreeMap<Digest, Vec<u8>>,
    /// The artifacts that are known, each of which certifies itself by its digest.
    pub artifacts: Vec<Artifact>,
    /// More of them, which are on the shelf.
    pub shelved: Vec<Digest>,
    /// Where the rest is.
    pub shelf: Option<&'a dyn Shelf>,
    /// The bundles that lie about and that no line names. A recall among them forbids as any other.
    pub unlogged: Vec<Vec<u8>>,
    /// The statements that are known to have had a line, which the log has lost.
    pub lost: BTreeSet<Digest>,
}

/// A log that is whole, and the statements in it, each believed or refused by the root at `now`.
#[derive(Debug)]
pub struct Ledger<'a> {
    root: &'a TrustRoot,
    now: Time,
    entries: Vec<Entry>,
    bundles: BTreeMap<Digest, Vec<u8>>,
    artifacts: Vec<Artifact>,
    /// Where each artifact stands: to find its digest takes all of its manifest.
    positions: BTreeMap<Digest, usize>,
    shelved: Vec<Digest>,
    shelf: Option<&'a dyn Shelf>,
    /// What was on the shelf, once it was asked for.
    fetched: OnceCell<Vec<(Digest, Artifact)>>,
    unlogged: Vec<Vec<u8>>,
    lost: BTreeSet<Digest>,
}

/// A believed statement and its line in the log.
#[derive(Debug)]
pub struct Logged<P> {
    /// The statement.
    pub statement: Verified<Statement<P>>,
    /// Its line; none for a recall whose line is gone.
    pub index: Option<u64>,
}

/// The statements of one type that were asked for.
#[derive(Debug)]
pub struct Statements<P> {
    /// Those that are believed, in the log's order.
    pub believed: Vec<Logged<P>>,
    /// Those that are not, with the reason.
    pub refused: Vec<(Digest, Error)>,
}

impl<P> Statements<P> {
    /// Why those that are there do not count.
    pub(crate) fn disbelieved(&self) -> Vec<Reason> {
        let denied = |cause: &Error| cause.code().kind() == trust::code::Kind::Denied;
        let refused = self.refused.iter().filter(|(_, cause)| denied(cause));
        let reason = |(bundle, cause): &(Digest, Error)| {
            let message = format!("statement {}: {cause}", bundle.short());
            Reason::new(cause.code(), message, cause.way())
        };
        refused.map(reason).collect()
    }

    /// A no with why those did not count of which it knows nothing.
    pub(crate) fn told_with<T>(&self, verdict: Verdict<T>) -> Verdict<T> {
        match (verdict, Denied::from_reasons(self.disbelieved())) {
            (Verdict::Denied(denied), Some(disbelieved)) => {
                Verdict::Denied(denied.and(disbelieved))
            }
            (verdict, _) => verdict,
        }
    }

    /// The believed statements.
    #[must_use]
    pub fn verified(&self) -> Vec<&Verified<Statement<P>>> {
        self.believed
            .iter()
            .map(|logged| &logged.statement)
            .collect()
    }
}

impl<'a> Ledger<'a> {
    /// Checks a dossier's log.
    ///
    /// # Errors
    /// The root does not hold now, or the log is not one that the root knows, or not whole.
    pub fn open(dossier: Dossier<'a>, root: &'a TrustRoot, now: Time) -> Result<Self, Fault> {
        // (1) The root holds. Stops: deciding by keys that were retired with it.
        root.check_time(now).map_err(Fault::Root)?;
        check_log(&dossier, root)?;
        // (4) Every line is read. Stops: a line that hides what it names.
        let parse = |(index, bytes): (usize, &Vec<u8>)| {
            Entry::parse(bytes).map_err(|cause| Fault::Entry {
                index,
                problem: cause.to_string(),
            })
        };
        let entries = dossier
            .entries
            .iter()
            .enumerate()
            .map(parse)
            .collect::<Result<_, _>>()?;
        let Dossier {
            bundles,
            artifacts,
            shelved,
            shelf,
            unlogged,
            lost,
            ..
        } = dossier;
        let positions = artifacts.iter().enumerate();
        let positions = positions.map(|(position, artifact)| (artifact.digest(), position));
        let positions = positions.collect();
        Ok(Self {
            root,
            now,
            entries,
            bundles,
            artifacts,
            positions,
            shelved,
            shelf,
            fetched: OnceCell::new(),
            unlogged,
            lost,
        })
    }

    /// The statements of type `P` about any of these digests.
    #[must_use]
    pub fn about<P: Predicate>(&self, subjects: &BTreeSet<Digest>) -> Statements<P> {
        self.about_by(subjects, trust::verify::<P>)
    }

    /// The statements of type `P` about any of these digests, whether or not their keys still hold: to forbid by them.
    /// Those that are not believed are told as far as they are, or may be, about these.
    pub(crate) fn about_to_forbid<P: Predicate>(
        &self,
        subjects: &BTreeSet<Digest>,
    ) -> Statements<P> {
        let mut found = self.about_by(subjects, trust::verify_to_forbid::<P>);
        found
            .refused
            .retain(|(bundle, _)| self.may_be_about(*bundle, subjects));
        found
    }

    /// Whether a bundle is about any of these by its line or by its own words, whoever signed them; or can't be read.
    fn may_be_about(&self, bundle: Digest, subjects: &BTreeSet<Digest>) -> bool {
        let listed = |entry: &Entry| entry.subjects().iter().any(|s| subjects.contains(s));
        let claimed = self.bundle(bundle).and_then(|bytes| {
            let bundle = Bundle::parse(&bytes).ok()?;
            let claimed = Statement::<Opaque<'_>>::parse(bundle.envelope().payload()).ok()?;
            let mut claimed = claimed.subjects.iter();
            Some(claimed.any(|subject| subjects.contains(&subject.digest)))
        });
        self.line_of(bundle).is_some_and(listed) || claimed.unwrap_or(true)
    }

    /// What a statement's own words are, and its line, whoever signed it: to be told with the reason why nobody believes
    /// it, and for nothing else.
    pub(crate) fn claimed<P: Predicate>(&self, bundle: Digest) -> Option<(u64, Statement<P>)> {
        let mut lines = self.entries.iter().enumerate();
        let (index, entry) = lines.find(|(_, entry)| entry.bundle() == bundle)?;
        let bytes = self.bundle(bundle)?;
        let read = Bundle::parse(&bytes).ok()?;
        let statement = Statement::<Opaque<'_>>::parse(read.envelope().payload()).ok()?;
        let statement = P::of_statement(statement).ok()?;
        let is_of_line = statement.is_about_all(entry.subjects().iter().copied());
        is_of_line.then_some((index as u64, statement))
    }

    fn about_by<P: Predicate>(
        &self,
        subjects: &BTreeSet<Digest>,
        verify: Verify<P>,
    ) -> Statements<P> {
        let is_wanted = |subject: &Digest| subjects.contains(subject);
        // A line lists no more than its first subjects: whether the others are among these, the statement says.
        let may_be = |entry: &Entry| entry.more() > 0 || entry.subjects().iter().any(is_wanted);
        let mut found = self.select_by(may_be, verify);
        found.believed.retain(|logged: &Logged<P>| {
            let mut stated = logged.statement.value().subjects.iter();
            stated.any(|subject| is_wanted(&subject.digest))
        });
        found
    }

    /// All statements of type `P`.
    #[must_use]
    pub fn all<P: Predicate>(&self) -> Statements<P> {
        self.select_by(|_| true, trust::verify::<P>)
    }

    /// All recalls, whether or not their keys still hold: what is bad does not become good with a key. One that can't be
    /// read, or whose key the root has forgotten, is not passed over: it could be the one that matters. One that no line
    /// names counts as well, if its key may recall, or could when it did: the line may have been taken away, and a recall
    /// can do no more than forbid.
    ///
    /// # Errors
    /// A recall's bundle is gone, or the root has not its key.
    pub fn recalls(&self) -> Result<Statements<Recall>, Fault> {
        let mut found = self.to_forbid::<Recall>();
        if let Some((bundle, cause)) = found.refused.pop() {
            return Err(unreadable(bundle, cause));
        }
        let unlogged = self.unlogged.iter();
        let unlogged = unlogged.filter_map(|bytes| self.unlogged_recall(bytes).transpose());
        let mut unlogged: Vec<Logged<Recall>> = unlogged.collect::<Result<_, _>>()?;
        // A line was written for a key that had the role then, and so one line tells that it did.
        let proofs = found.believed.iter().map(|logged| logged.statement.proof());
        let have_recalled: BTreeSet<KeyId> = proofs.map(|proof| proof.key).collect();
        unlogged.retain(|logged| {
            let proof = logged.statement.proof();
            let had_a_line = || self.lost.contains(&proof.bundle);
            self.may_recall(proof) || have_recalled.contains(&proof.key) || had_a_line()
        });
        found.believed.extend(unlogged);
        Ok(found)
    }

    /// Whether whoever signed has the role that a recall takes, whether or not their time is over.
    fn may_recall(&self, proof: &Proof) -> bool {
        let (root, name) = (self.root, &proof.key_name);
        let mut certificates = root.certificates().filter(|known| known.name == *name);
        let mut identities = root.identities().filter(|known| known.name == *name);
        let roles = match proof.how {
            How::Key { .. } => root.key(proof.key).map(|known| &known.roles),
            How::Certificate { .. } => certificates.next().map(|known| &known.roles),
            How::Keyless { .. } => identities.next().map(|known| &known.roles),
        };
        roles.is_some_and(|roles| roles.contains(&Recall::ROLE))
    }

    /// A recall that no line names; `None` for what is none, or is anybody's.
    fn unlogged_recall(&self, bytes: &[u8]) -> Result<Option<Logged<Recall>>, Fault> {
        let bundle = Digest::of(bytes);
        match trust::verify_to_forbid(bytes, self.root, self.now) {
            Ok(statement) => Ok(Some(Logged {
                statement,
                index: None,
            })),
            // It had a line, and so its key was believed.
            Err(cause) if self.lost.contains(&bundle) && claims_recall(bytes) => {
                Err(unreadable(bundle, cause))
            }
            Err(_) => Ok(None),
        }
    }

    /// All builds, to find what something descends from: whether or not the time of their keys is over. Those that are
    /// not believed are told apart: what they read can't be known.
    #[must_use]
    pub fn builds(&self) -> Statements<Provenance> {
        self.to_forbid()
    }

    /// All statements of type `P`, whether or not the time of their keys is over: to forbid by them.
    #[must_use]
    pub fn to_forbid<P: Predicate>(&self) -> Statements<P> {
        self.select_by(|_| true, trust::verify_to_forbid::<P>)
    }

    /// The line that names this bundle.
    #[must_use]
    pub fn line_of(&self, bundle: Digest) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.bundle() == bundle)
    }

    /// The artifact with this digest, if it is known.
    #[must_use]
    pub fn artifact(&self, digest: Digest) -> Option<&Artifact> {
        if let Some(position) = self.positions.get(&digest) {
            return self.artifacts.get(*position);
        }
        let is_shelved = self.shelved.contains(&digest);
        let mut fetched = is_shelved.then(|| self.fetched())?.iter();
        fetched.find(|(of, _)| *of == digest).map(|(_, it)| it)
    }

    /// All artifacts that are known.
    pub fn artifacts(&self) -> impl Iterator<Item = &Artifact> {
        // Nothing is fetched where one of the others was what was looked for.
        let fetched = std::iter::once_with(|| self.fetched()).flatten();
        self.artifacts
            .iter()
            .chain(fetched.map(|(_, artifact)| artifact))
    }

    fn fetched(&self) -> &[(Digest, Artifact)] {
        self.fetched.get_or_init(|| {
            let fetch = |digest: &Digest| Some((*digest, self.shelf?.artifact(*digest)?));
            self.shelved.iter().filter_map(fetch).collect()
        })
    }

    /// A bundle's bytes, if they are there and its own.
    pub(crate) fn bundle(&self, digest: Digest) -> Option<Cow<'_, [u8]>> {
        let gathered = self
            .bundles
            .get(&digest)
            .map(|bytes| Cow::Borrowed(bytes.as_slice()));
        let shelved = || Some(Cow::Owned(self.shelf?.bundle(digest)?));
        let bytes = gathered.or_else(shelved)?;
        (Digest::of(&bytes) == digest).then_some(bytes)
    }

    /// The lines of the log.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn select_by<P: Predicate>(
        &self,
        wanted: impl Fn(&Entry) -> bool,
        verify: Verify<P>,
    ) -> Statements<P> {
        let mut found = Statements {
            believed: Vec::new(),
            refused: Vec::new(),
        };
        let typed = |entry: &&Entry| entry.predicate_type() == P::TYPE && wanted(entry);
        for (index, entry) in self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| typed(entry))
        {
            match self.read(entry, verify) {
                Ok(statement) => found.believed.push(Logged {
                    statement,
                    index: Some(index as u64),
                }),
                Err(cause) => found.refused.push((entry.bundle(), cause)),
            }
        }
        found
    }

    fn read<P: Predicate>(
        &self,
        entry: &Entry,
        verify: Verify<P>,
    ) -> Result<Verified<Statement<P>>, Error> {
        let bytes = self.bundle(entry.bundle()).ok_or(Error::BundleShape(
            "the log names it, and it is not in the store",
        ))?;
        let statement = verify(&bytes, self.root, self.now)?;
        // What the line says the statement is about is what it is about. Stops: a line that files it elsewhere.
        if statement
            .value()
            .is_about_all(entry.subjects().iter().copied())
        {
            Ok(statement)
        } else {
            Err(Error::StatementShape(
                "its log line names other subjects".to_owned(),
            ))
        }
    }
}

/// Whether a bundle says that it is a recall, whoever signed it.
fn claims_recall(bytes: &[u8]) -> bool {
    Bundle::parse(bytes).is_ok_and(|bundle| {
        let claimed = Statement::<Opaque<'_>>::parse(bundle.envelope().payload());
        claimed.is_ok_and(|claimed| claimed.predicate.predicate_type == Recall::TYPE)
    })
}

fn unreadable(bundle: Digest, cause: Error) -> Fault {
    Fault::Unreadable {
        bundle,
        cause: Box::new(cause),
    }
}

/// One of the two ways in which `trust` believes a bundle.
type Verify<P> = fn(&[u8], &TrustRoot, Time) -> Result<Verified<Statement<P>>, Error>;

fn check_log(dossier: &Dossier<'_>, root: &TrustRoot) -> Result<(), Fault> {
    let Some(note) = &dossier.checkpoint else {
        return if dossier.entries.is_empty() {
            Ok(())
        } else {
            Err(Fault::Inconsistent)
        };
    };
    // (2) A log of the root signed the checkpoint. Stops: a log that somebody else made up.
    let keys = root
        .logs()
        .iter()
        .filter_map(|key| key.parse::<LogKey>().ok());
    let opened = keys
        .map(|key| Checkpoint::open(note, &key))
        .find_map(Result::ok);
    let head = opened.ok_or(Fault::LogUnknown)?.head();
    // (3) The lines are exactly those that were signed. Stops: lines altered, dropped or put in later.
    let mut frontier = Frontier::default();
    for entry in &dossier.entries {
        frontier.push(leaf_hash(entry));
    }
    if frontier.size() == head.size && frontier.root() == head.root {
        Ok(())
    } else {
        Err(Fault::Inconsistent)
    }
}

/// Why nothing can be decided by this log.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The root does not hold.
    #[error(transparent)]
    Root(Error),
    /// No log of the root signed the checkpoint.
    #[error("the log's checkpoint is not signed by a log that the trust root knows")]
    LogUnknown,
    /// The lines are not those of the checkpoint.
    #[error(
        "the log was rewritten: its lines are not the ones that its checkpoint was signed over"
    )]
    Inconsistent,
    /// A line can't be read.
    #[error("line {index} of the log can't be read: {problem}")]
    Entry {
        /// Which line.
        index: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// What was measured makes no artifact.
    #[error("these files make no artifact")]
    Artifact {
        /// Why.
        #[source]
        cause: trust::artifact::ArtifactError,
    },
    /// The list of what stood in a step's root is gone.
    #[error(
        "the list {list} of what stood in a step's root is gone, and what was recalled may stand in it"
    )]
    RootList {
        /// Its digest.
        list: Digest,
    },
    /// What a gate has to know before it lets anything through can't be read.
    #[error("the statement {bundle} can't be checked, and so nothing can be let through")]
    Unreadable {
        /// Its bundle.
        bundle: Digest,
        /// Why.
        #[source]
        cause: Box<Error>,
    },
}

impl Fault {
    /// The code of this fault.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Root(cause) => cause.code(),
            Self::LogUnknown => Code::LogKeyUnknown,
            Self::Inconsistent | Self::Entry { .. } => Code::LogInconsistent,
            Self::Artifact { .. } => Code::DataInvalid,
            Self::RootList { .. } => Code::StoreCorrupt,
            Self::Unreadable { cause, .. } => cause.code(),
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn way(&self) -> &str {
        match self {
            Self::Root(cause) => cause.way(),
            Self::LogUnknown => {
                "use the log that belongs to this trust root, or add its key to the root"
            }
            Self::Inconsistent | Self::Entry { .. } => {
                "find out with `modelward log verify` what was changed, and restore the log from a backup"
            }
            Self::Artifact { .. } => "an artifact has files with plain names, and at least one",
            Self::RootList { .. } => {
                "restore that blob from a backup, or make the model again with `modelward train`"
            }
            // Nobody may say it again in its place: a gate would believe the new one without knowing what the old one said.
            Self::Unreadable { cause, .. } if cause.code() == Code::BundleInvalid => {
                "restore that blob of the store from a backup; `modelward store verify` names all that is missing or damaged"
            }
            Self::Unreadable { cause, .. } => cause.way(),
        }
    }
}
