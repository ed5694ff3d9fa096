//! The name of a package: a registry's host and a repository in it.

use std::fmt;

use trust::predicate::PackageDescriptor;

const PORT_DIGITS_MAX: usize = 5;

/// `registry/repository`, with neither tag nor digest: a policy speaks of a package, not of one state of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageName {
    registry: String,
    repository: String,
}

impl PackageName {
    /// Reads a name. Any registry may stand in it, and it must stand in it; each package has one spelling.
    ///
    /// # Errors
    /// The rule that the name breaks.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        if name.contains('@') {
            return Err("a package's name has no digest: leave out `@…`");
        }
        let Some((registry, repository)) = name.split_once('/') else {
            return Err("a package's name begins with its registry, as `docker.io/owner/name`");
        };
        if repository.contains(':') {
            return Err("a package's name has no tag: leave out `:…`");
        }
        if registry == "index.docker.io" {
            return Err("that registry is written `docker.io`");
        }
        if !is_registry(registry) {
            return Err("a package's name begins with its registry's host, in small letters");
        }
        if !repository.split('/').all(is_component) {
            return Err(
                "a repository's parts are small letters and digits, joined by `.`, `_`, `__` or `-`",
            );
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
        })
    }

    /// The package as publications name it.
    #[must_use]
    pub fn descriptor(&self, environment: Option<&str>) -> PackageDescriptor {
        PackageDescriptor {
            name: self.repository.clone(),
            registry: self.registry.clone(),
            environment: environment.map(str::to_owned),
        }
    }

    /// Whether a publication is of this package.
    #[must_use]
    pub fn is(&self, descriptor: &PackageDescriptor) -> bool {
        descriptor.registry == self.registry && descriptor.name == self.repository
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

/// A host is told from a first part of a repository by its dot, its port, or by being `localhost`.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let is_port = |port: &str| {
        !port.is_empty()
            && port.len() <= PORT_DIGITS_MAX
            && port.bytes().all(|b| b.is_ascii_digit())
    };
    host.split('.').all(is_label)
        && port.is_none_or(is_port)
        && (host.contains('.') || port.is_some() || host == "localhost")
}

/// A part of a repository as the OCI distribution specification has it.
fn is_component(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_separator =
        |run: &str| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-');
    text.bytes().next().is_some_and(is_plain)
        && text.bytes().next_back().is_some_and(is_plain)
        && text
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_one_spelling() {
        for good in [
            "docker.io/lmrs2/bh-aisec-model-inference",
            "registry.example:5000/a/b_c/d__e/f.g/h--i",
            "localhost/x",
            "localhost:5000/x",
        ] {
            let name = PackageName::parse(good).unwrap();
            assert_eq!(name.to_string(), good);
            assert!(name.is(&name.descriptor(Some("prod"))));
        }
        for bad in [
            "",
            "x",
            "owner/name",
            "docker.io",
            "docker.io/",
            "/x",
            "Docker.io/x",
            "docker.io/X",
            "docker.io//x",
            "docker.io/x/",
            "docker.io/x:1",
            "docker.io/x@sha256:00",
            "docker.io/-x",
            "docker.io/x..y",
            "docker.io/x___y",
            "docker.io/../x",
            "docker.io:/x",
            "docker.io:x/y",
            "-a.io/x",
            "index.docker.io/x/y",
            "docker.io/x y",
            "dоcker.io/x",
        ] {
            assert!(PackageName::parse(bad).is_err(), "{bad}");
        }
    }
}
