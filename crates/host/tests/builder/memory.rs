//! Steps that want more memory than they may have: where a control group counts it, and where nobody but the builder does.

use host::builder::{Error, Exit, MemoryBound, Step};

use crate::Case;
use crate::isolation::as_nobody;
use crate::world::{command, inside, python, run, script};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("memory_of_one", memory_of_one),
        ("memory_of_all", memory_of_all),
        ("memory_without_a_group", memory_without_a_group),
    ]
}

fn memory_of_one() -> Result<(), String> {
    let mut step = inside(&["memory", "100"]);
    assert_eq!(run(&step).unwrap().stdout_tail, "100\n");
    step.limits.memory_bytes = 64 << 20;
    let refused = run(&step).unwrap_err();
    let is_told = matches!(
        refused,
        Error::OutOfMemory { .. }
            | Error::StepFailed {
                exit: Exit::Signal(6),
                ..
            }
    );
    assert!(is_told, "{refused:?}");
    Ok(())
}

/// Each process is within its limit, together they are not: only a control group can see that.
fn memory_of_all() -> Result<(), String> {
    let mut step = inside(&[]);
    let text = "for i in 1 2 3 4; do (/in/self __inside memory 60 | sleep 1) & done; wait; exit 1";
    step.command = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    if run(&script("true")).unwrap().profile.cgroup.is_none() {
        return Err("no control group can be made here".into());
    }
    step.limits.memory_bytes = 100 << 20;
    let refused = run(&step).unwrap_err();
    assert!(matches!(refused, Error::OutOfMemory { .. }), "{refused:?}");
    // Memory file systems count too.
    let mut step = script("head -c 30000000 /dev/zero > /dev/shm/a");
    step.limits.scratch_bytes = 64 << 20;
    step.limits.file_size_bytes = 64 << 20;
    run(&step).unwrap();
    step.limits.memory_bytes = 16 << 20;
    let refused = run(&step).unwrap_err();
    assert!(matches!(refused, Error::OutOfMemory { .. }), "{refused:?}");
    Ok(())
}

/// A user without a control group of their own: any that isn't root, on a machine that gives none away.
fn memory_without_a_group() -> Result<(), String> {
    as_nobody("", "is_counted_by_looking")?;
    as_nobody("", "uncounted_memory_is_out_of_reach")
}

pub(crate) fn is_counted_by_looking() -> Result<(), String> {
    let profile = run(&script("true")).unwrap().profile;
    assert_eq!(
        (profile.cgroup, profile.memory),
        (None, MemoryBound::Polled)
    );
    // Each process is within its limit, together they are not.
    let mut step = inside(&[]);
    let text = "for i in 1 2 3 4; do /in/self __inside hold 60 & done; wait";
    step.command = ["/bin/sh", "-c", text].map(str::to_owned).to_vec();
    assert_needs(&step, 400, 150);
    // Memory file systems count too, together.
    let fill = "head -c 12000000 /dev/urandom >/out/a; head -c 12000000 /dev/urandom >/dev/shm/a";
    let mut step = script(&format!("{fill}; sleep 2"));
    (step.limits.file_size_bytes, step.limits.scratch_bytes) = (32 << 20, 32 << 20);
    assert_needs(&step, 64, 16);
    // None alone is larger than the limit, even between two looks.
    let mut step = script("head -c 20000000 /dev/urandom >/dev/shm/a; sleep 2");
    (step.limits.file_size_bytes, step.limits.scratch_bytes) = (32 << 20, 32 << 20);
    step.limits.memory_bytes = 16 << 20;
    let refused = run(&step).unwrap_err();
    let is_told = matches!(
        refused,
        Error::OutOfMemory { .. } | Error::StepFailed { .. }
    );
    assert!(is_told, "{refused:?}");
    Ok(())
}

/// A process and its four children, who each do this with what is held already.
fn family(does: &str) -> Result<Step, String> {
    let text = "import os, time
held = bytearray(b'x') * (60 << 20)
for _ in range(4):
    if os.fork() == 0:
        DOES
        time.sleep(2)
        os._exit(0)
for _ in range(4):
    os.wait()";
    let mut step = command(&["python3", "-c", &text.replace("DOES", does)]);
    step.root = python()?.clone();
    step.limits.memory_bytes = 150 << 20;
    Ok(step)
}

/// The kernel has more kinds of memory than files and processes show. A step that can't be counted doesn't get them.
pub(crate) fn uncounted_memory_is_out_of_reach() -> Result<(), String> {
    let text = "import ctypes, mmap, os
def tried(what):
    try:
        what()
    except OSError as e:
        return e.errno
    return 'got it'
def call(number, *arguments):
    if ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments) < 0:
        raise OSError(ctypes.get_errno(), '')
print(tried(lambda: os.memfd_create('m')), tried(lambda: mmap.mmap(-1, 1 << 20)),
      tried(lambda: mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE)), os.path.exists('/dev/zero'),
      *(tried(lambda: call(n, 0, 4096, 0o1600)) for n in NUMBERS))";
    // shmget, semget, msgget, memfd_secret
    let numbers = match std::env::consts::ARCH {
        "x86_64" => "[29, 64, 68, 447]",
        _ => "[194, 190, 186, 447]",
    };
    let mut step = command(&["python3", "-c", &text.replace("NUMBERS", numbers)]);
    step.root = python()?.clone();
    let ran = run(&step).unwrap();
    assert_eq!(ran.stdout_tail, "38 38 got it False 38 38 38 38\n");
    // What relatives share is counted once, until they have it for themselves.
    run(&family("pass")?).unwrap();
    let refused = run(&family("held[::4096] = bytes(len(held) // 4096)")?).unwrap_err();
    assert!(matches!(refused, Error::OutOfMemory { .. }), "{refused:?}");
    Ok(())
}

/// The step runs with so many mebibytes, and with fewer it is told that they are not enough.
fn assert_needs(step: &Step, enough: u64, too_few: u64) {
    let mut step = step.clone();
    step.limits.memory_bytes = enough << 20;
    run(&step).unwrap();
    step.limits.memory_bytes = too_few << 20;
    let refused = run(&step).unwrap_err();
    assert!(matches!(refused, Error::OutOfMemory { .. }), "{refused:?}");
}
