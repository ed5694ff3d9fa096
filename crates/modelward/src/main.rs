//! Modelward: one program that keeps a model's chain of custody.

use std::process::ExitCode;

mod answer;
mod artifact;
mod believed;
mod cli;
mod commands;
mod faults;
mod glob;
mod holder;
mod inside;
mod interruption;
mod keyless;
mod lines;
mod model;
mod pages;
mod policies;
mod release;
mod remembered;
mod root_change;
mod settings;
mod signature_file;
mod staging;
mod step_lines;
mod ui;
mod whole_number;
mod workspace;

fn main() -> ExitCode {
    // The builder's processes are this binary again; they must be single-threaded from their first instruction.
    if let Some(code) = commands::train::builder_process() {
        return code;
    }
    // What a shell left open is not handed on to helpers of any sort. Where the system can't, those that must have nothing
    // are not started.
    let _ = host::builder::close_on_exec();
    host::memory::give_back_when_freed();
    cli::run(std::env::args_os())
}
