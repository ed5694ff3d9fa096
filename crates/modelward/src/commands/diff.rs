//! `modelward diff A B`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use trust::predicate::{ModelSignature, Terms};
use trust::{Bundle, Code, Denied, Difference, Opaque, Predicate, Reason, Statement};

use super::verify::read_signature;
use crate::answer::{Answer, Failure};
use crate::lines::counted;
use crate::model::{Resources, default_ignored, left_out, left_out_line};
use crate::step_lines::harmless;
use crate::ui::Ui;

/// Compare two models, or a model with what a signature says of one
///
/// A file that is a signature is taken as one; nobody checks who made it. Exit status: 0 the same, 1 different.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward diff out/digits out/digits.sig")]
pub(crate) struct Args {
    /// A folder, a file, or a signature
    a: PathBuf,
    /// Another
    b: PathBuf,
    /// Leave out this path, and all below it, where no signature says what is left out; git's files always are
    #[arg(long = "ignore", value_name = "PATH")]
    ignored: Vec<String>,
}

pub(crate) fn run(args: &Args, ui: &Ui) -> Result<Answer, Failure> {
    let (a, b) = (Side::read(&args.a)?, Side::read(&args.b)?);
    let usual = || Terms::usual([default_ignored(), args.ignored.clone()].concat());
    let terms = |other: &Side| match other {
        Side::Signature(signed) => Terms {
            method: signed.method(),
            follows_links: signed.follows_links(),
            ..Terms::usual(signed.ignored().to_vec())
        },
        Side::Tree(_) => usual(),
    };
    let (of_a, of_b) = (terms(&b), terms(&a));
    let unchecked: Vec<&PathBuf> = [(&a, &args.a), (&b, &args.b)]
        .into_iter()
        .filter(|(side, _)| matches!(side, Side::Signature(_)))
        .map(|(_, path)| path)
        .collect();
    let said = unchecked.iter().map(|path| {
        format!(
            "`{}` is a signature, and nobody checked whose",
            path.display()
        )
    });
    let said: Vec<String> = said.collect();
    let mut left_out = [a.left_out(&of_a), b.left_out(&of_b)].concat();
    left_out.sort();
    left_out.dedup();
    let (a, b) = (a.files(of_a, &args.b, ui)?, b.files(of_b, &args.a, ui)?);
    let changes = changes(&a, &b)?;
    let names = |kind: Change| -> Vec<&str> {
        let of_kind = changes.iter().filter(|(_, change)| **change == kind);
        of_kind.map(|(name, _)| name.as_str()).collect()
    };
    let data = json!({"added": names(Change::Added), "removed": names(Change::Removed), "changed": names(Change::Changed),
                      "verified": false, "ignored": left_out});
    let lines = changes
        .iter()
        .map(|(name, change)| format!("{} {}", change.sign(), harmless(name)));
    let left_out_line = left_out_line(&left_out, "not compared");
    let mut lines: Vec<String> = lines.chain(left_out_line).chain(said).collect();
    if changes.is_empty() {
        lines.insert(
            0,
            format!("the same: {}", counted(a.signed_files().len(), "file")),
        );
    }
    let message = format!(
        "`{}` and `{}` differ in {}",
        args.a.display(),
        args.b.display(),
        counted(changes.len(), "file")
    );
    let way = "what stands with `+` is in the second alone, with `-` in the first alone, with `~` in both and not the same";
    let reasons = match changes.is_empty() {
        true => vec![],
        false => vec![Reason::new(Code::DigestMismatch, message, way)],
    };
    Ok(Answer::new(lines, data).denied_if(Denied::from_reasons(reasons)))
}

/// One of the two.
enum Side {
    Tree(PathBuf),
    Signature(ModelSignature),
}

impl Side {
    fn read(path: &Path) -> Result<Self, Failure> {
        let tree = || Ok(Self::Tree(path.to_owned()));
        if !path.is_file() && !host::named_file::is_handed_over(path) {
            return tree();
        }
        // What is too long for a signature, or is none, is a model of one file.
        let Ok(bytes) = read_signature(path) else {
            return tree();
        };
        let bundle = match Bundle::parse(&bytes) {
            Err(broken) if is_meant_as_bundle(path, &bytes) => return Err(broken.into()),
            Err(_) => return tree(),
            Ok(bundle) => bundle,
        };
        let statement = Statement::<Opaque<'_>>::parse(bundle.envelope().payload())?;
        Ok(Self::Signature(
            ModelSignature::of_statement(statement)?.predicate,
        ))
    }

    /// Which of these paths are in it, and so are not compared.
    fn left_out(&self, terms: &Terms) -> Vec<String> {
        match self {
            Self::Signature(_) => vec![],
            Self::Tree(path) => left_out(path, &terms.ignored),
        }
    }

    /// What is in it: of a tree, what a signature like the other side's would say.
    fn files(self, terms: Terms, other: &Path, ui: &Ui) -> Result<ModelSignature, Failure> {
        let path = match self {
            Self::Signature(signed) => return Ok(signed),
            Self::Tree(path) => path,
        };
        let links = terms.follows_links.then_some(path.as_path());
        // A signature that lies in the model is no part of it.
        let inside = other.strip_prefix(&path).ok().and_then(Path::to_str);
        let ignored = terms.ignored.iter().cloned();
        let ignored: Vec<String> = ignored.chain(inside.map(ToOwned::to_owned)).collect();
        let measured = Resources::measure(&path, &ignored, links, terms.method, ui)?;
        if !measured.empty.is_empty() {
            let names = measured.empty.join(", ");
            ui.warn(&format!(
                "empty files have no pieces, and are not compared: {names}"
            ));
        }
        let resources = measured.resources.iter();
        let resources = resources.map(|(name, m)| (name, m.digest()));
        let form = measured.form;
        Ok(ModelSignature::of_resources("", resources, form, terms).predicate)
    }
}

/// Whether somebody means a signature by it, even if it is a broken one.
fn is_meant_as_bundle(path: &Path, bytes: &[u8]) -> bool {
    let is_named = path.extension().is_some_and(|ending| ending == "sig");
    let is_handed_over = host::named_file::is_handed_over(path);
    let value = serde_json::from_slice::<serde_json::Value>(bytes);
    let kind = value
        .as_ref()
        .ok()
        .and_then(|value| value["mediaType"].as_str());
    is_named || is_handed_over || kind.is_some_and(|kind| kind.contains("sigstore.bundle"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Removed,
    Changed,
}

impl Change {
    const fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Removed => '-',
            Self::Changed => '~',
        }
    }
}

/// The files that differ, in the order of their names.
fn changes(a: &ModelSignature, b: &ModelSignature) -> Result<BTreeMap<String, Change>, Failure> {
    let differences = trust::differences(a, b.method(), b.by_name(), b.form());
    let (in_a, in_b) = (a.signed_files(), b.signed_files());
    let mut changes = BTreeMap::new();
    for difference in &differences {
        if let Difference::Method { want, got } = difference {
            let message = format!("one is hashed {want}, the other {got}");
            let way = "compare each with the model itself";
            return Err(Failure::error(Code::Usage, message, way));
        }
        let file = a.file_of(difference.path());
        let change = match (in_a.contains(file), in_b.contains(file)) {
            (true, false) => Change::Removed,
            (false, true) => Change::Added,
            _ => Change::Changed,
        };
        changes.insert(file.to_owned(), change);
    }
    Ok(changes)
}
