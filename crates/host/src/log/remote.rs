//! A log at an address, as C2SP's tlog-tiles has it. Whoever answers there is not trusted: heads are signed, tiles are checked
//! against them, and no more is read of an answer than a tile can have.

use trust::log::{
    ENTRY_SIZE_BYTES_MAX, Head, Part, TilePath, consistency, root_from_nodes, verify_consistency,
};

use super::tiles::{Source, Tiles, Visit};
use super::{Log, LogError};
use crate::sigstore::{HttpClient, HttpError};

/// The longest note that is read.
const NOTE_SIZE_BYTES_MAX: usize = 64 << 10;
const HASH_SIZE_BYTES: u64 = 32;

/// A log that is read over HTTP.
pub struct RemoteLog {
    client: HttpClient,
    url: String,
}

/// Whether a head goes on from an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// It contains the older one.
    Grown,
    /// It is shorter: an older head, or a log from which lines are lost.
    Shorter,
    /// It has another history: both heads can't be one log's.
    Split,
}

impl RemoteLog {
    /// The log below this address, such as `https://log.example/models`.
    ///
    /// # Errors
    /// The address is none that may be spoken to, or the machine's authorities can't be read.
    pub fn at(url: &str) -> Result<Self, HttpError> {
        crate::sigstore::check_url(url)?;
        Ok(Self {
            client: HttpClient::new()?,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// The newest head, whoever signed it.
    ///
    /// # Errors
    /// There is no answer, or it is no text.
    pub fn note(&self) -> Result<String, LogError> {
        let bytes = self.get("checkpoint", NOTE_SIZE_BYTES_MAX)?;
        String::from_utf8(bytes).map_err(|_| LogError::NotText)
    }

    /// As [`Log::entries_under`].
    ///
    /// # Errors
    /// There is no answer, one is not what the head commits to, or `visit` fails.
    pub fn entries<E: From<LogError>>(
        &self,
        head: Head,
        from: u64,
        visit: &mut Visit<'_, E>,
    ) -> Result<(), E> {
        if from >= head.size {
            return Ok(());
        }
        Tiles::of(self, head.size).walk(head, from, visit)
    }

    /// Whether `newer` goes on from `older`, by the log's own tiles, each held against `newer`.
    ///
    /// # Errors
    /// There is no answer, or one is not what `newer` commits to: then it is not known.
    pub fn growth(&self, older: Head, newer: Head) -> Result<Growth, LogError> {
        growth(&mut Tiles::of(self, newer.size), older, newer)
    }

    fn get(&self, path: &str, size_bytes_max: usize) -> Result<Vec<u8>, LogError> {
        let url = format!("{}/{path}", self.url);
        let answer = self.client.get_at_most(&url, size_bytes_max, false);
        let answer = answer.map_err(|cause| LogError::Remote { cause })?;
        answer.ok_or_else(|| LogError::Missing {
            path: path.to_owned(),
        })
    }
}

impl std::fmt::Debug for RemoteLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteLog({})", self.url)
    }
}

impl Source for &RemoteLog {
    fn read(&self, wanted: TilePath) -> Result<(TilePath, Vec<u8>), LogError> {
        let each = match wanted.part() {
            Part::Hashes(_) => HASH_SIZE_BYTES,
            Part::Entries => ENTRY_SIZE_BYTES_MAX as u64 + 2,
        };
        let size_bytes_max = usize::try_from(wanted.width() * each).unwrap_or(usize::MAX);
        Ok((wanted, self.get(&wanted.to_string(), size_bytes_max)?))
    }
}

impl Log {
    /// As [`RemoteLog::growth`], of this log.
    ///
    /// # Errors
    /// A tile can't be read, or is not what `newer` commits to.
    pub fn growth(&self, older: Head, newer: Head) -> Result<Growth, LogError> {
        growth(&mut Tiles::new(&self.folder, newer.size), older, newer)
    }
}

/// (1) The tiles give the root that this log had at the older size, and lead from it to the newer head: so it is what the
/// newer head commits to, whoever gave the tiles. (2) That root is the older head's, or there are two histories.
fn growth<S: Source>(tiles: &mut Tiles<S>, older: Head, newer: Head) -> Result<Growth, LogError> {
    if newer.size < older.size {
        return Ok(Growth::Shorter);
    }
    let then = if newer.size == older.size {
        newer
    } else {
        let size = older.size;
        let root = root_from_nodes(size, &mut |node| tiles.node(node))?;
        let then = Head { size, root };
        let hashes = consistency(size, newer.size, &mut |node| tiles.node(node))?;
        verify_consistency(then, newer, &hashes)?;
        then
    };
    Ok(if then == older {
        Growth::Grown
    } else {
        Growth::Split
    })
}
