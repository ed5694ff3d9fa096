//! The scanner by its public face, on files that are put together here byte by byte.

mod assembler;
mod limits;
mod mutations;
mod pickle;
mod plain;
mod torch_zip;
mod vectors;

use scan::{Report, Verdict, scan_file};

fn scan_bytes(name: &str, bytes: &[u8]) -> Report {
    scan_file(name, &mut std::io::Cursor::new(bytes), &mut |_| {})
}

/// Scans, and checks the verdict and that a rule was or was not part of it.
fn expect(case: &str, name: &str, bytes: &[u8], verdict: Verdict, rule: Option<&str>) {
    let report = scan_bytes(name, bytes);
    assert_eq!(report.verdict, verdict, "{case}: {report:#?}");
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| finding.rule.id)
        .collect();
    match rule {
        Some(rule) => assert!(found.contains(&rule), "{case}: {report:#?}"),
        None => assert!(found.is_empty(), "{case}: {report:#?}"),
    }
}
