//! `digest`, `sign` and `verify` as they are run, on what is in the page cache, beside openssl that hashes the same files.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::hashing::{SHARD_SIZE, bar, beside_openssl};
use crate::table::{Bar, Peer, Row, Table, Unit};
use crate::{Bench, Result, files};

pub(crate) fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    if Command::new("openssl").arg("version").output().is_err() {
        table.missing("signing and verifying", "`openssl` is not here", true);
        return Ok(());
    }
    let ours = Ours::new(bench)?;
    one_large(bench, &ours, table)?;
    eight_large(bench, &ours, table)
}

fn one_large(bench: &Bench, ours: &Ours, table: &mut Table) -> Result<()> {
    let model = bench.model.as_path();
    let mut digest = Command::new(&bench.modelward);
    digest.args(["digest", "--quiet"]).arg(model);
    let mut shards = ours.sign(model, "shards.sig");
    shards.args(["--shard-size", &SHARD_SIZE.to_string()]);
    let programs = [
        &digest,
        &ours.sign(model, "one.sig"),
        &ours.verify(model, "one.sig"),
        &shards,
        &ours.verify(model, "shards.sig"),
    ];
    let costs = beside_openssl(7, &programs, &[model])?;
    let [openssl, digest, sign, verify, shards, verify_shards] = costs.as_slice() else {
        return Err("not as many costs as programs".into());
    };
    let bar = Bar::Ratio(1.05);
    for (what, cost) in [
        ("`modelward digest` of one file of 1 GiB, CPU", digest),
        ("`modelward sign` of one file of 1 GiB, CPU", sign),
        ("`modelward verify` of one file of 1 GiB, CPU", verify),
    ] {
        add(table, what, [cost.cpu, openssl.cpu], bar);
    }
    for (names, cost) in [
        (
            [
                "signing 1 GiB in shards, CPU",
                "signing 1 GiB in shards, wall",
            ],
            shards,
        ),
        (
            [
                "verifying 1 GiB in shards, CPU",
                "verifying 1 GiB in shards, wall",
            ],
            verify_shards,
        ),
    ] {
        add(table, names[0], [cost.cpu, openssl.cpu], bar);
        add(table, names[1], [cost.wall, openssl.wall], bar);
    }
    Ok(())
}

fn eight_large(bench: &Bench, ours: &Ours, table: &mut Table) -> Result<()> {
    let folder = bench.folder.path().join("eight-to-sign");
    let parts = files::parts(&folder, 8, 256 << 20)?;
    let parts: Vec<&Path> = parts.iter().map(AsRef::as_ref).collect();
    let programs = [
        &ours.sign(&folder, "eight.sig"),
        &ours.verify(&folder, "eight.sig"),
    ];
    let costs = beside_openssl(5, &programs, &parts)?;
    let [openssl, sign, verify] = costs.as_slice() else {
        return Err("not as many costs as programs".into());
    };
    for (what, cost) in [
        ("signing 8 x 256 MiB, CPU", sign),
        ("verifying 8 x 256 MiB, CPU", verify),
    ] {
        add(table, what, [cost.cpu, openssl.cpu], bar());
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn add(table: &mut Table, what: &'static str, [ours, peer]: [f64; 2], bar: Bar) {
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

/// The program, with a key of its own.
pub(crate) struct Ours {
    program: PathBuf,
    folder: PathBuf,
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

impl Ours {
    pub(crate) fn new(bench: &Bench) -> Result<Self> {
        let folder = bench.folder.path().to_owned();
        let (private, public) = keys(&folder)?;
        Ok(Self {
            program: bench.modelward.clone(),
            folder,
            private,
            public,
        })
    }

    /// The signature goes into the folder of what is measured.
    pub(crate) fn sign(&self, model: &Path, signature: &str) -> Command {
        self.command("sign", "--private-key", &self.private, model, signature)
    }

    pub(crate) fn verify(&self, model: &Path, signature: &str) -> Command {
        self.command("verify", "--public-key", &self.public, model, signature)
    }

    fn command(&self, word: &str, key: &str, file: &Path, model: &Path, to: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args([word, "--quiet", key]).arg(file);
        command.arg("--signature").arg(self.folder.join(to));
        command.arg(model);
        command
    }
}

/// A key that the peers take, too.
fn keys(folder: &Path) -> Result<(PathBuf, PathBuf)> {
    use trust::Signer;
    let key = trust::PrivateKey::from_random(&[9; 32])?;
    let (private, public) = (folder.join("key.pem"), folder.join("key.pub"));
    std::fs::write(&private, key.to_pem(None)?.as_bytes())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&private, mode)?;
    std::fs::write(&public, key.public_key().pem())?;
    Ok((private, public))
}
