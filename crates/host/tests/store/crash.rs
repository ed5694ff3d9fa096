//! Writers that are killed at any moment, two at a time, hundreds of times.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use digest::Digest;
use host::store::Store;

use super::child;
use super::room::*;

const STORES: u64 = 8;
const ROUNDS_PER_STORE: u64 = 20;
/// A writer that is left alone is far from done when it is killed.
const COUNT: u64 = 100_000;

#[test]
fn killed_writers_lose_nothing_that_was_acknowledged() {
    let mut killed = 0;
    let mut acknowledged = BTreeSet::new();
    let mut unfinished = 0;
    let mut random = 0x5eed_u64;
    for _ in 0..STORES {
        let room = fast_room();
        acknowledged.clear();
        for round in 0..ROUNDS_PER_STORE {
            let first = |writer: u64| (round * 2 + writer) * COUNT;
            let mut writers = [0, 1].map(|writer| Writer::start(room.dir.path(), first(writer)));
            for writer in &mut writers {
                writer.wait_until_ready();
            }
            std::thread::sleep(Duration::from_micros(next(&mut random) % 12_000));
            for writer in writers {
                let (was_running, acks) = writer.kill();
                killed += u64::from(was_running);
                acknowledged.extend(acks);
            }
            let opened = Store::open(room.dir.path()).unwrap();
            for number in &acknowledged {
                let (bundle, entry) = numbered(*number);
                let recorded = opened.recorded(Digest::of(&bundle)).unwrap().unwrap();
                assert_eq!(recorded.bundle, entry.bundle());
                assert_eq!(opened.read_blob(recorded.bundle, 1000).unwrap(), bundle);
                for bytes in contents(*number).iter().filter(|_| has_artifact(*number)) {
                    let digest = Digest::of(bytes.as_bytes());
                    assert_eq!(opened.read_blob(digest, 1000).unwrap(), bytes.as_bytes());
                }
            }
            let names: BTreeSet<String> = artifact_names(&opened);
            let mut asked = acknowledged.iter().filter(|number| has_artifact(**number));
            assert!(asked.all(|number| names.contains(&artifact_name(*number))));
            if round % 5 == 4 {
                assert_eq!(problems(&opened), [""; 0]);
            }
        }
        let lines = room.store.log_entries(signer().key(), 0).unwrap();
        assert!(lines.len() >= acknowledged.len() && !acknowledged.is_empty());
        let distinct: BTreeSet<Digest> = lines.iter().map(|(_, entry)| entry.bundle()).collect();
        assert_eq!(distinct.len(), lines.len(), "a bundle was recorded twice");
        unfinished += lines.len() - acknowledged.len();
        unfinished += fs::read_dir(room.store.path().join("tmp")).unwrap().count();
    }
    assert!(killed >= 300, "only {killed} writers were killed at work");
    assert!(unfinished > 0, "no kill came in the middle of a write");
}

fn artifact_names(store: &Store) -> BTreeSet<String> {
    let artifacts = store.artifacts().unwrap();
    artifacts.into_iter().map(|named| named.name).collect()
}

#[test]
fn writers_at_once_lose_nothing() {
    let room = fast_room();
    let writers = [0, 1, 2].map(|writer| {
        let mut command = child::command(&[], WRITER, room.dir.path(), writer * 100, 20);
        command.stdout(Stdio::null()).spawn().unwrap()
    });
    for number in 300..320 {
        let (bundle, entry) = numbered(number);
        room.store.record(&bundle, &entry, &signer()).unwrap();
    }
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let lines = room.store.log_entries(signer().key(), 0).unwrap();
    let got: BTreeSet<Digest> = lines.iter().map(|(_, entry)| entry.bundle()).collect();
    let numbers = (0..4).flat_map(|writer| (0..20).map(move |i| writer * 100 + i));
    let expected: BTreeSet<Digest> = numbers.map(|number| numbered(number).1.bundle()).collect();
    assert_eq!((lines.len(), got), (80, expected));
    assert_eq!(room.store.artifacts().unwrap().len(), 15);
    assert_eq!(problems(&room.store), [""; 0]);
}

pub(crate) const WRITER: &str = "store::crash::writer";

/// The child process: records statements and says so, and puts in an artifact now and then.
#[test]
#[allow(clippy::print_stdout, reason = "this is how the writer acknowledges")]
fn writer() {
    let Some(task) = child::task() else { return };
    let store = Store::open(&task.folder).unwrap();
    println!("\nready");
    for number in task.first..task.first + task.count {
        let (bundle, entry) = numbered(number);
        if has_artifact(number) {
            let sources = task.folder.join(format!("sources {}", task.first));
            fs::create_dir_all(&sources).unwrap();
            let files = contents(number).into_iter().enumerate().map(|(at, bytes)| {
                let path = sources.join(format!("{at}"));
                fs::write(&path, bytes).unwrap();
                (format!("{at}"), path)
            });
            let (name, files) = (artifact_name(number), files.collect());
            put_tree(&store, &name, &files).unwrap();
        }
        store.record(&bundle, &entry, &signer()).unwrap();
        println!("acknowledged {number}");
    }
}

/// Some statements are about an artifact, of which every file is acknowledged with them.
pub(crate) const fn has_artifact(number: u64) -> bool {
    number % 4 == 1
}

fn artifact_name(number: u64) -> String {
    format!("artifact {number}")
}

pub(crate) fn contents(number: u64) -> Vec<String> {
    (0..6).map(|at| format!("file {at} of {number}")).collect()
}

fn numbered(number: u64) -> (Vec<u8>, trust::log::Entry) {
    statement(
        &format!("statement {number}"),
        &format!("subject {}", number % 3),
    )
}

struct Writer {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Writer {
    fn start(folder: &Path, first: u64) -> Self {
        let mut command = child::command(&[], WRITER, folder, first, COUNT);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    fn wait_until_ready(&mut self) {
        assert!(self.lines.any(|line| line.unwrap() == "ready"));
    }

    /// Whether it was still at work, and what it had acknowledged.
    fn kill(mut self) -> (bool, Vec<u64>) {
        let was_running = self.process.try_wait().unwrap().is_none();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let acknowledged = self.lines.map_while(Result::ok).filter_map(|line| {
            let number = line.strip_prefix("acknowledged ")?;
            number.parse().ok()
        });
        (was_running, acknowledged.collect())
    }
}

/// Xorshift: the same moments in each run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
