//! The three ways to keep runner, observer and signer apart, each tried on this machine.

use std::fs;
use std::process::{Command, Stdio};

use host::builder::{Error, FIRST_ID, Isolation, Users};

use crate::Case;
use crate::attacks::sleeps_until_killed;
use crate::memory::{is_counted_by_looking, uncounted_memory_is_out_of_reach};
use crate::world::{GOES_ON, public_copy, read, run, script, world};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("isolation_separate_users", isolation_separate_users),
        ("isolation_mapped_users", isolation_mapped_users),
        ("isolation_same_user", isolation_same_user),
        ("no_user_namespaces", no_user_namespaces),
    ]
}

/// Cases for a process of its own, as another user.
pub(crate) fn as_user() -> Vec<Case> {
    vec![
        ("is_mapped", || is_isolated_by(Isolation::MappedUsers)),
        ("is_same", || is_isolated_by(Isolation::SameUser)),
        ("has_no_sandbox", has_no_sandbox),
        ("sleeps_until_killed", sleeps_until_killed),
        ("is_counted_by_looking", is_counted_by_looking),
        (
            "uncounted_memory_is_out_of_reach",
            uncounted_memory_is_out_of_reach,
        ),
    ]
}

fn isolation_separate_users() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("this takes root".into());
    }
    is_isolated_by(Isolation::SeparateUsers)?;
    // The configured range is the one that is used.
    assert_eq!(
        seen_from_outside(&Users::detect(FIRST_ID + 500).unwrap()),
        Some(FIRST_ID + 500)
    );
    assert_eq!(seen_from_outside(&Users::same_user()), Some(0));
    Ok(())
}

fn isolation_mapped_users() -> Result<(), String> {
    let has_programs = ["newuidmap", "newgidmap"]
        .iter()
        .all(|program| Command::new(program).stderr(Stdio::null()).status().is_ok());
    if !has_programs {
        return Err("there is no `newuidmap` (apt-get install uidmap)".into());
    }
    as_nobody("nobody:3000000:65536\n", "is_mapped")
}

fn isolation_same_user() -> Result<(), String> {
    as_nobody("", "is_same")
}

fn no_user_namespaces() -> Result<(), String> {
    let none = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$0\" __case has_no_sandbox";
    let program = public_copy();
    ends_well(
        Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-euc", none])
            .arg(program),
    );
    Ok(())
}

fn has_no_sandbox() -> Result<(), String> {
    let refused = Users::detect(FIRST_ID).unwrap_err();
    let Error::NoSandbox { hint, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert!(hint.contains("max_user_namespaces"), "{refused}");
    Ok(())
}

/// Runs a step that way, and looks at the ids from outside.
fn is_isolated_by(isolation: Isolation) -> Result<(), String> {
    assert_eq!(host::builder::detect().unwrap(), isolation);
    let ran = run(&script(
        "echo x > /out/x; chmod 000 /out/x; id -u > /out/id",
    ))
    .unwrap();
    assert_eq!(ran.profile.isolation, isolation);
    assert_eq!(
        (read(&ran, "x").as_str(), read(&ran, "id").as_str()),
        ("x\n", "1000\n")
    );
    let own = rustix::process::geteuid().as_raw();
    let seen = seen_from_outside(&world().users);
    match isolation {
        Isolation::SeparateUsers => assert_eq!(seen, Some(FIRST_ID)),
        Isolation::MappedUsers => assert_eq!(seen, Some(3_000_000)),
        Isolation::SameUser => assert_eq!(seen, Some(own)),
    }
    let staged = fs::metadata(ran.staged().join("x")).unwrap();
    let observer = std::os::unix::fs::MetadataExt::uid(&staged);
    assert_eq!(isolation == Isolation::SameUser, observer == own);
    // All of it can be removed again, whoever owns it.
    let folder = ran.staged().to_owned();
    drop(ran);
    assert!(!folder.exists());
    Ok(())
}

/// The user id that a step's process has for the rest of the machine.
fn seen_from_outside(users: &Users) -> Option<u32> {
    const MARK: &str = "1.2345678";
    let mut uid = None;
    let step = script(&format!("echo started; sleep {MARK}"));
    let ran = host::builder::run(&step, users, None, &GOES_ON, &mut |_, _| {
        let start = std::time::Instant::now();
        while uid.is_none() && start.elapsed().as_secs() < 1 {
            uid = uid_of_sleeper(MARK);
        }
    });
    ran.unwrap();
    uid
}

fn uid_of_sleeper(mark: &str) -> Option<u32> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let line = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        let is_it = line.starts_with("sleep\0") && line.contains(mark);
        is_it.then(|| uids.split_whitespace().next()?.parse().ok())?
    })
}

/// Runs a case as the user `nobody`, who has these subordinate ids. Only a mount namespace of its own sees them.
pub(crate) fn as_nobody(subordinates: &str, case: &str) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("becoming another user takes root".into());
    }
    let file = world().folder.path().join(format!("subordinates-{case}"));
    fs::write(&file, subordinates).unwrap();
    let script = format!(
        "touch /etc/subuid /etc/subgid; mount --bind {file} /etc/subuid; mount --bind {file} /etc/subgid
         exec setpriv --reuid=65534 --regid=65534 --clear-groups {program} __case {case}",
        file = file.display(),
        program = public_copy().display(),
    );
    ends_well(Command::new("unshare").args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-euc",
        &script,
    ]));
    Ok(())
}

fn ends_well(command: &mut Command) {
    let ended = command.output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
