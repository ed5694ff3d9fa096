//! Which predictions were given: one line each, in a file per server session. No inputs are kept.
//!
//! The files are not trusted: at most, whoever can write them can make up or drop predictions of a session, whose model
//! stands in the log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use trust::Time;

use crate::whole_file;

const FOLDER: &str = "predictions";
const LINE_SIZE_BYTES_MAX: u64 = 4096;

/// A prediction that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// Its id: the session, `-`, and a count.
    pub id: String,
    /// When it was given.
    pub at: Time,
    /// How it was asked for.
    pub route: String,
    /// What was answered, in short.
    pub answer: String,
    /// The digest of the numbers that went into the model.
    pub input: String,
    /// The digest of the numbers that came out.
    pub output: String,
}

/// The record of one server session.
#[derive(Debug)]
pub struct Record {
    file: Mutex<File>,
}

impl Record {
    /// Begins the record of a session.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn begin(store: &Path, session: &str) -> io::Result<Self> {
        let path = path(store, session)?;
        fs::create_dir_all(path.parent().unwrap_or(store))?;
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Self {
            file: Mutex::new(file),
        })
    }

    /// Adds a prediction, in one write.
    ///
    /// # Errors
    /// The disk is full or gone: then the prediction should not be given.
    pub fn add(&self, prediction: &Prediction) -> io::Result<()> {
        let mut line = serde_json::to_vec(prediction)?;
        line.push(b'\n');
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&line)
    }
}

/// Finds a prediction by its id.
///
/// # Errors
/// The record is there and can't be read.
pub fn find(store: &Path, id: &str) -> io::Result<Option<Prediction>> {
    let session = id.split('-').next().unwrap_or_default();
    let file = match whole_file::open(&path(store, session)?) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if io::Read::take(&mut reader, LINE_SIZE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let limits = decode::json::Limits::SMALL;
        // A line that a killed server left half written names no prediction.
        let read = decode::json::from_slice::<Prediction>(line.trim_ascii_end(), limits);
        if let Some(found) = read.ok().filter(|prediction| prediction.id == id) {
            return Ok(Some(found));
        }
    }
}

fn path(store: &Path, session: &str) -> io::Result<PathBuf> {
    if session.is_empty() || !session.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a session is hexadecimal digits",
        ));
    }
    Ok(store.join(FOLDER).join(format!("{session}.jsonl")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record::begin(dir.path(), "abc123").unwrap();
        let prediction = |count: u32| Prediction {
            id: format!("abc123-{count}"),
            at: Time::from_unix(0),
            route: "/classify/v0".into(),
            answer: "7".into(),
            input: String::new(),
            output: String::new(),
        };
        record.add(&prediction(1)).unwrap();
        record.add(&prediction(2)).unwrap();
        assert_eq!(find(dir.path(), "abc123-2").unwrap(), Some(prediction(2)));
        assert_eq!(find(dir.path(), "abc123-3").unwrap(), None);
        assert_eq!(find(dir.path(), "ffff-1").unwrap(), None);
        assert!(find(dir.path(), "../x-1").is_err());
    }
}
