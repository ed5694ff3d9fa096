//! Signing and verifying 1 GiB beside the reference implementation of OpenSSF model signing, where it is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{program, rounds};
use crate::table::{Bar, Peer, Row, Table, Unit};
use crate::{Bench, Result};

const PEER: &str = "model_signing";

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let model = bench.model.as_path();
    let Some(peer) = find(&bench.target.join("interop")) else {
        let why = "peer not here: `model_signing` is installed by `make interop`";
        table.missing(
            "start-up, signing and verifying beside model_signing",
            why,
            false,
        );
        return Ok(());
    };
    let folder = bench.folder.path();
    let (private, public) = keys(folder)?;
    let (ours_to, theirs_to) = (folder.join("ours.sig"), folder.join("theirs.sig"));
    let peer_with = |words: [&str; 2], key: &str, file: &Path, signature: &Path| {
        let mut command = Command::new(&peer);
        command.args(words).arg("--signature").arg(signature);
        command.arg(key).arg(file).arg(model);
        command
    };
    let ours_with = |word: &str, key: &str, file: &Path| {
        let mut command = Command::new(&bench.modelward);
        command.args([word, "--quiet", key]).arg(file);
        command.arg("--signature").arg(&ours_to).arg(model);
        command
    };
    let mut starts = [Command::new(&bench.modelward), Command::new(&peer)];
    starts.iter_mut().for_each(|start| {
        start.arg("--version");
    });
    let [start, peer_start] = starts;
    for (what, ours, peer) in [
        ("start-up beside model_signing, wall", start, peer_start),
        (
            "signing 1 GiB beside model_signing, wall",
            ours_with("sign", "--private-key", &private),
            peer_with(["sign", "key"], "--private_key", &private, &theirs_to),
        ),
        (
            "verifying 1 GiB beside model_signing, wall",
            ours_with("verify", "--public-key", &public),
            peer_with(["verify", "key"], "--public_key", &public, &theirs_to),
        ),
    ] {
        let [ours, peer] = rounds(
            3,
            [&mut || Ok(program(&ours)?.cost), &mut || {
                Ok(program(&peer)?.cost)
            }],
        )?;
        table.add(&Row {
            what,
            unit: Unit::Milliseconds,
            ours: ours.wall,
            peer: Some(Peer {
                name: PEER,
                value: peer.wall,
            }),
            bar: Bar::None,
        });
    }
    Ok(())
}

/// The peer's program in one of the environments of `make interop`.
fn find(interop: &Path) -> Option<PathBuf> {
    let environments = std::fs::read_dir(interop).ok()?.flatten();
    let mut programs = environments.map(|environment| environment.path().join("bin").join(PEER));
    programs.find(|program| program.exists())
}

/// A key that both take.
pub(crate) fn keys(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    use trust::Signer;
    let key = trust::PrivateKey::from_random(&[9; 32])?;
    let (private, public) = (folder.join("key.pem"), folder.join("key.pub"));
    std::fs::write(&private, key.to_pem(None)?.as_bytes())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&private, mode)?;
    std::fs::write(&public, key.public_key().pem())?;
    Ok((private, public))
}
