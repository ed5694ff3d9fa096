//! The log is whole, or nothing is decided by it; a statement is the one that was logged, or is not believed.

use std::collections::BTreeSet;

use chain::{Dossier, Fault, Ledger, Shelf};
use digest::Digest;
use trust::log::{Entry, LogSigner};
use trust::predicate::{Dataset, Provenance, Recall, RecallKind};
use trust::{Predicate, RootKey, Time, TrustRoot};

use crate::kit::{
    KEY, NOW, OTHER, STRANGER, World, added, artifact, build, checkpoint, data, file_digest, log,
    model, now, recall, root_key, whole,
};

fn opened(dossier: Dossier<'_>, root: &TrustRoot, at: i64) -> Result<(), &'static str> {
    let opened = Ledger::open(dossier, root, Time::from_unix(at));
    opened
        .map(|_| ())
        .map_err(|fault: Fault| fault.code().as_str())
}

/// Three lines.
fn world() -> World {
    let mut world = World::new();
    world.add("digits", &data("a"));
    world.add("letters", &data("b"));
    world.build(&model("w"), &[data("a").digest()]);
    world
}

#[test]
fn a_root_that_holds_and_a_log_of_it_or_none_at_all() {
    let (empty, world) = (World::new(), world());
    for (dossier, at, want) in [
        (Dossier::default(), NOW, Ok(())),
        (empty.dossier(), NOW, Ok(())),
        (world.dossier(), NOW, Ok(())),
        (world.dossier(), 2 * NOW - 1, Ok(())),
        (world.dossier(), 2 * NOW, Err("root_expired")),
        (Dossier::default(), 2 * NOW, Err("root_expired")),
        (world.dossier(), -1, Err("root_not_yet_valid")),
        // Lines that nobody signed.
        (world.gathered.clone(), NOW, Err("log_inconsistent")),
    ] {
        assert_eq!(opened(dossier, &world.root, at), want, "at {at}");
    }
}

#[test]
fn a_log_that_the_root_does_not_know_is_not_read() {
    let world = world();
    let by = |name: &str, seed: u8| {
        let signer = LogSigner::from_seed(name, &[seed; 32]).unwrap();
        Some(checkpoint(&world.gathered.entries, &signer))
    };
    let good = checkpoint(&world.gathered.entries, &log());
    for (note, want) in [
        (by("log.example", 7), Ok(())),
        (by("log.example", 8), Err("log_key_unknown")),
        (by("other.example", 7), Err("log_key_unknown")),
        (
            Some(good.replacen("\n3\n", "\n2\n", 1)),
            Err("log_key_unknown"),
        ),
        (Some(String::new()), Err("log_key_unknown")),
        (None, Err("log_inconsistent")),
    ] {
        let mut dossier = world.dossier();
        dossier.checkpoint = note;
        assert_eq!(opened(dossier, &world.root, NOW), want);
    }
    let no_log = TrustRoot::new(Time::from_unix(0), Time::from_unix(2 * NOW));
    assert_eq!(
        opened(world.dossier(), &no_log, NOW),
        Err("log_key_unknown")
    );
}

#[test]
fn each_way_of_altering_the_lines_is_noticed() {
    type Change = fn(&mut Vec<Vec<u8>>);
    let changes: [(&str, Change); 8] = [
        ("a byte", |lines| {
            lines[1][20] ^= 1;
        }),
        ("a line dropped", |lines| drop(lines.remove(1))),
        ("the last dropped", |lines| drop(lines.pop())),
        ("all dropped", Vec::clear),
        ("a line said twice", |lines| lines.push(lines[0].clone())),
        ("a line put in", |lines| lines.insert(1, lines[2].clone())),
        ("two swapped", |lines| lines.swap(0, 2)),
        ("a line cut", |lines| lines[2].truncate(9)),
    ];
    let world = world();
    assert_eq!(opened(world.dossier(), &world.root, NOW), Ok(()));
    for (what, change) in changes {
        let mut dossier = world.dossier();
        change(&mut dossier.entries);
        assert_eq!(
            opened(dossier, &world.root, NOW),
            Err("log_inconsistent"),
            "{what}"
        );
    }
}

#[test]
fn a_checkpoint_of_another_size_does_not_fit() {
    let world = world();
    for (size, want) in [
        (3, Ok(())),
        (2, Err("log_inconsistent")),
        (0, Err("log_inconsistent")),
    ] {
        let mut dossier = world.dossier();
        dossier.checkpoint = Some(checkpoint(&dossier.entries[..size], &log()));
        assert_eq!(opened(dossier, &world.root, NOW), want, "{size}");
    }
}

#[test]
fn a_signed_line_that_is_no_entry_closes_the_log() {
    for bytes in [&b"{}"[..], b"", b"line"] {
        let mut world = world();
        world.gathered.entries.push(bytes.to_vec());
        assert_eq!(
            opened(world.dossier(), &world.root, NOW),
            Err("log_inconsistent")
        );
    }
}

#[test]
fn a_bundle_that_is_gone_or_altered_is_refused_and_not_believed() {
    type Change = fn(&mut World, Digest);
    let changes: [(&str, Change, Option<&str>); 4] = [
        ("nothing", |_, _| {}, None),
        (
            "gone",
            |world, bundle| drop(world.gathered.bundles.remove(&bundle)),
            Some("bundle_invalid"),
        ),
        (
            "altered",
            |world, bundle| world.gathered.bundles.get_mut(&bundle).unwrap()[99] ^= 1,
            Some("bundle_invalid"),
        ),
        (
            "another in its place",
            |world, bundle| {
                let other = world.say(&added("letters", &data("b")));
                let bytes = world.gathered.bundles[&other].clone();
                world.gathered.bundles.insert(bundle, bytes);
            },
            Some("bundle_invalid"),
        ),
    ];
    for (what, change, want) in changes {
        let mut world = World::new();
        let bundle = world.add("digits", &data("a"));
        change(&mut world, bundle);
        let found = world
            .ledger()
            .about::<Dataset>(&BTreeSet::from([data("a").digest()]));
        let refused: Vec<_> = found.refused.iter().map(|(b, e)| (*b, e.code())).collect();
        assert_eq!(found.believed.is_empty(), want.is_some(), "{what}");
        let refused: Vec<_> = refused
            .iter()
            .map(|(b, code)| (*b, code.as_str()))
            .collect();
        assert_eq!(
            refused,
            want.map(|code| (bundle, code))
                .into_iter()
                .collect::<Vec<_>>()
        );
    }
}

/// Everything that was gathered, to be fetched one by one; `liar` gives others' bytes.
struct Fetching {
    all: Dossier<'static>,
    is_liar: bool,
}

impl Shelf for Fetching {
    fn bundle(&self, digest: Digest) -> Option<Vec<u8>> {
        let mut bytes = self.all.bundles.get(&digest).cloned()?;
        bytes[99] ^= u8::from(self.is_liar);
        Some(bytes)
    }

    fn artifact(&self, digest: Digest) -> Option<trust::Artifact> {
        let mut artifacts = self.all.artifacts.iter();
        artifacts.find(|it| it.digest() == digest).cloned()
    }
}

#[test]
fn what_is_on_the_shelf_is_believed_no_more_and_no_less() {
    let mut world = World::new();
    let bundle = world.add("digits", &data("a"));
    for is_liar in [false, true] {
        let all = world.dossier();
        let shelf = Fetching { all, is_liar };
        let dossier = Dossier {
            bundles: std::collections::BTreeMap::new(),
            artifacts: Vec::new(),
            shelved: vec![data("a").digest(), data("nowhere").digest()],
            shelf: Some(&shelf),
            ..world.dossier()
        };
        let ledger = Ledger::open(dossier, &world.root, now()).unwrap();
        let found = ledger.all::<Dataset>();
        assert_eq!(found.believed.len(), usize::from(!is_liar));
        let refused: Vec<_> = found.refused.iter().map(|(refused, _)| *refused).collect();
        assert_eq!(refused, is_liar.then_some(bundle).as_slice());
        assert_eq!(ledger.artifact(data("a").digest()), Some(&data("a")));
        assert_eq!(ledger.artifact(data("nowhere").digest()), None);
        assert_eq!(ledger.artifact(data("b").digest()), None);
        assert_eq!(ledger.artifacts().collect::<Vec<_>>(), [&data("a")]);
    }
}

#[test]
fn a_line_says_what_the_statement_is_about_and_of_what_type() {
    let (a, b) = (data("a"), data("b"));
    let statement = added("digits", &a);
    for (predicate_type, subjects, code) in [
        (Dataset::TYPE, whole(&a), None),
        (Dataset::TYPE, vec![a.digest()], None),
        (
            Dataset::TYPE,
            vec![a.digest(), b.digest()],
            Some("statement_invalid"),
        ),
        (Dataset::TYPE, vec![b.digest()], Some("statement_invalid")),
        (Provenance::TYPE, vec![a.digest()], Some("subject_mismatch")),
    ] {
        let mut world = World::new();
        world.file(KEY, &statement, predicate_type, &subjects);
        let ledger = world.ledger();
        let datasets = ledger.all::<Dataset>();
        let builds = ledger.all::<Provenance>();
        assert!(builds.believed.is_empty());
        let refused = datasets.refused.iter().chain(&builds.refused);
        let codes: Vec<_> = refused.map(|(_, cause)| cause.code().as_str()).collect();
        assert_eq!(codes, code.into_iter().collect::<Vec<_>>());
        assert_eq!(datasets.believed.len(), usize::from(code.is_none()));
    }
}

#[test]
fn only_keys_of_the_root_are_believed() {
    for (seed, believed) in [(KEY, 1), (OTHER, 1), (STRANGER, 0)] {
        let mut world = World::new();
        world.say_by(seed, &added("digits", &data("a")));
        let found = world.ledger().all::<Dataset>();
        assert_eq!(found.believed.len(), believed);
        assert_eq!(found.refused.len(), 1 - believed);
    }
}

#[test]
fn a_recall_that_cannot_be_read_stops_everything() {
    let target = data("bad").digest().to_string();
    let recall = recall(RecallKind::Dataset, &target);
    let fine = model("never heard of it");
    type Change = fn(&mut World, Digest);
    let retired = |world: &mut World, _| {
        let key = RootKey {
            valid_until: now(),
            ..root_key(OTHER)
        };
        world.root = world.root.clone().with_key(key);
    };
    let changes: [(u8, Change, Option<&str>); 5] = [
        (OTHER, |_, _| {}, None),
        (STRANGER, |_, _| {}, Some("key_unknown")),
        (
            OTHER,
            |world, bundle| drop(world.gathered.bundles.remove(&bundle)),
            Some("bundle_invalid"),
        ),
        (
            OTHER,
            |world, bundle| world.gathered.bundles.get_mut(&bundle).unwrap()[99] ^= 1,
            Some("bundle_invalid"),
        ),
        // One that was believed stays when its key retires.
        (OTHER, retired, None),
    ];
    for (seed, change, want) in changes {
        let mut world = World::new();
        let bundle = world.say_by(seed, &recall);
        // One that is believed, after it, does not hide it.
        world.recall(RecallKind::Model, &model("other").digest().to_string());
        change(&mut world, bundle);
        let ledger = world.ledger();
        match chain::recall::recalled(&ledger, &fine) {
            Ok(reasons) => assert_eq!((reasons, want), (vec![], None)),
            Err(fault) => {
                assert!(
                    matches!(&fault, Fault::Unreadable { bundle: named, .. } if *named == bundle)
                );
                assert_eq!(Some(fault.code().as_str()), want);
            }
        }
        assert_eq!(ledger.recalls().is_err(), want.is_some());
    }
}

#[test]
fn a_recall_filed_elsewhere_is_not_passed_over() {
    let mut world = World::new();
    let recall = recall(RecallKind::Dataset, &data("bad").digest().to_string());
    world.file(KEY, &recall, Recall::TYPE, &[data("other").digest()]);
    assert!(world.ledger().recalls().is_err());
}

#[test]
fn subjects_beyond_those_that_a_line_lists_are_found() {
    let many = |seed: usize| {
        let names: Vec<String> = (0..1700).map(|file| format!("{seed}/{file}")).collect();
        let files: Vec<_> = names.iter().map(|n| (n.as_str(), n.as_str())).collect();
        artifact(trust::Kind::DataSet, &files)
    };
    let is_listed = |data: &trust::Artifact| {
        let entry = Entry::new(file_digest(""), Dataset::TYPE, whole(data)).unwrap();
        entry.subjects().contains(&data.digest())
    };
    let (listed, unlisted): (Vec<_>, Vec<_>) = (0..12).map(many).partition(is_listed);
    let (listed, unlisted) = (&listed[0], &unlisted[0]);
    let mut world = World::new();
    world.add("listed", listed);
    world.add("unlisted", unlisted);
    let ledger = world.ledger();
    for (digest, name) in [
        (listed.digest(), Some("listed")),
        (unlisted.digest(), Some("unlisted")),
        (data("a").digest(), None),
    ] {
        let found = ledger.about::<Dataset>(&BTreeSet::from([digest]));
        let statements = found.believed.iter().map(|logged| logged.statement.value());
        let names: Vec<_> = statements.map(|s| s.predicate.name.as_str()).collect();
        assert_eq!(names, name.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn what_is_believed_has_its_line_and_its_order() {
    let world = world();
    let ledger = world.ledger();
    let lines = |found: Vec<u64>| found;
    let datasets = ledger.all::<Dataset>().believed;
    assert_eq!(
        lines(datasets.iter().map(|l| l.index.unwrap()).collect()),
        [0, 1]
    );
    let builds = ledger.all::<Provenance>().believed;
    assert_eq!(
        lines(builds.iter().map(|l| l.index.unwrap()).collect()),
        [2]
    );
    let statement = chain::train::statement(build(&model("w"), vec![])).unwrap();
    assert_eq!(builds[0].statement.value().subjects, statement.subjects);
    assert_eq!(ledger.entries().len(), 3);
    assert!(ledger.artifact(data("a").digest()).is_some());
    assert!(ledger.artifact(data("c").digest()).is_none());
}
