//! `serve --role log`: what it shows is the store's log, and what it acknowledged survives being killed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use trust::log::{Checkpoint, LogKey, Part, TilePath, leaf_hash, parse_bundle, root};

use crate::log_server::{LogServer, add, line};
use crate::workshop::Workshop;

#[test]
fn a_store_shows_its_log_and_takes_no_lines() {
    let workshop = Workshop::with_data();
    let server = LogServer::start(&workshop, "");
    let note = workshop.allowed("log checkpoint")["checkpoint"].clone();
    let (status, shown) = server.get("/checkpoint").unwrap();
    assert_eq!(
        (status, shown.as_slice()),
        (200, note.as_str().unwrap().as_bytes())
    );
    // It follows the store.
    workshop.write("model.bin", "weights");
    workshop.yes("sign model.bin");
    assert_ne!(server.get("/checkpoint").unwrap().1, shown);
    let (status, entries) = server.get("/tile/entries/000.p/1").unwrap();
    assert_eq!((status, parse_bundle(&entries, 1).unwrap().len()), (200, 1));
    assert_eq!(server.get("/.modelward/keys/laptop.pem").unwrap().0, 404);
    assert_eq!(server.started["adds"], false);
    assert_eq!(server.stop(), 0);
}

#[test]
fn what_is_not_meant_is_told() {
    let workshop = Workshop::with_data();
    workshop.write("tokens", "short\n");
    let path = workshop.file("tokens");
    for (line, code) in [
        ("serve --role log out/digits", "usage"),
        ("serve --role model", "usage"),
        ("serve out/digits --log away", "usage"),
        ("serve --role log --accept-entries tokens", "usage"),
        (
            "serve --role log --log away --accept-entries tokens",
            "key_exposed",
        ),
        (
            "serve --role log --log away --accept-entries none",
            "key_missing",
        ),
    ] {
        assert_eq!(workshop.error(line), code, "{line}");
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, mode).unwrap();
    let line = "serve --role log --log away --accept-entries tokens";
    assert_eq!(workshop.error(line), "settings_invalid");
    assert!(
        !workshop.file("away").exists(),
        "nothing is made for a mistake"
    );
}

/// The whole log as strangers read it, checked from entries to the signed root.
fn read(server: &LogServer) -> Vec<Vec<u8>> {
    let Some((200, note)) = server.get("/checkpoint") else {
        return Vec::new();
    };
    let key: LogKey = server.key().parse().unwrap();
    let head = Checkpoint::open(&String::from_utf8(note).unwrap(), &key)
        .unwrap()
        .head();
    let mut entries = Vec::new();
    for index in 0..head.size.div_ceil(256) {
        let tile = TilePath::at_size(Part::Entries, index, head.size).unwrap();
        let (status, bytes) = server.get(&format!("/{tile}")).unwrap();
        assert_eq!(status, 200);
        let bundle = parse_bundle(&bytes, tile.width()).unwrap();
        entries.extend(bundle.into_iter().map(<[u8]>::to_vec));
    }
    let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    assert_eq!(root(&leaves), head.root);
    entries
}

/// Killed again and again while many add: what was acknowledged stands where it was said to, under one history.
#[test]
fn a_killed_server_loses_no_acknowledged_line() {
    let workshop = Workshop::bare();
    let acknowledged: Mutex<BTreeMap<u64, Vec<u8>>> = Mutex::default();
    let mut heads: Vec<(usize, Vec<Vec<u8>>)> = Vec::new();
    for round in 0..4_u32 {
        let server = LogServer::adding(&workshop, "own");
        let before = read(&server);
        for (index, line) in acknowledged.lock().unwrap().iter() {
            let index = usize::try_from(*index).unwrap();
            assert_eq!(before.get(index), Some(line), "round {round}");
        }
        for (size, entries) in &heads {
            assert_eq!(&before[..*size], entries.as_slice(), "one history");
        }
        heads.push((before.len(), before));
        let address = server.address();
        std::thread::scope(|scope| {
            for client in 0..6 {
                let (address, acknowledged) = (&address, &acknowledged);
                scope.spawn(move || {
                    for number in 0.. {
                        let line = line(&format!("{round} {client} {number}"));
                        let Some(index) = add(address, &line) else {
                            return;
                        };
                        let twice = acknowledged.lock().unwrap().insert(index, line);
                        assert_eq!(twice, None, "one place for one line");
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(300 + 100 * u64::from(round)));
            server.kill();
        });
    }
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    let server = LogServer::adding(&workshop, "own");
    let last = read(&server);
    assert!(
        acknowledged
            .iter()
            .all(|(index, line)| last[usize::try_from(*index).unwrap()] == *line)
    );
    // Each head that was ever signed has a size of its own.
    let checkpoints = String::from_utf8(workshop.read("own/log/checkpoints")).unwrap();
    let sizes: Vec<u64> = checkpoints
        .split("example.com/log\n")
        .skip(1)
        .filter_map(|note| note.lines().next()?.parse().ok())
        .collect();
    assert!(sizes.is_sorted_by(|a, b| a < b), "{sizes:?}");
    assert_eq!(server.stop(), 0);
}
