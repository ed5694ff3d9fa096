//! What a person sees who watches on a terminal, and that programs see nothing of it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;

use digest::Digest;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::workshop::{Outcome, Workshop};

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
