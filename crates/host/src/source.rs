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
    /// Whether there are files in the folder that git neither tracks nor ignores; our own store is none.
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
    let is_repository = |folder: &Path| folder.join(".git").symlink_metadata().is_ok();
    if !real.ancestors().any(is_repository) {
        return Ok(None);
    }
    // The last commit that touched the folder: what changed elsewhere since is not part of this source.
    let touched = ask(&real, &["rev-list", "-1", "HEAD", "--", "."])?;
    let commit = match touched.trim_ascii() {
        b"" => ask(&real, &["rev-parse", "--verify", "HEAD"])?,
        _ => touched,
    };
    // A repository without a remote has no such setting.
    let uri = ask(&real, &["config", "--get", "remote.origin.url"]).unwrap_or_default();
    Ok(Some(Source {
        uri: without_password(&text(&uri)),
        commit: text(&commit),
        changed: working_tree::differs(&real, "HEAD")?,
        untracked: working_tree::has_untracked(&real)?,
    }))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// What git answers, without running a program of the repository or fetching anything.
///
/// The commands that are asked for never convert a file, so no filter runs; the rest is switched off: hooks, the file
/// monitor, fetching what a partial clone lacks, and a bare repository that lies among the files. Of the environment git sees
/// what it needs to find the person's own settings, which say whose repositories may be looked at.
fn ask(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, SourceError> {
    let failed = |cause| SourceError::NotAsked { cause };
    let mut complaint = tempfile::tempfile().map_err(failed)?;
    let kept = ["PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut process = Command::new("git")
        .env_clear()
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
        .arg("-C")
        .arg(folder)
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
    /// More files than are compared.
    #[error("git names more files than are compared")]
    TooLong,
    /// Git's list of files is none.
    #[error("git's list of the commit's files can't be read")]
    Listing,
}

/// A remote may hold a password; provenance must not.
fn without_password(uri: &str) -> String {
    match uri.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            format!("{scheme}://{host}/{path}")
        }
        None => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_left_out() {
        assert_eq!(
            without_password("https://me:secret@git.example/a/b.git"),
            "https://git.example/a/b.git"
        );
        assert_eq!(
            without_password("git@git.example:a/b.git"),
            "git@git.example:a/b.git"
        );
    }

    /// A folder with a repository, and git as a person runs it there.
    struct Repository(tempfile::TempDir);

    impl Repository {
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
        let repository = Repository::new();
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
        repository.write(".git/info/exclude", "sub\n");
        assert_eq!(told(), (false, false));
        repository.write("f", "2");
        assert_eq!(told(), (true, false));
        repository.run(&["remote", "add", "origin", "https://me:secret@git.example/a"]);
        assert_eq!(repository.source().uri, "https://git.example/a");
    }

    /// Each of these runs when a person asks git for the status or the log of this repository.
    #[test]
    fn no_program_of_the_repository_runs() {
        let repository = Repository::new();
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
        let repository = Repository::new();
        let said = |repository: &Repository| match git(repository.0.path()) {
            Err(SourceError::Refused { said }) => said,
            other => panic!("{other:?}"),
        };
        // Only root can give a repository away.
        if std::os::unix::fs::chown(repository.0.path(), Some(12345), None).is_ok() {
            let said = said(&repository);
            assert!(said.contains("dubious ownership"), "{said}");
        }
        let broken = Repository::new();
        broken.write(".git/HEAD", "nonsense");
        assert_ne!(said(&broken), "");
        assert!(matches!(
            git(Path::new("/nowhere")),
            Err(SourceError::NoFolder { .. })
        ));
    }
}
