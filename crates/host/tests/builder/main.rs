//! Real steps in real sandboxes.
//!
//! The test program is its own runner, observer and signer, as the product is, so it has a `main` of its own, which
//! looks for the hidden subcommands first.

#![expect(clippy::print_stdout, reason = "a test program says what it did")]

mod attacks;
mod inside;
mod isolation;
mod limits;
mod memory;
mod outputs;
mod overhead;
mod steps;
mod world;

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A case: fine, or a reason why this machine can't run it. It fails by panicking.
type Case = (&'static str, fn() -> Result<(), String>);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let rest = arguments.get(2..).unwrap_or_default();
    match arguments.get(1).map(String::as_str) {
        Some(name) if host::builder::SUBCOMMANDS.contains(&name) => host::builder::entry(name),
        Some("__inside") => inside::act(rest),
        Some("__case") => run(&isolation::as_user(), rest),
        Some("__overhead") => overhead::measure(rest),
        _ => run(&all(), arguments.get(1..).unwrap_or_default()),
    }
}

fn all() -> Vec<Case> {
    [
        steps::cases(),
        attacks::cases(),
        limits::cases(),
        memory::cases(),
        outputs::cases(),
        isolation::cases(),
    ]
    .concat()
}

/// Runs the cases whose names contain one of the filters; all, if there is none.
fn run(cases: &[Case], arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--list") {
        cases.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filters: Vec<_> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, case) in cases {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        match catch_unwind(case) {
            Ok(Ok(())) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Ok(Err(why)) if is_required(name) => {
                failed += 1;
                println!("test {name} ... FAILED: required, but {why}");
            }
            Ok(Err(why)) => {
                skipped += 1;
                println!("test {name} ... not run: {why}");
            }
            Err(_) => {
                failed += 1;
                println!("test {name} ... FAILED");
            }
        }
    }
    println!("\n{passed} passed, {failed} failed, {skipped} not run");
    if failed == 0 && passed + skipped > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// `MODELWARD_REQUIRE` names cases that must run, with commas between, or is `all`.
fn is_required(name: &str) -> bool {
    let required = std::env::var("MODELWARD_REQUIRE").unwrap_or_default();
    required.split(',').any(|one| one == name || one == "all")
}
