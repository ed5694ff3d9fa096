//! What stands behind a module and a name: renames, then the lists.

use super::allowed::{ALLOWED, Allowed};
use super::hostile::{Class, FAMILIES, NAMES, PACKAGES, REEXPORTED, UUID};
use super::renames;

/// What is known of an imported object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It runs, reaches or loads other things.
    Hostile(Class),
    /// Its path goes through something hostile or hidden.
    Hidden,
    /// Genuine files need it, for some uses.
    Allowed(&'static Allowed),
    /// Nothing is known of it.
    Unlisted,
}

/// The module and name that a loader really imports: below protocol 3 those of Python 2 are renamed.
pub(super) fn renamed<'a>(module: &'a str, name: &'a str, protocol: u8) -> (&'a str, &'a str) {
    if protocol >= 3 {
        return (module, name);
    }
    if module == "exceptions" && renames::EXCEPTIONS.binary_search(&name).is_ok() {
        return ("builtins", name);
    }
    if let Ok(at) = renames::NAMES.binary_search_by_key(&(module, name), |(old, _)| *old) {
        return renames::NAMES[at].1;
    }
    match renames::MODULES.binary_search_by_key(&module, |(old, _)| old) {
        Ok(at) => (renames::MODULES[at].1, name),
        Err(_) => (module, name),
    }
}

/// What is known of a name, judged both as it is written and as it is imported.
pub(super) fn standing(written: (&str, &str), imported: (&str, &str)) -> Standing {
    if let Some(class) = hostile(imported.0, imported.1).or_else(|| hostile(written.0, written.1)) {
        return Standing::Hostile(class);
    }
    let found = ALLOWED
        .iter()
        .find(|row| row.module == imported.0 && row.names.contains(&imported.1));
    match found {
        Some(row) => Standing::Allowed(row),
        None if is_hidden(imported.1) => Standing::Hidden,
        None => Standing::Unlisted,
    }
}

fn hostile(module: &str, name: &str) -> Option<Class> {
    if module == UUID.module && name != "UUID" {
        return Some(UUID.class);
    }
    let packages = || {
        PACKAGES
            .iter()
            .flat_map(|(class, packages)| packages.iter().map(|package| (*class, *package)))
    };
    let in_package = packages().find(|(_, package)| is_within(module, package));
    if let Some((class, _)) = in_package {
        return Some(class);
    }
    // A dotted name walks on from the module: `torch` and `serialization.load` are `torch.serialization` and `load`.
    let path = format!("{module}.{name}");
    if let Some((class, _)) = packages().find(|(_, package)| is_within(&path, package)) {
        return Some(class);
    }
    let listed = NAMES.iter().find(|row| {
        let rest = path
            .strip_prefix(row.module)
            .and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| row.names.iter().any(|name| is_within(rest, name)))
    });
    let family = || {
        let last = name.rsplit('.').next().unwrap_or(name);
        FAMILIES.iter().find(|(_, package, start, end)| {
            is_within(module, package) && last.starts_with(start) && last.ends_with(end)
        })
    };
    listed
        .map(|row| row.class)
        .or_else(|| family().map(|(class, ..)| *class))
}

/// Whether a name walks through a module that another one imported, or to the interpreter's own attributes.
fn is_hidden(name: &str) -> bool {
    name.split('.').any(|component| {
        let dunder = component.starts_with("__") && component.ends_with("__");
        dunder || REEXPORTED.contains(&component)
    })
}

/// Whether a dotted path is `package` or lies below it.
fn is_within(path: &str, package: &str) -> bool {
    path.strip_prefix(package)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Writes every table of names, for the digest of the rules.
pub(crate) fn describe(out: &mut String) {
    for (class, packages) in PACKAGES {
        out.push_str(&format!("hostile {class:?} {packages:?}\n"));
    }
    for row in NAMES.iter().chain([&UUID]) {
        out.push_str(&format!(
            "hostile {:?} {} {:?}\n",
            row.class, row.module, row.names
        ));
    }
    for row in FAMILIES {
        out.push_str(&format!("hostile {row:?}\n"));
    }
    out.push_str(&format!("hidden {REEXPORTED:?}\n"));
    for row in ALLOWED {
        out.push_str(&format!("{row:?}\n"));
    }
    out.push_str(&format!("{:?}\n{:?}\n", renames::MODULES, renames::NAMES));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(module: &str, name: &str, protocol: u8) -> Standing {
        standing((module, name), renamed(module, name, protocol))
    }

    #[test]
    fn the_tables_are_sorted() {
        assert!(renames::MODULES.is_sorted());
        assert!(renames::NAMES.is_sorted());
        assert!(renames::EXCEPTIONS.is_sorted());
    }

    #[test]
    fn hostile_names_are_hostile_under_every_spelling() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "eval.__call__"),
            ("__builtin__", "eval"),
            ("commands", "getoutput"),
            ("importlib", "import_module"),
            ("importlib.util", "find_spec"),
            ("torch", "serialization.load"),
            ("torch", "hub.load"),
            ("numpy", "f2py.crackfortran.getlincoef"),
            ("pandas.io.parsers.readers", "read_csv"),
            ("uuid", "_get_command_stdout"),
        ] {
            for protocol in [0, 2, 3, 5] {
                assert!(
                    matches!(of(module, name, protocol), Standing::Hostile(_)),
                    "{module} {name}"
                );
            }
        }
        assert!(matches!(
            of("__builtin__", "reduce", 2),
            Standing::Hostile(_)
        ));
        assert!(matches!(of("itertools", "imap", 2), Standing::Hostile(_)));
        assert!(matches!(of("cPickle", "loads", 2), Standing::Hostile(_)));
    }

    #[test]
    fn hidden_paths_are_hidden() {
        for (module, name) in [
            ("numpy", "__builtins__"),
            ("numpy", "core._internal.sys.modules"),
            ("torch", "serialization.os.system"),
            ("logging", "os.getcwd"),
            ("logging", "os"),
            ("collections", "OrderedDict.__init__.__globals__"),
        ] {
            assert_eq!(of(module, name, 4), Standing::Hidden, "{module} {name}");
        }
    }

    #[test]
    fn allowed_and_unlisted_names_are_told_apart() {
        for (module, name, protocol) in [
            ("collections", "OrderedDict", 2),
            ("__builtin__", "set", 2),
            ("builtins", "set", 4),
            ("uuid", "UUID", 2),
            ("copy_reg", "_reconstructor", 2),
            ("exceptions", "ValueError", 0),
            ("torch._utils", "_rebuild_tensor_v2", 2),
        ] {
            assert!(
                matches!(of(module, name, protocol), Standing::Allowed(_)),
                "{module} {name}"
            );
        }
        for (module, name) in [
            ("__builtin__", "set"),
            ("collections", "OrderedDict.fromkeys"),
            ("numpy", "prod"),
            ("\u{43e}s", "system"),
            ("osmosis", "x"),
            ("torch", "hubble"),
            ("uuid", "UUID.hex"),
        ] {
            assert!(
                !matches!(of(module, name, 4), Standing::Allowed(_)),
                "{module} {name}"
            );
        }
        assert_eq!(of("osmosis", "x", 4), Standing::Unlisted);
    }
}
