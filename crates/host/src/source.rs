//! Where a program's source is: the git repository that it was built from.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use trust::predicate::ResourceDescriptor;

/// A state of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is from: its remote, or nothing if it has none.
    pub uri: String,
    /// The last commit that touched the folder.
    pub commit: String,
    /// Whether files differ from the commit.
    pub changed: bool,
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
        descriptor
            .annotations
            .insert("changedSince".to_owned(), json!(self.changed));
        Some(descriptor)
    }
}

/// The state of the repository that a folder is in; `None` if it is in none, or there is no git.
#[must_use]
pub fn git(folder: &Path) -> Option<Source> {
    // The last commit that touched the folder: what changed elsewhere since is not part of this source.
    let touched = ask(folder, &["log", "-1", "--format=%H", "--", "."])?;
    let commit = match touched.as_str() {
        "" => ask(folder, &["rev-parse", "--verify", "HEAD"])?,
        _ => touched,
    };
    let changed = !ask(
        folder,
        &["status", "--porcelain", "--untracked-files=no", "--", "."],
    )?
    .is_empty();
    let uri = ask(folder, &["remote", "get-url", "origin"])
        .map(|uri| without_password(&uri))
        .unwrap_or_default();
    Some(Source {
        uri,
        commit,
        changed,
    })
}

fn ask(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        // A repository may configure programs to run: none of them is asked.
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
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

    #[test]
    fn a_repository_tells_its_commit() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(git(dir.path()), None);
        let run = |arguments: &[&str]| {
            let identity = ["-c", "user.name=n", "-c", "user.email=e@example.com"];
            let status = Command::new("git")
                .args(identity)
                .args(arguments)
                .current_dir(dir.path())
                .output();
            assert!(status.unwrap().status.success(), "{arguments:?}");
        };
        run(&["init", "-q"]);
        std::fs::write(dir.path().join("f"), "1").unwrap();
        run(&["add", "f"]);
        run(&["commit", "-q", "-m", "one"]);
        let source = git(dir.path()).unwrap();
        assert_eq!((source.commit.len(), source.changed), (40, false));
        std::fs::write(dir.path().join("f"), "2").unwrap();
        assert!(git(dir.path()).unwrap().changed);
    }
}
