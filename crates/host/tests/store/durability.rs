//! The order of system calls: what is acknowledged was flushed before, file and folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use digest::Digest;

use super::child;
use super::crash::{WRITER, contents};
use super::room::*;

/// A system call that matters, with the paths of its files.
#[derive(Debug, PartialEq)]
enum Call {
    Write(String),
    Flush(String),
    Rename(String, String),
    Acknowledge,
}

#[test]
fn everything_is_flushed_before_it_is_acknowledged() {
    if !can_trace() {
        return child::skip("strace", "`strace true` doesn't run here");
    }
    let room = room();
    let calls = trace(&room, 0);
    check_renames(&calls);
    check_order(&calls);
    // The next append finds a log that is not empty, and comes with an artifact of several files.
    let calls = trace(&room, 1);
    check_renames(&calls);
    check_order(&calls);
    check_batch(&calls, 1);
    assert_eq!(problems(&room.store), [""; 0]);
}

/// The check itself notices each missing flush.
#[test]
fn a_missing_flush_would_be_noticed() {
    let whole = || {
        vec![
            Call::Write("/t/w".into()),
            Call::Flush("/t/w".into()),
            Call::Rename("/t/w".into(), "/b/x".into()),
            Call::Flush("/b".into()),
            Call::Acknowledge,
        ]
    };
    check_renames(&whole());
    for missing in [0, 1, 3] {
        let mut calls = whole();
        calls.remove(missing);
        assert!(
            std::panic::catch_unwind(|| check_renames(&calls)).is_err(),
            "{missing}"
        );
        let mut late = whole();
        let call = late.remove(missing);
        late.push(call);
        assert!(
            std::panic::catch_unwind(|| check_renames(&late)).is_err(),
            "{missing} late"
        );
    }
}

/// Each file that gets its name by a rename was written, then flushed, then renamed, and then its folder was flushed.
fn check_renames(calls: &[Call]) {
    let acknowledged = position(calls, 0, |call| *call == Call::Acknowledge);
    let mut renames = 0;
    for (at, call) in calls[..acknowledged].iter().enumerate() {
        let Call::Rename(from, to) = call else {
            continue;
        };
        let is = |call: &Call, path: &str| matches!(call, Call::Write(p) if p == path);
        let written = calls[..at].iter().rposition(|call| is(call, from));
        let written = written.unwrap_or_else(|| panic!("{to} was never written"));
        let flushed = position(calls, written, |call| *call == Call::Flush(from.clone()));
        assert!(flushed < at, "{to} was renamed before it was flushed");
        let folder = Path::new(to).parent().unwrap().to_str().unwrap();
        let folder = position(calls, at, |call| *call == Call::Flush(folder.to_owned()));
        assert!(folder < acknowledged, "the folder of {to} was not flushed");
        renames += 1;
    }
    assert!(renames > 0);
}

/// An artifact's files get their names when all of them were flushed, and then wait for their folder once.
fn check_batch(calls: &[Call], number: u64) {
    let named = contents(number).into_iter().map(|bytes| {
        let blob = Digest::of(bytes.as_bytes()).hex();
        let is = |call: &Call| matches!(call, Call::Rename(_, to) if to.ends_with(&blob));
        position(calls, 0, is)
    });
    let named: Vec<usize> = named.collect();
    let (first, last) = (*named.iter().min().unwrap(), *named.iter().max().unwrap());
    assert_eq!(last - first + 1, named.len(), "something came in between");
    for at in named {
        let Call::Rename(from, _) = &calls[at] else {
            unreachable!("the position is one of a rename");
        };
        let flushed = position(calls, 0, |call| *call == Call::Flush(from.clone()));
        assert!(flushed < first, "{from} was flushed after another's rename");
    }
}

/// Blob, then entries and tiles, then the list of checkpoints, then the checkpoint, then what is derived.
fn check_order(calls: &[Call]) {
    let renamed =
        |part| move |call: &Call| matches!(call, Call::Rename(_, to) if to.contains(part));
    let flushed =
        |part| move |call: &Call| matches!(call, Call::Flush(path) if path.ends_with(part));
    type Is = Box<dyn Fn(&Call) -> bool>;
    let steps: [(&str, Is); 12] = [
        ("blob", Box::new(renamed("/blobs/sha256/"))),
        ("its folder", Box::new(flushed("/blobs/sha256"))),
        ("entries", Box::new(renamed("/tile/entries/"))),
        ("tile", Box::new(renamed("/tile/0/"))),
        ("its folder", Box::new(flushed("/tile/0/000.p"))),
        ("list of checkpoints", Box::new(flushed("/log/checkpoints"))),
        ("checkpoint", Box::new(renamed("/log/checkpoint"))),
        ("its folder", Box::new(flushed("/.modelward/log"))),
        ("referrers", Box::new(renamed("/referrers/"))),
        ("its folder", Box::new(flushed("/referrers"))),
        ("index", Box::new(flushed("/index.sqlite"))),
        (
            "acknowledgement",
            Box::new(|call| *call == Call::Acknowledge),
        ),
    ];
    let mut at = 0;
    for (step, is) in steps {
        let first = position(calls, 0, &is);
        // Folders and the index are flushed for other files too; a file gets its name once.
        let is_repeated = matches!(step, "its folder" | "index");
        assert!(is_repeated || first >= at, "{step} came too early");
        at = position(calls, at, &is);
    }
}

fn position(calls: &[Call], from: usize, is: impl Fn(&Call) -> bool) -> usize {
    let found = calls[from..].iter().position(is);
    from + found.unwrap_or_else(|| panic!("not among the calls: {calls:#?}"))
}

fn trace(room: &Room, first: u64) -> Vec<Call> {
    let output = room.dir.path().join("trace");
    let calls = "trace=write,pwrite64,writev,fsync,fdatasync,rename,renameat,renameat2";
    let tracer = [
        "strace",
        "-f",
        "-y",
        "-s",
        "64",
        "-e",
        calls,
        "-o",
        output.to_str().unwrap(),
    ];
    let mut command = child::command(&tracer, WRITER, room.dir.path(), first, 1);
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    let text = String::from_utf8_lossy(&fs::read(&output).unwrap()).into_owned();
    finished(&text).filter_map(|line| parse(&line)).collect()
}

/// The calls in the order in which they ended: those of threads overlap, and a flush counts when it is done.
fn finished(text: &str) -> impl Iterator<Item = String> {
    let mut begun = BTreeMap::new();
    text.lines().filter_map(move |line| {
        let (thread, call) = line.split_once(' ')?;
        if let Some(beginning) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(thread.to_owned(), beginning.to_owned());
            return None;
        }
        let Some((_, end)) = call.split_once(" resumed>") else {
            return Some(line.to_owned());
        };
        let beginning = begun.remove(thread)?;
        Some(format!("{thread} {beginning}{end}"))
    })
}

#[test]
fn a_call_counts_when_it_has_ended() {
    let text = "1 fsync(3</t/w> <unfinished ...>\n2   rename(\"/t/w\", \"/b/x\") = 0\n1 <... fsync resumed>) = 0\n";
    let calls: Vec<_> = finished(text).filter_map(|line| parse(&line)).collect();
    let (flush, rename) = (
        Call::Flush("/t/w".into()),
        Call::Rename("/t/w".into(), "/b/x".into()),
    );
    assert_eq!(calls, [rename, flush]);
}

/// A line such as `17 fsync(3</folder/file>) = 0`.
fn parse(line: &str) -> Option<Call> {
    let (_, call) = line.split_once(' ')?;
    let (name, arguments) = call.trim_start().split_once('(')?;
    if line.contains("= -1 ") {
        return None;
    }
    let file = || Some(arguments.split_once('<')?.1.split_once('>')?.0.to_owned());
    match name {
        "write" if arguments.contains("\"acknowledged ") => Some(Call::Acknowledge),
        "write" | "pwrite64" | "writev" => file().map(Call::Write),
        "fsync" | "fdatasync" => file().map(Call::Flush),
        _ => {
            let mut paths = arguments.split('"').skip(1).step_by(2).map(str::to_owned);
            Some(Call::Rename(paths.next()?, paths.next()?))
        }
    }
}

fn can_trace() -> bool {
    let mut tried = Command::new("strace");
    tried
        .args(["-f", "-o", "/dev/null", "true"])
        .stderr(Stdio::null());
    tried.status().is_ok_and(|status| status.success())
}
