//! Damage of every kind, and folders that are not stores.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use digest::Digest;
use host::store::{Names, Store, StoreError};

use super::room::*;

fn full_room() -> Room {
    let room = room();
    put_one(&room.store, "digits", "m.bin", "weights").unwrap();
    for i in 0..3 {
        record(&room.store, &format!("s{i}"), "model");
    }
    room
}

fn write(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Opens the store anew, as an audit would, and says what is wrong; a store that doesn't open is found out too.
fn findings(room: &Room) -> Vec<String> {
    match Store::open(room.dir.path()) {
        Ok(store) => problems(&store),
        Err(e) => vec![e.to_string()],
    }
}

#[test]
fn one_flipped_byte_in_any_file_is_found() {
    let room = full_room();
    assert_eq!(findings(&room), [""; 0]);
    let all = files(room.store.path());
    let mut flipped_files = 0;
    for name in all.iter().filter(|name| *name != "index.sqlite") {
        let path = room.store.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 5 + 1) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            write(&path, &flipped);
            assert_ne!(findings(&room), [""; 0], "byte {at} of {name}");
        }
        flipped_files += usize::from(!whole.is_empty());
        write(&path, &whole);
        assert_eq!(findings(&room), [""; 0], "{name} restored");
    }
    // version, oci-layout, index.json, 5 + 3 blobs with bundles and their manifests, referrers, and four of the log.
    assert!(flipped_files >= 14, "{flipped_files} of {all:?}");
}

#[test]
fn a_changed_row_of_the_index_is_found() {
    let room = full_room();
    for sql in [
        "UPDATE statement SET predicate_type = 'https://example.com/said/v2' WHERE log_index = 1",
        "UPDATE statement SET bundle = replace(bundle, 'a', 'b')",
        "DELETE FROM statement WHERE log_index = 2",
        "DELETE FROM subject WHERE log_index = 0",
        "UPDATE subject SET digest = replace(digest, 'a', 'b') WHERE log_index = 0",
        "UPDATE subject SET digest = 'not a digest' WHERE log_index = 0",
        "INSERT INTO subject SELECT digest, 99 FROM subject LIMIT 1",
        "UPDATE artifact SET digest = replace(digest, 'a', 'b')",
        "DELETE FROM artifact",
    ] {
        let index = rusqlite::Connection::open(room.store.path().join("index.sqlite")).unwrap();
        assert!(index.execute(sql, []).unwrap() > 0, "{sql}");
        assert_ne!(problems(&room.store), [""; 0], "{sql}");
        let (rebuilt, _) = Store::rebuild(room.dir.path()).unwrap();
        assert_eq!(problems(&rebuilt), [""; 0], "{sql}");
    }
    // A flipped byte inside a row, below SQLite.
    let path = room.store.path().join("index.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let hex = Digest::of(b"model").hex();
    let rows: Vec<usize> = (0..bytes.len() - 64)
        .filter(|at| bytes[*at..].starts_with(hex.as_bytes()))
        .collect();
    assert!(!rows.is_empty());
    for at in rows {
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    }
    fs::write(&path, bytes).unwrap();
    assert_ne!(findings(&room), [""; 0]);
}

#[test]
fn a_missing_file_of_any_kind_is_found() {
    let room = full_room();
    for name in files(room.store.path()) {
        // What is derived or empty comes back by itself; `lock` is made again.
        let comes_back = name == "index.sqlite" || name.ends_with("lock");
        let is_orphan = name.ends_with(&Digest::of(b"{}").hex());
        let path = room.store.path().join(&name);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(
            findings(&room).is_empty(),
            comes_back || is_orphan,
            "{name}"
        );
        fs::write(&path, bytes).unwrap();
        assert_eq!(findings(&room), [""; 0], "{name} restored");
    }
}

#[test]
fn strays_are_found() {
    let room = full_room();
    let zeros = format!("referrers/sha256-{}.json", "0".repeat(64));
    for name in ["blobs/sha256/README", "referrers/x.json", &zeros] {
        fs::write(room.store.path().join(name), b"{}").unwrap();
        assert_eq!(problems(&room.store).len(), 1, "{name}");
        fs::remove_file(room.store.path().join(name)).unwrap();
    }
    std::os::unix::fs::symlink(
        "/etc/hostname",
        room.store.path().join("blobs/sha256").join("0".repeat(64)),
    )
    .unwrap();
    assert_eq!(problems(&room.store).len(), 1);
}

/// The store holds what lies in it, and not what somebody else may change elsewhere.
#[test]
fn a_link_is_no_blob() {
    let room = full_room();
    let digest = Digest::of(b"weights");
    let path = room.store.path().join("blobs/sha256").join(digest.hex());
    let elsewhere = room.store.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(matches!(
        room.store.read_blob(digest, 100),
        Err(StoreError::Disk(_))
    ));
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(room.store.read_blob(digest, 100).unwrap(), b"weights");
}

#[test]
fn a_corrupt_blob_is_not_handed_out() {
    let room = full_room();
    let digest = Digest::of(b"weights");
    let path = room.store.path().join("blobs/sha256").join(digest.hex());
    write(&path, b"Weights");
    assert!(matches!(
        room.store.read_blob(digest, 100),
        Err(StoreError::BlobCorrupt { .. })
    ));
    // Of another size it is replaced when the right one is put in again.
    write(&path, b"weights and more");
    room.store.put_bytes(b"weights").unwrap();
    assert_eq!(room.store.read_blob(digest, 100).unwrap(), b"weights");
}

#[test]
fn a_log_that_lost_lines_is_noticed_when_opening() {
    let room = full_room();
    for name in ["log/checkpoint", "log/checkpoints"] {
        fs::remove_file(room.store.path().join(name)).unwrap();
    }
    fs::remove_dir_all(room.store.path().join("log/tile")).unwrap();
    assert!(matches!(
        Store::open(room.dir.path()),
        Err(StoreError::LogShrank {
            indexed: 3,
            logged: 0
        })
    ));
    let (rebuilt, _) = Store::rebuild(room.dir.path()).unwrap();
    assert!(
        rebuilt
            .statements_about(Digest::of(b"model"))
            .unwrap()
            .is_empty()
    );
    assert_eq!(problems(&rebuilt), [""; 0]);
}

#[test]
fn a_log_without_its_key_counts_as_a_problem() {
    let room = room();
    assert!(
        room.store
            .verify(None, &|_| ())
            .unwrap()
            .problems
            .is_empty()
    );
    record(&room.store, "one", "model");
    assert_eq!(room.store.verify(None, &|_| ()).unwrap().problems.len(), 1);
    let other = trust::log::LogSigner::from_seed("example.com/log", &[6; 32]).unwrap();
    assert_eq!(
        room.store
            .verify(Some(other.key()), &|_| ())
            .unwrap()
            .problems
            .len(),
        1
    );
    let (bundle, entry) = statement("two", "model");
    assert!(matches!(
        room.store.record(&bundle, &entry, &other),
        Err(StoreError::Log(_))
    ));
    assert_eq!(problems(&room.store), [""; 0]);
}

#[test]
fn versions_and_folders_that_are_not_ours() {
    let room = room();
    let path = room.store.path().join("version");
    for (text, is_newer) in [
        ("modelward store 2\n", true),
        ("modelward store 4000000000\n", true),
        ("modelward store 0\n", false),
        ("modelward store 1", false),
        ("modelward store -1\n", false),
        ("modelward store one\n", false),
        ("another store 1\n", false),
        ("", false),
        ("\u{0}\u{1}", false),
    ] {
        fs::write(&path, text).unwrap();
        let before = files(room.store.path());
        for opened in [Store::open(room.dir.path()), Store::init(room.dir.path())] {
            match opened {
                Err(StoreError::Newer { known: 1, .. }) if is_newer => {}
                Err(StoreError::NotOurs { .. }) if !is_newer => {}
                other => panic!("{text:?}: {other:?}"),
            }
        }
        assert_eq!(files(room.store.path()), before);
    }
    let message = Store::open(room.dir.path()).unwrap_err().to_string();
    assert!(message.contains("not a store of Modelward"), "{message}");
    fs::write(&path, "modelward store 2\n").unwrap();
    let message = Store::open(room.dir.path()).unwrap_err().to_string();
    assert!(
        message.contains("version 2") && message.contains("up to 1"),
        "{message}"
    );

    let strange = tempfile::tempdir().unwrap();
    fs::create_dir(strange.path().join(".modelward")).unwrap();
    fs::write(strange.path().join(".modelward/letters.txt"), b"dear").unwrap();
    assert!(matches!(
        Store::init(strange.path()),
        Err(StoreError::NotOurs { .. })
    ));
    assert_eq!(files(strange.path()), [".modelward/letters.txt"]);
}

#[test]
fn a_damaged_index_json_is_made_again_from_the_index() {
    let room = full_room();
    let path = room.store.path().join("index.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, b"{").unwrap();
    let opened = Store::open(room.dir.path()).unwrap();
    assert_eq!(opened.artifacts().unwrap().len(), 1);
    assert_ne!(problems(&opened), [""; 0]);
    Store::rebuild(room.dir.path()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(findings(&room), [""; 0]);
    // With the index gone too, nobody knows the names; the artifact is found.
    for bytes in [Some(b"{"), None] {
        let known = Store::open(room.dir.path()).unwrap().artifacts().unwrap();
        bytes
            .map_or_else(|| fs::remove_file(&path), |bytes| fs::write(&path, bytes))
            .unwrap();
        fs::remove_file(room.store.path().join("index.sqlite")).unwrap();
        let (rebuilt, names) = Store::rebuild(room.dir.path()).unwrap();
        let (artifacts, unnamed) = (1, 1);
        assert_eq!(names, Names::Found { artifacts, unnamed });
        let found = rebuilt.artifacts().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].digest, known[0].digest);
        assert_eq!(found[0].name, found[0].digest.to_string());
        assert_eq!(problems(&rebuilt), [""; 0]);
    }
}
