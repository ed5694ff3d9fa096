//! A registry, by OCI's distribution specification 1.1: a client that reads, and pushes where it was opened to push.

mod address;
mod ask;
mod beside;
mod challenge;
mod download;
mod pass;
mod upload;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use digest::Digest;
use trust::oci::{Descriptor, Index, Manifest, Repository, Version};
use ureq::Agent;
use ureq::http::StatusCode;

use address::{absolute, next_page, origin, shown};
use ask::{Answer, Question, header};
use pass::Pass;

use super::credentials::DOCKER_HUB;
use super::{LISTED_MAX, Listing, Place, ReadError, Source, Tagged, check_size, checked};
use crate::sigstore::http::{agent, check};

pub use upload::PushedBlob;

/// All questions together, of a search.
const TIME: Duration = Duration::from_secs(120);
const PAGES_MAX: usize = 16;
const LISTS: &str = "application/vnd.oci.image.index.v1+json";
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json";

/// A repository of a registry.
#[derive(Debug)]
pub struct Registry {
    agent: Agent,
    repository: Repository,
    origin: String,
    right: Right,
    /// How the registry knows us; for this registry alone.
    pass: Mutex<Option<Pass>>,
    until: Option<Instant>,
}

/// What a registry is asked to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Pull,
    Push,
}

/// Where an answer may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whence {
    /// The registry itself.
    Registry,
    /// A storage to which the registry sends us: only what a digest names, and without our token.
    Anywhere,
}

impl Registry {
    /// A client that looks into a repository, and takes two minutes for it at most. Registries on this machine are spoken to in
    /// the clear, all others by HTTPS.
    ///
    /// # Errors
    /// The machine's list of authorities can't be read.
    pub fn open(repository: &Repository) -> Result<Self, ReadError> {
        let until = Some(Instant::now() + TIME);
        Ok(Self {
            until,
            ..Self::with(repository, Right::Pull)?
        })
    }

    /// As [`Registry::open`], of one that fetches files: as long as that takes.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn open_to_pull(repository: &Repository) -> Result<Self, ReadError> {
        Self::with(repository, Right::Pull)
    }

    /// As [`Registry::open`], of one that may push.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn open_to_push(repository: &Repository) -> Result<Self, ReadError> {
        Self::with(repository, Right::Push)
    }

    fn with(repository: &Repository, right: Right) -> Result<Self, ReadError> {
        let mut repository = repository.clone();
        if DOCKER_HUB.contains(&repository.host.as_str()) {
            // What is called `docker.io` is there, and its official images have a folder that nobody writes.
            "registry-1.docker.io".clone_into(&mut repository.host);
            if !repository.name.contains('/') {
                repository.name.insert_str(0, "library/");
            }
        }
        let clear = format!("http://{}", repository.host);
        let origin = match check(&clear) {
            Ok(()) => clear,
            Err(_) => format!("https://{}", repository.host),
        };
        Ok(Self {
            agent: agent()?,
            repository,
            origin,
            right,
            pass: Mutex::default(),
            until: None,
        })
    }

    /// Where a part of the repository is.
    fn address(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.origin, self.repository.name)
    }

    fn is_own(&self, address: &str) -> bool {
        origin(address) == Some(self.origin.as_str())
    }

    fn host(&self) -> String {
        self.repository.host.clone()
    }

    /// Asks for something that is there, or is not.
    fn get(
        &self,
        address: &str,
        accept: &str,
        size_bytes_max: u64,
        from: Whence,
    ) -> Result<Option<Answer>, ReadError> {
        let answer = self.ask(&Question::get(address, accept, size_bytes_max, from))?;
        self.there(address, answer)
    }

    /// An answer that is there; none if the registry has no such thing.
    fn there(&self, address: &str, answer: Answer) -> Result<Option<Answer>, ReadError> {
        match answer.status {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(address, &answer)),
        }
    }

    /// The registry's list of what refers to a manifest, page by page; none if it keeps no such list.
    fn referrers(&self, subject: Digest) -> Result<Option<Listing>, ReadError> {
        let mut listing = Listing {
            place: Place::Referrers,
            manifests: Vec::new(),
            is_whole: true,
        };
        let mut address = self.address(&format!("referrers/{subject}"));
        for page in 0..PAGES_MAX {
            let size_max = Manifest::SIZE_BYTES_MAX as u64;
            let Some(answer) = self.get(&address, LISTS, size_max, Whence::Registry)? else {
                // On a later page it is no word about the registry, but a list that is not whole.
                listing.is_whole = page == 0;
                return Ok((page > 0).then_some(listing));
            };
            listing
                .manifests
                .extend(index(&answer.body, &address)?.manifests);
            let next = header(&answer.headers, "link").and_then(next_page);
            match next.map(|next| absolute(&address, next)) {
                None => return Ok(Some(listing.limited())),
                Some(Some(next)) if self.is_own(&next) => address = next,
                Some(_) => break,
            }
            if listing.manifests.len() > LISTED_MAX {
                break;
            }
        }
        listing.is_whole = false;
        Ok(Some(listing.limited()))
    }

    /// What the tag lists that clients write where there is no list of referrers.
    fn fallback(&self, subject: Digest) -> Result<Option<Listing>, ReadError> {
        let place = Place::FallbackTag;
        let tag = place.tag(subject).unwrap_or_default();
        let Some(list) = self.under_tag(&tag, LISTS)? else {
            return Ok(None);
        };
        let listing = Listing {
            place,
            manifests: index(&list, &tag)?.manifests,
            is_whole: true,
        };
        Ok(Some(listing.limited()))
    }

    /// What a tag names now, if it names something.
    fn under_tag(&self, tag: &str, accept: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let address = self.address(&format!("manifests/{tag}"));
        let size_max = Manifest::SIZE_BYTES_MAX as u64;
        let answer = self.get(&address, accept, size_max, Whence::Registry)?;
        let Some(Answer { headers, body, .. }) = answer else {
            return Ok(None);
        };
        // A registry that contradicts itself is not taken at its word.
        let stated = header(&headers, "docker-content-digest");
        match stated.and_then(|stated| stated.parse().ok()) {
            Some(stated) => checked(body, stated).map(Some),
            None => Ok(Some(body)),
        }
    }

    fn not_found(&self, what: String) -> ReadError {
        let Repository { host, name } = &self.repository;
        ReadError::NotFound {
            what,
            place: format!("`{host}/{name}`"),
        }
    }
}

impl Source for Registry {
    fn manifest(&self, version: &Version) -> Result<Vec<u8>, ReadError> {
        let digest = match version {
            Version::Digest(digest) => *digest,
            Version::Tag(tag) => {
                let found = self.under_tag(tag, MANIFESTS)?;
                return found.ok_or_else(|| self.not_found(tag.clone()));
            }
        };
        let address = self.address(&format!("manifests/{digest}"));
        let size_max = Manifest::SIZE_BYTES_MAX as u64;
        let answer = self.get(&address, MANIFESTS, size_max, Whence::Anywhere)?;
        let answer = answer.ok_or_else(|| self.not_found(digest.to_string()))?;
        checked(answer.body, digest)
    }

    fn blob(&self, blob: &Descriptor, size_bytes_max: u64) -> Result<Vec<u8>, ReadError> {
        check_size(blob, size_bytes_max)?;
        let address = self.address(&format!("blobs/{}", blob.digest));
        let answer = self.get(&address, "*/*", blob.size_bytes, Whence::Anywhere)?;
        let answer = answer.ok_or_else(|| self.not_found(blob.digest.to_string()))?;
        checked(answer.body, blob.digest)
    }

    fn listings(&self, subject: Digest) -> Vec<Result<Listing, ReadError>> {
        let listings = [self.referrers(subject), self.fallback(subject)];
        listings.into_iter().filter_map(Result::transpose).collect()
    }

    fn tagged(&self, subject: Digest) -> Vec<Result<Tagged, ReadError>> {
        let places = [Place::AttestationTag, Place::SignatureTag];
        let tagged = places.into_iter().filter_map(|place| {
            let found = self
                .under_tag(&place.tag(subject)?, MANIFESTS)
                .transpose()?;
            Some(found.map(|manifest| Tagged { place, manifest }))
        });
        tagged.collect()
    }
}

impl Listing {
    fn limited(mut self) -> Self {
        self.is_whole &= self.manifests.len() <= LISTED_MAX;
        self.manifests.truncate(LISTED_MAX);
        self
    }
}

fn index(body: &[u8], address: &str) -> Result<Index, ReadError> {
    Index::parse(body).map_err(|cause| ReadError::Manifest {
        what: shown(address),
        cause,
    })
}
