//! `modelward scan MODEL`

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use digest::Digest;
use scan::{Finding, Report, Severity, Verdict};
use serde_json::{Value, json};
use trust::predicate::{Form, ScanReport, ScanVerdict, ScannedFile, ScannedFiles};
use trust::{Code, Denied, Kind, Reason, Statement, Verified};

use crate::answer::{Answer, Failure};
use crate::cli::Common;
use crate::lines::Lines;
use crate::model::{Model, default_ignored, left_out, left_out_line, unreadable};
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

/// What was found in a model's files: there may be many of them, and something to tell only of some.
struct Scanned {
    files: Files,
    /// The whole of what was found, where something was.
    findings: BTreeMap<usize, Vec<Finding>>,
    verdict: Verdict,
}

enum Files {
    Found(ScannedFiles),
    /// As they stand in the statement.
    Said(Box<Verified<Statement<ScanReport>>>),
}

impl Scanned {
    fn files(&self) -> &ScannedFiles {
        match &self.files {
            Files::Found(files) => files,
            Files::Said(statement) => &statement.value().predicate.files,
        }
    }

    fn findings(&self, at: usize) -> &[Finding] {
        self.findings.get(&at).map_or(&[], Vec::as_slice)
    }

    fn each(&self) -> impl Iterator<Item = (ScannedFile, &[Finding])> {
        let files = self.files().iter().enumerate();
        files.map(|(at, file)| (file, self.findings(at)))
    }
}

pub(crate) fn run(args: &Args, common: &Common, ui: &Ui) -> Result<Answer, Failure> {
    let workspace = if args.no_record {
        None
    } else {
        Workspace::open_if_there(common)?
    };
    let model = Model::measure(&args.model, Kind::Model, &default_ignored(), ui)?;
    let digest = model.artifact.digest();
    let mut scanned = scan_all(&model, ui)?;
    let (name, form) = (model.name.clone(), model.form);
    let said = match workspace {
        None => None,
        Some(workspace) => Some(record(model, &mut scanned, &workspace, &args.key, ui)?),
    };
    let denied = not_clean(&scanned);
    let told = Told {
        name,
        digest,
        left_out: left_out(&args.model, &default_ignored()),
        said,
    };
    // Of many files either is long, and only one of them is printed.
    let answer = match ui.json {
        true => data(&told, form, scanned),
        false => Answer::new(text(&told, &scanned, args.explain, ui), Value::Null),
    };
    Ok(answer.denied_if(denied))
}

/// What is told of the model as a whole.
struct Told {
    name: String,
    digest: Digest,
    /// What lies in its folder and is no part of it.
    left_out: Vec<String>,
    said: Option<Said>,
}

fn scan_all(model: &Model, ui: &Ui) -> Result<Scanned, Failure> {
    let size_bytes = model.artifact.size_bytes();
    let bar = ui.bytes_bar("scanning", size_bytes);
    let (mut files, mut findings) = (ScannedFiles::default(), BTreeMap::new());
    let mut verdicts = Vec::with_capacity(model.artifact.files().len());
    let mut before = 0;
    for (name, measured) in model.artifact.files() {
        let path = model.file(name);
        let mut file = host::whole_file::open(&path).map_err(|e| unreadable(&path, &e))?;
        let report = scan::scan_file(name, &mut file, &mut |at| bar.set_position(before + at));
        before += measured.size_bytes;
        // What was scanned is what was measured: whoever changed it meanwhile is found out here.
        if digest::measure_file(&path)?.digest() != measured.digest {
            return Err(Failure::error(
                Code::Io,
                format!("`{}` changed while it was scanned", path.display()),
                "scan it again when nobody writes to it",
            ));
        }
        verdicts.push(report.verdict);
        let (file, found) = stated(name.to_owned(), measured.digest, report);
        if !found.is_empty() {
            findings.insert(files.len(), found);
        }
        files.push(file);
    }
    bar.finish_and_clear();
    Ok(Scanned {
        files: Files::Found(files),
        findings,
        verdict: scan::fold(verdicts),
    })
}

fn record(
    model: Model,
    scanned: &mut Scanned,
    workspace: &Workspace,
    key: &SigningKey,
    ui: &Ui,
) -> Result<Said, Failure> {
    let unfit = || Failure::error(Code::Internal, "the scanned files are not the model's", "");
    let Files::Found(files) = &mut scanned.files else {
        return Err(unfit());
    };
    let path_of = |path: &str| model.file(path);
    workspace.keep(&model.name, &model.artifact, &path_of, ui)?;
    let scanner = concat!("modelward ", env!("CARGO_PKG_VERSION"));
    let rules = Digest::of(&scan::rules_digest_input());
    let (files, now) = (std::mem::take(files), workspace.now);
    let statement =
        chain::scan::statement(&model.name, &model.artifact, files, scanner, rules, now);
    let statement = statement.ok_or_else(unfit)?;
    // Of many files it is long.
    drop(model);
    let (said, statement) = key.say_long(statement, workspace)?;
    scanned.files = Files::Said(Box::new(statement));
    Ok(said)
}

fn stated(name: String, digest: Digest, report: Report) -> (ScannedFile, Vec<Finding>) {
    let mut findings = BTreeMap::new();
    for finding in &report.findings {
        *findings.entry(finding.rule.id.to_owned()).or_insert(0) += 1;
    }
    let file = ScannedFile {
        name,
        digest,
        format: report.format.as_str().to_owned(),
        verdict: match report.verdict {
            Verdict::Clean => ScanVerdict::Clean,
            Verdict::Suspicious => ScanVerdict::Suspicious,
            Verdict::Inconclusive => ScanVerdict::Inconclusive,
            Verdict::Malicious => ScanVerdict::Malicious,
        },
        findings,
        not_read: report.not_read,
    };
    (file, report.findings)
}

/// The worst comes first: its code is the answer's.
fn not_clean(scanned: &Scanned) -> Option<Denied> {
    let is_clean = |file: &ScannedFile| file.verdict == ScanVerdict::Clean;
    let mut worst_first: Vec<_> = scanned.each().filter(|(file, _)| !is_clean(file)).collect();
    worst_first.sort_by_key(|(file, _)| Reverse(file.verdict.severity()));
    Denied::from_reasons(worst_first.into_iter().filter_map(reason).collect())
}

fn reason((file, findings): (ScannedFile, &[Finding])) -> Option<Reason> {
    let name = &file.name;
    let worst = findings.iter().max_by_key(|finding| finding.severity);
    let what = worst.map_or_else(String::new, |finding| format!(": {}", finding.what));
    let fix = worst.map_or("", |finding| finding.rule.fix);
    match file.verdict {
        ScanVerdict::Clean => None,
        ScanVerdict::Malicious => Some(Reason::new(
            Code::ScanMalicious,
            format!("`{name}` is malicious{what}"),
            fix,
        )),
        ScanVerdict::Suspicious => Some(Reason::new(
            Code::ScanSuspicious,
            format!("`{name}` is suspicious{what}"),
            fix,
        )),
        ScanVerdict::Inconclusive => {
            let why = file.not_read.first();
            let why = why.map_or("it was not read whole", String::as_str);
            Some(Reason::new(
                Code::ScanInconclusive,
                format!("`{name}` could not be understood to its last byte: {why}"),
                "convert it to a format that is read whole, such as safetensors",
            ))
        }
    }
}

fn text(told: &Told, scanned: &Scanned, explain: bool, ui: &Ui) -> Lines {
    let verdict = scanned.verdict;
    let word = if verdict == Verdict::Clean {
        ui.good(verdict.as_str())
    } else {
        ui.bad(verdict.as_str())
    };
    let mut text = Lines::from(format!("{word}  {} ({})", told.name, told.digest));
    for (file, findings) in scanned.each() {
        text.push(format!(
            "  {:12} {:12} {}",
            file.verdict.as_str(),
            file.format,
            file.name
        ));
        for finding in findings {
            text.push(format!(
                "    [{}] {}{}",
                finding.rule.id,
                place(finding),
                finding.what
            ));
            if explain {
                text.push(format!("      why: {}", finding.rule.why));
                text.push(format!("      fix: {}", finding.rule.fix));
            }
        }
        for why in &file.not_read {
            text.push(format!("    not read: {why}"));
        }
    }
    text.extend(told.said.as_ref().map(ToString::to_string));
    text.extend(left_out_line(&told.left_out, "not scanned"));
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
fn data(told: &Told, form: Form, scanned: Scanned) -> Answer {
    let mut data = json!({
        "verdict": scanned.verdict.as_str(),
        "model": told.digest.to_string(),
        "ignored": told.left_out,
        "statement": told.said.as_ref().map(Said::data),
    });
    if let (Form::SingleFile, Some(only)) = (form, scanned.files().get(0))
        && let (Value::Object(data), Value::Object(file)) =
            (&mut data, file(&only, scanned.findings(0)))
    {
        data.extend(file);
        return Answer::new(Lines::default(), Value::Object(std::mem::take(data)));
    }
    let count = scanned.files().len();
    let files = (0..count).filter_map(move |at| {
        let stated = scanned.files().get(at)?;
        Some(file(&stated, scanned.findings(at)))
    });
    Answer::new(Lines::default(), data).with_list("files", files)
}

fn file(stated: &ScannedFile, findings: &[Finding]) -> Value {
    let finding = |finding: &Finding| {
        json!({"rule": finding.rule.id, "severity": severity(finding.severity), "offset": finding.offset,
               "place": finding.place, "what": finding.what, "why": finding.rule.why, "fix": finding.rule.fix})
    };
    json!({
        "name": stated.name,
        "digest": stated.digest.to_string(),
        "format": stated.format,
        "verdict": stated.verdict.as_str(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
        "notRead": stated.not_read,
    })
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Suspicious => "suspicious",
        Severity::Malicious => "malicious",
    }
}
