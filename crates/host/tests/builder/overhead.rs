//! How much a sandbox costs over bare `bwrap`: `builder __overhead [RUNS]`.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::world::{GOES_ON, command, key_pem, quietly, world};

/// Prints medians of the same trivial step, turn by turn. Measuring the root is apart, as it grows with the root.
pub(crate) fn measure(words: &[String]) -> ExitCode {
    let runs = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(50);
    let step = command(&["/bin/true"]);
    // Places for `bwrap` to mount on; they are no part of what is measured.
    for name in ["proc", "dev", "tmp"] {
        std::fs::create_dir(step.root.path().join(name)).unwrap();
    }
    let (mut ours, mut signed, mut bwrap, mut root) = (vec![], vec![], vec![], vec![]);
    for _ in 0..runs {
        root.push(time(|| drop(step.root.manifest().unwrap())));
        ours.push(time(|| {
            drop(host::builder::run(&step, &world().users, None, &GOES_ON, &mut quietly).unwrap());
        }));
        signed.push(time(|| {
            drop(
                host::builder::run(
                    &step,
                    &world().users,
                    Some(&key_pem()),
                    &GOES_ON,
                    &mut quietly,
                )
                .unwrap(),
            );
        }));
        bwrap.push(time(|| peer(&step.root)));
    }
    let names = [
        "measuring the root",
        "modelward",
        "modelward with signer",
        "bwrap",
    ];
    for (name, mut times) in names.into_iter().zip([root, ours, signed, bwrap]) {
        times.sort();
        let middle = times.get(times.len() / 2).copied().unwrap_or_default();
        println!(
            "{name}: median {:.1} ms of {runs}",
            middle.as_secs_f64() * 1e3
        );
    }
    ExitCode::SUCCESS
}

fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn peer(root: &host::root::RootTree) {
    let ended = Command::new("bwrap")
        .args("--unshare-user --uid 1000 --gid 1000 --unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try --die-with-parent --new-session --hostname step --clearenv --setenv PATH /bin --ro-bind".split(' '))
        .arg(root.path())
        .args("/ --proc /proc --dev /dev --tmpfs /tmp --cap-drop ALL -- /bin/true".split(' '))
        .stdout(Stdio::null())
        .status();
    assert!(ended.is_ok_and(|status| status.success()), "bwrap failed");
}
