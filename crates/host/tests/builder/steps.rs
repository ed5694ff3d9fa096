//! Steps that end well, and what they see.

use std::collections::BTreeMap;
use std::fs;

use digest::Digest;
use host::builder::{Error, Exit, Expected, Input, Isolation, Stream};

use crate::Case;
use trust::predicate::Provenance;
use trust::{Predicate, Signer};

use crate::world::{
    GOES_ON, command, inside, key, key_pem, public_copy, python, quietly, read, run, script,
    statement, world,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("hello", hello),
        ("inputs_are_seen_read_only", inputs_are_seen_read_only),
        ("another_input_is_refused", another_input_is_refused),
        ("root_is_read_only", root_is_read_only),
        ("another_root_is_refused", another_root_is_refused),
        (
            "environment_is_what_was_asked",
            environment_is_what_was_asked,
        ),
        ("prints_are_heard", prints_are_heard),
        ("failures_are_told", failures_are_told),
        ("results_are_claims", results_are_claims),
        (
            "signer_signs_what_was_observed",
            signer_signs_what_was_observed,
        ),
        ("twice_the_same", twice_the_same),
        (
            "threads_and_local_sockets_work",
            threads_and_local_sockets_work,
        ),
        ("program_from_anywhere", program_from_anywhere),
        ("python_step", python_step),
        ("profile_says_what_was_on", profile_says_what_was_on),
        ("nothing_is_left_on_disk", nothing_is_left_on_disk),
    ]
}

fn hello() -> Result<(), String> {
    let ran = run(&script(
        "mkdir /out/a; echo hello > /out/a/b; echo x > /tmp/x; echo y > y",
    ))
    .unwrap();
    assert_eq!(ran.outputs.keys().collect::<Vec<_>>(), ["a/b"]);
    let observed = ran.outputs["a/b"];
    assert_eq!(
        (observed.digest, observed.size_bytes),
        (Digest::of(b"hello\n"), 6)
    );
    assert_eq!(read(&ran, "a/b"), "hello\n");
    assert!(ran.seconds > 0.0 && ran.seconds < 5.0);
    Ok(())
}

fn data() -> Vec<Input> {
    let folder = world().folder.path().join("data");
    fs::create_dir_all(folder.join("deep")).unwrap();
    fs::write(folder.join("deep/file"), "one").unwrap();
    fs::write(folder.join("top"), "two").unwrap();
    let files = [("deep/file", b"one"), ("top", b"two")];
    let files = files.map(|(path, bytes)| (path.to_owned(), Digest::of(bytes)));
    vec![
        Input {
            name: "folder".into(),
            source: folder.clone(),
            expected: Expected::Folder(BTreeMap::from(files)),
            executable: false,
        },
        Input {
            name: "file".into(),
            source: folder.join("top"),
            expected: Expected::File(Digest::of(b"two")),
            executable: false,
        },
    ]
}

fn inputs_are_seen_read_only() -> Result<(), String> {
    let mut step = script(
        "cat /in/folder/deep/file /in/folder/top /in/file > /out/all
         for f in /in/file /in/folder/top /in/new /in/folder/new; do
           if (echo x > $f) 2>/dev/null; then exit 1; fi
         done
         if chmod 777 /in/file 2>/dev/null; then exit 1; fi",
    );
    step.inputs = data();
    assert_eq!(read(&run(&step).unwrap(), "all"), "onetwotwo");
    Ok(())
}

fn another_input_is_refused() -> Result<(), String> {
    let mut step = script("true");
    step.inputs = data();
    step.inputs[1].expected = Expected::File(Digest::of(b"three"));
    assert!(matches!(run(&step), Err(Error::InputMismatch { path, .. }) if path == "file"));
    for name in ["", "..", "a/b", "folder"] {
        step.inputs[1].name = name.into();
        assert!(matches!(run(&step), Err(Error::BadStep { .. })), "{name}");
    }
    Ok(())
}

fn root_is_read_only() -> Result<(), String> {
    let text = "for f in /new /bin/sh /usr/new /dev/new /proc/sys/kernel/hostname /etc; do
           if (echo x > $f) 2>/dev/null; then echo $f; exit 1; fi
         done
         ls / > /out/root; ls /dev > /out/dev; cat /proc/self/mountinfo > /out/mounts";
    let ran = run(&script(text)).unwrap();
    let seen = read(&ran, "root");
    for name in [
        "bin", "dev", "in", "lib64", "out", "proc", "results", "tmp", "usr", "work",
    ] {
        assert!(seen.lines().any(|line| line == name), "{seen}");
    }
    assert!(!seen.contains("home") && !seen.contains("sys"), "{seen}");
    // Landlock alone would refuse the writes above; the mounts have to by themselves, too.
    for line in read(&ran, "mounts").lines() {
        let fields: Vec<_> = line.split(' ').collect();
        let is_ours = ["/out", "/results", "/tmp", "/work"].contains(&fields[4])
            || fields[4].starts_with("/dev/");
        let options: Vec<_> = fields[5].split(',').collect();
        assert_eq!(options.contains(&"ro"), !is_ours, "{line}");
        assert!(
            options.contains(&"nosuid") || fields[4].starts_with("/dev/"),
            "{line}"
        );
    }
    let devices = "fd full null random shm stderr stdin stdout urandom zero";
    assert_eq!(
        read(&ran, "dev").lines().collect::<Vec<_>>().join(" "),
        devices
    );
    Ok(())
}

fn another_root_is_refused() -> Result<(), String> {
    let into = world().folder.path().join("changing");
    let made = host::root::closure(&["/bin/sh".into()], &[], &into).unwrap();
    let mut step = script("true");
    step.root = made.root;
    run(&script("exit 0")).unwrap();
    fs::write(into.join("more"), "x").unwrap();
    assert!(matches!(
        run(&step),
        Err(Error::Root(host::root::Error::Mismatch { .. }))
    ));
    Ok(())
}

fn environment_is_what_was_asked() -> Result<(), String> {
    let mut step = command(&[
        "/bin/sh",
        "-c",
        "cat /proc/self/environ > /out/env; id -u > /out/id; id -g >> /out/id; cat /proc/sys/kernel/hostname > /out/host; cat",
    ]);
    step.env.insert("SEED".into(), "7".into());
    let ran = run(&step).unwrap();
    let env = read(&ran, "env");
    let mut names: Vec<_> = env.split('\0').filter(|v| !v.is_empty()).collect();
    names.sort_unstable();
    assert_eq!(names, ["PATH=/bin:/usr/bin", "PWD=/work", "SEED=7"]);
    assert_eq!(
        (read(&ran, "id").as_str(), read(&ran, "host").as_str()),
        ("1000\n1000\n", "step\n")
    );
    for (name, value) in [("", "x"), ("A=B", "x"), ("A", "x\0")] {
        let mut step = script("true");
        step.env.insert(name.into(), value.into());
        assert!(matches!(run(&step), Err(Error::BadStep { .. })));
    }
    Ok(())
}

fn prints_are_heard() -> Result<(), String> {
    let mut heard = Vec::new();
    let step = script("echo one; echo two >&2; echo three");
    let ran = host::builder::run(
        &step,
        &world().users,
        None,
        &GOES_ON,
        &mut |stream, line| {
            heard.push((stream == Stream::Err, line.to_owned()));
        },
    );
    let ran = ran.unwrap();
    heard.sort();
    let expected = [(false, "one"), (false, "three"), (true, "two")];
    assert_eq!(
        heard,
        expected.map(|(is_err, line)| (is_err, line.to_owned()))
    );
    assert_eq!(
        (ran.stdout_tail.as_str(), ran.stderr_tail.as_str()),
        ("one\nthree\n", "two\n")
    );
    // Far more than is kept does not hold the step up.
    let ran = run(&script("head -c 3000000 /dev/zero; echo end")).unwrap();
    assert!(ran.stdout_tail.len() <= 64 << 10 && ran.stdout_tail.ends_with("end\n"));
    Ok(())
}

fn failures_are_told() -> Result<(), String> {
    let failed = run(&script("echo why >&2; exit 3")).unwrap_err();
    assert!(
        matches!(&failed, Error::StepFailed { exit: Exit::Code(3), stderr_tail } if stderr_tail == "why\n"),
        "{failed:?}"
    );
    let killed = run(&script("kill -9 $$")).unwrap_err();
    assert!(
        matches!(
            killed,
            Error::StepFailed {
                exit: Exit::Signal(9),
                ..
            }
        ),
        "{killed:?}"
    );
    let absent = run(&command(&["/bin/no-such-program"])).unwrap_err();
    assert!(
        matches!(&absent, Error::NotStarted { program, .. } if program == "/bin/no-such-program"),
        "{absent:?}"
    );
    assert!(matches!(run(&command(&[])), Err(Error::BadStep { .. })));
    Ok(())
}

fn results_are_claims() -> Result<(), String> {
    let ran = run(&script(
        "printf 0.99 > /results/accuracy; echo x > /out/model",
    ))
    .unwrap();
    assert_eq!(
        ran.claims,
        BTreeMap::from([("accuracy".into(), "0.99".into())])
    );
    assert_eq!(ran.outputs.keys().collect::<Vec<_>>(), ["model"]);
    Ok(())
}

fn signer_signs_what_was_observed() -> Result<(), String> {
    let run_with = |key: &str| {
        let step = script("echo model > /out/model");
        host::builder::run(&step, &world().users, Some(key), &GOES_ON, &mut quietly)
    };
    let good = statement(Provenance::TYPE, "model", b"model\n");
    let mut ran = run_with(&key_pem()).unwrap();
    assert_eq!(ran.sign(&good).unwrap(), key().seal(good.clone()).unwrap());
    // A second statement is not signed, whatever it says.
    assert!(matches!(ran.sign(&good), Err(Error::NotSigned { .. })));
    for statement in [
        statement(Provenance::TYPE, "model", b"other"),
        statement(Provenance::TYPE, "other", b"model\n"),
        statement("https://slsa.dev/publish/v0.1", "model", b"model\n"),
        b"{}".to_vec(),
    ] {
        let refused = run_with(&key_pem()).unwrap().sign(&statement);
        assert!(
            matches!(refused, Err(Error::NotSigned { .. })),
            "{refused:?}"
        );
    }
    assert!(matches!(run_with("no key"), Err(Error::NotSigned { .. })));
    let mut unsigned = run(&script("echo model > /out/model")).unwrap();
    assert!(matches!(unsigned.sign(&good), Err(Error::NotSigned { .. })));
    Ok(())
}

fn twice_the_same() -> Result<(), String> {
    let text = "id > /out/id; ls -l / > /out/ls; cat /proc/self/status | head -n 1 > /out/name";
    let (one, two) = (run(&script(text)).unwrap(), run(&script(text)).unwrap());
    let digests = |ran: &host::builder::Ran| (ran.outputs["id"], ran.outputs["name"]);
    assert_eq!(digests(&one), digests(&two));
    Ok(())
}

fn threads_and_local_sockets_work() -> Result<(), String> {
    run(&inside(&["threads"])).unwrap();
    run(&inside(&["unix"])).unwrap();
    Ok(())
}

/// From below `/tmp`, which a step has its own of.
fn program_from_anywhere() -> Result<(), String> {
    let own = public_copy();
    let into = world().folder.path().join("anywhere");
    let made = host::root::closure(&[own], &[], &into).unwrap();
    let mut step = command(&[&made.programs[0].to_string_lossy(), "__inside", "threads"]);
    step.root = made.root;
    run(&step).unwrap();
    Ok(())
}

fn python_step() -> Result<(), String> {
    let mut step = command(&[
        "python3",
        "-c",
        "import json, hashlib, math, random\nrandom.seed(7)\njson.dump([random.random(), math.pi, hashlib.sha256(b'x').hexdigest()], open('/out/model.json', 'w'))",
    ]);
    step.root = python()?.clone();
    let (one, two) = (run(&step).unwrap(), run(&step).unwrap());
    assert!(read(&one, "model.json").contains("3.14159"));
    assert_eq!(one.outputs, two.outputs);
    Ok(())
}

fn profile_says_what_was_on() -> Result<(), String> {
    let profile = run(&script("true")).unwrap().profile;
    let json = serde_json::to_value(&profile).unwrap();
    assert_eq!(json["isolation"], profile.isolation.as_str());
    assert_eq!(
        (&json["network"], &json["seccomp"]),
        (&"none".into(), &true.into())
    );
    if rustix::process::geteuid().is_root() {
        assert_eq!(profile.isolation, Isolation::SeparateUsers);
    }
    println!("  {json}");
    Ok(())
}

fn nothing_is_left_on_disk() -> Result<(), String> {
    let runs = world().folder.path().join("runs");
    let count = || fs::read_dir(&runs).unwrap().count();
    let before = count();
    let ran = run(&script("mkdir -p /out/a/b; echo x > /out/a/b/c")).unwrap();
    assert_eq!(count(), before + 1);
    drop(ran);
    assert_eq!(count(), before);
    // What a killed run left has a lock that nobody holds.
    let dead = runs.join("run-dead");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("lock"), "").unwrap();
    run(&script("true")).unwrap();
    assert!(!dead.exists());
    Ok(())
}
