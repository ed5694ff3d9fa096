//! Signing and verifying beside the reference implementation of OpenSSF model signing, where it is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::commands::Ours;
use crate::measure::{Cost, program, rounds};
use crate::table::{Bar, Peer, Row, Table, Unit};
use crate::{Bench, Result, files};

const PEER: &str = "model_signing";
/// The most processor time for many small files, of what the peer takes.
const SMALL: Bar = Bar::Ratio(0.2);

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let Some(program) = find(&bench.peers) else {
        let what = "start-up, signing and verifying beside model_signing";
        let why = "peer not here: `make interop` installs `model_signing`, and MODELWARD_INTEROP_CACHE says where";
        table.missing(what, why, true);
        return Ok(());
    };
    let ours = Ours::new(bench)?;
    let both = Both {
        theirs: Theirs {
            program: &program,
            signature: bench.folder.path().join("theirs.sig"),
            keys: [&ours.private, &ours.public],
        },
        ours: &ours,
    };
    let small = bench.folder.path().join("small-to-sign");
    files::parts(&small, 5_000, 16 << 10)?;
    start_up(bench, &program, table)?;
    let model = bench.model.as_path();
    for (whose, names, bar) in [
        (model, ["signing 1 GiB", "verifying 1 GiB"], Bar::None),
        (
            small.as_path(),
            ["signing 5,000 x 16 KiB", "verifying 5,000 x 16 KiB"],
            SMALL,
        ),
    ] {
        let [sign, verify] = both.take_turns(whose)?;
        for (name, costs) in names.iter().zip([sign, verify]) {
            add(
                table,
                &format!("{name}, CPU"),
                costs.map(|cost| cost.cpu),
                bar,
            );
            add(
                table,
                &format!("{name}, wall"),
                costs.map(|cost| cost.wall),
                Bar::None,
            );
        }
    }
    std::fs::remove_dir_all(small)?;
    Ok(())
}

fn start_up(bench: &Bench, peer: &Path, table: &mut Table) -> Result<()> {
    let [mut ours, mut theirs] = [Command::new(&bench.modelward), Command::new(peer)];
    ours.arg("--version");
    theirs.arg("--version");
    let costs = turns(&ours, &theirs)?;
    add(
        table,
        "start-up, wall",
        costs.map(|cost| cost.wall),
        Bar::Absolute(15.0),
    );
    Ok(())
}

struct Both<'a> {
    ours: &'a Ours,
    theirs: Theirs<'a>,
}

impl Both<'_> {
    /// Signing by both, then verifying by both.
    fn take_turns(&self, model: &Path) -> Result<[[Cost; 2]; 2]> {
        let to = "ours.sig";
        Ok([
            turns(&self.ours.sign(model, to), &self.theirs.sign(model))?,
            turns(&self.ours.verify(model, to), &self.theirs.verify(model))?,
        ])
    }
}

struct Theirs<'a> {
    program: &'a Path,
    signature: PathBuf,
    /// The private one, and the public one.
    keys: [&'a Path; 2],
}

impl Theirs<'_> {
    fn sign(&self, model: &Path) -> Command {
        self.command(["sign", "key", "--private_key"], self.keys[0], model)
    }

    fn verify(&self, model: &Path) -> Command {
        self.command(["verify", "key", "--public_key"], self.keys[1], model)
    }

    fn command(&self, words: [&str; 3], key: &Path, model: &Path) -> Command {
        let mut command = Command::new(self.program);
        command.args(words).arg(key);
        command.arg("--signature").arg(&self.signature).arg(model);
        command
    }
}

fn turns(ours: &Command, theirs: &Command) -> Result<[Cost; 2]> {
    rounds(
        3,
        [&mut || Ok(program(ours)?.cost), &mut || {
            Ok(program(theirs)?.cost)
        }],
    )
}

fn add(table: &mut Table, what: &str, [ours, peer]: [f64; 2], bar: Bar) {
    table.add(&Row {
        what,
        unit: Unit::Milliseconds,
        ours,
        peer: Some(Peer {
            name: PEER,
            value: peer,
        }),
        bar,
    });
}

/// The peer's program in one of the environments of `make interop`.
fn find(interop: &Path) -> Option<PathBuf> {
    let environments = std::fs::read_dir(interop).ok()?.flatten();
    let mut programs = environments.map(|environment| environment.path().join("bin").join(PEER));
    programs.find(|program| program.exists())
}
