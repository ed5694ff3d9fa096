//! `modelward verify MODEL --signature FILE --signature FILE`: any one is enough, and it is said which.

use std::path::{Path, PathBuf};

use trust::{Denied, Reason};

use crate::answer::{Answer, Failure};
use crate::ui::Ui;

/// The answer by the first signature that is believed and holds. What is said against those before it is told, and those
/// after it are not looked at. Where none holds, each says why; where one can't be read, that may have been the one.
pub(super) fn any(
    signatures: &[PathBuf],
    ui: &Ui,
    verify: impl Fn(&Path) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    if let [only] = signatures {
        return verify(only);
    }
    let mut refused: Vec<(&Path, Denied)> = Vec::new();
    let mut unread: Option<(&Path, Failure)> = None;
    for signature in signatures {
        match verify(signature) {
            Ok(mut answer) => {
                if let Some((signature, failure)) = &unread {
                    ui.warn(&unread_told(signature, failure));
                }
                for (signature, denied) in &refused {
                    ui.warn(&told(signature, denied));
                }
                let by = format!("by the signature {}", signature.display());
                answer.text.push(by);
                return Ok(answer);
            }
            Err(Failure::Denied(denied)) => refused.push((signature, denied)),
            Err(failure) => unread = unread.or(Some((signature.as_path(), failure))),
        }
    }
    if let Some((_, failure)) = unread {
        return Err(failure);
    }
    let reasons = refused.iter().flat_map(|(signature, denied)| {
        let of_it = move |reason: &Reason| {
            let message = format!("{}: {}", signature.display(), reason.message);
            Reason::new(reason.code, message, reason.way.clone())
        };
        denied.reasons().map(of_it)
    });
    match Denied::from_reasons(reasons.collect()) {
        Some(denied) => Err(denied.into()),
        None => Err(Failure::error(
            trust::Code::Usage,
            "there is no signature",
            "give one: `--signature FILE`",
        )),
    }
}

fn unread_told(signature: &Path, failure: &Failure) -> String {
    let why = match failure {
        Failure::Error(problem) => problem.message.as_str(),
        Failure::Denied(_) => "it is refused",
    };
    format!(
        "the signature {} was not looked at: {why}",
        signature.display()
    )
}

fn told(signature: &Path, denied: &Denied) -> String {
    let reasons: Vec<String> = denied
        .reasons()
        .map(|it| format!("[{}] {}", it.code, it.message))
        .collect();
    format!(
        "the signature {} does not count: {}",
        signature.display(),
        reasons.join("; ")
    )
}
