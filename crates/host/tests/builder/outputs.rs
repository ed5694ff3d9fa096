//! Outputs that are not what they seem.

use host::builder::Error;

use crate::Case;
use crate::world::{read, run, script};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ("hostile_outputs", hostile_outputs),
        ("huge_sparse_output", huge_sparse_output),
        ("hostile_results", hostile_results),
        ("unreadable_modes_are_read", unreadable_modes_are_read),
    ]
}

fn hostile_outputs() -> Result<(), String> {
    for (text, path) in [
        ("ln -s /etc/passwd /out/passwd", "passwd"),
        ("mkdir /out/d; ln -s ../../../etc /out/d/etc", "d/etc"),
        ("ln -s . /out/loop", "loop"),
        ("mkfifo /out/fifo", "fifo"),
        ("echo x > /out/one; ln /out/one /out/two", "one"),
        ("echo x > /out/suid; chmod 4755 /out/suid", "suid"),
        ("echo x > '/out/new\nline'", "new\\nline"),
        ("echo x > \"$(printf '/out/bad\\377')\"", "bad\u{fffd}"),
        (
            "d=/out; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34; do d=$d/d; mkdir $d; done",
            "d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/",
        ),
    ] {
        let refused = run(&script(text)).unwrap_err();
        assert!(
            matches!(&refused, Error::OutputRefused { path: p, .. } if p == path),
            "{text}: {refused:?}"
        );
    }
    Ok(())
}

/// Its size is said, not held: it is refused before it is read.
fn huge_sparse_output() -> Result<(), String> {
    let mut step = script("dd if=/dev/zero of=/out/huge bs=1 count=1 seek=5000000000 2>/dev/null");
    step.limits.file_size_bytes = 10_000_000_000;
    let refused = run(&step).unwrap_err();
    assert!(
        matches!(refused, Error::OutputRefused { .. }),
        "{refused:?}"
    );
    Ok(())
}

fn hostile_results() -> Result<(), String> {
    for text in [
        "ln -s /etc/passwd /results/x",
        "mkdir /results/x",
        "head -c 5000 /dev/zero > /results/x",
        "printf '\\377' > /results/x",
        "i=0; while [ $i -lt 65 ]; do echo $i > /results/$i; i=$((i+1)); done",
    ] {
        let refused = run(&script(text)).unwrap_err();
        assert!(
            matches!(refused, Error::ClaimRefused { .. }),
            "{text}: {refused:?}"
        );
    }
    Ok(())
}

fn unreadable_modes_are_read() -> Result<(), String> {
    let ran = run(&script(
        "mkdir /out/d; echo x > /out/d/f; chmod 000 /out/d/f; chmod 000 /out/d",
    ))
    .unwrap();
    assert_eq!(read(&ran, "d/f"), "x\n");
    Ok(())
}
