//! `keyless refresh` and `keyless show`, over a repository on a port of this machine.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use testkit::sigstore::{Draught, Rekor, root};
use testkit::tuf::Repository;

use crate::services::{self, Services};
use crate::workshop::{Outcome, Workshop, json_of};

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A server of files; what there is none of is told in the way of storage services.
fn serve(files: &Files) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let files = Arc::clone(files);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let path = request
                .split([' ', '/'])
                .nth(2)
                .unwrap_or_default()
                .to_owned();
            let path = match request.split(' ').nth(1) {
                Some(target) => target.trim_start_matches('/').to_owned(),
                None => path,
            };
            let found = files.lock().unwrap().get(&path).cloned();
            let (status, body) = found.map_or(("403 No", vec![]), |body| ("200 OK", body));
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    base
}

/// A repository, and a folder with its first root.
pub(crate) struct Place {
    workshop: Workshop,
    files: Files,
    line: String,
}

fn repository() -> Repository {
    Repository::of("trusted_root.json", root().to_string().as_bytes())
}

impl Place {
    pub(crate) fn new() -> Self {
        let files = Files::default();
        let workshop = Workshop::bare();
        workshop.write("root.json", repository().first_root());
        let line = format!(
            "keyless refresh --url {} --root root.json --to fetched.json",
            serve(&files)
        );
        let place = Self {
            workshop,
            files,
            line,
        };
        place.offer(&repository());
        place
    }

    fn offer(&self, repository: &Repository) {
        *self.files.lock().unwrap() = repository.files();
    }

    fn command(&self, line: &str) -> std::process::Command {
        let mut command = self.workshop.command(line);
        command.env("XDG_DATA_HOME", self.workshop.file("data"));
        command
    }

    fn json(&self, line: &str) -> Value {
        json_of(line, &mut self.command(&format!("{line} --json")))
    }

    pub(crate) fn refresh(&self) -> Value {
        self.json(&self.line)
    }

    /// The one file that is kept.
    fn kept(&self) -> Option<std::path::PathBuf> {
        let folder = std::fs::read_dir(self.workshop.file("data/modelward/sigstore")).ok()?;
        let mut entries = folder.map(|entry| entry.unwrap().path());
        let kept = entries.next();
        assert_eq!(entries.next(), None);
        kept
    }
}

fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or_default()
}

#[test]
fn a_root_is_refreshed_and_used() {
    let place = Place::new();
    let answer = place.refresh();
    assert_eq!(
        (&answer["result"], &answer["changed"]),
        (&"allowed".into(), &true.into())
    );
    assert_eq!(
        place.workshop.read("fetched.json"),
        root().to_string().as_bytes()
    );
    assert_eq!(place.refresh()["changed"], false);

    let workshop = &place.workshop;
    workshop.write("model/config.json", "{}");
    workshop.write("model/weights/w.bin", "1");
    workshop.write(
        "model.sig",
        Draught::new(Rekor::Second).bundle().to_string(),
    );
    let who =
        "verify model --identity signer@example.com --identity-provider https://issuer.example.com";
    workshop.yes(&format!("{who} --trust-config fetched.json"));

    // The public one is used without a word, once it was refreshed; until then it is the one that is built in.
    assert_eq!(place.json("keyless show")["builtIn"], true);
    assert_eq!(place.json(who)["result"], "denied");
    let kept = place.kept().unwrap();
    std::fs::copy(&kept, kept.with_file_name("public.json")).unwrap();
    let shown = place.json("keyless show");
    assert_eq!(
        (&shown["builtIn"], &shown["days"]),
        (&false.into(), &0.into())
    );
    let outcome = Outcome::of(&mut place.command(who));
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert!(
        outcome.stderr.contains("refreshed 0 days ago"),
        "{outcome:?}"
    );
    let theirs = "oms verify model --signature model.sig --identity signer@example.com --identity_provider https://issuer.example.com";
    assert_eq!(Outcome::of(&mut place.command(theirs)).status, 0);

    // Who else could have written it is not believed, nor what nobody wrote.
    let public = kept.with_file_name("public.json");
    std::fs::set_permissions(&public, PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(code(&place.json(who)), "root_invalid");
    std::fs::set_permissions(&public, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&public, "{}").unwrap();
    assert_eq!(code(&place.json(who)), "root_invalid");
    assert_eq!(code(&place.json("keyless show")), "root_invalid");
}

/// The key's time of a trust root's `production` is the refreshed one's, and its name and digest stay.
#[test]
fn a_trust_roots_production_is_the_newest() {
    let place = Place::new();
    place.refresh();
    let workshop = &place.workshop;
    workshop.yes("store init");
    let set = "key set alice --identity signer@example.com --identity-provider https://issuer.example.com --role sign";
    workshop.yes(set);
    workshop.write("model/config.json", "{}");
    workshop.write("model/weights/w.bin", "1");
    workshop.write(
        "model.sig",
        Draught::new(Rekor::Second).bundle().to_string(),
    );
    assert_eq!(place.json("verify model")["result"], "denied");
    let kept = place.kept().unwrap();
    let public = kept.with_file_name("public.json");
    std::fs::copy(&kept, &public).unwrap();
    let outcome = Outcome::of(&mut place.command("verify model"));
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert!(
        outcome.stderr.contains("refreshed 0 days ago"),
        "{outcome:?}"
    );
    let listed = place.json("key list");
    assert_eq!(listed["identities"][0]["trustedRoot"], "production");
    // Changing the root writes no other, and knows its signers again.
    let mut again = place.command(&format!("{} --json", set.replace("alice", "bob")));
    assert_eq!(code(&json_of("key set", &mut again)), "key_exists");
    place.json("key set alice --role sign --valid-until 2099-01-01T00:00:00Z");
    let text = String::from_utf8(workshop.read(".modelward/trust.toml")).unwrap();
    assert!(text.contains("trusted_root = \"production\""), "{text}");
    // What others may have written is not believed here either.
    std::fs::set_permissions(&public, PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(code(&place.json("verify model")), "root_invalid");
}

#[test]
fn where_to_sign_is_refreshed_too() {
    let place = Place::new();
    assert_eq!(place.refresh()["services"], Value::Null);
    let services = Services::start();
    let config: Value = serde_json::from_str(&services.config()).unwrap();
    let mut repository = repository();
    let mut offer = |signing: String| {
        repository.raise();
        repository
            .others
            .insert("signing_config.v0.2.json".into(), signing.into_bytes());
        place.offer(&repository);
        let answer = place.refresh();
        assert_eq!(answer["result"], "allowed", "{answer}");
        answer
    };
    let answer = offer(config["signingConfig"].to_string());
    assert_eq!(
        answer["services"]["log"],
        services.base.as_str(),
        "{answer}"
    );
    // The file that was written names both, and it is signed there.
    let workshop = &place.workshop;
    workshop.write("model/config.json", "{}");
    workshop.write("token", services::token(""));
    let signed = "sign model --keyless --identity-token token";
    let told = place.json(&format!("{signed} --trust-config fetched.json"));
    assert_eq!(told["result"], "allowed", "{told}");
    // The public one's takes the place of the built-in addresses.
    let kept = place.kept().unwrap();
    std::fs::copy(&kept, kept.with_file_name("public.json")).unwrap();
    assert_eq!(
        place.json("keyless show")["services"]["certificate"],
        services.base.as_str()
    );
    let told = place.json(&format!("{signed} --signature other.sig"));
    assert_eq!(told["result"], "allowed", "{told}");
    std::fs::remove_file(kept.with_file_name("public.json")).unwrap();
    // One that is not known here is told, and hinders nobody from verifying.
    let other = config["signingConfig"].to_string().replace("v0.2", "v9");
    assert_eq!(offer(other)["services"], Value::Null);
    let kept = place.kept().unwrap();
    std::fs::copy(&kept, kept.with_file_name("public.json")).unwrap();
    assert_eq!(code(&place.json(signed)), "root_invalid");
    let who = "--identity signer@example.com --identity-provider https://issuer.example.com";
    assert_eq!(
        place.json(&format!("verify model {who}"))["result"],
        "allowed"
    );
}

/// Each refusal leaves all as it was.
#[test]
fn what_is_refused_changes_nothing() {
    let place = Place::new();
    let mut high = repository();
    (0..3).for_each(|_| high.raise());
    place.offer(&high);
    place.refresh();
    let kept = std::fs::read(place.kept().unwrap()).unwrap();
    let newer = || {
        let mut newer = high.clone();
        newer.raise();
        newer
    };
    let unsigned = {
        let mut bad = newer();
        bad.targets.signers.pop();
        bad.files()
    };
    let expired = {
        let mut bad = newer();
        bad.timestamp.expires = "2026-01-01T00:00:00Z";
        bad.files()
    };
    let endless = {
        let mut bad = newer().files();
        bad.insert("timestamp.json".into(), vec![b' '; 5 << 20]);
        bad
    };
    let other = {
        let mut bad = newer().files();
        let path = bad
            .keys()
            .find(|path| path.starts_with("targets/"))
            .unwrap()
            .clone();
        bad.get_mut(&path).unwrap()[7] ^= 1;
        bad
    };
    let no_root = {
        let mut bad = newer();
        bad.file = b"{}".to_vec();
        bad.files()
    };
    let gone = BTreeMap::new();
    for (files, refused) in [
        (unsigned, "update_untrusted"),
        (other, "update_untrusted"),
        (repository().files(), "update_rolled_back"),
        (expired, "update_expired"),
        (endless, "too_large"),
        (no_root, "root_invalid"),
        (gone, "network"),
    ] {
        std::fs::remove_file(place.workshop.file("fetched.json")).unwrap();
        *place.files.lock().unwrap() = files;
        assert_eq!(code(&place.refresh()), refused);
        assert_eq!(
            std::fs::read(place.kept().unwrap()).unwrap(),
            kept,
            "{refused}"
        );
        assert!(!place.workshop.file("fetched.json").exists(), "{refused}");
        place.workshop.write("fetched.json", "");
    }
    // The control.
    place.offer(&newer());
    assert_eq!(place.refresh()["result"], "allowed");
}

#[test]
fn another_repository_needs_its_root_and_a_place() {
    let workshop = Workshop::bare();
    workshop.write("root.json", "{}");
    for line in [
        "keyless refresh --url http://127.0.0.1:1",
        "keyless refresh --root root.json",
        "keyless refresh --url http://127.0.0.1:1 --root root.json",
    ] {
        assert_eq!(workshop.error(line), "usage", "{line}");
    }
    let mut command =
        workshop.command("keyless refresh --url http://127.0.0.1:1 --root root.json --to x --json");
    command.env("XDG_DATA_HOME", workshop.file("data"));
    assert_eq!(
        code(&json_of("keyless refresh", &mut command)),
        "update_untrusted"
    );
}
