#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| testkit::targets::run("sigstore_root", bytes));
