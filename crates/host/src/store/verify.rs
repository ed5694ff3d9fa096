//! Everything read again and held against everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use digest::{Digest, measure_file};
use trust::Code;
use trust::artifact::FileEntry;
use trust::log::{Entry, LogKey};
use trust::predicate::{Dataset, Provenance};
use trust::{Artifact, Bundle, Kind, Opaque, Predicate, Statement, Subject, TreePath};

use super::oci::{Descriptor, ImageIndex, LAYOUT, MANIFEST_SIZE_BYTES_MAX, Manifest};
use super::statements::{parse, subject_of};
use super::traces::Traces;
use super::{Recorded, Store, StoreError};
use crate::log::LogError;
use crate::log::durable::{self, DiskError};

/// What was found.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is not as it should be.
    pub problems: Vec<Problem>,
    /// Bundles that were never recorded, as far as can be told: a writer was killed before it came to the log. They do
    /// no harm, and recording them again records them.
    pub unrecorded: BTreeSet<Digest>,
}

/// Something in the store that is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The bytes of a blob are not those of its digest.
    #[error("the blob {digest} is corrupt: its bytes are {got}")]
    BlobCorrupt {
        /// Its name.
        digest: Digest,
        /// What its bytes are.
        got: Digest,
    },
    /// A blob can't be read.
    #[error("the blob {digest} can't be read")]
    BlobUnreadable {
        /// Its name.
        digest: Digest,
        /// Why.
        #[source]
        cause: digest::ReadError,
    },
    /// A blob that something refers to is not there, or of another size.
    #[error("the blob {digest}, which {needed_by} needs, is missing")]
    BlobMissing {
        /// Which.
        digest: Digest,
        /// What refers to it.
        needed_by: String,
    },
    /// A file that has no place in a store.
    #[error("`{}` doesn't belong into a store", path.display())]
    Stray {
        /// Which.
        path: PathBuf,
    },
    /// A file doesn't say what follows from the rest of the store.
    #[error("`{}` is damaged", path.display())]
    File {
        /// Which.
        path: PathBuf,
    },
    /// The log.
    #[error("the log is damaged or was rewritten")]
    Log {
        /// How.
        #[source]
        cause: LogError,
    },
    /// Nobody said which key signs the log.
    #[error("the log was not checked: its key is not known")]
    LogUnchecked,
    /// A root that a step is to see is not what it was, or can't be read.
    #[error("a step's root is damaged, or can't be read")]
    Root {
        /// How.
        #[source]
        cause: crate::root::Error,
    },
    /// The log once had a line that it has no more: its referrer was written after it.
    #[error(
        "the log has lost the line of the statement {bundle}, which {manifest} was written after: an older log was put back"
    )]
    LineLost {
        /// Which statement.
        bundle: Digest,
        /// What tells of its line.
        manifest: Digest,
    },
    /// A line of the log is none of ours.
    #[error("a line of the log can't be read")]
    Entry {
        /// Why.
        #[source]
        cause: Box<StoreError>,
    },
    /// The index has something else than the log.
    #[error("the index is not what follows from the log: {what}")]
    Index {
        /// What.
        what: String,
    },
    /// A data set or model that the log speaks of is in no list of names.
    #[error(
        "line {log_index} of the log is about the {what} {digest}, which has no name in `index.json`"
    )]
    Unnamed {
        /// What it is.
        what: &'static str,
        /// Which.
        digest: Digest,
        /// The line.
        log_index: u64,
    },
    /// The artifacts' names differ.
    #[error("`index.json` and the index don't have the same artifacts: {name}")]
    Names {
        /// Which name is only in one of them.
        name: String,
    },
}

impl Problem {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::LineLost { .. } => Code::LogRolledBack,
            _ => Code::StoreDamaged,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::BlobCorrupt { .. } | Self::BlobMissing { .. } | Self::BlobUnreadable { .. } => {
                Some(
                    "remove that blob and put the file into the store again, or restore it from a backup",
                )
            }
            Self::Root { .. } => {
                Some("remove that folder: it is made or taken in anew when a step needs it")
            }
            Self::File { .. } | Self::Index { .. } | Self::Names { .. } => {
                Some("run `modelward store rebuild`: it is made again from the log and the blobs")
            }
            Self::Unnamed { .. } => Some(
                "somebody took it out of the names: restore `index.json` from a backup, or add it or train it again",
            ),
            Self::Log { .. } | Self::Entry { .. } => {
                Some("restore `log` from a backup: it can't be made again")
            }
            Self::LineLost { .. } => Some(
                "restore the newest `log`; to go on without what it lost, run `modelward store rebuild`: recalls count though their line is gone, and the rest has to be said again",
            ),
            Self::Stray { .. } | Self::LogUnchecked => None,
        }
    }
}

impl Store {
    /// Reads everything again: (1) each blob has the bytes of its name; (2) the log holds what its checkpoints commit
    /// to, signed by `key`; (3) each line has its bundle, its rows in the index and its place among the referrers;
    /// (4) the artifacts in `index.json` are there with all their files, and the data sets of the log and what its builds made among them; (5) the log
    /// has not lost a line that the blobs tell of; (6) each step's root that is kept has its digest. `progress` hears how many bytes were read.
    ///
    /// Without a key, a log that isn't empty is a problem of its own.
    ///
    /// # Errors
    /// The check itself can't be made; what it finds is in the list.
    pub fn verify(
        &self,
        key: Option<&LogKey>,
        progress: &dyn Fn(u64),
    ) -> Result<Checked, StoreError> {
        let mut found = Findings {
            store: self,
            problems: Vec::new(),
            told: BTreeSet::new(),
            stated: Vec::new(),
        };
        found.layout()?;
        found.blobs(progress)?;
        let roots = self.roots().faults().into_iter();
        found
            .problems
            .extend(roots.map(|cause| Problem::Root { cause }));
        // Before the lock: whoever wrote a bundle had it, and has written its line when we get it, or is dead. Whatever makes
        // this fail is found by the other checks, and is a problem there.
        let traces = self.traces().unwrap_or_default();
        // Blobs don't change and may take hours; what follows does, and writers wait for it. Who may only read can wait too.
        let _lock = durable::lock_shared(&self.root.join("lock"))?;
        found.log(key, progress)?;
        let unrecorded = found.statements(&traces)?;
        found.artifacts()?;
        Ok(Checked {
            problems: found.problems,
            unrecorded,
        })
    }
}

struct Findings<'a> {
    store: &'a Store,
    problems: Vec<Problem>,
    /// The blobs that are there and were told of: whatever needs them need not be told as well.
    told: BTreeSet<Digest>,
    /// The data sets and models that the log speaks of, which each is, and in which line.
    stated: Vec<(&'static str, Digest, u64)>,
}

impl Findings<'_> {
    fn layout(&mut self) -> Result<(), StoreError> {
        let path = self.store.root.join("oci-layout");
        if durable::read_if_there(&path)?.as_deref() != Some(LAYOUT.as_bytes()) {
            self.problems.push(Problem::File { path });
        }
        Ok(())
    }

    fn blobs(&mut self, progress: &dyn Fn(u64)) -> Result<(), StoreError> {
        for path in durable::files(&self.store.blobs_path())? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(digest) = name.and_then(|name| Digest::from_hex(name).ok()) else {
                self.problems.push(Problem::Stray { path });
                continue;
            };
            match measure_file(&path) {
                Ok(measured) if measured.digest() == digest => progress(measured.size_bytes()),
                Ok(measured) => {
                    let got = measured.digest();
                    self.tell(digest, Problem::BlobCorrupt { digest, got });
                }
                Err(cause) => self.tell(digest, Problem::BlobUnreadable { digest, cause }),
            }
        }
        Ok(())
    }

    fn tell(&mut self, blob: Digest, problem: Problem) {
        self.told.insert(blob);
        self.problems.push(problem);
    }

    fn log(&mut self, key: Option<&LogKey>, progress: &dyn Fn(u64)) -> Result<(), StoreError> {
        let problem = match key {
            Some(key) => self
                .store
                .log
                .verify(key, progress)
                .err()
                .map(|cause| Problem::Log { cause }),
            None if self.store.log.claimed_size().is_ok_and(|size| size == 0) => None,
            None => Some(Problem::LogUnchecked),
        };
        self.problems.extend(problem);
        Ok(())
    }

    /// Returns the bundles that were never recorded.
    fn statements(&mut self, traces: &Traces) -> Result<BTreeSet<Digest>, StoreError> {
        let mut lines = Vec::new();
        let read = self.store.log.claimed_entries(0, &mut |log_index, bytes| {
            lines.push((log_index, parse(log_index, bytes)?));
            Ok::<_, StoreError>(())
        });
        match read {
            Ok(_) => {}
            // The log's own check has told of it.
            Err(StoreError::Log(_)) => return Ok(BTreeSet::new()),
            Err(cause) => {
                let cause = Box::new(cause);
                self.problems.push(Problem::Entry { cause });
                return Ok(BTreeSet::new());
            }
        }
        for (log_index, entry) in &lines {
            self.needs(entry.bundle(), None, || {
                format!("line {log_index} of the log")
            });
            self.stated(*log_index, entry);
        }
        self.index(&lines);
        self.referrers(&lines)?;
        Ok(self.lost(&lines, traces))
    }

    fn lost(&mut self, lines: &[(u64, Entry)], traces: &Traces) -> BTreeSet<Digest> {
        let mut accounted: BTreeSet<Digest> =
            lines.iter().map(|(_, entry)| entry.bundle()).collect();
        self.problems.extend(traces.lost(&mut accounted));
        traces.bundles.difference(&accounted).copied().collect()
    }

    /// What a statement says is here, whoever signed it: a data set has its name, and so has what a build made, which has the
    /// list of its step's root too.
    fn stated(&mut self, log_index: u64, entry: &Entry) {
        let is_of_interest = [Dataset::TYPE, Provenance::TYPE].contains(&entry.predicate_type());
        let read = || {
            let bytes = self
                .store
                .read_blob(entry.bundle(), MANIFEST_SIZE_BYTES_MAX);
            Bundle::parse(&bytes.ok()?).ok()
        };
        let Some(bundle) = is_of_interest.then(read).flatten() else {
            return;
        };
        let Ok(statement) = Statement::<Opaque<'_>>::parse(bundle.envelope().payload()) else {
            return;
        };
        if entry.predicate_type() == Dataset::TYPE {
            let whole = statement.subjects.first();
            self.stated
                .extend(whole.map(|whole| ("data set", whole.digest, log_index)));
        } else if let Ok(build) = Provenance::read(statement.predicate.predicate) {
            for file in &statement.subjects {
                let needed_by = || format!("the build in line {log_index} of the log");
                self.needs(file.digest, None, needed_by);
            }
            let model = self.model_of(&statement.subjects);
            self.stated
                .extend(model.map(|digest| ("model", digest, log_index)));
            for list in build.root_lists() {
                let needed_by = || format!("the build in line {log_index} of the log");
                self.needs(list, None, needed_by);
            }
        }
    }

    /// The model that these files are, if all of them are here.
    fn model_of(&self, files: &[Subject]) -> Option<Digest> {
        let entry = |file: &Subject| {
            let digest = file.digest;
            let size_bytes = self.store.blob_size_bytes(digest)?;
            Some((
                TreePath::new(&file.name).ok()?,
                FileEntry { digest, size_bytes },
            ))
        };
        let files = files.iter().map(entry).collect::<Option<_>>()?;
        Some(Artifact::new(Kind::Model, files).ok()?.digest())
    }

    fn index(&mut self, lines: &[(u64, Entry)]) {
        let index = self.store.index();
        let differs = |what: &str| Problem::Index {
            what: what.to_owned(),
        };
        let mut problems = Vec::new();
        match index.damage() {
            Ok(None) => {}
            Ok(Some(what)) => problems.push(Problem::Index { what }),
            Err(e) => problems.push(differs(&e.to_string())),
        }
        let expected = lines.iter().map(|(log_index, entry)| {
            let recorded = recorded(*log_index, entry);
            (recorded, entry.subjects().to_vec())
        });
        match index.statements() {
            Ok(rows) if rows.iter().cloned().eq(expected) => {}
            Ok(_) => problems.push(differs("it has other statements")),
            Err(_) => problems.push(differs("its statements can't be read")),
        }
        self.problems.append(&mut problems);
    }

    fn referrers(&mut self, lines: &[(u64, Entry)]) -> Result<(), StoreError> {
        let mut expected: BTreeMap<Digest, Vec<Recorded>> = BTreeMap::new();
        for (log_index, entry) in lines {
            for subject in entry.subjects() {
                let about = expected.entry(*subject).or_default();
                about.push(recorded(*log_index, entry));
            }
        }
        let folder = self.store.root.join("referrers");
        let there = match durable::files(&folder) {
            // That those which are expected are not there is told below.
            Err(DiskError::Missing { .. }) => Vec::new(),
            listed => listed?,
        };
        for path in there {
            if !subject_of(&path).is_some_and(|subject| expected.contains_key(&subject)) {
                self.problems.push(Problem::Stray { path });
            }
        }
        for (subject, about) in expected {
            let path = self.store.referrers_path(subject);
            let bytes = durable::read_if_there(&path)?;
            if !bytes.is_some_and(|bytes| self.lists(&bytes, &about)) {
                self.problems.push(Problem::File { path });
            }
        }
        Ok(())
    }

    /// Whether a referrers file lists exactly these statements.
    fn lists(&self, bytes: &[u8], about: &[Recorded]) -> bool {
        let Ok(listed) = ImageIndex::parse(bytes) else {
            return false;
        };
        let present = |recorded: &&Recorded| self.store.blob_size_bytes(recorded.bundle).is_some();
        let about: Vec<&Recorded> = about.iter().filter(present).collect();
        let is_listed = |(descriptor, recorded): (&Descriptor, &&Recorded)| {
            let bytes = self
                .store
                .read_blob(descriptor.digest, MANIFEST_SIZE_BYTES_MAX);
            let Ok(bytes) = bytes else { return false };
            let measured = digest::measure_bytes(&bytes);
            let manifest = Manifest::parse(&bytes);
            let names_it = manifest
                .is_ok_and(|m| m.layers.first().map(|layer| layer.digest) == Some(recorded.bundle));
            names_it && *descriptor == Descriptor::referrer(measured, &recorded.predicate_type)
        };
        listed.manifests.len() == about.len() && listed.manifests.iter().zip(&about).all(is_listed)
    }

    fn artifacts(&mut self) -> Result<(), StoreError> {
        let named = match self.store.index_json_rows() {
            Ok(rows) => rows,
            Err(StoreError::Json { path, .. }) => {
                self.problems.push(Problem::File { path });
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        for row in &named {
            self.needs(row.digest, Some(row.size_bytes), || {
                format!("the artifact `{}`", row.name)
            });
            self.files(row.digest, &row.name);
        }
        let digests: BTreeSet<Digest> = named.iter().map(|row| row.digest).collect();
        let stated = std::mem::take(&mut self.stated).into_iter();
        let unnamed = stated.filter(|(_, digest, _)| !digests.contains(digest));
        let problem = |(what, digest, log_index)| Problem::Unnamed {
            what,
            digest,
            log_index,
        };
        self.problems.extend(unnamed.map(problem));
        let in_json: BTreeSet<_> = named.into_iter().collect();
        let in_index = self.store.index().names();
        let in_index: BTreeSet<_> = in_index.unwrap_or_default().into_iter().collect();
        for row in in_json.symmetric_difference(&in_index) {
            self.problems.push(Problem::Names {
                name: row.name.clone(),
            });
        }
        Ok(())
    }

    fn files(&mut self, digest: Digest, name: &str) {
        match self.store.artifact(digest) {
            Ok(artifact) => {
                for (file, stored) in artifact.files() {
                    let needed_by = || format!("`{file}` of the artifact `{name}`");
                    self.needs(stored.digest, Some(stored.size_bytes), needed_by);
                }
            }
            // A manifest that is missing or corrupt was told of.
            Err(StoreError::BlobMissing { .. } | StoreError::BlobCorrupt { .. }) => {}
            Err(_) => self.problems.push(Problem::File {
                path: self.store.blobs_path().join(digest.hex()),
            }),
        }
    }

    fn needs(
        &mut self,
        digest: Digest,
        size_bytes: Option<u64>,
        needed_by: impl FnOnce() -> String,
    ) {
        let there = self.store.blob_size_bytes(digest);
        let is_there = there.is_some_and(|there| size_bytes.is_none_or(|size| size == there));
        if !is_there && !self.told.contains(&digest) {
            self.problems.push(Problem::BlobMissing {
                digest,
                needed_by: needed_by(),
            });
        }
    }
}

fn recorded(log_index: u64, entry: &Entry) -> Recorded {
    Recorded {
        bundle: entry.bundle(),
        log_index,
        predicate_type: entry.predicate_type().to_owned(),
    }
}
