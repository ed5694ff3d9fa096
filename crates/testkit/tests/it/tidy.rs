//! What ARCHITECTURE.md says of the house, kept true: each test names the sentence that it keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn house() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every file of the house with this ending, outside build folders.
fn files(under: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
                walk(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&house().join(under), ending, &mut found);
    found.sort();
    found
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .current_dir(house())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Package name to the names of its dependencies, without those for tests.
fn graph(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata["packages"].as_array().unwrap();
    let name_of: BTreeMap<&str, &str> = packages
        .iter()
        .map(|p| (p["id"].as_str().unwrap(), p["name"].as_str().unwrap()))
        .collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let is_normal = |dep: &&Value| {
        dep["dep_kinds"]
            .as_array()
            .unwrap()
            .iter()
            .any(|kind| kind["kind"].is_null())
    };
    let edges = |node: &Value| {
        let deps = node["deps"].as_array().unwrap().iter().filter(is_normal);
        deps.map(|dep| name_of[dep["pkg"].as_str().unwrap()].to_owned())
            .collect::<BTreeSet<_>>()
    };
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in nodes {
        let name = name_of[node["id"].as_str().unwrap()].to_owned();
        graph.entry(name).or_default().extend(edges(node));
    }
    graph
}

fn reachable(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(name) = next.pop() {
        for dependency in graph.get(&name).into_iter().flatten() {
            if seen.insert(dependency.clone()) {
                next.push(dependency.clone());
            }
        }
    }
    seen
}

/// The picture of the rooms: who may point to whom.
const ARROWS: [(&str, &[&str]); 11] = [
    ("decode", &[]),
    ("digest", &[]),
    ("trust", &["decode", "digest"]),
    ("scan", &["decode"]),
    ("policy", &["decode", "digest", "trust"]),
    ("infer", &["decode", "digest", "trust"]),
    ("chain", &["decode", "digest", "trust", "policy"]),
    ("host", &["decode", "digest", "trust", "policy", "chain"]),
    (
        "server",
        &[
            "decode", "digest", "trust", "policy", "infer", "chain", "host",
        ],
    ),
    (
        "testkit",
        &["decode", "digest", "trust", "scan", "policy", "infer"],
    ),
    (
        "modelward",
        &[
            "decode", "digest", "trust", "scan", "policy", "infer", "chain", "host", "server",
        ],
    ),
];

fn package(room: &str) -> String {
    if room == "modelward" {
        room.to_owned()
    } else {
        format!("modelward-{room}")
    }
}

#[test]
fn arrows_point_as_in_the_picture() {
    let graph = graph(&metadata());
    let rooms: BTreeSet<String> = ARROWS.iter().map(|(room, _)| package(room)).collect();
    let folders: BTreeSet<String> = fs::read_dir(house().join("crates"))
        .unwrap()
        .map(|entry| package(&entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    assert_eq!(folders, rooms, "every room stands in the picture");
    for (room, may) in ARROWS {
        let may: BTreeSet<String> = may.iter().map(|room| package(room)).collect();
        let does: BTreeSet<String> = graph[&package(room)]
            .intersection(&rooms)
            .cloned()
            .collect();
        assert!(
            does.is_subset(&may),
            "`{room}` points to {:?}",
            does.difference(&may)
        );
    }
}

const PURE: [&str; 6] = ["decode", "trust", "scan", "policy", "infer", "chain"];

#[test]
fn pure_rooms_reach_nothing_that_reaches_out() {
    let graph = graph(&metadata());
    for room in PURE {
        let reached = reachable(&graph, &package(room));
        for outward in [
            "tokio", "reqwest", "hyper", "ureq", "rusqlite", "mio", "socket2", "axum",
        ] {
            assert!(!reached.contains(outward), "`{room}` reaches `{outward}`");
        }
    }
}

#[test]
fn pure_rooms_do_no_io_and_read_no_clock() {
    let forbidden = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "File::open",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "Zoned::now",
        "println!",
        "eprintln!",
        "thread_rng",
        "getrandom",
    ];
    for room in PURE {
        for path in files(&format!("crates/{room}/src"), ".rs") {
            let text = fs::read_to_string(&path).unwrap();
            // What stands below is tests; and what a comment shows is for others to write.
            let product = text.split("#[cfg(test)]").next().unwrap();
            let is_code = |line: &&str| !line.trim_start().starts_with("//");
            let product: String = product.split_inclusive('\n').filter(is_code).collect();
            let is_test = path.file_name().unwrap() == "tests.rs"
                || path.components().any(|c| c.as_os_str() == "tests");
            for word in forbidden {
                assert!(
                    is_test || !product.contains(word),
                    "{} has `{word}`",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn there_is_one_tls_stack_and_it_is_not_openssl_or_ring() {
    // The lock file also has what a feature that is off would bring: what counts is what is built.
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--workspace"])
        .args(["--target", "all", "--prefix", "none", "--format", "{p}"])
        .current_dir(house())
        .output()
        .unwrap();
    let built = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && built.contains("aws-lc-rs "));
    for name in ["openssl", "openssl-sys", "native-tls", "ring"] {
        let is_built = built
            .lines()
            .any(|line| line.split(' ').next() == Some(name));
        assert!(!is_built, "{name} came in");
    }
}

#[test]
fn licences_sources_and_versions_are_those_we_allow() {
    let deny = fs::read_to_string(house().join("deny.toml")).unwrap();
    let allowed: BTreeSet<&str> = deny
        .split("allow = [")
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .unwrap()
        .split('"')
        .skip(1)
        .step_by(2)
        .collect();
    assert!(allowed.contains("MIT"), "{allowed:?}");
    let metadata = metadata();
    let mut versions: BTreeMap<&str, u32> = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        *versions.entry(name).or_default() += 1;
        let Some(source) = package["source"].as_str() else {
            continue;
        };
        assert!(source.starts_with("registry+"), "{name} is from {source}");
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence, &allowed), "{name} is under `{licence}`");
    }
    for single in [
        "rustls",
        "tokio",
        "hyper",
        "serde",
        "prost",
        "axum",
        "aws-lc-sys",
    ] {
        assert!(
            versions.get(single).is_none_or(|count| *count == 1),
            "{single}"
        );
    }
}

/// An SPDX expression without nested brackets: of each part between `AND`s one side of its `OR`s has to be allowed.
fn is_allowed(licence: &str, allowed: &BTreeSet<&str>) -> bool {
    let plain = licence.replace(['(', ')'], "").replace('/', " OR ");
    let one = |word: &str| allowed.contains(word.trim().split(" WITH ").next().unwrap());
    plain.split(" AND ").all(|part| part.split(" OR ").any(one))
}

#[test]
fn only_trust_makes_verified() {
    for path in files("crates", ".rs") {
        let text = fs::read_to_string(&path).unwrap();
        let inside = path.starts_with(house().join("crates/trust/src"));
        let this = path.ends_with("tests/it/tidy.rs");
        assert!(
            inside || this || !text.contains("Verified::new"),
            "{} makes a Verified",
            path.display()
        );
        for derived in ["Deserialize", "Default", "From<"] {
            let made = text.lines().any(|line| {
                line.contains(&format!("impl {derived}")) && line.contains("for Verified")
            });
            assert!(
                !made,
                "{} implements {derived} for Verified",
                path.display()
            );
        }
    }
    let verified = fs::read_to_string(house().join("crates/trust/src/verified.rs")).unwrap();
    let declaration = verified.split("pub struct Verified<T>").nth(1).unwrap();
    let body = declaration.split('}').next().unwrap();
    assert!(!body.contains("pub "), "its fields are private");
    assert!(!verified.contains("derive(Clone") && verified.contains("pub(crate) const fn new"));
}

#[test]
fn unsafe_stands_in_named_modules_only() {
    let named = [
        "crates/digest/src/lanes.rs",
        "crates/digest/src/lanes/avx2.rs",
        "crates/digest/src/lanes/avx512.rs",
        "crates/digest/src/lanes/shani.rs",
        "crates/digest/src/sealed.rs",
        "crates/host/src/builder/sandbox.rs",
    ];
    let mut holders = BTreeSet::new();
    for path in files("crates", ".rs") {
        let text = fs::read_to_string(&path).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        if code.clone().any(|line| {
            line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl")
        }) {
            holders.insert(
                path.strip_prefix(house())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
    }
    holders.remove("crates/testkit/tests/it/tidy.rs");
    let named: BTreeSet<String> = named.iter().map(ToString::to_string).collect();
    assert!(
        holders.is_subset(&named),
        "{:?}",
        holders.difference(&named)
    );
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let pages: BTreeSet<String> = files("docs/errors", ".md")
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let codes: BTreeSet<String> = trust::Code::ALL
        .iter()
        .map(|code| code.as_str().to_owned())
        .collect();
    assert_eq!(pages, codes);
    for code in trust::Code::ALL {
        let page = fs::read_to_string(house().join(format!("docs/errors/{code}.md"))).unwrap();
        let kind = if code.kind() == trust::code::Kind::Denied {
            "denied"
        } else {
            "error"
        };
        let facts = format!(
            "{kind} · exit {} · HTTP {}",
            code.kind().exit_status(),
            code.http()
        );
        assert!(
            page.starts_with(&format!("# {code}\n")),
            "{code}: its page begins with its word"
        );
        for part in [
            code.summary(),
            "## What happened",
            "## Why it matters",
            "## How to fix it",
            "## Example",
            &facts,
        ] {
            assert!(page.contains(part), "{code}: its page lacks `{part}`");
        }
    }
}

#[test]
fn every_parser_of_foreign_bytes_has_a_fuzz_target_and_a_corpus() {
    let targets: BTreeSet<String> = files("fuzz/fuzz_targets", ".rs")
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let manifest = fs::read_to_string(house().join("fuzz/Cargo.toml")).unwrap();
    let known: BTreeSet<String> = testkit::targets::ALL
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(
        targets, known,
        "each target has its program in fuzz/fuzz_targets"
    );
    for target in &targets {
        let program = fs::read_to_string(house().join(format!("fuzz/fuzz_targets/{target}.rs")));
        assert!(
            program.unwrap().contains(&format!("run(\"{target}\"")),
            "{target} runs another"
        );
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target} is not in fuzz/Cargo.toml"
        );
        let corpus = house().join("fuzz/corpus").join(target);
        assert!(
            fs::read_dir(&corpus).is_ok_and(|mut seeds| seeds.next().is_some()),
            "{target} has no corpus"
        );
    }
}

#[test]
fn the_readme_is_short_and_nothing_names_one_machine() {
    let readme = fs::read_to_string(house().join("README.md")).unwrap();
    assert!(
        readme.lines().count() <= 150,
        "the README has {} lines",
        readme.lines().count()
    );
    let architecture = fs::read_to_string(house().join("ARCHITECTURE.md")).unwrap();
    assert!(architecture.lines().count() <= 300);
    let listed = Command::new("git")
        .args(["ls-files"])
        .current_dir(house())
        .output();
    let Ok(listed) = listed else { return };
    for name in String::from_utf8_lossy(&listed.stdout)
        .lines()
        // Others wrote and signed the last.
        .filter(|name| !name.ends_with(".lock") && !name.ends_with(".root.json"))
    {
        let Ok(text) = fs::read_to_string(house().join(name)) else {
            continue;
        };
        for word in [concat!("/wo", "rk/"), concat!("/ro", "ot/")] {
            assert!(!text.contains(word), "{name} has `{word}`");
        }
    }
}

#[test]
fn functions_and_files_are_short() {
    let mut long_files = Vec::new();
    for path in files("crates", ".rs") {
        let text = fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]").next().unwrap().lines().count();
        if product > 500 && !path.components().any(|c| c.as_os_str() == "tests") {
            long_files.push(format!("{} ({product})", path.display()));
        }
    }
    assert!(long_files.len() <= 5, "split these: {long_files:#?}");
}
