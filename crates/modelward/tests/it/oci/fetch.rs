//! A file of an image, for whom it was deployed.

use std::collections::BTreeMap;

use digest::Digest;
use serde_json::{Value, json};
use trust::predicate::{Deployment, GOOGLE_SERVICE_ACCOUNT, RecallKind};
use trust::{Predicate, PrivateKey, Statement, Subject};

use super::hub::{Hub, Manners};
use super::registry::{bundle_manifest, index, referrer};
use super::{MANIFEST, descriptor};
use crate::workshop::{PACKAGE, PROD, STAGING, Workshop};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

fn layer(members: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        builder
            .append_data(&mut header, path, text.as_bytes())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

/// An image of these layers, from the lowest.
fn image(hub: &Hub, layers: &[Vec<u8>]) -> Vec<u8> {
    hub.put_blob(b"{}");
    layers.iter().for_each(|layer| hub.put_blob(layer));
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| descriptor(LAYER, layer))
        .collect();
    let config = descriptor("application/vnd.oci.image.config.v1+json", b"{}");
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let manifest = manifest.to_string().into_bytes();
    hub.put("v1", &manifest);
    manifest
}

fn bundle<P: Predicate>(workshop: &Workshop, name: &str, digest: Digest, predicate: P) -> Vec<u8> {
    let pem = workshop.read(".modelward/keys/laptop.key.pem");
    let key = PrivateKey::from_pem(std::str::from_utf8(&pem).unwrap(), None).unwrap();
    let subjects = vec![Subject {
        name: name.to_owned(),
        digest,
    }];
    let statement = Statement {
        subjects,
        predicate,
    };
    trust::seal(&statement, &key).unwrap().to_bytes()
}

fn deployment(account: &str, environment: &str) -> Deployment {
    Deployment {
        creation_time: host::clock::now().unwrap(),
        environments: vec![environment.to_owned()],
        scopes: BTreeMap::from([(GOOGLE_SERVICE_ACCOUNT.to_owned(), account.to_owned())]),
    }
}

/// Puts bundles beside an image.
fn attach(hub: &Hub, image: &[u8], bundles: &[Vec<u8>]) {
    let mut listed = Vec::new();
    for bundle in bundles {
        hub.put_blob(bundle);
        let manifest = bundle_manifest(bundle, image).to_string();
        hub.put(
            &Digest::of(manifest.as_bytes()).to_string(),
            manifest.as_bytes(),
        );
        listed.push(referrer(&manifest));
    }
    let tag = format!("sha256-{}", Digest::of(image).hex());
    hub.put(&tag, index(&listed).as_bytes());
}

#[test]
fn a_file_is_fetched_for_whom_its_image_was_deployed() {
    let workshop = Workshop::with_data();
    let hub = Hub::start(Manners::default());
    let layers = [
        layer(&[("model.pth", "old"), ("gone.pth", "1"), ("hostile", "1")]),
        layer(&[("./model.pth", "weights"), (".wh.gone.pth", "")]),
    ];
    let image = image(&hub, &layers);
    let digest = Digest::of(&image);
    let at = format!("{}/m@{digest}", hub.address);
    let fetch = |file: &str, account: &str, environment: &str| {
        format!(
            "fetch {at} --file {file} --for {account} --environment {environment} --package {PACKAGE}"
        )
    };
    let good = fetch("/model.pth", PROD, "prod");
    assert_eq!(workshop.denied(&good), ["deployment_missing"]);
    attach(
        &hub,
        &image,
        &[bundle(&workshop, PACKAGE, digest, deployment(PROD, "prod"))],
    );
    for (line, code) in [
        (fetch("/model.pth", STAGING, "prod"), "scope_mismatch"),
        (fetch("/model.pth", PROD, "staging"), "environment_mismatch"),
        (
            good.replace(PACKAGE, "registry.example/other"),
            "deployment_missing",
        ),
    ] {
        hub.asked();
        assert_eq!(workshop.denied(&line), [code], "{line}");
        let layer = Digest::of(&layers[1]).to_string();
        assert!(
            !hub.asked().iter().any(|(_, path, _)| path.contains(&layer)),
            "a layer was fetched"
        );
    }
    let fetched = workshop.allowed(&good);
    assert_eq!(fetched["digest"], Digest::of(b"weights").to_string());
    assert_eq!(workshop.read("model.pth"), b"weights");
    // The upper layer has it: the lower one was not asked for.
    let below = Digest::of(&layers[0]).to_string();
    assert!(!hub.asked().iter().any(|(_, path, _)| path.contains(&below)));
    assert_eq!(workshop.error(&good), "io", "it is there already");
    assert_eq!(
        workshop.error(&fetch("/gone.pth", PROD, "prod")),
        "not_found"
    );
    assert_eq!(
        workshop.error(&fetch("/../etc/passwd", PROD, "prod")),
        "not_found"
    );
    let tagged = good.replace(&format!("@{digest}"), ":v1");
    assert_eq!(workshop.error(&tagged), "usage");
    // Other bytes than the image names are none of it.
    hub.change(|manners| manners.flips = true);
    assert!(
        ["digest_mismatch", "deployment_missing"]
            .contains(&workshop.denied(&fetch("/hostile", PROD, "prod"))[0].as_str())
    );
    assert!(!workshop.file("hostile").exists());
}

/// What is recalled is not fetched, wherever that is said; and where a place can't be read, nobody can tell.
#[test]
fn a_recall_beside_an_image_closes_it() {
    let workshop = Workshop::with_data();
    let hub = Hub::start(Manners::default());
    let image = image(&hub, &[layer(&[("model.pth", "weights")])]);
    let digest = Digest::of(&image);
    let at = format!("{}/m@{digest}", hub.address);
    let fetch =
        format!("fetch {at} --file /model.pth --for {PROD} --environment prod --package {PACKAGE}");
    let deployed = bundle(&workshop, PACKAGE, digest, deployment(PROD, "prod"));
    let now = host::clock::now().unwrap();
    let recall = chain::recall::statement(RecallKind::Model, &digest.to_string(), "it is bad", now);
    let subject = recall.predicate.subject();
    let recall = bundle(&workshop, "x", subject, recall.predicate);
    attach(&hub, &image, &[deployed.clone(), recall]);
    assert_eq!(workshop.denied(&fetch), ["recalled"]);
    attach(&hub, &image, std::slice::from_ref(&deployed));
    workshop.yes(&format!("{fetch} --to first"));
    hub.put(&format!("sha256-{}.att", digest.hex()), b"[]");
    assert_eq!(workshop.error(&fetch), "manifest_invalid");
    hub.put(
        &format!("sha256-{}.att", digest.hex()),
        super::manifest(&[], b"{}").to_string().as_bytes(),
    );
    workshop.yes(&format!("{fetch} --to second"));
    workshop.yes(&format!("recall model {digest} --reason x"));
    assert_eq!(workshop.denied(&fetch), ["recalled"]);
}
