//! `[scan]`: a scan read every file and found nothing, by a scanner and rules that the policy takes, not too long ago.

use digest::Digest;
use trust::predicate::{ScanReport, ScanVerdict, ScannedFile};
use trust::{Code, Reason, Statement, Verified};

use super::Requirement;
use super::asked::{Age, Asked, By, fit, in_order};
use super::decision::Finding;
use super::read::{Entry, age, by, digests};
use crate::PolicyError;
use crate::admission::scan::{covers, effective, files_of, severity, verdict_reason};

pub(super) const KEYS: &[&str] = &["by", "scanners", "rules", "formats", "max_age_days"];
const WAY: &str = "scan it with `modelward scan`";

#[derive(Debug)]
struct Scan {
    by: By,
    scanners: Vec<String>,
    rules: Vec<Digest>,
    formats: Vec<String>,
    age: Age,
}

pub(super) fn read(entry: &Entry<'_>) -> Result<Box<dyn Requirement>, PolicyError> {
    let fields = entry.object(KEYS)?;
    Ok(Box::new(Scan {
        by: by(&fields)?,
        scanners: fields.texts_if_any("scanners")?,
        rules: digests(&fields, "rules")?,
        formats: fields.texts_if_any("formats")?,
        age: age(&fields)?,
    }))
}

impl Requirement for Scan {
    fn word(&self) -> &'static str {
        "scan"
    }

    fn asks(&self) -> Vec<String> {
        let rules: Vec<String> = self.rules.iter().map(ToString::to_string).collect();
        let if_any = |words: &str, of: &[String]| {
            (!of.is_empty()).then(|| format!("{words} `{}`", of.join("`, `")))
        };
        [
            Some("a scan of every file that found nothing".to_owned()),
            self.by.ask(),
            if_any("with the scanner", &self.scanners),
            if_any("by the rules", &rules),
            if_any("every file of the format", &self.formats),
            self.age.ask(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn decide(&self, asked: &Asked<'_>) -> Finding {
        let scans = asked.evidence.scans.iter().copied();
        let covering =
            in_order(scans.filter(|scan| covers(asked.subject, &scan.value().predicate)));
        let missing = || {
            let message = format!(
                "no scan read all files of the model {}",
                asked.subject.digest()
            );
            Reason::new(Code::ScanMissing, message, WAY)
        };
        let against = |scan: &Verified<Statement<ScanReport>>| self.against(scan, asked);
        (self as &dyn Requirement).found(fit(&covering, against, missing))
    }
}

impl Scan {
    fn against(&self, scan: &Verified<Statement<ScanReport>>, asked: &Asked<'_>) -> Vec<Reason> {
        let report = &scan.value().predicate;
        let by = self
            .by
            .against(Code::ScanMissing, "scan", &scan.proof().key_name, WAY);
        let age = self
            .age
            .against("scan", Some(report.scanned_at), asked.now, WAY);
        let mut reasons: Vec<Reason> = by.into_iter().chain(age).collect();
        // `modelward 0.1.0` is the scanner `modelward`, and itself.
        let named = report.scanner.split([' ', '/']).next().unwrap_or_default();
        if !self.scanners.is_empty()
            && !self
                .scanners
                .iter()
                .any(|known| known == named || *known == report.scanner)
        {
            let message = format!(
                "`{}` scanned it, and the policy asks for `{}`",
                report.scanner,
                self.scanners.join("`, `")
            );
            reasons.push(Reason::new(
                Code::ScanMissing,
                message,
                "scan it with that scanner",
            ));
        }
        if !self.rules.is_empty() && !self.rules.contains(&report.rules) {
            let message = format!(
                "it was scanned by the rules {}, which the policy does not name",
                report.rules
            );
            reasons.push(Reason::new(
                Code::ScanMissing,
                message,
                "scan it by those rules, or add these to the policy",
            ));
        }
        let files: Vec<ScannedFile> = files_of(asked.subject, report).collect();
        reasons.extend(files.iter().filter_map(|file| self.against_file(file)));
        // A report whose word over all is worse than over each file knows more than it lists.
        let worst = files
            .iter()
            .map(|file| severity(effective(file)))
            .max()
            .unwrap_or_default();
        if severity(report.verdict) > worst {
            let message = format!("the scan calls the model {}", report.verdict.as_str());
            reasons.push(Reason::new(Code::ScanInconclusive, message, WAY));
        }
        reasons
    }

    fn against_file(&self, file: &ScannedFile) -> Option<Reason> {
        let verdict = effective(file);
        if verdict != ScanVerdict::Clean {
            return Some(verdict_reason(file, verdict));
        }
        if self.formats.is_empty() || self.formats.contains(&file.format) {
            return None;
        }
        let message = format!(
            "`{}` is of the format `{}`, and `{}` are allowed",
            file.name,
            file.format,
            self.formats.join("`, `")
        );
        Some(Reason::new(
            Code::FormatNotAllowed,
            message,
            "convert the model to an allowed format",
        ))
    }
}
