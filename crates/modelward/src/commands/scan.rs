//! `modelward scan MODEL`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;

use digest::Digest;
use scan::{Finding, Report, Severity, Verdict};
use serde_json::{Value, json};
use trust::predicate::{ScanVerdict, ScannedFile};
use trust::{Code, Denied, Kind, Reason};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::model::{Model, default_ignored, unreadable};
use crate::release::SigningKey;
use crate::ui::Ui;
use crate::workspace::{Said, Workspace};

/// Read a model's files as a hostile person would have written them, and run nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: modelward scan out/digits")]
pub(crate) struct Args {
    /// The model, a folder or a single file
    model: PathBuf,
    #[command(flatten)]
    key: SigningKey,
    /// Print each finding's reason and remedy
    #[arg(long)]
    explain: bool,
    /// Sign and record nothing, even where there is a store
    #[arg(long)]
    no_record: bool,
}

/// A scanned file and what was measured of it.
struct Scanned {
    name: String,
    digest: Digest,
    report: Report,
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = if args.no_record {
        None
    } else {
        Workspace::open_if_there(common)?
    };
    let model = Model::measure(&args.model, Kind::Model, &default_ignored(), ui)?;
    let scanned = scan_all(&model, ui)?;
    let said = workspace
        .map(|workspace| record(&model, &scanned, &workspace, &args.key, ui))
        .transpose()?;
    let verdict = scan::fold(scanned.iter().map(|scanned| scanned.report.verdict));
    // Of many files either is long, and only one of them is printed.
    let mut answer = match ui.json {
        true => Answer::new("", data(&model, &scanned, verdict, said.as_ref())),
        false => {
            let text = text(&model, &scanned, verdict, said.as_ref(), args.explain, ui);
            Answer::new(text, Value::Null)
        }
    };
    answer.unsure = verdict == Verdict::Inconclusive;
    Ok(answer.denied_if(Denied::from_reasons(
        scanned.iter().filter_map(reason).collect(),
    )))
}

fn scan_all(model: &Model, ui: &Ui) -> Result<Vec<Scanned>, Failure> {
    let size_bytes = model.artifact.size_bytes();
    let bar = ui.bytes_bar("scanning", size_bytes);
    let mut all = Vec::new();
    let mut before = 0;
    for (name, measured) in &model.listing {
        let path = model.file(name);
        let mut file = File::open(&path).map_err(|e| unreadable(&path, &e))?;
        let report = scan::scan_file(name, &mut file, &mut |at| bar.set_position(before + at));
        before += measured.size_bytes();
        // What was scanned is what was measured: whoever changed it meanwhile is found out here.
        if digest::measure_file(&path)? != *measured {
            return Err(Failure::error(
                Code::Io,
                format!("`{}` changed while it was scanned", path.display()),
                "scan it again when nobody writes to it",
            ));
        }
        all.push(Scanned {
            name: name.clone(),
            digest: measured.digest(),
            report,
        });
    }
    bar.finish_and_clear();
    Ok(all)
}

fn record(
    model: &Model,
    scanned: &[Scanned],
    workspace: &Workspace,
    key: &SigningKey,
    ui: &Ui,
) -> Result<Said, Failure> {
    let files = scanned.iter().map(stated).collect();
    let scanner = concat!("modelward ", env!("CARGO_PKG_VERSION"));
    let rules = Digest::of(&scan::rules_digest_input());
    let statement = chain::scan::statement(
        &model.name,
        &model.artifact,
        files,
        scanner,
        rules,
        workspace.now,
    );
    let statement = statement.ok_or_else(|| {
        Failure::error(Code::Internal, "the scanned files are not the model's", "")
    })?;
    workspace.keep(&model.name, Kind::Model, model.sources(), ui)?;
    key.say(&statement, workspace)
}

fn stated(scanned: &Scanned) -> ScannedFile {
    let mut findings = BTreeMap::new();
    for finding in &scanned.report.findings {
        *findings.entry(finding.rule.id.to_owned()).or_insert(0) += 1;
    }
    ScannedFile {
        name: scanned.name.clone(),
        digest: scanned.digest,
        format: scanned.report.format.as_str().to_owned(),
        verdict: match scanned.report.verdict {
            Verdict::Clean => ScanVerdict::Clean,
            Verdict::Suspicious => ScanVerdict::Suspicious,
            Verdict::Inconclusive => ScanVerdict::Inconclusive,
            Verdict::Malicious => ScanVerdict::Malicious,
        },
        findings,
        not_read: scanned.report.not_read.clone(),
    }
}

fn reason(scanned: &Scanned) -> Option<Reason> {
    let name = &scanned.name;
    let report = &scanned.report;
    let worst = report
        .findings
        .iter()
        .max_by_key(|finding| finding.severity);
    let what = worst.map_or_else(String::new, |finding| format!(": {}", finding.what));
    let fix = worst.map_or("", |finding| finding.rule.fix);
    match report.verdict {
        Verdict::Clean => None,
        Verdict::Malicious => Some(Reason::new(
            Code::ScanMalicious,
            format!("`{name}` is malicious{what}"),
            fix,
        )),
        Verdict::Suspicious => Some(Reason::new(
            Code::ScanSuspicious,
            format!("`{name}` is suspicious{what}"),
            fix,
        )),
        Verdict::Inconclusive => {
            let why = report
                .not_read
                .first()
                .map_or("it was not read whole", String::as_str);
            Some(Reason::new(
                Code::ScanInconclusive,
                format!("`{name}` could not be understood to its last byte: {why}"),
                "convert it to a format that is read whole, such as safetensors",
            ))
        }
    }
}

fn text(
    model: &Model,
    scanned: &[Scanned],
    verdict: Verdict,
    said: Option<&Said>,
    explain: bool,
    ui: &Ui,
) -> String {
    let word = if verdict == Verdict::Clean {
        ui.good(verdict.as_str())
    } else {
        ui.bad(verdict.as_str())
    };
    let mut text = format!("{word}  {} ({})", model.name, model.artifact.digest());
    for scanned in scanned {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n  {:12} {:12} {}",
            scanned.report.verdict.as_str(),
            scanned.report.format.as_str(),
            scanned.name
        );
        for finding in &scanned.report.findings {
            let _ = write!(
                text,
                "\n    [{}] {}{}",
                finding.rule.id,
                place(finding),
                finding.what
            );
            if explain {
                let _ = write!(
                    text,
                    "\n      why: {}\n      fix: {}",
                    finding.rule.why, finding.rule.fix
                );
            }
        }
        for why in &scanned.report.not_read {
            let _ = write!(text, "\n    not read: {why}");
        }
    }
    if let Some(said) = said {
        let _ = write!(text, "\n{said}");
    }
    text
}

fn place(finding: &Finding) -> String {
    if finding.place.is_empty() {
        format!("at byte {}: ", finding.offset)
    } else {
        format!("in {} at byte {}: ", finding.place, finding.offset)
    }
}

/// One file is one object with a `verdict`; a folder has one for each under `files`.
fn data(model: &Model, scanned: &[Scanned], verdict: Verdict, said: Option<&Said>) -> Value {
    let mut data = json!({
        "verdict": verdict.as_str(),
        "model": model.artifact.digest().to_string(),
        "statement": said.map(Said::data),
    });
    // `json!` would copy it.
    data["files"] = Value::Array(scanned.iter().map(file).collect());
    if let (trust::predicate::Form::SingleFile, [only]) = (model.form, scanned)
        && let (Value::Object(data), Value::Object(file)) = (&mut data, file(only))
    {
        data.remove("files");
        data.extend(file);
    }
    data
}

fn file(scanned: &Scanned) -> Value {
    let finding = |finding: &Finding| {
        json!({"rule": finding.rule.id, "severity": severity(finding.severity), "offset": finding.offset,
               "place": finding.place, "what": finding.what, "why": finding.rule.why, "fix": finding.rule.fix})
    };
    json!({
        "name": scanned.name,
        "digest": scanned.digest.to_string(),
        "format": scanned.report.format.as_str(),
        "verdict": scanned.report.verdict.as_str(),
        "findings": scanned.report.findings.iter().map(finding).collect::<Vec<_>>(),
        "notRead": scanned.report.not_read,
    })
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Suspicious => "suspicious",
        Severity::Malicious => "malicious",
    }
}
