//! Statements pushed beside an artifact. Where a registry keeps no list of referrers, clients keep one under a tag, and the last
//! who writes wins: so what was written is read back after a while, and written again until it stays.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::thread;
use std::time::{Duration, Instant};

use digest::Digest;
use trust::oci::{Attestations, OciError, Referrer, ReferrerList};

use super::{LISTS, MANIFESTS, Place, Registry};
use crate::oci::ReadError;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Whoever read the list before we wrote it has written theirs by then, and ours is there or was lost.
const SETTLED_AFTER: Duration = Duration::from_millis(700);
const WRITES_MAX: u32 = 20;

/// What is to stand under a tag, and the blob that it needs; none if all of it stands there.
type Wanted = Option<(Vec<u8>, Option<Vec<u8>>)>;
/// Makes that of what stands there.
type Making<'a> = &'a dyn Fn(Option<&[u8]>) -> Result<Wanted, OciError>;

impl Registry {
    /// Pushes bundles so that they refer to an artifact: a blob and a manifest for each, and the list of them where the registry
    /// keeps none itself.
    ///
    /// # Errors
    /// The registry does not take them, has something else afterwards, or never keeps the list.
    pub fn push_referrers(
        &self,
        subject: Digest,
        referrers: &[(Referrer, Vec<u8>)],
    ) -> Result<(), ReadError> {
        if referrers.is_empty() {
            return Ok(());
        }
        self.upload_bytes(Referrer::config())?;
        let mut are_listed = true;
        for (referrer, bundle) in referrers {
            self.upload_bytes(bundle)?;
            are_listed &= self.push_manifest(&referrer.manifest, MANIFEST, None)?;
        }
        if are_listed {
            return Ok(());
        }
        let referrers: Vec<Referrer> = referrers.iter().map(|(it, _)| it.clone()).collect();
        self.keep(Place::FallbackTag, subject, LISTS, &|there| {
            let list = ReferrerList::read(there)?;
            match list.names_all(&referrers) {
                true => Ok(None),
                false => list.with(&referrers).map(|list| Some((list, None))),
            }
        })
    }

    /// Pushes layers to cosign's older manifest of attestations, each with its statement's type.
    ///
    /// # Errors
    /// As [`Registry::push_referrers`].
    pub fn push_attestations(
        &self,
        subject: Digest,
        layers: &[(Vec<u8>, String)],
    ) -> Result<(), ReadError> {
        if layers.is_empty() {
            return Ok(());
        }
        for (layer, _) in layers {
            self.upload_bytes(layer)?;
        }
        self.keep(Place::AttestationTag, subject, MANIFESTS, &|there| {
            let attestations = Attestations::read(there)?;
            match attestations.have_all(layers) {
                true => Ok(None),
                false => attestations
                    .with(layers)
                    .map(|(manifest, config)| Some((manifest, Some(config)))),
            }
        })
    }

    /// Writes what `want` makes of what is there, until it is found there after a while.
    fn keep(
        &self,
        place: Place,
        subject: Digest,
        accept: &str,
        want: Making<'_>,
    ) -> Result<(), ReadError> {
        let tag = place.tag(subject).unwrap_or_default();
        for _ in 0..WRITES_MAX {
            let read_at = Instant::now();
            let there = self.under_tag(&tag, accept)?;
            let wanted = want(there.as_deref()).map_err(|cause| ReadError::Manifest {
                what: tag.clone(),
                cause,
            })?;
            let Some((manifest, blob)) = wanted else {
                return Ok(());
            };
            if let Some(blob) = blob {
                self.upload_bytes(&blob)?;
            }
            let media_type = match place {
                Place::AttestationTag => MANIFEST,
                _ => LISTS,
            };
            self.put_manifest(&tag, &manifest, media_type)?;
            // Others take as long from reading to writing as we do; and two who wait equally long meet again.
            thread::sleep(SETTLED_AFTER.max(read_at.elapsed() * 3) + chance());
        }
        Err(ReadError::Contended {
            host: self.host(),
            tag,
            times: WRITES_MAX,
        })
    }
}

fn chance() -> Duration {
    Duration::from_millis(RandomState::new().hash_one(0) % 300)
}
