//! `modelward policy test FOLDER`

use std::path::{Path, PathBuf};

use policy::gate::{Cases, Ran};
use serde_json::{Value, json};
use trust::{Code, Denied, Reason};

use crate::answer::{Answer, Failure};
use crate::lines::{Lines, counted};
use crate::model::unreadable;

const ENDING: &str = ".test.toml";
const FILES_MAX: usize = 1000;
const WAY: &str = "correct the policy, or what the case expects";

pub(super) fn run(folder: &Path) -> Result<Answer, Failure> {
    let files = if folder.is_dir() {
        files_in(folder)?
    } else {
        vec![folder.to_owned()]
    };
    if files.is_empty() {
        let message = format!("`{}` has no file that ends in `{ENDING}`", folder.display());
        return Err(Failure::error(
            Code::NotFound,
            message,
            "docs/formats/policy.md says what a case is",
        ));
    }
    let (mut text, mut data, mut reasons) = (Lines::default(), Vec::<Value>::new(), Vec::new());
    for file in &files {
        let name = file.display().to_string();
        for ran in cases(file)? {
            let word = if ran.problem.is_none() {
                "ok"
            } else {
                "not as expected"
            };
            text.push(format!("{word}: {name}: {}", ran.name));
            if let Some(problem) = &ran.problem {
                let message = format!("{name}: `{}`: {problem}", ran.name);
                reasons.push(Reason::new(Code::PolicyTestFailed, message, WAY));
            }
            data.push(json!({"file": name, "case": ran.name, "problem": ran.problem}));
        }
    }
    text.push(format!(
        "{} in {}, {} not as expected",
        counted(data.len(), "case"),
        counted(files.len(), "file"),
        reasons.len()
    ));
    Ok(Answer::new(text, json!({"cases": data})).denied_if(Denied::from_reasons(reasons)))
}

fn cases(file: &Path) -> Result<Vec<Ran>, Failure> {
    let bytes = host::whole_file::read(file, super::FILE_SIZE_BYTES_MAX)
        .map_err(|e| unreadable(file, &e))?;
    let cases = Cases::parse(&file.display().to_string(), &bytes)?;
    let beside = file.parent().unwrap_or(Path::new("."));
    Ok(cases.run(&super::read(&beside.join(&cases.policy))?))
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))? {
        let path = entry.map_err(|e| unreadable(folder, &e))?.path();
        if path.to_string_lossy().ends_with(ENDING) && path.is_file() {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            let message = format!("`{}` holds too many files of cases", folder.display());
            return Err(Failure::error(Code::TooLarge, message, "name one of them"));
        }
    }
    files.sort();
    Ok(files)
}
