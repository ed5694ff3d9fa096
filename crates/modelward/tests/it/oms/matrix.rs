//! The rows in which the specification, the reference and its port to Go differ: one test for each, by its number.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use data_encoding::BASE64;
use serde_json::{Value, json};
use testkit::certificates::{Draft, Stamp, key_usage, purposes};
use testkit::key;
use trust::{Bundle, Signer};

use super::SUCCEEDED;
use super::bench::{Bench, KEY, OTHER, certificate};
use crate::workshop::{Outcome, program, words};

/// A model whose two orders differ, by names and by parts of paths.
fn with_two_orders() -> Bench {
    let bench = Bench::new();
    for name in ["m/a/b", "m/a-b/c", "m/tokenizer.json"] {
        bench.write(name, name);
    }
    bench.yes("sign key m --private_key key.pem");
    bench
}

fn names(statement: &Value) -> Vec<String> {
    let resources = statement["predicate"]["resources"].as_array().unwrap();
    let name = |resource: &Value| resource["name"].as_str().unwrap().to_owned();
    resources.iter().map(name).collect()
}

#[test]
fn row_01_resources_are_written_in_code_points_order_and_read_in_any() {
    let bench = with_two_orders();
    let mut statement = bench.statement("model.sig");
    let written = names(&statement);
    assert!(written.is_sorted(), "{written:?}");
    let resources = statement["predicate"]["resources"].as_array_mut().unwrap();
    resources.reverse();
    bench.craft("reversed.sig", statement);
    let verified = bench.verify("reversed.sig");
    assert_eq!(verified.stdout, SUCCEEDED);
    assert!(verified.stderr.contains("in another order"), "{verified:?}");
    let line = "verify m --public-key key.pub --signature reversed.sig";
    let ours = Outcome::of(program().current_dir(bench.path()).args(words(line)));
    assert!(
        ours.status == 0 && ours.stderr.contains("in another order"),
        "{ours:?}"
    );
    let in_order = bench.verify("model.sig");
    assert_eq!((in_order.status, in_order.stderr.as_str()), (0, ""));
}

#[test]
fn row_02_the_digest_is_the_specifications_and_the_references_when_asked() {
    let bench = with_two_orders();
    let statement = bench.statement("model.sig");
    let root = |names: &[&str]| {
        let mut hasher = digest::Hasher::new();
        for name in names {
            let bytes = bench.read(&format!("m/{name}"));
            hasher.update(digest::Digest::of(&bytes).raw());
        }
        format!("sha256:{}\n", hasher.finish().hex())
    };
    let specified = [
        "a-b/c",
        "a/b",
        "config.json",
        "tokenizer.json",
        "tokenizer/vocab.txt",
        "weights.bin",
    ];
    let by_parts = [
        "a/b",
        "a-b/c",
        "config.json",
        "tokenizer/vocab.txt",
        "tokenizer.json",
        "weights.bin",
    ];
    assert_eq!(bench.yes("digest m").stdout, root(&specified));
    assert_eq!(
        bench.yes("digest m --compat python").stdout,
        root(&by_parts)
    );
    let signed = statement["subject"][0]["digest"]["sha256"]
        .as_str()
        .unwrap();
    assert_eq!(format!("sha256:{signed}\n"), root(&specified));
    let listed: Value = serde_json::from_str(&bench.yes("digest m --resources").stdout).unwrap();
    assert_eq!(listed["resources"].as_array().unwrap().len(), 6);
}

#[test]
fn row_03_a_single_file_is_written_as_a_dot_and_read_by_its_name_too() {
    let bench = Bench::new();
    bench.write("one.bin", "one");
    bench.yes("sign key one.bin --private_key key.pem");
    let mut statement = bench.statement("model.sig");
    assert_eq!(names(&statement), ["."]);
    statement["predicate"]["resources"][0]["name"] = json!("one.bin");
    bench.craft("named.sig", statement);
    for signature in ["model.sig", "named.sig"] {
        let line = format!("verify key one.bin --signature {signature} --public_key key.pub");
        assert_eq!(bench.yes(&line).stdout, SUCCEEDED, "{signature}");
        bench.write("one.bin", "two");
        assert_eq!(bench.run(&line).status, 1, "{signature}");
        bench.write("one.bin", "one");
    }
}

#[test]
fn row_04_the_size_of_shards_is_written_whole_and_read_as_a_fraction() {
    let bench = Bench::new();
    bench.yes("sign key m --private_key key.pem --shard_size 5");
    let mut statement = bench.statement("model.sig");
    assert_eq!(
        statement["predicate"]["serialization"]["shard_size"].to_string(),
        "5"
    );
    statement["predicate"]["serialization"]["shard_size"] = json!(5.0);
    bench.craft("fraction.sig", statement.clone());
    assert_eq!(bench.verify("fraction.sig").stdout, SUCCEEDED);
    statement["predicate"]["serialization"]["shard_size"] = json!(5.5);
    bench.craft("bad.sig", statement);
    assert_eq!(bench.verify("bad.sig").status, 1);
}

#[test]
fn row_05_the_algorithm_of_a_shard_is_written_as_the_peers_verify_it_and_read_both_ways() {
    let bench = Bench::new();
    let signed = bench.yes("sign key m --private_key key.pem --shard_size 5");
    assert!(
        signed.stderr.contains("not as the specification has it"),
        "{signed:?}"
    );
    let ours = "sign m --private-key key.pem --signature ours.sig --shard-size 5";
    let warned = |line: &str| {
        let outcome = Outcome::of(program().current_dir(bench.path()).args(words(line)));
        assert_eq!(outcome.status, 0, "{outcome:?}");
        outcome.stderr.contains("not as the specification has it")
    };
    assert!(warned(ours) && !warned(&format!("{ours} --strict-spec")));
    let mut statement = bench.statement("model.sig");
    for resource in statement["predicate"]["resources"].as_array_mut().unwrap() {
        assert_eq!(resource["algorithm"], "sha256-sharded-5");
        resource["algorithm"] = json!("sha256");
    }
    bench.craft("specified.sig", statement.clone());
    assert_eq!(bench.verify("specified.sig").stdout, SUCCEEDED);
    statement["predicate"]["resources"][0]["algorithm"] = json!("sha256-sharded-6");
    bench.craft("bad.sig", statement);
    assert_eq!(bench.verify("bad.sig").status, 1);
}

#[test]
fn row_06_it_is_hashed_as_the_signature_says() {
    let bench = Bench::new();
    for how in [
        "--hash-algorithm blake2",
        "--hash_algorithm blake3",
        "--shard_size 3",
        "--hash-algorithm blake2b --shard_size 4",
    ] {
        bench.yes(&format!("sign key m --private_key key.pem {how}"));
        assert_eq!(bench.verify("model.sig").stdout, SUCCEEDED, "{how}");
        bench.write("m/weights.bin", "weighty");
        assert_eq!(bench.verify("model.sig").status, 1, "{how}");
        bench.write("m/weights.bin", "weights");
    }
}

#[test]
fn row_07_an_empty_model_is_neither_signed_nor_verified() {
    let bench = Bench::signed();
    let mut statement = bench.statement("model.sig");
    fs::remove_dir_all(bench.file("m")).unwrap();
    fs::create_dir_all(bench.file("m/empty")).unwrap();
    for line in [
        "sign key m --private_key key.pem --signature empty.sig",
        "digest m",
    ] {
        let outcome = bench.run(line);
        assert!(
            outcome.status == 1 && outcome.stderr.contains("no file"),
            "{outcome:?}"
        );
    }
    assert!(!bench.file("empty.sig").exists());
    statement["predicate"]["resources"] = json!([]);
    bench.craft("crafted.sig", statement);
    assert_eq!(bench.verify("crafted.sig").status, 1);
}

#[test]
fn row_08_links_are_followed_as_the_signature_says() {
    let bench = Bench::new();
    symlink("weights.bin", bench.file("m/link.bin")).unwrap();
    assert_eq!(bench.run("sign key m --private_key key.pem").status, 1);
    bench.yes("sign key m --private_key key.pem --allow_symlinks");
    assert_eq!(bench.verify("model.sig").stdout, SUCCEEDED);
    // Signed without links, the same model is refused, whatever the verifier would allow.
    let mut statement = bench.statement("model.sig");
    statement["predicate"]["serialization"]["allow_symlinks"] = json!(false);
    bench.craft("without.sig", statement);
    let line = "verify key m --signature without.sig --public_key key.pub --allow_symlinks";
    let outcome = bench.run(line);
    assert!(
        outcome.status == 1 && outcome.stderr.contains("because it is a symlink"),
        "{outcome:?}"
    );
    // A link that leads elsewhere is followed only where that was named.
    bench.write("elsewhere/file", "x");
    symlink("../elsewhere/file", bench.file("m/outside")).unwrap();
    let sign = "sign key m --private_key key.pem --allow_symlinks";
    let outcome = bench.run(sign);
    assert!(
        outcome.status == 1 && outcome.stderr.contains("--links_inside"),
        "{outcome:?}"
    );
    bench.yes(&format!("{sign} --links_inside ."));
    assert_eq!(bench.verify("model.sig").status, 1);
    bench.yes("verify key m --signature model.sig --public_key key.pub --links_inside .");
}

/// The files of a snapshot are links into the repository's own folder of blobs.
#[test]
fn row_08_a_hugging_face_cache_is_followed_inside_its_repository() {
    let bench = Bench::new();
    bench.write("hub/models--o--n/blobs/abc", "weights");
    let snapshot = bench.file("hub/models--o--n/snapshots/rev");
    fs::create_dir_all(&snapshot).unwrap();
    symlink("../../blobs/abc", snapshot.join("w.bin")).unwrap();
    let model = "hub/models--o--n/snapshots/rev";
    bench.yes(&format!(
        "sign key {model} --private_key key.pem --allow_symlinks"
    ));
    let verify = format!("verify key {model} --signature model.sig --public_key key.pub");
    assert_eq!(bench.yes(&verify).stdout, SUCCEEDED);
    bench.write("hub/models--o--n/blobs/abc", "tampered");
    assert_eq!(bench.run(&verify).status, 1);
    bench.write("hub/other", "x");
    symlink("../../../other", snapshot.join("more")).unwrap();
    assert_eq!(
        bench
            .run(&format!(
                "sign key {model} --private_key key.pem --allow_symlinks"
            ))
            .status,
        1
    );
}

#[test]
fn row_09_a_folder_behind_a_link_is_signed_or_refused_and_never_skipped() {
    let bench = Bench::new();
    symlink("tokenizer", bench.file("m/words")).unwrap();
    assert_eq!(bench.run("sign key m --private_key key.pem").status, 1);
    bench.yes("sign key m --private_key key.pem --allow_symlinks");
    assert!(names(&bench.statement("model.sig")).contains(&"words/vocab.txt".to_owned()));
    assert_eq!(bench.verify("model.sig").stdout, SUCCEEDED);
    fs::remove_file(bench.file("m/words")).unwrap();
    bench.write("m/words/vocab.txt", "tampered");
    assert_eq!(bench.verify("model.sig").status, 1);
    symlink(bench.file("m"), bench.file("m/around")).unwrap();
    assert_eq!(
        bench
            .run("sign key m --private_key key.pem --allow_symlinks")
            .status,
        1
    );
}

/// What verifies a certificate's signature, before or beside the signature's own certificates.
fn verify_certified(bench: &Bench, more: &str) -> (i32, String) {
    let line =
        format!("verify certificate m --signature model.sig --certificate_chain root.crt {more}");
    let outcome = bench.run(&line);
    (outcome.status, outcome.stderr)
}

/// `model.sig` with a certificate that held in these years, and the tokens over its signature.
fn certified_for(bench: &Bench, years: [&'static str; 2], is_stamped: bool) {
    let extensions = [key_usage(0x80), purposes(false, &["1.3.6.1.5.5.7.3.3"])];
    let mut leaf = Draft::new("middle", "signer", 3, &extensions);
    leaf.valid = years;
    let mut bundle: Value = serde_json::from_slice(&bench.read("model.sig")).unwrap();
    let chain = &mut bundle["verificationMaterial"]["x509CertificateChain"]["certificates"];
    chain[0]["rawBytes"] = json!(BASE64.encode(&leaf.signed_by(2)));
    if is_stamped {
        let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"]
            .as_str()
            .unwrap();
        let token = Stamp::of(&BASE64.decode(signature.as_bytes()).unwrap()).token();
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({"rfc3161Timestamps": [{"signedTimestamp": BASE64.encode(&token)}]});
    }
    bench.write("model.sig", bundle.to_string());
    bench.write("expired.crt", certificate(&leaf.signed_by(2)));
}

const OVER: [&str; 2] = ["20240101000000Z", "20260101000000Z"];
const TO_COME: [&str; 2] = ["20380101000000Z", "20390101000000Z"];

#[test]
fn row_10_a_certificate_counts_only_while_it_holds() {
    let bench = Bench::certified();
    assert_eq!(verify_certified(&bench, "").0, 0);
    certified_for(&bench, OVER, false);
    let (status, said) = verify_certified(&bench, "");
    assert!(
        status == 1 && said.contains("certificate has expired"),
        "{said}"
    );
    // Nor does it sign.
    let sign = "sign certificate m --private_key leaf.pem --signing_certificate expired.crt --certificate_chain middle.crt";
    assert_eq!(bench.run(sign).status, 1);
    certified_for(&bench, TO_COME, false);
    let (status, said) = verify_certified(&bench, "");
    assert!(
        status == 1 && said.contains("certificate is not yet valid"),
        "{said}"
    );
}

#[test]
fn row_11_a_timestamp_counts_when_who_stamped_is_believed() {
    let bench = Bench::certified();
    certified_for(&bench, OVER, true);
    assert_eq!(
        verify_certified(&bench, "").0,
        1,
        "nobody vouches for the stamp"
    );
    assert_eq!(
        verify_certified(&bench, "--timestamp_chain stamping.crt").0,
        0
    );
    assert_eq!(verify_certified(&bench, "--timestamp_chain root.crt").0, 1);
    let outcome = bench
        .run("sign key m --private_key key.pem --tsa-url http://127.0.0.1:1 --signature new.sig");
    assert_eq!(outcome.status, 1, "no stamp is pretended: {outcome:?}");
    assert!(!bench.file("new.sig").exists());
}

#[test]
fn row_12_whose_certificate_it_is_is_asked_or_said_not_to_be() {
    let bench = Bench::certified();
    let (status, said) = verify_certified(&bench, "");
    assert!(
        status == 0 && said.contains("`CN=signer`") && said.contains("not checked"),
        "{said}"
    );
    let asked = |who: &str| verify_certified(&bench, &format!("--certificate_identity {who}"));
    assert_eq!(asked("email:signer@example.com"), (0, String::new()));
    assert_eq!(asked("email:other@example.com").0, 1);
}

#[test]
fn row_13_nobody_is_believed_by_default() {
    let bench = Bench::certified();
    let outcome = bench.run("verify certificate m --signature model.sig");
    assert!(
        outcome.status == 1 && outcome.stderr.contains("hint: "),
        "{outcome:?}"
    );
    let other = "verify certificate m --signature model.sig --certificate_chain stamping.crt";
    let outcome = bench.run(other);
    assert!(
        outcome.status == 1
            && outcome
                .stderr
                .contains("unable to get local issuer certificate"),
        "{outcome:?}"
    );
}

#[test]
fn row_14_later_versions_of_the_predicate_are_read() {
    let bench = Bench::signed();
    for (predicate, status) in [
        ("https://model_signing/signature/v1.1", 0),
        ("https://model_signing/signature/v2.0", 1),
        ("https://example.com/v1.0", 1),
    ] {
        let mut statement = bench.statement("model.sig");
        statement["predicateType"] = json!(predicate);
        bench.craft("crafted.sig", statement);
        let outcome = bench.verify("crafted.sig");
        assert_eq!(outcome.status, status, "{predicate}: {outcome:?}");
        let said = "Predicate type mismatch, expected https://model_signing/signature/v1.0, got ";
        assert!(status == 0 || outcome.stderr.contains(said), "{outcome:?}");
    }
}

#[test]
fn row_15_no_file_is_listed_twice() {
    let bench = Bench::signed();
    let mut statement = bench.statement("model.sig");
    let resources = statement["predicate"]["resources"].as_array_mut().unwrap();
    resources.push(resources[0].clone());
    bench.craft("twice.sig", statement);
    assert_eq!(bench.verify("twice.sig").status, 1);
}

#[test]
fn row_16_no_name_leads_out_of_the_model() {
    let bench = Bench::signed();
    bench.write("outside", "{}");
    for name in ["../outside", "/etc/hostname", "tokenizer/../../outside", ""] {
        let mut statement = bench.statement("model.sig");
        statement["predicate"]["resources"][0]["name"] = json!(name);
        bench.craft("crafted.sig", statement);
        let line =
            "verify key m --signature crafted.sig --public_key key.pub --ignore_unsigned_files";
        assert_eq!(bench.run(line).status, 1, "{name}");
    }
}

#[test]
fn row_17_paths_to_ignore_begin_anywhere_and_lie_in_the_model() {
    let bench = Bench::new();
    let absolute = bench.file("m/tokenizer");
    for path in [
        "m/tokenizer",
        "tokenizer",
        "./m/../m/tokenizer",
        absolute.to_str().unwrap(),
    ] {
        bench.yes(&format!(
            "sign key m --private_key key.pem --ignore-paths {path}"
        ));
        let statement = bench.statement("model.sig");
        assert_eq!(names(&statement), ["config.json", "weights.bin"], "{path}");
        let ignored = statement["predicate"]["serialization"]["ignore_paths"].to_string();
        assert!(ignored.contains("\"tokenizer\""), "{path}: {ignored}");
        assert_eq!(bench.verify("model.sig").stdout, SUCCEEDED);
    }
    bench.yes("sign key m --private_key key.pem --ignore-paths tokenizer,config.json");
    assert_eq!(names(&bench.statement("model.sig")), ["weights.bin"]);
    // A file has nothing to leave out, and is verified by the words of the folder that it lies in.
    bench.yes("sign key m/weights.bin --private_key key.pem --ignore-paths m/tokenizer");
    bench.yes("verify key m/weights.bin --signature model.sig --public_key key.pub --ignore-paths m/tokenizer");
    for path in ["key.pem", "../m", "/etc/hostname", "m"] {
        let outcome = bench.run(&format!(
            "sign key m --private_key key.pem --ignore-paths {path}"
        ));
        assert!(
            outcome.status == 1 && outcome.stderr.contains("is not in the model"),
            "{path}: {outcome:?}"
        );
    }
}

#[test]
fn row_18_what_the_signature_leaves_out_is_left_out() {
    let bench = Bench::new();
    for name in [
        "m/.gitignore",
        "m/.github/x",
        "m/.gitmodules",
        "m/sub/.git/x",
    ] {
        bench.write(name, "x");
    }
    bench.yes("sign key m --private_key key.pem");
    let signed = names(&bench.statement("model.sig"));
    assert!(signed.contains(&".gitmodules".into()) && signed.contains(&"sub/.git/x".into()));
    assert!(!signed.contains(&".gitignore".into()), "{signed:?}");
    let outcome = bench.verify("model.sig");
    assert_eq!(outcome.stdout, SUCCEEDED);
    assert!(
        outcome
            .stderr
            .contains("left out, and covered by no signature: "),
        "{outcome:?}"
    );
    bench.yes("sign key m --private_key key.pem --no-ignore-git-paths --ignore-paths m/sub");
    assert!(names(&bench.statement("model.sig")).contains(&".gitignore".into()));
    // The reference leaves it out nevertheless, and refuses what it signed itself.
    assert_eq!(bench.verify("model.sig").stdout, SUCCEEDED);
    bench.write("m/.gitignore", "tampered");
    assert_eq!(bench.verify("model.sig").status, 1);
}

#[test]
fn row_19_any_of_several_signatures_may_be_the_one_that_is_believed() {
    let bench = Bench::signed();
    let bytes = bench.read("model.sig");
    let envelope = Bundle::parse(&bytes).unwrap().envelope().clone();
    let other = key(OTHER).sign(envelope.signed_bytes()).unwrap();
    let mut bundle: Value = serde_json::from_slice(&bytes).unwrap();
    let signatures = bundle["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
    signatures.insert(0, json!({"sig": BASE64.encode(&other), "keyid": ""}));
    bench.write("both.sig", bundle.to_string());
    for public in ["key.pub", "other.pub"] {
        let line = format!("verify key m --signature both.sig --public_key {public}");
        assert_eq!(bench.yes(&line).stdout, SUCCEEDED, "{public}");
        assert_ne!(key(KEY).public_key(), key(OTHER).public_key());
    }
    let third = key(9);
    bench.write("third.pub", third.public_key().pem());
    assert_eq!(
        bench
            .run("verify key m --signature both.sig --public_key third.pub")
            .status,
        1
    );
}

#[test]
fn row_20_encrypted_keys_sign_with_their_password() {
    let bench = Bench::new();
    openssl(
        &bench,
        "pkcs8 -topk8 -in key.pem -out new.pem -passout pass:secret",
    );
    openssl(
        &bench,
        "ec -in key.pem -aes256 -out old.pem -passout pass:secret",
    );
    for name in ["new.pem", "old.pem"] {
        let sign = format!("sign key m --private_key {name}");
        let outcome = bench.yes(&format!("{sign} --password secret"));
        assert!(
            outcome
                .stderr
                .contains("see a password on the command line"),
            "{outcome:?}"
        );
        assert_eq!(bench.verify("model.sig").stdout, SUCCEEDED);
        let outcome = bench.run(&format!("{sign} --password wrong"));
        assert!(
            outcome.status == 1 && outcome.stderr.contains("password"),
            "{outcome:?}"
        );
        let outcome = bench.run(&sign);
        assert!(
            outcome.status == 1 && outcome.stderr.contains("MODELWARD_PASSWORD"),
            "{outcome:?}"
        );
    }
}

#[test]
fn row_22_other_kinds_of_keys_are_verified_and_do_not_sign() {
    let bench = Bench::signed();
    let envelope = Bundle::parse(&bench.read("model.sig"))
        .unwrap()
        .envelope()
        .clone();
    bench.write("signed", envelope.signed_bytes());
    for (kind, sign) in [
        (
            "RSA -pkeyopt rsa_keygen_bits:2048",
            "dgst -sha256 -sign k.pem -out sig signed",
        ),
        (
            "ED25519",
            "pkeyutl -sign -rawin -inkey k.pem -in signed -out sig",
        ),
    ] {
        openssl(&bench, &format!("genpkey -algorithm {kind} -out k.pem"));
        openssl(&bench, "pkey -in k.pem -pubout -out k.pub");
        openssl(&bench, sign);
        let mut bundle: Value = serde_json::from_slice(&bench.read("model.sig")).unwrap();
        let hint = digest::Digest::of(&bench.read("k.pub")).hex();
        bundle["verificationMaterial"]["publicKey"]["hint"] = json!(hint);
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = json!(BASE64.encode(&bench.read("sig")));
        bench.write("k.sig", bundle.to_string());
        let verify = "verify key m --signature k.sig --public_key k.pub";
        assert_eq!(bench.yes(verify).stdout, SUCCEEDED, "{kind}");
        let outcome = bench.run("sign key m --private_key k.pem --signature no.sig");
        let said = "Only elliptic curve keys are supported";
        assert!(
            outcome.status == 1 && outcome.stderr.contains(said),
            "{kind}: {outcome:?}"
        );
    }
}

fn openssl(bench: &Bench, line: &str) {
    let mut command = Command::new("openssl");
    let output = command
        .current_dir(bench.path())
        .args(line.split(' '))
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
