//! What a step's sandbox costs over bare `bwrap`.
//!
//! The step is `/bin/true`, without inputs or outputs. The root it sees is an input too: measuring it is timed alone and
//! taken off, as it grows with the root.
//!
//! Runner, observer and signer have a network namespace each and `bwrap` makes one. The kernel makes and removes them
//! one at a time, so what else makes network namespaces on the machine meanwhile is paid for threefold.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use host::builder::{FIRST_ID, Limits, Step, Users};
use host::root::RootTree;

use crate::measure::{cost, rounds};
use crate::table::{Bar, Peer, Row, Table, Unit};
use crate::{Bench, Result};

const ROUNDS: usize = 60;

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let what = "sandbox of a step, root's hashing apart, wall";
    if Command::new("bwrap").arg("--version").output().is_err() {
        table.missing(what, "`bwrap` is not here", true);
        return Ok(());
    }
    let (step, users) = (step(bench.folder.path())?, Users::detect(FIRST_ID)?);
    let key = trust::PrivateKey::from_random(&[7; 32])?
        .to_pem(None)?
        .to_string();
    // Ending the three processes and removing the run's folder belong to it.
    let run = |key: Option<&str>| {
        cost(|| {
            let stop = std::sync::atomic::AtomicBool::new(false);
            let ran = host::builder::run(&step, &users, key, &stop, &mut |_, _| ())?;
            drop(ran);
            Ok(())
        })
    };
    let [root, plain, signed, peer] = rounds(
        ROUNDS,
        [
            &mut || cost(|| Ok(step.root.manifest()?)),
            &mut || run(None),
            &mut || run(Some(&key)),
            &mut || cost(|| bwrap(&step.root)),
        ],
    )?;
    for (what, ours) in [
        (what, plain),
        ("the same with a signer that holds the key", signed),
    ] {
        table.add(&Row {
            what,
            unit: Unit::Milliseconds,
            ours: ours.wall - root.wall,
            peer: Some(Peer {
                name: "bwrap",
                value: peer.wall,
            }),
            bar: Bar::Over(15.0),
        });
    }
    Ok(())
}

fn step(folder: &Path) -> Result<Step> {
    let (root, runs) = (folder.join("root"), folder.join("runs"));
    std::fs::create_dir(&runs)?;
    let root = host::root::closure(&["/bin/true".into()], &[], &root)?.root;
    // Places for `bwrap` to mount on.
    for name in ["proc", "dev", "tmp"] {
        std::fs::create_dir(root.path().join(name))?;
    }
    Ok(Step {
        root,
        inputs: Vec::new(),
        command: vec!["/bin/true".into()],
        env: BTreeMap::from([("PATH".into(), "/bin".into())]),
        limits: Limits::default(),
        runs,
    })
}

/// The same namespaces, a read-only root, `/proc`, `/dev` and `/tmp`, no capabilities. It filters no system calls, has no
/// Landlock and no limits, and measures nothing.
fn bwrap(root: &RootTree) -> Result<()> {
    let before = "--unshare-user --uid 1000 --gid 1000 --unshare-pid --unshare-net --unshare-ipc --unshare-uts \
        --unshare-cgroup-try --die-with-parent --new-session --hostname step --clearenv --setenv PATH /bin --ro-bind";
    let status = Command::new("bwrap")
        .args(before.split_whitespace())
        .arg(root.path())
        .args("/ --proc /proc --dev /dev --tmpfs /tmp --cap-drop ALL -- /bin/true".split(' '))
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("`bwrap` can't make a sandbox here".into())
    }
}
