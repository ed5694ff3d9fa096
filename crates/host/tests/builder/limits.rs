//! Steps that want more than they may have.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use host::builder::Error;

use crate::Case;
use crate::world::{inside, read, run, script, world};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("time_by_the_clock", time_by_the_clock),
        ("a_wish_to_stop", a_wish_to_stop),
        ("time_of_the_processor", time_of_the_processor),
        ("processes", processes),
        ("file_size", file_size),
        ("open_files", open_files),
        ("output_size", output_size),
        ("scratch_size", scratch_size),
    ]
}

fn time_by_the_clock() -> Result<(), String> {
    let mut step = script("echo x > /out/x; sleep 50");
    step.limits.wall = Duration::from_millis(300);
    let start = Instant::now();
    assert!(matches!(run(&step), Err(Error::TimedOut { .. })));
    assert!(start.elapsed() < Duration::from_secs(5));
    // Ignoring signals doesn't help.
    let mut step = script("trap '' TERM HUP INT; while true; do sleep 1; done");
    step.limits.wall = Duration::from_millis(300);
    assert!(matches!(run(&step), Err(Error::TimedOut { .. })));
    Ok(())
}

/// From whoever asked for the run; it ends like any other, and cleans up after itself.
fn a_wish_to_stop() -> Result<(), String> {
    let step = script("trap '' TERM HUP INT; echo started; while true; do sleep 1; done");
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let ended = host::builder::run(&step, &world().users, None, &stop, &mut |_, _| {
        stop.store(true, Ordering::SeqCst);
    });
    assert!(matches!(ended, Err(Error::Stopped)), "{ended:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(std::fs::read_dir(&step.runs).unwrap().count(), 0);
    Ok(())
}

fn time_of_the_processor() -> Result<(), String> {
    let mut step = inside(&["spin"]);
    step.limits.cpu_seconds = 1;
    let refused = run(&step).unwrap_err();
    assert!(
        matches!(refused, Error::OutOfCpu { limit_seconds: 1 }),
        "{refused:?}"
    );
    // A process of the step that does not hear the warning, and of whose end a shell tells.
    let mut step = script("(trap '' XCPU; while :; do :; done)");
    step.limits.cpu_seconds = 1;
    let refused = run(&step).unwrap_err();
    assert!(matches!(refused, Error::OutOfCpu { .. }), "{refused:?}");
    // One that is killed by somebody else is none.
    let mut step = script("kill -9 $$");
    step.limits.cpu_seconds = 10;
    let refused = run(&step).unwrap_err();
    assert!(matches!(refused, Error::StepFailed { .. }), "{refused:?}");
    Ok(())
}

fn processes() -> Result<(), String> {
    let mut step = inside(&["processes"]);
    step.limits.processes = 10;
    let started: u32 = read(&run(&step).unwrap(), "started").parse().unwrap();
    // The step itself is one of them.
    assert!((5..10).contains(&started), "{started}");
    Ok(())
}

fn file_size() -> Result<(), String> {
    let mut step = script("head -c 2000000 /dev/zero > /out/large");
    run(&step).unwrap();
    step.limits.file_size_bytes = 1_000_000;
    let refused = run(&step).unwrap_err();
    assert!(matches!(refused, Error::StepFailed { .. }), "{refused:?}");
    Ok(())
}

fn open_files() -> Result<(), String> {
    let step = script("ulimit -n > /out/n; if ulimit -n 10000 2>/dev/null; then exit 1; fi");
    assert_eq!(read(&run(&step).unwrap(), "n"), "64\n");
    Ok(())
}

fn output_size() -> Result<(), String> {
    let mut step = script("for i in 1 2 3 4; do head -c 1000000 /dev/zero > /out/$i; done");
    run(&step).unwrap();
    step.limits.output_bytes = 2_000_000;
    assert!(matches!(run(&step), Err(Error::StepFailed { .. })));
    let mut step = script("i=0; while [ $i -lt 50 ]; do echo $i > /out/$i; i=$((i+1)); done");
    run(&step).unwrap();
    step.limits.output_files = 20;
    assert!(matches!(run(&step), Err(Error::StepFailed { .. })));
    Ok(())
}

fn scratch_size() -> Result<(), String> {
    let mut step =
        script("for d in /tmp /work /dev/shm; do head -c 1000000 /dev/zero > $d/x; done");
    run(&step).unwrap();
    step.limits.scratch_bytes = 2_000_000;
    assert!(matches!(run(&step), Err(Error::StepFailed { .. })));
    Ok(())
}
