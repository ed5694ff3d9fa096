//! How long it takes until the program has said its version.

use std::process::Command;

use crate::measure::{program, rounds};
use crate::table::{Bar, Peer, Row, Table, Unit};
use crate::{Bench, Result};

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let mut ours = Command::new(&bench.modelward);
    ours.arg("--version");
    let nothing = Command::new("/bin/true");
    let [ours, nothing] = rounds(
        50,
        [&mut || Ok(program(&ours)?.cost), &mut || {
            Ok(program(&nothing)?.cost)
        }],
    )?;
    table.add(&Row {
        what: "start-up of `modelward --version`, wall",
        unit: Unit::Milliseconds,
        ours: ours.wall,
        peer: Some(Peer {
            name: "/bin/true",
            value: nothing.wall,
        }),
        bar: Bar::Absolute(15.0),
    });
    Ok(())
}
