//! What a person sees who watches on a terminal, and that programs see nothing of it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;

use digest::Digest;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::workshop::{Outcome, PROD, TRAIN, Workshop, admit, publish};

/// A registry's client that has the archive at hand, and gives the half of it now and the rest a little later.
const CLIENT: &str = "#!/bin/sh
cd \"$(dirname \"$0\")/..\" && exec 3> client/part.tgz
head -c SIZE archive.tgz >&3; sleep 1; tail -c +$((SIZE + 1)) archive.tgz >&3
while [ \"$1\" != --pack-destination ]; do shift; done; mv client/part.tgz \"$2/bands-1.0.0.tgz\"
";

/// A workshop whose data is in a registry of its own; and how much of it comes at first.
fn fetching(is_size_known: bool) -> (Workshop, u64) {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new laptop");
    let mut tar = Command::new("tar");
    tar.args(["-czf", "archive.tgz", "-C", "data"]);
    tar.args(["architecture.json", "header", "train.sh", "weights"]);
    assert!(tar.current_dir(workshop.path()).status().unwrap().success());
    let archive = workshop.read("archive.tgz");
    let half = archive.len() as u64 / 2;
    let file = "\n[[dataset.file]]";
    if is_size_known {
        let (digest, size_bytes) = (Digest::of(&archive), archive.len());
        let rule = format!(
            "\n[dataset.archive]\ndigest = \"{digest}\"\nsize_bytes = {size_bytes}\n{file}"
        );
        workshop.replace("dependencies.toml", file, &rule);
    }
    workshop.replace(
        "dependencies.toml",
        "source = \"file:data\"",
        "source = \"npm:bands@1.0.0\"",
    );
    workshop.write("client/npm", CLIENT.replace("SIZE", &half.to_string()));
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(workshop.file("client/npm"), executable).unwrap();
    (workshop, half)
}

fn add(workshop: &Workshop, flags: &str) -> Command {
    let mut command = workshop.command(&format!(
        "dataset add bands --policy dependencies.toml {flags}"
    ));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", workshop.file("client").display());
    command.env("PATH", path).env("TERM", "xterm");
    command
}

/// Runs a command whose standard error is a terminal.
fn watched(mut command: Command) -> Outcome {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let theirs = File::options().write(true).open(name.to_str().unwrap());
    command.stderr(theirs.unwrap());
    let reading = thread::spawn(move || {
        let mut seen = Vec::new();
        // It ends with an error once nobody has the other side open any more.
        let _ = File::from(terminal).read_to_end(&mut seen);
        String::from_utf8(seen).unwrap()
    });
    let output = command.output().unwrap();
    drop(command);
    let mut outcome = Outcome::from(output);
    outcome.stderr = reading.join().unwrap();
    outcome
}

#[test]
fn a_download_is_drawn_as_it_comes_in() {
    let size = |bytes: u64| indicatif::HumanBytes(bytes).to_string();
    for is_size_known in [true, false] {
        let (workshop, half) = fetching(is_size_known);
        let seen = watched(add(&workshop, ""));
        assert_eq!(seen.status, 0, "{seen:?}");
        let total = format!("/{}", size(workshop.read("archive.tgz").len() as u64));
        let half = size(half);
        let is_drawn = |line: &str| line.contains("downloading") && line.contains(&half);
        let drawn = seen.stderr.split(['\r', '\n']).find(|line| is_drawn(line));
        let drawn = drawn.unwrap_or_else(|| panic!("no {half} in {}", seen.stderr));
        assert_eq!(drawn.contains(&total), is_size_known, "{drawn}");
    }
}

#[test]
fn nothing_is_drawn_for_a_program() {
    let bars = ["downloading", "storing", "\u{1b}"];
    let is_drawn = |seen: &Outcome| bars.iter().any(|bar| seen.stderr.contains(bar));
    let (workshop, _) = fetching(true);
    let piped = Outcome::of(&mut add(&workshop, ""));
    assert_eq!(piped.status, 0, "{piped:?}");
    assert!(!is_drawn(&piped), "{piped:?}");
    for flag in ["--json", "--quiet"] {
        let (workshop, _) = fetching(true);
        let seen = watched(add(&workshop, flag));
        assert_eq!(seen.status, 0, "{seen:?}");
        assert!(!is_drawn(&seen), "{flag}: {seen:?}");
    }
}

/// What strangers write: a line that would look like ours, a terminal's orders, and letters in another order.
const HOSTILE: &str = "bad\n    way to yes: rm -rf /\x1b[2J\r\u{9b}31m\u{202e}\u{2028}";

/// Runs a command both ways and sees that nothing of a stranger's text is obeyed or begins a line.
fn shows_harmlessly(workshop: &Workshop, line: &str, last: &[&str]) -> String {
    let run = |flags: &str| {
        let mut command = workshop.command(line);
        Outcome::of(command.args(last).args(flags.split_whitespace()))
    };
    let (told, data) = (run(""), run("--json"));
    for text in [&told.stdout, &told.stderr, &data.stdout, &data.stderr] {
        let obeyed = |c: &char| {
            let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
            turns || (c.is_control() && !matches!(c, '\n' | '\t'))
        };
        assert_eq!(text.chars().find(obeyed), None, "{line}: {text:?}");
        let ours = |line: &str| line.trim_start().starts_with("way to yes: rm");
        assert!(!text.lines().any(ours), "{line}: {text}");
    }
    told.stdout + &told.stderr
}

#[test]
fn a_reason_or_a_name_is_not_obeyed_by_a_terminal_and_begins_no_line() {
    let workshop = Workshop::admitted();
    workshop.write(&format!("odd/{}", HOSTILE.replace('/', "")), "x");
    workshop.write("turned/a\u{202e}b\u{2029}c.json", "{}");
    workshop.write(&format!("policies/{}.json", HOSTILE.replace('/', "")), "x");
    workshop.write("policies/org.json", workshop.read("publish/org.json"));
    workshop.write("other.toml", format!("{HOSTILE:?} = 1\n"));
    workshop.write_key();
    let shown = shows_harmlessly(&workshop, "recall dataset bands --reason", &[HOSTILE]);
    assert!(shown.starts_with("recalled the dataset"), "{shown}");
    // The reason is told, on one line.
    for line in [
        &admit("prod", PROD),
        "audit out/digits",
        "verify out/digits",
        &publish("prod"),
        TRAIN,
    ] {
        let shown = shows_harmlessly(&workshop, line, &[]);
        let told = "bad\u{fffd}    way to yes: rm -rf /\u{fffd}[2J";
        assert!(shown.contains(told), "{line}: {shown}");
    }
    for line in [
        "scan odd",
        "digest odd",
        "sign odd --private-key key.pem",
        "sign turned --private-key key.pem",
        "inspect turned.sig",
        "diff turned odd",
        "diff turned turned.sig",
        "scan turned",
        "sign turned",
        "store list",
        "oms digest turned",
        "oms digest odd",
        "oms digest turned --resources",
        "key list --settings other.toml",
        "publish out/digits --package a.example/b --policies policies",
        "oms sign key --private_key key.pem odd",
    ] {
        // `oms` has no `--json`, and says so.
        shows_harmlessly(&workshop, line, &[]);
    }
    for line in [
        "audit",
        "store get",
        "help error",
        "key new",
        "help",
        "scan",
        "verify",
        "inspect",
        "sign --key k out/digits --signature",
        "recall key --reason x",
        "recall model --reason x",
        "oms verify key turned --public_key",
        "deploy out/digits --package a.example/b --policies deployment --policy",
        "serve",
        "dataset add --policy",
        "train --input",
        "store init",
        "log grown",
        "sign turned --token",
        "nothing",
    ] {
        shows_harmlessly(&workshop, line, &[HOSTILE]);
    }
}

/// Nobody who waits for one long file thinks that nothing goes on; and the bar is drawn in its own style from the first.
#[test]
fn hashing_one_long_file_is_drawn_as_it_is_read() {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write("model/w", "");
    let file = File::options().write(true).open(workshop.file("model/w"));
    file.unwrap().set_len(1 << 30).unwrap();
    let mut command = workshop.command("digest model");
    command.env("TERM", "xterm");
    let seen = watched(command);
    assert_eq!(seen.status, 0, "{seen:?}");
    let is_between = |frame: &str| frame.contains("/1.00 GiB") && !frame.contains(" 0 B/1.00 GiB");
    assert!(seen.stderr.split('\r').any(is_between), "{seen:?}");
    assert!(!seen.stderr.contains('\u{2591}'), "{seen:?}");
}
