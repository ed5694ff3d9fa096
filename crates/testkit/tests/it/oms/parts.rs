//! Signed files beside others, and a part of the signed files: each says exactly what it knows, and no more.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use digest::{Algorithm, Method, Resources};
use trust::predicate::{Spelling, Terms};
use trust::{Statement, Verified, seal, verify_listed, verify_part};

use super::*;

const PIECES: Method = Method {
    algorithm: Algorithm::Blake3,
    shard_size: NonZeroU64::new(8),
};

const FILES: [(&str, &str); 3] = [
    ("a.json", "{}"),
    ("tokenizer/vocab.txt", "a b c"),
    ("weights.bin", "0123456789ABCDEF"),
];

fn measured(model: &Path, method: Method) -> Resources {
    let walk = Walk {
        ignore: &|_| false,
        links: Links::Refuse,
    };
    digest::list_resources(model, &walk, method, &|_| {}).unwrap()
}

/// The model, signed in this way and believed.
fn signed(method: Method) -> (tempfile::TempDir, Verified<Statement<ModelSignature>>) {
    let model = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = model.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let resources = measured(model.path(), method);
    let resources = resources
        .iter()
        .map(|(name, measured)| (name, measured.digest()));
    let terms = Terms {
        method,
        follows_links: false,
        ignored: vec![],
        spelling: Spelling::Interoperable,
    };
    let statement = ModelSignature::of_resources("m", resources, Form::Folder, terms);
    let bundle = seal(&statement, &key(1)).unwrap().to_bytes();
    let verified = verify(&bundle, &trusting(1, &[]), now()).unwrap();
    (model, verified)
}

fn codes(differences: &[trust::Difference]) -> Vec<String> {
    let told = differences.iter();
    told.map(|d| format!("{} {}", d.path(), d.reason().code))
        .collect()
}

#[test]
fn files_beside_the_signed_ones_are_told_and_nothing_else_is_forgiven() {
    for method in [Method::WHOLE_SHA256, PIECES] {
        let (model, signature) = signed(method);
        let listed = |model: &Path| {
            verify_listed(&signature, method, measured(model, method), Form::Folder)
                .map_err(|differences| codes(&differences))
        };
        let at = |name: &str| model.path().join(name);
        let alone = listed(model.path()).unwrap();
        assert!(alone.value().unsigned().is_empty());
        fs::create_dir(at("notes")).unwrap();
        fs::write(at("notes/long.txt"), "longer than one piece is").unwrap();
        fs::write(at(".DS_Store"), "x").unwrap();
        let beside = listed(model.path()).unwrap();
        assert_eq!(beside.value().unsigned(), [".DS_Store", "notes/long.txt"]);
        assert_eq!(
            beside.value().resources(),
            alone.value().resources(),
            "only what was signed is handed on"
        );
        fs::write(at("a.json"), "[]").unwrap();
        assert_eq!(listed(model.path()).unwrap_err().len(), 1);
        fs::write(at("a.json"), "{}").unwrap();
        // A signed file that grew by a whole piece is not a file beside it.
        fs::write(at("weights.bin"), "0123456789ABCDEFmore").unwrap();
        let grown = listed(model.path()).unwrap_err();
        assert!(
            grown.len() == 1 && grown[0].starts_with("weights.bin"),
            "{grown:?}"
        );
        fs::remove_file(at("weights.bin")).unwrap();
        assert!(listed(model.path()).unwrap_err()[0].ends_with("file_missing"));
        // Another method than the signed one compares nothing.
        let other = verify_listed(
            &signature,
            Method {
                algorithm: Algorithm::Blake2b,
                shard_size: None,
            },
            measured(model.path(), Method::WHOLE_SHA256),
            Form::Folder,
        );
        assert_eq!(codes(&other.unwrap_err()), [" signature_method"]);
    }
}

#[test]
fn a_part_names_what_was_checked_and_what_was_not() {
    for method in [Method::WHOLE_SHA256, PIECES] {
        let (model, signature) = signed(method);
        let part = |chosen: &dyn Fn(&str) -> bool| {
            let resources = measured(model.path(), method);
            verify_part(&signature, method, chosen, &resources)
                .map_err(|differences| codes(&differences))
        };
        let tokens = |path: &str| path.starts_with("tokenizer/");
        let verified = part(&tokens).unwrap();
        assert_eq!(verified.value().checked(), ["tokenizer/vocab.txt"]);
        assert_eq!(verified.value().unchecked(), ["a.json", "weights.bin"]);
        let at = |name: &str| model.path().join(name);
        // What was not asked for may be anything, and is never said to be checked.
        fs::write(at("weights.bin"), "other").unwrap();
        fs::remove_file(at("a.json")).unwrap();
        fs::write(at("more.bin"), "x").unwrap();
        assert_eq!(part(&tokens).unwrap().value(), verified.value());
        assert!(part(&|_| true).is_err());
        // Of what was asked for, each difference counts: another, one more, one missing.
        fs::write(at("tokenizer/more"), "x").unwrap();
        assert!(part(&tokens).unwrap_err()[0].ends_with("file_extra"));
        fs::remove_file(at("tokenizer/more")).unwrap();
        fs::write(at("tokenizer/vocab.txt"), "x").unwrap();
        assert!(part(&tokens).is_err());
        fs::remove_file(at("tokenizer/vocab.txt")).unwrap();
        assert!(part(&tokens).unwrap_err()[0].ends_with("file_missing"));
        // Nothing passes because nothing was looked at.
        assert_eq!(part(&|_| false).unwrap_err(), [" file_missing"]);
        assert_eq!(part(&|path| path == "none").unwrap_err(), [" file_missing"]);
    }
}
