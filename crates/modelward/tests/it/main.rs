//! The program as its users have it: each test starts the built binary in a folder of its own and looks at what it
//! prints and leaves. One file for each word of the command line, and one for what all of them share.

#![allow(
    clippy::print_stdout,
    clippy::string_slice,
    clippy::get_unwrap,
    reason = "tests say what they skip, and take apart text that they made"
)]

mod admit;
mod audit;
mod bad_input;
mod bands;
mod bundle;
mod chain;
mod cosign;
mod dataset;
mod demo;
mod deploy;
mod diff;
mod digest;
mod doctor;
mod guides;
mod handed_over;
mod help;
mod hints;
mod inspect;
mod interruption;
mod key;
mod key_rotate;
mod key_set;
mod keyless;
mod keyless_refresh;
mod keyless_sign;
mod log;
mod log_server;
mod log_watch;
mod memory;
mod oci;
mod oms;
mod output;
mod pieces;
mod policy;
mod publish;
mod readme;
mod recall;
mod recall_evasion;
mod scan;
mod schema;
mod serve;
mod serve_log;
mod server;
mod services;
mod settings;
mod sign;
mod stamped;
mod store;
mod terminal;
mod train;
mod train_root;
mod verify;
mod wheel;
mod witness;
mod workshop;

/// A test file that is not declared is never compiled, and nobody would notice.
#[test]
fn every_file_here_is_declared() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = std::fs::read_to_string(here.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(here).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|name| *name != "main") {
            assert!(
                main.contains(&format!("\nmod {module};")),
                "{name} is not run"
            );
        }
    }
}
