//! Whoever stumbles is told why, and what leads on.

use serde_json::Value;
use testkit::sigstore::{Draught, Rekor, root};

use crate::bands;
use crate::workshop::{Outcome, Workshop};

/// A model of one file, the key `key.pem`, and its public key.
fn model() -> Workshop {
    let workshop = Workshop::bare();
    workshop.write("model/config.json", "{}");
    workshop.write("model/.git/HEAD", "ref: refs/heads/main");
    workshop.write_key();
    let public = include_str!("../../../trust/testdata/keys/p256.pub.pem");
    workshop.write("key.pub", public);
    workshop
}

/// The message and the way of the first reason, or of the error.
fn told(answer: &Value) -> (&str, &str) {
    let reason = match answer["result"] == "denied" {
        true => &answer["reasons"][0],
        false => answer,
    };
    let way = match reason.get("way") {
        Some(way) => way,
        None => &reason["hint"],
    };
    (reason["message"].as_str().unwrap(), way.as_str().unwrap())
}

#[test]
fn a_missing_signature_is_looked_for_where_others_put_it() {
    let workshop = model();
    let line = "verify model --public-key key.pub";
    let answer = workshop.json(line);
    assert_eq!(answer["code"], "not_found");
    assert_eq!(
        told(&answer),
        (
            "there is no signature at `model.sig`",
            "sign it first, with `modelward sign model`; or say where its signature is, with `--signature FILE`"
        )
    );
    workshop.yes("sign model --private-key key.pem --signature model/model.sig");
    let found = "there is one at `model/model.sig`: say so with `--signature model/model.sig`";
    assert_eq!(told(&workshop.json(line)).1, found);
    workshop.yes(&format!("{line} --signature model/model.sig"));
    let face = workshop.run("oms verify key model --signature elsewhere.sig --public_key key.pub");
    assert_eq!(face.status, 1);
    let lines: Vec<&str> = face.stderr.lines().collect();
    let theirs =
        "Verification failed with error: [Errno 2] No such file or directory: 'elsewhere.sig'";
    assert_eq!(lines, [theirs, &format!("hint: {found}")]);
    std::fs::remove_file(workshop.file("model/model.sig")).unwrap();
    let face = workshop.run("oms verify key model --signature elsewhere.sig --public_key key.pub");
    assert!(
        face.stderr
            .contains("hint: sign it first, with `model_signing sign`")
    );
    // It is the model that is missing.
    let answer = workshop.json("verify modle --public-key key.pub");
    assert!(
        told(&answer).0.starts_with("`modle` can't be read"),
        "{answer:#}"
    );
    workshop.yes("sign model --private-key key.pem");
    std::fs::rename(workshop.file("model"), workshop.file("moved")).unwrap();
    let answer = workshop.json("verify model.sig --public-key key.pub");
    assert_eq!(
        told(&answer).1,
        "name the model: `modelward verify MODEL --signature model.sig`"
    );
}

#[test]
fn what_git_changed_by_itself_is_told_as_that() {
    let workshop = model();
    workshop.write("model/.gitattributes", "*.bin filter=lfs");
    workshop.yes(
        "oms sign key model --signature model.sig --private_key key.pem --no-ignore-git-paths",
    );
    let line = "verify model --public-key key.pub";
    workshop.yes(line);
    let way = || {
        let answer = workshop.json(line);
        assert_eq!(answer["reasons"].as_array().unwrap().len(), 1, "{answer:#}");
        told(&answer).1.to_owned()
    };
    workshop.write("model/.git/HEAD", "ref: refs/heads/fix");
    assert!(way().starts_with("it is git's and not the model's, and git changes"));
    assert!(way().contains("`--no-ignore-git-paths`"));
    std::fs::remove_dir_all(workshop.file("model/.git")).unwrap();
    assert!(way().starts_with("it is git's and not the model's, and git changes"));
    workshop.write("model/.git/HEAD", "ref: refs/heads/main");
    workshop.write("model/.git/index", "1");
    assert!(way().starts_with("it is git's and not the model's: delete it"));
    std::fs::remove_file(workshop.file("model/.git/index")).unwrap();
    workshop.write("model/.gitattributes", "");
    assert!(way().contains("`--no-ignore-git-paths`"));
    workshop.write("model/.gitattributes", "*.bin filter=lfs");
    // A file of the model is the model's.
    workshop.write("model/config.json", "{1}");
    assert!(way().starts_with("get the file again"));
}

#[test]
fn whoever_signed_instead_is_not_to_be_believed_for_that() {
    let workshop = model();
    workshop.write(
        "model.sig",
        Draught::new(Rekor::Second).bundle().to_string(),
    );
    workshop.write("root.json", root().to_string());
    let who = |who: &str, provider: &str, root: &str| {
        let line = format!("verify model --identity {who} --identity-provider {provider}{root}");
        let answer = workshop.json(&line);
        (answer["code"].clone(), told(&answer).1.to_owned())
    };
    let (signer, provider) = ("signer@example.com", "https://issuer.example.com");
    let ours = " --trust-config root.json";
    for (code, way) in [
        who("other@example.com", provider, ours),
        who(signer, "google", ours),
    ] {
        assert_eq!(code, "identity_mismatch");
        assert!(
            way.starts_with("get the model again from where it comes, and ask who signed"),
            "{way}"
        );
    }
    // The public Sigstore does not know this one's authority for timestamps.
    let (code, way) = who(signer, provider, "");
    assert_eq!(code, "timestamp_invalid");
    assert!(
        way.starts_with(
            "give the root of the Sigstore that it was signed at, with `--trust-config`"
        ),
        "{way}"
    );
}

#[test]
fn whom_to_believe_is_asked_for_where_nobody_said() {
    let workshop = model();
    workshop.yes("sign model --private-key key.pem");
    let answer = workshop.json("verify model");
    assert_eq!(answer["code"], "store_missing");
    for flag in [
        "--public-key",
        "--certificate-chain",
        "--identity",
        "--store",
    ] {
        assert!(told(&answer).1.contains(flag), "{answer:#}");
    }
    // Another key than the one that was named, and no trust root.
    let other = include_str!("../../../trust/testdata/keys/p384.pub.pem");
    workshop.write("other.pub", other);
    let short = |name: &str| {
        let id = digest::Digest::of(&workshop.read(name));
        id.hex().chars().take(12).collect::<String>()
    };
    for command in ["verify model", "inspect model.sig"] {
        let answer = workshop.json(&format!("{command} --public-key other.pub"));
        let message = format!(
            "the signature names the key `{}`, and `other.pub` is `{}`",
            short("key.pub"),
            short("other.pub")
        );
        assert_eq!(answer["code"], "key_unknown");
        assert_eq!(told(&answer).0, message);
        assert!(
            told(&answer)
                .1
                .starts_with("get the model that this key's owner signed")
        );
    }
}

#[test]
fn one_file_is_one_file_and_a_key_without_a_name_is_named_once() {
    let workshop = model();
    let signed = workshop.yes("sign model --private-key key.pem");
    assert!(
        signed.stdout.starts_with("signed 1 file of `model`"),
        "{signed:?}"
    );
    let short: String = digest::Digest::of(&workshop.read("key.pub"))
        .hex()
        .chars()
        .take(12)
        .collect();
    let Outcome { stdout, .. } = workshop.yes("verify model --public-key key.pub");
    let first = stdout.lines().next().unwrap();
    assert_eq!(
        first,
        format!("verified: 1 file of `model` is as `{short}` signed it")
    );
}

/// The public key is got where the private one is, and verifies what that one signs.
#[test]
fn a_public_key_is_shown_wherever_the_private_one_is() {
    let workshop = model();
    let shown = |line: &str| workshop.yes(&format!("key show {line}")).stdout;
    let of_file = shown("--private-key key.pem");
    assert_eq!(of_file.as_bytes(), workshop.read("key.pub"));
    let plugin = bands::house().join("examples/signer-plugins/openssl-signer");
    let (plugin, key) = (plugin.display().to_string(), workshop.file("key.pem"));
    if std::path::Path::new("/usr/bin/openssl").exists() {
        let of_plugin = shown(&format!("--plugin {plugin} --plugin-key {}", key.display()));
        assert_eq!(of_plugin, of_file);
    }
    workshop.yes("store init");
    workshop.yes("key new laptop");
    workshop.yes("sign model");
    workshop.write("laptop.pub", shown("laptop"));
    workshop.yes("verify model --public-key laptop.pub");
    let listed = workshop.allowed("key list")["keys"][0].clone();
    let answer = workshop.allowed("key show laptop");
    assert_eq!(
        (&answer["id"], &answer["publicKey"]),
        (&listed["id"], &listed["publicKey"])
    );
    assert_eq!(workshop.error("key show nobody"), "key_missing");
    assert_eq!(workshop.error("key show"), "usage");
    assert_eq!(
        workshop.error("key show laptop --private-key key.pem"),
        "usage"
    );
}
