//! `store`: what it holds is checked, made again, and shared by processes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::workshop::{Outcome, TRAIN, Workshop, admit, blob, deploy, json_of, publish};

#[test]
fn what_follows_from_the_log_is_made_again() {
    let workshop = Workshop::admitted();
    let lines = ["audit out/digits", "store list", "log show", "dataset list"];
    let before = lines.map(|line| workshop.allowed(line));
    fs::remove_file(workshop.file(".modelward/index.sqlite")).unwrap();
    fs::remove_dir_all(workshop.file(".modelward/referrers")).unwrap();
    let rebuilt = workshop.allowed("store rebuild");
    assert_eq!(
        rebuilt["statements"],
        before[2]["entries"].as_array().unwrap().len()
    );
    assert_eq!(lines.map(|line| workshop.allowed(line)), before);
    assert!(workshop.file(".modelward/referrers").is_dir());
    workshop.is_sound();
}

/// Where both lists of names are lost, the artifacts are found: under the names that statements have for them.
#[test]
fn lost_names_are_found_in_what_was_said() {
    let workshop = Workshop::admitted();
    let before = workshop.allowed("store list");
    for name in ["index.json", "index.sqlite"] {
        fs::remove_file(workshop.file(".modelward").join(name)).unwrap();
    }
    let reasons = workshop.json("store verify")["reasons"].clone();
    assert!(reasons.to_string().contains("store rebuild"), "{reasons}");
    let rebuilt = workshop.allowed("store rebuild");
    assert_eq!(rebuilt["found"]["artifacts"], 2, "{rebuilt:#}");
    assert_eq!(rebuilt["found"]["unnamed"], 0, "{rebuilt:#}");
    assert_eq!(workshop.allowed("store list"), before);
    workshop.is_sound();
    workshop.yes("store get bands --to copy");
    workshop.yes(&admit("prod", crate::workshop::PROD));
}

/// A folder of which nothing is missed is made again.
#[test]
fn a_folder_of_unfinished_work_may_be_lost() {
    let workshop = Workshop::with_model();
    fs::remove_dir_all(workshop.file(".modelward/tmp")).unwrap();
    workshop.is_sound();
    let workshop = Workshop::bare();
    workshop.yes("store init");
    fs::remove_dir_all(workshop.file(".modelward/referrers")).unwrap();
    workshop.yes("store rebuild");
    workshop.is_sound();
}

/// All but the log follows from something, so that no empty one takes its place.
#[test]
fn a_lost_log_is_told_as_such_and_none_is_begun() {
    let workshop = Workshop::admitted();
    let log = workshop.file(".modelward/log");
    fs::rename(&log, workshop.file("kept")).unwrap();
    for line in [
        "store verify",
        "store rebuild",
        "store init",
        "log show",
        "sign out/digits",
    ] {
        let answer = workshop.json(line);
        assert_eq!(answer["code"], "log_missing", "{line}: {answer:#}");
        assert!(
            answer["hint"].as_str().unwrap().contains("backup"),
            "{answer:#}"
        );
        assert!(!log.exists(), "{line}");
    }
    fs::rename(workshop.file("kept"), &log).unwrap();
    workshop.is_sound();
}

/// An index that is nonsense is no loss, since it says nothing that the log does not.
#[test]
fn an_index_of_nonsense_stops_nobody() {
    let workshop = Workshop::with_model();
    workshop.write(".modelward/index.sqlite", "this is no database");
    workshop.yes("store rebuild");
    workshop.yes("sign out/digits");
    workshop.is_sound();
}

#[test]
fn one_flipped_bit_anywhere_is_found() {
    let workshop = Workshop::with_model();
    workshop.is_sound();
    let mut blobs: Vec<_> = fs::read_dir(workshop.file(".modelward/blobs/sha256"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    blobs.sort();
    assert!(blobs.len() > 10);
    for name in blobs {
        let path = blob(&format!("sha256:{name}"));
        workshop.flip(&path, 0);
        let answer = workshop.json("store verify");
        assert_eq!(
            (&answer["result"], &answer["code"]),
            (&"denied".into(), &"store_damaged".into()),
            "{name}"
        );
        assert!(answer["problems"].as_u64() >= Some(1));
        assert!(answer.to_string().contains(&name), "{name}: {answer:#}");
        workshop.flip(&path, 0);
    }
    workshop.is_sound();
}

/// A blob that grew is corrupt, and told once: it is not missing as well, though it is not the one that is needed.
#[test]
fn a_corrupt_blob_is_told_once() {
    let workshop = Workshop::with_data();
    let path = blob(&digest::Digest::of(&workshop.read("data/weights")).to_string());
    let bytes = [workshop.read(&path), b"!".to_vec()].concat();
    fs::remove_file(workshop.file(&path)).unwrap();
    workshop.write(&path, bytes);
    let answer = workshop.json("store verify");
    assert_eq!(answer["problems"], 1, "{answer:#}");
    assert!(answer.to_string().contains("is corrupt"), "{answer:#}");
}

/// And so is one in the log's own files, by whoever reads it.
#[test]
fn one_flipped_bit_of_the_log_is_found() {
    let workshop = Workshop::with_model();
    for name in [
        "log/checkpoint",
        "log/tile/entries/000.p/4",
        "log/tile/0/000.p/4",
    ] {
        let path = format!(".modelward/{name}");
        workshop.flip(&path, 20);
        assert_eq!(
            workshop.json("log verify")["code"],
            "log_inconsistent",
            "{name}"
        );
        assert_ne!(workshop.run("store verify").status, 0, "{name}");
        workshop.flip(&path, 20);
    }
    workshop.is_sound();
}

#[test]
fn two_processes_record_at_once_and_no_statement_is_lost() {
    let workshop = Workshop::with_data();
    let lines: Vec<String> = (0..12)
        .map(|number| {
            if number % 2 == 0 {
                format!("recall builder builder-{number} --reason test --json")
            } else {
                TRAIN
                    .replace("out/digits", &format!("out/{number}"))
                    .replacen("train ", "train --json ", 1)
            }
        })
        .collect();
    let children: Vec<_> = lines
        .iter()
        .map(|line| {
            let mut command = workshop.command(line);
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut said = std::collections::BTreeSet::new();
    for child in children {
        let outcome = Outcome::from(child.wait_with_output().unwrap());
        assert_eq!(outcome.status, 0, "{outcome:?}");
        let answer: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        let statement = answer.get("statement");
        let statement = statement.unwrap_or(&answer["recalled"][0]["statement"]);
        said.insert(statement.to_string());
    }
    let entries = workshop.allowed("log show")["entries"].clone();
    for statement in &said {
        let statement: serde_json::Value = serde_json::from_str(statement).unwrap();
        let index = usize::try_from(statement["logIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(entries[index]["bundle"], statement["bundle"]);
    }
    assert_eq!((said.len(), entries.as_array().unwrap().len()), (12, 13));
    workshop.is_sound();
}

#[test]
fn an_init_that_is_repeated_keeps_what_is_there() {
    let workshop = Workshop::with_model();
    let before = workshop.allowed("key list");
    workshop.yes("store init");
    assert_eq!(workshop.allowed("key list"), before);
    workshop.is_sound();
}

/// The store is only read by who may only read it; who asks for more is told why not.
#[test]
fn a_read_only_store_is_read_and_not_written() {
    let workshop = Workshop::admitted();
    let Some(read_only) = ReadOnly::of(&workshop) else {
        return;
    };
    for line in [
        "audit out/digits",
        "log verify",
        "dataset list",
        "verify out/digits",
        "store verify",
    ] {
        read_only.run(line, 0, "");
    }
    for line in [
        "sign out/digits",
        TRAIN,
        "key new other",
        "recall dataset bands --reason x",
        &admit("prod", crate::workshop::PROD),
    ] {
        read_only.run(line, 2, "store_read_only");
    }
    workshop.is_sound();
}

/// A second user's view, in whom the store's files are nobody's to write: a read-only bind mount in a mount namespace.
struct ReadOnly<'a>(&'a Workshop);

impl<'a> ReadOnly<'a> {
    fn of(workshop: &'a Workshop) -> Option<Self> {
        let this = Self(workshop);
        let probe = this.command("true", "true").output();
        if probe.is_ok_and(|output| output.status.success()) {
            return Some(this);
        }
        println!("skipped: this user can't make a read-only mount");
        None
    }

    fn command(&self, program: &str, line: &str) -> Command {
        let store = self.0.file(".modelward");
        let script = format!(
            "mount --bind '{0}' '{0}' && mount -o remount,bind,ro '{0}' && exec \"$@\"",
            store.display()
        );
        let mut command = Command::new("/usr/bin/unshare");
        command.args([
            "--mount",
            "--map-root-user",
            "/bin/sh",
            "-c",
            &script,
            "sh",
            program,
        ]);
        command
            .args(crate::workshop::words(line))
            .current_dir(self.0.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MODELWARD_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn run(&self, line: &str, status: i32, code: &str) {
        let line = crate::workshop::with_json(line);
        let mut command = self.command(env!("CARGO_BIN_EXE_modelward"), &line);
        let answer = json_of(&line, &mut command);
        let got = if answer["result"] == "allowed" { 0 } else { 2 };
        assert_eq!(got, status, "{line}: {answer:#}");
        if !code.is_empty() {
            assert_eq!(answer["code"], code, "{line}: {answer:#}");
        }
    }
}

/// A full disk is told as such, and what was there before is there after.
#[test]
fn a_full_disk_is_told_and_nothing_is_half_done() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can mount a small file system");
        return;
    }
    let workshop = Workshop::bare();
    let script = r#"
        mount -t tmpfs -o size=1m tmpfs "$1" && cd "$1" && cp -r "$2"/. . &&
        "$3" store init -q && "$3" key new laptop -q && "$3" dataset add bands --policy dependencies.toml -q &&
        head -c 2m /dev/zero > filler; "$3" sign data --json; echo "$?";
        "$3" dataset add bands --from data --policy dependencies.toml --json; echo "$?";
        rm filler; "$3" train --input bands --name x --to x --json -- /bin/sh -c true; echo "$?";
        "$3" store verify --json; echo "$?"; "$3" sign data --json; echo "$?"; "$3" store verify -q; echo "$?"
    "#;
    let mount = workshop.file("small");
    fs::create_dir(&mount).unwrap();
    let from = Workshop::bare();
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount", "/bin/sh", "-c", script, "sh"]);
    command
        .args([mount.as_path(), from.path()])
        .arg(env!("CARGO_BIN_EXE_modelward"));
    let output = command.output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("mount: ") {
        println!("skipped: no file system can be mounted here");
        return;
    }
    let outcome = Outcome::from(output);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let wanted = [
        ("store_full", "2"),
        ("store_full", "2"),
        // The shell and its library have no room; and it is told where.
        ("\"`/", "2"),
        ("allowed", "0"),
        ("allowed", "0"),
    ];
    let tail = lines
        .iter()
        .skip_while(|line| !line.starts_with('{'))
        .collect::<Vec<_>>();
    for ((word, status), pair) in wanted.iter().zip(tail.chunks(2)) {
        assert!(
            pair[0].contains(word) && pair[1] == status,
            "{word}: {outcome:?}"
        );
    }
    assert_eq!(lines.last(), Some(&"0"), "{outcome:?}");
}

/// Private keys are their owner's, whatever the umask is.
#[test]
fn keys_are_their_owners_alone() {
    let workshop = Workshop::bare();
    let script = format!(
        "umask 000; '{0}' store init -q; '{0}' key new laptop -q",
        env!("CARGO_BIN_EXE_modelward")
    );
    let output = Command::new("/bin/sh")
        .args(["-c", &script])
        .current_dir(workshop.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    for name in ["laptop.key.pem", "log.seed"] {
        let mode = fs::metadata(workshop.file(".modelward/keys").join(name))
            .unwrap()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let mode = fs::metadata(workshop.file(".modelward/keys"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

/// Each artifact can be had back as it was.
#[test]
fn what_went_in_comes_out() {
    let workshop = Workshop::with_model();
    workshop.yes(&publish("prod"));
    workshop.yes(&deploy("prod"));
    workshop.yes("store get bands --to copy");
    for name in ["architecture.json", "header", "train.sh", "weights"] {
        assert_eq!(
            workshop.read(&format!("copy/{name}")),
            workshop.read(&format!("data/{name}"))
        );
    }
    let model = workshop.allowed("audit out/digits")["digest"].clone();
    workshop.yes(&format!("store get {} --to again", model.as_str().unwrap()));
    assert_eq!(
        workshop.read("again/model.safetensors"),
        crate::bands::safetensors()
    );
}

/// What is lost is restored: to say it again, or to look elsewhere, does not help.
#[test]
fn what_is_lost_has_a_way_back() {
    let workshop = Workshop::with_data();
    let recalled = workshop.allowed("recall dataset bands --reason x");
    let hint = |line: &str, lost: &str| {
        let workshop = workshop.copy();
        fs::remove_file(workshop.file(&blob(lost))).unwrap();
        let answer = workshop.json(line);
        answer["hint"].as_str().unwrap().to_owned()
    };
    let statement = recalled["recalled"][0]["statement"]["bundle"].as_str();
    let said = hint("audit bands", statement.unwrap());
    assert!(said.contains("restore that blob"), "{said}");
    let manifest = recalled["recalled"][0]["target"].as_str();
    let said = hint("audit bands", manifest.unwrap());
    assert!(said.contains("restored from a backup"), "{said}");
}

/// Another key is no way out where the log's is lost.
#[test]
fn lost_keys_are_told_as_lost() {
    let workshop = Workshop::with_data();
    assert!(!workshop.yes("store verify").stdout.contains("no keys"));
    fs::remove_dir_all(workshop.file(".modelward/keys")).unwrap();
    let line = "recall dataset bands --reason x";
    assert_eq!(workshop.error(line), "store_corrupt");
    let answer = workshop.json(line);
    assert!(
        answer["hint"].as_str().unwrap().contains("backup"),
        "{answer}"
    );
    assert!(
        workshop
            .yes("store verify")
            .stdout
            .contains("it has no keys")
    );
}

#[test]
fn a_link_to_nowhere_is_no_store() {
    let workshop = Workshop::bare();
    std::os::unix::fs::symlink("nowhere", workshop.file(".modelward")).unwrap();
    assert_eq!(workshop.error("store init"), "store_foreign");
}

/// In a folder that many may write to, anybody can put a store above everyone's work.
#[test]
fn a_store_that_others_may_change_decides_when_it_is_named() {
    let workshop = Workshop::with_data();
    workshop.yes("sign data");
    let whom = |line: &str| workshop.allowed(line)["store"].clone();
    let store = workshop.file(".modelward");
    assert_eq!(whom("verify data"), store.to_str().unwrap());
    assert!(workshop.yes("verify data").stdout.contains(".modelward"));
    fs::set_permissions(&store, fs::Permissions::from_mode(0o757)).unwrap();
    for line in ["verify data", "key list", "sign data"] {
        assert_eq!(workshop.error(line), "store_untrusted", "{line}");
    }
    workshop.yes("verify data --store .");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o755)).unwrap();
    // A link of one's own to another disk is one's own.
    fs::rename(&store, workshop.file("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", &store).unwrap();
    workshop.yes("verify data");
    fs::remove_file(&store).unwrap();
    fs::rename(workshop.file("elsewhere"), &store).unwrap();
    workshop.yes("verify data");
    if !rustix::process::geteuid().is_root() {
        // Only root gives its folders away.
        return;
    }
    let root = store.join("trust.toml");
    std::os::unix::fs::chown(&root, Some(4_242), None).unwrap();
    assert_eq!(workshop.error("verify data"), "store_untrusted");
    std::os::unix::fs::chown(&root, Some(0), None).unwrap();
    workshop.yes("verify data");
    std::os::unix::fs::chown(&store, Some(4_242), None).unwrap();
    assert_eq!(workshop.error("verify data"), "store_untrusted");
    let mut command = workshop.command("verify data");
    let outcome = Outcome::of(command.env("MODELWARD_STORE", "."));
    assert_eq!(outcome.status, 0, "{outcome:?}");
    // Whoever calls through `sudo` has their own.
    let outcome = Outcome::of(workshop.command("verify data").env("SUDO_UID", "4242"));
    assert_eq!(outcome.status, 0, "{outcome:?}");
}
