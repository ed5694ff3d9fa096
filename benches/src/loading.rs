//! Loading 1 GiB of safetensors, against the three things that it has to do, each done alone.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;

use digest::{Measured, Sealed};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::measure::{cost, rounds};
use crate::table::{Bar, Peer, Row, Table, Unit};
use crate::{Bench, Result};

const SIZE_BYTES_MAX: u64 = 2 << 30;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let model = bench.model.as_path();
    let load = || -> Result<Sealed> {
        let sealed = Sealed::fill(&mut digest::open_file(model)?, SIZE_BYTES_MAX)?;
        decode::safetensors::read(&sealed)?;
        Ok(sealed)
    };
    let ready = load()?;
    let [ours, fill, hash, parse] = rounds(
        7,
        [
            &mut || cost(load),
            &mut || cost(|| fill(model)),
            &mut || cost(|| hash(&ready)),
            &mut || cost(|| Ok(decode::safetensors::read(&ready)?)),
        ],
    )?;
    for (what, ours, peer) in [
        (
            "loading 1 GiB, CPU",
            ours.cpu,
            fill.cpu + hash.cpu + parse.cpu,
        ),
        (
            "loading 1 GiB, wall",
            ours.wall,
            fill.wall + hash.wall + parse.wall,
        ),
    ] {
        table.add(&Row {
            what,
            unit: Unit::Milliseconds,
            ours,
            peer: Some(Peer {
                name: "fill + hash + parse",
                value: peer,
            }),
            bar: Bar::Ratio(1.10),
        });
    }
    Ok(())
}

/// Fills sealed memory, and nothing else.
fn fill(model: &Path) -> Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut memory = File::from(memfd_create("bench", flags)?);
    io::copy(&mut File::open(model)?, &mut memory)?;
    fcntl_add_seals(
        &memory,
        SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(memory)
}

/// Hashes sealed memory as any file is hashed, by its descriptor.
fn hash(sealed: &Sealed) -> Result<Measured> {
    let mut memory = sealed.file();
    memory.rewind()?;
    Ok(digest::measure_reader(&mut memory, &mut io::sink())?)
}
