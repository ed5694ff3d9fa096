//! Hashing what is in the page cache: one file of 1 GiB, eight of 256 MiB, and 5,000 of 16 KiB.

use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Command, ExitCode};

use digest::{Kernel, Kernels, Links, Method, Walk};

use crate::measure::{Cost, Turn, program, rounds_of};
use crate::table::{Bar, Peer, Row, Table, Unit};
use crate::{Bench, Result, files, masked};

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    if Command::new("openssl").arg("version").output().is_err() {
        table.missing("hashing", "`openssl` is not here", true);
        return Ok(());
    }
    let model = &bench.model;
    let mut ours = Command::new(std::env::current_exe()?);
    ours.arg("__hash").arg(model);
    let costs = beside_openssl(11, &[&ours, &listing(model, CHOSEN, SHARD_SIZE)?], &[model])?;
    let [openssl, ours, shards] = costs.as_slice() else {
        return Err("not as many costs as programs".into());
    };
    let whole = ["hashing 1 GiB, CPU", "hashing 1 GiB, wall"];
    add(table, whole, ours, openssl, [Bar::Ratio(1.0); 2]);
    let in_shards = [
        "hashing 1 GiB in shards, CPU",
        "hashing 1 GiB in shards, wall",
    ];
    add(table, in_shards, shards, openssl, [Bar::Ratio(1.0); 2]);
    eight_large(bench, table)?;
    many_small(bench, table)
}

/// By the kernels that are chosen, which have a bar, and by each alone; then as on processors that have less.
fn eight_large(bench: &Bench, table: &mut Table) -> Result<()> {
    let folder = bench.folder.path().join("eight");
    let parts = files::parts(&folder, 8, 256 << 20)?;
    let parts: Vec<&Path> = parts.iter().map(AsRef::as_ref).collect();
    let here: Vec<Kernel> = Kernel::ALL.into_iter().filter(|k| k.is_here()).collect();
    let mut programs = vec![listing(&folder, CHOSEN, 0)?];
    for kernel in &here {
        programs.push(listing(&folder, &kernel.to_string(), 0)?);
    }
    let programs: Vec<&Command> = programs.iter().collect();
    let costs = beside_openssl(5, &programs, &parts)?;
    let [openssl, chosen, each @ ..] = costs.as_slice() else {
        return Err("not as many costs as programs".into());
    };
    let names = ["hashing 8 x 256 MiB, CPU", "hashing 8 x 256 MiB, wall"];
    add(table, names, chosen, openssl, [bar(), Bar::None]);
    for kernel in Kernel::ALL {
        let names = by(kernel);
        match here
            .iter()
            .position(|at| *at == kernel)
            .and_then(|at| each.get(at))
        {
            Some(cost) => add(table, names, cost, openssl, [Bar::None; 2]),
            None => table.missing(names[0], "not run: this processor lacks the kernel", false),
        }
    }
    masked::measure(&folder, &parts, openssl.cpu, table)?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn many_small(bench: &Bench, table: &mut Table) -> Result<()> {
    let folder = bench.folder.path().join("small");
    let parts = files::parts(&folder, 5_000, 16 << 10)?;
    let parts: Vec<&Path> = parts.iter().map(AsRef::as_ref).collect();
    let costs = beside_openssl(11, &[&listing(&folder, CHOSEN, 0)?], &parts)?;
    let [openssl, ours] = costs.as_slice() else {
        return Err("not as many costs as programs".into());
    };
    let names = [
        "hashing 5,000 x 16 KiB, CPU",
        "hashing 5,000 x 16 KiB, wall",
    ];
    add(table, names, ours, openssl, [Bar::Ratio(1.0); 2]);
    Ok(())
}

/// The most processor time for eight large files: it depends on what the processor has.
pub(crate) fn bar() -> Bar {
    match (
        Kernel::ShaNi.is_here(),
        Kernel::Avx512.is_here(),
        Kernel::Avx2.is_here(),
    ) {
        (true, _, _) => Bar::Ratio(0.75),
        (false, true, _) => Bar::Ratio(1.0 / 3.0),
        (false, false, true) => Bar::Ratio(0.5),
        (false, false, false) => Bar::Ratio(1.0),
    }
}

const fn by(kernel: Kernel) -> [&'static str; 2] {
    match kernel {
        Kernel::Avx512 => ["  by avx512 alone, CPU", "  by avx512 alone, wall"],
        Kernel::Avx512Vl => ["  by avx512vl alone, CPU", "  by avx512vl alone, wall"],
        Kernel::Avx2 => ["  by avx2 alone, CPU", "  by avx2 alone, wall"],
        Kernel::ShaNi => ["  by shani alone, CPU", "  by shani alone, wall"],
        Kernel::OneByOne => ["  one by one, CPU", "  one by one, wall"],
    }
}

/// The costs of openssl over these files, then of our programs.
pub(crate) fn beside_openssl(
    count: usize,
    ours: &[&Command],
    files: &[&Path],
) -> Result<Vec<Cost>> {
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256"]).args(files);
    let all: Vec<&Command> = [&[&openssl], ours].concat();
    let mut turns: Vec<_> = all
        .iter()
        .map(|command| || Ok(program(command)?.cost))
        .collect();
    let mut turns: Vec<Turn<'_>> = turns.iter_mut().map(|turn| turn as Turn<'_>).collect();
    rounds_of(count, &mut turns)
}

fn add(table: &mut Table, names: [&'static str; 2], ours: &Cost, openssl: &Cost, bars: [Bar; 2]) {
    let [cpu, wall] = bars;
    for (what, ours, peer, bar) in [
        (names[0], ours.cpu, openssl.cpu, cpu),
        (names[1], ours.wall, openssl.wall, wall),
    ] {
        table.add(&Row {
            what,
            unit: Unit::Milliseconds,
            ours,
            peer: Some(Peer {
                name: "openssl dgst -sha256",
                value: peer,
            }),
            bar,
        });
    }
}

/// Lists a folder, or a file, in a process of its own: [`list`] there.
pub(crate) fn listing(root: &Path, kernels: &str, shard_size: u64) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("__list").arg(root);
    command.args([kernels, &shard_size.to_string()]);
    Ok(command)
}

/// The kernels that the product chooses.
const CHOSEN: &str = "chosen";
/// So many that every lane of every core has one.
pub(crate) const SHARD_SIZE: u64 = 1 << 20;

/// What every command does with a model, by the kernel of this name, or as is chosen among several.
pub(crate) fn list(root: &Path, kernels: &str, shard_size: &str) -> Result<ExitCode> {
    let known = |name: &str| Kernel::ALL.into_iter().find(|k| k.to_string() == name);
    let kernels = match kernels.split_once(',') {
        _ if kernels == CHOSEN => Some(Kernels::of_this_processor()),
        Some(_) => {
            let named: Option<Vec<Kernel>> = kernels.split(',').map(known).collect();
            named.map(|named| Kernels::among(&named))
        }
        None => known(kernels).and_then(Kernels::only),
    };
    let kernels = kernels.ok_or("this processor has no such kernel")?;
    let method = Method {
        shard_size: NonZeroU64::new(shard_size.parse()?),
        ..Method::WHOLE_SHA256
    };
    let walk = Walk {
        ignore: &|_| false,
        links: Links::Refuse,
    };
    let resources = digest::list_resources_by(kernels, root, &walk, method, &|_| ())?;
    println!("{}", resources.len());
    Ok(ExitCode::SUCCESS)
}

/// What every command does with a file, in a process of its own as the peer has.
pub(crate) fn hash(file: &Path) -> Result<ExitCode> {
    println!("{}", digest::measure_file(file)?.digest());
    Ok(ExitCode::SUCCESS)
}
