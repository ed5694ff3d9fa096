//! Where a build's source is, in one spelling.

use std::fmt;

/// A source repository, in the spelling that policies use: `github.com/owner/name`.
///
/// Provenance writes the same repository in many ways. Left out before two are compared: `git+` and `https://` in
/// front, `@REF` behind (a branch, tag or commit), then `/` and `.git` at the end. The host is compared in small
/// letters, the path letter by letter. Nothing else is left out: another scheme, a user, a port stay and differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(String);

impl Source {
    /// The source that a URI names.
    #[must_use]
    pub fn of(uri: &str) -> Self {
        let uri = uri.strip_prefix("git+").unwrap_or(uri);
        let uri = uri.strip_prefix("https://").unwrap_or(uri);
        let (host, path) = uri.split_once('/').unwrap_or((uri, ""));
        // A ref stands in the path; an `@` in the host is a user, who stays.
        let path = path.split_once('@').map_or(path, |(path, _)| path);
        let path = path.trim_end_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        Self(format!("{}/{path}", host.to_ascii_lowercase()))
    }

    /// Whether it names a host and something there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let (host, path) = self.0.split_once('/').unwrap_or_default();
        !host.is_empty() && !path.is_empty()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_is_written_in_many_ways() {
        let policy = Source::of("github.com/lmrs2/bh-aisec-model");
        for same in [
            "git+https://github.com/lmrs2/bh-aisec-model@refs/heads/main",
            "git+https://GitHub.com/lmrs2/bh-aisec-model.git@0459d46",
            "https://github.com/lmrs2/bh-aisec-model.git",
            "https://github.com/lmrs2/bh-aisec-model/",
        ] {
            assert_eq!(Source::of(same), policy, "{same}");
        }
        for other in [
            "",
            "github.com",
            "https://github.com/lmrs2/bh-aisec-model2",
            "https://github.com/lmrs2/BH-aisec-model",
            "http://github.com/lmrs2/bh-aisec-model",
            "https://evil@github.com/lmrs2/bh-aisec-model",
            "https://github.com@evil.example/lmrs2/bh-aisec-model",
            "https://github.com:444/lmrs2/bh-aisec-model",
            "https://github.com/lmrs2/bh-aisec-model?x",
            "https://evil.example/github.com/lmrs2/bh-aisec-model",
            "https://github.com/x/../lmrs2/bh-aisec-model",
        ] {
            assert_ne!(Source::of(other), policy, "{other}");
        }
        assert!(policy.is_whole());
        assert!(!Source::of("github.com").is_whole());
        assert_eq!(Source::of("file:///x/y@1"), Source::of("git+file:///x/y"));
    }
}
