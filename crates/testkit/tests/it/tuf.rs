//! Updates of a small repository: each is wrong in one way at a time, with all else right and signed.

use std::collections::BTreeMap;

use testkit::tuf::{NOW, Repository, signed};
use trust::Time;
use trust::tuf::{Kept, PUBLIC_SIGSTORE, TufError, Update};

const FILE: &str = "trusted_root.json";
const OTHER: &str = "signing_config.v0.2.json";

fn repository() -> Repository {
    Repository::of(FILE, b"what is wanted")
}

fn now() -> Time {
    Time::from_unix(NOW)
}

type Files = BTreeMap<String, Vec<u8>>;

fn updated_from(root: &[u8], kept: Option<&Kept>, files: &Files) -> Result<Kept, TufError> {
    let mut update = Update::begin(root, kept.cloned(), (FILE, &[OTHER]), now())?;
    while let Some(wanted) = update.wants() {
        update.take(files.get(&wanted.path).map(Vec::as_slice))?;
    }
    Ok(update.kept().expect("nothing is wanted any more"))
}

fn updated(repository: &Repository, kept: Option<&Kept>) -> Result<Kept, TufError> {
    let first = self::repository().first_root();
    updated_from(&first, kept, &repository.files())
}

fn refused(repository: &Repository, kept: Option<&Kept>, code: &str, words: &str) {
    told(updated(repository, kept), code, words);
}

fn told(result: Result<Kept, TufError>, code: &str, words: &str) {
    let error = result.expect_err(words);
    let text = error.to_string();
    assert!(
        error.code().as_str() == code && text.contains(words),
        "{words}: {} {text}",
        error.code()
    );
}

/// A right repository with one thing changed.
fn with(change: impl Fn(&mut Repository)) -> Repository {
    let mut repository = repository();
    change(&mut repository);
    repository
}

#[test]
fn what_is_signed_is_fetched_and_kept() {
    let first = updated(&repository(), None).unwrap();
    assert_eq!(first.file, b"what is wanted");
    // Nothing new: all is as it was.
    assert_eq!(updated(&repository(), Some(&first)), Ok(first.clone()));
    // Anything newer is taken; a file in the kept that is no root is none to go on from.
    let newer = with(|r| {
        r.raise();
        r.file = b"newer".to_vec();
    });
    let second = updated(&newer, Some(&first)).unwrap();
    assert_eq!(second.file, b"newer");
    let damaged = Kept {
        root: b"{}".to_vec(),
        ..first
    };
    refused(&newer, Some(&damaged), "update_untrusted", "can't be read");
}

/// Those beside the one that must be there: they are as signed as it is, and none is missed.
#[test]
fn other_files_are_fetched_where_they_are() {
    assert!(updated(&repository(), None).unwrap().others.is_empty());
    let with_other = with(|r| {
        r.others.insert(OTHER.to_owned(), b"where".to_vec());
        r.others.insert("unasked.json".to_owned(), b"x".to_vec());
    });
    let kept = updated(&with_other, None).unwrap();
    assert_eq!(kept.file, b"what is wanted");
    assert_eq!(
        kept.others,
        BTreeMap::from([(OTHER.to_owned(), b"where".to_vec())])
    );
    // A forged one ends the update, and so does one that is promised and not there.
    let mut files = with_other.files();
    let path = files
        .keys()
        .find(|path| path.ends_with(OTHER))
        .unwrap()
        .clone();
    let first = repository().first_root();
    files.insert(path.clone(), b"wherf".to_vec());
    told(
        updated_from(&first, None, &files),
        "update_untrusted",
        "another hash",
    );
    files.remove(&path);
    told(
        updated_from(&first, None, &files),
        "update_untrusted",
        OTHER,
    );
}

#[test]
fn roots_follow_one_another() {
    let mut rotated = repository();
    rotated.rotate(&[51, 52, 53], 54);
    rotated.rotate(&[61, 62, 63], 64);
    // An old root that is over is no obstacle, if the last one holds.
    rotated.roots[0].meta.expires = "2020-01-01T00:00:00Z";
    let first = rotated.first_root();
    let kept = updated_from(&first, None, &rotated.files()).unwrap();
    // From where it was left, or from a program that knows a later root.
    assert_eq!(
        updated_from(&first, Some(&kept), &rotated.files()),
        Ok(kept.clone())
    );
    assert_eq!(updated_from(&kept.root, None, &rotated.files()), Ok(kept));

    let with = |change: fn(&mut Repository)| {
        let mut bad = rotated.clone();
        change(&mut bad);
        updated_from(&first, None, &bad.files())
    };
    let untrusted = "update_untrusted";
    for (change, words) in [
        // Of the old keys one alone, of the new ones one alone, none at all, one that nobody named.
        (
            (|r| r.roots[1].meta.signers = vec![41, 51, 52]) as fn(&mut Repository),
            "1 of those",
        ),
        (|r| r.roots[1].meta.signers = vec![41, 42, 51], "1 of those"),
        (|r| r.roots[1].meta.signers = vec![], "0 of those"),
        (
            |r| r.roots[1].meta.signers = vec![41, 9, 51, 52],
            "1 of those",
        ),
        // The same key twice is one.
        (
            |r| r.roots[1].meta.signers = vec![41, 41, 51, 52],
            "1 of those",
        ),
        // A version is left out, or comes again.
        (
            |r| r.roots[1].meta.version = 3,
            "version 3, and 2 belongs there",
        ),
        (
            |r| r.roots[1].meta.version = 1,
            "version 1, and 2 belongs there",
        ),
    ] {
        told(with(change), untrusted, words);
    }
    // A later root is never skipped: those that only it names may not sign yet.
    let mut skipped = rotated.files();
    skipped.remove("2.root.json");
    told(
        updated_from(&first, None, &skipped),
        "update_expired",
        "root was valid until",
    );
    told(
        with(|r| r.roots[2].meta.expires = "2026-01-01T00:00:00Z"),
        "update_expired",
        "root was valid until",
    );
}

#[test]
fn roots_without_end_are_not_followed() {
    let mut endless = repository();
    for _ in 0..260 {
        endless.rotate(&[41, 42, 43], 44);
    }
    refused(&endless, None, "update_untrusted", "more than 256 roots");
}

#[test]
fn too_few_signatures_are_none() {
    let untrusted = "update_untrusted";
    for (change, words) in [
        (
            (|r| r.timestamp.signers = vec![41]) as fn(&mut Repository),
            "timestamp 1 did",
        ),
        (|r| r.timestamp.signers = vec![], "timestamp 1 did"),
        (|r| r.snapshot.signers = vec![42], "snapshot 1 did"),
        (|r| r.targets.signers = vec![42], "targets 1 did"),
        (|r| r.targets.signers = vec![42, 42], "targets 1 did"),
        (|r| r.targets.signers = vec![42, 44], "targets 1 did"),
    ] {
        refused(&with(change), None, untrusted, words);
    }
}

/// One key under two names is one, though both names may sign.
#[test]
fn a_key_with_two_names_counts_once() {
    let repository = with(|r| r.targets.signers = vec![42]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut root: serde_json::Value = serde_json::from_slice(&repository.first_root()).unwrap();
    let [one, other] = [42, 43].map(testkit::tuf::name);
    let key = root["signed"]["keys"][&one].clone();
    root["signed"]["keys"][&other] = key;
    let body = root["signed"].clone();
    let root = signed("root", &repository.roots[0].meta, body);
    let mut files = repository.files();
    let targets: serde_json::Value = serde_json::from_slice(&files["1.targets.json"]).unwrap();
    let mut twice = targets.clone();
    let mut again = targets["signatures"][0].clone();
    again["keyid"] = other.into();
    twice["signatures"].as_array_mut().unwrap().push(again);
    let (was, is) = (text(&files["1.targets.json"]), twice.to_string());
    // Nobody says how long it is, or what hash it has.
    let meta = serde_json::json!({"meta": {"targets.json": {"version": 1}}});
    files.insert(
        "1.snapshot.json".into(),
        signed("snapshot", &repository.snapshot, meta),
    );
    let meta = serde_json::json!({"meta": {"snapshot.json": {"version": 1}}});
    files.insert(
        "timestamp.json".into(),
        signed("timestamp", &repository.timestamp, meta),
    );
    assert_ne!(was, is);
    files.insert("1.targets.json".into(), is.into_bytes());
    told(
        updated_from(&root, None, &files),
        "update_untrusted",
        "1 of those",
    );
    // The control: with another key of the role it is taken.
    let right = with(|_| ()).files()["1.targets.json"].clone();
    files.insert("1.targets.json".into(), right);
    let first = self::repository().first_root();
    assert!(updated_from(&first, None, &files).is_ok());
}

#[test]
fn nothing_is_turned_back() {
    let high = with(|r| {
        (0..4).for_each(|_| r.raise());
        r.delegated.insert("other.json".into(), 7);
    });
    let kept = updated(&high, None).unwrap();
    let rolled_back = "update_rolled_back";
    let lower = |change: fn(&mut Repository)| {
        let mut lower = high.clone();
        lower.timestamp.raise();
        change(&mut lower);
        lower
    };
    // All of it; the timestamp alone; under a newer timestamp the snapshot, the targets, a file that is gone.
    refused(&repository(), Some(&kept), rolled_back, "timestamp 1");
    refused(
        &lower(|r| r.timestamp.version = 4),
        Some(&kept),
        rolled_back,
        "timestamp 4",
    );
    let snapshot = lower(|r| (r.snapshot.version, r.snapshot.said) = (4, 4));
    refused(&snapshot, Some(&kept), rolled_back, "snapshot 4");
    let targets = lower(|r| {
        r.snapshot.raise();
        (r.targets.version, r.targets.said) = (4, 4);
    });
    refused(&targets, Some(&kept), rolled_back, "targets 4");
    let gone = lower(|r| {
        r.snapshot.raise();
        r.delegated.clear();
    });
    refused(&gone, Some(&kept), rolled_back, "targets 0");
    // Another timestamp of the same version is not looked at.
    let mut same = high.clone();
    same.snapshot.raise();
    same.file = b"other".to_vec();
    let taken = updated(&same, Some(&kept));
    assert!(matches!(taken, Err(TufError::Missing { .. })), "{taken:?}");
    // Once the keys are others, versions begin anew: whoever stole the old ones may have raised them without end.
    let mut recovered = repository();
    recovered.rotate(&[51, 52, 53], 54);
    assert!(updated(&recovered, Some(&kept)).is_ok());
}

#[test]
fn nothing_is_held_back() {
    for (change, words) in [
        (
            (|r| r.roots[0].meta.expires = "2026-01-01T00:00:00Z") as fn(&mut Repository),
            "root was",
        ),
        (
            |r| r.timestamp.expires = "2026-01-01T00:00:00Z",
            "timestamp was",
        ),
        (
            |r| r.snapshot.expires = "2026-01-01T00:00:00Z",
            "snapshot was",
        ),
        (
            |r| r.targets.expires = "2026-01-01T00:00:00Z",
            "targets was",
        ),
    ] {
        let frozen = with(change);
        let result = updated_from(&frozen.first_root(), None, &frozen.files());
        told(result, "update_expired", words);
    }
    // What was kept is over too, though the repository still offers it.
    let kept = updated(&repository(), None).unwrap();
    let later = Time::from_unix(4_200_000_000);
    let root = with(|r| r.roots[0].meta.expires = "2136-01-01T00:00:00Z").first_root();
    let kept = Kept { root, ..kept };
    let files = repository().files();
    let mut update =
        Update::begin(&kept.root.clone(), Some(kept), (FILE, &[OTHER]), later).unwrap();
    update.take(None).unwrap();
    let held = update.take(Some(&files["timestamp.json"])).unwrap_err();
    assert_eq!(held.code().as_str(), "update_expired");
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let untrusted = "update_untrusted";
    // Rightly signed, and of another version than the file says that names it.
    let snapshot = with(|r| r.snapshot.version = 2);
    refused(&snapshot, None, untrusted, "snapshot is version 2, and 1");
    let targets = with(|r| r.targets.version = 2);
    refused(&targets, None, untrusted, "targets is version 2, and 1");
    // Files of two states of the repository.
    let newer = with(|r| {
        r.file = b"newer".to_vec();
        r.targets.expires = "2099-12-30T00:00:00Z";
    });
    for name in ["1.snapshot.json", "1.targets.json"] {
        let mut mixed = repository().files();
        mixed.insert(name.into(), newer.files()[name].clone());
        let result = updated_from(&repository().first_root(), None, &mixed);
        // By its length, which may be greater too, or by its hash.
        let code = result.unwrap_err().code().as_str();
        assert!([untrusted, "too_large"].contains(&code), "{name}: {code}");
    }
    // One kind of file as another, by the same keys.
    let mut mixed = repository().files();
    mixed.insert("timestamp.json".into(), mixed["1.snapshot.json"].clone());
    told(
        updated_from(&repository().first_root(), None, &mixed),
        untrusted,
        "`_type`",
    );
}

#[test]
fn every_file_has_its_length_and_hash() {
    let first = repository().first_root();
    let right = repository().files();
    for name in right.keys().filter(|name| !name.ends_with("root.json")) {
        for at in [0, right[name].len() / 2, right[name].len() - 1] {
            let mut files = right.clone();
            files.get_mut(name).unwrap()[at] ^= 1;
            assert!(updated_from(&first, None, &files).is_err(), "{name} {at}");
        }
        for change in [(|bytes| bytes.push(b' ')) as fn(&mut Vec<u8>), |bytes| {
            bytes.pop();
        }] {
            let mut files = right.clone();
            change(files.get_mut(name).unwrap());
            let is_stamp = name == "timestamp.json";
            // Nobody says how long the first file is: a space behind it is nothing.
            let result = updated_from(&first, None, &files);
            assert!(result.is_err() || is_stamp, "{name}");
        }
        let mut files = right.clone();
        files.remove(name);
        told(
            updated_from(&first, None, &files),
            "update_untrusted",
            "has no `",
        );
    }
    let path = format!(
        "targets/{}.{FILE}",
        digest::Digest::of(b"what is wanted").hex()
    );
    for (bytes, code, words) in [
        (&b"what is wantec"[..], "update_untrusted", "another hash"),
        (b"what is wante", "update_untrusted", "another length"),
        (
            b"what is wanted and more",
            "too_large",
            "more than 14 bytes",
        ),
    ] {
        let mut files = right.clone();
        files.insert(path.clone(), bytes.to_vec());
        told(updated_from(&first, None, &files), code, words);
    }
}

#[test]
fn files_without_end_are_refused() {
    let first = repository().first_root();
    for (name, most) in [("2.root.json", 512 << 10), ("timestamp.json", 16 << 10)] {
        let mut files = repository().files();
        files.insert(name.into(), vec![b' '; most + 1]);
        told(updated_from(&first, None, &files), "too_large", name);
    }
    let mut update = Update::begin(&first, None, (FILE, &[OTHER]), now()).unwrap();
    assert_eq!(update.wants().unwrap().size_bytes_max, 512 << 10);
    update.take(None).unwrap();
    assert_eq!(update.wants().unwrap().size_bytes_max, 16 << 10);
    // From there on lengths are signed, and no more than a mebibyte.
    let files = repository().files();
    update.take(Some(&files["timestamp.json"])).unwrap();
    let wanted = update.wants().unwrap();
    assert_eq!(wanted.size_bytes_max, files[&wanted.path].len());
}

#[test]
fn the_public_sigstores_root_is_one() {
    let update = Update::begin(PUBLIC_SIGSTORE, None, (FILE, &[OTHER]), now()).unwrap();
    assert_eq!(update.wants().unwrap().path, "16.root.json");
    let text = std::str::from_utf8(PUBLIC_SIGSTORE).unwrap();
    for (from, to) in [
        ("\"version\": 15", "\"version\": 16"),
        ("\"threshold\": 3", "\"threshold\": 1"),
        ("\"threshold\": 3", "\"threshold\": 0"),
        (
            "\"consistent_snapshot\": true",
            "\"consistent_snapshot\": false",
        ),
        ("\"_type\": \"root\"", "\"_type\": \"targets\""),
        ("\"spec_version\": \"1.0\"", "\"spec_version\": \"2.0\""),
        ("\"signatures\"", "\"signature\""),
        ("2026-11-20T13:58:18Z", "2027-11-20T13:58:18Z"),
    ] {
        let bad = text.replace(from, to);
        assert_ne!(bad, text);
        let begun = Update::begin(bad.as_bytes(), None, (FILE, &[OTHER]), now());
        assert!(begun.is_err(), "{from} -> {to}");
    }
}
