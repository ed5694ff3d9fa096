//! Models as OCI artifacts: signed and verified by what a manifest names, wherever the manifest is.

use digest::Digest;
use serde_json::{Value, json};

use crate::workshop::Workshop;

mod attested;
mod fetch;
mod hub;
mod push;
mod registry;

pub(crate) use attested::forms as forms_of_images;
use registry::{Answer, Registry};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../trust/testdata/keys");
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BY_KEY: &str = "--public-key key.pub";

/// A folder with a key, and no store.
fn with_key() -> Workshop {
    let workshop = Workshop::bare();
    workshop.write_key();
    workshop.write(
        "key.pub",
        std::fs::read(format!("{KEYS}/p256.pub.pem")).unwrap(),
    );
    workshop
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

/// A manifest of files, as `oras push` writes it.
fn manifest(files: &[(&str, &str)], config: &[u8]) -> Value {
    let layer = |(name, bytes): &(&str, &str)| {
        let mut layer = descriptor("application/octet-stream", bytes.as_bytes());
        layer["annotations"] = json!({"org.opencontainers.image.title": name});
        layer
    };
    json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.model",
           "config": descriptor("application/vnd.oci.empty.v1+json", config),
           "layers": files.iter().map(layer).collect::<Vec<_>>()})
}

const FILES: [(&str, &str); 3] = [
    ("config.json", "{\"a\":1}"),
    ("sub/vocab.txt", "a b"),
    ("weights.bin", "0123"),
];

/// `oras push` without a config of its own: what is pulled has no file of that name.
#[test]
fn an_empty_config_is_not_signed_and_the_pulled_files_verify() {
    let workshop = with_key();
    workshop.write("manifest.json", manifest(&FILES[1..], b"{}").to_string());
    let signed = workshop.allowed("sign oci-manifest://manifest.json --private-key key.pem");
    assert_eq!(signed["blobs"], json!(["sub/vocab.txt", "weights.bin"]));
    workshop.yes(&format!("verify oci-manifest://manifest.json {BY_KEY}"));
    for (name, bytes) in &FILES[1..] {
        workshop.write(&format!("pulled/{name}"), bytes);
    }
    let verify = format!("verify pulled --signature manifest.json.sig {BY_KEY}");
    workshop.yes(&verify);
    workshop.write("pulled/config.json", "{}");
    assert_eq!(workshop.denied(&verify), ["file_extra"]);
}

#[test]
fn a_manifest_alone_is_signed_and_verified() {
    let workshop = with_key();
    workshop.write(
        "manifest.json",
        manifest(&FILES[1..], b"{\"c\":2}").to_string(),
    );
    let signed = workshop.allowed("sign oci-manifest://manifest.json --private-key key.pem");
    let names = json!(["config.json", "sub/vocab.txt", "weights.bin"]);
    assert_eq!((&signed["blobs"], &signed["read"]), (&names, &json!(false)));
    let said = workshop.allowed("inspect manifest.json.sig --public-key key.pub");
    assert_eq!(said["subjects"][0]["name"], "manifest");
    let verify = format!("verify oci-manifest://manifest.json {BY_KEY}");
    let verified = workshop.allowed(&verify);
    assert_eq!(verified["blobs"], names);
    assert_eq!(
        (&verified["partial"], &verified["read"]),
        (&json!(true), &json!(false))
    );
    assert!(verified["model"].is_null() && verified["files"].is_null());
    let text = workshop.yes(&verify).stdout;
    assert!(
        text.starts_with("verified by manifest: ") && text.contains("not read"),
        "{text}"
    );
    // Another digest, another name, one more, one less, another config: each is another artifact.
    let good = String::from_utf8(workshop.read("manifest.json")).unwrap();
    let other = Digest::of(b"other").to_string();
    for (from, to, codes) in [
        (
            Digest::of(b"0123").to_string(),
            other.clone(),
            vec!["digest_mismatch"],
        ),
        (
            Digest::of(b"{\"c\":2}").to_string(),
            other,
            vec!["digest_mismatch"],
        ),
        (
            "weights.bin".into(),
            "weights.ckpt".into(),
            vec!["file_extra", "file_missing"],
        ),
    ] {
        workshop.write("manifest.json", good.replacen(&from, &to, 1));
        let mut denied = workshop.denied(&verify);
        denied.sort();
        assert_eq!(denied, codes, "{from}");
    }
    workshop.write(
        "manifest.json",
        manifest(&FILES[2..], b"{\"c\":2}").to_string(),
    );
    assert_eq!(workshop.denied(&verify), ["file_missing"]);
    // What is not signed may differ, and is not believed.
    workshop.write("manifest.json", good.replacen("vnd.example.model", "x", 1));
    workshop.yes(&verify);
    // As a file of its own it is none that was signed.
    let denied = workshop.denied("verify manifest.json --public-key key.pub");
    assert!(denied.contains(&"file_extra".to_owned()), "{denied:?}");
}

/// Files that were signed in a folder, and pushed one by one, are as they were signed; and the other way round.
#[test]
fn one_signature_serves_the_folder_and_its_manifest() {
    let workshop = with_key();
    for (name, bytes) in FILES {
        workshop.write(&format!("model/{name}"), bytes);
    }
    workshop.write("manifest.json", manifest(&FILES, b"{}").to_string());
    workshop.yes("sign model --private-key key.pem");
    let verify = format!("verify oci-manifest://manifest.json --signature model.sig {BY_KEY}");
    workshop.yes(&verify);
    workshop
        .yes("sign oci-manifest://manifest.json --private-key key.pem --signature by-manifest.sig");
    workshop.yes(&format!(
        "verify model --signature by-manifest.sig {BY_KEY}"
    ));
    // A config that says something is part of the artifact, and nobody signed it.
    workshop.write(
        "manifest.json",
        manifest(&FILES[1..], b"{\"c\":2}").to_string(),
    );
    assert_eq!(workshop.denied(&verify), ["digest_mismatch"]);
    workshop.write("manifest.json", manifest(&FILES, b"{\"c\":2}").to_string());
    assert_eq!(workshop.error(&verify), "manifest_invalid");
    // What a folder's signature leaves out is told, and covered by nothing.
    let more = [&FILES[..], &[(".gitattributes", "x")]].concat();
    workshop.write("manifest.json", manifest(&more, b"{}").to_string());
    assert_eq!(
        workshop.allowed(&verify)["ignored"],
        json!([".gitattributes"])
    );
    let more = [&FILES[..], &[("extra", "x")]].concat();
    workshop.write("manifest.json", manifest(&more, b"{}").to_string());
    assert_eq!(workshop.denied(&verify), ["file_extra"]);
    // A single file, which goes by no name in its signature.
    workshop.write("w.bin", "0123");
    workshop.yes("sign w.bin --private-key key.pem");
    workshop.write(
        "manifest.json",
        manifest(&[("other.bin", "0123")], b"{}").to_string(),
    );
    workshop.yes(&format!(
        "verify oci-manifest://manifest.json --signature w.bin.sig {BY_KEY}"
    ));
}

/// A signature by manifest is no recorded statement, and a manifest no model: no gate begins with either.
#[test]
fn no_gate_takes_a_manifest() {
    let workshop = Workshop::with_data();
    workshop.write("manifest.json", manifest(&FILES, b"{}").to_string());
    assert_eq!(workshop.error("sign oci-manifest://manifest.json"), "usage");
    for line in [
        crate::workshop::publish("prod"),
        crate::workshop::deploy("prod"),
        crate::workshop::admit("prod", crate::workshop::PROD),
    ] {
        let line = line.replacen("out/digits", "oci-manifest://manifest.json", 1);
        assert!(line.contains("oci-manifest"), "{line}");
        assert_eq!(workshop.error(&line), "not_found", "{line}");
    }
}

#[test]
fn what_is_no_manifest_or_reference_is_refused() {
    let workshop = with_key();
    workshop.write("a.json", "{\"schemaVersion\":2}");
    workshop.write("index.json", "{\"schemaVersion\":2,\"manifests\":[]}");
    workshop.write("long.json", vec![b' '; (4 << 20) + 1]);
    for file in ["a.json", "index.json", "long.json", "key.pub"] {
        let line = format!("sign oci-manifest://{file} --private-key key.pem");
        assert_eq!(workshop.error(&line), "manifest_invalid", "{file}");
    }
    for (line, code) in [
        (
            "sign oci-manifest://gone.json --private-key key.pem",
            "not_found",
        ),
        (
            "sign oci-manifest://a.json --private-key key.pem --hash blake3",
            "usage",
        ),
        (
            "sign oci-manifest://a.json --private-key key.pem --ignore x",
            "usage",
        ),
        ("sign oci-layout://x --private-key key.pem", "usage"),
        (
            "verify oci-manifest://a.json --public-key key.pub --only x",
            "usage",
        ),
        ("verify oci-manifest:// --public-key key.pub", "usage"),
        ("verify oci://host/name --public-key key.pub", "usage"),
        (
            "verify oci://user@host/name:tag --public-key key.pub",
            "usage",
        ),
    ] {
        assert_eq!(workshop.error(line), code, "{line}");
    }
}

/// An image layout in `layout`, with the artifact of these bytes and what refers to it.
fn write_layout(workshop: &Workshop, listed: &[Value], blobs: &[&[u8]]) {
    workshop.write("layout/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    workshop.write("layout/index.json", registry::index(listed));
    for blob in blobs {
        let path = format!("layout/blobs/sha256/{}", Digest::of(blob).hex());
        workshop.write(&path, blob);
    }
}

/// A manifest, and a signature of it.
fn signed(workshop: &Workshop) -> (String, Vec<u8>) {
    let manifest = manifest(&FILES, b"{}").to_string();
    workshop.write("manifest.json", &manifest);
    workshop.yes("sign oci-manifest://manifest.json --private-key key.pem");
    (manifest, workshop.read("manifest.json.sig"))
}

fn tagged(mut descriptor: Value, tag: &str) -> Value {
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    descriptor
}

#[test]
fn a_layouts_signatures_are_found_in_it() {
    let workshop = with_key();
    let (manifest, bundle) = signed(&workshop);
    let (text, bytes) = (manifest.clone(), manifest.as_bytes());
    let artifact = tagged(descriptor(MANIFEST, bytes), "v1");
    let holder = registry::bundle_manifest(&bundle, bytes).to_string();
    let referrer = registry::referrer(&holder);
    let digest = Digest::of(bytes);
    write_layout(
        &workshop,
        &[artifact.clone(), referrer.clone()],
        &[bytes, &bundle, holder.as_bytes()],
    );
    for name in ["", ":v1", &format!("@{digest}")] {
        let verified = workshop.allowed(&format!("verify oci-layout://layout{name} {BY_KEY}"));
        assert_eq!(verified["manifest"], digest.to_string());
        let place = format!("index.json {}", Digest::of(holder.as_bytes()));
        assert_eq!(
            (&verified["signature"], &verified["read"]),
            (&json!(place), &json!(false))
        );
    }
    let verify = format!("verify oci-layout://layout {BY_KEY}");
    // A list that does not tell kinds, and one under the tag of older clients.
    let untold = descriptor(MANIFEST, holder.as_bytes());
    write_layout(&workshop, &[artifact.clone(), untold], &[]);
    workshop.yes(&verify);
    let list = registry::index(std::slice::from_ref(&referrer));
    let fallback = tagged(
        descriptor("application/vnd.oci.image.index.v1+json", list.as_bytes()),
        &format!("sha256-{}", digest.hex()),
    );
    write_layout(&workshop, &[artifact.clone(), fallback], &[list.as_bytes()]);
    assert!(workshop.yes(&verify).stdout.contains("fallback tag"));
    // Nobody signed it; it is about something else; it holds other bytes.
    write_layout(&workshop, std::slice::from_ref(&artifact), &[]);
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
    let other = registry::bundle_manifest(&bundle, b"other").to_string();
    write_layout(
        &workshop,
        &[artifact.clone(), registry::referrer(&other)],
        &[other.as_bytes()],
    );
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
    write_layout(&workshop, &[artifact.clone(), referrer.clone()], &[]);
    let blob = format!("layout/blobs/sha256/{}", Digest::of(&bundle).hex());
    workshop.flip(&blob, 100);
    assert_eq!(workshop.denied(&verify), ["digest_mismatch"]);
    workshop.flip(&blob, 100);
    workshop.yes(&verify);
    workshop.flip(&format!("layout/blobs/sha256/{}", digest.hex()), 30);
    assert_eq!(workshop.denied(&verify), ["digest_mismatch"]);
    // Two that are meant as well as each other.
    let second = text.replacen("vnd.example.model", "x", 1);
    write_layout(
        &workshop,
        &[artifact.clone(), descriptor(MANIFEST, second.as_bytes())],
        &[bytes, second.as_bytes()],
    );
    assert_eq!(workshop.error(&verify), "usage");
    assert_eq!(
        workshop.error(&format!("verify oci-layout://layout:v2 {BY_KEY}")),
        "not_found"
    );
    std::fs::remove_file(workshop.file("layout/oci-layout")).unwrap();
    assert_eq!(workshop.error(&verify), "manifest_invalid");
}

#[test]
fn a_registrys_signatures_are_found_in_it() {
    let workshop = with_key();
    let (manifest, bundle) = signed(&workshop);
    let bytes = manifest.as_bytes();
    let registry = Registry::start();
    let digest = registry.push(bytes);
    registry.answer("/v2/m/manifests/v1", Answer::ok(bytes));
    let referrer = registry.push_bundle(&bundle, bytes);
    registry.list(digest, std::slice::from_ref(&referrer));
    let by_digest = format!("verify {} {BY_KEY}", registry.name(&format!("@{digest}")));
    let by_tag = format!("verify {} {BY_KEY}", registry.name(":v1"));
    for line in [&by_digest, &by_tag] {
        let verified = workshop.allowed(line);
        assert_eq!(verified["manifest"], digest.to_string());
        assert!(
            verified["signature"]
                .as_str()
                .unwrap()
                .starts_with("referrers sha256:")
        );
    }
    // No layer was asked for, and nobody was told anything.
    let layers: Vec<String> = FILES
        .iter()
        .map(|(_, bytes)| Digest::of(bytes.as_bytes()).hex())
        .collect();
    for (path, authorization) in registry.asked() {
        assert!(!layers.iter().any(|layer| path.contains(layer)), "{path}");
        assert_eq!(authorization, None);
    }
    // Without the list, the tag; without either, nobody signed it.
    let fallback = format!("/v2/m/manifests/sha256-{}", digest.hex());
    registry.answer(&fallback, Answer::ok(registry::index(&[referrer])));
    registry.answer(
        &format!("/v2/m/referrers/{digest}"),
        Answer::status(404, "404 page not found"),
    );
    assert!(workshop.yes(&by_digest).stdout.contains("fallback tag"));
    registry.answer(&fallback, Answer::status(404, ""));
    assert_eq!(workshop.denied(&by_digest), ["signature_missing"]);
    // A signature of one's own needs no list; and whoever is not believed is not believed here.
    workshop.yes(&format!("{by_digest} --signature manifest.json.sig"));
    let other = registry.push_bundle(&other_signature(&workshop), bytes);
    registry.list(digest, std::slice::from_ref(&other));
    assert_eq!(workshop.denied(&by_digest), ["key_unknown"]);
    // Somebody else's signature hides none, in whatever order.
    let ours = registry.push_bundle(&bundle, bytes);
    let provenance = registry.push_bundle(b"{\"mediaType\":\"x\"}", bytes);
    registry.list(digest, &[other, provenance, ours]);
    workshop.yes(&by_digest);
    // A tag that says that it is something else, or gives it under another name.
    registry.answer(
        "/v2/m/manifests/v1",
        Answer::ok(bytes).with("docker-content-digest", Digest::of(b"x").to_string()),
    );
    assert_eq!(workshop.denied(&by_tag), ["digest_mismatch"]);
    registry.answer(&format!("/v2/m/manifests/{digest}"), Answer::ok("{}"));
    assert_eq!(workshop.denied(&by_digest), ["digest_mismatch"]);
    // What is fetched can be signed, too.
    registry.push(bytes);
    workshop.yes(&format!(
        "sign {} --private-key key.pem --signature new.sig",
        registry.name(&format!("@{digest}"))
    ));
    workshop.yes(&format!("{by_digest} --signature new.sig"));
}

/// A signature of the same manifest by another key.
fn other_signature(workshop: &Workshop) -> Vec<u8> {
    let bytes = std::fs::read(format!("{KEYS}/p384.pk8.pem")).unwrap();
    workshop.write("other.pem", bytes);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(workshop.file("other.pem"), mode).unwrap();
    workshop.yes("sign oci-manifest://manifest.json --private-key other.pem --signature other.sig");
    workshop.read("other.sig")
}

/// A registry can keep its answers back. It can't make us work without end, go elsewhere, or say yes.
#[test]
fn a_hostile_registry_gets_bounded_work_and_a_code() {
    let workshop = with_key();
    let (manifest, bundle) = signed(&workshop);
    let bytes = manifest.as_bytes();
    let registry = Registry::start();
    let digest = registry.push(bytes);
    let good = registry.push_bundle(&bundle, bytes);
    let verify = format!("verify {} {BY_KEY}", registry.name(&format!("@{digest}")));
    let list = format!("/v2/m/referrers/{digest}");
    let elsewhere = Registry::start();
    // Ten thousand that are no bundles are passed over; ten thousand that say they are, are not all looked at.
    let junk = |number: usize, kind: &str| {
        let bytes = number.to_string();
        let mut junk = descriptor(MANIFEST, bytes.as_bytes());
        junk["artifactType"] = json!(kind);
        junk
    };
    let mut many: Vec<Value> = (0..9_999)
        .map(|number| junk(number, "application/spdx+json"))
        .collect();
    many.push(good.clone());
    registry.list(digest, &many);
    registry.asked();
    workshop.yes(&verify);
    assert!(registry.asked().len() < 10);
    let many: Vec<Value> = (0..10_000)
        .map(|number| junk(number, registry::BUNDLE))
        .collect();
    registry.list(digest, &many);
    assert_eq!(workshop.error(&verify), "not_found");
    assert!(registry.asked().len() < 200);
    // Lists without end, and that lead elsewhere.
    let endless = |next: &str| {
        let page = registry::index(&[junk(1, "application/spdx+json")]);
        Answer::ok(page).with("link", format!("<{next}>; rel=\"next\""))
    };
    registry.answer(&list, endless(&list));
    assert_eq!(workshop.error(&verify), "too_large");
    assert!(registry.asked().len() < 25);
    registry.answer(
        &list,
        endless(&format!("http://{}/v2/m/referrers/x", elsewhere.address)),
    );
    assert_eq!(workshop.error(&verify), "too_large");
    for (answer, code) in [
        (Answer::ok("no JSON"), "manifest_invalid"),
        (Answer::ok("{}"), "manifest_invalid"),
        (Answer::ok(vec![b' '; (4 << 20) + 1]), "too_large"),
        (Answer::status(500, "down"), "network"),
        (Answer::status(403, ""), "network"),
        (
            Answer::status(302, "").with("location", format!("http://{}/x", elsewhere.address)),
            "network",
        ),
        (
            Answer::status(302, "").with("location", list.clone()),
            "network",
        ),
        (Answer::status(302, ""), "network"),
        (
            Answer::status(401, "").with("www-authenticate", "Basic realm=\"x\""),
            "network",
        ),
        (Answer::status(401, ""), "network"),
        (
            Answer::status(401, "").with("www-authenticate", "Bearer realm=\"ftp://x/\""),
            "network",
        ),
    ] {
        registry.answer(&list, answer.clone());
        assert_eq!(
            workshop.error(&verify),
            code,
            "{:?}",
            (answer.status, answer.headers)
        );
    }
    assert!(elsewhere.asked().is_empty());
    // A bundle whose manifest says that it is longer than anybody's.
    let mut long = registry::bundle_manifest(&bundle, bytes);
    long["layers"][0]["size"] = json!(u64::MAX);
    let long = long.to_string();
    registry.push(long.as_bytes());
    registry.list(digest, &[registry::referrer(&long)]);
    assert_eq!(workshop.error(&verify), "too_large");
    // What can't be read hides nothing that can.
    registry.list(digest, &[registry::referrer(&long), good.clone()]);
    workshop.yes(&verify);
    // A blob of other bytes, and more of them than was said.
    registry.list(digest, &[good]);
    let blob = format!("/v2/m/blobs/{}", Digest::of(&bundle));
    registry.answer(&blob, Answer::ok(vec![b'x'; bundle.len()]));
    assert_eq!(workshop.denied(&verify), ["digest_mismatch"]);
    registry.answer(&blob, Answer::ok([&bundle[..], b" "].concat()));
    assert_eq!(workshop.error(&verify), "too_large");
}

/// Registries ask even those who may read everything for a token; it goes to them alone.
#[test]
fn a_token_is_for_the_registry_alone() {
    let workshop = with_key();
    let (manifest, bundle) = signed(&workshop);
    let bytes = manifest.as_bytes();
    let (registry, service, storage) = (Registry::start(), Registry::start(), Registry::start());
    let digest = registry.push(bytes);
    let referrer = registry.push_bundle(&bundle, bytes);
    registry.list(digest, &[referrer]);
    registry.wants("secret");
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"r\",scope=\"repository:m:push\"",
        service.address
    );
    registry.answer(
        "/challenge",
        Answer::status(401, "").with("www-authenticate", challenge),
    );
    service.answer(
        "/token?service=r&scope=repository%3Am%3Apull",
        Answer::ok("{\"token\":\"secret\"}"),
    );
    // Blobs are kept elsewhere, as large registries do.
    let blob = format!("/v2/m/blobs/{}", Digest::of(&bundle));
    let stored = format!("http://{}/stored?signature=x", storage.address);
    registry.answer(&blob, Answer::status(307, "").with("location", stored));
    storage.answer("/stored?signature=x", Answer::ok(bundle.clone()));
    let verify = format!("verify {} {BY_KEY}", registry.name(&format!("@{digest}")));
    workshop.yes(&verify);
    assert_eq!(service.asked().len(), 1, "one token is enough");
    assert_eq!(storage.asked(), [("/stored?signature=x".to_owned(), None)]);
    let with_token = |question: &registry::Question| question.1.as_deref() == Some("Bearer secret");
    assert!(registry.asked().iter().skip(1).all(with_token));
    // Other bytes from there are other bytes.
    storage.answer("/stored?signature=x", Answer::ok(vec![b'x'; bundle.len()]));
    assert_eq!(workshop.denied(&verify), ["digest_mismatch"]);
    for token in ["{}", "{\"token\":\"wrong\"}", "{\"token\":\"a b\"}", "x"] {
        service.answer(
            "/token?service=r&scope=repository%3Am%3Apull",
            Answer::ok(token),
        );
        assert_eq!(workshop.error(&verify), "network", "{token}");
    }
}
