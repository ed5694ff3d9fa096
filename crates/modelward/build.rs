//! Puts the pages of `docs/errors` into the binary, one for each code of the one table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let pages = manifest.join("../../docs/errors");
    let table = manifest.join("../trust/src/code.rs");
    println!("cargo::rerun-if-changed={}", pages.display());
    println!("cargo::rerun-if-changed={}", table.display());
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("pages.rs");
    std::fs::write(out, source(&codes(&table), &pages)).expect("the build folder can be written");
}

/// The variant and word of each code: the lines of the table are `Variant "word" Kind status "summary"`.
fn codes(table: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(table).expect("the table of codes is there");
    let line = |line: &str| {
        let mut parts = line.split_whitespace();
        let (variant, word, kind) = (parts.next()?, parts.next()?, parts.next()?);
        let word = word.strip_prefix('"')?.strip_suffix('"')?;
        matches!(kind, "Denied" | "Error").then(|| (variant.to_owned(), word.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn source(codes: &[(String, String)], pages: &Path) -> String {
    let mut arms = String::new();
    for (variant, word) in codes {
        let page = pages.join(format!("{word}.md"));
        let page = page
            .canonicalize()
            .unwrap_or_else(|_| panic!("docs/errors/{word}.md is missing"));
        writeln!(
            arms,
            "        Code::{variant} => include_str!({:?}),",
            page.display().to_string()
        )
        .expect("writing to a string does not fail");
    }
    format!(
        "/// The page of a code.\npub(crate) const fn of(code: Code) -> &'static str {{\n    match code {{\n{arms}    }}\n}}\n"
    )
}
