//! Every public vector that `MODELWARD_VECTORS` points to: what is dangerous, malformed or unreadable is never clean.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use scan::{Report, Verdict, scan_file};
use serde_json::Value;

/// Families whose formats this version reads; the other ones are at best inconclusive.
fn is_covered(path: &str) -> bool {
    let pickles = ["derived/pickle/", "derived/text/", "derived/safetensors/"];
    let archives = path.starts_with("derived/zip/");
    let theirs = path.starts_with("picklescan/");
    let other = [".npy", ".npz", ".7z"];
    pickles.iter().any(|family| path.starts_with(family))
        || archives
        || (theirs && !other.iter().any(|end| path.ends_with(end)))
}

fn is_pickle_or_zip(path: &str) -> bool {
    is_covered(path) && !path.starts_with("derived/safetensors/")
}

fn scan_path(path: &Path) -> Report {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    scan_file(&name, &mut File::open(path).unwrap(), &mut |_| {})
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "the score is for whoever runs it with --nocapture"
)]
fn no_vector_is_better_than_expected() {
    let Some(folder) = std::env::var_os("MODELWARD_VECTORS") else {
        return;
    };
    let folder = PathBuf::from(folder).join("scan");
    let manifest = std::fs::read(folder.join("MANIFEST.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut score: BTreeMap<(String, &str), u32> = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut dangerous, mut told) = (0, 0);
    for row in manifest["rows"].as_array().unwrap() {
        let path = row["path"].as_str().unwrap();
        let expect = row["expect"].as_str().unwrap();
        let report = scan_path(&folder.join(path));
        let verdict = report.verdict;
        *score
            .entry((expect.to_owned(), verdict.as_str()))
            .or_default() += 1;
        let right = match expect {
            "clean" if is_covered(path) => verdict == Verdict::Clean,
            "clean" => matches!(verdict, Verdict::Clean | Verdict::Inconclusive),
            _ => verdict != Verdict::Clean,
        };
        if expect == "dangerous" && is_pickle_or_zip(path) {
            dangerous += 1;
            told += u32::from(verdict == Verdict::Malicious || verdict == Verdict::Suspicious);
        }
        if !right {
            wrong.push(format!("{path}: {report:?}"));
        }
    }
    eprintln!("{score:#?}\ndangerous pickles and zips told: {told} of {dangerous}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(told * 100 >= dangerous * 95);
}
