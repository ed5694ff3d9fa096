//! A registry, by OCI's distribution specification 1.1: a client that only reads, and has no credentials.

mod address;
mod challenge;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use digest::Digest;
use trust::oci::{Descriptor, Index, Manifest, Repository, Version};
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

use address::{absolute, next_page, origin, shown};
use challenge::{Challenge, token};

use super::{LISTED_MAX, Listing, Place, ReadError, Source, check_size, checked};
use crate::sigstore::HttpError;
use crate::sigstore::http::{agent, check};

/// All questions together.
const TIME: Duration = Duration::from_secs(120);
/// One question.
const TIME_OF_ONE: Duration = Duration::from_secs(30);
const PAGES_MAX: usize = 16;
const REDIRECTS_MAX: usize = 3;
const REFUSAL_SIZE_BYTES_MAX: u64 = 64 << 10;
const TOKEN_SIZE_BYTES_MAX: u64 = 64 << 10;
const ADDRESS_SIZE_BYTES_MAX: usize = 8 << 10;
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
    /// What the registry's own service gave us for asking, for this registry alone.
    token: RefCell<Option<String>>,
    until: Instant,
}

/// Where an answer may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whence {
    /// The registry itself.
    Registry,
    /// A storage to which the registry sends us: only what a digest names, and without our token.
    Anywhere,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Registry {
    /// A client of a repository. Registries on this machine are spoken to in the clear, all others by HTTPS.
    ///
    /// # Errors
    /// The machine's list of authorities can't be read.
    pub fn open(repository: &Repository) -> Result<Self, ReadError> {
        let clear = format!("http://{}", repository.host);
        let origin = match check(&clear) {
            Ok(()) => clear,
            Err(_) => format!("https://{}", repository.host),
        };
        Ok(Self {
            agent: agent()?,
            repository: repository.clone(),
            origin,
            token: RefCell::default(),
            until: Instant::now() + TIME,
        })
    }

    /// Where a part of the repository is.
    fn address(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.origin, self.repository.name)
    }

    /// Asks, with a token if the registry wants one, and again where it sends us.
    fn ask(
        &self,
        address: &str,
        accept: &str,
        size_bytes_max: u64,
        from: Whence,
    ) -> Result<Answer, ReadError> {
        let mut address = address.to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let mut answer = self.get(&address, accept, size_bytes_max)?;
            let is_own = origin(&address) == Some(self.origin.as_str());
            if answer.status == StatusCode::UNAUTHORIZED && is_own {
                self.introduce(&answer.headers)?;
                answer = self.get(&address, accept, size_bytes_max)?;
                if answer.status == StatusCode::UNAUTHORIZED {
                    return Err(self.credentials());
                }
            }
            if !answer.status.is_redirection() {
                return Ok(answer);
            }
            address = self.follow(&address, &answer.headers, from)?;
        }
        Err(ReadError::Elsewhere {
            from: self.repository.host.clone(),
            to: shown(&address),
        })
    }

    /// One question and its answer; the token goes to the registry and nowhere else.
    fn get(&self, address: &str, accept: &str, size_bytes_max: u64) -> Result<Answer, ReadError> {
        check(address)?;
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let host = self.repository.host.clone();
            let seconds = TIME.as_secs();
            return Err(ReadError::Time { host, seconds });
        }
        let request = self.agent.get(address).header("Accept", accept);
        let mut request = request
            .config()
            .timeout_global(Some(left.min(TIME_OF_ONE)))
            .build();
        if origin(address) == Some(self.origin.as_str())
            && let Some(token) = self.token.borrow().as_ref()
        {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let too_large = || ReadError::TooLarge {
            what: shown(address),
            size_bytes_max,
        };
        let failed = |cause: ureq::Error| match cause {
            ureq::Error::BodyExceedsLimit(_) => too_large(),
            cause => ReadError::Http(HttpError::Failed {
                url: shown(address),
                cause: cause.to_string(),
            }),
        };
        let mut answer = request.call().map_err(failed)?;
        // The page that comes with a refusal may be longer than what was asked for.
        let limit = size_bytes_max.max(REFUSAL_SIZE_BYTES_MAX).saturating_add(1);
        let body = answer.body_mut().with_config().limit(limit);
        let body = body.read_to_vec().map_err(failed)?;
        if answer.status().is_success() && body.len() as u64 > size_bytes_max {
            return Err(too_large());
        }
        Ok(Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body,
        })
    }

    /// Gets a token for reading, as somebody without a name, where the registry says.
    fn introduce(&self, headers: &HeaderMap) -> Result<(), ReadError> {
        let challenge = header(headers, "www-authenticate").and_then(Challenge::parse);
        let challenge = challenge.ok_or_else(|| self.credentials())?;
        let address = challenge.address(&self.repository.name);
        self.check_goes(&address)?;
        // It may well be another host, and is told nothing that is secret.
        let answer = self.get(&address, "application/json", TOKEN_SIZE_BYTES_MAX)?;
        if !answer.status.is_success() {
            return Err(self.credentials());
        }
        let token = token(&answer.body).ok_or_else(|| self.credentials())?;
        *self.token.borrow_mut() = Some(token);
        Ok(())
    }

    fn credentials(&self) -> ReadError {
        ReadError::Credentials {
            host: self.repository.host.clone(),
        }
    }

    fn follow(
        &self,
        address: &str,
        headers: &HeaderMap,
        from: Whence,
    ) -> Result<String, ReadError> {
        let to = header(headers, "location").unwrap_or_default();
        let next = absolute(address, to);
        let is_own = |next: &String| origin(next) == Some(self.origin.as_str());
        match next.filter(|next| from == Whence::Anywhere || is_own(next)) {
            Some(next) => self.check_goes(&next).map(|()| next),
            None => Err(ReadError::Elsewhere {
                from: shown(address),
                to: shown(to),
            }),
        }
    }

    /// A registry elsewhere does not send us to this machine.
    fn check_goes(&self, address: &str) -> Result<(), ReadError> {
        let is_fit = address.starts_with("https://") || self.origin.starts_with("http://");
        if is_fit && address.len() <= ADDRESS_SIZE_BYTES_MAX && check(address).is_ok() {
            return Ok(());
        }
        Err(ReadError::Elsewhere {
            from: self.repository.host.clone(),
            to: shown(address),
        })
    }

    /// An answer that is there; none if the registry has no such thing.
    fn there(&self, address: &str, answer: Answer) -> Result<Option<Answer>, ReadError> {
        match answer.status {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::FORBIDDEN => Err(self.credentials()),
            status => {
                let said = String::from_utf8_lossy(&answer.body);
                let said = said.chars().filter(|c| !c.is_control()).take(300).collect();
                Err(ReadError::Http(HttpError::Refused {
                    url: shown(address),
                    status: status.as_u16(),
                    said,
                }))
            }
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
            let answer = self.ask(&address, LISTS, size_max, Whence::Registry)?;
            let Some(answer) = self.there(&address, answer)? else {
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
                Some(Some(next)) if origin(&next) == Some(self.origin.as_str()) => address = next,
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
        let address = self.address(&format!("manifests/sha256-{}", subject.hex()));
        let size_max = Manifest::SIZE_BYTES_MAX as u64;
        let answer = self.ask(&address, LISTS, size_max, Whence::Registry)?;
        let Some(answer) = self.there(&address, answer)? else {
            return Ok(None);
        };
        let listing = Listing {
            place: Place::FallbackTag,
            manifests: index(&answer.body, &address)?.manifests,
            is_whole: true,
        };
        Ok(Some(listing.limited()))
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
        let (what, from) = match version {
            Version::Tag(tag) => (tag.clone(), Whence::Registry),
            Version::Digest(digest) => (digest.to_string(), Whence::Anywhere),
        };
        let address = self.address(&format!("manifests/{what}"));
        let answer = self.ask(&address, MANIFESTS, Manifest::SIZE_BYTES_MAX as u64, from)?;
        let answer = self
            .there(&address, answer)?
            .ok_or_else(|| self.not_found(what))?;
        let stated = header(&answer.headers, "docker-content-digest");
        let want = match version {
            Version::Digest(digest) => Some(*digest),
            // A registry that contradicts itself is not taken at its word.
            Version::Tag(_) => stated.and_then(|stated| stated.parse().ok()),
        };
        match want {
            Some(want) => checked(answer.body, want),
            None => Ok(answer.body),
        }
    }

    fn blob(&self, blob: &Descriptor, size_bytes_max: u64) -> Result<Vec<u8>, ReadError> {
        check_size(blob, size_bytes_max)?;
        let address = self.address(&format!("blobs/{}", blob.digest));
        let answer = self.ask(&address, "*/*", blob.size_bytes, Whence::Anywhere)?;
        let answer = self.there(&address, answer)?;
        let answer = answer.ok_or_else(|| self.not_found(blob.digest.to_string()))?;
        checked(answer.body, blob.digest)
    }

    fn listings(&self, subject: Digest) -> Vec<Result<Listing, ReadError>> {
        let listings = [self.referrers(subject), self.fallback(subject)];
        listings.into_iter().filter_map(Result::transpose).collect()
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

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
