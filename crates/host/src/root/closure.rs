//! A root copied from this host: programs with all the libraries they are linked to, and whatever else is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileTimes, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::elf::{self, Elf};
use super::resolve::{LINKS_MAX, parts};
use super::tree::{Error, Kind, REPLACED, RootTree, failed};
use crate::whole_file;

/// A root, and what its files ask for that this host doesn't have.
#[derive(Debug)]
pub struct Closure {
    /// The root.
    pub root: RootTree,
    /// Where the programs are in it, in the order they were asked for.
    pub programs: Vec<PathBuf>,
    /// Libraries that files named as extra need, and that are not installed: such files won't load.
    pub missing: BTreeSet<String>,
}

/// Copies `programs` with their loader and libraries, and the files and folders `extra` with the libraries of theirs,
/// into the new or empty folder `into`. All paths are absolute, and are the same inside; only a program from outside the
/// system's folders goes to `/program`, so that a root doesn't depend on where somebody keeps it.
///
/// # Errors
/// Something is missing or can't be read, or a program is not for this machine.
pub fn closure(programs: &[PathBuf], extra: &[PathBuf], into: &Path) -> Result<Closure, Error> {
    let mut gathered = Gathered::default();
    let programs = programs.iter().map(|program| gathered.program(program));
    let programs = programs.collect::<Result<_, _>>()?;
    for path in extra {
        gathered.extra(path)?;
    }
    let missing = std::mem::take(&mut gathered.missing);
    write(&gathered.entries, into)?;
    let root = RootTree::measure(into, Kind::HostClosure)?;
    Ok(Closure {
        root,
        programs,
        missing,
    })
}

/// What the root will hold, by its path in it.
#[derive(Default)]
struct Gathered {
    entries: BTreeMap<PathBuf, Entry>,
    missing: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Folder,
    Link(PathBuf),
    /// From this file of the host.
    File(PathBuf),
}

impl Gathered {
    /// Says where the program is inside.
    fn program(&mut self, path: &Path) -> Result<PathBuf, Error> {
        let (real, inside) = if is_of_the_system(path) {
            (self.add(path)?, path.to_owned())
        } else {
            self.relocate(path)?
        };
        let start = start_of(&real)?;
        if let Some(interpreter) = interpreter_of_script(&start) {
            self.program(&interpreter)?;
        } else {
            self.needs(&real, &read(&real)?, true)?;
        }
        Ok(inside)
    }

    fn relocate(&mut self, path: &Path) -> Result<(PathBuf, PathBuf), Error> {
        let real = fs::canonicalize(path).map_err(failed(path))?;
        let inside = Path::new(PROGRAMS).join(path.file_name().unwrap_or_default());
        let entry = Entry::File(real.clone());
        self.entries.insert(PROGRAMS.into(), Entry::Folder);
        match self.entries.insert(inside.clone(), entry.clone()) {
            Some(other) if other != entry => Err(Error::SameName { path: inside }),
            _ => Ok((real, inside)),
        }
    }

    /// A file or a folder with all below it. Links out of it bring along what they point to.
    fn extra(&mut self, path: &Path) -> Result<(), Error> {
        if self.entries.len() > ENTRIES_MAX {
            return Err(Error::TooMuch {
                path: path.to_owned(),
            });
        }
        let is_new = !self.entries.contains_key(path);
        let real = self.add(path)?;
        if real.is_dir() && is_new {
            for entry in fs::read_dir(&real).map_err(failed(&real))? {
                let below = real.join(entry.map_err(failed(&real))?.file_name());
                // A link that points nowhere is no use inside either.
                if below.exists() {
                    self.extra(&below)?;
                }
            }
        } else if is_new && elf::is_elf(&start_of(&real)?) {
            // Folders hold files for other machines, too.
            if let Ok(elf) = read(&real) {
                self.needs(&real, &elf, false)?;
            }
        }
        Ok(())
    }

    fn needs(&mut self, path: &Path, elf: &Elf, is_required: bool) -> Result<(), Error> {
        if let Some(interpreter) = &elf.interpreter {
            self.add(Path::new(interpreter))?;
        }
        for library in &elf.needed {
            let Some(found) = find(library, path, elf) else {
                if is_required {
                    return Err(Error::Library {
                        library: library.clone(),
                        by: path.to_owned(),
                    });
                }
                self.missing.insert(library.clone());
                continue;
            };
            let is_new = !self.entries.contains_key(&found);
            let real = self.add(&found)?;
            if is_new {
                self.needs(&real, &read(&real)?, is_required)?;
            }
        }
        Ok(())
    }

    /// Adds a path as it is: each link on the way stays a link, and what it points to is added. The real path is what
    /// comes out.
    fn add(&mut self, path: &Path) -> Result<PathBuf, Error> {
        let mut real = PathBuf::from("/");
        let mut rest: Vec<PathBuf> = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == Path::new("..") {
                real.pop();
                continue;
            }
            let here = real.join(&part);
            let metadata = fs::symlink_metadata(&here).map_err(failed(&here))?;
            if metadata.is_symlink() {
                links += 1;
                let target = fs::read_link(&here).map_err(failed(&here))?;
                if links > LINKS_MAX {
                    return Err(Error::TooMuch { path: here });
                }
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                rest.extend(parts(&target));
                self.entries.insert(here, Entry::Link(target));
                continue;
            }
            let kind = if metadata.is_dir() {
                Entry::Folder
            } else if top(&here).is_some_and(|top| REPLACED.contains(&top)) {
                return Err(Error::Hidden { path: here });
            } else {
                Entry::File(here.clone())
            };
            self.entries.insert(here.clone(), kind);
            real = here;
        }
        Ok(real)
    }
}

fn top(path: &Path) -> Option<&str> {
    path.iter().nth(1)?.to_str()
}

fn is_of_the_system(path: &Path) -> bool {
    top(path).is_some_and(|top| SYSTEM.contains(&top))
}

const PROGRAMS: &str = "/program";
const SYSTEM: &[&str] = &[
    "bin", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "usr",
];

/// As the loader looks for it, without its cache: where the file itself says, then where this system keeps libraries.
fn find(library: &str, by: &Path, elf: &Elf) -> Option<PathBuf> {
    if library.contains('/') {
        return Some(PathBuf::from(library)).filter(|path| path.exists());
    }
    let origin = by.parent()?.to_str()?;
    let own = elf.search.iter().map(|folder| {
        folder
            .replace("${ORIGIN}", origin)
            .replace("$ORIGIN", origin)
    });
    own.chain(LIBRARY_FOLDERS.iter().map(ToString::to_string))
        .map(|folder| Path::new(&folder).join(library))
        .find(|path| read(path).is_ok_and(|found| found.machine == elf.machine))
}

#[cfg(target_arch = "x86_64")]
const LIBRARY_FOLDERS: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
#[cfg(target_arch = "aarch64")]
const LIBRARY_FOLDERS: &[&str] = &[
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const LIBRARY_FOLDERS: &[&str] = &["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

fn read(path: &Path) -> Result<Elf, Error> {
    let file = whole_file::open(path).map_err(failed(path))?;
    let mut bytes = Vec::new();
    let filled = file.take(ELF_SIZE_BYTES_MAX).read_to_end(&mut bytes);
    filled.map_err(failed(path))?;
    elf::parse(&bytes).map_err(|cause| Error::Program {
        path: path.to_owned(),
        cause,
    })
}

fn start_of(path: &Path) -> Result<Vec<u8>, Error> {
    let mut start = Vec::new();
    let file = whole_file::open(path).map_err(failed(path))?;
    let filled = file
        .take(SCRIPT_LINE_SIZE_BYTES_MAX)
        .read_to_end(&mut start);
    filled.map_err(failed(path))?;
    Ok(start)
}

fn interpreter_of_script(start: &[u8]) -> Option<PathBuf> {
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = std::str::from_utf8(line).ok()?;
    line.split_whitespace().next().map(PathBuf::from)
}

const ENTRIES_MAX: usize = 200_000;
const ELF_SIZE_BYTES_MAX: u64 = 2 << 30;
const SCRIPT_LINE_SIZE_BYTES_MAX: u64 = 256;

/// Modes and times say nothing about the host: files are read-only, executable or not, and from the epoch.
fn write(entries: &BTreeMap<PathBuf, Entry>, into: &Path) -> Result<(), Error> {
    fs::create_dir_all(into).map_err(failed(into))?;
    if fs::read_dir(into).map_err(failed(into))?.next().is_some() {
        return Err(Error::NotEmpty {
            path: into.to_owned(),
        });
    }
    for (path, entry) in entries {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let target = into.join(relative);
        let written = match entry {
            Entry::Folder => fs::create_dir(&target)
                .and_then(|()| fs::set_permissions(&target, Permissions::from_mode(0o755))),
            Entry::Link(to) => symlink(to, &target),
            Entry::File(source) => copy(source, &target),
        };
        written.map_err(|cause| match is_full(&cause) {
            // The file of the host was read well enough.
            true => failed(&target)(cause),
            false => failed(path)(cause),
        })?;
    }
    Ok(())
}

fn is_full(cause: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(cause.kind(), StorageFull | QuotaExceeded)
}

fn copy(source: &Path, target: &Path) -> io::Result<()> {
    let mut from = whole_file::open(source)?;
    let is_executable = from.metadata()?.permissions().mode() & 0o111 != 0;
    let mode = if is_executable { 0o555 } else { 0o444 };
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(target)?;
    io::copy(&mut from, &mut to)?;
    // The umask may have taken bits from the mode.
    to.set_permissions(Permissions::from_mode(mode))?;
    let epoch = SystemTime::UNIX_EPOCH;
    to.set_times(FileTimes::new().set_accessed(epoch).set_modified(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_comes_with_its_loader_and_libraries_and_twice_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| closure(&["/bin/sh".into()], &[], &dir.path().join(name)).unwrap();
        let (one, two) = (make("one"), make("two"));
        assert_eq!(one.root.digest(), two.root.digest());
        let manifest = one.root.manifest().unwrap();
        assert!(
            manifest.contains("libc.so.6") && manifest.contains("ld-linux"),
            "{manifest}"
        );
        assert_eq!(one.root.kind().as_str(), "host-closure");
        assert!(matches!(
            closure(&["/bin/sh".into()], &[], &dir.path().join("one")),
            Err(Error::NotEmpty { .. })
        ));
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let pipe = dir.path().canonicalize().unwrap().join("pipe");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, 0o600.into(), 0).unwrap();
        let made = closure(&["/bin/sh".into()], &[pipe], &dir.path().join("root"));
        assert!(matches!(made, Err(Error::Io { cause, .. }) if whole_file::is_no_file(&cause)));
    }

    #[test]
    fn links_scripts_and_folders_come_along() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let at = |name: &str| dir.path().canonicalize().unwrap().join(name);
        fs::create_dir_all(at("data/deep")).unwrap();
        fs::write(at("data/deep/file"), "x").unwrap();
        fs::write(at("elsewhere"), "y").unwrap();
        symlink(at("elsewhere"), at("data/link")).unwrap();
        symlink("/nowhere/at/all", at("data/broken")).unwrap();
        fs::write(at("script"), "#!/bin/sh\n").unwrap();
        let made = closure(&[at("script")], &[at("data")], &at("root")).unwrap();
        let inside = |name: &str| at("root").join(at(name).strip_prefix("/").unwrap());
        assert_eq!(fs::read(inside("data/deep/file")).unwrap(), b"x");
        assert_eq!(fs::read(inside("elsewhere")).unwrap(), b"y");
        assert!(inside("data/link").is_symlink() && !inside("data/broken").is_symlink());
        assert!(made.root.manifest().unwrap().contains("libc.so.6"));
        assert_eq!(made.programs, [Path::new("/program/script")]);
        assert!(!inside("script").exists() && at("root/program/script").exists());
    }

    #[test]
    fn a_program_is_the_same_wherever_it_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let make = |place: &str| {
            let folder = dir.path().join(place);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("tool"), "#!/bin/sh\n").unwrap();
            closure(&[folder.join("tool")], &[], &folder.join("root")).unwrap()
        };
        assert_eq!(make("one").root.digest(), make("two").root.digest());
        let both = ["one/tool", "two/tool"].map(|tool| dir.path().join(tool));
        let made = closure(&both, &[], &dir.path().join("both"));
        assert!(matches!(made, Err(Error::SameName { .. })));
    }

    #[test]
    fn what_a_step_could_not_see_is_refused() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let made = closure(&["/bin/sh".into()], &[file], &dir.path().join("root"));
        assert!(matches!(made, Err(Error::Hidden { .. })));
    }

    #[test]
    fn what_is_missing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let made = closure(&["/no/such/program".into()], &[], &dir.path().join("root"));
        assert!(matches!(made, Err(Error::Io { .. })));
        let text = dir.path().join("text");
        fs::write(&text, "no program").unwrap();
        let made = closure(&[text], &[], &dir.path().join("root"));
        assert!(matches!(made, Err(Error::Program { .. })));
    }
}
