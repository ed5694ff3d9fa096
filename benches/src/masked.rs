//! Hashing as on processors that have less than this one: openssl is told not to use what they lack, and ours stays with
//! the kernels that they have. What only the memory or the clock of another machine would show, this does not.

use std::path::Path;
use std::process::Command;

use digest::Kernel;

use crate::Result;
use crate::hashing::listing;
use crate::measure::{Cost, program, rounds};
use crate::table::{Bar, Peer, Row, Table, Unit};

/// A processor that this one can play.
struct Lesser {
    what: &'static str,
    /// The first is the one that it can't do without.
    kernels: &'static [Kernel],
    /// Bits of the register EBX of the leaf 7 of CPUID that openssl must not see.
    hidden: u32,
    peer: &'static str,
    bar: Bar,
}

const SHA: u32 = 1 << 29;
/// Its parts F, DQ, IFMA, CD, BW and VL.
const AVX512: u32 = 1 << 16 | 1 << 17 | 1 << 21 | 1 << 28 | 1 << 30 | 1 << 31;

const LESSER: [Lesser; 2] = [
    Lesser {
        what: "hashing 8 x 256 MiB, SHA masked: by avx512, CPU",
        kernels: &[Kernel::Avx512Vl, Kernel::Avx512],
        hidden: SHA,
        peer: "openssl, SHA masked",
        bar: Bar::Ratio(1.0 / 3.0),
    },
    Lesser {
        what: "hashing 8 x 256 MiB, SHA+AVX-512 masked: by avx2, CPU",
        kernels: &[Kernel::Avx2],
        hidden: SHA | AVX512,
        peer: "openssl, both masked",
        bar: Bar::Ratio(0.5),
    },
];

/// Of these files in this folder, for which openssl unmasked took `openssl_cpu`.
pub(crate) fn measure(
    folder: &Path,
    files: &[&Path],
    openssl_cpu: f64,
    table: &mut Table,
) -> Result<()> {
    for lesser in &LESSER {
        if !lesser.kernels.iter().all(|kernel| kernel.is_here()) {
            table.missing(
                lesser.what,
                "not run: this processor lacks the kernel",
                false,
            );
            continue;
        }
        if !hides(lesser.hidden) {
            table.missing(
                lesser.what,
                "this openssl does not let itself be masked",
                true,
            );
            continue;
        }
        let [ours, openssl] = lesser.beside_openssl(folder, files)?;
        // It says what it sees, and whether it goes by that is to be seen here.
        if Kernel::ShaNi.is_here() && openssl.cpu < openssl_cpu * SLOWER_WITHOUT_SHA {
            table.missing(
                lesser.what,
                "masked, this openssl is as fast as before",
                true,
            );
            continue;
        }
        table.add(&Row {
            what: lesser.what,
            unit: Unit::Milliseconds,
            ours: ours.cpu,
            peer: Some(Peer {
                name: lesser.peer,
                value: openssl.cpu,
            }),
            bar: lesser.bar,
        });
    }
    Ok(())
}

/// The SHA instructions make one stream at least this much faster, wherever they are.
const SLOWER_WITHOUT_SHA: f64 = 1.5;

impl Lesser {
    fn beside_openssl(&self, folder: &Path, files: &[&Path]) -> Result<[Cost; 2]> {
        let names: Vec<String> = self.kernels.iter().map(ToString::to_string).collect();
        let mut ours = listing(folder, &names.join(","), 0)?;
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256"]).args(files);
        // AWS-LC, which hashes what goes alone, reads the same variable.
        for command in [&mut ours, &mut openssl] {
            command.env(VARIABLE, mask(self.hidden));
        }
        rounds(
            5,
            [&mut || Ok(program(&ours)?.cost), &mut || {
                Ok(program(&openssl)?.cost)
            }],
        )
    }
}

const VARIABLE: &str = "OPENSSL_ia32cap";

/// Without these bits in the second of its words; the first stays as it is.
fn mask(hidden: u32) -> String {
    format!(":~{hidden:#x}")
}

/// Whether openssl, told so, says that it doesn't see any of this.
fn hides(hidden: u32) -> bool {
    let mut command = Command::new("openssl");
    command.args(["info", "-cpusettings"]);
    let said = command.env(VARIABLE, mask(hidden)).output();
    let said = said.map_or(String::new(), |said| {
        String::from_utf8_lossy(&said.stdout).into_owned()
    });
    sees(&said).is_some_and(|seen| seen & u64::from(hidden) == 0)
}

/// The second word of `OPENSSL_ia32cap=0x…:0x… env:…`.
fn sees(said: &str) -> Option<u64> {
    let words = said.strip_prefix(VARIABLE)?.strip_prefix('=')?;
    let second = words.split([':', ' ', '\n']).nth(1)?;
    u64::from_str_radix(second.strip_prefix("0x")?, 16).ok()
}
