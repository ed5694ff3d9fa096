//! OCI artifacts: what they are called, and what manifests and indexes name.

use std::collections::BTreeSet;

use digest::Digest;
use trust::TreePath;
use trust::oci::{Descriptor, Index, Manifest, Reference, Referrer, ReferrerList, Version};

use super::texts;

/// A manifest has one reading, and each of its blobs a name of its own that leads nowhere else.
pub(super) fn oci_manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return;
    };
    assert!(bytes.len() <= Manifest::SIZE_BYTES_MAX);
    assert!(
        Index::parse(bytes).is_err(),
        "it is a manifest and an index"
    );
    if let Ok(resources) = manifest.resources() {
        assert!(resources.keys().all(|name| TreePath::new(name).is_ok()));
        // An empty config may give way to a layer of its name; no layer does.
        let named = resources.len();
        assert!(named == manifest.blobs() || named + 1 == manifest.blobs());
        assert!(resources.contains_key("config.json"));
    }
    if let Some(bundle) = manifest.bundle() {
        assert_eq!(manifest.blobs(), 2, "{bundle:?} stands alone");
    }
}

pub(super) fn oci_manifest_seeds() -> Vec<Vec<u8>> {
    let layer = |text: &str, more: &str| {
        let (digest, size) = (Digest::of(text.as_bytes()), text.len());
        format!(
            r#"{{"mediaType":"application/octet-stream","digest":"{digest}","size":{size}{more}}}"#
        )
    };
    let title =
        |name: &str| format!(r#","annotations":{{"org.opencontainers.image.title":"{name}"}}"#);
    let manifest = |more: &str, layers: &[String]| {
        let config = layer("{}", "");
        let layers = layers.join(",");
        format!(r#"{{"schemaVersion":2,{more}"config":{config},"layers":[{layers}]}}"#)
    };
    let (one, other) = (
        layer("a", &title("sub/a")),
        layer("b", &title("config.json")),
    );
    let bundle = layer("c", "").replace("octet-stream", "vnd.dev.sigstore.bundle.v0.3+json");
    let subject = format!(r#""subject":{},"#, layer("d", ""));
    let kind = r#""mediaType":"application/vnd.oci.image.manifest.v1+json","#;
    texts(&[
        &manifest(kind, std::slice::from_ref(&one)),
        &manifest("", &[one.clone(), other, layer("e", "")]),
        &manifest(&subject, &[bundle]),
        &manifest("", &[one.clone(), one.clone()]),
        &manifest(r#""manifests":[],"#, &[one]),
        &manifest(kind, &[layer("f", &title("../f"))]),
    ])
}

/// What an index lists, each by a digest; nothing says that it is a bundle which may be none.
pub(super) fn oci_index(bytes: &[u8]) {
    let Ok(index) = Index::parse(bytes) else {
        return;
    };
    let says: BTreeSet<Digest> = index
        .manifests
        .iter()
        .filter(|listed| listed.says_bundle())
        .map(|listed| listed.digest)
        .collect();
    let may = index
        .manifests
        .iter()
        .filter(|listed| listed.may_be_bundle());
    let may: BTreeSet<Digest> = may.map(|listed| listed.digest).collect();
    assert!(says.is_subset(&may));
    added_to(bytes, &index);
}

/// Whatever is listed stays listed when one more is added, and that is added once.
fn added_to(bytes: &[u8], before: &Index) {
    let subject = Descriptor::of("application/octet-stream", b"subject");
    let referrer = [Referrer::of(&subject, b"bundle", "https://example.com/p")];
    let list = ReferrerList::read(Some(bytes));
    let Ok(with) = list.and_then(|list| list.with(&referrer)) else {
        return;
    };
    let after = Index::parse(&with).expect("what was written is read");
    assert!(after.manifests.starts_with(&before.manifests));
    assert!(after.manifests.len() <= before.manifests.len() + 1);
    let again = ReferrerList::read(Some(&with)).expect("what was written is read");
    assert!(again.names_all(&referrer));
}

pub(super) fn oci_index_seeds() -> Vec<Vec<u8>> {
    let listed = |more: &str| {
        let digest = Digest::of(more.as_bytes());
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":9{more}}}"#
        )
    };
    let index = |listed: &[String]| {
        let kind = "application/vnd.oci.image.index.v1+json";
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{}]}}"#,
            listed.join(",")
        )
    };
    let bundle = listed(r#","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json""#);
    let tagged = listed(r#","annotations":{"org.opencontainers.image.ref.name":"v1"}"#);
    let empty = listed(r#","artifactType":"application/vnd.oci.empty.v1+json""#);
    texts(&[
        &index(&[]),
        &index(&[bundle, tagged, empty]),
        &index(&[listed("").replace("sha256", "sha512")]),
        &index(&[]).replace("}", ",\"layers\":[]}"),
    ])
}

/// A reference is written as it was read, and none of its parts is taken for another.
pub(super) fn oci_reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(reference) = text.parse::<Reference>() else {
        return;
    };
    assert!(Reference::is_meant(text));
    assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
    if let Reference::Registry(repository, version) = reference {
        let plain = |text: &str| !text.contains(['@', '?', '#', '%', ' ', '\\']);
        assert!(plain(&repository.host) && !repository.host.contains('/'));
        assert!(plain(&repository.name) && !repository.name.contains(':'));
        assert!(
            repository
                .name
                .split('/')
                .all(|part| !matches!(part, "" | "." | ".."))
        );
        if let Version::Tag(tag) = version {
            assert!(plain(&tag) && !tag.contains(['/', ':']));
        }
    }
}

pub(super) fn oci_reference_seeds() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"x");
    texts(&[
        "oci://ghcr.io/acme/digits:v1",
        "oci://[::1]:5000/a/b-c/d__e:x",
        &format!("oci://127.0.0.1:5000/m:v1@{digest}"),
        &format!("oci-layout://out/layout@{digest}"),
        "oci-layout://out:v1",
        "oci-layout:///lay:out/x",
        "oci-manifest://manifest.json",
        "oci://user@h/m:v1",
    ])
}
