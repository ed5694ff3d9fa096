//! What a command works on: a store, its trust root and keys, the settings, and the time.

mod dossier;
mod production;

use std::cell::RefCell;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chain::Ledger;
use digest::Digest;
use host::keys::KeyFolder;
use host::store::{Recorded, Store};
use trust::log::{Entry, LogKey, LogSigner};
use trust::{
    Artifact, Bundle, Code, Denied, Kind, Predicate, PrivateKey, Role, Signer, Statement, Time,
    TrustRoot, Verified,
};
use zeroize::Zeroizing;

use crate::answer::{Failure, allowed};
use crate::cli::Common;
use crate::faults::{at, io_code, password_file};
use crate::root_change;
use crate::settings::Settings;
use crate::staging::Staging;
use crate::ui::Ui;

/// An open store with all that belongs to it.
pub(crate) struct Workspace {
    pub(crate) store: Store,
    pub(crate) root: TrustRoot,
    pub(crate) keys: KeyFolder,
    pub(crate) settings: Settings,
    pub(crate) now: Time,
    /// When the Sigstore's root was refreshed that the trust root's `production` means, if it is not the one that is built in.
    pub(crate) refreshed: Option<Time>,
    /// Whether a person said which store is meant, and it is not just the nearest.
    is_named: bool,
}

impl Workspace {
    /// Opens the store that was named, or the nearest, and ends what a killed change of its keys left undone.
    pub(crate) fn open(common: &Common) -> Result<Self, Failure> {
        let mut workspace = Self::open_as_left(common)?;
        root_change::recover(&keys_folder(&workspace.store), &workspace.root);
        workspace.renew_production()?;
        Ok(workspace)
    }

    /// As [`Workspace::open`], but for who changes the root and its keys, and ends what was left undone itself.
    pub(crate) fn open_as_left(common: &Common) -> Result<Self, Failure> {
        let folder = locate(common)?;
        let store = Store::open(&folder)?;
        let root = host::trust_root::read(&root_path(&store))?;
        let settings = Settings::load(common.settings.as_deref(), Some(&folder))?;
        let keys = KeyFolder::at(&keys_folder(&store));
        let now = host::clock::now()?;
        Ok(Self {
            store,
            root,
            keys,
            settings,
            now,
            refreshed: None,
            is_named: common.store.is_some(),
        })
    }

    /// Which store says whom to believe, for a person who did not name it.
    pub(crate) fn decided_line(&self) -> Option<String> {
        let path = self.store.path();
        (!self.is_named).then(|| format!("whom to believe is said by `{}`", path.display()))
    }

    /// As [`Workspace::open`], but `None` where there is no store and none was named.
    pub(crate) fn open_if_there(common: &Common) -> Result<Option<Self>, Failure> {
        if common.store.is_none() && discover(&here()?).is_none() {
            return Ok(None);
        }
        Self::open(common).map(Some)
    }

    /// The log's last head, as it was signed; cheap to look at.
    pub(crate) fn checkpoint(&self) -> Result<Option<String>, Failure> {
        let Some(key) = self.log_key()? else {
            return Ok(None);
        };
        let checkpoint = self.store.log().checkpoint(&key)?;
        Ok(checkpoint.map(|checkpoint| checkpoint.note().to_owned()))
    }

    /// Checks the log and what it names.
    pub(crate) fn ledger(&self) -> Result<Ledger<'_>, Failure> {
        Ok(Ledger::open(self.dossier()?, &self.root, self.now)?)
    }

    /// The key that signs in a role: the one that was named, or the only one of the root that has it here.
    pub(crate) fn signer(&self, role: Role, named: Option<&str>) -> Result<PrivateKey, Failure> {
        let name = self.signer_name(role, named)?;
        self.not_recalled(&name)?;
        self.key(&name)
    }

    /// A key that was recalled says nothing more.
    fn not_recalled(&self, name: &str) -> Result<(), Failure> {
        let Some(key) = self.root.keys().find(|key| key.name == name) else {
            return Ok(());
        };
        let reasons = chain::recall::recalled_key(&self.ledger()?, key.public_key.id())?;
        Denied::from_reasons(reasons).map_or(Ok(()), |denied| Err(denied.into()))
    }

    /// A key of the store, decrypted if it is encrypted. A password that was to come from a file and can't is told.
    fn key(&self, name: &str) -> Result<PrivateKey, Failure> {
        let failed = RefCell::new(None);
        let ask = || match password() {
            Ok(password) => password,
            Err(failure) => {
                failed.replace(Some(failure));
                None
            }
        };
        let key = self.keys.load(name, &ask);
        match failed.take() {
            Some(failure) => Err(failure),
            None => Ok(key?),
        }
    }

    /// The name of the key that signs in a role.
    pub(crate) fn signer_name(&self, role: Role, named: Option<&str>) -> Result<String, Failure> {
        if let Some(name) = named {
            return Ok(name.to_owned());
        }
        let fits = |name: &&String| self.keys.has(name);
        let names = self
            .root
            .keys()
            .filter(|key| key.roles.contains(&role))
            .map(|key| &key.name);
        let names: Vec<&String> = names.filter(fits).collect();
        match names.as_slice() {
            [only] => Ok((*only).clone()),
            // With them the log's key went, and a new key would be of no use.
            [] if !keys_folder(&self.store).exists() => {
                Err(root_change::lost(&keys_folder(&self.store)))
            }
            [] => Err(Failure::error(
                Code::KeyMissing,
                format!("no key here has the role `{role}`"),
                format!("make one with `modelward key new NAME --role {role}`"),
            )),
            several => Err(Failure::error(
                Code::Usage,
                format!(
                    "{} keys here have the role `{role}`: {}",
                    several.len(),
                    list(several)
                ),
                "choose one with `--key NAME`",
            )),
        }
    }

    /// Signs a statement, checks it as any gate will, and records it: blob, log line, index.
    pub(crate) fn say<P: Predicate>(
        &self,
        statement: &Statement<P>,
        key: &dyn Signer,
    ) -> Result<Said, Failure> {
        self.record::<P>(&seal(statement, key)?)
    }

    /// As [`Self::say`], and gives back what was said: a statement over many files is long, and here is not held twice.
    pub(crate) fn say_long<P: Predicate>(
        &self,
        statement: Statement<P>,
        key: &dyn Signer,
    ) -> Result<(Said, Verified<Statement<P>>), Failure> {
        let bundle = seal(&statement, key)?;
        drop(statement);
        self.believe_and_record(&bundle)
    }

    /// Checks a bundle as any gate will, and records it.
    pub(crate) fn record<P: Predicate>(&self, bundle: &Bundle) -> Result<Said, Failure> {
        Ok(self.believe_and_record::<P>(bundle)?.0)
    }

    fn believe_and_record<P: Predicate>(
        &self,
        bundle: &Bundle,
    ) -> Result<(Said, Verified<Statement<P>>), Failure> {
        // Not when it began: a step may take hours, and its key's time may end meanwhile.
        let now = host::clock::now()?;
        let verified = trust::verify_bundle::<P>(bundle, &self.root, now)?;
        let subjects = verified
            .value()
            .subjects
            .iter()
            .map(|subject| subject.digest);
        let entry = Entry::new(verified.proof().bundle, P::TYPE, subjects)
            .map_err(|e| Failure::from_error(Code::StatementInvalid, &e, ""))?;
        let write = |out: &mut dyn std::io::Write| bundle.write(out);
        let signer = self.log_signer()?;
        let Recorded {
            bundle, log_index, ..
        } = self.store.record_written(&write, &entry, &signer)?;
        Ok((Said { bundle, log_index }, verified))
    }

    /// The key of this store's log, as the root knows it.
    pub(crate) fn log_key(&self) -> Result<Option<LogKey>, Failure> {
        let keys = self.root.logs().iter().map(|key| key.parse::<LogKey>());
        let keys: Vec<LogKey> = keys.collect::<Result<_, _>>().map_err(|e| {
            Failure::from_error(
                Code::RootInvalid,
                &e,
                "the trust root's `[[log]]` holds C2SP verifier keys",
            )
        })?;
        let ours = |key: &LogKey| self.store.log().checkpoint(key).is_ok();
        let found = keys.iter().find(|key| ours(key)).or(keys.first());
        Ok(found.cloned())
    }

    fn log_signer(&self) -> Result<LogSigner, Failure> {
        host::trust_root::log_signer(&keys_folder(&self.store)).map_err(Failure::from)
    }

    /// Puts the files of an artifact in that was measured: `path_of` says where each is.
    pub(crate) fn keep(
        &self,
        name: &str,
        artifact: &Artifact,
        path_of: &dyn Fn(&str) -> PathBuf,
        ui: &Ui,
    ) -> Result<(), Failure> {
        let bar = ui.bytes_bar("storing", artifact.size_bytes());
        let progress = |size_bytes| bar.inc(size_bytes);
        self.store
            .put_measured(name, artifact, path_of, &progress)?;
        bar.finish_and_clear();
        Ok(())
    }

    /// The artifact with this digest.
    pub(crate) fn artifact(&self, digest: Digest) -> Result<Artifact, Failure> {
        Ok(self.store.artifact(digest)?)
    }

    /// All artifacts.
    pub(crate) fn artifacts(&self) -> Result<Vec<Artifact>, Failure> {
        let named = self.store.artifacts()?;
        named
            .iter()
            .map(|named| self.artifact(named.digest))
            .collect()
    }

    /// The private key of a builder, for a process that signs instead of this one; decrypted, if it is encrypted. That
    /// what it signs will be believed is found out now, and not when the step has run.
    pub(crate) fn builder_key(
        &self,
        name: &str,
        builder: &str,
        ledger: &Ledger<'_>,
    ) -> Result<Zeroizing<String>, Failure> {
        self.not_recalled(name)?;
        let key = self.key(name)?;
        let id = key.public_key().id();
        allowed(chain::train::decide_who(ledger, id)?)?;
        trust::verify_to_speak(&self.root, id, Role::Build, Some(builder), self.now)?;
        key.to_pem(None)
            .map_err(|e| Failure::from_error(Code::KeyInvalid, &e, ""))
    }

    /// Lays an artifact's files out in a new folder, as links to the store's blobs where that can be. They are for
    /// readers that measure what they read.
    pub(crate) fn lay_out(&self, artifact: &Artifact, folder: &Path) -> Result<(), Failure> {
        for (path, file) in artifact.files() {
            let target = folder.join(path);
            let parent = target.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent).map_err(at(parent))?;
            let blob = self.store.blob_path(file.digest);
            if std::fs::hard_link(&blob, &target).is_err() {
                std::fs::copy(&blob, &target).map_err(at(&target))?;
            }
        }
        Ok(())
    }

    /// Refuses a folder that holds what is nowhere else: what is written there takes the place of all that is in it.
    pub(crate) fn check_replaceable(&self, folder: &Path) -> Result<(), Failure> {
        let Ok(mut entries) = std::fs::read_dir(folder) else {
            return match folder.symlink_metadata() {
                Err(_) => Ok(()),
                Ok(_) => Err(occupied(folder)),
            };
        };
        let quiet = Ui::new(true, true);
        let kept = |kind| {
            crate::model::Model::measure(folder, kind, &[], &quiet)
                .is_ok_and(|there| self.artifact(there.artifact.digest()).is_ok())
        };
        if entries.next().is_none() || kept(Kind::Model) || kept(Kind::DataSet) {
            Ok(())
        } else {
            Err(occupied(folder))
        }
    }

    /// Refuses a folder that [`Workspace::write_out`] would refuse, and leaves nothing behind.
    pub(crate) fn check_writable(&self, folder: &Path) -> Result<(), Failure> {
        self.check_replaceable(folder)?;
        let mut above = parent_of(folder).ancestors();
        let there = above.find(|above| above.exists());
        beside(folder, there.unwrap_or(Path::new("."))).map(drop)
    }

    /// Writes an artifact's files into a folder: all of them or none, in place of nothing but what the store has.
    pub(crate) fn write_out(&self, artifact: &Artifact, folder: &Path) -> Result<(), Failure> {
        self.check_replaceable(folder)?;
        let staging = beside(folder, parent_of(folder))?;
        let made = staging.path().join("made");
        for (path, file) in artifact.files() {
            let measured = self.copy_blob(file.digest, &made.join(path), folder)?;
            if measured != file.digest {
                return Err(Failure::error(
                    Code::StoreCorrupt,
                    format!("the blob {} is damaged", file.digest),
                    "`modelward store verify` says what else is",
                ));
            }
        }
        if folder.exists() {
            let there =
                crate::model::Model::measure(folder, artifact.kind(), &[], &Ui::new(true, true));
            if there.is_ok_and(|there| there.artifact == *artifact) {
                return Ok(());
            }
            std::fs::rename(folder, staging.path().join("replaced")).map_err(at(folder))?;
        }
        std::fs::rename(&made, folder).map_err(at(folder))
    }

    /// The digest of what came out. `named` is what a person called the place.
    fn copy_blob(&self, blob: Digest, to: &Path, named: &Path) -> Result<Digest, Failure> {
        let mut blob = self.store.open_blob(blob)?;
        let copied = std::fs::create_dir_all(to.parent().unwrap_or(to))
            .and_then(|()| std::fs::File::create_new(to))
            .and_then(|mut file| digest::measure_reader(&mut blob, &mut file));
        Ok(copied.map_err(at(named))?.digest())
    }

    /// A folder for unfinished work, in the store and removed when it is let go.
    pub(crate) fn staging(&self) -> Result<Staging, Failure> {
        let folder = self.store.path().join("tmp");
        Staging::in_store(&folder).map_err(|e| {
            Failure::from_error(
                io_code(&e),
                &e,
                format!("can `{}` be written?", folder.display()),
            )
        })
    }
}

fn seal<P: Predicate>(statement: &Statement<P>, key: &dyn Signer) -> Result<Bundle, Failure> {
    trust::seal(statement, key).map_err(|e| {
        Failure::from_error(Code::KeyInvalid, &e, "what holds the key must be reachable")
    })
}

fn parent_of(folder: &Path) -> &Path {
    let parent = folder.parent();
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// A folder for what is to become `folder`, on the same file system.
fn beside(folder: &Path, parent: &Path) -> Result<Staging, Failure> {
    let made = std::fs::create_dir_all(parent);
    made.and_then(|()| Staging::beside(parent)).map_err(|e| {
        let message = format!("`{}` can't be written: {}", folder.display(), e.kind());
        Failure::error(io_code(&e), message, "choose another folder with `--to`")
    })
}

fn occupied(folder: &Path) -> Failure {
    Failure::error(
        Code::Io,
        format!(
            "`{}` holds files that the store does not have, and they would be lost",
            folder.display()
        ),
        "choose a new folder, or move away what is in it",
    )
}

const TRUST_ROOT: &str = "trust.toml";

/// Where a store's trust root is.
pub(crate) fn root_path(store: &Store) -> PathBuf {
    store.path().join(TRUST_ROOT)
}

/// Where a store's keys are.
pub(crate) fn keys_folder(store: &Store) -> PathBuf {
    store.path().join("keys")
}

/// The nearest folder from here up that has a store.
fn discover(start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .find(|folder| folder.join(host::store::FOLDER_NAME).is_dir())
        .map(Path::to_path_buf)
}

/// A statement that was recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) bundle: Digest,
    pub(crate) log_index: u64,
}

impl Said {
    /// Where it stands, if the log has a line for it.
    pub(crate) fn of<P>(logged: &chain::Logged<P>) -> Option<Self> {
        Some(Self {
            bundle: logged.statement.proof().bundle,
            log_index: logged.index?,
        })
    }

    /// For a program.
    pub(crate) fn data(&self) -> serde_json::Value {
        serde_json::json!({"bundle": self.bundle.to_string(), "logIndex": self.log_index})
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "statement {} in log line {}",
            self.bundle.short(),
            self.log_index
        )
    }
}

/// The folder whose store is meant.
pub(crate) fn locate(common: &Common) -> Result<PathBuf, Failure> {
    if let Some(folder) = &common.store {
        return Ok(folder.clone());
    }
    let here = here()?;
    let found = discover(&here).ok_or_else(|| {
        let message = format!("there is no store in `{}` or above it", here.display());
        Failure::error(
            Code::StoreMissing,
            message,
            "make one with `modelward store init`",
        )
    })?;
    check_ours(&found)?;
    Ok(found)
}

/// A store that nobody named decides whom to believe: it must be ours, or the system's, and nobody else's to change. Else
/// whoever puts one into a folder above decides for all who work below it.
fn check_ours(folder: &Path) -> Result<(), Failure> {
    let store = folder.join(host::store::FOLDER_NAME);
    let root = store.join(TRUST_ROOT);
    let us = rustix::process::geteuid().as_raw();
    // Who calls us through `sudo` is who sits there.
    let caller = std::env::var("SUDO_UID").ok().filter(|_| us == 0);
    let caller = caller.and_then(|id| id.parse().ok()).unwrap_or(us);
    let is_ours = |metadata: &Metadata| [us, caller, 0].contains(&metadata.uid());
    let our_group = rustix::process::getegid().as_raw();
    for path in [&store, &root] {
        // A link is whoever's it is, and leads to what is somebody's too.
        let link = std::fs::symlink_metadata(path);
        let (Ok(link), Ok(there)) = (link, std::fs::metadata(path)) else {
            // What is not there is told by who looks for it.
            continue;
        };
        let why = if !is_ours(&link) || !is_ours(&there) {
            "belongs to somebody else"
        } else if there.is_file() {
            // Whoever reads a root asks who else may write it.
            continue;
        } else if there.mode() & 0o002 != 0 {
            "can be changed by anybody"
        } else if there.mode() & 0o020 != 0 && there.gid() != our_group {
            "can be changed by another group"
        } else {
            continue;
        };
        let way = format!(
            "if you trust it, name it: `--store {}`; or make one here with `modelward store init`",
            folder.display()
        );
        let message = match path == &store {
            true => format!("the nearest store, `{}`, {why}", path.display()),
            false => format!(
                "the nearest store's trust root, `{}`, {why}",
                path.display()
            ),
        };
        return Err(Failure::error(Code::StoreUntrusted, message, way));
    }
    Ok(())
}

pub(crate) fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|e| Failure::from_error(Code::Io, &e, "go to a folder that is there"))
}

/// The variable that gives a password, if one does.
pub(crate) fn password_variable() -> Option<&'static str> {
    let variables = ["MODELWARD_PASSWORD", "MODELWARD_PASSWORD_FILE"];
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    variables.into_iter().find(is_set)
}

/// The password of an encrypted key: from the environment, a file, or whoever sits there. It may be empty: openssl and
/// cosign encrypt by such too. cosign's own variable comes last.
pub(crate) fn password() -> Result<Option<Zeroizing<String>>, Failure> {
    let password = if let Ok(password) = std::env::var("MODELWARD_PASSWORD") {
        Some(Zeroizing::new(password))
    } else if let Some(path) = std::env::var_os("MODELWARD_PASSWORD_FILE") {
        let path = Path::new(&path);
        let text = host::keys::read_private(path).map_err(|e| password_file(path, &e))?;
        let line = text.lines().next().unwrap_or_default();
        Some(Zeroizing::new(line.to_owned()))
    } else if let Ok(password) = std::env::var("COSIGN_PASSWORD") {
        Some(Zeroizing::new(password))
    } else if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        rpassword::prompt_password("password of the key: ")
            .ok()
            .map(Zeroizing::new)
    } else {
        None
    };
    Ok(password)
}

fn list(names: &[&String]) -> String {
    names
        .iter()
        .map(|name| name.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
