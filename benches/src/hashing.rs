//! Hashing a file of 1 GiB that is in the page cache.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::measure::{program, rounds};
use crate::table::{Bar, Peer, Row, Table, Unit};
use crate::{Bench, Result};

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let mut ours = Command::new(std::env::current_exe()?);
    ours.arg("__hash").arg(&bench.model);
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256"]).arg(&bench.model);
    if openssl.output().is_err() {
        table.missing("hashing 1 GiB", "`openssl` is not here", true);
        return Ok(());
    }
    let [ours, openssl] = rounds(
        11,
        [&mut || Ok(program(&ours)?.cost), &mut || {
            Ok(program(&openssl)?.cost)
        }],
    )?;
    for (what, ours, peer) in [
        ("hashing 1 GiB, CPU", ours.cpu, openssl.cpu),
        ("hashing 1 GiB, wall", ours.wall, openssl.wall),
    ] {
        table.add(&Row {
            what,
            unit: Unit::Milliseconds,
            ours,
            peer: Some(Peer {
                name: "openssl dgst -sha256",
                value: peer,
            }),
            bar: Bar::Ratio(1.0),
        });
    }
    Ok(())
}

/// What every command does with a file, in a process of its own as the peer has.
pub(crate) fn hash(file: &Path) -> Result<ExitCode> {
    println!("{}", digest::measure_file(file)?.digest());
    Ok(ExitCode::SUCCESS)
}
