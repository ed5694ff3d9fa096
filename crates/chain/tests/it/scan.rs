//! The report about a scan is about all files of the model.

use digest::Digest;
use trust::predicate::ScanVerdict::{Clean, Inconclusive, Malicious, Suspicious};
use trust::predicate::{ScanReport, ScanVerdict, ScannedFile};
use trust::{Kind, Statement};

use crate::kit::{artifact, file_digest, model, now, scanned_files};

fn statement(files: Vec<ScannedFile>) -> Option<Statement<ScanReport>> {
    let rules = Digest::of(b"rules");
    let files = files.into_iter().collect();
    chain::scan::statement("digits", &model("w"), files, "modelward/1", rules, now())
}

#[test]
fn the_scanned_files_are_the_models() {
    type Change = fn(&mut Vec<ScannedFile>);
    let changes: [(&str, bool, Change); 8] = [
        ("all of them", true, |_| {}),
        ("one not scanned", false, |files| drop(files.pop())),
        ("none scanned", false, Vec::clear),
        ("another's name", false, |files| files[0].name = "b".into()),
        ("other bytes", false, |files| {
            files[0].digest = file_digest("x");
        }),
        ("one twice", false, |files| files.push(files[1].clone())),
        ("one more", false, |files| {
            let more = artifact(Kind::Model, &[("z", "z")]);
            files.extend(scanned_files(&more, Clean));
        }),
        ("digests swapped", false, |files| {
            let first = files[0].digest;
            files[0].digest = files[1].digest;
            files[1].digest = first;
        }),
    ];
    for (what, want, change) in changes {
        let mut files = scanned_files(&model("w"), Clean);
        change(&mut files);
        assert_eq!(statement(files).is_some(), want, "{what}");
    }
    let said = statement(scanned_files(&model("w"), Clean)).unwrap();
    assert!(said.is_about(model("w").digest()));
}

#[test]
fn the_verdict_is_that_of_the_worst_file() {
    let verdict = |verdicts: [ScanVerdict; 2]| {
        let mut files = scanned_files(&model("w"), Clean);
        for (file, verdict) in files.iter_mut().zip(verdicts) {
            file.verdict = verdict;
        }
        statement(files).unwrap().predicate.verdict
    };
    let from_best = [Clean, Suspicious, Inconclusive, Malicious];
    for (rank, worse) in from_best.iter().enumerate() {
        for better in &from_best[..=rank] {
            assert_eq!(verdict([*better, *worse]), *worse);
            assert_eq!(verdict([*worse, *better]), *worse);
        }
    }
}
