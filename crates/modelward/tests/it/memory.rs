//! How much memory a model of many files takes.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::workshop::Workshop;

const FILES: usize = 30_000;
/// A release build stays below 64 MiB with as many files as a model can have: see `make bench`. This one is larger itself.
const PEAK_KIB_MAX: u64 = 56 << 10;

#[test]
fn many_small_files_take_little_memory_to_sign_verify_and_scan() {
    let workshop = Workshop::bare();
    for number in 0..FILES {
        let name = format!("model/layer-{:03}/weights-{number:06}.json", number % 100);
        workshop.write(&name, format!("{{\"n\":{number}}}"));
    }
    workshop.yes("store init");
    let key = workshop.allowed("key new laptop");
    workshop.write("key.pub", key["publicKey"].as_str().unwrap());
    for line in [
        "sign model --private-key .modelward/keys/laptop.key.pem",
        "verify model --public-key key.pub",
        "scan model --no-record",
        "scan model --no-record --json",
        "verify model --public-key key.pub",
    ] {
        let mut command = workshop.command(line);
        command.stdout(Stdio::null());
        let peak_kib = peak_kib(line, &mut command.spawn().unwrap());
        assert!(peak_kib < PEAK_KIB_MAX, "{line}: {peak_kib} KiB");
        assert!(peak_kib > 1 << 10, "{line}: nothing was measured");
    }
}

/// The kernel keeps the peak, and forgets it with the process: what was read last is what counts.
fn peak_kib(line: &str, child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let told = text.lines().find_map(|told| told.strip_prefix("VmHWM:"));
        let kib = told.and_then(|told| told.split_whitespace().next()?.parse().ok());
        peak = kib.unwrap_or(peak);
        if let Some(end) = child.try_wait().unwrap() {
            assert!(end.success(), "{line}: {end}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
