//! `oms`, and the program under the name `model_signing`: the reference's words, exit statuses, streams and sentences.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::workshop::{Outcome, Workshop, program, words};
use bench::Bench;
use testkit::sigstore;

mod bench;
mod matrix;
mod vectors;

const SUCCEEDED: &str = "Verification succeeded\n";

/// The strings that the operator's tests and everybody's scripts look for, on the streams where they look.
#[test]
fn yes_and_no_are_said_as_the_reference_says_them() {
    let bench = Bench::new();
    let signed = bench.yes("sign key m --private_key key.pem");
    assert_eq!(
        (signed.stdout.as_str(), signed.stderr.as_str()),
        ("Signing succeeded\n", "")
    );
    assert!(
        bench.file("model.sig").exists(),
        "in this folder, not beside the model"
    );
    let verify = "verify key m --signature model.sig --public_key key.pub";
    let verified = bench.yes(verify);
    assert_eq!(
        (verified.stdout.as_str(), verified.stderr.as_str()),
        (SUCCEEDED, "")
    );
    bench.write("m/weights.bin", "tampered");
    bench.write("m/extra", "x");
    fs::remove_file(bench.file("m/config.json")).unwrap();
    let refused = bench.run(verify);
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""));
    let first = refused.stderr.lines().next().unwrap();
    let signed = digest::Digest::of(b"weights").hex();
    let there = digest::Digest::of(b"tampered").hex();
    assert_eq!(
        first,
        format!(
            "Verification failed with error: Signature mismatch: [\"Extra files found in model 'm': extra\", \
             \"Missing files in model 'm': config.json\", \
             \"Hash mismatch for 'weights.bin': Expected 'sha256:{signed}', Actual 'sha256:{there}'\"]"
        )
    );
}

/// What is offered is taken.
#[test]
fn help_names_no_option_that_it_refuses() {
    let bench = Bench::new();
    let help = bench.yes("--help").stdout;
    for refused in [
        "--store <DIR>",
        "--settings",
        "--quiet",
        "Answer with one JSON object",
    ] {
        assert!(!help.contains(refused), "{help}");
    }
    bench.yes("--log-level debug --timeout 60s sign key m --private_key key.pem");
    assert!(
        help.contains("--log-level") && help.contains("--timeout"),
        "{help}"
    );
}

/// Whoever stores the answer must not take an empty file for a yes.
#[test]
fn an_answer_that_can_not_be_written_is_no_success() {
    let bench = Bench::signed();
    for line in [
        "verify key m --signature model.sig --public_key key.pub",
        "sign key m --private_key key.pem",
        "digest m",
    ] {
        let mut command = program();
        command
            .current_dir(bench.path())
            .arg("oms")
            .args(words(line));
        command.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line}");
    }
}

/// A statement that does not hold, in the sentences that scripts look for.
#[test]
fn what_a_statement_has_wrong_is_said_in_the_references_words() {
    let bench = Bench::signed();
    let right = bench.statement("model.sig");
    let said = |name: &str, expected: &str| {
        let outcome = bench.verify(name);
        assert_eq!(outcome.status, 1, "{outcome:?}");
        let line = format!("Verification failed with error: {expected}\n");
        assert!(outcome.stderr.starts_with(&line), "{line}{outcome:?}");
    };
    let mut other = right.clone();
    other["_type"] = "https://x".into();
    bench.craft_as_it_is("type.sig", &other);
    said(
        "type.sig",
        "Expected in-toto https://in-toto.io/Statement/v1 payload, but got https://x",
    );
    let mut other = right.clone();
    other["subject"] = serde_json::json!([right["subject"][0], right["subject"][0]]);
    bench.craft_as_it_is("two.sig", &other);
    said("two.sig", "Expected only one subject, got ['m', 'm']");
    other["subject"] = serde_json::json!([]);
    bench.craft_as_it_is("none.sig", &other);
    said("none.sig", "Expected only one subject, got []");
    let mut other = right.clone();
    let (zeros, root) = (
        "0".repeat(64),
        right["subject"][0]["digest"]["sha256"].as_str().unwrap(),
    );
    other["subject"][0]["digest"]["sha256"] = zeros.clone().into();
    bench.craft_as_it_is("root.sig", &other);
    said(
        "root.sig",
        &format!(
            "Manifest is inconsistent. Root digest is {zeros}, but the included resources hash to {root}"
        ),
    );
    let bundle = String::from_utf8(bench.read("model.sig")).unwrap();
    bench.write(
        "kind.sig",
        bundle.replace("application/vnd.in-toto+json", "text/x"),
    );
    said(
        "kind.sig",
        "Expected DSSE payload application/vnd.in-toto+json, but got text/x",
    );
}

#[test]
fn no_timestamp_is_praised_that_was_not_made() {
    let bench = Bench::new();
    // Nobody answers at a port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let line = format!("sign key m --private_key key.pem --tsa-url http://{free}/");
    let outcome = bench.run(&line);
    assert_eq!(outcome.status, 1, "{outcome:?}");
    assert!(!outcome.stderr.contains("whole and new"), "{outcome:?}");
}

#[test]
fn other_words_are_refused_with_2_and_other_failures_with_1() {
    let bench = Bench::signed();
    let table = [
        ("frob", 2, "Error: No such command 'frob'."),
        ("sign key m", 2, "Error: Missing option '--private_key'."),
        (
            "sign key m extra --private_key key.pem",
            2,
            "Error: Got unexpected extra argument (extra)",
        ),
        (
            "sign pkcs11-key m --pkcs11_uri foo:bar",
            1,
            "Signing failed with error: Malformed pkcs11 URI: missing",
        ),
        (
            "verify key m --public_key key.pub",
            2,
            "Error: Missing option '--signature'.",
        ),
        (
            "verify key --signature model.sig --public_key key.pub",
            2,
            "Error: Missing argument 'MODEL_PATH'.",
        ),
        (
            "sign key m --private_key key.pem --frob",
            2,
            "Error: No such option '--frob'.",
        ),
        (
            "--log-level loud sign key m --private_key key.pem",
            2,
            "Error: Invalid value for '--log-level': 'loud'",
        ),
        (
            "--timeout soon digest m",
            2,
            "Error: Invalid value for '--timeout': 'soon'",
        ),
        (
            "sign key gone --private_key key.pem",
            1,
            "Signing failed with error: Cannot use 'gone' as file or directory. It could",
        ),
        (
            "sign key m --private_key gone.pem",
            1,
            "Signing failed with error: [Errno 2] No such file or directory: 'gone.pem'",
        ),
        (
            "sign sigstore m --use_staging --identity_token abc",
            1,
            "Signing failed with error: the identity token is no JSON Web Token",
        ),
        (
            "verify key m --signature gone.sig --public_key key.pub",
            1,
            "Verification failed with error: [Errno 2] No such file or directory: 'gone.sig'",
        ),
        (
            "verify key m --signature model.sig --public_key other.pub",
            1,
            "Verification failed with error: Key mismatch: The public key hash in the signature's verification material does not match the provided public key. \n",
        ),
        (
            "digest gone",
            1,
            "Computing digest failed: Cannot use 'gone' as file or directory.",
        ),
    ];
    for (line, status, said) in table {
        let outcome = bench.run(line);
        assert!(
            !outcome.stderr.contains("--sign-in"),
            "no flag here: {outcome:?}"
        );
        assert_eq!(
            (outcome.status, outcome.stdout.as_str()),
            (status, ""),
            "{line}: {outcome:?}"
        );
        assert!(outcome.stderr.contains(said), "{line}: {outcome:?}");
    }
}

#[test]
fn flags_are_read_in_both_spellings_and_from_json() {
    let bench = Bench::signed();
    for line in [
        "verify key m --signature model.sig --public-key key.pub",
        "verify key --public_key=key.pub --signature=model.sig m",
        "--log-level=DEBUG verify key m --signature model.sig --public_key key.pub",
        "verify key m --signature model.sig --public_key key.pub --log-level critical --log-format json",
        "verify key m --signature model.sig --public_key key.pub --ignore-git-paths=true --allow-symlinks=false",
        "verify key m --signature model.sig --public_key key.pub --no-ignore_unsigned_files --timeout 30m",
        r#"verify key --json {"model":"m","signature":"model.sig","public_key":"key.pub"}"#,
        "verify key m --json words.json --public-key key.pub",
    ] {
        bench.write(
            "words.json",
            r#"{"signature": "model.sig", "public-key": "other.pub"}"#,
        );
        assert_eq!(bench.yes(line).stdout, SUCCEEDED, "{line}");
    }
    assert_eq!(
        bench.run("verify key m --json words.json").status,
        1,
        "the other key"
    );
    assert_eq!(
        bench
            .run(r#"verify key m --json {"signature":"a","signature":"b"}"#)
            .status,
        2
    );
}

#[test]
fn without_a_method_sigstore_is_meant_and_is_not_pretended() {
    let bench = Bench::signed();
    for line in [
        "sign m",
        "sign sigstore m --use_ambient_credentials",
        "verify m --signature model.sig --identity a@example.com --identity_provider https://example.com",
    ] {
        let outcome = bench.run(line);
        assert_eq!(outcome.status, 1, "{line}: {outcome:?}");
        assert!(
            outcome.stderr.contains("failed with error: ") && outcome.stderr.contains("hint: ")
        );
    }
    // Whose options they are is told by their names.
    let outcome = bench.run("verify m --signature model.sig --public_key key.pub");
    assert!(
        outcome.status == 2 && outcome.stderr.contains("No such option '--public"),
        "{outcome:?}"
    );
}

/// A Sigstore of our own vouches, as `--trust_config` names it.
#[test]
fn a_keyless_signature_is_verified_for_its_identity() {
    let bench = Bench::signed();
    let mut draught = sigstore::Draught::new(sigstore::Rekor::First);
    draught.payload = bench.statement("model.sig").to_string().into_bytes();
    bench.write("model.sig", draught.bundle().to_string());
    bench.write("root.json", sigstore::root().to_string());
    let verify = |identity: &str| {
        bench.run(&format!(
            "verify m --signature model.sig --identity {identity} --identity_provider {} --trust_config root.json",
            sigstore::PROVIDER
        ))
    };
    let outcome = verify(sigstore::IDENTITY);
    assert_eq!(
        (outcome.status, outcome.stdout.as_str()),
        (0, SUCCEEDED),
        "{outcome:?}"
    );
    let refused = verify("other@example.com");
    let said = "Certificate's SANs do not match other@example.com; actual SANs: {";
    assert!(
        refused.status == 1 && refused.stderr.contains(said),
        "{refused:?}"
    );
    bench.write("m/extra", "x");
    assert_eq!(verify(sigstore::IDENTITY).status, 1);
}

#[test]
fn the_program_is_model_signing_when_it_is_called_so() {
    let bench = Bench::signed();
    let called = bench.file("bin/model_signing");
    fs::create_dir_all(called.parent().unwrap()).unwrap();
    symlink(env!("CARGO_BIN_EXE_modelward"), &called).unwrap();
    let run = |line: &str| {
        let mut command = Command::new(&called);
        Outcome::of(command.current_dir(bench.path()).args(words(line)))
    };
    let verify = "verify key m --signature model.sig --public_key key.pub";
    assert_eq!(run(verify).stdout, SUCCEEDED);
    let version = run("--version").stdout;
    assert!(
        version.starts_with("model_signing, version 1.1.1"),
        "{version}"
    );
    assert!(version.contains(concat!("modelward ", env!("CARGO_PKG_VERSION"))));
    assert_eq!(run("oms").status, 2);
    // Our own options are ours alone.
    let ours = Outcome::of(program().args(["--json", "oms", "digest", "m"]));
    assert_eq!(ours.status, 2, "{ours:?}");
}

#[test]
fn every_method_explains_itself() {
    let bench = Bench::new();
    for (line, flag) in [
        ("sign --help", "pkcs11-certificate"),
        ("sign sigstore --help", "--use-ambient-credentials"),
        ("sign key -h", "--private-key"),
        ("sign certificate --help", "--signing-certificate"),
        ("sign pkcs11-key --help", "--pkcs11-uri"),
        ("sign pkcs11_certificate --help", "--pkcs11-uri"),
        ("verify sigstore --help", "--identity-provider"),
        ("verify key --help", "--ignore-unsigned-files"),
        ("verify certificate --help", "--log-fingerprints"),
        ("digest --help", "--compat"),
    ] {
        let text = bench.yes(line).stdout;
        assert!(text.contains(flag), "{line}: {text}");
    }
}

#[test]
fn what_is_ignored_as_asked_is_named() {
    let bench = Bench::signed();
    bench.write("m/extra/deep", "x");
    bench.write("m/other", "x");
    symlink("/etc", bench.file("m/link")).unwrap();
    let verify = "verify key m --signature model.sig --public_key key.pub";
    assert_eq!(bench.run(verify).status, 1);
    let outcome = bench.yes(&format!("{verify} --ignore_unsigned_files"));
    assert_eq!(outcome.stdout, SUCCEEDED);
    assert_eq!(
        outcome.stderr,
        "nobody signed, and ignored as asked: extra, link, other\n"
    );
    let quiet = bench.yes(&format!(
        "--log-level error {verify} --ignore_unsigned_files"
    ));
    assert_eq!(quiet.stderr, "");
    // What was signed is never ignored.
    bench.write("m/weights.bin", "tampered");
    assert_eq!(
        bench
            .run(&format!("{verify} --ignore_unsigned_files"))
            .status,
        1
    );
    assert_eq!(
        bench
            .run(&format!(
                "{verify} --ignore-paths m/weights.bin --ignore_unsigned_files"
            ))
            .status,
        1
    );
}

#[test]
fn what_is_told_goes_where_it_is_asked_to() {
    let bench = Bench::signed();
    bench.write("m/extra", "x");
    let verify = "verify key m --signature model.sig --public_key key.pub --ignore_unsigned_files";
    let outcome = bench.yes(&format!(
        "--output-file told.log --log-format json {verify}"
    ));
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        (SUCCEEDED, "")
    );
    let told: serde_json::Value = serde_json::from_slice(&bench.read("told.log")).unwrap();
    assert_eq!(told["level"], "warning");
}

#[test]
fn a_signature_inside_the_model_is_no_part_of_it() {
    let bench = Bench::new();
    bench.yes("sign key m --private_key key.pem --signature m/model.sig");
    bench.yes("verify key m --signature m/model.sig --public_key key.pub");
    symlink(bench.file("m"), bench.file("way")).unwrap();
    bench.yes("verify key m --signature way/model.sig --public_key key.pub");
    symlink(bench.file("m/model.sig"), bench.file("elsewhere.sig")).unwrap();
    bench.yes("verify key m --signature elsewhere.sig --public_key key.pub");
    fs::copy(bench.file("m/model.sig"), bench.file("copy.sig")).unwrap();
    // Its name is signed as left out; another file is not.
    bench.yes("verify key m --signature copy.sig --public_key key.pub");
    fs::copy(bench.file("m/model.sig"), bench.file("m/second.sig")).unwrap();
    assert_eq!(
        bench
            .run("verify key m --signature copy.sig --public_key key.pub")
            .status,
        1
    );
}

#[test]
fn the_same_model_and_key_make_the_same_bytes() {
    let bench = Bench::signed();
    let first = bench.read("model.sig");
    bench.yes("sign key m --private_key key.pem --signature again.sig");
    assert_eq!(bench.read("again.sig"), first);
}

#[test]
fn a_failure_leaves_no_signature() {
    let bench = Bench::new();
    symlink("/etc", bench.file("m/link")).unwrap();
    let outcome = bench.run("sign key m --private_key key.pem");
    assert!(
        outcome.status == 1 && outcome.stderr.contains("because it is a symlink"),
        "{outcome:?}"
    );
    assert!(!bench.file("model.sig").exists());
}

#[test]
fn a_time_that_is_over_is_a_failure() {
    let bench = Bench::signed();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bench.file("slow.sig"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    // Nobody ever writes into it.
    let outcome =
        bench.run("--timeout 200ms verify key m --signature slow.sig --public_key key.pub");
    assert_eq!(outcome.status, 1, "{outcome:?}");
    assert!(
        outcome
            .stderr
            .starts_with("Verification failed with error: "),
        "{outcome:?}"
    );
}

#[test]
fn keys_of_whole_folders_full_of_modes_still_sign() {
    let bench = Bench::new();
    fs::set_permissions(bench.file("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = bench.yes("sign key m --private_key key.pem");
    assert!(outcome.stderr.contains("chmod 600 key.pem"), "{outcome:?}");
}

#[test]
fn fingerprints_are_told_as_the_reference_tells_them() {
    let bench = Bench::certified();
    let outcome = bench.yes("verify certificate m --signature model.sig --certificate_chain root.crt --log_fingerprints");
    let told: Vec<_> = outcome.stderr.lines().collect();
    assert!(
        told[0].starts_with("[  init  ] sha256 Fingerprint: "),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("[ verify ] sha256 Fingerprint: "),
        "{told:?}"
    );
    let pairs = told[0].rsplit(' ').next().unwrap().split(':');
    let pairs: Vec<_> = pairs.collect();
    assert_eq!(pairs.len(), 32);
    assert!(
        pairs
            .iter()
            .all(|pair| pair.len() == 2 && *pair == pair.to_uppercase())
    );
}

/// The suite asks for exit statuses only.
#[test]
fn the_conformance_adapter_answers() {
    let bench = Bench::certified();
    let at = |name: &str| bench.file(name).to_str().unwrap().to_owned();
    let (model, out) = (at("m"), at("out.sig"));
    let key = format!(
        "conformance sign-model --method key --model-path {model} --output-bundle {out} --private-key {}",
        at("key.pem")
    );
    bench.yes(&key);
    let verify = format!(
        "conformance verify-model --method key --model-path {model} --bundle {out} --public-key {}",
        at("key.pub")
    );
    bench.yes(&verify);
    bench.write("m/extra", "x");
    assert_eq!(bench.run(&verify).status, 1);
    bench.yes(&format!("{verify} --ignore-unsigned-files"));
    bench.yes(&format!("{verify} --ignore-paths {}", at("m/extra")));
    let certified = format!(
        "conformance sign-model --method certificate --model-path {model} --output-bundle {out} --private-key {} \
         --signing-cert {} --cert-chain {}",
        at("leaf.pem"),
        at("leaf.crt"),
        at("middle.crt")
    );
    bench.yes(&certified);
    let verify = |anchor: &str| {
        format!(
            "conformance verify-model --method certificate --model-path {model} --bundle {out} --cert-chain {}",
            at(anchor)
        )
    };
    bench.yes(&verify("root.crt"));
    assert_eq!(
        bench.run(&verify("leaf.crt")).status,
        0,
        "an anchor that is the leaf"
    );
    assert_eq!(bench.run(&verify("stamping.crt")).status, 1);
    assert_eq!(
        bench
            .run("conformance sign-model --method key --model-path m")
            .status,
        1
    );
    let said: serde_json::Value =
        serde_json::from_str(&bench.yes("conformance capabilities").stdout).unwrap();
    assert_eq!(
        said["hash_algorithms"],
        serde_json::json!(["sha256", "blake2b", "blake3"])
    );
    for more in [
        format!("sign --method key --private-key {}", at("key.pem")),
        "hash --shard-size 100".into(),
        "hash --method key --max-workers 2 --chunk-size 8192".into(),
    ] {
        let line = format!(
            "conformance benchmark-model --model-path {model} --repeat 2 --operation {more}"
        );
        let said: serde_json::Value = serde_json::from_str(&bench.yes(&line).stdout).unwrap();
        assert_eq!(said["times_ms"].as_array().unwrap().len(), 2, "{line}");
    }
}

/// A name that no verifier reads is not signed.
#[test]
fn names_that_are_not_verified_are_not_signed() {
    let bench = Bench::new();
    bench.write("m/a\nb", "x");
    for line in [
        "sign key m --private_key key.pem",
        "sign key m --private_key key.pem --shard_size 5",
    ] {
        let outcome = bench.run(line);
        assert!(
            outcome.status == 1 && outcome.stderr.contains("name"),
            "{outcome:?}"
        );
        assert!(!bench.file("model.sig").exists());
    }
}

/// `oms` alone is one of our commands, and says what it is.
#[test]
fn our_own_help_knows_the_face() {
    let workshop = Workshop::bare();
    assert!(workshop.yes("oms --help").stdout.contains("model_signing"));
    assert_eq!(workshop.run("oms").status, 2);
}

/// As the port to Go takes a manifest for the model that it names, where it is named as one.
#[test]
fn an_oci_manifest_stands_for_its_blobs() {
    let bench = Bench::new();
    let blob = |digest: char, more: &str| {
        let digest = digest.to_string().repeat(64);
        format!(r#"{{"mediaType":"m","digest":"sha256:{digest}","size":5{more}}}"#)
    };
    let title = r#","annotations":{"org.opencontainers.image.title":"w.bin"}"#;
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{},{}]}}"#,
        blob('a', ""),
        blob('b', title),
        blob('c', "")
    );
    bench.write("image.json", &manifest);
    let signed = bench.yes("sign key oci-manifest://image.json --private_key key.pem");
    assert!(
        signed.stderr.contains("none of them was read"),
        "{signed:?}"
    );
    let verify = "verify key oci-manifest://image.json --signature model.sig --public_key key.pub";
    let verified = bench.yes(verify);
    assert!(
        verified.stderr.contains("none of its blobs was read"),
        "{verified:?}"
    );
    for (from, to, said) in [
        ("bbbb", "dddd", "Hash mismatch for 'w.bin'"),
        (
            "w.bin",
            "v.bin",
            "Extra files found in model 'image': v.bin",
        ),
        ("\"layers\":[", "\"layers\":[],\"layers\":[", "stands twice"),
    ] {
        bench.write("image.json", manifest.replacen(from, to, 1));
        let outcome = bench.run(verify);
        assert!(
            outcome.status == 1 && outcome.stderr.contains(said),
            "{outcome:?}"
        );
    }
    let more = manifest.replacen("]}", &format!(",{}]}}", blob('d', "")), 1);
    assert_ne!(more, manifest);
    bench.write("image.json", more);
    assert_eq!(bench.run(verify).status, 1);
    bench.yes(&format!("{verify} --ignore_unsigned_files"));
    bench.write("image.json", &manifest);
    let line = "sign key oci-manifest://image.json --private_key key.pem --ignore_paths w.bin";
    assert_eq!(bench.run(line).status, 1);
}

/// A path is a file, whatever the file says: its own bytes are signed and compared, and none that it names.
#[test]
fn a_file_that_is_an_oci_manifest_is_a_file() {
    let bench = Bench::new();
    bench.write("om/a.txt", "a");
    bench.yes("sign key om --private_key key.pem --signature om.sig");
    let digest = digest::Digest::of(b"a").hex();
    let layer = format!(
        r#"{{"mediaType":"m","digest":"sha256:{digest}","size":1,"annotations":{{"org.opencontainers.image.title":"a.txt"}}}}"#
    );
    let empty = r#"{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
    let evil = format!(
        r#"{{"schemaVersion":2,"config":{empty},"layers":[{layer}],"chat_template":"evil"}}"#
    );
    bench.write("tokenizer_config.json", &evil);
    for line in [
        "verify key tokenizer_config.json --signature om.sig --public_key key.pub",
        "--log-level silent verify key tokenizer_config.json --signature om.sig --public_key key.pub",
        "verify key tokenizer_config.json --signature om.sig --public_key key.pub --ignore_unsigned_files",
        "conformance verify-model --method key --model-path tokenizer_config.json --bundle om.sig --public-key key.pub",
    ] {
        let outcome = bench.run(line);
        assert!(
            outcome.status == 1 && !outcome.stdout.contains("succeeded"),
            "{line}: {outcome:?}"
        );
    }
    // Named as what it names it is verified as that, and says so.
    bench.yes(
        "verify key oci-manifest://tokenizer_config.json --signature om.sig --public_key key.pub",
    );
    // Signed, it is the file that was signed, by whatever name.
    let signed =
        bench.yes("sign key tokenizer_config.json --private_key key.pem --signature file.sig");
    assert!(
        signed
            .stderr
            .contains("`oci-manifest://tokenizer_config.json`"),
        "{signed:?}"
    );
    bench.write("file.txt", &evil);
    bench.yes("verify key file.txt --signature file.sig --public_key key.pub");
    let outcome = bench.run("verify key om --signature file.sig --public_key key.pub");
    assert_eq!(outcome.status, 1, "{outcome:?}");
    bench.write("tokenizer_config.json", evil.replace("evil", "live"));
    let outcome =
        bench.run("verify key tokenizer_config.json --signature file.sig --public_key key.pub");
    assert_eq!(outcome.status, 1, "{outcome:?}");
}
