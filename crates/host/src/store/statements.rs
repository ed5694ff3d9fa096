//! Statements: recorded once, found by what they are about.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use digest::Digest;
use trust::log::{Entry, LogKey, LogSigner};

use super::index::{Change, Index};
use super::oci::{BUNDLE_TYPE, Descriptor, ImageIndex, MANIFEST_TYPE, Manifest};
use super::{Names, Store, StoreError};
use crate::log::durable;

/// A statement in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The digest of the bundle's bytes.
    pub bundle: Digest,
    /// The line of the log that records it.
    pub log_index: u64,
    /// What kind of statement it claims to be.
    pub predicate_type: String,
}

impl Store {
    /// Records a bundle: the blob, then the line in the log, then what is derived. When it returns, all is durable. A
    /// bundle that is recorded already is not recorded again: its first record is returned.
    ///
    /// # Errors
    /// The entry names another bundle, the log is another key's or damaged, or the disk fails: where it failed after the
    /// bundle was there, the error says so.
    pub fn record(
        &self,
        bundle: &[u8],
        entry: &Entry,
        signer: &LogSigner,
    ) -> Result<Recorded, StoreError> {
        self.record_written(&|out| out.write_all(bundle), entry, signer)
    }

    /// As [`Store::record`], of the bundle that `write` writes: one over many files is long.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn record_written(
        &self,
        write: &dyn Fn(&mut dyn Write) -> io::Result<()>,
        entry: &Entry,
        signer: &LogSigner,
    ) -> Result<Recorded, StoreError> {
        let measured = digest::measure_written(&mut io::sink(), write);
        let got = measured.map_err(StoreError::Read)?.digest();
        if got != entry.bundle() {
            return Err(StoreError::OtherBundle {
                want: entry.bundle(),
                got,
            });
        }
        self.check_writable()?;
        // Before the bundle is there: whoever holds the lock and sees a bundle without a line knows that its writer is dead.
        let _lock = self.lock()?;
        let mut index = self.index();
        self.log.repair()?;
        self.catch_up(&mut index)?;
        self.put_written(write)?;
        if let Some(first) = index.recorded(got)? {
            return Ok(first);
        }
        let appended = self.log.append(&[entry.to_bytes()], signer);
        let appended = appended.map_err(|cause| StoreError::written(got, cause.into()))?;
        let log_index = appended.first_index;
        self.catch_up(&mut index)
            .map_err(|cause| StoreError::logged(got, log_index, cause))?;
        Ok(Recorded {
            bundle: got,
            log_index,
            predicate_type: entry.predicate_type().to_owned(),
        })
    }

    /// The statements about a subject, in the order of the log. They are found, not verified.
    ///
    /// # Errors
    /// The index fails.
    pub fn statements_about(&self, subject: Digest) -> Result<Vec<Recorded>, StoreError> {
        let mut index = self.index();
        self.follow(&mut index)?;
        index.about(subject)
    }

    /// The record of a bundle, if it has one.
    ///
    /// # Errors
    /// The index fails.
    pub fn recorded(&self, bundle: Digest) -> Result<Option<Recorded>, StoreError> {
        let mut index = self.index();
        self.follow(&mut index)?;
        index.recorded(bundle)
    }

    /// Hands out the lines of the log from `from` on, each after it was found to be under the head that the key signed.
    ///
    /// # Errors
    /// The log is damaged or another key's, or a line is none of ours.
    pub fn log_entries(&self, key: &LogKey, from: u64) -> Result<Vec<(u64, Entry)>, StoreError> {
        let mut entries = Vec::new();
        self.log.entries(key, from, &mut |log_index, bytes| {
            entries.push((log_index, parse(log_index, bytes)?));
            Ok::<_, StoreError>(())
        })?;
        Ok(entries)
    }

    pub(super) fn make_derived_again(&self) -> Result<Names, StoreError> {
        let mut index = self.index();
        let known = if index.has_names()? {
            index.names().ok()
        } else {
            None
        };
        let change = index.begin()?;
        change.clear()?;
        change.commit()?;
        self.catch_up(&mut index)?;
        let names = self.rebuild_names(&mut index, known.as_deref())?;
        self.remove_strays(&index)?;
        let recorded = index.statements()?;
        let logged = recorded.iter().map(|(recorded, _)| recorded.bundle);
        self.remove_traces(&logged.collect())?;
        Ok(names)
    }

    /// Takes in what other processes recorded meanwhile, if this one may.
    fn follow(&self, index: &mut Index) -> Result<(), StoreError> {
        let logged = self.log.claimed_size()?;
        if index.log_size()? == logged {
            return Ok(());
        }
        if self.is_writable() {
            let _lock = self.lock()?;
            return self.catch_up(index);
        }
        *index = Index::in_memory()?;
        self.catch_up(index)?;
        self.catch_up_names(index)
    }

    /// Takes the lines of the log into the index that it doesn't have yet, and writes the referrers they change. The
    /// caller holds the lock.
    pub(super) fn catch_up(&self, index: &mut Index) -> Result<(), StoreError> {
        let change = index.begin()?;
        let indexed = change.log_size()?;
        let mut touched = BTreeSet::new();
        let logged = self.log.claimed_entries(indexed, &mut |log_index, bytes| {
            let entry = parse(log_index, bytes)?;
            touched.extend(entry.subjects().iter().copied());
            change.add(log_index, &entry)
        })?;
        if logged < indexed {
            return Err(StoreError::LogShrank { indexed, logged });
        }
        if logged == indexed {
            return Ok(());
        }
        if self.is_writable() {
            for subject in touched {
                self.write_referrers(&change, subject)?;
            }
        }
        change.set_log_size(logged)?;
        change.commit()
    }

    fn write_referrers(&self, change: &Change<'_>, subject: Digest) -> Result<(), StoreError> {
        let mut referrers = Vec::new();
        for recorded in change.about(subject)? {
            // A bundle that is lost has no size to name; `verify` tells of it.
            if let Some(size) = self.blob_size_bytes(recorded.bundle) {
                let manifest = self.bundle_manifest(subject, &recorded, size);
                let measured = self.put_bytes(manifest.to_json().as_bytes())?;
                referrers.push(Descriptor::referrer(measured, &recorded.predicate_type));
            }
        }
        let json = ImageIndex::of(referrers).to_json();
        durable::replace(&self.referrers_path(subject), json.as_bytes(), &self.tmp())?;
        Ok(())
    }

    fn bundle_manifest(&self, subject: Digest, recorded: &Recorded, size: u64) -> Manifest {
        let bundle = descriptor(BUNDLE_TYPE, recorded.bundle, size);
        let subject = self.blob_size_bytes(subject).map(|size| {
            let is_artifact = self.begins_as_manifest(subject);
            let media_type = if is_artifact {
                MANIFEST_TYPE
            } else {
                "application/octet-stream"
            };
            descriptor(media_type, subject, size)
        });
        Manifest::bundle(bundle, &recorded.predicate_type, subject)
    }

    /// Removes referrers of subjects that no statement is about.
    fn remove_strays(&self, index: &Index) -> Result<(), StoreError> {
        let folder = self.root.join("referrers");
        for path in durable::files(&folder)? {
            let subject = subject_of(&path);
            let is_known = match subject {
                Some(subject) => !index.about(subject)?.is_empty(),
                None => false,
            };
            if !is_known {
                durable::remove(&path)?;
            }
        }
        Ok(())
    }

    pub(super) fn referrers_path(&self, subject: Digest) -> PathBuf {
        self.root
            .join(format!("referrers/sha256-{}.json", subject.hex()))
    }
}

/// The subject whose referrers a file has.
pub(super) fn subject_of(path: &std::path::Path) -> Option<Digest> {
    let name = path.file_name()?.to_str()?;
    Digest::from_hex(name.strip_prefix("sha256-")?.strip_suffix(".json")?).ok()
}

pub(super) fn parse(log_index: u64, bytes: &[u8]) -> Result<Entry, StoreError> {
    Entry::parse(bytes).map_err(|cause| StoreError::Entry { log_index, cause })
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        artifact_type: None,
        annotations: std::collections::BTreeMap::new(),
    }
}
