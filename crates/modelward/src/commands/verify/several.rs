//! `modelward verify MODEL --signature FILE --signature FILE`: any one is enough, and it is said which.

use std::path::{Path, PathBuf};

use trust::{Denied, Reason};

use crate::answer::{Answer, Failure, Problem};
use crate::ui::Ui;

/// The answer by the first signature that is believed and holds. What is said against those before it is told, and those
/// after it are not looked at. Where none holds, each says why; where one can't be read, that may have been the one: there is no
/// answer then, and the others are told.
pub(super) fn any(
    signatures: &[PathBuf],
    ui: &Ui,
    verify: impl Fn(&Path) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    if let [only] = signatures {
        return verify(only);
    }
    let mut refused: Vec<(&Path, Denied)> = Vec::new();
    let mut unread: Vec<(&Path, Problem)> = Vec::new();
    for signature in signatures {
        match verify(signature) {
            Ok(mut answer) => {
                warn_of(&unread, &refused, ui);
                let by = format!("by the signature {}", signature.display());
                answer.text.push(by);
                return Ok(answer);
            }
            Err(Failure::Denied(denied)) => refused.push((signature, denied)),
            Err(Failure::Error(problem)) => unread.push((signature, problem)),
        }
    }
    if !unread.is_empty() {
        let (signature, problem) = unread.remove(0);
        warn_of(&unread, &refused, ui);
        let message = format!("{}: {}", signature.display(), problem.message);
        return Err(Failure::Error(Problem { message, ..problem }));
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

/// Tells of the signatures that are not the answer's.
fn warn_of(unread: &[(&Path, Problem)], refused: &[(&Path, Denied)], ui: &Ui) {
    for (signature, problem) in unread {
        let (signature, why) = (signature.display(), &problem.message);
        ui.warn(&format!(
            "the signature {signature} was not looked at: {why}"
        ));
    }
    for (signature, denied) in refused {
        ui.warn(&told(signature, denied));
    }
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
