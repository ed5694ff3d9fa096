//! What every case needs: a root, a place for runs, and a short way to say a step.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use digest::Digest;
use host::builder::{Error, Expected, FIRST_ID, Input, Limits, Ran, Step, Stream, Users};
use host::root::{RootTree, closure};
use tempfile::TempDir;

/// A key, made anew by each test process from a fixed scalar.
pub(crate) fn key() -> trust::PrivateKey {
    trust::PrivateKey::from_random(&[7; 32]).unwrap()
}

pub(crate) fn key_pem() -> String {
    key().to_pem(None).unwrap().to_string()
}

/// The bytes of a statement of this type about one output.
pub(crate) fn statement(predicate_type: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": Digest::of(bytes).hex()}}],
        "predicateType": predicate_type,
        "predicate": {},
    });
    statement.to_string().into_bytes()
}

pub(crate) struct World {
    pub(crate) shell: RootTree,
    pub(crate) users: Users,
    pub(crate) folder: TempDir,
}

/// Made once for each test process.
pub(crate) fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("runs")).unwrap();
        let programs = [
            "sh", "cat", "ls", "ln", "mkdir", "mkfifo", "sleep", "head", "chmod", "dd", "id",
            "true",
        ];
        let programs = programs.map(|name| PathBuf::from("/bin").join(name));
        // What this test program needs when it is an input of a step.
        let library = format!("/lib/{}-linux-gnu/libgcc_s.so.1", std::env::consts::ARCH);
        let made = closure(&programs, &[library.into()], &folder.path().join("shell")).unwrap();
        World {
            shell: made.root,
            users: Users::detect(FIRST_ID).unwrap(),
            folder,
        }
    })
}

/// A shell script as a step, with tight limits.
pub(crate) fn script(text: &str) -> Step {
    command(&["/bin/sh", "-euc", text])
}

pub(crate) fn command(words: &[&str]) -> Step {
    Step {
        root: world().shell.clone(),
        inputs: Vec::new(),
        command: words.iter().map(ToString::to_string).collect(),
        env: BTreeMap::from([("PATH".into(), "/bin:/usr/bin".into())]),
        limits: Limits {
            wall: std::time::Duration::from_secs(20),
            cpu_seconds: 10,
            memory_bytes: 256 << 20,
            processes: 40,
            file_size_bytes: 8 << 20,
            open_files: 64,
            output_bytes: 16 << 20,
            output_files: 100,
            scratch_bytes: 16 << 20,
        },
        runs: world().folder.path().join("runs"),
    }
}

/// This very program as a step: see `inside`.
pub(crate) fn inside(words: &[&str]) -> Step {
    let own = PathBuf::from("/proc/self/exe").canonicalize().unwrap();
    let mut step = command(&[&["/in/self", "__inside"], words].concat());
    step.inputs.push(Input {
        name: "self".into(),
        expected: Expected::File(digest::measure_file(&own).unwrap().digest()),
        source: own,
        executable: true,
    });
    step
}

pub(crate) fn run(step: &Step) -> Result<Ran, Error> {
    host::builder::run(step, &world().users, None, &GOES_ON, &mut quietly)
}

/// Nobody wants it to stop.
pub(crate) static GOES_ON: AtomicBool = AtomicBool::new(false);

pub(crate) fn quietly(_: Stream, _: &str) {}

pub(crate) fn read(ran: &Ran, path: &str) -> String {
    fs::read_to_string(ran.staged().join(path)).unwrap()
}

/// Python of the system with its library, if there is one.
pub(crate) fn python() -> Result<&'static RootTree, String> {
    static ROOT: OnceLock<Result<RootTree, String>> = OnceLock::new();
    let made = ROOT.get_or_init(|| {
        let program = Path::new("/usr/bin/python3").canonicalize();
        let program =
            program.map_err(|_| "there is no `/usr/bin/python3` (apt-get install python3)")?;
        let library = Path::new("/usr/lib").join(program.file_name().unwrap());
        let into = world().folder.path().join("python");
        let made = closure(&["/usr/bin/python3".into()], &[library], &into);
        made.map(|made| made.root).map_err(|e| e.to_string())
    });
    made.as_ref().map_err(Clone::clone)
}

/// A copy of this program that any user may execute.
pub(crate) fn public_copy() -> PathBuf {
    let folder = world().folder.path();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("program");
    if !copy.exists() {
        fs::copy("/proc/self/exe", &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy
}
