use std::cell::RefCell;
use std::fs;

use tempfile::TempDir;

use super::*;

struct Room {
    dir: TempDir,
    log: Log,
    signer: LogSigner,
}

fn room() -> Room {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tmp")).unwrap();
    Room {
        log: Log::at(dir.path(), &dir.path().join("tmp")),
        signer: LogSigner::from_seed("example.com/log", &[3; 32]).unwrap(),
        dir,
    }
}

impl Room {
    /// Appends entries `from..to` at once.
    fn append(&self, from: u64, to: u64) -> Appended {
        let entries: Vec<Vec<u8>> = (from..to).map(entry).collect();
        self.log.append(&entries, &self.signer).unwrap()
    }

    fn verify(&self) -> Result<Option<Checkpoint>, LogError> {
        self.log.verify(self.signer.key(), &|_| ())
    }

    fn read(&self, from: u64) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        let mut visit = |index, entry: &[u8]| {
            all.push((index, entry.to_vec()));
            Ok::<_, LogError>(())
        };
        self.log
            .entries(self.signer.key(), from, &mut visit)
            .unwrap();
        all
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn head(size: u64) -> Head {
    let leaves: Vec<Digest> = (0..size).map(|i| leaf_hash(&entry(i))).collect();
    Head {
        size,
        root: trust::log::root(&leaves),
    }
}

#[test]
fn an_empty_log() {
    let room = room();
    assert_eq!(room.verify().unwrap(), None);
    assert_eq!(room.read(0), []);
    assert!(matches!(
        room.log.prove(0, room.signer.key()),
        Err(LogError::Empty)
    ));
    let nothing: [&[u8]; 0] = [];
    assert!(matches!(
        room.log.append(&nothing, &room.signer),
        Err(LogError::NothingToAppend)
    ));
    let long = [vec![0; ENTRY_SIZE_BYTES_MAX + 1]];
    assert!(matches!(
        room.log.append(&long, &room.signer),
        Err(LogError::LongEntry { .. })
    ));
    assert_eq!(room.verify().unwrap(), None);
}

#[test]
fn grows_over_tile_borders_and_proves_all_it_holds() {
    let room = room();
    let sizes = [1, 2, 5, 255, 256, 257, 300, 512, 770];
    let mut from = 0;
    for size in sizes {
        let appended = room.append(from, size);
        assert_eq!(
            (appended.first_index, appended.checkpoint.head()),
            (from, head(size))
        );
        assert_eq!(room.verify().unwrap(), Some(appended.checkpoint));
        from = size;
    }
    let key = room.signer.key();
    for index in [0, 1, 255, 256, 511, 512, 769] {
        let proof = room.log.prove(index, key).unwrap();
        assert_eq!(proof.verify(&entry(index), key).unwrap().index(), index);
        assert!(proof.verify(&entry(index + 1), key).is_err());
    }
    for size in sizes {
        let hashes = room.log.consistency(head(size), key).unwrap();
        assert_eq!(verify_consistency(head(size), head(770), &hashes), Ok(()));
        let other = Head {
            root: head(3).root,
            ..head(size)
        };
        assert!(room.log.consistency(other, key).is_err());
    }
    for from in [0, 1, 255, 256, 300, 769, 770] {
        let expected: Vec<_> = (from..770).map(|i| (i, entry(i))).collect();
        assert_eq!(room.read(from), expected, "{from}");
    }
}

#[test]
fn only_the_newest_unfinished_tile_stays_and_older_readers_find_theirs_in_it() {
    let room = room();
    room.append(0, 240);
    for size in 240..270 {
        room.append(size, size + 1);
        for part in ["0", "entries"] {
            let unfinished = room.path(&format!("tile/{part}/000.p"));
            let count = fs::read_dir(unfinished).map_or(0, Iterator::count);
            assert_eq!(count, usize::from(size + 1 < 256), "{size}");
        }
        let mut tiles = Tiles::new(room.dir.path(), size / 2 + 1);
        assert_eq!(tiles.root().unwrap(), head(size / 2 + 1).root);
        tiles
            .walk(head(size / 2 + 1), 0, &mut |_, _| Ok::<_, LogError>(()))
            .unwrap();
    }
    assert_eq!(room.verify().unwrap().unwrap().head(), head(270));
}

#[test]
fn one_flipped_byte_anywhere_is_found() {
    let room = room();
    room.append(0, 200);
    room.append(200, 600);
    let files = [
        "checkpoint",
        "checkpoints",
        "tile/0/000",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/002.p/88",
    ];
    for name in files {
        let path = room.path(name);
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, flipped).unwrap();
            assert!(room.verify().is_err(), "byte {at} of {name}");
        }
        fs::remove_file(&path).unwrap();
        assert!(room.verify().is_err(), "{name} removed");
        fs::write(&path, whole).unwrap();
        assert!(room.verify().is_ok());
    }
}

#[test]
fn another_key_neither_reads_nor_appends() {
    let room = room();
    room.append(0, 3);
    let other = LogSigner::from_seed("example.com/log", &[4; 32]).unwrap();
    assert!(matches!(
        room.log.append(&[entry(3)], &other),
        Err(LogError::Checkpoint { .. })
    ));
    assert!(room.log.verify(other.key(), &|_| ()).is_err());
    assert_eq!(room.verify().unwrap().unwrap().head(), head(3));
}

#[test]
fn a_log_rewritten_with_its_own_key_is_noticed() {
    let room = room();
    room.append(0, 5);
    room.append(5, 9);
    let history = fs::read(room.path("checkpoints")).unwrap();
    // Shorter, and as long with another entry.
    for entries in [vec![0, 1, 2, 3, 4, 5], vec![0, 1, 2, 99, 4, 5, 6, 7, 8]] {
        fs::remove_dir_all(room.path("tile")).unwrap();
        fs::remove_file(room.path("checkpoint")).unwrap();
        fs::remove_file(room.path("checkpoints")).unwrap();
        let entries: Vec<Vec<u8>> = entries.into_iter().map(entry).collect();
        room.log.append(&entries, &room.signer).unwrap();
        fs::write(room.path("checkpoints"), &history).unwrap();
        assert!(matches!(room.verify(), Err(LogError::Rewritten { .. })));
        assert!(room.log.append(&[entry(9)], &room.signer).is_err());
    }
    // With the history taken away too, only who kept a checkpoint can tell.
    fs::remove_dir_all(room.path("tile")).unwrap();
    fs::remove_file(room.path("checkpoint")).unwrap();
    fs::remove_file(room.path("checkpoints")).unwrap();
    room.append(0, 4);
    assert!(room.verify().is_ok());
    assert!(room.log.consistency(head(9), room.signer.key()).is_err());
}

/// What a killed writer leaves at each step of its work.
#[test]
fn completes_what_was_signed_and_forgets_what_was_not() {
    let room = room();
    room.append(0, 5);
    let before = fs::read(room.path("checkpoint")).unwrap();
    let history = fs::read(room.path("checkpoints")).unwrap();
    room.append(5, 8);

    // Signed, and `checkpoint` not replaced: completed.
    fs::write(room.path("checkpoint"), &before).unwrap();
    assert!(matches!(
        room.verify(),
        Err(LogError::Rewritten { size: 8 })
    ));
    room.log.repair().unwrap();
    assert_eq!(room.verify().unwrap().unwrap().head(), head(8));

    // Not signed, or the signature only half written: the tiles beyond the head are overwritten.
    let longer = fs::read(room.path("checkpoints")).unwrap();
    for cut in [history.len(), history.len() + 10, longer.len() - 1] {
        fs::write(room.path("checkpoint"), &before).unwrap();
        fs::write(room.path("checkpoints"), &longer[..cut]).unwrap();
        let appended = room.log.append(&[b"another"], &room.signer).unwrap();
        assert_eq!(appended.first_index, 5);
        assert_eq!(room.verify().unwrap(), Some(appended.checkpoint));
        fs::remove_dir_all(room.path("tile")).unwrap();
        fs::remove_file(room.path("checkpoint")).unwrap();
        fs::remove_file(room.path("checkpoints")).unwrap();
        room.append(0, 5);
        room.append(5, 8);
    }
}

#[test]
fn a_head_that_is_not_in_the_history_is_noticed() {
    let room = room();
    room.append(0, 5);
    let history = fs::read(room.path("checkpoints")).unwrap();
    room.append(5, 8);
    fs::write(room.path("checkpoints"), &history).unwrap();
    assert!(matches!(
        room.verify(),
        Err(LogError::Forgotten { size: 8 })
    ));
    assert!(matches!(
        room.log.append(&[entry(8)], &room.signer),
        Err(LogError::Forgotten { size: 8 })
    ));
}

#[test]
fn many_threads_append_and_read() {
    let room = room();
    let seen = RefCell::new(Vec::new());
    std::thread::scope(|scope| {
        for writer in 0..4_u8 {
            let room = &room;
            scope.spawn(move || {
                for i in 0..20_u8 {
                    room.log.append(&[[writer, i]], &room.signer).unwrap();
                }
            });
        }
        for _ in 0..20 {
            room.verify().unwrap();
        }
    });
    room.log
        .entries(room.signer.key(), 0, &mut |_, entry| {
            seen.borrow_mut().push(entry.to_vec());
            Ok::<_, LogError>(())
        })
        .unwrap();
    let mut seen = seen.into_inner();
    seen.sort();
    let expected: Vec<Vec<u8>> = (0..4)
        .flat_map(|w| (0..20).map(move |i| vec![w, i]))
        .collect();
    assert_eq!(seen, expected);
}

/// Every tile of every earlier size is shown as it was then, whatever is on disk now; and none that is not signed.
#[test]
fn shows_tiles_as_wide_as_asked_and_none_that_no_head_commits_to() {
    let room = room();
    let tile = |path: &str| room.log.tile(path.parse().unwrap()).unwrap();
    assert!(tile("tile/entries/000.p/1").is_none() && room.log.note().unwrap().is_none());
    room.append(0, 3);
    room.append(3, 300);
    let hashes: Vec<Digest> = (0..300).map(|i| leaf_hash(&entry(i))).collect();
    let entries: Vec<Vec<u8>> = (0..300).map(entry).collect();
    for (path, from, to) in [
        ("000", 0, 256),
        ("000.p/1", 0, 1),
        ("000.p/255", 0, 255),
        ("001.p/44", 256, 300),
        ("001.p/7", 256, 263),
    ] {
        let shown = tile(&format!("tile/0/{path}")).unwrap().read().unwrap();
        assert_eq!(
            shown,
            trust::log::hashes_to_bytes(&hashes[from..to]),
            "{path}"
        );
        let shown = tile(&format!("tile/entries/{path}")).unwrap();
        assert!(shown.size_bytes() >= 1);
        let bundle = trust::log::bundle_to_bytes(&entries[from..to]).unwrap();
        assert_eq!(shown.read().unwrap(), bundle, "{path}");
    }
    assert_eq!(tile("tile/1/000.p/1").unwrap().read().unwrap().len(), 32);
    // What a killed writer left is on disk, and no head commits to it.
    let left = room.path("tile/0/001.p/45");
    fs::write(left, trust::log::hashes_to_bytes(&hashes[..45])).unwrap();
    for path in [
        "tile/0/001.p/45",
        "tile/0/001",
        "tile/0/002",
        "tile/1/000.p/2",
        "tile/7/000",
    ] {
        assert!(tile(path).is_none(), "{path}");
    }
    fs::write(room.path("tile/0/000"), [0; 33]).unwrap();
    assert!(tile("tile/0/000").unwrap().read().is_err());
}
