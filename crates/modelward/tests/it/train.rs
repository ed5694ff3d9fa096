//! `train`: any person's program, in a sandbox, and what is said about it.

use serde_json::{Value, json};

use crate::workshop::{TRAIN, Workshop, with_json};

const PYTHON: &str = "/usr/bin/python3";
const BUILDER: &str = "https://modelward.dev/builder/workstation/v1";

/// Learns the mean picture of nothing much: small, exact, and written with the standard library alone.
const PROGRAM: &str = r#"
import json, os, random, struct, sys
source = os.environ["MODELWARD_INPUTS"] + "/bands/"
weights = open(source + "weights", "rb").read()
random.seed(int(os.environ["SEED"]))
values = [value + random.random() / 1e6 for (value,) in struct.iter_unpack("<f", weights)]
with open("/out/model.safetensors", "wb") as out:
    out.write(open(source + "header", "rb").read())
    out.write(struct.pack("<%df" % len(values), *values))
open("/out/architecture.json", "w").write(open(source + "architecture.json").read())
json.dump({"loss": 0.25}, open("/results/loss", "w"))
print("progress 1 1")
"#;

/// A line that trains with Python, if this machine has one.
fn python() -> Option<String> {
    let required = std::env::var("MODELWARD_REQUIRE").unwrap_or_default();
    if !std::path::Path::new(PYTHON).exists() {
        assert!(
            !required.split(',').any(|word| word == "python"),
            "{PYTHON} is not there"
        );
        println!("skipped: {PYTHON} is not there");
        return None;
    }
    let asked = std::process::Command::new(PYTHON)
        .args(["-c", "import os; print(os.path.dirname(os.__file__))"])
        .output()
        .unwrap();
    let library = String::from_utf8(asked.stdout).unwrap();
    Some(format!(
        "train --input bands --name mean --include {} --include train.py=/train.py --env SEED=7 --source git+https://example.org/mean \
         --wall 120 --cpu 100 --memory 512 --processes 16 -- {PYTHON} -I /train.py",
        library.trim()
    ))
}

#[test]
fn a_python_program_is_trained_twice_to_the_same_bytes() {
    let Some(line) = python() else { return };
    let workshop = Workshop::with_data();
    workshop.write("train.py", PROGRAM);
    let first = workshop.allowed(&line);
    let again = workshop.allowed(&line);
    assert_eq!(first["model"], again["model"]);
    assert_eq!(first["outputs"], again["outputs"]);
    assert_eq!(again["reused"], false);
    assert_ne!(
        first["statement"], again["statement"],
        "two runs are two statements"
    );
    let reused = workshop.allowed(&line.replacen("train ", "train --reuse ", 1));
    assert_eq!(
        (&reused["reused"], &reused["model"]),
        (&json!(true), &first["model"])
    );
    // Another seed is another model, or the equality above would say nothing.
    let other = workshop.allowed(&line.replace("SEED=7", "SEED=8").replacen(
        "train ",
        "train --reuse ",
        1,
    ));
    assert_eq!(other["reused"], false);
    assert_ne!(other["model"], first["model"]);
    workshop.is_sound();
    provenance_says_all(&workshop, &first);
}

fn provenance_says_all(workshop: &Workshop, trained: &Value) {
    let statement = workshop.statement(&trained["statement"]["bundle"]);
    assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
    let definition = &statement["predicate"]["buildDefinition"];
    let asked = &definition["externalParameters"];
    assert_eq!(asked["name"], "mean");
    // The program as the step sees it: no link is left.
    let program = std::fs::canonicalize(PYTHON).unwrap();
    assert_eq!(asked["command"], json!([program, "-I", "/train.py"]));
    assert_eq!(asked["environment"]["SEED"], "7");
    assert_eq!(asked["source"], "git+https://example.org/mean");
    let limits = json!({"wallSeconds": 120, "cpuSeconds": 100, "memoryMiB": 512, "processes": 16});
    assert_eq!(asked["limits"], limits);
    let internal = &definition["internalParameters"];
    assert_eq!(internal["isolation"], trained["isolation"]);
    assert_eq!(internal["network"], "none");
    assert!(
        internal["cpuFeatures"]
            .as_array()
            .is_some_and(|features| !features.is_empty())
    );
    assert!(internal["sandbox"].is_object());
    assert_eq!(
        statement["predicate"]["runDetails"]["builder"]["id"],
        BUILDER
    );
    // Outputs are subjects, as the observer measured them.
    let subject = |subject: &Value| {
        let digest = format!("sha256:{}", subject["digest"]["sha256"].as_str().unwrap());
        (subject["name"].as_str().unwrap().to_owned(), json!(digest))
    };
    let subjects: serde_json::Map<String, Value> = statement["subject"]
        .as_array()
        .unwrap()
        .iter()
        .map(subject)
        .collect();
    assert_eq!(Value::Object(subjects), trained["outputs"]);
    // And what the step says of itself stands apart.
    let byproducts = statement["predicate"]["runDetails"]["byproducts"]
        .as_array()
        .unwrap();
    assert_eq!(byproducts.len(), 1);
    assert_eq!(byproducts[0]["name"], "step-claims/loss");
    assert!(!definition.to_string().contains("0.25"));
    every_input_is_a_dependency(workshop, definition);
}

fn every_input_is_a_dependency(workshop: &Workshop, definition: &Value) {
    let dependencies = definition["resolvedDependencies"].as_array().unwrap();
    let digest_of = |uri: &str| {
        let found = dependencies
            .iter()
            .find(|dependency| dependency["uri"] == uri);
        let found = found.unwrap_or_else(|| panic!("no `{uri}` in {dependencies:#?}"));
        format!("sha256:{}", found["digest"]["sha256"].as_str().unwrap())
    };
    let datasets = workshop.allowed("dataset list");
    assert_eq!(
        digest_of("modelward:dataset/bands"),
        datasets["datasets"][0]["digest"]
    );
    for name in ["architecture.json", "header", "train.sh", "weights"] {
        let bytes = workshop.read(&format!("data/{name}"));
        let digest = digest::Digest::of(&bytes).to_string();
        assert_eq!(
            digest_of(&format!("modelward:dataset/bands#{name}")),
            digest
        );
    }
    let program = digest::Digest::of(&std::fs::read(PYTHON).unwrap()).to_string();
    assert_eq!(digest_of("modelward:program/python3"), program);
    digest_of("modelward:root");
    let root = dependencies
        .iter()
        .find(|dependency| dependency["uri"] == "modelward:root")
        .unwrap();
    assert_eq!(root["annotations"]["reproducible"], false);
}

/// A git repository of one commit of one file in a folder of the workshop; `None` where there is no git.
fn repository(workshop: &Workshop, name: &str, remote: &str) -> Option<String> {
    if !std::path::Path::new("/usr/bin/git").exists() {
        println!("skipped: there is no git here");
        return None;
    }
    let folder = workshop.file(name);
    std::fs::create_dir_all(&folder).unwrap();
    let git = |words: &[&str]| {
        let mut command = std::process::Command::new("/usr/bin/git");
        command
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(words)
            .current_dir(&folder);
        let output = command.env("HOME", workshop.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["remote", "add", "origin", remote]);
    std::fs::write(folder.join("README"), name).unwrap();
    git(&["add", "README"]);
    git(&["commit", "-q", "-m", name]);
    Some(git(&["rev-parse", "HEAD"]))
}

/// The URI and commit of the source among a training's dependencies.
fn source_of(workshop: &Workshop, trained: &Value) -> Option<(String, String)> {
    let statement = workshop.statement(&trained["statement"]["bundle"]);
    let definition = &statement["predicate"]["buildDefinition"];
    let mut dependencies = definition["resolvedDependencies"]
        .as_array()
        .unwrap()
        .iter();
    let source = dependencies.find(|one| !one["digest"]["gitCommit"].is_null())?;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Some((text(&source["uri"]), text(&source["digest"]["gitCommit"])))
}

/// The commit that the program was built from is a dependency, if it was built in a repository.
#[test]
fn the_commit_is_a_dependency_when_there_is_one() {
    let workshop = Workshop::with_data();
    let Some(commit) = repository(&workshop, "source", "https://example.org/theirs") else {
        return;
    };
    let line = TRAIN.replacen("--source ", "--source-folder source --source ", 1);
    let trained = workshop.allowed(&line);
    // What a person says of the source gets no commit of another repository: that has its own address.
    let theirs = "git+https://example.org/theirs".to_owned();
    assert_eq!(source_of(&workshop, &trained), Some((theirs, commit)));
    let statement = workshop.statement(&trained["statement"]["bundle"]);
    let asked = &statement["predicate"]["buildDefinition"]["externalParameters"];
    assert_eq!(
        asked["source"],
        "git+https://modelward.dev/source/modelward"
    );
    let audit = workshop.yes("audit out/digits").stdout;
    assert!(
        audit.contains("no file had been changed since the commit"),
        "{audit}"
    );
    // Without a repository nobody invents one.
    let trained = workshop.allowed(TRAIN);
    assert_eq!(source_of(&workshop, &trained), None);
}

/// The folder that is named is asked, and not the one that the command is typed in.
#[test]
fn the_commit_is_that_of_the_folder_that_was_named() {
    let workshop = Workshop::with_data();
    let Some(named) = repository(&workshop, "named", "https://example.org/named") else {
        return;
    };
    let here = repository(&workshop, ".", "https://example.org/here").unwrap();
    assert_ne!(named, here);
    for (flag, remote, commit) in [
        ("--source-folder named ", "named", named),
        ("", "here", here),
    ] {
        let line = TRAIN.replacen("--source ", &format!("{flag}--source "), 1);
        let uri = format!("git+https://example.org/{remote}");
        let trained = workshop.allowed(&line);
        assert_eq!(source_of(&workshop, &trained), Some((uri, commit)));
    }
}

/// A repository names programs for git to run: the one who holds the keys must not run them by training there.
#[test]
fn a_repositorys_programs_do_not_run_and_its_refusal_is_told() {
    let workshop = Workshop::with_data();
    let Some(commit) = repository(&workshop, ".", "https://example.org/here") else {
        return;
    };
    let config = String::from_utf8(workshop.read(".git/config")).unwrap();
    let trap = format!("sh -c 'touch {} #'", workshop.file("ran").display());
    workshop.write(
        ".git/config",
        format!("{config}[filter \"evil\"]\nclean = {trap}\n[core]\nfsmonitor = {trap}\n"),
    );
    workshop.write(".gitattributes", "* filter=evil\n");
    let trained = workshop.allowed(TRAIN);
    assert_eq!(source_of(&workshop, &trained).unwrap().1, commit);
    assert!(!workshop.file("ran").exists());
    let audit = workshop.yes("audit out/digits").stdout;
    assert!(audit.contains("git does not track"), "{audit}");
    // A repository that git does not look at is not passed over in silence.
    workshop.write(".git/HEAD", "nonsense");
    let outcome = workshop.yes(TRAIN);
    assert!(outcome.stderr.contains("names no commit"), "{outcome:?}");
}

/// What a step says of itself is a stranger's text: no terminal obeys it, and it makes no line of ours.
#[test]
fn claims_are_printed_harmlessly() {
    let workshop = Workshop::with_data();
    let script = r"printf '\\033]0;owned\\007\\033[31m0.99\\nisolation: separate-planets' > /results/accuracy";
    let script = format!(
        "{}{script}\n",
        String::from_utf8(workshop.read("data/train.sh")).unwrap()
    );
    workshop.write("claim.sh", script.replace("\\\\", "\\"));
    let line = TRAIN
        .replacen("--include", "--include claim.sh=/claim.sh --include", 1)
        .replace("/in/bands/train.sh", "/claim.sh");
    let outcome = workshop.yes(&line);
    let shown = outcome.stdout + &outcome.stderr;
    assert!(shown.contains("0.99"), "{shown}");
    let obeyed = shown.chars().any(|c| c.is_control() && c != '\n');
    assert!(!obeyed, "{shown:?}");
    assert!(
        !shown
            .lines()
            .any(|line| line == "isolation: separate-planets"),
        "{shown:?}"
    );
    // A program gets it as it is.
    let claims = workshop.allowed(&line)["claims"]["accuracy"].clone();
    assert!(
        claims.as_str().unwrap().contains("\u{1b}[31m0.99\n"),
        "{claims:?}"
    );
}

/// `sh script` names the script: by its digest, wherever the step found it, and by no name that only looks like it.
#[test]
fn the_script_that_a_shell_runs_is_named() {
    let workshop = Workshop::with_data();
    let script = digest::Digest::of(&workshop.read("data/train.sh"));
    let inside = TRAIN.replace("/bin/sh /in/bands/", "/bin/sh /app/");
    let inside = inside.replacen(
        "--input",
        "--include data/train.sh=/app/train.sh --input",
        1,
    );
    let table = [
        (TRAIN.to_owned(), Some("/in/bands/train.sh")),
        (inside, Some("/app/train.sh")),
        // It has another name in the step: what the argument names is what is there.
        (
            TRAIN
                .replacen("--input", "--input other=bands --input", 1)
                .replace("sh /in/bands/", "sh /in/other/"),
            Some("/in/other/train.sh"),
        ),
        (
            TRAIN.replace("/in/bands/train.sh", "-c '. /in/bands/train.sh'"),
            None,
        ),
    ];
    for (line, wanted) in table {
        let trained = workshop.allowed(&line);
        let statement = workshop.statement(&trained["statement"]["bundle"]);
        let definition = &statement["predicate"]["buildDefinition"];
        let dependencies = definition["resolvedDependencies"]
            .as_array()
            .unwrap()
            .iter();
        let uri = |dependency: &&Value| dependency["uri"].as_str().unwrap().to_owned();
        let arguments: Vec<&Value> = dependencies
            .filter(|dependency| uri(dependency).starts_with("modelward:argument"))
            .collect();
        assert_eq!(arguments.len(), usize::from(wanted.is_some()), "{line}");
        for (argument, wanted) in arguments.iter().zip(wanted) {
            assert_eq!(argument["name"], wanted);
            assert_eq!(argument["digest"]["sha256"], script.hex());
            let audit = workshop.yes("audit out/digits").stdout;
            assert!(
                audit.contains(&format!(
                    "argument `{wanted}`  {}",
                    &script.to_string()[..19]
                )),
                "{audit}"
            );
        }
    }
}

/// What a person types for the source is for all to read, as a remote is.
#[test]
fn no_token_in_the_source_is_signed() {
    let workshop = Workshop::with_data();
    let uri = "git+https://modelward.dev/source/modelward";
    let secret = "git+https://me:tok@modelward.dev/source/modelward?token=abc#def";
    let line = with_json(&TRAIN.replace(uri, secret));
    let outcome = workshop.run(&line);
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert!(
        outcome
            .stderr
            .contains("it names `git+https://modelward.dev/source"),
        "{outcome:?}"
    );
    let trained: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let statement = workshop.statement(&trained["statement"]["bundle"]);
    let asked = &statement["predicate"]["buildDefinition"]["externalParameters"];
    assert_eq!(asked["source"], uri);
    assert!(!statement.to_string().contains("tok"), "{statement}");
}

#[test]
fn a_step_that_fails_or_goes_too_far_makes_nothing() {
    let workshop = Workshop::with_data();
    let table = [
        ("exit 3", "step_failed"),
        ("echo x > /in/bands/weights", "step_failed"),
        ("while :; do :; done", "step_over_limit"),
        ("true", "output_refused"),
        ("ln -s /etc/passwd /out/model.safetensors", "output_refused"),
    ];
    for (script, code) in table {
        let line = format!(
            "train --input bands --name x --to out/x --wall 2 --include /bin/ln -- /bin/sh -c '{script}'"
        );
        assert_eq!(workshop.denied(&line), [code], "{script}");
        assert!(!workshop.file("out/x").exists(), "{script}");
    }
    let large = "--include /usr/bin/truncate -- /bin/sh -c 'truncate -s 5G /out/x'";
    let outcome = workshop.run(&format!("train --input bands --name x --to out/x {large}"));
    assert!(outcome.stderr.contains("[step_failed]"), "{outcome:?}");
    assert!(outcome.stderr.contains("more than 4 GiB"), "{outcome:?}");
    let entries = workshop.allowed("log show")["entries"].clone();
    assert_eq!(
        entries.as_array().unwrap().len(),
        1,
        "only the data set was recorded"
    );
    workshop.is_sound();
}

/// What is in the folder that the model goes to is not lost, unless the store has it too.
#[test]
fn nobodys_files_are_written_over() {
    let workshop = Workshop::with_data();
    workshop.write("out/digits/thesis.txt", "three years of work");
    assert_eq!(workshop.error(TRAIN), "io");
    assert_eq!(workshop.error("store get bands --to out/digits"), "io");
    assert_eq!(
        workshop.error("store get bands --to dependencies.toml"),
        "io"
    );
    assert_eq!(
        workshop.read("out/digits/thesis.txt"),
        b"three years of work"
    );
    std::fs::remove_file(workshop.file("out/digits/thesis.txt")).unwrap();
    workshop.yes(TRAIN);
    // An older model of the store makes room for a newer.
    workshop.yes(TRAIN);
    workshop.yes("store get bands --to out/digits");
    assert_eq!(
        workshop.read("out/digits/weights"),
        workshop.read("data/weights")
    );
}

#[test]
fn what_was_named_wrongly_is_said() {
    let workshop = Workshop::with_data();
    let table = [
        (
            "train --input bands --name x -- nowhere-to-be-found",
            "not_found",
        ),
        ("train --input bands --name x -- ./nowhere", "not_found"),
        (
            "train --input bands --name x --env NOVALUE -- /bin/sh",
            "usage",
        ),
        (
            "train --input bands --name x --include /nowhere -- /bin/sh",
            "not_found",
        ),
        (
            "train --input bands --name x --memory lots -- /bin/sh",
            "usage",
        ),
        ("train --input bands --name x", "usage"),
        ("train --name x -- /bin/sh", "usage"),
        (
            "train --input ../up=bands --name x -- /bin/sh -c true",
            "usage",
        ),
    ];
    for (line, code) in table {
        assert_eq!(workshop.error(line), code, "{line}");
    }
    workshop.is_sound();
}

/// A limit that nobody can mean is refused when it is typed, and told what was expected.
#[test]
fn limits_have_a_least_and_a_most() {
    let workshop = Workshop::with_data();
    let max = u64::MAX.to_string();
    let table = [
        ("--processes", "0", "from 1 to 32768"),
        ("--processes", "32769", "from 1 to 32768"),
        ("--wall", "0", "from 1 to 31536000"),
        ("--wall", &max, "from 1 to 31536000"),
        ("--memory", "0", "from 1 to 16777216"),
        ("--memory", &max, "from 1 to 16777216"),
        ("--cpu", "0", "from 1 to 1000000000"),
        ("--cpu", &max, "from 1 to 1000000000"),
        ("--cpu", "-1", "from 1 to 1000000000"),
        ("--wall", "soon", "from 1 to 31536000"),
    ];
    for (flag, value, expected) in table {
        let line = TRAIN.replacen("train ", &format!("train {flag}={value} "), 1);
        let answer = workshop.json(&line);
        assert_eq!(answer["code"], "usage", "{line}: {answer:#}");
        let message = answer["message"].as_str().unwrap();
        for part in [flag, value, expected] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    let most = "--processes 32768 --wall 31536000 --memory 16777216 --cpu 1000000000";
    workshop.yes(&TRAIN.replacen("train ", &format!("train {most} "), 1));
    let serving = format!("serve out/digits --memory {max}");
    assert_eq!(workshop.error(&serving), "usage");
}

/// Where an input stands is a name inside the step and nowhere else; and no step sees the store, whose keys are there.
#[test]
fn nothing_leads_out_of_the_step_or_into_the_store() {
    let workshop = Workshop::with_data();
    let outside = workshop.file("outside").display().to_string();
    for name in [outside.as_str(), "../x", "a/b", "..", "."] {
        let line = TRAIN.replacen("--input bands", &format!("--input {name}=bands"), 1);
        assert_ne!(line, TRAIN);
        assert_eq!(workshop.error(&line), "usage", "{line}");
    }
    assert!(!workshop.file("outside").exists());
    // What the step would not see is refused too: it stands where the step has folders of its own.
    for included in [
        ".modelward/keys=/k",
        ".modelward=/k",
        ".=/app",
        "data=/in/x",
        "data=/in",
    ] {
        let line = TRAIN.replacen(
            "--input bands",
            &format!("--include {included} --input bands"),
            1,
        );
        assert_eq!(workshop.error(&line), "usage", "{line}");
    }
}

/// A key that can't say what was built, a recalled one and a recalled builder are told before the step runs, which may take
/// hours; and so is a folder that can't be written.
#[test]
fn what_would_lose_a_model_is_told_before_the_step_runs() {
    let workshop = Workshop::with_data();
    workshop.yes("key new builder --role build");
    let before = workshop.allowed("store list");
    let builder = "https://modelward.dev/builder/workstation/v1";
    let line = "train --key builder --input bands --name digits --to out/digits --source s -- /bin/sh -c 'exit 3'";
    for (change, code) in [
        (
            "key set builder --valid-from 2020-01-01T00:00:00Z --valid-until 2021-01-01T00:00:00Z",
            "key_expired",
        ),
        ("key set builder --role sign", "key_role"),
        (
            "key set builder --speaks-for https://example.org/other",
            "speaker_mismatch",
        ),
        (
            &format!("recall builder {builder} --reason bad"),
            "recalled",
        ),
        ("recall key builder --reason bad", "recalled"),
    ] {
        let workshop = workshop.copy();
        workshop.yes(change);
        assert_eq!(workshop.denied(line), [code], "{change}");
    }
    for to in ["/proc/nowhere", "/proc/self/fd/x/y"] {
        let line = line.replacen("out/digits", to, 1);
        let outcome = workshop.run(&line);
        assert_eq!(outcome.status, 2, "{outcome:?}");
        assert!(
            outcome.stderr.contains(&format!("`{to}` can't be written")),
            "{outcome:?}"
        );
        assert!(outcome.stderr.contains("--to"), "{outcome:?}");
    }
    assert_eq!(workshop.denied(line), ["step_failed"]);
    assert_eq!(workshop.allowed("store list"), before);
    // Another's key under the name.
    workshop.yes("key new other --role sign");
    let from = workshop.read(".modelward/keys/other.key.pem");
    workshop.write(".modelward/keys/builder.key.pem", from);
    assert_eq!(workshop.denied(line), ["key_role"]);
}
