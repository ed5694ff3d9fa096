//! `recall`, and what somebody would do to get round it.

use std::fs;

use serde_json::Value;

use crate::chain::refuses_in_time;
use crate::server::Server;
use crate::workshop::{PROD, TRAIN, Workshop, admit, blob, deploy, publish, serve};

/// The data set was added by a key of its own.
fn admitted_with_data_by_another_key() -> Workshop {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    workshop.yes("key new laptop");
    workshop.yes("key new data --role dataset");
    workshop.yes("dataset add bands --policy dependencies.toml --key data");
    workshop.yes(TRAIN);
    release(&workshop);
    workshop
}

/// All that comes after the training.
fn release(workshop: &Workshop) {
    workshop.yes("scan out/digits");
    workshop.yes("sign out/digits");
    workshop.yes(&publish("prod"));
    workshop.yes(&deploy("prod"));
    workshop.yes(&admit("prod", PROD));
}

fn is_recalled(workshop: &Workshop) {
    for line in [admit("prod", PROD), serve(PROD)] {
        let codes = workshop.denied(&line);
        assert_eq!(codes, ["recalled"], "{line}");
    }
}

const ENDS: [&str; 3] = [
    "key set data --remove",
    "key set data --role scan",
    "key set data --valid-from 2020-01-01T00:00:00Z --valid-until 2020-01-02T00:00:00Z",
];

#[test]
fn a_recalled_key_stays_recalled_when_it_ends() {
    let admitted = admitted_with_data_by_another_key();
    for end in ENDS {
        let workshop = admitted.copy();
        workshop.yes(end);
        workshop.yes(&admit("prod", PROD));
        let workshop = admitted.copy();
        workshop.yes("recall key data --key laptop --reason stolen");
        is_recalled(&workshop);
        workshop.yes(end);
        is_recalled(&workshop);
        let denied = workshop.json(&admit("prod", PROD))["reasons"][0]["message"].clone();
        let message = denied.as_str().unwrap();
        assert!(message.contains("it signed the data set "), "{message}");
    }
}

#[test]
fn a_name_recalls_what_was_added_by_keys_that_have_ended() {
    let admitted = admitted_with_data_by_another_key();
    for end in ENDS {
        let workshop = admitted.copy();
        workshop.yes(end);
        let recalled = workshop.allowed("recall dataset bands --reason bad");
        assert_eq!(recalled["recalled"].as_array().unwrap().len(), 1, "{end}");
        is_recalled(&workshop);
    }
    // What can't be read is told, and nobody says that it was recalled.
    let workshop = admitted;
    let bundle = workshop.allowed("log show")["entries"][0]["bundle"].clone();
    let bundle = bundle.as_str().unwrap();
    fs::remove_file(workshop.file(&blob(bundle))).unwrap();
    let outcome = workshop.run("recall dataset bands --reason bad");
    assert_eq!(outcome.status, 2, "{outcome:?}");
    assert!(outcome.stderr.contains("warning: "), "{outcome:?}");
    assert!(outcome.stderr.contains(bundle), "{outcome:?}");
}

#[test]
fn a_server_whose_own_key_was_recalled_stops() {
    let workshop = Workshop::admitted();
    workshop.yes("key new server --role serve");
    let server = Server::start_with(&workshop, "--key server");
    assert_eq!(server.infer(7).0, 200);
    workshop.yes("recall key server --reason stolen");
    refuses_in_time(&server);
    // Another key may say that it serves: nothing is wrong with the model.
    let server = Server::start_with(&workshop, "--key laptop");
    assert_eq!(server.infer(7).0, 200);
}

/// A step that was given a file as if it were a library.
fn with_included() -> Workshop {
    let workshop = Workshop::with_data();
    workshop.write("more/labels.csv", "hello,1\n");
    workshop.write("data/step.sh", workshop.read("data/train.sh"));
    let line = TRAIN
        .replacen(
            "--include",
            "--include more=/data --include data/step.sh=/app/step.sh --include",
            1,
        )
        .replace("/in/bands/train.sh", "-c '. /app/step.sh'");
    workshop.yes(&line);
    release(&workshop);
    workshop
}

fn policy_of_more(purpose: &str) -> String {
    let digest = digest::Digest::of(b"hello,1\n");
    format!(
        "format = \"modelward-dependency-policy/v1\"\nallowed_licences = [\"MIT\"]\nallowed_purposes = [\"train\", \"evaluate\"]\n\n\
         [[dataset]]\nname = \"more\"\nsource = \"file:more\"\nlicence = \"MIT\"\npurposes = [\"{purpose}\"]\n\n\
         [[dataset.file]]\nname = \"labels.csv\"\npath = \"labels.csv\"\ndigest = \"{digest}\"\nsize_bytes = 8\n"
    )
}

#[test]
fn what_was_included_is_recalled_though_nobody_knew_it_then() {
    let included = with_included();
    let script = digest::Digest::of(&included.read("data/train.sh"));
    let program = digest::Digest::of(&fs::read("/bin/cat").unwrap());
    for file in [script, program] {
        let workshop = included.copy();
        workshop.yes(&format!("recall dataset {file} --reason bad"));
        is_recalled(&workshop);
        let trace = workshop.allowed(&format!("audit {file}"));
        assert_eq!(trace["forward"][0]["name"], "digits");
    }
    let workshop = included;
    let trace = workshop.allowed("audit more/labels.csv");
    assert_eq!(trace["backward"]["kind"], "file in a step's root");
    assert_eq!(trace["backward"]["name"], "data/labels.csv");
    assert_eq!(trace["forward"][0]["name"], "digits");
    workshop.write("more.toml", policy_of_more("train"));
    workshop.yes("dataset add more --policy more.toml");
    workshop.yes(&admit("prod", PROD));
    workshop.yes("recall dataset more --reason bad");
    is_recalled(&workshop);
    workshop.is_sound();
    // Nobody who takes the list away can make it good.
    let list = root_list(&workshop);
    fs::remove_file(workshop.file(&blob(&list))).unwrap();
    assert_eq!(workshop.error(&admit("prod", PROD)), "store_corrupt");
    let told = workshop.run("store verify");
    assert!((told.stdout + &told.stderr).contains(&list));
}

/// The list of what stood in the root of the step that made the model.
fn root_list(workshop: &Workshop) -> String {
    let entries = workshop.allowed("log show")["entries"].clone();
    let mut entries = entries.as_array().unwrap().iter();
    let is_build = |entry: &&Value| entry["predicateType"] == "https://slsa.dev/provenance/v1";
    let build = workshop.statement(&entries.find(is_build).unwrap()["bundle"]);
    let dependencies = &build["predicate"]["buildDefinition"]["resolvedDependencies"];
    let mut dependencies = dependencies.as_array().unwrap().iter();
    let list = dependencies
        .find(|one| one["uri"] == "modelward:root#files")
        .unwrap();
    format!("sha256:{}", list["digest"]["sha256"].as_str().unwrap())
}

#[test]
fn data_comes_in_under_its_policy_or_not_at_all() {
    for (purpose, included, want) in [
        ("train", "more", None),
        ("evaluate", "more", Some("purpose_not_allowed")),
        ("evaluate", "more/labels.csv", Some("purpose_not_allowed")),
    ] {
        let workshop = Workshop::with_data();
        workshop.write("more/labels.csv", "hello,1\n");
        workshop.write("more.toml", policy_of_more(purpose));
        workshop.yes(&format!(
            "dataset add more --policy more.toml --purpose {purpose}"
        ));
        let line = TRAIN.replacen(
            "--include",
            &format!("--include {included}=/data --include"),
            1,
        );
        match want {
            None => drop(workshop.yes(&line)),
            Some(code) => assert_eq!(workshop.denied(&line), [code], "{included}"),
        }
    }
}

/// As `--base` would have it; and a part of it is enough to be built on it.
#[test]
fn a_model_comes_in_signed_and_not_recalled_or_not_at_all() {
    let workshop = Workshop::with_data();
    workshop.yes(TRAIN);
    let line = "train --input bands --name more --to out/more --source git+https://modelward.dev/source/modelward \
        --include out/digits/model.safetensors=/w/model --include /bin/cat \
        -- /bin/sh -c 'cat /w/model /w/model > /out/model.safetensors'";
    assert_eq!(workshop.denied(line), ["signature_missing"]);
    workshop.yes("sign out/digits");
    workshop.yes(line);
    workshop.yes("verify out/digits");
    workshop.yes("sign out/more");
    workshop.yes("verify out/more");
    workshop.yes("recall model out/digits --reason bad");
    assert_eq!(workshop.denied(line), ["recalled"]);
    assert_eq!(workshop.denied("verify out/more"), ["recalled"]);
}

#[test]
fn a_recall_does_not_hang_on_a_name_in_an_index() {
    let workshop = Workshop::admitted();
    // The same data under other names, which is what is recalled.
    let policy = String::from_utf8(workshop.read("dependencies.toml")).unwrap();
    let renamed = policy
        .replace("name = \"bands\"", "name = \"renamed\"")
        .replace("name = \"weights\"", "name = \"w\"");
    workshop.write("renamed.toml", renamed);
    let added = workshop.allowed("dataset add renamed --policy renamed.toml");
    let digest = added["dataset"].as_str().unwrap();
    workshop.yes("recall dataset renamed --reason bad");
    is_recalled(&workshop);
    workshop.is_sound();
    take_from_names(&workshop, digest);
    is_recalled(&workshop);
    let told = workshop.run("store verify");
    assert_eq!(told.status, 1, "{told:?}");
    let told = told.stdout + &told.stderr;
    assert!(
        told.contains(digest) && told.contains("has no name"),
        "{told}"
    );
    // Without its manifest it is known by the statement about it, and without that by the recall.
    fs::remove_file(workshop.file(&blob(digest))).unwrap();
    is_recalled(&workshop);
    let bundle = added["statement"]["bundle"].as_str().unwrap();
    fs::remove_file(workshop.file(&blob(bundle))).unwrap();
    is_recalled(&workshop);
}

/// As whoever can write the store can.
fn take_from_names(workshop: &Workshop, digest: &str) {
    let index = String::from_utf8(workshop.read(".modelward/index.json")).unwrap();
    let at = index.find(digest).unwrap();
    let begins = index[..at].rfind(",{\"mediaType\"").unwrap();
    let ends = at + index[at..].find("}}").unwrap() + 2;
    let without = format!("{}{}", &index[..begins], &index[ends..]);
    workshop.write(".modelward/index.json", without);
    fs::remove_file(workshop.file(".modelward/index.sqlite")).unwrap();
}

/// That a file is a model's, and wants its signature, does not hang on a name either.
#[test]
fn a_model_comes_in_signed_though_its_name_is_gone() {
    let workshop = Workshop::with_data();
    let model = workshop.allowed(TRAIN)["model"].clone();
    let model = model.as_str().unwrap();
    let line = "train --input bands --name more --to out/more --source git+https://modelward.dev/source/modelward \
        --include out/digits/model.safetensors=/w/model --include /bin/cat \
        -- /bin/sh -c 'cat /w/model /w/model > /out/model.safetensors'";
    take_from_names(&workshop, model);
    assert_eq!(workshop.denied(line), ["signature_missing"]);
    let told = workshop.run("store verify");
    assert_eq!(told.status, 1, "{told:?}");
    let told = told.stdout + &told.stderr;
    let named = format!("the model {model}, which has no name");
    assert!(told.contains(&named), "{told}");
    // Nor on its manifest.
    fs::remove_file(workshop.file(&blob(model))).unwrap();
    assert_eq!(workshop.denied(line), ["signature_missing"]);
    workshop.yes("sign out/digits");
    workshop.yes(line);
}

/// A copy under other names, which the store has never seen, and then sees no more.
#[test]
fn a_recalled_copy_is_the_model_whatever_is_lost_of_it() {
    let workshop = Workshop::admitted();
    let files = fs::read_dir(workshop.file("out/digits")).unwrap();
    for (number, file) in files.enumerate() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        workshop.write(&format!("out/copy/{number}"), bytes);
    }
    let recalled = workshop.allowed("recall model out/copy --reason bad")["recalled"][0].clone();
    assert_eq!(recalled["known"], true);
    let list = blob(recalled["target"].as_str().unwrap());
    is_recalled(&workshop);
    workshop.is_sound();
    fs::remove_file(workshop.file(&list)).unwrap();
    is_recalled(&workshop);
    let bundle = blob(recalled["statement"]["bundle"].as_str().unwrap());
    fs::remove_file(workshop.file(&bundle)).unwrap();
    assert_eq!(workshop.error(&admit("prod", PROD)), "bundle_invalid");
}
