use super::*;

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const EMPTY: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

fn layer(digest: &str, title: &str) -> String {
    format!(
        r#"{{"mediaType":"application/octet-stream","digest":"{digest}","size":7,"annotations":{{"org.opencontainers.image.title":"{title}"}}}}"#
    )
}

fn manifest(config: &str, size: u64, layers: &[String]) -> String {
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"x","digest":"{config}","size":{size}}},"layers":[{}]}}"#,
        layers.join(",")
    )
}

fn names(text: &str) -> Result<Vec<String>, OciError> {
    let resources = Manifest::parse(text.as_bytes())?.resources()?;
    Ok(resources.into_keys().collect())
}

#[test]
fn blobs_have_their_titles_or_places_as_names() {
    let bare = format!(r#"{{"mediaType":"x","digest":"{B}","size":1}}"#);
    let text = manifest(A, 5, &[layer(A, "sub/a"), bare]);
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let resources = manifest.resources().unwrap();
    let names: Vec<_> = resources.keys().map(String::as_str).collect();
    assert_eq!(names, ["config.json", "layer_001.tar.gz", "sub/a"]);
    assert_eq!(resources["layer_001.tar.gz"].to_string(), B);
    assert_eq!(manifest.blobs(), 3);
}

#[test]
fn only_an_empty_config_gives_way() {
    let text = manifest(EMPTY, 2, &[layer(A, "config.json"), layer(B, "w")]);
    let resources = Manifest::parse(text.as_bytes()).unwrap().resources();
    assert_eq!(resources.unwrap()["config.json"].to_string(), A);
    assert_eq!(
        names(&manifest(EMPTY, 2, &[layer(B, "w")])).unwrap(),
        ["config.json", "w"]
    );
    // The size says that it is not `{}`, whatever the digest is.
    for text in [
        manifest(EMPTY, 3, &[layer(A, "config.json")]),
        manifest(B, 2, &[layer(A, "config.json")]),
    ] {
        let name = "config.json".to_owned();
        assert_eq!(names(&text), Err(OciError::Doubled { name }));
    }
    let signed = BTreeSet::from(["w"]);
    let but = |config: &str, size| {
        let text = manifest(config, size, &[layer(B, "w")]);
        Manifest::parse(text.as_bytes())
            .unwrap()
            .resources_but(&signed)
            .unwrap()
            .len()
    };
    assert_eq!((but(EMPTY, 2), but(A, 2), but(EMPTY, 3)), (1, 2, 2));
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let good = manifest(A, 5, &[layer(A, "a"), layer(B, "b")]);
    assert!(names(&good).is_ok());
    for (from, to) in [
        ("\"schemaVersion\":2", "\"schemaVersion\":1"),
        ("\"schemaVersion\":2,", ""),
        (
            "\"schemaVersion\":2",
            "\"schemaVersion\":2,\"schemaVersion\":2",
        ),
        ("image.manifest.v1", "image.index.v1"),
        ("sha256:", "sha512:"),
        ("sha256:a", "sha256:A"),
        ("\"size\":7", "\"size\":-7"),
        ("title\":\"b\"", "title\":\"\\u0000\""),
        ("title\":\"b\"", "title\":\"a\""),
        ("title\":\"b\"", "title\":\"../b\""),
        ("title\":\"b\"", "title\":\"/b\""),
        ("title\":\"b\"", "title\":\"a/./b\""),
        ("\"layers\":", "\"layer\":"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from}");
        assert!(names(&bad).is_err(), "{from} -> {to}");
    }
    let both = good.replacen("\"config\"", "\"manifests\":[],\"config\"", 1);
    assert_eq!(names(&both), Err(OciError::TwoReadings));
    let index = br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
    assert_eq!(Index::parse(index), Err(OciError::TwoReadings));
    assert_eq!(names(&manifest(A, 5, &[])), Err(OciError::NoLayers));
    let long = format!("{good}{}", " ".repeat(Manifest::SIZE_BYTES_MAX));
    assert!(matches!(
        names(&long),
        Err(OciError::Json(json::Error::TooLong { .. }))
    ));
    let deep = good.replacen(
        "\"config\"",
        &format!("\"x\":{}{},\"config\"", "[".repeat(20), "]".repeat(20)),
        1,
    );
    assert!(matches!(
        names(&deep),
        Err(OciError::Json(json::Error::TooDeep { .. }))
    ));
}

#[test]
fn bundles_are_told_by_their_types() {
    for (media_type, is) in [
        ("application/vnd.dev.sigstore.bundle.v0.3+json", true),
        ("application/vnd.dev.sigstore.bundle+json;version=0.1", true),
        ("application/vnd.dev.sigstore.bundle", false),
        ("application/vnd.dev.sigstore.bundles.v0.3+json", false),
        ("application/octet-stream", false),
    ] {
        assert_eq!(is_bundle_type(media_type), is, "{media_type}");
    }
    let listed = |artifact_type: &str| {
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{A}","size":1{artifact_type}}},{{"mediaType":"m","digest":"sha512:00","size":1}}]}}"#
        );
        let index = Index::parse(text.as_bytes()).unwrap();
        assert_eq!(index.manifests.len(), 1, "other digests are left out");
        (
            index.manifests[0].may_be_bundle(),
            index.manifests[0].says_bundle(),
        )
    };
    assert_eq!(listed(""), (true, false));
    assert_eq!(
        listed(",\"artifactType\":\"application/vnd.oci.empty.v1+json\""),
        (true, false)
    );
    assert_eq!(
        listed(",\"artifactType\":\"application/spdx+json\""),
        (false, false)
    );
    assert_eq!(
        listed(",\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\""),
        (true, true)
    );
}

#[test]
fn a_bundle_stands_alone_in_its_manifest() {
    let bundle =
        r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","digest":"D","size":9}"#;
    let bundle = bundle.replace('D', A);
    let of = |layers: &[String], more: &str| {
        let text =
            manifest(EMPTY, 2, layers).replacen("\"config\"", &format!("{more}\"config\""), 1);
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        (manifest.bundle().is_some(), manifest.subject().is_some())
    };
    let subject = format!(r#""subject":{{"mediaType":"m","digest":"{B}","size":1}},"#);
    let kind = r#""artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","#;
    assert_eq!(of(std::slice::from_ref(&bundle), &subject), (true, true));
    assert_eq!(of(&[layer(A, "x")], kind), (true, false));
    assert_eq!(of(&[layer(A, "x")], ""), (false, false));
    assert_eq!(of(&[bundle, layer(A, "x")], kind), (false, false));
}

/// What a pull writes: what oras, ourselves and packers of ModelPacks push as one file each.
#[test]
fn layers_are_files_if_they_are_not_packed() {
    let one = |media_type: &str, annotations: &str| {
        let layer = format!(
            r#"{{"mediaType":"{media_type}","digest":"{B}","size":1,"annotations":{{{annotations}}}}}"#
        );
        let read = Manifest::parse(manifest(A, 5, &[layer]).as_bytes()).unwrap();
        let files = read.files()?;
        Ok::<_, OciError>(files.keys().next().map(|name| name.as_str().to_owned()))
    };
    let (title, path) = (
        r#""org.opencontainers.image.title":"sub/a""#,
        r#""org.cncf.model.filepath":"sub/a""#,
    );
    for (media_type, annotations) in [
        ("application/octet-stream", title),
        ("application/vnd.oci.image.layer.v1.tar", title),
        ("application/vnd.cncf.model.weight.v1.raw", path),
    ] {
        let name = one(media_type, annotations).unwrap();
        assert_eq!(name.as_deref(), Some("sub/a"), "{media_type}");
    }
    let unpack = format!(r#"{title},"io.deis.oras.content.unpack":"true""#);
    for (media_type, annotations) in [
        ("application/octet-stream", ""),
        ("application/vnd.oci.image.layer.v1.tar+gzip", title),
        ("application/vnd.oci.image.layer.v1.tar", unpack.as_str()),
        ("application/vnd.cncf.model.weight.v1.tar", path),
        (
            "application/octet-stream",
            r#""org.cncf.model.filepath":"../a""#,
        ),
    ] {
        assert!(one(media_type, annotations).is_err(), "{media_type}");
    }
}
