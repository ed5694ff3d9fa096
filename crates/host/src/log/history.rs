//! Every checkpoint the log ever signed, one after the other in the file `checkpoints`, each followed by an empty line.
//! It is written before `checkpoint` is, so that no signature is ever forgotten.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::LogError;
use super::durable::{self, DiskError};
use crate::whole_file;

/// A checkpoint of ours has a name of at most 255 bytes, three short lines, and one signature.
const TAIL_SIZE_BYTES: u64 = 3 * 2048;
const LINE_SIZE_BYTES_MAX: u64 = 1024;
/// Origin, size, root, an empty line, the signature, an empty line.
const LINES_PER_RECORD: usize = 6;

/// The last checkpoint that was signed, and the one before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) note: Option<String>,
    pub(super) before: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct History {
    path: PathBuf,
}

impl History {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join("checkpoints"),
        }
    }

    pub(super) fn push(&self, note: &str) -> Result<(), LogError> {
        Ok(durable::append(&self.path, format!("{note}\n").as_bytes())?)
    }

    /// The last checkpoints. What a killed writer left unfinished after them is cut off.
    pub(super) fn repair(&self) -> Result<Last, LogError> {
        let bytes = self.tail()?;
        let (note, end) = last_record(&bytes);
        if note.is_none() && bytes.len() as u64 == TAIL_SIZE_BYTES {
            return Err(LogError::History);
        }
        let unfinished = (bytes.len() - end) as u64;
        if unfinished > 0 {
            let whole = self.size_bytes()?.saturating_sub(unfinished);
            let file = File::options().write(true).open(&self.path);
            let cut = file.and_then(|file| file.set_len(whole).and_then(|()| file.sync_all()));
            cut.map_err(DiskError::at(&self.path))?;
        }
        let start = end.saturating_sub(note.as_ref().map_or(0, |note| note.len() + 1));
        let (before, _) = last_record(bytes.get(..start).unwrap_or_default());
        Ok(Last { note, before })
    }

    /// The end of the file: room for two whole records and an unfinished one.
    fn tail(&self) -> Result<Vec<u8>, LogError> {
        let mut file = match whole_file::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(DiskError::at(&self.path)(e).into()),
        };
        let start = self.size_bytes()?.saturating_sub(TAIL_SIZE_BYTES);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(start))
            .and_then(|_| file.take(TAIL_SIZE_BYTES).read_to_end(&mut tail))
            .map_err(DiskError::at(&self.path))?;
        Ok(tail)
    }

    pub(super) fn size_bytes(&self) -> Result<u64, LogError> {
        match self.path.metadata() {
            Ok(metadata) => Ok(metadata.len()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(DiskError::at(&self.path)(e).into()),
        }
    }

    /// All checkpoints in the first `size_bytes`, in order.
    pub(super) fn records(
        &self,
        size_bytes: u64,
    ) -> Result<impl Iterator<Item = Result<String, LogError>> + use<>, LogError> {
        let file = match whole_file::open(&self.path) {
            Ok(file) => Some(BufReader::new(file.take(size_bytes))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(DiskError::at(&self.path)(e).into()),
        };
        let path = self.path.clone();
        let mut reader = file;
        Ok(std::iter::from_fn(move || {
            let next = read_record(reader.as_mut()?, &path).transpose();
            if !matches!(next, Some(Ok(_))) {
                reader = None;
            }
            next
        }))
    }
}

/// The next record; none at the end.
fn read_record(reader: &mut impl BufRead, path: &Path) -> Result<Option<String>, LogError> {
    let mut record = Vec::new();
    for line in 0..LINES_PER_RECORD {
        let mut limited = reader.by_ref().take(LINE_SIZE_BYTES_MAX);
        let read = limited
            .read_until(b'\n', &mut record)
            .map_err(DiskError::at(path))?;
        if read == 0 && line == 0 {
            return Ok(None);
        }
        if record.last() != Some(&b'\n') {
            return Err(LogError::History);
        }
    }
    let note = record
        .strip_suffix(b"\n\n")
        .map(|note| [note, b"\n"].concat());
    let note = note.and_then(|note| String::from_utf8(note).ok());
    note.map(Some).ok_or(LogError::History)
}

/// The last whole record in these bytes, and where it ends.
fn last_record(bytes: &[u8]) -> (Option<String>, usize) {
    let mut end = bytes.len();
    loop {
        // Before the end stand the empty line, the signature, an empty line, and the text: the separators, backwards.
        let Some(close) = find_last_gap(bytes, end) else {
            return (None, 0);
        };
        let Some(open) = find_last_gap(bytes, close) else {
            return (None, 0);
        };
        let signature = bytes.get(open + 2..close).unwrap_or_default();
        if signature.starts_with("\u{2014} ".as_bytes()) {
            let start = find_last_gap(bytes, open).map_or(0, |gap| gap + 2);
            let note = bytes.get(start..=close).unwrap_or_default();
            return (String::from_utf8(note.to_vec()).ok(), close + 2);
        }
        end = close;
    }
}

/// Where the last `\n\n` that ends at or before `end` begins, not counting one that overlaps `end`.
fn find_last_gap(bytes: &[u8], end: usize) -> Option<usize> {
    let before = bytes.get(..end)?;
    before.windows(2).rposition(|pair| pair == b"\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(size: u32) -> String {
        format!("origin\n{size}\nroot\n\n\u{2014} origin signature{size}\n")
    }

    #[test]
    fn the_last_whole_record_whatever_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::in_folder(dir.path());
        assert_eq!(history.repair().unwrap().note, None);
        for size in 0..40 {
            history.push(&note(size)).unwrap();
            assert_eq!(history.repair().unwrap().note, Some(note(size)));
        }
        let last = history.repair().unwrap();
        assert_eq!(last.before, Some(note(38)));
        let whole = std::fs::read(&history.path).unwrap();
        let record = note(39).len() + 1;
        for cut in 1..record {
            std::fs::write(&history.path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(history.repair().unwrap().note, Some(note(38)), "{cut}");
            assert_eq!(history.size_bytes().unwrap() as usize, whole.len() - record);
        }
        let read: Result<Vec<String>, LogError> = history.records(u64::MAX).unwrap().collect();
        assert_eq!(read.unwrap(), (0..39).map(note).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_whole_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::in_folder(dir.path());
        let whole = format!("{}\n", note(1));
        for cut in 0..whole.len() {
            std::fs::write(&history.path, &whole.as_bytes()[..cut]).unwrap();
            assert_eq!(history.repair().unwrap().note, None, "{cut}");
            assert_eq!(history.size_bytes().unwrap(), 0);
        }
    }

    #[test]
    fn what_is_no_history_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let history = History::in_folder(dir.path());
        for bad in ["x", "a\nb\nc\n", "a\nb\nc\nd\ne\nf\n", &"x".repeat(7000)] {
            std::fs::write(&history.path, bad).unwrap();
            let read: Result<Vec<String>, LogError> = history.records(u64::MAX).unwrap().collect();
            assert!(read.is_err(), "{bad}");
        }
        std::fs::write(&history.path, "x".repeat(7000)).unwrap();
        assert!(history.repair().is_err());
    }
}
