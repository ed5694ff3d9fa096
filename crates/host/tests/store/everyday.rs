//! What the store is for.

use std::fs;
use std::io::Read;

use digest::Digest;
use host::store::{Store, StoreError};

use super::room::*;

#[test]
fn blobs_come_back_as_they_went_in() {
    let room = room();
    let bytes = vec![7; 3 << 20];
    let heard = std::cell::Cell::new(0);
    let progress = |more| heard.set(heard.get() + more);
    let measured = room.store.put_reader(&mut &bytes[..], &progress).unwrap();
    assert_eq!((measured.size_bytes(), heard.get()), (3 << 20, 3 << 20));
    let digest = measured.digest();
    assert_eq!(room.store.read_blob(digest, 3 << 20).unwrap(), bytes);
    let mut read = Vec::new();
    room.store
        .open_blob(digest)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(read, bytes);
    let path = room.dir.path().join("file");
    fs::write(&path, &bytes).unwrap();
    assert_eq!(room.store.put_file(&path, &|_| ()).unwrap(), measured);
    assert_eq!(room.store.put_bytes(&bytes).unwrap(), measured);
    assert!(matches!(
        room.store.read_blob(digest, (3 << 20) - 1),
        Err(StoreError::BlobTooLarge { .. })
    ));
    let none = Digest::of(b"none");
    assert!(matches!(
        room.store.read_blob(none, 9),
        Err(StoreError::BlobMissing { .. })
    ));
    assert!(matches!(
        room.store.open_blob(none),
        Err(StoreError::BlobMissing { .. })
    ));
    assert_eq!(problems(&room.store), [""; 0]);
}

#[test]
fn a_failing_reader_and_a_link_leave_nothing() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let room = room();
    let before = files(room.store.path());
    let failed = room.store.put_reader(&mut Failing, &|_| ());
    assert!(matches!(failed, Err(StoreError::Read(_))));
    let link = room.dir.path().join("link");
    std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
    assert!(matches!(
        room.store.put_file(&link, &|_| ()),
        Err(StoreError::Source(_))
    ));
    assert_eq!(files(room.store.path()), before);
}

#[test]
fn artifacts_are_their_files_whatever_their_name() {
    let room = room();
    let path = room.dir.path().join("model.bin");
    fs::write(&path, b"weights").unwrap();
    let config = room.dir.path().join("config.json");
    fs::write(&config, b"{\"layers\":3}").unwrap();
    let files: Tree = [
        ("model.bin".to_owned(), path),
        ("etc/config.json".to_owned(), config),
    ]
    .into();
    let put = |name| put_tree(&room.store, name, &files).unwrap();
    let artifact = put("digits");
    assert_eq!(put("digits"), artifact);
    assert_eq!(put("other name"), artifact);
    assert_eq!(room.store.artifact(artifact.digest()).unwrap(), artifact);
    let stored = artifact.files()["model.bin"];
    assert_eq!(
        (stored.digest, stored.size_bytes),
        (Digest::of(b"weights"), 7)
    );
    let names: Vec<String> = room
        .store
        .artifacts()
        .unwrap()
        .into_iter()
        .map(|a| a.name)
        .collect();
    assert_eq!(names, ["digits", "other name"]);
    assert!(matches!(
        room.store.artifact(Digest::of(b"{\"layers\":3}")),
        Err(StoreError::NotAnArtifact { .. })
    ));
    assert_eq!(problems(&room.store), [""; 0]);
}

/// More than are written at once, some of them the same; and one that can't be read leaves nothing unfinished.
#[test]
fn many_files_are_whole_and_there() {
    let room = room();
    let sources = room.dir.path().join("many");
    fs::create_dir(&sources).unwrap();
    let contents = |at: usize| format!("file {}", at % 290);
    let mut files = Tree::new();
    for at in 0..300 {
        let path = sources.join(at.to_string());
        fs::write(&path, contents(at)).unwrap();
        files.insert(at.to_string(), path);
    }
    let put = |files: &Tree| put_tree(&room.store, "many", files);
    // Once into an empty store, and once more into one that has them all.
    for _ in 0..2 {
        let artifact = put(&files).unwrap();
        assert_eq!(artifact.files().len(), 300);
        for (path, file) in artifact.files() {
            let at: usize = path.parse().unwrap();
            let bytes = room.store.read_blob(file.digest, 100).unwrap();
            assert_eq!(bytes, contents(at).as_bytes());
        }
    }
    files.insert("nowhere".to_owned(), sources.join("nowhere"));
    assert!(matches!(put(&files), Err(StoreError::Source(_))));
    let unfinished = fs::read_dir(room.store.path().join("tmp")).unwrap();
    assert_eq!(unfinished.count(), 0);
    assert_eq!(problems(&room.store), [""; 0]);
}

#[test]
fn names_that_are_refused() {
    let room = room();
    let put = |name: &str, file: &str| put_one(&room.store, name, file, "x");
    assert!(put("n", "a/b.c").is_ok());
    for file in [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        ".",
        "a\nb",
        &"x".repeat(5000),
    ] {
        assert!(
            matches!(put("n", file), Err(StoreError::Artifact(_))),
            "{file}"
        );
    }
    for name in ["", "a\tb", &"x".repeat(256)] {
        assert!(matches!(
            put(name, "f"),
            Err(StoreError::ArtifactName { .. })
        ));
    }
    assert!(matches!(
        put_tree(&room.store, "n", &Tree::new()),
        Err(StoreError::Artifact(_))
    ));
    // What is there now is not what was measured.
    let measured = put("n", "f").unwrap();
    let other = room.dir.path().join("other");
    fs::write(&other, "y").unwrap();
    let put = room
        .store
        .put_measured("n", &measured, &|_| other.clone(), &|_| ());
    assert!(matches!(put, Err(StoreError::Source(_))), "{put:?}");
}

#[test]
fn statements_are_found_by_what_they_are_about() {
    let room = room();
    let first = record(&room.store, "one", "model");
    let second = record(&room.store, "two", "model");
    let other = record(&room.store, "three", "data");
    assert_eq!(
        [first.log_index, second.log_index, other.log_index],
        [0, 1, 2]
    );
    assert_eq!(record(&room.store, "one", "model"), first);
    let about = |subject: &str| {
        room.store
            .statements_about(Digest::of(subject.as_bytes()))
            .unwrap()
    };
    assert_eq!(about("model"), [first.clone(), second]);
    assert_eq!(about("data"), [other]);
    assert_eq!(about("nothing"), []);
    assert_eq!(
        room.store.recorded(first.bundle).unwrap(),
        Some(first.clone())
    );
    let lines = room.store.log_entries(signer().key(), 0).unwrap();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], (0, statement("one", "model").1));
    let proof = room.store.log().prove(0, signer().key()).unwrap();
    assert!(proof.verify(&lines[0].1.to_bytes(), signer().key()).is_ok());
    assert_eq!(problems(&room.store), [""; 0]);
}

#[test]
fn an_entry_about_another_bundle_is_refused() {
    let room = room();
    let (bundle, _) = statement("one", "model");
    let (_, entry) = statement("two", "model");
    assert!(matches!(
        room.store.record(&bundle, &entry, &signer()),
        Err(StoreError::OtherBundle { .. })
    ));
    assert_eq!(room.store.log_entries(signer().key(), 0).unwrap(), []);
}

#[test]
fn other_tools_can_read_the_referrers() {
    let room = room();
    let artifact = put_one(&room.store, "m", "m", "m").unwrap();
    let bundle = b"{\"a\":1}";
    let entry = trust::log::Entry::new(
        Digest::of(bundle),
        "https://example.com/p",
        [artifact.digest()],
    );
    room.store
        .record(bundle, &entry.unwrap(), &signer())
        .unwrap();
    let read = |path: String| -> serde_json::Value {
        serde_json::from_slice(&fs::read(room.store.path().join(path)).unwrap()).unwrap()
    };
    let listed = read(format!("referrers/sha256-{}.json", artifact.digest().hex()));
    assert_eq!(
        listed["mediaType"],
        "application/vnd.oci.image.index.v1+json"
    );
    let descriptor = &listed["manifests"][0];
    assert_eq!(
        descriptor["artifactType"],
        "application/vnd.dev.sigstore.bundle.v0.3+json"
    );
    let digest = descriptor["digest"]
        .as_str()
        .unwrap()
        .replace("sha256:", "");
    let manifest = read(format!("blobs/sha256/{digest}"));
    assert_eq!(manifest["subject"]["digest"], artifact.digest().to_string());
    assert_eq!(
        manifest["subject"]["mediaType"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    assert_eq!(
        manifest["layers"][0]["digest"],
        Digest::of(bundle).to_string()
    );
    let index = read("index.json".to_owned());
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(
        index["manifests"][0]["digest"],
        artifact.digest().to_string()
    );
}

#[test]
fn two_stores_on_one_folder_see_each_other() {
    let room = room();
    let other = Store::open(room.dir.path()).unwrap();
    let first = record(&room.store, "one", "model");
    let about = other.statements_about(Digest::of(b"model")).unwrap();
    assert_eq!(about, std::slice::from_ref(&first));
    assert_eq!(record(&other, "one", "model"), first);
    assert_eq!(record(&other, "two", "model").log_index, 1);
    assert_eq!(
        room.store
            .statements_about(Digest::of(b"model"))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_folder_without_one_has_none() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(
        Store::open(empty.path()),
        Err(StoreError::NoStore { .. })
    ));
}

#[test]
fn init_again_opens_and_an_interrupted_init_is_completed() {
    let room = room();
    record(&room.store, "one", "model");
    assert_eq!(
        Store::init(room.dir.path())
            .unwrap()
            .statements_about(Digest::of(b"model"))
            .unwrap()
            .len(),
        1
    );
    let half = tempfile::tempdir().unwrap();
    fs::create_dir_all(half.path().join(".modelward/blobs")).unwrap();
    assert!(matches!(
        Store::open(half.path()),
        Err(StoreError::NotOurs { .. })
    ));
    record(&Store::init(half.path()).unwrap(), "one", "model");
}

#[test]
fn the_rebuilt_index_is_the_one_before() {
    let room = room();
    put_one(&room.store, "m", "m", "m").unwrap();
    for i in 0..10 {
        record(&room.store, &format!("s{i}"), &format!("m{}", i % 3));
    }
    let rows = || -> Vec<String> {
        let index = rusqlite::Connection::open(room.store.path().join("index.sqlite")).unwrap();
        ["meta", "statement", "subject", "artifact"]
            .iter()
            .flat_map(|table| {
                let mut all = index
                    .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))
                    .unwrap();
                let columns = all.column_count();
                let text = |row: &rusqlite::Row<'_>| {
                    let cells = (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap()));
                    Ok(format!("{table}: {}", cells.collect::<Vec<_>>().join(" ")))
                };
                all.query_map([], text)
                    .unwrap()
                    .map(Result::unwrap)
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let referrers =
        || digest::list(&room.store.path().join("referrers"), &|_| false, &|_| ()).unwrap();
    let before = (rows(), referrers());
    assert_eq!((before.0.len(), before.1.len()), (1 + 10 + 10 + 1, 3));
    Store::rebuild(room.dir.path()).unwrap();
    assert_eq!((rows(), referrers()), before);

    // Deleted, replaced by another file, and emptied: made again when the store is opened.
    for bytes in [None, Some(&b"this is no database, but it is longer than a header of one hundred bytes, which SQLite would look at"[..]), Some(b"")] {
        let path = room.store.path().join("index.sqlite");
        fs::remove_file(&path).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        let opened = Store::open(room.dir.path()).unwrap();
        assert_eq!((rows(), referrers()), before);
        assert_eq!(problems(&opened), [""; 0]);
    }
    fs::remove_dir_all(room.store.path().join("referrers")).unwrap();
    fs::create_dir(room.store.path().join("referrers")).unwrap();
    assert_eq!(problems(&room.store).len(), 3);
    Store::rebuild(room.dir.path()).unwrap();
    assert_eq!(referrers(), before.1);
}

/// What a killed writer leaves: the head signed and not in place; the log written and the index not.
#[test]
fn opening_completes_what_was_left_undone() {
    for left in ["log/checkpoint", "index.sqlite", "both"] {
        let room = room();
        record(&room.store, "one", "model");
        let names = ["log/checkpoint", "index.sqlite"].into_iter();
        let paths = names.filter(|name| left == "both" || *name == left);
        let paths: Vec<_> = paths.map(|name| room.store.path().join(name)).collect();
        let before: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        let second = record(&room.store, "two", "model");
        let referrers = room.store.path().join("referrers");
        fs::remove_file(referrers.join(&files(&referrers)[0])).unwrap();
        if left == "log/checkpoint" {
            // The index was written after the checkpoint: it can't be ahead of it.
            fs::remove_file(room.store.path().join("index.sqlite")).unwrap();
        }
        for (path, bytes) in paths.iter().zip(before) {
            fs::write(path, bytes).unwrap();
        }
        let opened = Store::open(room.dir.path()).unwrap();
        assert_eq!(
            opened.recorded(second.bundle).unwrap(),
            Some(second),
            "{left}"
        );
        assert_eq!(problems(&opened), [""; 0], "{left}");
        assert_eq!(record(&opened, "three", "model").log_index, 2);
    }
}

/// Who holds the lock and sees a bundle without a line may say that its writer is dead.
#[test]
fn a_bundle_is_written_under_the_lock() {
    let room = room();
    let (bundle, entry) = statement("waits", "model");
    let path = room.store.blob_path(Digest::of(&bundle));
    let lock = fs::File::open(room.store.path().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| room.store.record(&bundle, &entry, &signer()));
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!path.exists());
        drop(lock);
        assert!(writer.join().unwrap().is_ok() && path.exists());
    });
}
