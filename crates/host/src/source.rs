//! Where a program's source is: the git repository that it was built from.
//!
//! A repository is not trusted: whoever wrote it can write its `.git/config` too, and git runs what that names. So git is
//! only asked what it answers without running anything (`ask`), and files are compared here (`working_tree`).

mod working_tree;

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use trust::predicate::ResourceDescriptor;

/// As much as a list of names and digests takes in a repository of half a million files.
const ANSWER_SIZE_BYTES_MAX: u64 = 64 << 20;
const COMPLAINT_SIZE_BYTES_MAX: u64 = 4096;

/// A state of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is from: its remote, or nothing if it has none.
    pub uri: String,
    /// The last commit that touched the folder.
    pub commit: String,
    /// Whether a tracked file in the folder has other bytes than the commit, or is gone. The bytes are compared as they lie
    /// there: what git would pass through a filter, such as line ends or large files kept elsewhere, differs.
    pub changed: bool,
    /// Whether there are files in the folder that the commit, or that of a submodule of it, neither has nor ignores: only `.gitignore` files that are
    /// committed count, not what this machine ignores besides. Our own store is none.
    pub untracked: bool,
}

impl Source {
    /// The source as something that the build read.
    #[must_use]
    pub fn dependency(&self) -> Option<ResourceDescriptor> {
        let uri = match self.uri.as_str() {
            "" => String::new(),
            uri if uri.starts_with("git+") => uri.to_owned(),
            uri => format!("git+{uri}"),
        };
        let mut descriptor = ResourceDescriptor {
            name: "source".to_owned(),
            uri,
            ..ResourceDescriptor::default()
        };
        descriptor
            .digest
            .insert("gitCommit".to_owned(), self.commit.clone());
        descriptor.annotations.extend([
            ("changedSince".to_owned(), json!(self.changed)),
            ("untracked".to_owned(), json!(self.untracked)),
        ]);
        Some(descriptor)
    }
}

/// The state of the repository that a folder is in; `None` if it is in none.
///
/// # Errors
/// There is a repository, and git is not here or refuses to look at it.
pub fn git(folder: &Path) -> Result<Option<Source>, SourceError> {
    let real = folder
        .canonicalize()
        .map_err(|cause| SourceError::NoFolder {
            folder: folder.to_owned(),
            cause,
        })?;
    let Some(repository) = Repository::around(&real) else {
        return Ok(None);
    };
    // The last commit that touched the folder: what changed elsewhere since is not part of this source.
    let commit = text(&repository.ask(&real, &["rev-list", "-1", "HEAD", "--", "."])?);
    let tree = match commit.as_str() {
        "" => Vec::new(),
        commit => working_tree::listing(&repository, &real, commit)?,
    };
    if tree.is_empty() {
        return Err(SourceError::NotInCommit);
    }
    // A repository without a remote has no such setting.
    let uri = repository.ask(&real, &["config", "--get", "remote.origin.url"]);
    Ok(Some(Source {
        uri: without_secrets(&text(&uri.unwrap_or_default())),
        changed: working_tree::differs(&real, &tree)?,
        untracked: working_tree::has_untracked(&repository, &real, &commit, &tree)?,
        commit,
    }))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// A repository, by the folder that its `.git` lies in. Its files are those of this folder, whatever its settings say.
struct Repository {
    top: PathBuf,
    /// The index that git is to look at, in place of the repository's own.
    index: Option<PathBuf>,
}

impl Repository {
    fn around(folder: &Path) -> Option<Self> {
        let is_repository = |folder: &&Path| folder.join(".git").symlink_metadata().is_ok();
        let top = folder.ancestors().find(is_repository)?.to_owned();
        Some(Self { top, index: None })
    }

    /// What git answers about a folder of it.
    fn ask(&self, folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, SourceError> {
        let mut git = Command::new("git");
        git.env_clear();
        // A `.git` that is none must not lead git to another repository above it.
        git.envs(
            self.top
                .parent()
                .map(|above| ("GIT_CEILING_DIRECTORIES", above)),
        );
        git.envs(self.index.as_ref().map(|index| ("GIT_INDEX_FILE", index)));
        git.arg("--work-tree").arg(&self.top).arg("-C").arg(folder);
        ask(git, arguments)
    }
}

/// What git answers, without running a program of the repository or fetching anything.
///
/// The commands that are asked for never convert a file, so no filter runs; the rest is switched off: hooks, the file
/// monitor, fetching what a partial clone lacks, and a bare repository that lies among the files. Of the environment git sees
/// what it needs to find the person's own settings, which say whose repositories may be looked at.
fn ask(mut git: Command, arguments: &[&str]) -> Result<Vec<u8>, SourceError> {
    let failed = |cause| SourceError::NotAsked { cause };
    let mut complaint = tempfile::tempfile().map_err(failed)?;
    let kept = ["PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut process = git
        .envs(kept)
        .envs([
            ("LC_ALL", "C"),
            ("GIT_ALLOW_PROTOCOL", ""),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
        ])
        .args(["-c", "core.fsmonitor=false"])
        .args(["-c", "core.hooksPath=/dev/null"])
        .args(["-c", "safe.bareRepository=explicit"])
        .args(["-c", "core.ignoreCase=false"])
        .args(["-c", "core.sparseCheckout=false"])
        .args(["-c", "core.splitIndex=false"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(complaint.try_clone().map_err(failed)?)
        .spawn()
        .map_err(failed)?;
    let mut answer = Vec::new();
    let read = match process.stdout.take() {
        Some(stdout) => stdout
            .take(ANSWER_SIZE_BYTES_MAX + 1)
            .read_to_end(&mut answer),
        None => Ok(0),
    };
    let is_too_long = answer.len() as u64 > ANSWER_SIZE_BYTES_MAX;
    if is_too_long || read.is_err() {
        // One that has ended already needs no signal.
        let _ = process.kill();
    }
    let status = process.wait().map_err(failed)?;
    read.map_err(failed)?;
    if is_too_long {
        return Err(SourceError::TooLong);
    }
    if status.success() {
        return Ok(answer);
    }
    let mut said = Vec::new();
    complaint
        .rewind()
        .and_then(|()| {
            complaint
                .take(COMPLAINT_SIZE_BYTES_MAX)
                .read_to_end(&mut said)
        })
        .map_err(failed)?;
    let said = text(&said);
    Err(SourceError::Refused {
        said: said.lines().next().unwrap_or_default().to_owned(),
    })
}

/// Why the source of a folder that is in a repository can't be told.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The folder can't be looked at.
    #[error("the source's folder `{}` can't be read", folder.display())]
    NoFolder {
        /// Which.
        folder: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Git is not there, or can't be started.
    #[error("git can't be asked about the source")]
    NotAsked {
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Git doesn't want to look at the repository, or finds it broken.
    #[error("git says nothing about the source: {said}")]
    Refused {
        /// The first line that git said of it.
        said: String,
    },
    /// The folder is in a repository's, and its files are not in the repository.
    #[error("the repository that the folder lies in has no file of it in its last commit")]
    NotInCommit,
    /// The commit's list of files has no place on the disk.
    #[error("the commit's list of files can't be kept")]
    NotListed {
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// More files than are compared.
    #[error("git names more files than are compared")]
    TooLong,
    /// Git's list of files is none.
    #[error("git's list of the commit's files can't be read")]
    Listing,
}

/// A remote may hold a password before its host, or a token in its parameters, query or fragment; provenance must not. The
/// name of a package is as it is.
#[must_use]
pub fn without_secrets(uri: &str) -> String {
    if uri.starts_with("pkg:") {
        return uri.to_owned();
    }
    match uri.split_once("://") {
        Some((scheme, rest)) => {
            let rest = without_odd_password(rest);
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            // A password may have any sign in it, and so it goes first.
            let host = authority.rsplit('@').next().unwrap_or(authority);
            let named = format!("{host}/{path}");
            let named = named.split([';', '?', '#']).next().unwrap_or_default();
            format!("{scheme}://{named}")
        }
        // `user@host:path` names a user, and `user:password@host:path` more than that; a path on this disk is neither.
        None => match uri.rsplit_once('@') {
            Some((user, host)) if !user.starts_with(['/', '.']) && user.contains(':') => {
                host.to_owned()
            }
            _ => uri.to_owned(),
        },
    }
}

/// What stands before a `/` and a later `@` is a password with a `/` in it, unless it is a host, or a host and its port.
fn without_odd_password(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or(rest);
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    match rest.rsplit_once('@') {
        Some((_, host)) if !authority.contains(['@', '[']) && !port.is_none_or(is_port) => host,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_are_left_out() {
        for (remote, named) in [
            (
                "https://me:secret@git.example/a/b.git",
                "https://git.example/a/b.git",
            ),
            ("https://git.example/x?token=abc", "https://git.example/x"),
            ("https://git.example/x#abc?d", "https://git.example/x"),
            ("https://me:a?b#c@git.example/x?d", "https://git.example/x"),
            ("https://git.example?token=abc", "https://git.example"),
            ("https://git.example/x;token=abc", "https://git.example/x"),
            ("git@git.example:a/b.git", "git@git.example:a/b.git"),
            ("me:secret@git.example:a/b.git", "git.example:a/b.git"),
            ("https://u:p/w@git.example/x", "https://git.example/x"),
            ("https:user:tok@git.example/x", "git.example/x"),
            (
                "https://git.example:8443/a@b/c@v1",
                "https://git.example:8443/a@b/c@v1",
            ),
            (
                "git+https://git.example/x@refs/tags/v1",
                "git+https://git.example/x@refs/tags/v1",
            ),
            ("pkg:npm/%40a/b@1.0?x=y#z", "pkg:npm/%40a/b@1.0?x=y#z"),
            ("/home/me:a@b", "/home/me:a@b"),
            ("/home/me/what?/c#", "/home/me/what?/c#"),
        ] {
            assert_eq!(without_secrets(remote), named);
        }
    }

    /// A folder with a repository, and git as a person runs it there.
    struct Project(tempfile::TempDir);

    impl Project {
        fn new() -> Self {
            let repository = Self(tempfile::tempdir().unwrap());
            repository.run(&["init", "-q"]);
            repository.write("f", "1");
            repository.run(&["add", "f"]);
            repository.run(&["commit", "-q", "-m", "one"]);
            repository
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn run(&self, arguments: &[&str]) {
            let identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"];
            let status = Command::new("git")
                .args(identity)
                .args(arguments)
                .current_dir(self.0.path())
                .output();
            assert!(status.unwrap().status.success(), "{arguments:?}");
        }

        fn source(&self) -> Source {
            git(self.0.path()).unwrap().unwrap()
        }
    }

    #[test]
    fn a_repository_tells_its_commit_and_what_is_not_in_it() {
        let nowhere = tempfile::tempdir().unwrap();
        assert_eq!(git(nowhere.path()).unwrap(), None);
        let repository = Project::new();
        let told = || {
            let source = repository.source();
            assert_eq!((source.commit.len(), source.uri.as_str()), (40, ""));
            (source.changed, source.untracked)
        };
        assert_eq!(told(), (false, false));
        repository.write(".modelward/store", "our own");
        assert_eq!(told(), (false, false));
        repository.write("sub/g", "2");
        assert_eq!(told(), (false, true));
        repository.write(".gitignore", "sub\n");
        assert_eq!(told(), (false, true), "the commit ignores nothing");
        repository.run(&["add", ".gitignore"]);
        repository.run(&["commit", "-q", "-m", "two"]);
        assert_eq!(told(), (false, false));
        repository.write("f", "2");
        assert_eq!(told(), (true, false));
        repository.run(&[
            "remote",
            "add",
            "origin",
            "https://me:secret@git.example/a?token=b",
        ]);
        assert_eq!(repository.source().uri, "https://git.example/a");
    }

    /// A repository around a folder that is none of its own is not where that is from.
    #[test]
    fn a_folder_that_is_not_in_the_commit_has_no_source() {
        let repository = Project::new();
        let at = |name: &str| git(&repository.0.path().join(name));
        repository.write(".gitignore", "*\n");
        repository.write("project/g", "2");
        assert!(matches!(at("project"), Err(SourceError::NotInCommit)));
        repository.run(&["add", "-f", "project/g"]);
        assert!(matches!(at("project"), Err(SourceError::NotInCommit)));
        repository.run(&["commit", "-q", "-m", "two"]);
        let told = |name: &str| at(name).map(|source| source.map(|source| source.untracked));
        assert_eq!(told("project").unwrap(), Some(false));
        // A `.git` that is none is not passed over for the one above.
        repository.write("project/.git/x", "");
        assert!(matches!(at("project"), Err(SourceError::Refused { .. })));
        let empty = Project::new();
        empty.run(&["rm", "-q", "f"]);
        empty.run(&["commit", "-q", "-m", "two"]);
        let source = git(empty.0.path());
        assert!(
            matches!(source, Err(SourceError::NotInCommit)),
            "{source:?}"
        );
    }

    /// What the commit does not hold hides nothing: neither settings, nor lists of what to ignore, nor the index.
    #[test]
    fn no_setting_of_the_repository_hides_a_file() {
        type Hide = fn(&Project);
        let hides: [(&str, Hide); 7] = [
            ("nothing", |_| {}),
            ("info/exclude", |project| {
                project.write(".git/info/exclude", "*\n")
            }),
            ("core.excludesFile", |project| {
                project.write(".git/ignored", "*\n");
                let path = project.0.path().join(".git/ignored");
                project.run(&["config", "core.excludesFile", path.to_str().unwrap()]);
            }),
            ("a new .gitignore", |project| {
                project.write("sub/.gitignore", "*\n")
            }),
            ("another .gitignore above", |project| {
                project.write(".gitignore", "*\n")
            }),
            ("the index", |project| project.run(&["add", "."])),
            ("core.worktree", |project| {
                project.run(&["config", "core.worktree", "/nowhere"]);
            }),
        ];
        for (name, hide) in hides {
            let project = Project::new();
            project.write("sub/g", "1");
            project.run(&["add", "."]);
            project.run(&["commit", "-q", "-m", "two"]);
            let told = |folder: &str| {
                let source = git(&project.0.path().join(folder)).unwrap().unwrap();
                (source.changed, source.untracked)
            };
            project.write("sub/object.o", "ignored by a later commit");
            project.write(".gitignore", "*.o\n");
            project.run(&["add", ".gitignore"]);
            project.run(&["commit", "-q", "-m", "three"]);
            assert_eq!((told(""), told("sub")), ((false, false), (false, false)));
            project.write("sub/new", "3");
            hide(&project);
            // Another list than the commit's is itself a change, where it lies.
            let (changed, untracked) = told("");
            assert!(changed || untracked, "{name}");
            assert_eq!(told("sub"), (false, true), "{name}");
            project.write("sub/g", "2");
            assert_eq!((told("").0, told("sub")), (true, (true, true)), "{name}");
        }
    }

    /// Each of these runs when a person asks git for the status or the log of this repository.
    #[test]
    fn no_program_of_the_repository_runs() {
        let repository = Project::new();
        let ran = repository.0.path().join(".git/ran");
        let trap = format!("touch {} #", ran.display());
        for name in [
            "filter.evil.clean",
            "filter.evil.process",
            "core.fsmonitor",
            "core.pager",
            "core.sshCommand",
            "diff.external",
            "gpg.program",
        ] {
            repository.run(&["config", name, &format!("sh -c '{trap}'")]);
        }
        repository.run(&["config", "log.showSignature", "true"]);
        repository.run(&["config", "protocol.ext.allow", "always"]);
        let ext = format!("ext::sh -c touch% {}", ran.display());
        repository.run(&["config", "remote.origin.url", &ext]);
        repository.write(".git/info/attributes", "* filter=evil diff=evil\n");
        repository.write("f", "2");
        // As a person would, and they are caught.
        let status = Command::new("git")
            .args(["status", "--porcelain"])
            .current_dir(repository.0.path())
            .output();
        status.unwrap();
        assert!(ran.exists(), "the trap is none");
        std::fs::remove_file(&ran).unwrap();
        let source = repository.source();
        assert!(source.changed);
        assert!(!ran.exists());
        // Nor is what a partial clone lacks fetched: it is told that it can't be told.
        repository.run(&["config", "core.repositoryFormatVersion", "1"]);
        repository.run(&["config", "extensions.partialClone", "origin"]);
        repository.run(&["config", "remote.origin.promisor", "true"]);
        let objects = repository.0.path().join(".git/objects");
        std::fs::remove_dir_all(&objects).unwrap();
        std::fs::create_dir_all(objects.join("pack")).unwrap();
        assert!(matches!(
            git(repository.0.path()),
            Err(SourceError::Refused { .. })
        ));
        assert!(!ran.exists());
    }

    #[test]
    fn it_is_told_that_git_refused() {
        let repository = Project::new();
        let said = |repository: &Project| match git(repository.0.path()) {
            Err(SourceError::Refused { said }) => said,
            other => panic!("{other:?}"),
        };
        // Only root can give a repository away.
        if std::os::unix::fs::chown(repository.0.path(), Some(12345), None).is_ok() {
            let said = said(&repository);
            assert!(said.contains("dubious ownership"), "{said}");
        }
        let broken = Project::new();
        broken.write(".git/HEAD", "nonsense");
        assert_ne!(said(&broken), "");
        assert!(matches!(
            git(Path::new("/nowhere")),
            Err(SourceError::NoFolder { .. })
        ));
    }
}
