//! Models pushed and pulled, with what is said of them, by registries of all manners.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use digest::Digest;
use serde_json::{Value, json};

use super::hub::{Hub, Manners};
use super::registry::{Answer, Registry, index};
use super::{BY_KEY, KEYS, with_key};
use crate::workshop::{Outcome, TRAIN, Workshop};

const LARGE: usize = 9 << 20;
const PUSH: &str = "--signature model.sig";

/// A folder with a key and a signed model, of which one file has more than one part.
fn with_model() -> Workshop {
    let workshop = with_key();
    let large = (0..LARGE).map(|at| u8::try_from(at * 7 / 3 % 251).unwrap());
    workshop.write("model/config.json", "{\"a\":1}");
    workshop.write("model/sub/vocab.txt", "a b");
    workshop.write("model/sub/same.txt", "a b");
    workshop.write("model/empty", "");
    workshop.write("model/weights.bin", large.collect::<Vec<u8>>());
    workshop.yes("sign model --private-key key.pem");
    workshop
}

/// The tag of the list of what refers to a model.
fn tag_of(pushed: &Value) -> String {
    pushed["model"].as_str().unwrap().replace(':', "-")
}

fn unfinished(pushed: &Value) -> String {
    let digest: Digest = pushed["model"].as_str().unwrap().parse().unwrap();
    format!(".pulling-{}", digest.short())
}

#[test]
fn what_was_pushed_is_verified_and_pulled() {
    let workshop = with_model();
    for (lists, place) in [(true, "referrers sha256:"), (false, "fallback tag sha256:")] {
        let hub = Hub::start(Manners {
            lists,
            ..Manners::default()
        });
        let line = format!("push model {} {PUSH} --att", hub.name(":v1"));
        let pushed = workshop.allowed(&line);
        // Five files, two of them the same, and the config.
        let counts = ["files", "sent", "statements", "attestations"].map(|name| &pushed[name]);
        assert_eq!(counts, [5, 5, 1, 1].map(|count| json!(count)).each_ref());
        let artifact = pushed["artifact"].as_str().unwrap();
        let model = pushed["model"].as_str().unwrap();
        assert!(artifact.ends_with(model), "the registry's digest is ours");
        let verified = workshop.allowed(&format!("verify {artifact} {BY_KEY}"));
        let found = verified["signature"].as_str().unwrap();
        assert!(found.starts_with(place), "{found}");
        // Again, nothing is sent, and nothing is said twice.
        assert_eq!(workshop.allowed(&line)["sent"], 0);
        let count = |tag: &str, name: &str| Some(hub.manifest(tag)?[name].as_array()?.len());
        let tag = tag_of(&pushed);
        assert_eq!(count(&tag, "manifests"), (!lists).then_some(1));
        assert_eq!(count(&format!("{tag}.att"), "layers"), Some(1));
        let to = format!("pulled-{lists}");
        let pulled = workshop.allowed(&format!("pull {} --to {to}", hub.name(":v1")));
        assert_eq!(pulled["manifest"], pushed["model"]);
        assert_eq!(pulled["files"], 5);
        workshop.yes(&format!("verify {to} --signature model.sig {BY_KEY}"));
        assert!(!workshop.file(&unfinished(&pushed)).exists());
        assert_eq!(workshop.error(&format!("pull {artifact} --to {to}")), "io");
    }
}

/// cosign's tags are read beside the lists.
#[test]
fn attestations_by_tag_are_read_as_well() {
    let workshop = with_model();
    let hub = Hub::start(Manners::default());
    let pushed = workshop.allowed(&format!("push model {} {PUSH} --att", hub.name(":v1")));
    let (tag, att) = (tag_of(&pushed), format!("{}.att", tag_of(&pushed)));
    let verify = format!("verify {} {BY_KEY}", pushed["artifact"].as_str().unwrap());
    hub.put(&tag, index(&[]).as_bytes());
    let verified = workshop.allowed(&verify);
    let place = verified["signature"].as_str().unwrap();
    assert!(place.starts_with("tag .att sha256:"), "{place}");
    // A list that can't be read hides none that can; and where nothing is left, nobody can tell.
    hub.put(&tag, b"{}");
    workshop.yes(&verify);
    let layers = hub.manifest(&att).unwrap();
    hub.put(&att, b"[]");
    assert_eq!(workshop.error(&verify), "manifest_invalid");
    hub.put(&tag, index(&[]).as_bytes());
    assert_eq!(workshop.error(&verify), "manifest_invalid");
    // What has a certificate beside it is no signature by a key.
    let mut certified = layers.clone();
    certified["layers"][0]["annotations"]["dev.sigstore.cosign/certificate"] = json!("x");
    hub.put(&att, certified.to_string().as_bytes());
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
    // Nor is what says that it is something else.
    let mut other = layers.clone();
    other["layers"][0]["mediaType"] = json!("application/vnd.dev.cosign.simplesigning.v1+json");
    hub.put(&att, other.to_string().as_bytes());
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
    hub.put(&att, layers.to_string().as_bytes());
    workshop.yes(&verify);
    hub.put(&att, super::manifest(&[], b"{}").to_string().as_bytes());
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
}

/// What a registry has under a name is looked at after the push, and it is not what it says.
#[test]
fn a_registry_that_swaps_the_artifact_is_refused() {
    let workshop = with_model();
    let hub = Hub::start(Manners::default());
    let other = super::manifest(&[("weights.bin", "other")], b"{}").to_string();
    hub.change(|manners| manners.swaps = Some(other.into_bytes()));
    let line = format!("push model {} {PUSH}", hub.name(":v1"));
    assert_eq!(workshop.denied(&line), ["digest_mismatch"]);
    let signature = workshop.read("model.sig");
    assert!(!hub.has_blob(&signature), "nothing is attached to it");
    hub.change(|manners| manners.swaps = None);
    workshop.yes(&line);
    assert!(hub.has_blob(&signature));
    // By a digest only what has it is pushed.
    let digest = Digest::of(b"other").to_string();
    let line = format!("push model {}", hub.name(&format!("@{digest}")));
    assert_eq!(workshop.denied(&line), ["digest_mismatch"]);
}

#[test]
fn what_is_broken_off_is_gone_on_with() {
    let workshop = with_model();
    let hub = Hub::start(Manners {
        loses_parts: true,
        ..Manners::default()
    });
    workshop.yes(&format!("push model {} {PUSH}", hub.name(":v1")));
    assert!(hub.has_blob(&workshop.read("model/weights.bin")));
    // A pull that is broken off again and again goes on; from a registry that knows no ranges it can't.
    hub.change(|manners| manners.breaks_off = Some(4 << 20));
    workshop.yes(&format!("pull {} --to whole", hub.name(":v1")));
    workshop.yes(&format!("verify whole --signature model.sig {BY_KEY}"));
    hub.change(|manners| manners.has_no_ranges = true);
    let line = format!("pull {} --to again", hub.name(":v1"));
    assert_eq!(workshop.error(&line), "network");
    assert!(!workshop.file("again").exists());
    hub.asked();
    hub.change(|manners| *manners = Manners::default());
    workshop.yes(&line);
    let weights = Digest::of(&workshop.read("model/weights.bin")).to_string();
    let asked = hub.asked().into_iter();
    let asked = asked.filter(|(_, path, _)| path.ends_with(&weights));
    assert_eq!(asked.count(), 1);
    workshop.yes(&format!("verify again --signature model.sig {BY_KEY}"));
}

#[test]
fn other_bytes_are_not_pulled() {
    let workshop = with_model();
    let hub = Hub::start(Manners::default());
    let pushed = workshop.allowed(&format!("push model {}", hub.name(":v1")));
    assert_eq!(pushed["statements"], 0);
    hub.change(|manners| manners.flips = true);
    let line = format!("pull {} --to out", hub.name(":v1"));
    assert_eq!(workshop.denied(&line), ["digest_mismatch"]);
    assert!(!workshop.file("out").exists());
    // What is left of it under the right name is not believed either.
    hub.change(|manners| manners.flips = false);
    let weights = Digest::of(&workshop.read("model/weights.bin")).hex();
    let left = format!("{}/{weights}", unfinished(&pushed));
    workshop.write(&left, vec![7; 1 << 20]);
    workshop.yes(&line);
    workshop.yes(&format!("verify out --signature model.sig {BY_KEY}"));
    // Names that lead elsewhere, and layers that are no files.
    let manifest = super::manifest(&[("weights.bin", "0123")], b"{}").to_string();
    hub.put_blob(b"0123");
    hub.put("good", manifest.as_bytes());
    workshop.yes(&format!("pull {} --to good", hub.name(":good")));
    for (from, to) in [
        ("weights.bin", "../weights.bin"),
        ("octet-stream", "vnd.oci.image.layer.v1.tar+gzip"),
        ("org.opencontainers.image.title", "title"),
    ] {
        hub.put("bad", manifest.replace(from, to).as_bytes());
        let line = format!("pull {} --to bad", hub.name(":bad"));
        assert_eq!(workshop.error(&line), "manifest_invalid", "{to}");
    }
    let gone = format!("pull {} --to x", hub.name(":gone"));
    assert_eq!(workshop.error(&gone), "not_found");
    assert_eq!(workshop.error("pull model --to x"), "usage");
}

/// Whoever writes the list of referrers at the same time as others stands in it as they do.
#[test]
fn parallel_writers_lose_nothing() {
    let workshop = with_model();
    let hub = Hub::start(Manners {
        slow_lists: Duration::from_millis(250),
        ..Manners::default()
    });
    let pushed = workshop.allowed(&format!("push model {}", hub.name(":v1")));
    let artifact = pushed["artifact"].as_str().unwrap();
    let lines = (0..3).map(|number| {
        // Each signature is another one: what is signed differs.
        workshop.write(&format!("m{number}/weights.bin"), number.to_string());
        workshop.yes(&format!("sign m{number} --private-key key.pem"));
        format!("push model {artifact} --signature m{number}.sig --att")
    });
    let lines: Vec<String> = lines.collect();
    let children = lines.iter().map(|line| workshop.command(line).spawn());
    let children: Vec<_> = children.collect();
    for child in children {
        assert!(child.unwrap().wait().unwrap().success());
    }
    let tag = tag_of(&pushed);
    let list = hub.manifest(&tag).unwrap();
    assert_eq!(list["manifests"].as_array().unwrap().len(), 3, "{list:#}");
    let layers = hub.manifest(&format!("{tag}.att")).unwrap();
    assert_eq!(layers["layers"].as_array().unwrap().len(), 3, "{layers:#}");
}

/// Statements lie where one may write, and are looked for there.
#[test]
fn statements_have_a_repository_of_their_own() {
    let workshop = with_model();
    let (hub, mine) = (
        Hub::start(Manners::default()),
        Hub::start(Manners::default()),
    );
    let (to, at) = (hub.name(":v1"), mine.name(""));
    let line = format!("push model {to} {PUSH} --statements-to {at}");
    let pushed = workshop.allowed(&line);
    assert_eq!(pushed["statementsTo"], at);
    let verify = format!("verify {} {BY_KEY}", pushed["artifact"].as_str().unwrap());
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
    workshop.yes(&format!("{verify} --statements-from {at}"));
    let line = format!("{verify} --statements-from {}", mine.name(":v1"));
    assert_eq!(workshop.error(&line), "usage");
}

#[test]
fn a_signature_by_manifest_is_attached() {
    let workshop = with_model();
    let hub = Hub::start(Manners::default());
    let pushed = workshop.allowed(&format!("push model {}", hub.name(":v1")));
    let artifact = pushed["artifact"].as_str().unwrap();
    let verify = format!("verify {artifact} {BY_KEY}");
    assert_eq!(workshop.denied(&verify), ["signature_missing"]);
    let sign = format!("sign {artifact} --private-key key.pem");
    assert_eq!(workshop.error(&sign), "usage");
    let signed = workshop.allowed(&format!("{sign} --attach"));
    assert!(signed["signature"].is_null());
    let place = format!("fallback tag {}", signed["attached"].as_str().unwrap());
    assert_eq!(workshop.allowed(&verify)["signature"], place);
    let line = "sign model --private-key key.pem --attach";
    assert_eq!(workshop.error(line), "usage");
}

/// All that the store says of a model goes with it.
#[test]
fn the_stores_statements_are_pushed() {
    let workshop = Workshop::with_data();
    workshop.yes(TRAIN);
    workshop.yes("sign out/digits");
    let hub = Hub::start(Manners::default());
    let pushed = workshop.allowed(&format!("push out/digits {}", hub.name(":v1")));
    assert!(pushed["statements"].as_u64().unwrap() >= 2, "{pushed}");
    workshop.yes(&format!("verify {}", pushed["artifact"].as_str().unwrap()));
    let model = pushed["model"].as_str().unwrap();
    let line = format!("push {model} {} --no-statements", hub.name(":v2"));
    let again = workshop.allowed(&line);
    assert_eq!(again["statements"], 0);
    assert_eq!(again["sent"], 0);
    assert_eq!(again["model"], model);
}

fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

/// Runs with a machine's credentials, as Docker keeps them, and no other programs than those of a folder.
fn with_credentials(workshop: &Workshop, line: &str, config: &Value) -> Outcome {
    workshop.write("docker/config.json", config.to_string());
    let mut command = workshop.command(line);
    let path = format!("{}:/usr/bin:/bin", workshop.file("bin").display());
    command.env("DOCKER_CONFIG", workshop.file("docker"));
    Outcome::of(command.env("PATH", path))
}

#[test]
fn credentials_are_dockers_and_go_to_their_registry_alone() {
    let workshop = with_model();
    let pair = base64("user:swordfish");
    let wanted = format!("Basic {pair}");
    let hub = Hub::start(Manners {
        door: Some((wanted.clone(), "Basic realm=\"r\"".to_owned())),
        ..Manners::default()
    });
    let host = hub.address.to_string();
    let line = format!("push model {} {PUSH}", hub.name(":v1"));
    let run = |config: &Value| with_credentials(&workshop, &line, config);
    let said = run(&json!({"auths": {"other.example": {"auth": pair}}}));
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.stderr.contains("without credentials"), "{said:?}");
    assert!(hub.asked().iter().all(|(_, _, known)| known.is_none()));
    let said = run(&json!({"auths": {&host: {"auth": base64("user:wrong-one")}}}));
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.stderr.contains("with the credentials"), "{said:?}");
    assert!(!said.stderr.contains("wrong-one") && !said.stderr.contains(&pair));
    hub.asked();
    let said = run(&json!({"auths": {&host: {"auth": pair}}}));
    assert_eq!(said.status, 0, "{said:?}");
    // Nothing was told before it was asked for.
    let asked = hub.asked();
    assert_eq!(asked[0].2, None);
    assert_eq!(asked.last().unwrap().2.as_ref(), Some(&wanted));
    let helper = format!(
        "#!/bin/sh\nread host\n[ \"$1 $host\" = \"get {host}\" ] && echo '{{\"Username\":\"user\",\"Secret\":\"swordfish\"}}'\n"
    );
    workshop.write("bin/docker-credential-house", helper);
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(workshop.file("bin/docker-credential-house"), mode).unwrap();
    for config in [
        json!({"credsStore": "house"}),
        json!({"credHelpers": {&host: "house"}}),
    ] {
        let said = run(&config);
        assert_eq!(said.status, 0, "{config}: {said:?}");
    }
    let said = run(&json!({"credsStore": "not-there"}));
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.stderr.contains("[settings_invalid]"), "{said:?}");
}

/// A service of tokens knows somebody by a password or an identity token, and gives a token for what is to be done.
#[test]
fn tokens_are_got_with_credentials() {
    let workshop = with_model();
    let service = Registry::start();
    let realm = format!("Bearer realm=\"http://{}/token\"", service.address);
    let challenge = format!("{realm},service=\"r\"");
    let hub = Hub::start(Manners {
        door: Some(("Bearer secret".to_owned(), challenge)),
        ..Manners::default()
    });
    let host = hub.address.to_string();
    let path = "/token?service=r&scope=repository%3Am%3Apull%2Cpush";
    service.answer(path, Answer::ok("{\"token\":\"secret\"}"));
    let line = format!("push model {}", hub.name(":v1"));
    let pair = base64("user:swordfish");
    let config = json!({"auths": {&host: {"auth": pair}}});
    let said = with_credentials(&workshop, &line, &config);
    assert_eq!(said.status, 0, "{said:?}");
    let told = service.asked();
    let by_password = (path.to_owned(), Some(format!("Basic {pair}")));
    assert!(told.iter().all(|asked| *asked == by_password), "{told:?}");
    let is_token = |known: &Option<String>| known.as_deref().is_none_or(|it| it == "Bearer secret");
    assert!(hub.asked().iter().all(|(_, _, known)| is_token(known)));
    service.answer("/token", Answer::ok("{\"access_token\":\"secret\"}"));
    let config = json!({"auths": {&host: {"identitytoken": "it"}}});
    let said = with_credentials(&workshop, &line, &config);
    assert_eq!(said.status, 0, "{said:?}");
    let by_token = ("/token".to_owned(), None);
    assert!(service.asked().iter().all(|asked| *asked == by_token));
}

/// A storage to which a registry sends us hears nothing of who we are, and a registry that sends what is pushed elsewhere gets
/// nothing.
#[test]
fn nothing_secret_goes_elsewhere() {
    let workshop = with_model();
    let (registry, elsewhere) = (Registry::start(), Registry::start());
    let manifest = super::manifest(&[("weights.bin", "0123")], b"{}").to_string();
    let digest = registry.push(manifest.as_bytes());
    registry.wants("secret");
    let challenge = "Bearer realm=\"x\"";
    registry.answer(
        "/challenge",
        Answer::status(401, "").with("www-authenticate", challenge),
    );
    let blob = Digest::of(b"0123");
    let stored = format!("http://{}/stored", elsewhere.address);
    registry.answer(
        &format!("/v2/m/blobs/{blob}"),
        Answer::status(307, "").with("location", stored),
    );
    elsewhere.answer("/stored", Answer::ok("0123"));
    let host = registry.address.to_string();
    let config = json!({"auths": {&host: {"registrytoken": "secret"}}});
    let line = format!("pull {} --to out", registry.name(&format!("@{digest}")));
    let said = with_credentials(&workshop, &line, &config);
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(elsewhere.asked(), [("/stored".to_owned(), None)]);
    let uploads = format!("http://{}/uploads/1", elsewhere.address);
    registry.answer(
        "/v2/m/blobs/uploads/",
        Answer::status(202, "").with("location", uploads),
    );
    let line = format!("push model {}", registry.name(":v1"));
    let said = with_credentials(&workshop, &line, &config);
    assert_eq!(said.status, 2, "{said:?}");
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn what_can_not_be_pushed_is_told() {
    let workshop = with_model();
    let hub = Hub::start(Manners::default());
    for (line, code) in [
        ("push model oci-layout://x:v1".to_owned(), "usage"),
        (format!("push gone {}", hub.name(":v1")), "not_found"),
        (
            format!("push model {} --signature gone.sig", hub.name(":v1")),
            "not_found",
        ),
        (
            format!("push model {} --signature key.pub", hub.name(":v1")),
            "bundle_invalid",
        ),
        (
            format!("push {} {}", Digest::of(b"x"), hub.name(":v1")),
            "store_missing",
        ),
        ("push model oci://127.0.0.1:1/m:v1".to_owned(), "network"),
    ] {
        assert_eq!(workshop.error(&line), code, "{line}");
    }
    assert!(fs::exists(format!("{KEYS}/p256.pub.pem")).unwrap());
}

/// Generic repositories, in a folder and in a registry alike.
#[test]
fn versions_of_packages_never_change() {
    let workshop = with_model();
    let hub = Hub::start(Manners::default());
    assert_eq!(
        workshop.error("artifact repo create models --location oci://h/p"),
        "usage"
    );
    let words = "--repository models --location artifacts";
    let upload = format!("artifact repo upload --package p --version 1.0 --source model {words}");
    assert_eq!(workshop.error(&upload), "not_found");
    workshop.allowed("artifact repo create models --location artifacts");
    assert_eq!(
        workshop.error("artifact repo create models --location artifacts"),
        "already_exists"
    );
    let remote = format!(
        "--repository models --location oci://{}/generic",
        hub.address
    );
    for (number, place) in [words, &remote].iter().enumerate() {
        let line = |line: &str| line.replace(words, place);
        let first = workshop.allowed(&line(&upload));
        assert_eq!(first["name"], "repositories/models/genericArtifacts/p:1.0");
        workshop.write("other/weights.bin", "x");
        for source in ["model", "other"] {
            let again = line(&upload).replace("--source model", &format!("--source {source}"));
            assert_eq!(workshop.error(&again), "already_exists");
            let said = workshop.run(&again).stderr;
            assert!(said.contains("ALREADY_EXISTS"), "{said}");
        }
        let to = format!("taken-{number}");
        let download = format!("artifact repo download --package p --version 1.0 {words}");
        let download = line(&download);
        let taken = workshop.allowed(&format!("{download} --destination {to}"));
        assert_eq!(taken["digest"], first["digest"]);
        workshop.yes(&format!("verify {to} --signature model.sig {BY_KEY}"));
        let gone = download.replace("1.0", "1.1");
        assert_eq!(
            workshop.error(&format!("{gone} --destination x")),
            "not_found"
        );
        for bad in ["latest", "1.0/..", "../x", "V1", ""] {
            let bad = line(&upload).replace("--version 1.0", &format!("--version '{bad}'"));
            assert_eq!(workshop.error(&bad), "usage", "{bad}");
        }
    }
    // A file that was changed behind its back is not what was uploaded.
    workshop.flip("artifacts/models/p/1.0/weights.bin", 3);
    let line = format!("artifact repo download --package p --version 1.0 {words} --destination y");
    assert_eq!(workshop.denied(&line), ["digest_mismatch"]);
    assert!(!workshop.file("y").exists());
}
