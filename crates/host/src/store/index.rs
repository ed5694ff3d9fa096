//! The index: which statements are about a subject, and the artifacts' names. Derived from the log and from
//! `index.json`, so that it may be lost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use digest::Digest;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};
use trust::log::Entry;

use super::{Recorded, StoreError};

const SCHEMA_VERSION: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE meta (only INTEGER PRIMARY KEY CHECK (only = 0), log_size INTEGER NOT NULL, has_names INTEGER NOT NULL);
    INSERT INTO meta VALUES (0, 0, 0);
    CREATE TABLE statement (log_index INTEGER PRIMARY KEY, bundle TEXT NOT NULL, predicate_type TEXT NOT NULL);
    CREATE INDEX statement_by_bundle ON statement (bundle, log_index);
    CREATE TABLE subject (digest TEXT NOT NULL, log_index INTEGER NOT NULL, PRIMARY KEY (digest, log_index)) WITHOUT ROWID;
    CREATE TABLE artifact (digest TEXT NOT NULL, name TEXT NOT NULL, artifact_type TEXT NOT NULL, size_bytes INTEGER NOT NULL,
        PRIMARY KEY (digest, name)) WITHOUT ROWID;
    PRAGMA user_version = 1;
";
const BUSY_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Index {
    connection: Connection,
}

/// A name that was given to an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameRow {
    pub(super) digest: Digest,
    pub(super) name: String,
    pub(super) artifact_type: String,
    pub(super) size_bytes: u64,
}

impl Index {
    /// Opens the index; one that is missing, of another version or damaged is replaced by an empty one.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        match Self::try_open(path) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => {}
            Err(e) if is_damage(&e) => {}
            Err(e) => return Err(e.into()),
        }
        for name in ["index.sqlite", "index.sqlite-journal"] {
            drop(fs::remove_file(path.with_file_name(name)));
        }
        let index = Self::configure(Connection::open(path)?)?;
        index
            .connection
            .execute_batch(&format!("BEGIN;{SCHEMA}COMMIT;"))?;
        Ok(index)
    }

    pub(super) fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_WAIT)?;
        Ok(Self { connection })
    }

    pub(super) fn in_memory() -> Result<Self, StoreError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection })
    }

    /// The index if it is one of ours.
    fn try_open(path: &Path) -> Result<Option<Self>, rusqlite::Error> {
        if !path.exists() {
            return Ok(None);
        }
        let index = Self::configure(Connection::open(path)?)?;
        let version: i64 = index
            .connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != SCHEMA_VERSION {
            return Ok(None);
        }
        index
            .connection
            .query_row("SELECT log_size FROM meta", [], |row| row.get::<_, i64>(0))?;
        Ok(Some(index))
    }

    /// A rollback journal, because a store on a read-only medium has to open too.
    fn configure(connection: Connection) -> Result<Self, rusqlite::Error> {
        connection.busy_timeout(BUSY_WAIT)?;
        connection.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;")?;
        Ok(Self { connection })
    }

    pub(super) fn begin(&mut self) -> Result<Change<'_>, StoreError> {
        Ok(Change(self.connection.transaction()?))
    }

    /// How many lines of the log are in the index.
    pub(super) fn log_size(&self) -> Result<u64, StoreError> {
        log_size(&self.connection)
    }

    /// Whether the names of `index.json` were ever taken in.
    pub(super) fn has_names(&self) -> Result<bool, StoreError> {
        Ok(self
            .connection
            .query_row("SELECT has_names FROM meta", [], |row| row.get(0))?)
    }

    /// The first record of a bundle.
    pub(super) fn recorded(&self, bundle: Digest) -> Result<Option<Recorded>, StoreError> {
        let sql = "SELECT bundle, log_index, predicate_type FROM statement WHERE bundle = ?1 ORDER BY log_index LIMIT 1";
        let row = self
            .connection
            .query_row(sql, [bundle.to_string()], recorded);
        Ok(row.optional()?)
    }

    pub(super) fn about(&self, subject: Digest) -> Result<Vec<Recorded>, StoreError> {
        about(&self.connection, subject)
    }

    /// All statements with their subjects, in the order of the log.
    pub(super) fn statements(&self) -> Result<Vec<(Recorded, Vec<Digest>)>, StoreError> {
        let mut statements = self.connection.prepare(
            "SELECT bundle, log_index, predicate_type FROM statement ORDER BY log_index",
        )?;
        let mut subjects = self
            .connection
            .prepare("SELECT digest FROM subject WHERE log_index = ?1 ORDER BY digest")?;
        let mut all = Vec::new();
        for row in statements.query_map([], recorded)? {
            let row = row?;
            let about =
                subjects.query_map([row.log_index.cast_signed()], |subject| digest(subject, 0))?;
            let about = about.collect::<Result<_, _>>()?;
            all.push((row, about));
        }
        Ok(all)
    }

    pub(super) fn names(&self) -> Result<Vec<NameRow>, StoreError> {
        let sql =
            "SELECT digest, name, artifact_type, size_bytes FROM artifact ORDER BY digest, name";
        let mut names = self.connection.prepare(sql)?;
        let rows = names.query_map([], |row| {
            Ok(NameRow {
                digest: digest(row, 0)?,
                name: row.get(1)?,
                artifact_type: row.get(2)?,
                size_bytes: row.get::<_, i64>(3)?.cast_unsigned(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What SQLite itself finds wrong.
    pub(super) fn damage(&self) -> Result<Option<String>, StoreError> {
        let answer: String = self
            .connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        let orphans: i64 = self.connection.query_row(
            "SELECT count(*) FROM subject WHERE log_index NOT IN (SELECT log_index FROM statement)",
            [],
            |row| row.get(0),
        )?;
        Ok(match (answer.as_str(), orphans) {
            ("ok", 0) => None,
            ("ok", _) => Some("it has subjects of no statement".to_owned()),
            _ => Some(answer),
        })
    }
}

/// A change that happens whole or not at all.
pub(super) struct Change<'a>(Transaction<'a>);

impl Change<'_> {
    pub(super) fn add(&self, log_index: u64, entry: &Entry) -> Result<(), StoreError> {
        self.0
            .prepare_cached(
                "INSERT INTO statement (log_index, bundle, predicate_type) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![
                log_index.cast_signed(),
                entry.bundle().to_string(),
                entry.predicate_type()
            ])?;
        let mut insert = self
            .0
            .prepare_cached("INSERT INTO subject (digest, log_index) VALUES (?1, ?2)")?;
        for subject in entry.subjects() {
            insert.execute(params![subject.to_string(), log_index.cast_signed()])?;
        }
        Ok(())
    }

    pub(super) fn name(&self, row: &NameRow) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO artifact (digest, name, artifact_type, size_bytes) VALUES (?1, ?2, ?3, ?4)";
        self.0.prepare_cached(sql)?.execute(params![
            row.digest.to_string(),
            row.name,
            row.artifact_type,
            row.size_bytes.cast_signed()
        ])?;
        Ok(())
    }

    pub(super) fn log_size(&self) -> Result<u64, StoreError> {
        log_size(&self.0)
    }

    pub(super) fn set_log_size(&self, size: u64) -> Result<(), StoreError> {
        self.0
            .execute("UPDATE meta SET log_size = ?1", [size.cast_signed()])?;
        Ok(())
    }

    pub(super) fn set_has_names(&self) -> Result<(), StoreError> {
        self.0.execute("UPDATE meta SET has_names = 1", [])?;
        Ok(())
    }

    pub(super) fn about(&self, subject: Digest) -> Result<Vec<Recorded>, StoreError> {
        about(&self.0, subject)
    }

    pub(super) fn clear(&self) -> Result<(), StoreError> {
        self.0.execute_batch(
            "DELETE FROM statement; DELETE FROM subject; DELETE FROM artifact; UPDATE meta SET log_size = 0, has_names = 0;",
        )?;
        Ok(())
    }

    pub(super) fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit()?)
    }
}

fn log_size(connection: &Connection) -> Result<u64, StoreError> {
    let size: i64 = connection.query_row("SELECT log_size FROM meta", [], |row| row.get(0))?;
    Ok(size.cast_unsigned())
}

fn about(connection: &Connection, subject: Digest) -> Result<Vec<Recorded>, StoreError> {
    let mut statements = connection.prepare_cached(
        "SELECT bundle, log_index, predicate_type FROM subject JOIN statement USING (log_index)
         WHERE digest = ?1 ORDER BY log_index",
    )?;
    let rows = statements.query_map([subject.to_string()], recorded)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn recorded(row: &rusqlite::Row<'_>) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        bundle: digest(row, 0)?,
        log_index: row.get::<_, i64>(1)?.cast_unsigned(),
        predicate_type: row.get(2)?,
    })
}

fn digest(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let text: String = row.get(column)?;
    text.parse().map_err(|e: digest::ParseDigestError| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    })
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
    ) || matches!(error, rusqlite::Error::QueryReturnedNoRows)
}
