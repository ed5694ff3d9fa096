//! The statements that lie beside an artifact, wherever clients have put them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use digest::Digest;
use trust::oci::{Attestations, Descriptor, Manifest, Version};

use super::{Place, ReadError, Source, Tagged};

/// So many manifests that may be bundles' are looked at, those that say so first; and so many layers of cosign's manifests.
const CANDIDATES_MAX: usize = 128;
/// A signature over a hundred thousand files is half of that.
const STATEMENT_SIZE_BYTES_MAX: u64 = 32 << 20;
/// All that is read in search of statements.
const SEARCH_SIZE_BYTES_MAX: u64 = 256 << 20;

/// A statement that lies beside a manifest.
#[derive(Debug)]
pub struct FoundStatement {
    /// The bundle, or cosign's layer.
    pub bytes: Vec<u8>,
    /// Which of them.
    pub written: Written,
    /// The manifest that holds it, by its digest.
    pub manifest: Digest,
    /// Which lists named that: one at least.
    pub places: Vec<Place>,
}

/// How a statement is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// As a Sigstore bundle, which has all that it takes to check it.
    Bundle,
    /// As a layer of cosign's, which has that in the annotations beside it.
    Layer {
        /// What it is said to be.
        media_type: String,
        /// What is noted beside it.
        annotations: BTreeMap<String, String>,
    },
}

impl FoundStatement {
    /// The bundle that it is; of a layer only if a key signed it, with nothing noted beside it.
    #[must_use]
    pub fn bundle(&self) -> Option<Cow<'_, [u8]>> {
        match &self.written {
            Written::Bundle => Some(Cow::Borrowed(&self.bytes)),
            Written::Layer {
                media_type,
                annotations,
            } => Attestations::bundle(media_type, annotations, &self.bytes).map(Cow::Owned),
        }
    }

    /// Where it was found, for a person.
    #[must_use]
    pub fn place(&self) -> String {
        let places: Vec<String> = self.places.iter().map(ToString::to_string).collect();
        format!("{} {}", places.join(" and "), self.manifest)
    }
}

/// What a search left open.
#[derive(Debug)]
pub struct Searched {
    /// What could not be read. A statement may be in it: then nobody can tell that there is none.
    pub unread: Vec<ReadError>,
    /// Whether all was looked at that there is.
    pub is_whole: bool,
}

/// Shows every statement beside a manifest, each once, until one is enough: bundles that refer to it, by whichever list, and
/// then the layers of cosign's tags. One that can't be read hides no other.
pub fn statements(
    source: &dyn Source,
    subject: Digest,
    show: &mut dyn FnMut(&FoundStatement) -> ControlFlow<()>,
) -> Searched {
    let mut search = Search {
        source,
        subject,
        left: SEARCH_SIZE_BYTES_MAX,
        seen: BTreeSet::new(),
        searched: Searched {
            unread: Vec::new(),
            is_whole: true,
        },
    };
    if search.bundles(show).is_continue() {
        // Whether there is one more does not matter to who has enough.
        let _ = search.layers(show);
    }
    search.searched
}

struct Search<'a> {
    source: &'a dyn Source,
    subject: Digest,
    /// How many bytes may still be read.
    left: u64,
    /// What was shown: blobs, and those with what is noted beside them.
    seen: BTreeSet<(Digest, Vec<(String, String)>)>,
    searched: Searched,
}

impl Search<'_> {
    fn bundles(
        &mut self,
        show: &mut dyn FnMut(&FoundStatement) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for (descriptor, places) in self.candidates() {
            match self.bundle(&descriptor) {
                Ok(None) => {}
                Ok(Some(bytes)) => show(&FoundStatement {
                    bytes,
                    written: Written::Bundle,
                    manifest: descriptor.digest,
                    places,
                })?,
                Err(error) => self.searched.unread.push(error),
            }
        }
        ControlFlow::Continue(())
    }

    /// What may be the manifest of a bundle, each once, first what says that it is.
    fn candidates(&mut self) -> Vec<(Descriptor, Vec<Place>)> {
        let mut at = BTreeMap::new();
        let mut candidates: Vec<(Descriptor, Vec<Place>)> = Vec::new();
        for listing in self.source.listings(self.subject) {
            let listing = match listing {
                Ok(listing) => listing,
                Err(error) => {
                    self.searched.unread.push(error);
                    continue;
                }
            };
            self.searched.is_whole &= listing.is_whole;
            let listed = listing.manifests.into_iter();
            for descriptor in listed.filter(Descriptor::may_be_bundle) {
                let known = *at.entry(descriptor.digest).or_insert(candidates.len());
                match candidates.get_mut(known) {
                    None => candidates.push((descriptor, vec![listing.place])),
                    Some((_, places)) if !places.contains(&listing.place) => {
                        places.push(listing.place);
                    }
                    Some(_) => {}
                }
            }
        }
        candidates.sort_by_key(|(descriptor, _)| !descriptor.says_bundle());
        self.searched.is_whole &= candidates.len() <= CANDIDATES_MAX;
        candidates.truncate(CANDIDATES_MAX);
        candidates
    }

    /// The bundle that a manifest holds, if it holds one, is about the subject, and was not shown.
    fn bundle(&mut self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, ReadError> {
        let version = Version::Digest(descriptor.digest);
        let bytes = self.source.manifest(&version)?;
        self.spend(bytes.len() as u64)?;
        let manifest = parsed(&bytes, &descriptor.digest.to_string())?;
        if manifest.subject() != Some(self.subject) {
            return Ok(None);
        }
        let Some(blob) = manifest.bundle() else {
            return Ok(None);
        };
        match self.seen.contains(&(blob.digest, Vec::new())) {
            true => Ok(None),
            false => {
                let bytes = self.read(blob)?;
                self.seen.insert((blob.digest, Vec::new()));
                Ok(Some(bytes))
            }
        }
    }

    fn layers(
        &mut self,
        show: &mut dyn FnMut(&FoundStatement) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for tagged in self.source.tagged(self.subject) {
            let shown = tagged.and_then(|tagged| self.layers_of(&tagged, show));
            match shown {
                Ok(flow) => flow?,
                Err(error) => self.searched.unread.push(error),
            }
        }
        ControlFlow::Continue(())
    }

    fn layers_of(
        &mut self,
        tagged: &Tagged,
        show: &mut dyn FnMut(&FoundStatement) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        self.spend(tagged.manifest.len() as u64)?;
        let manifest = parsed(&tagged.manifest, &tagged.place.to_string())?;
        self.searched.is_whole &= manifest.layers().len() <= CANDIDATES_MAX;
        for layer in manifest.layers().iter().take(CANDIDATES_MAX) {
            let noted = layer.annotations.clone().into_iter().collect();
            if !self.seen.insert((layer.digest, noted)) {
                continue;
            }
            let bytes = match self.read(layer) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.searched.unread.push(error);
                    continue;
                }
            };
            let written = Written::Layer {
                media_type: layer.media_type.clone(),
                annotations: layer.annotations.clone(),
            };
            let found = FoundStatement {
                bytes,
                written,
                manifest: Digest::of(&tagged.manifest),
                places: vec![tagged.place],
            };
            if show(&found).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn read(&mut self, blob: &Descriptor) -> Result<Vec<u8>, ReadError> {
        self.spend(blob.size_bytes)?;
        self.source.blob(blob, STATEMENT_SIZE_BYTES_MAX)
    }

    fn spend(&mut self, size_bytes: u64) -> Result<(), ReadError> {
        let left = self.left.checked_sub(size_bytes);
        self.left = left.ok_or_else(|| ReadError::TooLarge {
            what: "all that lies beside the artifact".to_owned(),
            size_bytes_max: SEARCH_SIZE_BYTES_MAX,
        })?;
        Ok(())
    }
}

fn parsed(bytes: &[u8], what: &str) -> Result<Manifest, ReadError> {
    Manifest::parse(bytes).map_err(|cause| ReadError::Manifest {
        what: what.to_owned(),
        cause,
    })
}
