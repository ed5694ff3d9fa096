//! Steps that reach for what is not theirs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use host::builder::Error;

use crate::Case;
use trust::Predicate;
use trust::predicate::Provenance;

use crate::world::{
    GOES_ON, command, inside, key_pem, python, quietly, read, run, script, statement, world,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("network_is_a_violation", network_is_a_violation),
        (
            "namespaces_and_mounts_are_violations",
            namespaces_and_mounts_are_violations,
        ),
        ("each_denied_call_kills", each_denied_call_kills),
        ("host_is_out_of_sight", host_is_out_of_sight),
        ("no_descriptor_is_inherited", no_descriptor_is_inherited),
        ("no_privilege_is_left", no_privilege_is_left),
        ("signals_reach_nobody_else", signals_reach_nobody_else),
        ("left_processes_are_refused", left_processes_are_refused),
        (
            "end_of_a_pipeline_is_not_left_behind",
            end_of_a_pipeline_is_not_left_behind,
        ),
        (
            "killed_caller_leaves_nothing_running",
            killed_caller_leaves_nothing_running,
        ),
    ]
}

fn assert_violation(step: &host::builder::Step) {
    let refused = run(step).unwrap_err();
    assert!(
        matches!(refused, Error::Violation { .. }),
        "{:?}: {refused:?}",
        step.command
    );
}

fn network_is_a_violation() -> Result<(), String> {
    assert_violation(&inside(&["tcp"]));
    assert_violation(&inside(&["udp"]));
    // A shell around it changes nothing.
    let mut wrapped = inside(&[]);
    wrapped.command = ["/bin/sh", "-c", "/in/self __inside tcp"]
        .map(str::to_owned)
        .to_vec();
    assert_violation(&wrapped);
    // Where even the filter would fail, there is no network to reach.
    let ran = run(&script(
        "cat /proc/net/dev > /out/dev; cat /proc/net/route > /out/route",
    ))
    .unwrap();
    let interfaces: Vec<_> = read(&ran, "dev")
        .lines()
        .skip(2)
        .map(str::to_owned)
        .collect();
    assert!(
        interfaces
            .iter()
            .all(|line| line.trim_start().starts_with("lo:")),
        "{interfaces:?}"
    );
    assert!(read(&ran, "route").lines().count() <= 1);
    Ok(())
}

fn namespaces_and_mounts_are_violations() -> Result<(), String> {
    assert_violation(&inside(&["unshare"]));
    assert_violation(&inside(&["mount"]));
    Ok(())
}

/// By number, on the machine whose numbers these are.
fn each_denied_call_kills() -> Result<(), String> {
    if std::env::consts::ARCH != "x86_64" {
        return Err("the numbers are those of x86_64".into());
    }
    let call = |number: u64, arguments: &str| {
        let text = format!(
            "import ctypes; l = ctypes.CDLL(None, use_errno=True); r = l.syscall(ctypes.c_long({number}){arguments}); print(r, ctypes.get_errno())"
        );
        let mut step = command(&["python3", "-c", &text]);
        step.root = python()?.clone();
        Ok::<_, String>(run(&step))
    };
    const NEW_USER: u64 = 0x1000_0000;
    const X32: u64 = 0x4000_0000;
    for (name, number, arguments) in [
        ("ptrace", 101, ", 0, 0, 0, 0".to_owned()),
        ("process_vm_readv", 310, ", 1, 0, 0, 0, 0, 0".into()),
        ("process_vm_writev", 311, ", 1, 0, 0, 0, 0, 0".into()),
        ("pidfd_getfd", 438, ", 0, 0, 0".into()),
        ("kcmp", 312, ", 1, 1, 0, 0, 0".into()),
        ("bpf", 321, ", 0, 0, 0".into()),
        ("keyctl", 250, ", 0, 0".into()),
        ("add_key", 248, ", 0, 0".into()),
        ("io_uring_setup", 425, ", 1, 0".into()),
        ("userfaultfd", 323, ", 0".into()),
        ("perf_event_open", 298, ", 0".into()),
        ("personality", 135, ", 0xffffffff".into()),
        ("open_by_handle_at", 304, ", 0, 0, 0".into()),
        ("setns", 308, ", 0, 0".into()),
        ("mount", 165, ", 0, 0, 0, 0, 0".into()),
        ("open_tree", 428, ", 0, 0, 0".into()),
        ("init_module", 175, ", 0, 0, 0".into()),
        ("socket(AF_NETLINK)", 41, ", 16, 3, 0".into()),
        ("socket(AF_VSOCK)", 41, ", 40, 1, 0".into()),
        (
            "clone(CLONE_NEWUSER)",
            56,
            format!(", ctypes.c_ulong({}), 0, 0, 0, 0", NEW_USER | 17),
        ),
        ("x32 getpid", X32 + 39, String::new()),
    ] {
        let refused = call(number, &arguments)?;
        assert!(
            matches!(refused, Err(Error::Violation { .. })),
            "{name}: {refused:?}"
        );
    }
    // The control: the same way, a call that is allowed; and one that seems not to exist.
    assert!(call(39, "")?.unwrap().stdout_tail.ends_with(" 0\n"));
    assert_eq!(call(435, ", 0, 0")?.unwrap().stdout_tail, "-1 38\n");
    Ok(())
}

fn host_is_out_of_sight() -> Result<(), String> {
    let key = world().folder.path().join("key.pem");
    fs::write(&key, "private").unwrap();
    let text = format!(
        "for f in {} /etc/passwd /proc/1/environ /proc/1/mem /proc/1/fd/0; do
           if cat $f 2>/dev/null; then echo $f >&2; exit 1; fi
         done
         for d in /root /home /sys/kernel /proc/1/root /proc/1/cwd /proc/1/fd; do
           if ls $d 2>/dev/null; then echo $d >&2; exit 1; fi
         done
         ls -d /proc/[0-9]* > /out/processes",
        key.display()
    );
    let ran = run(&script(&text)).unwrap();
    // Process 1, the shell, and `ls` if it is not the shell's last word.
    assert!((2..=3).contains(&read(&ran, "processes").lines().count()));
    Ok(())
}

fn no_descriptor_is_inherited() -> Result<(), String> {
    let secret = world().folder.path().join("secret");
    fs::write(&secret, "s").unwrap();
    let open = File::open(&secret).unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let ran = run(&inside(&["descriptors"])).unwrap();
    assert_eq!(read(&ran, "descriptors"), "0 /dev/null\n1 pipe\n2 pipe\n");
    Ok(())
}

fn no_privilege_is_left() -> Result<(), String> {
    let told = read(&run(&inside(&["privileges"])).unwrap(), "privileges");
    for line in [
        "Uid: 1000 1000 1000 1000",
        "Gid: 1000 1000 1000 1000",
        "CapInh: 0000000000000000",
        "CapPrm: 0000000000000000",
        "CapEff: 0000000000000000",
        "CapBnd: 0000000000000000",
        "CapAmb: 0000000000000000",
        "NoNewPrivs: 1",
        "Seccomp: 2",
    ] {
        assert!(told.lines().any(|told| told == line), "{line} in {told}");
    }
    Ok(())
}

/// It may kill all it sees; it sees nobody but itself and process 1, which hears no signals from inside.
fn signals_reach_nobody_else() -> Result<(), String> {
    let step = script(
        "echo model > /out/model; kill -9 -1 2>/dev/null || true; kill -9 1 || true; kill -15 1 || true",
    );
    let mut ran = host::builder::run(
        &step,
        &world().users,
        Some(&key_pem()),
        &GOES_ON,
        &mut quietly,
    )
    .unwrap();
    let statement = statement(Provenance::TYPE, "model", b"model\n");
    assert!(ran.sign(&statement).is_ok());
    Ok(())
}

fn left_processes_are_refused() -> Result<(), String> {
    let text =
        "echo early > /out/model; (sleep 2; echo late > /out/model) & (sleep 3; echo later) &";
    let start = Instant::now();
    let refused = run(&script(text)).unwrap_err();
    assert!(
        matches!(refused, Error::LeftProcesses { count: 2.. }),
        "{refused:?}"
    );
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "it was waited for"
    );
    // The control: waiting for them is all it takes.
    let text = "echo early > /out/model; (sleep 0.2; echo late > /out/model) & wait";
    assert_eq!(read(&run(&script(text)).unwrap(), "model"), "late\n");
    Ok(())
}

fn end_of_a_pipeline_is_not_left_behind() -> Result<(), String> {
    for _ in 0..5 {
        run(&script("cat /dev/zero | head -c 100000 > /out/zeros")).unwrap();
    }
    Ok(())
}

/// A test program that runs a step is killed in the midst of it; its step is gone with it.
fn killed_caller_leaves_nothing_running() -> Result<(), String> {
    const MARK: &str = "98765.4321";
    let mut caller = Command::new("/proc/self/exe")
        .args(["__case", "sleeps_until_killed"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(caller.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("started")));
    wait_until(|| is_running(MARK));
    caller.kill().unwrap();
    caller.wait().unwrap();
    wait_until(|| !is_running(MARK));
    Ok(())
}

fn wait_until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "it did not happen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn sleeps_until_killed() -> Result<(), String> {
    let mut step = script("echo started; sleep 98765.4321");
    step.limits.wall = Duration::from_secs(60);
    let on_line = &mut |_, line: &str| println!("{line}");
    let ended = host::builder::run(&step, &world().users, Some(&key_pem()), &GOES_ON, on_line);
    panic!("it was not killed: {ended:?}");
}

fn is_running(mark: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&format!("sleep\0{mark}")))
    })
}
