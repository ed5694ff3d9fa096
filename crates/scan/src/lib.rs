//! Hostile model files to findings; reads, never runs.
//!
//! A file is `clean` only if every byte of it was read, every construct is known and every name in it is allowed for
//! the use it is put to. What could not be read is `inconclusive`, and what was found before the reading broke stands.
//! Formats are told by content first and by name second. This room opens nothing: bytes come in by `std::io` traits,
//! and memory is bounded whatever the size of the file.

mod formats;
mod input;
mod report;
mod rules;
mod sniff;
mod verdict;

pub use input::ReadSeek;
pub use report::{Finding, Format, Report};
pub use rules::{Rule, rules, rules_digest_input};
pub use verdict::{Coverage, Severity, Verdict, fold};

use input::{Input, Watched};
use report::Findings;

/// Reads a file and says what is in it; `progress` is told how far it has come.
///
/// `name` is only compared with the content: nothing is opened by it. An error while reading makes the report
/// inconclusive, never clean.
pub fn scan_file(name: &str, file: &mut dyn ReadSeek, progress: &mut dyn FnMut(u64)) -> Report {
    let mut findings = Findings::default();
    let mut watched = Watched {
        file,
        progress,
        furthest: 0,
    };
    let format = Input::whole(&mut watched)
        .and_then(|mut input| sniff::scan(&mut input, name, &mut findings))
        .unwrap_or_else(|error| {
            findings.not_read(format!("reading failed: {error}"));
            Format::Unknown
        });
    findings.into_report(format)
}
