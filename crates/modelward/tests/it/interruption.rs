//! Ctrl-C and SIGKILL at many moments: nothing is half done, nothing stays running, and the same command succeeds after.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::workshop::{Outcome, TRAIN, Workshop};

/// Slow enough that some of the moments are in the middle of the step.
const SLOW: &str = "train --input bands --name digits --to out/digits --include /bin/cat --include /bin/sleep \
    -- /bin/sh -c '/bin/sleep 0.2; . /in/bands/train.sh'";

/// The moments, in thousandths of a second after the start.
const MOMENTS: [u64; 12] = [0, 1, 3, 5, 8, 12, 18, 30, 60, 120, 200, 300];

#[test]
fn a_command_that_is_stopped_leaves_nothing_half_done() {
    let workshop = Workshop::with_data();
    workshop.yes(TRAIN);
    let lines = [
        "dataset add bands --policy dependencies.toml --from data",
        SLOW,
        "sign out/digits",
        "scan out/digits",
    ];
    for line in lines {
        for signal in [Signal::INT, Signal::KILL] {
            for moment in MOMENTS {
                stop(&workshop, line, signal, Duration::from_millis(moment));
            }
            workshop.is_sound();
        }
        workshop.yes(line);
    }
    workshop.yes("verify out/digits");
    nothing_runs(&workshop);
    // What was killed is swept by the next that works there.
    workshop.yes(TRAIN);
    workshop.is_sound();
    nothing_is_left(&workshop);
}

/// Neither a run's folder nor one of unfinished work.
fn nothing_is_left(workshop: &Workshop) {
    let left: Vec<_> = std::fs::read_dir(workshop.file(".modelward/runs"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let tmp = std::fs::read_dir(workshop.file(".modelward/tmp")).unwrap();
    let names = tmp.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = names.filter(|name| name.starts_with("work-")).collect();
    assert!(left.is_empty(), "{left:?}");
    for folder in ["out", ".modelward"] {
        assert_eq!(hidden(workshop, folder), [""; 0], "{folder}");
    }
}

/// The files of a folder that a person does not see.
fn hidden(workshop: &Workshop, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(workshop.file(folder));
    let names = entries.into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

/// Not even for a moment does a private key lie under another name, and what else a killed command leaves is swept.
#[test]
fn a_key_that_is_stopped_leaves_no_file_behind() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    let begun = Instant::now();
    workshop.yes("key new whole");
    let whole = begun.elapsed();
    for moment in 0..40_u32 {
        let signal = [Signal::INT, Signal::KILL][moment as usize % 2];
        let line = format!("key new stopped-{moment}");
        stop(&workshop, &line, signal, whole * moment / 32);
        let folder = workshop.file(".modelward/keys");
        for name in hidden(&workshop, ".modelward/keys") {
            let text = std::fs::read_to_string(folder.join(&name)).unwrap();
            assert!(!text.contains("PRIVATE KEY"), "{name}");
        }
    }
    workshop.yes("key new last");
    assert_eq!(hidden(&workshop, ".modelward/keys"), [""; 0]);
    assert_eq!(hidden(&workshop, ".modelward"), [""; 0]);
    workshop.is_sound();
}

/// Starts a command as a shell's job, and signals the whole job as a terminal does.
fn stop(workshop: &Workshop, line: &str, signal: Signal, after: Duration) {
    use std::os::unix::process::CommandExt;
    let mut command = workshop.command(line);
    command
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    sleep(after);
    // It may be over already.
    let _ = kill_process_group(Pid::from_raw(child.id().cast_signed()).unwrap(), signal);
    let outcome = Outcome::from(child.wait_with_output().unwrap());
    assert!(
        [0, 2, 130, -1].contains(&outcome.status),
        "{line} after {after:?}: {outcome:?}"
    );
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
    // Once it listens, ctrl-C has an answer of its own.
    if signal == Signal::INT && outcome.status == 2 {
        assert!(
            outcome.stderr.contains("error: [interrupted]"),
            "{outcome:?}"
        );
    }
}

/// So does a terminal that closes.
#[test]
fn ctrl_c_in_the_middle_of_a_step_is_an_answer() {
    let workshop = Workshop::with_data();
    let long = SLOW.replace("/bin/sleep 0.2", "/bin/sleep 60");
    for signal in [Signal::INT, Signal::HUP] {
        let outcome = told_in_the_middle(&workshop, &mut workshop.command(&long), signal);
        assert_eq!(outcome.status, 2, "{outcome:?}");
        assert!(
            outcome.stderr.contains("error: [interrupted]"),
            "{outcome:?}"
        );
        assert!(!workshop.file("out").exists());
        // No later command is needed to clean up.
        nothing_is_left(&workshop);
        nothing_runs(&workshop);
        workshop.is_sound();
    }
    workshop.yes(TRAIN);
}

/// As `nohup` starts it.
#[test]
fn what_is_to_outlive_its_terminal_does() {
    let workshop = Workshop::with_data();
    let slow = SLOW.replace("/bin/sleep 0.2", "/bin/sleep 2");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    let ours = workshop.command(&slow);
    command.arg(ours.get_program()).args(ours.get_args());
    command.current_dir(workshop.path());
    let outcome = told_in_the_middle(&workshop, &mut command, Signal::HUP);
    assert_eq!(outcome.status, 0, "{outcome:?}");
}

/// What comes of a signal to a command, and all that it started, once the step runs.
fn told_in_the_middle(workshop: &Workshop, command: &mut Command, signal: Signal) -> Outcome {
    std::os::unix::process::CommandExt::process_group(command, 0);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let runs = workshop.file(".modelward/runs");
    let begun = Instant::now();
    while std::fs::read_dir(&runs).map_or(0, Iterator::count) == 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "no step was begun"
        );
        sleep(Duration::from_millis(10));
    }
    sleep(Duration::from_millis(300));
    kill_process_group(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
    Outcome::from(child.wait_with_output().unwrap())
}

/// No process works in the workshop any more, or holds a file of it open.
fn nothing_runs(workshop: &Workshop) {
    let begun = Instant::now();
    loop {
        let running: Vec<String> = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|id| {
                std::fs::read_link(format!("/proc/{id}/cwd"))
                    .is_ok_and(|cwd| cwd.starts_with(workshop.path()))
            })
            .collect();
        if running.is_empty() {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "still there: {running:?}"
        );
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_init_that_is_killed_can_be_run_again() {
    for moment in [0, 1, 2, 3, 4, 5, 6, 8, 10, 15] {
        let workshop = Workshop::bare();
        stop(
            &workshop,
            "store init",
            Signal::KILL,
            Duration::from_millis(moment),
        );
        workshop.yes("store init");
        workshop.yes("key new laptop");
        workshop.yes("dataset add bands --policy dependencies.toml");
        workshop.is_sound();
    }
}

#[test]
fn a_key_that_is_killed_while_it_is_made_can_be_made_again() {
    let workshop = Workshop::bare();
    workshop.yes("store init");
    for (number, moment) in MOMENTS.into_iter().take(8).enumerate() {
        stop(
            &workshop,
            &format!("key new k{number}"),
            Signal::KILL,
            Duration::from_millis(moment),
        );
        let outcome = workshop.run(&format!("key new k{number}"));
        if outcome.stderr.contains("Delete the file and try again") {
            std::fs::remove_file(workshop.file(&format!(".modelward/keys/k{number}.key.pem")))
                .unwrap();
            workshop.yes(&format!("key new k{number}"));
        }
        let keys = workshop.allowed("key list").to_string();
        assert!(
            keys.contains(&format!("\"k{number}\"")),
            "k{number} was lost: {outcome:?}"
        );
    }
}
