//! Plug-ins that are shell scripts with answers prepared: signatures are deterministic, so that what a key would sign is
//! known before.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use trust::PrivateKey;

use super::*;

const SIGNED: &[u8] = b"DSSEv1 4 text 9 statement";

fn key() -> PrivateKey {
    PrivateKey::from_random(&[7; 32]).unwrap()
}

/// A folder with the program `plugin` of this text in it.
fn plugin(script: &str) -> (tempfile::TempDir, Plugin) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("plugin");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let plugin = Plugin {
        program,
        key: "projects/x/keys/1".to_owned(),
        environment: Vec::new(),
        timeout: Plugin::TIMEOUT,
    };
    (folder, plugin)
}

/// Opens it once no other test's child holds the file open that was just written: a child has it until it runs its program.
fn open(plugin: &Plugin) -> Result<PluginKey, PluginError> {
    loop {
        match PluginKey::open(plugin.clone()) {
            Err(PluginError::Run(cause)) if cause.kind() == ErrorKind::ExecutableFileBusy => {}
            opened => return opened,
        }
    }
}

fn public_key_answer(public: &PublicKey) -> String {
    serde_json::json!({"version": 1, "publicKey": public.pem()}).to_string()
}

fn signature_answer(signature: &[u8]) -> String {
    serde_json::json!({"version": 1, "signature": BASE64.encode(signature)}).to_string()
}

/// A program that answers with these, and keeps what it was asked beside it.
fn answering(public_key: &str, signature: &str) -> (tempfile::TempDir, Plugin) {
    let (folder, plugin) = plugin(
        "here=${0%/*}\nread -r request\nprintf '%s' \"$request\" >\"$here/asked-$1\"\nset >\"$here/environment\"\npwd >\"$here/folder\"\nread -r answer <\"$here/$1\"\nprintf '%s\\n' \"$answer\"",
    );
    fs::write(folder.path().join("public-key"), format!("{public_key}\n")).unwrap();
    fs::write(folder.path().join("sign"), format!("{signature}\n")).unwrap();
    (folder, plugin)
}

#[test]
fn a_plugin_signs_and_is_told_what_it_needs_and_no_more() {
    let key = key();
    let signature = key.sign(SIGNED).unwrap();
    let public = public_key_answer(key.public_key());
    let (folder, mut plugin) = answering(&public, &signature_answer(&signature));
    plugin.environment = vec![("KMS_TOKEN".into(), "t".into())];
    let held = open(&plugin).unwrap();
    assert_eq!(held.public_key(), key.public_key());
    assert_eq!(held.sign(SIGNED).unwrap(), signature);

    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let asked = |name: &str| serde_json::from_str::<serde_json::Value>(&read(name)).unwrap();
    assert_eq!(
        asked("asked-public-key"),
        serde_json::json!({"version": 1, "key": "projects/x/keys/1"})
    );
    let digest = digest::Digest::of(SIGNED).hex();
    let digest = data_encoding::HEXLOWER.decode(digest.as_bytes()).unwrap();
    assert_eq!(
        asked("asked-sign"),
        serde_json::json!({"version": 1, "key": "projects/x/keys/1", "algorithm": "ecdsa-p256",
                           "hash": "sha256", "digest": BASE64.encode(&digest)})
    );
    assert_eq!(read("folder"), "/\n");
    let environment = read("environment");
    assert!(environment.contains("KMS_TOKEN="), "{environment}");
    // The tests' own environment has these.
    for name in ["CARGO_MANIFEST_DIR=", "HOME="] {
        assert!(!environment.contains(name), "{environment}");
    }
}

#[test]
fn a_signature_of_another_key_or_of_other_bytes_is_not_used() {
    let key = key();
    let other = PrivateKey::from_random(&[8; 32]).unwrap();
    for signature in [
        other.sign(SIGNED).unwrap(),
        key.sign(b"something else").unwrap(),
        Vec::new(),
    ] {
        let public = public_key_answer(key.public_key());
        let (_folder, plugin) = answering(&public, &signature_answer(&signature));
        let held = open(&plugin).unwrap();
        assert_eq!(held.sign(SIGNED), Err(KeyError::ForeignSignature));
    }
}

/// Throw-away keys, made by OpenSSL.
const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIEplbJ7G7gbrzsOGWvpmsHIgtY3Mv0m3KXAtOrsc9eSC
-----END PRIVATE KEY-----
";
const RSA_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsH/vVeeYs1ab4iUsw/cG
NeesjTZSJ4CxmReXBfH3zHTN7goqZ0vwzMCsfkDKHVtam9Owp8xjbMKUAp3tb+72
GCIodLXFt1XA5QIqUBiFMJDPtJUyMf5bH5StK7IUIhnFQb16WTgVQaV548Tb9YGD
2gjL9xqs1NlwRd7x/gJMevi5PHjUw/HLAIuv7gXkiLdGFiARTqjZs7ouj+376LPI
8yzbDJzm89GYVIa2OFlPYHkQBANtvJ841r6iSzMuPjJ+Xd1CH/Wm0Hc/0cNiM1M8
C9faS35Pff9HqxbYyUn9hVvJlmiBSNdpRu0+zq+eHBvNsUBKyaoS/YtfHj7UAI+Q
lwIDAQAB
-----END PUBLIC KEY-----
";

#[test]
fn an_ed25519_key_gets_the_bytes_themselves_and_only_if_it_is_meant() {
    let key = PrivateKey::from_pem_also_ed25519(ED25519, None).unwrap();
    let public = public_key_answer(key.public_key());
    let signature = key.sign(SIGNED).unwrap();
    let (folder, plugin) = answering(&public, &signature_answer(&signature));
    let refused = open(&plugin).unwrap_err();
    assert!(matches!(refused, PluginError::Key(KeyError::Ed25519)));
    let held = PluginKey::open_also_ed25519(plugin).unwrap();
    assert_eq!(held.sign(SIGNED).unwrap(), signature);
    let asked = fs::read_to_string(folder.path().join("asked-sign")).unwrap();
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(
        asked,
        serde_json::json!({"version": 1, "key": "projects/x/keys/1", "algorithm": "ed25519",
                           "message": BASE64.encode(SIGNED)})
    );
}

#[test]
fn an_rsa_key_does_not_sign() {
    let public = serde_json::json!({"version": 1, "publicKey": RSA_PUBLIC});
    let (_folder, plugin) = answering(&public.to_string(), "");
    let refused = open(&plugin).unwrap_err();
    assert!(matches!(refused, PluginError::Key(KeyError::RsaSigns)));
}

#[test]
fn answers_that_are_none_are_refused() {
    let public = public_key_answer(key().public_key());
    let other_version = public.replace("\"version\":1", "\"version\":2");
    let doubled = public.replace("\"version\":1", "\"version\":1,\"version\":1");
    let more = public.replace("\"version\":1", "\"version\":1,\"more\":1");
    for answer in [
        "",
        "hello",
        "{}",
        &doubled,
        &more,
        &format!("{public}{public}"),
    ] {
        let (_folder, plugin) = answering(answer, "");
        let refused = open(&plugin).unwrap_err();
        assert!(matches!(refused, PluginError::Answer), "{answer}");
    }
    let (_folder, plugin) = answering(&other_version, "");
    let refused = open(&plugin).unwrap_err();
    assert!(matches!(refused, PluginError::Version { version: 2 }));
    let (_folder, plugin) = answering(r#"{"version":1,"publicKey":"x"}"#, "");
    let refused = open(&plugin).unwrap_err();
    assert!(matches!(refused, PluginError::Key(KeyError::NotAPublicKey)));
    for signature in ["", "{}", r#"{"version":1,"signature":"_"}"#] {
        let (_folder, plugin) = answering(&public, signature);
        let held = open(&plugin).unwrap();
        let refused = held.ask_to_sign(SIGNED).unwrap_err();
        assert!(matches!(refused, PluginError::Answer), "{signature}");
    }
}

#[test]
fn a_plugin_that_fails_says_why_in_printable_words() {
    let (_folder, plugin) = plugin("printf 'no such key\\033[31m\\n' >&2\nexit 3");
    let refused = open(&plugin).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the signer plug-in failed (exit status: 3): no such key [31m"
    );
    assert_eq!(refused.code(), Code::Io);
}

#[test]
fn a_plugin_that_takes_too_long_is_ended_with_what_it_started() {
    let (folder, mut plugin) =
        plugin("(while :; do :; done) & printf '%s' $! >\"${0%/*}/child\"\nwait");
    plugin.timeout = Duration::from_millis(500);
    let begun = Instant::now();
    let refused = open(&plugin).unwrap_err();
    assert!(matches!(refused, PluginError::Timeout { .. }), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    let child = fs::read_to_string(folder.path().join("child")).unwrap();
    let state = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    // Ended, it may wait for its parent to be told.
    while !state().is_empty() && !state().contains(") Z ") {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", state());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_plugin_that_says_too_much_is_not_listened_to() {
    let (_folder, plugin) = plugin("while :; do printf '%1000s' x || exit; done");
    let refused = open(&plugin).unwrap_err();
    assert!(matches!(refused, PluginError::TooLong), "{refused}");
}

#[test]
fn only_a_file_that_not_everybody_may_write_is_started() {
    let public = public_key_answer(key().public_key());
    let (folder, plugin) = answering(&public, "");
    let with = |program: &Path| Plugin {
        program: program.to_owned(),
        ..plugin.clone()
    };
    let refused = |program: &Path| {
        let refused = open(&with(program)).unwrap_err();
        assert!(matches!(refused, PluginError::Program { .. }), "{refused}");
    };
    refused(Path::new("plugin"));
    refused(folder.path());
    refused(&folder.path().join("missing"));
    fs::set_permissions(&plugin.program, fs::Permissions::from_mode(0o757)).unwrap();
    refused(&plugin.program);
    fs::set_permissions(&plugin.program, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = open(&plugin).unwrap_err();
    assert!(matches!(refused, PluginError::Run(_)), "{refused}");
}

/// A descriptor that whoever started us left open, for whatever comes.
#[test]
fn nothing_that_was_left_open_is_handed_on() {
    use rustix::io::{FdFlags, fcntl_setfd};
    let public = public_key_answer(key().public_key());
    let (folder, plugin) = plugin(
        "here=${0%/*}\n/bin/ls -l /proc/$$/fd >\"$here/open\"\nread -r request\nread -r answer <\"$here/$1\"\nprintf '%s\\n' \"$answer\"",
    );
    fs::write(folder.path().join("public-key"), format!("{public}\n")).unwrap();
    fs::write(folder.path().join("secret"), "").unwrap();
    let secret = fs::File::open(folder.path().join("secret")).unwrap();
    fcntl_setfd(&secret, FdFlags::empty()).unwrap();
    open(&plugin).unwrap();
    let held = fs::read_to_string(folder.path().join("open")).unwrap();
    assert!(
        held.contains(" 0 -> ") && !held.contains("secret"),
        "{held}"
    );
}
