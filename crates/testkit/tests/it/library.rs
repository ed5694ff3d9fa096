//! What the guide for Rust programs shows, really run: on models signed in every way, and on each of them changed.

use std::fs;
use std::path::Path;

use digest::{Algorithm, Links, Method, Walk, list_resources};
use testkit::key;
use trust::predicate::{Form, ModelSignature, Terms};
use trust::{Signer, Time, seal};

use self::verify_model::verify_model;
use crate::top;

#[expect(unreachable_pub, reason = "as the guide shows it")]
mod verify_model;

fn now() -> Time {
    Time::from_unix(0)
}

/// The bundle of a model, as somebody signs it.
fn signed(model: &Path, method: Method, follows_links: bool) -> Vec<u8> {
    let links = if follows_links {
        Links::Inside(model)
    } else {
        Links::Refuse
    };
    let ignored = vec!["left".to_owned()];
    let walk = Walk {
        ignore: &|path| path == "left",
        links,
    };
    let files = list_resources(model, &walk, method, &|_| ()).unwrap();
    let terms = Terms {
        method,
        follows_links,
        ..Terms::usual(ignored)
    };
    let resources = files.iter().map(|(name, file)| (name, file.digest()));
    let form = if model.is_dir() {
        Form::Folder
    } else {
        Form::SingleFile
    };
    let statement = ModelSignature::of_resources("model", resources, form, terms);
    seal(&statement, &key(7)).unwrap().to_bytes()
}

#[test]
fn the_guide_shows_what_is_run_here() {
    let guide = fs::read_to_string(top("docs/guides/use-as-a-library.md")).unwrap();
    let shown = format!("```rust\n{}```\n", include_str!("library/verify_model.rs"));
    assert!(guide.contains(&shown), "the guide shows another program");
}

#[test]
fn it_verifies_whatever_a_bundle_says_of_its_method() {
    let (right, other) = (key(7), key(8));
    let (right, other) = (right.public_key().pem(), other.public_key().pem());
    for algorithm in [Algorithm::Sha256, Algorithm::Blake2b, Algorithm::Blake3] {
        for (shard_size, follows_links) in [(None, false), (None, true), (Some(3), false)] {
            let method = Method {
                algorithm,
                shard_size: shard_size.map(|size| std::num::NonZeroU64::new(size).unwrap()),
            };
            let room = tempfile::tempdir().unwrap();
            let model = room.path().join("model");
            fs::create_dir(&model).unwrap();
            fs::write(model.join("weights"), "weights").unwrap();
            fs::write(model.join("left"), "out").unwrap();
            if follows_links {
                std::os::unix::fs::symlink("weights", model.join("link")).unwrap();
            }
            let bundle = signed(&model, method, follows_links);
            let verified = |key: &str| verify_model(&model, &bundle, key, now());
            assert!(verified(right).is_ok(), "{method:?}: {:?}", verified(right));
            assert!(verified(other).is_err(), "{method:?}");
            assert!(verify_model(&model, b"{}", right, now()).is_err());
            fs::write(model.join("weights"), "Weights").unwrap();
            assert!(verified(right).is_err(), "{method:?}");
        }
    }
    let room = tempfile::tempdir().unwrap();
    let model = room.path().join("model.bin");
    fs::write(&model, "weights").unwrap();
    let bundle = signed(&model, Method::WHOLE_SHA256, false);
    assert!(verify_model(&model, &bundle, right, now()).is_ok());
    fs::write(&model, "Weights").unwrap();
    assert!(verify_model(&model, &bundle, right, now()).is_err());
}
