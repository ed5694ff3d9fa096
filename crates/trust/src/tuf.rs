//! Updates that nobody but their signers can make, hold back or turn back (The Update Framework, specification 1.0, §5).
//!
//! ```text
//! root we have ─► next roots ─► timestamp ─► snapshot ─► targets ─► the file
//! ```
//! An update asks for one file after the other, and takes it or ends. It fetches nothing and keeps nothing: whoever runs it
//! does, with the time it began as an argument. Delegated targets are not followed; the files that we fetch are not.

mod metadata;

use std::collections::BTreeMap;

use decode::json;

pub use metadata::Kind;
use metadata::{Described, Root, Signed};

use crate::{Code, Time};

/// The root of the public Sigstore's repository, from which all later ones follow.
pub const PUBLIC_SIGSTORE: &[u8] = include_bytes!("tuf/public_sigstore.root.json");

/// More roots than a repository that is looked at once in ten years has meanwhile.
const ROOTS_MAX: usize = 256;
const ROOT_SIZE_BYTES_MAX: usize = 512 << 10;
const TIMESTAMP_SIZE_BYTES_MAX: usize = 16 << 10;
/// Of all others, where their length is not said before.
const SIZE_BYTES_MAX: usize = 1 << 20;

/// What an update leaves: with it, the next one is held to no less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// `root.json`
    pub root: Vec<u8>,
    /// `timestamp.json`
    pub timestamp: Vec<u8>,
    /// `snapshot.json`
    pub snapshot: Vec<u8>,
    /// The file that was wanted.
    pub file: Vec<u8>,
    /// The other files that were wanted and are there, by their names.
    pub others: BTreeMap<String, Vec<u8>>,
}

/// A file that an update needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it is, below the repository's address.
    pub path: String,
    /// More than this is not read of it.
    pub size_bytes_max: usize,
    /// Whether it may not be there: the root after the last.
    pub may_be_missing: bool,
}

/// An update that is under way.
#[derive(Debug, Clone)]
pub struct Update {
    /// The file that must be there, and those that may be.
    names: Vec<String>,
    now: Time,
    root: Root,
    roots: usize,
    kept: Option<Kept>,
    /// Those of the last update, as far as those who may sign now signed them.
    last: BTreeMap<Kind, Signed>,
    timestamp: Vec<u8>,
    snapshot: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
    step: Step,
}

#[derive(Debug, Clone)]
enum Step {
    Root,
    Timestamp,
    Snapshot(Described),
    Targets(Described),
    File(Target, Vec<Target>),
    Done,
}

/// A file of the repository that is wanted.
#[derive(Debug, Clone)]
struct Target {
    name: String,
    described: Described,
}

impl Update {
    /// Begins an update of a file, and of others if they are there, from a root that is believed or what the last update left,
    /// whichever is further.
    ///
    /// # Errors
    /// The root is none, or did not sign itself.
    pub fn begin(
        root: &[u8],
        kept: Option<Kept>,
        (file, others): (&str, &[&str]),
        now: Time,
    ) -> Result<Self, TufError> {
        let own = |bytes: &[u8]| {
            let root = Root::parse(bytes)?;
            root.signed.check_signatures(root.role(Kind::Root))?;
            Ok::<_, TufError>(root)
        };
        let mut root = own(root)?;
        if let Some(kept) = &kept {
            let last = own(&kept.root)?;
            if last.signed.version >= root.signed.version {
                root = last;
            }
        }
        Ok(Self {
            names: [&[file], others]
                .concat()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            now,
            root,
            roots: 0,
            kept,
            last: BTreeMap::new(),
            timestamp: Vec::new(),
            snapshot: Vec::new(),
            files: BTreeMap::new(),
            step: Step::Root,
        })
    }

    /// What is needed next; nothing when all is there.
    #[must_use]
    pub fn wants(&self) -> Option<Wanted> {
        let wanted = |path, length: Option<usize>, most: usize| Wanted {
            path,
            size_bytes_max: length.unwrap_or(most).min(most),
            may_be_missing: false,
        };
        Some(match &self.step {
            Step::Root => Wanted {
                path: format!("{}.root.json", self.root.signed.version.saturating_add(1)),
                size_bytes_max: ROOT_SIZE_BYTES_MAX,
                may_be_missing: true,
            },
            Step::Timestamp => wanted("timestamp.json".to_owned(), None, TIMESTAMP_SIZE_BYTES_MAX),
            Step::Snapshot(own) => {
                let path = format!("{}.snapshot.json", own.version);
                wanted(path, own.length, SIZE_BYTES_MAX)
            }
            Step::Targets(own) => {
                let path = format!("{}.targets.json", own.version);
                wanted(path, own.length, SIZE_BYTES_MAX)
            }
            Step::File(own, _) => {
                let hash = own.described.hash_in_name().unwrap_or_default();
                let path = format!("targets/{hash}.{}", own.name);
                wanted(path, own.described.length, SIZE_BYTES_MAX)
            }
            Step::Done => return None,
        })
    }

    /// Takes what was wanted, or that it is not there.
    ///
    /// # Errors
    /// It is not what those who may signed for now; the update ends, and what was kept stays.
    pub fn take(&mut self, bytes: Option<&[u8]>) -> Result<(), TufError> {
        let Some(wanted) = self.wants() else {
            return Ok(());
        };
        let Some(bytes) = bytes else {
            return match wanted.may_be_missing {
                true => self.end_of_roots(),
                false => Err(TufError::Missing { file: wanted.path }),
            };
        };
        if bytes.len() > wanted.size_bytes_max {
            return Err(TufError::TooLong {
                file: wanted.path,
                size_bytes_max: wanted.size_bytes_max,
            });
        }
        self.step = match self.step.clone() {
            Step::Root => self.next_root(bytes)?,
            Step::Timestamp => self.timestamp(bytes)?,
            Step::Snapshot(described) => {
                described.check(&wanted.path, bytes)?;
                self.snapshot(bytes, described.version)?
            }
            Step::Targets(described) => {
                described.check(&wanted.path, bytes)?;
                self.targets(bytes, described.version)?
            }
            Step::File(own, rest) => {
                own.described.check(&wanted.path, bytes)?;
                self.files.insert(own.name, bytes.to_vec());
                next_of(rest)
            }
            Step::Done => Step::Done,
        };
        Ok(())
    }

    /// What is to be kept, once nothing more is wanted.
    #[must_use]
    pub fn kept(mut self) -> Option<Kept> {
        let Step::Done = self.step else {
            return None;
        };
        Some(Kept {
            root: self.root.bytes,
            timestamp: self.timestamp,
            snapshot: self.snapshot,
            file: self.files.remove(self.names.first()?)?,
            others: self.files,
        })
    }

    /// §5.3: the next root is signed by those of the last and by its own, and no version is left out.
    fn next_root(&mut self, bytes: &[u8]) -> Result<Step, TufError> {
        self.roots += 1;
        if self.roots > ROOTS_MAX {
            return Err(TufError::TooManyRoots);
        }
        let next = Root::parse(bytes)?;
        next.signed.check_signatures(self.root.role(Kind::Root))?;
        next.signed.check_signatures(next.role(Kind::Root))?;
        check_version(&next.signed, self.root.signed.version.saturating_add(1))?;
        self.root = next;
        Ok(Step::Root)
    }

    /// The last root must hold now. What the last update left counts if those who may sign now signed it; so that a
    /// repository whose keys were stolen can start again with new ones.
    fn end_of_roots(&mut self) -> Result<(), TufError> {
        self.root.signed.check_time(self.now)?;
        for (kind, bytes) in self.kept.iter().flat_map(|kept| {
            [
                (Kind::Timestamp, &kept.timestamp),
                (Kind::Snapshot, &kept.snapshot),
            ]
        }) {
            let signed = Signed::parse(bytes, kind)?;
            if signed.check_signatures(self.root.role(kind)).is_ok() {
                self.last.insert(kind, signed);
            }
        }
        self.step = Step::Timestamp;
        Ok(())
    }

    /// §5.4: neither it nor the snapshot that it names may be older than the last.
    fn timestamp(&mut self, bytes: &[u8]) -> Result<Step, TufError> {
        let mut new = self.signed(bytes, Kind::Timestamp)?;
        self.timestamp = bytes.to_vec();
        if let (Some(last), Some(kept)) = (self.last.get(&Kind::Timestamp), &self.kept) {
            check_not_older(Kind::Timestamp, last.version, new.version)?;
            if last.version == new.version {
                // The one that we have is the one of that version.
                new = last.clone();
                self.timestamp.clone_from(&kept.timestamp);
            }
            let (last, new) = (snapshot_of(last)?, snapshot_of(&new)?);
            check_not_older(Kind::Snapshot, last.version, new.version)?;
        }
        new.check_time(self.now)?;
        Ok(Step::Snapshot(snapshot_of(&new)?))
    }

    /// §5.5: it is the one that the timestamp names, has every file that the last had, and none of them older.
    fn snapshot(&mut self, bytes: &[u8], version: u64) -> Result<Step, TufError> {
        let new = self.signed(bytes, Kind::Snapshot)?;
        check_version(&new, version)?;
        let mut files = new.files()?;
        if let Some(last) = self.last.get(&Kind::Snapshot) {
            for (name, last) in last.files()? {
                let version = files.get(&name).map_or(0, |new| new.version);
                check_not_older(Kind::Targets, last.version, version)?;
            }
        }
        new.check_time(self.now)?;
        self.snapshot = bytes.to_vec();
        let targets = files.remove("targets.json");
        targets.map(Step::Targets).ok_or(TufError::Malformed {
            kind: Kind::Snapshot,
            what: "`targets.json`",
        })
    }

    /// §5.6: it is the one that the snapshot names. What it doesn't name is not there; the first must be.
    fn targets(&self, bytes: &[u8], version: u64) -> Result<Step, TufError> {
        let new = self.signed(bytes, Kind::Targets)?;
        check_version(&new, version)?;
        new.check_time(self.now)?;
        let mut targets = new.targets()?;
        let mut wanted = Vec::new();
        for (position, name) in self.names.iter().enumerate() {
            let name = name.clone();
            match targets.remove(&name) {
                Some(described) => wanted.push(Target { name, described }),
                None if position == 0 => return Err(TufError::Missing { file: name }),
                None => {}
            }
        }
        Ok(next_of(wanted))
    }

    fn signed(&self, bytes: &[u8], kind: Kind) -> Result<Signed, TufError> {
        let signed = Signed::parse(bytes, kind)?;
        signed.check_signatures(self.root.role(kind))?;
        Ok(signed)
    }
}

/// The step that takes the first of these files.
fn next_of(mut files: Vec<Target>) -> Step {
    match files.is_empty() {
        true => Step::Done,
        false => Step::File(files.remove(0), files),
    }
}

/// What a timestamp says of the snapshot.
fn snapshot_of(timestamp: &Signed) -> Result<Described, TufError> {
    let snapshot = timestamp.files()?.remove("snapshot.json");
    snapshot.ok_or(TufError::Malformed {
        kind: Kind::Timestamp,
        what: "`snapshot.json`",
    })
}

fn check_version(signed: &Signed, wanted: u64) -> Result<(), TufError> {
    let (kind, got) = (signed.kind, signed.version);
    match got == wanted {
        true => Ok(()),
        false => Err(TufError::OtherVersion { kind, wanted, got }),
    }
}

fn check_not_older(kind: Kind, had: u64, got: u64) -> Result<(), TufError> {
    match got >= had {
        true => Ok(()),
        false => Err(TufError::Older { kind, had, got }),
    }
}

/// Why an update was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TufError {
    /// A file that must be there is not.
    #[error("the repository has no `{file}`")]
    Missing {
        /// The file.
        file: String,
    },
    /// There is more of a file than there should be.
    #[error("the repository's `{file}` has more than {size_bytes_max} bytes")]
    TooLong {
        /// The file.
        file: String,
        /// What is read.
        size_bytes_max: usize,
    },
    /// There are more roots than are followed.
    #[error("the repository has more than {ROOTS_MAX} roots since the one that is known")]
    TooManyRoots,
    /// It is no JSON.
    #[error("the repository's {kind} can't be read")]
    Json {
        /// What it should be.
        kind: Kind,
        /// Why not.
        #[source]
        cause: json::Error,
    },
    /// It is not what the specification says.
    #[error("the repository's {kind} can't be read: {what} is missing or not as it must be")]
    Malformed {
        /// What it should be.
        kind: Kind,
        /// The part.
        what: &'static str,
    },
    /// Too few of those who may signed it.
    #[error(
        "{got} of those who may sign the repository's {kind} {version} did, and it takes {threshold}"
    )]
    Signatures {
        /// What it is.
        kind: Kind,
        /// Its version.
        version: u64,
        /// How many signed.
        got: usize,
        /// How many must.
        threshold: usize,
    },
    /// It is not the version that belongs there.
    #[error("the repository's {kind} is version {got}, and {wanted} belongs there")]
    OtherVersion {
        /// What it is.
        kind: Kind,
        /// The version that belongs there.
        wanted: u64,
        /// Its version.
        got: u64,
    },
    /// It is older than what was had before.
    #[error("the repository offers {kind} {got}, and it had {had} before")]
    Older {
        /// What it is.
        kind: Kind,
        /// The version that was had.
        had: u64,
        /// The version that is offered; 0 if none is.
        got: u64,
    },
    /// Its time is over.
    #[error("the repository's {kind} was valid until {expires}, and now it is {now}")]
    Expired {
        /// What it is.
        kind: Kind,
        /// Until when it held.
        expires: Time,
        /// The time it was asked.
        now: Time,
    },
    /// It has another length than was signed.
    #[error("the repository's `{file}` has another length than was signed for it")]
    Length {
        /// The file.
        file: String,
    },
    /// It has another hash than was signed.
    #[error("the repository's `{file}` has another hash than was signed for it")]
    Hash {
        /// The file.
        file: String,
    },
}

impl TufError {
    /// The code of this error.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLong { .. } => Code::TooLarge,
            Self::Older { .. } => Code::UpdateRolledBack,
            Self::Expired { .. } => Code::UpdateExpired,
            _ => Code::UpdateUntrusted,
        }
    }
}
