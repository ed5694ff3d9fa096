//! `modelward verify MODEL --only GLOB`: some of the files, and nothing said of the others.

use std::path::Path;

use serde_json::json;
use trust::predicate::Form;
use trust::{Code, Part, Verified};

use super::{Asked, differs, not_recalled, unvouched_line};
use crate::answer::{Answer, Failure};
use crate::glob::Glob;
use crate::lines::Lines;
use crate::model::Resources;
use crate::step_lines::harmless;
use crate::ui::Ui;
use crate::workspace::Workspace;

/// So many names are told to a person; a program gets them all.
const NAMES_SHOWN_MAX: usize = 20;

pub(super) fn verify(asked: &Asked, only: &[Glob], ui: &Ui) -> Result<Answer, Failure> {
    let signed = &asked.verified.value().predicate;
    let is_file = asked.model.is_file();
    if is_file || signed.form() == Form::SingleFile {
        let message = "the model is one file, and has no part";
        return Err(Failure::error(Code::Usage, message, "leave out `--only`"));
    }
    for glob in only {
        if !signed.signed_files().iter().any(|file| glob.fits(file)) {
            let message = format!("no file that was signed fits `{glob}`");
            let way =
                "a folder is `FOLDER/**`; `modelward inspect` lists the files that were signed";
            return Err(Failure::error(Code::FileMissing, message, way));
        }
    }
    let chosen = |path: &str| only.iter().any(|glob| glob.fits(path));
    // Folders are looked into, since what fits may stand anywhere; of files only those that fit are read.
    let skipped = |path: &str| !chosen(path) && !is_folder(&asked.model.join(path), asked);
    let links = asked.links.as_deref();
    let method = signed.method();
    let measured = Resources::measure_but(
        &asked.model,
        &|name| asked.ignored.iter().any(|ignored| ignored == name) || skipped(name),
        links,
        method,
        ui,
    )?;
    let part = trust::verify_part(&asked.verified, method, &chosen, &measured.resources)
        .map_err(|differences| differs(&differences))?;
    if let Some(workspace) = &asked.workspace {
        let known = workspace.artifacts()?.into_iter();
        let known: Vec<_> = known
            .filter(|artifact| artifact.signing_root() == signed.root())
            .collect();
        not_recalled(&known, asked.verified.proof().key, workspace)?;
    }
    Ok(answer(asked, &part))
}

fn is_folder(path: &Path, asked: &Asked) -> bool {
    let metadata = match asked.links {
        Some(_) => path.metadata(),
        None => path.symlink_metadata(),
    };
    metadata.is_ok_and(|metadata| metadata.is_dir())
}

fn answer(asked: &Asked, part: &Verified<Part>) -> Answer {
    let (checked, unchecked) = (part.value().checked(), part.value().unchecked());
    let signed = &asked.verified.value().predicate;
    let mut text = Lines::from([
        format!(
            "verified in part: {} of {} signed files of `{}` are as {} signed them",
            checked.len(),
            checked.len() + unchecked.len(),
            asked.name(),
            asked.who(),
        ),
        format!("not checked: {}", shortened(unchecked)),
    ]);
    text.extend(asked.workspace.as_ref().and_then(Workspace::decided_line));
    text.extend(unvouched_line(asked.verified.proof()));
    let mut data = json!({"partial": true, "checked": checked, "unchecked": unchecked,
                          "method": signed.method().to_string()});
    if let (Some(members), Some(who)) = (data.as_object_mut(), asked.who_as_json().as_object()) {
        members.extend(who.clone());
    }
    Answer::new(text, data)
}

/// The names, or the first of them and how many more there are.
fn shortened(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing; without `--only` it would be verified as a whole".to_owned();
    }
    let shown: Vec<String> = names
        .iter()
        .take(NAMES_SHOWN_MAX)
        .map(|name| harmless(name))
        .collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}
